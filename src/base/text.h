/* base/text.h
 * Text of our own making, put together in an array of the caller's. printf does more, and takes ten times as long: what it
 * made for a message of 4 KB (log line, Received field, addresses) was 25,000 of our 89,000 instructions. So it is
 * left for what happens rarely. Too little room is a bug of ours. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/span.h"

/* A number with its sign and a NUL. */
#define TEXT_NUMBER_MOST 24

struct text {
	char *mem;
	size_t len, room; /* a NUL stands behind the text, and has room as well */
};

void text_begin(struct text *t, char *mem, size_t room);
void text_put(struct text *t, struct span s);
void text_add(struct text *t, const char *s);
void text_number(struct text *t, int64_t n);
/* The last `width` decimal digits, zeros in front. */
void text_digits(struct text *t, unsigned n, unsigned width);
void text_hex(struct text *t, const unsigned char *at, size_t len);

/* Cut where there is no room; NULL is no text. */
void text_copy(char *to, size_t size, const char *from);

#endif
