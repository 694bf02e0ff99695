#include "route/route_netstring.h"

#include <stdio.h>
#include <string.h>

#define DIGITS_MOST 20

enum route_netstring route_netstring_next(struct span in, size_t most, struct span *text, size_t *taken)
{
	size_t digits = span_find(span_first(in, DIGITS_MOST + 1), ':');
	struct span number = span_first(in, digits);
	uint64_t len = 0;

	if (number.len == 0)
		return in.len == 0 ? ROUTE_NETSTRING_PART : ROUTE_NETSTRING_BAD;
	if (number.len > DIGITS_MOST || !span_number(number, most, &len) || (number.at[0] == '0' && number.len > 1))
		return ROUTE_NETSTRING_BAD;
	if (in.len < digits + 1 + len + 1)
		return ROUTE_NETSTRING_PART;
	if (in.at[digits + 1 + len] != ',')
		return ROUTE_NETSTRING_BAD;
	*text = span_first(span_from(in, digits + 1), len);
	*taken = digits + 1 + len + 1;
	return ROUTE_NETSTRING_WHOLE;
}

bool route_netstring_put(struct buf *out, struct span text)
{
	char head[32];
	int len = snprintf(head, sizeof(head), "%zu:", text.len);

	if (buf_space(out) < (size_t)len + text.len + 1)
		return false;
	return buf_put(out, span_of(head, (size_t)len)) && buf_put(out, text) && buf_put(out, SPAN(","));
}
