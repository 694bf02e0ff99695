/* proc/spawn.h
 * Starts a role: a fork and a re-exec of our own binary, so that the child has nothing of the master's
 * memory, and the same code even where the file on disk has been replaced meanwhile. */
#ifndef PROC_SPAWN_H
#define PROC_SPAWN_H

#include "base/why.h"

#include <sys/types.h>

/* Runs `sallyport --role <role> <path>`. fds[i] becomes descriptor SPAWN_FD_FIRST + i; beyond these and
 * 0, 1, 2 the child has none. -1 with `why`. */
#define SPAWN_FD_FIRST 3

MUST_CHECK pid_t spawn_role(const char *role, const char *path, const int *fds, size_t count,
			    struct why *why);

#endif
