#include "smtp/smtp_scan.h"

#include <string.h>

#define BLOCK 16

/* gcc and clang make one instruction of an operation on a block, on every machine
 * that has such instructions, and a loop elsewhere. */
typedef unsigned char block __attribute__((vector_size(BLOCK)));

struct marks {
	uint64_t half[BLOCK / sizeof(uint64_t)];
};

/* 0xff where the octet is one of the three, 0 elsewhere. */
static inline struct marks marks_of(const char *at)
{
	struct marks m;
	block b, found;

	memcpy(&b, at, sizeof(b));
	found = (block)((b == '\r') | (b == '\n') | (b == 0));
	memcpy(&m, &found, sizeof(m));
	return m;
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
		struct marks m = marks_of(s.at + i);

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
