/* proc/crew.h
 * The processes that the master has started: their channels, what they said, how they ended. What is to
 * be done about it is the master's business. */
#ifndef PROC_CREW_H
#define PROC_CREW_H

#include "io/loop.h"
#include "proc/generation.h"
#include "proc/listeners.h"
#include "proc/shared.h"

#include <sys/types.h>

#define CREW_MOST (SHARED_SLOTS + 32)
#define CREW_READY_MS 10000 /* a process that is not ready by then is killed */

struct crew;

struct kid {
	struct crew *crew;
	pid_t pid;              /* 0: the place is free */
	struct generation *gen; /* counted in gen->kids */
	unsigned post;          /* of the generation's; an edge's is its index */
	int slot;               /* -1: none */
	int channel;            /* -1: closed */
	struct loop_watch *watch;
	bool ready;
	bool draining;          /* its end is expected */
	msec ready_by;
};

struct crew {
	struct loop *loop;
	struct shared *shared;
	int shared_fd;
	const char *path;
	struct listeners *listeners;
	unsigned alive;
	struct kid kids[CREW_MOST];
};

struct crew_end {
	pid_t pid;
	struct generation *gen; /* the caller frees it where it was the last and is no longer wanted */
	unsigned post;
	bool ready, draining;
	int status;             /* as waitpid tells it */
};

enum post kid_post(const struct kid *k);

/* Starts the process of that post. False with `why`. */
MUST_CHECK bool crew_start(struct crew *c, struct generation *g, unsigned post, struct why *why);

/* All of `g` (NULL: of all generations): edges are told to drain, and so is `route`, which the last of them ends;
 * edges that are not ready yet, and resolvers, hold nothing that could be lost and are killed. */
void crew_drain(struct crew *c, const struct generation *g, bool stop);
void crew_kill(struct crew *c);

/* Kills those that should have been ready; when the next of them is due, MSEC_NEVER: none. */
msec crew_kill_late(struct crew *c, msec now);

/* Whether all its edges, and `route` where it has one, are ready. */
bool crew_is_ready(const struct crew *c, const struct generation *g);

/* The next process that has ended, its place and slot already cleared. */
bool crew_reap(struct crew *c, struct crew_end *end);

#endif
