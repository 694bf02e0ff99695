/* proc/generation.h
 * One checked configuration and what the master keeps for the processes that run on it. It lives as
 * long as one of them does. */
#ifndef PROC_GENERATION_H
#define PROC_GENERATION_H

#include "ipc/ipc_message.h"
#include "plan/plan.h"

#define GENERATION_EDGES_MOST 64

struct generation {
	uint32_t number;
	struct plan *plan;
	int conf_fd;        /* sealed */
	int route_fd;       /* the same without keys and certificates, for `route`; -1: that is not needed */
	int map_fd;         /* where the socketmap is listened on; -1: nowhere */
	int64_t checked_at; /* wall clock */
	uint32_t uid, gid;  /* that children become; IPC_SAME_USER: no change */
	unsigned edges;
	/* The hosts that are names, with what the resolver said last; count 0: nothing yet. */
	struct ipc_addrs *known;
	size_t known_count;
	/* When to start the process of each post. MSEC_NEVER: it runs. */
	msec *due;
	unsigned kids;      /* its processes alive */
};

/* Reads and checks everything. NULL where the report has errors. */
MUST_CHECK struct generation *generation_load(const char *path, uint32_t number,
					      struct conf_report *report);
void generation_free(struct generation *g);

/* Whom its children become, where the master is root: as configured, else sallyport where there is such a user, else nobody. */
const char *generation_user(const struct generation *g);

/* The processes that it should have: first the edges, then the resolver where there are names, then `route` where
 * that is needed. */
enum post { POST_EDGE, POST_RESOLVER, POST_ROUTE };
unsigned generation_posts(const struct generation *g); /* how many */
enum post generation_post(const struct generation *g, unsigned post);

/* The socket of the socketmap: that of `old` (NULL: there is none), where the address is the same, else a new one. False with `why`. */
MUST_CHECK bool generation_open_map(struct generation *g, const struct generation *old, struct why *why);
/* Closes our copy of it, so that nobody connects where nobody listens any more. */
void generation_close_map(struct generation *g);

/* A name that has not changed keeps its addresses: a reload while DNS is down must not
 * forget what was known. */
void generation_inherit(struct generation *g, const struct generation *old);

/* Takes in what the resolver said. NULL where it speaks of a host that it was not asked about. */
const struct ipc_addrs *generation_learn(struct generation *g, const struct ipc_addrs *said);

const struct plan_host *generation_host(const struct generation *g, const struct ipc_addrs *known);

#endif
