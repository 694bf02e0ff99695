/* proc/listeners.h
 * The master's listening sockets: for each address one for each edge (SO_REUSEPORT), and the same
 * ones for every generation of edges: a socket that is closed while connections wait in its
 * queue resets them. So the number of sockets of an address never shrinks while the address
 * stays; where there are fewer edges than before, they share them out. */
#ifndef PROC_LISTENERS_H
#define PROC_LISTENERS_H

#include "ipc/ipc_message.h"
#include "plan/plan.h"

struct listener {
	struct addr at;
	unsigned index; /* of the sockets with this address, from 0 */
	int fd;
	bool transparent; /* takes connections to anybody's address */
};

struct listeners {
	struct listener *all;
	size_t count;
};

/* Opens what `plan` needs for so many edges and is not open yet. False with `why`, and with nothing opened, where
 * one of them can't be: the address is not ours, another program listens there, TPROXY takes a privilege that we
 * don't have, or an edge would have more than IPC_LISTENS_MOST. Waits up to two seconds for an address that is
 * just being given up. */
MUST_CHECK bool listeners_open(struct listeners *l, const struct plan *plan, unsigned edges,
			       struct why *why);

/* Closes our copies of all whose address is not among those of `plan` (NULL: all). */
void listeners_keep(struct listeners *l, const struct plan *plan);

/* The sockets of one edge, our descriptors and indices into plan->listens. Returns how many. */
size_t listeners_share(const struct listeners *l, const struct plan *plan, unsigned edges,
		       unsigned index, struct ipc_listen out[IPC_LISTENS_MOST]);

#endif
