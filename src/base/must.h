/* base/must.h
 * Three kinds of trouble, three answers: must() for our own bugs, `struct why`
 * for what a peer or an operator did, and exit for what the machine cannot give.
 * A failed must() ends the process with file and line; the master starts another
 * edge, and no session of it has had a 250 that is not true (law 1). */
#ifndef BASE_MUST_H
#define BASE_MUST_H

#include <stddef.h>

#define must(cond) \
	((cond) ? (void)0 : must_fail(#cond, __FILE__, __LINE__))

_Noreturn void must_fail(const char *cond, const char *file, int line);

/* Memory or the end of the process: an allocation that fails is the machine's
 * trouble, not the session's. `mem_new` gives zeroed memory. */
void *mem_new(size_t size);
void *mem_grow(void *old, size_t size);
char *mem_text(const char *text);

#endif
