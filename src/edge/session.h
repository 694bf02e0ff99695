/* edge/session.h
 * One client connection, from accept to the reaper: the dialogue with the client, at most one
 * leg, at most one transaction. After any event: session_run, as far as it goes. */
#ifndef EDGE_SESSION_H
#define EDGE_SESSION_H

#include "edge/edge.h"
#include "edge/leg.h"
#include "edge/outcome.h"
#include "edge/phase.h"
#include "edge/txn.h"
#include "smtp/smtp_sasl.h"
#include "smtp/smtp_server.h"

/* Times that one event may go round before other sessions have their turn. */
#define SESSION_TURNS 32
#define SESSION_SID 12

struct mode;
struct outbound;
struct pass;

struct session {
	struct edge *edge;
	const struct mode *mode;
	const struct plan_service *service;
	struct plan *plan;               /* held: its settings stay to the end (GC-10) */
	/* What holds for this session: of the service, or of the action that its rules chose. */
	const struct plan_action *action; /* NULL: relay */
	const char *rule;                /* that chose it; NULL: none did */
	struct upstream *up;
	struct tls_server *tls;          /* NULL: no TLS towards the client */
	bool offer_tls, esmtp;
	struct tls_cert *leaf;           /* minted; the authority's. NULL: the certificate is that of `tls` */
	char *leaf_label;                /* what it was minted from; NULL where it is */
	char sid[SESSION_SID + 1];
	struct addr peer, local;
	bool greeted;                    /* the client has got its greeting */
	char *sni;                       /* transparent mode: of the client's hello on a port with TLS from the first byte,
	                                  * else the name that the rule has for the target; NULL: neither */
	struct addr target;              /* transparent mode: whom the client called; len 0: nobody else */
	bool implicit;                   /* TLS from the first byte */
	bool counted;                    /* shared_enter said yes */
	struct stream client;
	struct loop_watch *watch;        /* of the client's socket; NULL without one */
	struct smtp_line framing;
	struct smtp_server server;
	struct smtp_sasl *sasl;          /* who logs in, for the log; NULL: nobody has tried */
	bool sasl_line;                  /* the upstream has said 334: the next line answers that */
	struct leg *leg;                 /* NULL: no upstream is needed yet, or any more */
	struct pass *pass;               /* passthrough and strip; NULL: neither */
	struct policy_table *rules;      /* of the transaction that is open; NULL: none is */
	struct outbound *outbound;       /* mode outbound; else NULL */
	struct txn *txn;                 /* NULL: none is open */
	unsigned txns;
	unsigned messages;               /* delivered */
	enum phase phase;
	msec phase_since;
	msec spent[PHASE_MOST];          /* for the log: time in each phase */
	msec born;
	bool long_line;                  /* one was thrown away, and its refusal is due */
	bool command_waits;              /* the one at the front of the input, for the upstream */
	const struct smtp_answer *discard_answer; /* to a BDAT that was refused; its octets come first */
	uint64_t discard_left;
	enum outcome outcome;
	struct why why;
	struct loop_timer *timer;        /* NULL without a loop */
	msec timer_at;
	struct session *next, **self;    /* edge->sessions */
	struct session *next_again, *next_ended;
	bool in_again;
};

/* From here on the session is what the action says. */
void session_use_action(struct session *s, const struct plan_action *action, const char *rule);

/* An id that no other session of this edge has had. */
void session_make_id(struct edge *e, char sid[SESSION_SID + 1]);

/* The stream must have been opened by the caller at once after this; then session_begin. */
struct session *session_new(struct edge *e, const struct plan_service *service, bool implicit,
			    const struct addr *peer, const struct addr *local);
/* The greeting, or the handshake on a port with TLS from the first byte. */
void session_begin(struct session *s);
/* The reaper's alone (edge_reap). */
void session_free(struct session *s);

void session_run(struct session *s);
/* Something that session_run could do is left over for want of turns. */
bool session_wants_run(const struct session *s);

/* The next time session_tick must be called; MSEC_NEVER. */
msec session_deadline(const struct session *s);
/* Looks which limits have passed, acts, and runs. */
void session_tick(struct session *s);

/* --- for the modes --- */

/* The client's handshake, with what came before it in `client.in` where `peeked` (transparent_begin). */
void session_begin_tls(struct session *s, bool peeked);

void session_enter(struct session *s, enum phase phase);
/* The client did something: the limit of the phase counts from now on. */
void session_wait_anew(struct session *s);

/* An answer of our own to the client. Refusals of the client's making count as errors. */
void session_say(struct session *s, const struct smtp_answer *a);
void session_say_text(struct session *s, const struct smtp_answer *a, const char *text);
/* Says `a` (may be NULL) and ends the session when it has left. */
void session_finish(struct session *s, enum outcome outcome, const struct smtp_answer *a);
/* The client is gone, or nothing may be said any more. */
void session_end(struct session *s, enum outcome outcome, const struct why *why);
/* The same, and the client sees a reset. */
void session_abort(struct session *s, enum outcome outcome, const struct why *why);

/* Ends the transaction with its line in the log; where it has no outcome yet it gets this one. */
void session_end_txn(struct session *s, enum txn_outcome outcome);
/* Lets go of the leg: politely where it has nothing under way, else with a reset. */
void session_drop_leg(struct session *s);

void session_client_facts(const struct session *s, struct tls_facts *facts);

/* session_log.c */
void session_log_end(const struct session *s);
void session_log_txn(const struct session *s);
/* Where a leg leads, what decided that, and what TLS it has. */
void session_log_leg(struct log_line *l, const struct leg *leg);
/* An address in a line, as the configuration wants it: plain or hashed. */
void session_log_address(struct log_line *l, const struct session *s, const char *key, struct span address);

#endif
