/* edge/hold.h
 * A message whose recipients go several ways. It is taken from the client whole, into a memfd, and said to one way after the
 * other. Recipients of a way that does not take it are handed to the fallback, a real mail server with a queue, with a copy of
 * the message, and only then is the client answered (law 1):
 *
 *   all ways say 2xx                                the reply of the last one
 *   none does                                       a refusal: temporary where any was, else the first one's
 *   some do, and the fallback takes the rest        the fallback's reply
 *   some do, and the fallback does not take it      451: who has it will get it again, and the log says so
 *
 * A way that was lost after the final dot may have it (RFC 1047): where others took the message its recipients go to the fallback,
 * since the client's own repetition would reach all of them. */
#ifndef EDGE_HOLD_H
#define EDGE_HOLD_H

#include "edge/outbound.h"

/* Octets of all held messages of an edge together. */
#define HOLD_TOTAL_MOST (1024 * 1024 * 1024ULL)
/* The client waits ten minutes for the answer to its dot (RFC 5321 section 4.5.3.2.6): what has not begun by then counts as lost. */
#define HOLD_BEGIN_MOST_MSEC (6 * 60 * 1000)

enum hold_end { HOLD_OPEN, HOLD_DELIVERED, HOLD_REFUSED, HOLD_LOST, HOLD_IN_DOUBT };

/* DATA, or the first BDAT, of a transaction that is split. False: there is no room; the command is to be refused. */
MUST_CHECK bool hold_begin(struct session *s);
void hold_free(struct session *s);

/* Content on its way in, cleaned and inspected. False: the machine has no room for it. */
MUST_CHECK bool hold_put(struct session *s, struct span content);

/* There is one, being taken in or delivered: what the legs say is read here and nowhere else. */
bool hold_is_there(const struct session *s);

/* The client has sent its last octet. From now on: PHASE_FINAL, until the client is answered. */
void hold_deliver(struct session *s);
bool hold_step(struct session *s);
/* When the client has not read for too long; MSEC_NEVER where it is not waited for. */
msec hold_deadline(const struct session *s);
/* The leg that is open has let its limit pass. */
void hold_late(struct session *s);

#endif
