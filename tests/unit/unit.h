/* What every unit test needs. */
#ifndef UNIT_H
#define UNIT_H

#include "base/must.h"
#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* The row's name is the message. */
static inline void want_text(const char *row, struct span got, struct span want)
{
	if (!span_eq(got, want))
		fail_msg("%s: \"%.*s\", not \"%.*s\"", row, SPAN_ARG(got), SPAN_ARG(want));
}

static inline void want_number(const char *row, const char *what, unsigned long long got,
			       unsigned long long want)
{
	if (got != want)
		fail_msg("%s: %s is %llu, not %llu", row, what, got, want);
}

static inline void want_same(const char *row, const void *got, const void *want)
{
	if (got != want)
		fail_msg("%s: another answer than it should be", row);
}

#endif
