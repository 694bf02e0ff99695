/* A world in memory: one edge with its sessions, clients that call it, upstreams that it calls, and a
 * clock that stands still until it is set. Nothing in it waits and nothing in it is random, so what
 * happened once happens again. The talks play in it, and the simulator. */
#ifndef WORLD_H
#define WORLD_H

#include "edge/edge.h"
#include "io/stream.h"
#include "policy/policy_evidence.h"

#define WORLD_GOT_MOST (128 * 1024 * 1024)
#define WORLD_WINDOW (64 * 1024)
#define WORLD_WHOLE SIZE_MAX

/* What becomes of a connection that the gateway opens. */
enum world_fate {
	WORLD_ACCEPTED,
	WORLD_REFUSED,
	WORLD_HANGING, /* never connected, never refused */
};

/* How a peer ends its side, once all that it has said has left. */
enum world_bye {
	WORLD_STAYS,
	WORLD_FIN,          /* under TLS: without close_notify */
	WORLD_CLOSE_NOTIFY, /* and FIN */
	WORLD_RESET,
	WORLD_GONE,         /* closed, both ways */
};

/* A client or an upstream: the other end of a connection of the gateway. */
struct world_peer {
	struct world *world;
	struct world_peer *next;
	bool client;
	unsigned number;          /* of its kind, from 1, in the order of birth */
	char sid[16];             /* of the session it belongs to */
	struct session *session;  /* of a client; NULL when it has been reaped */
	struct addr at;           /* of an upstream: where the gateway called */
	enum world_fate fate;
	struct stream_pipe pipe;  /* the gateway has end a, the peer end b */
	struct stream stream;
	struct buf got;           /* plain octets that came and were not taken yet */
	struct buf raw;           /* octets that leave below any TLS */
	struct tls_conn *tls;     /* begins when what was said in clear has left */
	struct buf after_tls;     /* said since, to leave when it has begun */
	enum world_bye bye;
	bool deaf;                /* reads nothing */
	void *user;
};

struct world {
	struct edge edge;         /* first: the dial hook finds the world by it */
	struct shared *shared;
	struct world_peer *peers; /* in the order of birth */
	unsigned client_count, upstream_count;
	struct buf log;           /* whole lines */
	char wrong[256];          /* a law of the harness that was broken; the first one stands */

	/* Asked once for each connection that the gateway opens; may set `user` and `deaf`, and start TLS. */
	enum world_fate (*on_dial)(struct world *w, struct world_peer *upstream);
	/* May be NULL: session_begin. Else it begins a session of another mode; then session_run is called. */
	void (*on_call)(struct world *w, struct session *s);
	/* An edge asks where mail for a domain goes; answered by world_evidence, but not from inside. NULL, or false:
	 * nobody is there to ask. */
	bool (*on_ask)(struct world *w, uint32_t id, const char *domain);
	void *user;

	/* The octets of all peers on their way to the gateway are counted. They stop at number
	 * `cut_at` until nothing moves any more, and never more than `piece` go at once. */
	uint64_t sent, cut_at;
	size_t piece;
	size_t window_in;         /* octets that may wait for the gateway */
	size_t window_out;        /* ... for a peer: back pressure */
	struct buf *tape;         /* may be NULL; one octet for each sent: 't' under TLS, 'c' in clear */
};

/* A plan out of a YAML text; NULL with what is wrong with it in `wrong`. It is held. Certificates are as
 * world_tls_files says. */
struct plan *world_plan(const char *yaml, struct shared *shared, char *wrong, size_t size);

/* `shared` from shared_private, with tickets turned once; both outlive the world. Only one world at a
 * time: the log has one sink. */
void world_init(struct world *w, struct plan *plan, struct shared *shared, uint64_t seed);
/* Whatever is still open is reset, and the sessions reaped. */
void world_free(struct world *w);

/* A connection to the service; what the gateway says first has been said when it returns. */
struct world_peer *world_call(struct world *w, size_t service, bool implicit);
/* NULL: there is no such peer (yet). */
struct world_peer *world_find(const struct world *w, bool client, unsigned number);

/* Answers a question. Takes `e`. */
void world_evidence(struct world *w, uint32_t id, struct policy_evidence *e);

/* Queued; they leave in world_settle. */
void world_say(struct world_peer *p, struct span text);
void world_say_raw(struct world_peer *p, struct span octets);
void world_bye(struct world_peer *p, enum world_bye bye);
/* Takes `tls`. Nothing is read until it has begun. */
void world_start_tls(struct world_peer *p, struct tls_conn *tls);

/* Until nothing moves, and all sessions that have ended are reaped. Checks after each turn that a session
 * at rest really is: run once more it moves nothing, and a limit ends its wait. */
void world_settle(struct world *w);

/* The next moment that a session asks to be ticked at; MSEC_NEVER. */
msec world_deadline(const struct world *w);
/* Sets the clock (never back) and ticks the sessions whose moment has come; does not settle. */
void world_tick(struct world *w, msec now);
/* Settles, ticks and settles, deadline after deadline, until `now`. */
void world_wait(struct world *w, msec duration);

#endif
