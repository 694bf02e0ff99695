/* proc/child.h
 * The first steps of a process that the master has started: it takes over what it inherited, becomes
 * the unprivileged user, reads its plan and shuts the sandbox behind it. */
#ifndef PROC_CHILD_H
#define PROC_CHILD_H

#include "ipc/ipc_message.h"
#include "plan/plan.h"
#include "proc/shared.h"

/* Where the inherited descriptors are; a resolver has the first alone, `route` the first two and may have one to listen on. */
enum {
	CHILD_FD_CHANNEL = 3,
	CHILD_FD_CONF,
	CHILD_FD_SHARED, /* of an edge */
	CHILD_FD_LISTEN, /* of an edge, and up, as START says */
};

struct edge_start {
	int channel_fd;
	struct shared *shared;
	int slot;
	unsigned index;
	uint32_t generation;
	struct plan *plan; /* one reference, the edge's */
	struct edge_listen {
		int fd;
		size_t listen; /* index into plan->listens; several sockets may have the same */
	} *listens;        /* non-blocking; the edge's */
	size_t listen_count;
	struct home home;
};

/* Of an edge. `path`: of the configuration, as the master read it. False with `why`, and then nothing is left
 * but to exit. */
MUST_CHECK bool child_enter(const char *path, struct edge_start *start, struct why *why);

struct route_start {
	int channel_fd;
	int map_fd;          /* where the socketmap is listened on, non-blocking; -1: nowhere */
	uint32_t uid, gid;
	struct plan *plan;   /* of plan_build_rules: no key. One reference, `route`'s */
};

/* Of `route`: up to reading the configuration. What it names (roots, trust anchor), and what only root may read of it, is read
 * next; then child_become, and when the last file is open, sandbox_route. False with `why`. */
MUST_CHECK bool child_enter_route(const char *path, struct route_start *start, struct why *why);
/* Becomes the unprivileged user. */
MUST_CHECK bool child_become(const struct route_start *start, struct why *why);

/* Of the resolver: no plan, no shared memory, no key. */
MUST_CHECK bool child_enter_resolve(int *channel_fd, struct why *why);

#endif
