/* route/route_netstring.h
 * Netstrings ("5:hello,"), as the socketmap protocol frames its messages (socketmap_table(5)). Pure and total. */
#ifndef ROUTE_NETSTRING_H
#define ROUTE_NETSTRING_H

#include "base/buf.h"

enum route_netstring {
	ROUTE_NETSTRING_WHOLE, /* `text` is it, and it took `*taken` octets */
	ROUTE_NETSTRING_PART,  /* the rest is still to come */
	ROUTE_NETSTRING_BAD,   /* this is none, or it is longer than `most` */
};

/* The netstring that `in` begins with. A length has no zero in front; so a PART has at most `most` and 24 octets. */
enum route_netstring route_netstring_next(struct span in, size_t most, struct span *text, size_t *taken);
/* False, with nothing put, where `out` is full. */
MUST_CHECK bool route_netstring_put(struct buf *out, struct span text);

#endif
