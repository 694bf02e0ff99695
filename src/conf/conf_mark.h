/* conf/conf_mark.h
 * Which field was set where in the file: filled while loading, asked by conf_place_of. */
#ifndef CONF_MARK_H
#define CONF_MARK_H

#include "conf/conf.h"

struct conf_mark {
	const void *field;
	struct conf_place at;
};

void conf_mark_add(struct conf *c, const void *field, struct conf_place at);
/* After the last one was added and before the first is asked for. */
void conf_mark_sort(struct conf *c);

#endif
