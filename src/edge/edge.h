/* edge/edge.h
 * What the sessions of one edge share. It knows no socket and no event: edge_main.c puts the
 * loop under it, the talk runner and the simulator put memory and a set clock. */
#ifndef EDGE_EDGE_H
#define EDGE_EDGE_H

#include "edge/upstream.h"
#include "io/loop.h"
#include "io/splice.h"
#include "proc/shared.h"

struct edge_route;
struct leg;
struct loop_watch;
struct session;
struct stock;
struct stream;

enum dial {
	DIAL_NOW,    /* the stream is open and connected */
	DIAL_WAIT,   /* nothing to dial with is at hand; leg_dial_again when there is */
	DIAL_LATER,  /* it is open; leg_step sees when it is connected */
	DIAL_FAILED, /* `why` says it */
};

struct edge {
	struct plan *plan;          /* held */
	struct upstream *upstreams; /* one for each of the plan's, then one for each action */
	size_t upstream_count;
	struct shared *shared;
	int slot;
	msec now;
	int64_t wall;               /* seconds since 1970 */
	uint64_t sid_seed;
	bool draining;              /* sessions end as soon as no message is under way */
	struct session *sessions;   /* alive or ended, until the reaper comes */
	unsigned session_count;
	struct session *again;      /* ran out of turns: run again soon */
	struct session *ended;      /* for the reaper */
	msec pool_at;               /* what `pool` is set to */
	struct loop_timer *pool;    /* rings when a kept connection has been idle for too long; NULL without a loop */
	struct edge_route *route;   /* questions to the process `route`, and the rules as they are now */
	uint64_t held;              /* octets of messages that go several ways (hold.c) */
	struct leg *waiting;        /* to be dialled when the stock is filled again, the latest first */
	struct stock *stock;        /* sockets for transparent sessions; NULL without a loop */
	struct home home;           /* none without sockets */
	struct loop *loop;          /* NULL without sockets */
	struct splice_pool pipes;   /* for tunnels */

	/* Opens `into` towards `to`: leg->stream, or that of its rival. With a loop `watch` is set. Talks do it otherwise. */
	enum dial (*dial)(struct edge *e, struct leg *leg, const struct addr *to, struct stream *into,
			  struct loop_watch **watch, struct why *why);
	/* Sends octets over the line to `route`; false: there is none, or it takes no more. */
	bool (*tell_route)(struct edge *e, struct span octets);
};

/* Holds the plan. */
void edge_init(struct edge *e, struct plan *plan, struct shared *shared, int slot, uint64_t sid_seed);
/* All sessions must have been reaped. */
void edge_free(struct edge *e);

/* With a loop: the time of the present batch. To be called first by whoever the loop calls. */
void edge_read_clock(struct edge *e);

/* A connection has been put into the pool. */
void edge_pool_changed(struct edge *e);

/* Runs the sessions that had more to do; true where there were any. */
bool edge_run_again(struct edge *e);
/* Frees the sessions that have ended. Nobody else does. */
void edge_reap(struct edge *e);
/* No new work: sessions between messages say 421 now, the others when theirs is done. */
void edge_drain(struct edge *e);

void edge_count(struct edge *e, enum shared_count c, uint64_t n);

#endif
