/* base/buf.h
 * A queue of bytes with a ceiling given at birth. It owns its memory, takes it
 * when the first byte comes and gives it back when the last one goes: an idle
 * session owns no buffer. Nothing here fails but for want of room. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/span.h"

#include <stdarg.h>

struct buf {
	char *mem;
	size_t head; /* first byte not yet consumed */
	size_t tail; /* one after the last byte */
	size_t room; /* bytes allocated */
	size_t most; /* ceiling on tail - head */
};

void buf_init(struct buf *b, size_t most);
void buf_free(struct buf *b); /* may be used again after it */

static inline size_t buf_used(const struct buf *b)
{
	return b->tail - b->head;
}

/* Bytes that may still be put before the ceiling. */
static inline size_t buf_space(const struct buf *b)
{
	return b->most - buf_used(b);
}

/* All that is in it. Valid until the next call that changes the buf. */
static inline struct span buf_peek(const struct buf *b)
{
	return (struct span){ b->mem != NULL ? b->mem + b->head : "", buf_used(b) };
}

void buf_consume(struct buf *b, size_t len);

/* All of `s` or nothing; false where the ceiling forbids it. */
MUST_CHECK bool buf_put(struct buf *b, struct span s);
MUST_CHECK bool buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
MUST_CHECK bool buf_vprintf(struct buf *b, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

/* Room for up to `want` bytes at the end, to be filled in place; `*got` is how
 * many there are (0 at the ceiling). buf_commit says how many were filled. */
char *buf_reserve(struct buf *b, size_t want, size_t *got);
void buf_commit(struct buf *b, size_t len);

/* Moves as much of `from` as `to` has room for to its end; where `to` is empty the memory changes hands, and nothing
 * is copied. */
void buf_move(struct buf *to, struct buf *from);

/* Gives back memory that the bytes inside do not need: for a session that
 * falls idle with part of a line in it. */
void buf_shrink(struct buf *b);

#endif
