/* proc/tally.h
 * How often something happened at each of so many addresses; a new one takes the place of the one that was
 * longest without a count. Lives in shared memory, zero-filled at birth: one writer, any number of readers, no lock. */
#ifndef PROC_TALLY_H
#define PROC_TALLY_H

#include "base/clock.h"
#include "io/addr.h"

#include <stdatomic.h>

#define TALLY_PLACES 256

struct tally_place {
	atomic_uint turn;                    /* odd: being written; a reader that sees it odd or changed leaves the place out */
	_Atomic uint64_t upper, lower, port; /* the address as of IPv6, IPv4 mapped into it */
	_Atomic uint64_t count;              /* 0: nobody's place */
	_Atomic int64_t last;                /* when it was counted last, on the monotonic clock */
};

struct tally {
	struct tally_place places[TALLY_PLACES];
};

/* The writer's: `n` more at `a`, which has an address and is not "*". Where all places are taken by addresses that
 * have been counted after `when`, nothing is. */
void tally_add(struct tally *t, const struct addr *a, uint64_t n, msec when);
/* The writer's: all that `from` has is added. */
void tally_fold(struct tally *t, const struct tally *from);
/* The writer's. */
void tally_clear(struct tally *t);

/* What is in place `i` below TALLY_PLACES; false: nothing, or it is just being changed. */
bool tally_at(const struct tally *t, size_t i, struct addr *a, uint64_t *count);

#endif
