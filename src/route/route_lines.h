/* route/route_lines.h
 * The lines to the edges: their questions are answered, their results kept. An edge is believed no more than a peer: a line
 * that speaks nonsense is closed. What an edge does not read is dropped: it does not wait for ever. */
#ifndef ROUTE_LINES_H
#define ROUTE_LINES_H

#include "route/route.h"
#include "route/route_ocsp.h"
#include "route/route_partners.h"
#include "store/store_route.h"

#define ROUTE_LINES_MOST 256          /* at once */
#define ROUTE_LINE_ASKS_MOST 4096     /* questions of one edge under way at once; more are answered at once, that there are too many */
#define ROUTE_LINE_OCSP_MOST 64       /* of these, for OCSP responses */

/* All borrowed. */
struct route_lines_from {
	struct loop *loop;
	const struct conf_route *conf;
	struct route *route;
	struct route_ocsp *ocsp;
	struct route_partners *partners;
	struct store_route *store;
};

struct route_lines;

struct route_lines *route_lines_new(const struct route_lines_from *from);
/* After route and ocsp are free: nobody calls back any more. */
void route_lines_free(struct route_lines *l);
/* A new line. The edge is sent the table at once. */
void route_lines_take(struct route_lines *l, uint32_t edge, int fd);
/* All edges are sent the table. */
void route_lines_send_table(struct route_lines *l);
/* To those that had no room for it: to be called often. An answer that is lost is asked for again; without the table an edge
 * would go on with old rules for ever. */
void route_lines_catch_up(struct route_lines *l);
unsigned route_lines_count(const struct route_lines *l);

#endif
