/* edge/edge_accept.h
 * New connections: taken from the listening sockets, held against the limits, made into
 * sessions. */
#ifndef EDGE_ACCEPT_H
#define EDGE_ACCEPT_H

#include "edge/edge.h"
#include "proc/child.h"

struct edge_accept;

/* Begins to take connections. Takes the descriptors. */
struct edge_accept *edge_accept_start(struct edge *e, const struct edge_listen *listens, size_t count);
/* Takes what already waits in the queues, then closes the sockets. May be called twice. */
void edge_accept_stop(struct edge_accept *a);
void edge_accept_free(struct edge_accept *a);

#endif
