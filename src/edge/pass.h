/* edge/pass.h
 * What mode_watch and mode_tunnel have in common: two others talk through us, to each other. How each side ends is
 * for the other to see as it was: FIN as FIN, behind all that came before it, and RST as RST. */
#ifndef EDGE_PASS_H
#define EDGE_PASS_H

#include "base/log.h"
#include "edge/session.h"
#include "io/splice.h"
#include "smtp/smtp_watch.h"
#include "tls/tls_hello.h"

/* One direction of a tunnel. */
struct pass_way {
	struct splice splice;
	struct buf peek;        /* all that came since TLS began, as long as it may become a hello */
	size_t records;         /* octets of it in records that are whole */
	bool peeked;            /* there is nothing more to be learned */
	struct tls_hello hello; /* all zero: none was found */
	bool spoke;
	bool complies;          /* what is not TLS does not go this way */
	bool alien;             /* and such a thing has come */
};

struct pass {
	bool watched;           /* it began as SMTP */
	struct smtp_watch watch;
	enum outcome left;      /* of the side that ended first; OUTCOME_OPEN: both may still speak */
	struct pass_way up, down; /* towards the server, towards the client */
};

/* Begins to connect to the session's target. The caller has set s->mode. */
void pass_begin(struct session *s, struct upstream *up, enum phase phase);
/* For the session: all that is held, or nothing where there is nothing. */
void pass_free(struct session *s);

/* While the leg is not ready: as session_run. */
bool pass_connect(struct session *s);

/* Passes on how a side has ended. `client_all`: all that the client said has been put into the server's queue, or
 * never can be; likewise `server_all`. As session_run; the session may have ended. */
bool pass_ends(struct session *s, bool client_all, bool server_all);

/* A limit of ours: the server is reset; the client is told why where that can be said, and reset elsewhere. */
void pass_too_slow(struct session *s, enum outcome outcome);

/* Fields of session-end. */
void pass_log(struct log_line *l, const struct session *s);

#endif
