#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void must_fail(const char *cond, const char *file, int line)
{
	fprintf(stderr, "sallyport: bug: %s:%d: %s\n", file, line, cond);
	abort();
}

static void *given(void *mem)
{
	if (mem == NULL) {
		fputs("sallyport: out of memory\n", stderr);
		abort();
	}
	return mem;
}

void *mem_new(size_t size)
{
	return given(calloc(1, size));
}

void *mem_grow(void *old, size_t size)
{
	return given(realloc(old, size));
}

char *mem_text(const char *text)
{
	return given(strdup(text));
}
