#include "conf/conf_mark.h"

#include "base/must.h"

#include <stdlib.h>

void conf_mark_add(struct conf *c, const void *field, struct conf_place at)
{
	/* Full at each power of two: grows by doubling, without a field for the room. */
	if ((c->mark_count & (c->mark_count - 1)) == 0) {
		size_t room = c->mark_count == 0 ? 1 : c->mark_count * 2;

		c->marks = mem_grow(c->marks, room * sizeof(*c->marks));
	}
	c->marks[c->mark_count++] = (struct conf_mark){ field, at };
}

static int by_field(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct conf_mark *)a)->field;
	uintptr_t y = (uintptr_t)((const struct conf_mark *)b)->field;

	return x < y ? -1 : x > y;
}

void conf_mark_sort(struct conf *c)
{
	if (c->mark_count > 1)
		qsort(c->marks, c->mark_count, sizeof(*c->marks), by_field);
}

struct conf_place conf_place_of(const struct conf *c, const void *field)
{
	struct conf_mark key = { .field = field };
	const struct conf_mark *m = NULL;

	if (c->mark_count > 0)
		m = bsearch(&key, c->marks, c->mark_count, sizeof(*c->marks), by_field);
	return m != NULL ? m->at : (struct conf_place){ 0, 0 };
}
