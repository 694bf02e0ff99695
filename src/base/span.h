/* base/span.h
 * A view of bytes that somebody else owns. Bytes from a peer travel as spans or
 * in a buf, never as a C string: they may hold NUL, and they have no end of
 * their own. A span is passed by value and is valid as long as its owner says. */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

struct span {
	const char *at;
	size_t len;
};

/* A span over a string literal, without its NUL. */
#define SPAN(literal) ((struct span){ "" literal, sizeof(literal) - 1 })

/* For printf's "%.*s": only for bytes already known to be printable. */
#define SPAN_ARG(s) (int)(s).len, (s).at

/* Here, and not in span.c, as a call would cost more than what is done (also in base/buf.h; together a tenth of
 * our own instructions in small messages). */
static inline struct span span_of(const void *at, size_t len)
{
	return (struct span){ at, len };
}

static inline struct span span_from(struct span s, size_t skip)
{
	if (skip > s.len)
		skip = s.len;
	/* An empty span may have no address, and even NULL + 0 is not defined. */
	if (skip == 0)
		return s;
	return (struct span){ s.at + skip, s.len - skip };
}

static inline struct span span_first(struct span s, size_t len)
{
	return (struct span){ s.at, len < s.len ? len : s.len };
}

struct span span_str(const char *text);

bool span_eq(struct span a, struct span b);
/* ASCII only: bytes above 0x7f compare as they are, whatever the locale. */
bool span_eq_nocase(struct span a, struct span b);
bool span_starts_nocase(struct span s, struct span prefix);
bool span_ends_nocase(struct span s, struct span suffix);

/* The place of `c`, or `s.len` where there is none. */
size_t span_find(struct span s, char c);

/* Takes the bytes before the first `c` off the front of `rest`, and the `c`.
 * Where there is no `c`, takes all. */
struct span span_cut(struct span *rest, char c);

/* Without spaces and tabs at either end. */
struct span span_trim(struct span s);

/* A decimal number made of digits alone. False on an empty span, on any other
 * byte, and where the number is above `most`. */
MUST_CHECK bool span_number(struct span s, uint64_t most, uint64_t *out);

static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline bool ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_is_alnum(char c)
{
	char low = ascii_lower(c);

	return ascii_is_digit(c) || (low >= 'a' && low <= 'z');
}

#endif
