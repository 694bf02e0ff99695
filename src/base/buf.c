#include "base/buf.h"

#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_LEAST 128

void buf_init(struct buf *b, size_t most)
{
	*b = (struct buf){ .most = most };
}

void buf_free(struct buf *b)
{
	free(b->mem);
	buf_init(b, b->most);
}

void buf_consume(struct buf *b, size_t len)
{
	must(len <= buf_used(b));
	b->head += len;
	if (b->head == b->tail)
		buf_free(b);
}

static void slide(struct buf *b)
{
	size_t used = buf_used(b);

	if (b->head == 0)
		return;
	memmove(b->mem, b->mem + b->head, used);
	b->head = 0;
	b->tail = used;
}

/* Makes room for `more` bytes behind the tail; the caller has checked the ceiling. */
static void make_room(struct buf *b, size_t more)
{
	size_t need = buf_used(b) + more;
	size_t room = b->room > 0 ? b->room : BUF_LEAST;

	if (b->room - b->tail >= more)
		return;
	slide(b);
	if (b->room >= need)
		return;
	while (room < need)
		room *= 2;
	if (room > b->most)
		room = b->most;
	b->mem = mem_grow(b->mem, room);
	b->room = room;
}

char *buf_reserve(struct buf *b, size_t want, size_t *got)
{
	size_t space = buf_space(b);

	*got = want < space ? want : space;
	if (*got == 0)
		return NULL;
	make_room(b, *got);
	return b->mem + b->tail;
}

void buf_commit(struct buf *b, size_t len)
{
	must(len <= b->room - b->tail);
	b->tail += len;
	if (b->head == b->tail)
		buf_free(b);
}

bool buf_put(struct buf *b, struct span s)
{
	if (s.len > buf_space(b))
		return false;
	if (s.len == 0)
		return true;
	make_room(b, s.len);
	memcpy(b->mem + b->tail, s.at, s.len);
	b->tail += s.len;
	return true;
}

bool buf_vprintf(struct buf *b, const char *fmt, va_list args)
{
	char small[1024];
	va_list again;
	bool put;
	int len;

	va_copy(again, args);
	len = vsnprintf(small, sizeof(small), fmt, args);
	must(len >= 0);
	if ((size_t)len < sizeof(small)) {
		put = buf_put(b, span_of(small, (size_t)len));
	} else {
		char *large = mem_new((size_t)len + 1);

		vsnprintf(large, (size_t)len + 1, fmt, again);
		put = buf_put(b, span_of(large, (size_t)len));
		free(large);
	}
	va_end(again);
	return put;
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	bool put;

	va_start(args, fmt);
	put = buf_vprintf(b, fmt, args);
	va_end(args);
	return put;
}

void buf_move(struct buf *to, struct buf *from)
{
	struct span some = span_first(buf_peek(from), buf_space(to));

	if (buf_used(to) == 0 && some.len == buf_used(from)) {
		size_t most = to->most;

		buf_free(to);
		*to = *from;
		to->most = most;
		buf_init(from, from->most);
		return;
	}
	must(buf_put(to, some));
	buf_consume(from, some.len);
}

void buf_shrink(struct buf *b)
{
	size_t used = buf_used(b);

	if (used == 0) {
		buf_free(b);
		return;
	}
	if (b->room <= BUF_LEAST || used > b->room / 4)
		return;
	slide(b);
	b->room = used < BUF_LEAST ? BUF_LEAST : used;
	b->mem = mem_grow(b->mem, b->room);
}
