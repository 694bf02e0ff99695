/* edge/leg.h
 * One upstream connection of a session: the host it found, the dialogue up to the point where mail
 * may flow, and the commands whose replies are still to come. It tries the hosts in order, each under
 * the same need, and is ready only where need_met() said so: there is no other way to LEG_READY. */
#ifndef EDGE_LEG_H
#define EDGE_LEG_H

#include "edge/next_hop.h"
#include "io/stream.h"
#include "smtp/smtp_client.h"

#define LEG_AWAIT_MOST 128
#define LEG_REPLAY_MOST (16 * 1024)

enum leg_state {
	LEG_CONNECT,
	LEG_HELLO,  /* greeting, EHLO, STARTTLS */
	LEG_GREETED, /* transparent mode: the client has yet to say who it is; see leg_name */
	LEG_TLS,
	LEG_CHECK,  /* is the certificate revoked? `route` asks its responder (OCSP) */
	LEG_READY,
	LEG_BYE,    /* QUIT is on its way: nothing is expected any more */
	LEG_FAILED, /* no host would do: `refusal` and `why` say it */
	LEG_CLOSED,
};

/* A command that the upstream owes a reply to. */
enum await {
	AWAIT_AUTH,       /* AUTH, or a line of its exchange */
	AWAIT_MAIL,
	AWAIT_OUR_MAIL,   /* the client has had its answer to MAIL (mode outbound) */
	AWAIT_RCPT,
	AWAIT_DATA,       /* the client's DATA */
	AWAIT_CHUNK_DATA, /* our DATA for the client's BDAT */
	AWAIT_CHUNK,      /* BDAT without LAST */
	AWAIT_FINAL,      /* the final dot, or BDAT LAST */
	AWAIT_RSET,       /* ours: the client is not waiting for it */
};

/* Another attempt to connect, beside the first. */
struct leg_rival {
	bool on;
	struct stream stream;
	struct loop_watch *watch;
	unsigned try;
	msec began;
};

struct leg {
	struct edge *edge;
	struct session *session;
	struct upstream *up;
	enum leg_state state;
	msec since;           /* when the present wait began */
	struct tls_need need; /* of the host that is tried, or was found */
	struct next_hop *hop; /* held; NULL: the hosts are the upstream's, or there is but the one that the client called */
	struct upstream_try *tries;
	unsigned try_count, try_now, try_next;
	msec race_at;         /* when a rival may begin */
	struct leg_rival rival;
	struct route_ask *ocsp; /* in LEG_CHECK: the question; else NULL */
	struct leg *next_idle; /* in the pool; `session` is NULL then */
	bool used;            /* a command was sent since it was ready */
	unsigned reused;      /* times that it came from the pool, for the log */
	bool kept;            /* it came from the pool, and no reply has come since */
	struct buf replay;    /* commands sent since then: for another connection, should this one be dead */
	uint32_t replay_caps; /* that they made use of, at the most */
	struct tls_need replay_need; /* of the recipients among them; NEED_NONE: none beyond `need` */
	bool replaying;       /* it took over such commands, and has yet to send them */
	bool closing;         /* it has said 421 */
	bool bare;            /* ready as soon as it is connected: two others speak through it */
	bool clear;           /* TLS failed here under `may`: this is the second connection */
	char name[256];       /* transparent mode: what the client calls itself, for EHLO */
	char server_name[256]; /* as its EHLO reply says; "" before */
	bool transaction;     /* MAIL was sent and neither a final reply nor RSET has ended it */
	struct stream stream;
	bool all_left;        /* as of the last flush: all that we had to say has left, and none was dropped */
	struct loop_watch *watch;
	struct leg *next_waiting, **self_waiting; /* edge->waiting; NULL: not there */
	uint64_t own_key;     /* of its local end in shared memory; 0: it is not there */
	struct smtp_client client;
	struct smtp_reply_reader reader;
	unsigned char awaits[LEG_AWAIT_MOST]; /* a ring of enum await */
	unsigned await_head, await_count;
	unsigned owed;        /* of them those that the client waits for */
	const struct smtp_answer *refusal;
	struct why why;
	msec began, ms_connect, ms_ready; /* for the log */
};

/* Begins to connect at once. Never NULL; may be LEG_FAILED already. */
struct leg *leg_new(struct session *s, struct upstream *up, struct tls_need need);
/* To the hosts of a decision, each under the need that it has there; holds `hop`. */
struct leg *leg_new_hop(struct session *s, struct upstream *up, struct next_hop *hop);
/* Another transaction goes on over it, whose decision is the same (next_hop_is_same) and may have other reasons: the log is to tell
 * its own. Holds `hop`. */
void leg_serve_hop(struct leg *l, struct next_hop *hop);
/* To the session's own target alone, without a word of ours (mode_watch, mode_tunnel). */
struct leg *leg_new_bare(struct session *s, struct upstream *up);
void leg_free(struct leg *l);

/* As session_run: true where something moved. */
bool leg_fill(struct leg *l);
bool leg_flush(struct leg *l);
/* Takes the leg on towards LEG_READY or LEG_FAILED. In LEG_READY and later it does nothing. */
bool leg_step(struct leg *l);

/* Of a leg on edge->waiting: tries once more, and runs its session. */
void leg_dial_again(struct leg *l);

/* In LEG_GREETED: EHLO with the client's own name. In other states it is kept for later. */
void leg_name(struct leg *l, struct span name);

/* When the leg has waited too long; MSEC_NEVER where it waits for nothing. */
msec leg_deadline(const struct leg *l);
/* Lost when it had just become ready, with nothing said to it: as if it could not be reached. The next host is
 * tried. */
void leg_unreachable(struct leg *l, const struct why *why);
/* The deadline has passed: before LEG_READY the next host is tried. In LEG_READY the caller acts. */
void leg_timeout(struct leg *l);

/* A command stands in stream.out from octet `mark` on: its reply is awaited, and what was sent is
 * remembered as long as another connection might have to be told it again. */
void leg_sent(struct leg *l, size_t mark, enum await what);
/* A recipient was sent whose partner needs this: where it is said again that must be met as well. */
void leg_promise(struct leg *l, const struct tls_need *need);
/* What was sent can't be sent again: part of a message is under way, or a reply has come. */
void leg_settle(struct leg *l);
/* A leg like `old` was, on a new connection, that will say again what that one was told and
 * never answered. Takes `old`. */
struct leg *leg_again(struct leg *old);
MUST_CHECK bool leg_replay(struct leg *l); /* LEG_READY and `replaying`; false: this upstream can't take it */
/* The oldest command without a reply. There must be one. */
enum await leg_awaited(const struct leg *l);
void leg_answered(struct leg *l);
/* The newest command will never be whole, and so never answered. */
void leg_forget_newest(struct leg *l);
bool leg_can_await(const struct leg *l);

/* QUIT, then close; for a leg with nothing under way. */
void leg_bye(struct leg *l);
/* Closes: what has been flushed still arrives. */
void leg_close(struct leg *l);
/* Resets the connection: what the upstream has of the message must not count as one. */
void leg_abort(struct leg *l);

/* Something would have been refused: for a rule in shadow mode, MTA-STS in testing, or a host that is known for better
 * (SPEC NEW-28, NEW-33). It is logged and counted. */
void leg_report_shadow(const struct leg *l, const char *domain, const struct tls_need *wanted, const struct policy_rule *rule,
		       const char *because, const struct why *why);

/* In LEG_FAILED, of a decision's hosts: what to tell the client. */
const struct smtp_answer *leg_refusal(const struct leg *l);

void leg_facts(const struct leg *l, struct tls_facts *facts);
/* "192.0.2.1:25" of the host it is, or was last, connected to; "" before. */
void leg_where(const struct leg *l, char text[ADDR_TEXT_MOST]);
/* "mx.example.net" or the address literal, as configured. */
const char *leg_host(const struct leg *l);

#endif
