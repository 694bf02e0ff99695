/* ctl/sink_session.h
 * One client of the sink. It frees itself when it has ended. */
#ifndef CTL_SINK_SESSION_H
#define CTL_SINK_SESSION_H

#include "ctl/sink_maildir.h"
#include "io/addr.h"
#include "io/loop.h"
#include "smtp/smtp_caps.h"
#include "tls/tls_server.h"

#include <sys/queue.h>

struct sink_session;
LIST_HEAD(sink_sessions, sink_session);

/* What all sessions share. */
struct sink {
	struct loop *loop;
	struct tls_server *tls; /* NULL: no TLS */
	struct smtp_caps offer; /* without STARTTLS */
	bool offer_tls;
	bool quiet;
	const char *hostname;
	struct sink_maildir maildir;
	struct sink_sessions sessions;
	unsigned waiting;       /* sessions that have more to do and need no event for it */
};

/* Takes the descriptor. `implicit`: TLS from the first octet. */
void sink_session_start_take(struct sink *k, int fd, const struct addr *peer, bool implicit);

/* To be run after each batch of events. */
void sink_session_run_waiting(struct sink *k);

/* Ends all of them at once: nothing that was answered 250 is lost by it. */
void sink_session_end_all(struct sink *k);

#endif
