#include "conf/conf_near.h"

#include <stddef.h>
#include <string.h>

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* How many letters must be put in, left out, changed, or swapped with their neighbour. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][CONF_NEAR_MOST + 1];
	unsigned *before = rows[0];
	unsigned *last = rows[1];
	unsigned *row = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		last[j] = before[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *spare = before;

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned change = last[j - 1] + (a[i - 1] != b[j - 1]);

			row[j] = least(change, least(last[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[b_len];
}

void conf_near_begin(struct conf_near *n, const char *word)
{
	*n = (struct conf_near){ .word = word };
}

void conf_near_try(struct conf_near *n, const char *known)
{
	size_t word_len = strlen(n->word);
	size_t known_len = strlen(known);
	unsigned d;

	if (word_len > CONF_NEAR_MOST || known_len > CONF_NEAR_MOST)
		return;
	d = distance(n->word, word_len, known, known_len);
	/* One letter in three may be wrong; more, and it is another word. */
	if (d > (word_len + 2) / 3 || d >= known_len)
		return;
	if (n->best == NULL || d < n->distance) {
		n->best = known;
		n->distance = d;
	}
}
