/* edge/outcome.h
 * How a session and how a transaction can end: every way has a name here, and exactly one
 * closing line in the log (STYLE rule 7). */
#ifndef EDGE_OUTCOME_H
#define EDGE_OUTCOME_H

#include "base/why.h"

enum outcome {
	OUTCOME_OPEN,             /* not ended */
	OUTCOME_QUIT,
	OUTCOME_CLIENT_CLOSED,    /* FIN or close_notify between commands, without QUIT */
	OUTCOME_CLIENT_CUT,       /* in the middle of something, or TLS ended without close_notify */
	OUTCOME_CLIENT_RESET,
	OUTCOME_CLIENT_TIMEOUT,
	OUTCOME_SESSION_LIMIT,    /* timeout_session */
	OUTCOME_TLS_FAILED,       /* the client's handshake, or a bad record later */
	OUTCOME_TLS_DIRTY,        /* bytes behind STARTTLS */
	OUTCOME_BAD_LINE,         /* a bare CR or LF or a NUL in a command */
	OUTCOME_BAD_CHUNK,        /* a BDAT whose size can't be read */
	OUTCOME_TOO_MANY_ERRORS,
	OUTCOME_LIMIT,            /* a limit on connections, at accept */
	OUTCOME_ACCESS,           /* the client is not one of `clients`, at accept */
	OUTCOME_NO_UPSTREAM,      /* nothing known of the upstream at EHLO */
	OUTCOME_UPSTREAM_421,     /* the upstream said 421, and so did we */
	OUTCOME_DRAINED,
	OUTCOME_SERVER_CLOSED,    /* transparent: the server ended first */
	OUTCOME_SERVER_RESET,
	OUTCOME_UNREACHABLE,      /* transparent: the client's destination */
	OUTCOME_LOOP,             /* transparent: the client called ourselves */
	OUTCOME_STRIPPED,         /* the client left after an EHLO reply without its STARTTLS (SPEC MC-2) */
	OUTCOME_IDLE,             /* transparent: nothing came from either side for too long */
	OUTCOME_FAULT,            /* what was read along with can't be passed on */
	OUTCOME_MOST,
};

enum txn_outcome {
	TXN_OPEN,
	TXN_DELIVERED,            /* the upstream said 2xx to the message */
	TXN_FALLBACK,             /* ... to a part of it: the fallback has taken the rest */
	TXN_REFUSED,              /* the upstream said 4xx or 5xx: to MAIL, to DATA, to the message */
	TXN_REFUSED_EARLY,        /* ... while the body was still under way */
	TXN_LOST,                 /* the upstream was lost before the message was whole */
	TXN_IN_DOUBT,             /* ... after it was whole, before the answer (RFC 1047) */
	TXN_NO_UPSTREAM,          /* no host could be reached */
	TXN_TLS_POLICY,           /* no host met the need */
	TXN_NO_RULES,             /* the partners' database can't be read */
	TXN_CAPS_LOST,            /* the upstream no longer offers what MAIL or RCPT used */
	TXN_BAD_BODY,
	TXN_TOO_BIG,
	TXN_LOOP,
	TXN_NO_RECIPIENTS,
	TXN_RESET,                /* RSET, EHLO, QUIT */
	TXN_CLIENT_GONE,
	TXN_CUT_OFF,              /* a limit of ours ended it */
	TXN_MOST,
};

const char *outcome_name(enum outcome o);
/* Whose doing it is, where no `why` says more. */
enum fault outcome_fault(enum outcome o);
const char *txn_outcome_name(enum txn_outcome o);

#endif
