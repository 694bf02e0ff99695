#include "smtp/smtp_scan.h"

#include <string.h>

#define BLOCK 16
#define FOUR (4 * BLOCK) /* looked at before the question is asked */

/* gcc and clang make one instruction of an operation on a block, on every machine
 * that has such instructions, and a loop elsewhere. */
typedef unsigned char block __attribute__((vector_size(BLOCK)));

struct marks {
	uint64_t half[BLOCK / sizeof(uint64_t)];
};

static inline block block_at(const char *at)
{
	block b;

	memcpy(&b, at, sizeof(b));
	return b;
}

static inline struct marks marks_of(block found)
{
	struct marks m;

	memcpy(&m, &found, sizeof(m));
	return m;
}

/* 0xff where the octet is one of the three, 0 elsewhere. */
static inline block special(block b)
{
	return (block)((b == '\r') | (b == '\n') | (b == 0));
}

/* 0xff where an octet must not follow the one before it. */
static inline block wrong(const char *at)
{
	block b = block_at(at), before = block_at(at - 1);

	return (block)((b == 0) | ((b == '\n') ^ (before == '\r')) | ((b == '.') & (before == '\n')));
}

static inline bool any_wrong(const char *at)
{
	block found = wrong(at) | wrong(at + BLOCK) | wrong(at + 2 * BLOCK) | wrong(at + 3 * BLOCK);
	struct marks m = marks_of(found);

	return (m.half[0] | m.half[1]) != 0;
}

static inline size_t first_marked(uint64_t half)
{
	bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

	return (size_t)(little ? __builtin_ctzll(half) : __builtin_clzll(half)) / 8;
}

size_t smtp_scan(struct span s)
{
	size_t i = 0;

	for (; s.len - i >= BLOCK; i += BLOCK) {
		struct marks m = marks_of(special(block_at(s.at + i)));

		if (m.half[0] != 0)
			return i + first_marked(m.half[0]);
		if (m.half[1] != 0)
			return i + BLOCK / 2 + first_marked(m.half[1]);
	}
	for (; i < s.len; i++) {
		if (s.at[i] == '\r' || s.at[i] == '\n' || s.at[i] == '\0')
			break;
	}
	return i;
}

size_t smtp_scan_lines(struct span s, size_t from)
{
	size_t i = from;

	while (s.len - i >= FOUR && !any_wrong(s.at + i))
		i += FOUR;
	/* Back into the line: what follows its end has yet to be looked at. */
	if (i > from && s.at[i - 1] == '\n')
		return i - 2;
	return i > from && s.at[i - 1] == '\r' ? i - 1 : i;
}
