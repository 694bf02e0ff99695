/* conf/conf_near.h
 * Which of the known words may have been meant. */
#ifndef CONF_NEAR_H
#define CONF_NEAR_H

#define CONF_NEAR_MOST 63 /* longer words are like nothing */

struct conf_near {
	const char *word;
	const char *best; /* NULL: nothing is near enough to be named */
	unsigned distance;
};

void conf_near_begin(struct conf_near *n, const char *word);
void conf_near_try(struct conf_near *n, const char *known); /* kept, not copied */

#endif
