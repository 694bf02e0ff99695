/* edge/pool.h
 * Upstream connections between two messages. One is given out again only under the same upstream and the
 * same need, or an equal decision (law 7): what it was judged by holds for the next message as well. A leg comes here clean, with no
 * transaction open and no reply outstanding, and whatever the upstream says or does meanwhile is
 * the end of it. */
#ifndef EDGE_POOL_H
#define EDGE_POOL_H

#include "edge/leg.h"

/* Takes the leg off its session where it may be kept. False: it is still the session's. */
MUST_CHECK bool pool_put(struct leg *l);

/* A kept leg, now the session's; NULL: there is none. */
struct leg *pool_take(struct session *s, struct upstream *up, const struct tls_need *need);
/* One to the hosts of an equal decision. */
struct leg *pool_take_hop(struct session *s, struct upstream *up, struct next_hop *hop);

/* The session's no more: kept where it may be, else ended with QUIT. It is clean: nothing is awaited from it. */
void pool_dismiss(struct leg *l);

/* An event of a leg without a session. */
void pool_event(struct leg *l);

/* Closes those that have been idle for too long; `all`: every one. The time of the next to become so;
 * MSEC_NEVER where none is kept. */
msec pool_sweep(struct edge *e, bool all);

#endif
