/* edge/edge_main.h
 * The edge process: the loop under the sessions, the channel to the master. */
#ifndef EDGE_MAIN_H
#define EDGE_MAIN_H

#include "proc/child.h"

/* Serves until the master says drain, or is gone, and the last session has ended. Returns
 * the status to exit with. */
int edge_main(const struct edge_start *start);

#endif
