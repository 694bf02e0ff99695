/* Ways to cut a stream, so that a target can say: whatever the cut, the same. */
#ifndef CUTS_H
#define CUTS_H

#include "base/span.h"

#define CUTS 6

/* How many of `left` octets come next. Cut 0 is no cut at all; the last one differs from
 * turn to turn. */
static inline size_t cut_step(unsigned cut, unsigned turn, size_t left)
{
	static const size_t steps[CUTS] = { SIZE_MAX, 1, 2, 3, 7, 0 };
	size_t step = cut + 1 < CUTS ? steps[cut] : 1 + turn * 2654435761u % 61;

	return step < left ? step : left;
}

#endif
