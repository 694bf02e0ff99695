/* proc/sockets.h
 * Sockets that take a privilege to make (CAP_NET_ADMIN), which edges don't have: the upstream side of
 * transparent services. The master makes them and hands them over; what is done with them then needs none. */
#ifndef PROC_SOCKETS_H
#define PROC_SOCKETS_H

#include "ipc/ipc_message.h"
#include "plan/plan.h"

/* Whether we can make what `plan` needs; without transparent services that is nothing. */
MUST_CHECK bool sockets_check(const struct plan *plan, struct why *why);

/* Whether an edge of this plan may ask for such sockets at all: one that has no use for them is broken, or
 * taken over. */
bool sockets_may(const struct plan *plan, const struct ipc_sockets *want);

/* Returns how many were made; fewer than wanted: `why` says it. The caller's. */
size_t sockets_make(const struct plan *plan, const struct ipc_sockets *want, int fds[IPC_SOCKETS_MOST],
		    struct why *why);

#endif
