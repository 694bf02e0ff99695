/* edge/stock.h
 * Sockets that only the master can make (marked, and able to come from anybody's address), a few of each
 * kind at hand, for the upstream side of transparent sessions. */
#ifndef EDGE_STOCK_H
#define EDGE_STOCK_H

#include "ipc/ipc_message.h"
#include "plan/plan.h"

struct stock;

/* Asks for the kinds that the plan's services need, over the channel, which stays the caller's. */
struct stock *stock_new(int channel_fd, const struct plan *plan);
void stock_free(struct stock *s);

/* The master's answer; takes the descriptors. */
void stock_take_in(struct stock *s, const struct ipc_sockets *m, const int *fds, size_t count);

/* One socket, the caller's; -1: none is at hand, and more have been asked for. */
int stock_take(struct stock *s, bool v6, bool any_source);

#endif
