/* The simulator: from a number (the seed) come a configuration, a few clients and an upstream for each
 * connection that the gateway opens, all of them misbehaving by chance. What they really sent and
 * got is written into a ledger, and the laws of docs/ARCHITECTURE.md are checked against that
 * from outside. The same number gives the same run. */
#ifndef SIM_H
#define SIM_H

#include "harness/world.h"

#define SIM_MESSAGES 64
#define SIM_BODY_MOST 40000
#define SIM_RCPTS 4
#define SIM_DOMAINS 6
#define SIM_ASKS 32

struct sim_rand {
	uint64_t state;
};

uint32_t sim_rand(struct sim_rand *r, uint32_t below); /* 0 .. below - 1 */
bool sim_chance(struct sim_rand *r, unsigned percent);

/* Mode outbound: one of a message's recipients, "r<number>.m<message>@d<domain>.example". */
struct sim_rcpt {
	bool told;              /* the client has got 2xx for it */
	unsigned commits, said; /* as of the message, by those that were to deliver to it */
};

/* A question of the gateway to `route`. */
struct sim_ask {
	uint32_t id;
	unsigned domain;
	msec at;                /* when it is answered */
};

/* A message as the client meant it, and what became of it on both sides. */
struct sim_message {
	unsigned id;
	struct buf content;     /* un-stuffed */
	bool whole;             /* the client has sent its end */
	bool sound;             /* no bare CR, LF or NUL, within the limits */
	int client_code;        /* final reply that the client got; 0: none */
	unsigned commits;       /* times that an upstream has said, or was about to say, 2xx */
	unsigned said;          /* times that this 2xx was sent */
	int upstream_code;      /* the last final reply that an upstream sent in order; 0: none */
	struct sim_rcpt rcpts[SIM_RCPTS];
};

struct sim {
	struct world world;
	struct sim_rand rand;
	uint64_t seed;
	bool verbose;
	unsigned plan;            /* index into sim_plans */
	struct sim_message messages[SIM_MESSAGES];
	unsigned message_count;
	struct sim_ask asks[SIM_ASKS];
	unsigned ask_count;
	bool body_refused;        /* some upstream said 5xx to DATA or to a chunk */
	char broken[512];         /* the first law that was broken */
};

struct sim_plan {
	const char *name;
	const char *yaml;
	bool must_tls;            /* no MAIL to the upstream in clear */
	bool must_verify;         /* nor to one with a bad certificate */
	bool client_must_tls;
	size_t size_most;
	unsigned rcpt_most;
	bool transparent;         /* clients call the upstream, and the gateway stands in their way */
	bool outbound;            /* where mail goes is told by its recipients' domains (sim_route.c) */
};

extern const struct sim_plan sim_plans[];
extern const unsigned sim_plan_count;

void sim_break(struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
void sim_trace(const struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* sim_ledger.c */
struct sim_message *sim_message_new(struct sim *s);
/* Whose is it? The id stands in the first line of the body; NULL: nobody's. */
struct sim_message *sim_message_of(struct sim *s, struct span content);
/* For whom an upstream has a message. */
struct sim_envelope {
	unsigned count;
	struct {
		unsigned message, rcpt;
	} to[4 * SIM_RCPTS];
};

/* An upstream has taken this message for whole. `said`: and its 2xx is on its way. */
void sim_commit(struct sim *s, struct span content, const struct sim_envelope *e, bool said);
/* It has only said so. */
void sim_said(struct sim_message *m, const struct sim_envelope *e);
void sim_check(struct sim *s);

/* sim_client.c */
struct sim_client;
struct sim_client *sim_client_new(struct sim *s);
void sim_client_free(struct sim_client *c);
/* True where it did something. */
bool sim_client_run(struct sim_client *c);

/* sim_route.c: set as world.on_ask, and run. */
bool sim_route_ask(struct world *w, uint32_t id, const char *domain);
bool sim_route_run(struct sim *s);
msec sim_route_next(const struct sim *s);
/* MAIL has come to this upstream; a recipient has. */
void sim_route_check_mail(struct sim *s, const struct world_peer *p, bool tls, const char *cert);
bool sim_route_is_fallback(const struct sim *s, const struct world_peer *p);
void sim_route_check_rcpt(struct sim *s, const struct world_peer *p, unsigned domain);

/* sim_upstream.c: set as world.on_dial, and run for each upstream peer. */
enum world_fate sim_upstream_dial(struct world *w, struct world_peer *p);
bool sim_upstream_run(struct sim *s, struct world_peer *p);
/* When it will do something by itself; MSEC_NEVER. */
msec sim_upstream_next(const struct world_peer *p);
void sim_upstream_free(struct world_peer *p);

#endif
