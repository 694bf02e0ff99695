#include "base/span.h"

#include <string.h>

struct span span_str(const char *text)
{
	return (struct span){ text, strlen(text) };
}

bool span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool span_eq_nocase(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		if (ascii_lower(a.at[i]) != ascii_lower(b.at[i]))
			return false;
	}
	return true;
}

bool span_starts_nocase(struct span s, struct span prefix)
{
	return s.len >= prefix.len && span_eq_nocase(span_first(s, prefix.len), prefix);
}

bool span_ends_nocase(struct span s, struct span suffix)
{
	return s.len >= suffix.len && span_eq_nocase(span_from(s, s.len - suffix.len), suffix);
}

size_t span_find(struct span s, char c)
{
	const char *at = s.len > 0 ? memchr(s.at, c, s.len) : NULL;

	return at != NULL ? (size_t)(at - s.at) : s.len;
}

struct span span_cut(struct span *rest, char c)
{
	size_t at = span_find(*rest, c);
	struct span piece = span_first(*rest, at);

	*rest = span_from(*rest, at + 1);
	return piece;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct span span_trim(struct span s)
{
	while (s.len > 0 && is_blank(s.at[0]))
		s = span_from(s, 1);
	while (s.len > 0 && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

bool span_number(struct span s, uint64_t most, uint64_t *out)
{
	uint64_t n = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		uint64_t digit = (uint64_t)(unsigned char)s.at[i] - '0';

		if (!ascii_is_digit(s.at[i]) || n > most / 10 || digit > most - n * 10)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return true;
}
