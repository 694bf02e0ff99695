#include "base/text.h"

#include "base/must.h"

#include <string.h>

void text_begin(struct text *t, char *mem, size_t room)
{
	must(room > 0);
	*t = (struct text){ .mem = mem, .room = room };
	mem[0] = '\0';
}

void text_put(struct text *t, struct span s)
{
	must(s.len < t->room - t->len);
	if (s.len > 0)
		memcpy(t->mem + t->len, s.at, s.len);
	t->len += s.len;
	t->mem[t->len] = '\0';
}

void text_add(struct text *t, const char *s)
{
	text_put(t, span_str(s));
}

void text_number(struct text *t, int64_t n)
{
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
	char digits[TEXT_NUMBER_MOST];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (n < 0)
		digits[--at] = '-';
	text_put(t, span_of(digits + at, sizeof(digits) - at));
}

void text_digits(struct text *t, unsigned n, unsigned width)
{
	char digits[TEXT_NUMBER_MOST];

	must(width < sizeof(digits));
	for (unsigned i = width; i > 0; i--) {
		digits[i - 1] = (char)('0' + n % 10);
		n /= 10;
	}
	text_put(t, span_of(digits, width));
}

void text_hex(struct text *t, const unsigned char *at, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		char two[2] = { digits[at[i] >> 4], digits[at[i] & 15] };

		text_put(t, span_of(two, sizeof(two)));
	}
}

void text_copy(char *to, size_t size, const char *from)
{
	size_t len = from != NULL ? strnlen(from, size - 1) : 0;

	if (len > 0)
		memcpy(to, from, len);
	to[len] = '\0';
}
