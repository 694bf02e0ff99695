/* edge/outbound_inside.h
 * What outbound.c and outbound_way.c know of each other. */
#ifndef EDGE_OUTBOUND_INSIDE_H
#define EDGE_OUTBOUND_INSIDE_H

#include "edge/outbound.h"

/* The way whose leg is the session's; NULL: none. */
struct outbound_way *outbound_way_now(const struct session *s);
/* What the session's leg was told has not been answered yet. */
bool outbound_is_awaited(const struct session *s);
/* It has recipients, or may have. */
bool outbound_is_needed(const struct outbound_way *w);
int outbound_find_way(const struct outbound *o, const struct next_hop *hop); /* -1: there is none */
/* A new one, opened. */
void outbound_begin_way(struct session *s, struct next_hop *hop);
/* It has come to nothing; its leg may still serve another. */
void outbound_drop_way(struct session *s, unsigned i);
void outbound_free_way(struct outbound_way *w);

#endif
