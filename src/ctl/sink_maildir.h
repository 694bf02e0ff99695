/* ctl/sink_maildir.h
 * A Maildir that only grows. A message is written in tmp/, brought to disk, and only then
 * renamed into new/: what stands there is whole. */
#ifndef CTL_SINK_MAILDIR_H
#define CTL_SINK_MAILDIR_H

#include "base/why.h"

#include <limits.h>
#include <stdio.h>

struct sink_maildir {
	const char *path;     /* not owned */
	const char *hostname; /* not owned; a part of the files' names */
	unsigned long count;  /* files begun so far */
};

struct sink_file {
	FILE *f; /* NULL: none is open */
	char tmp[PATH_MAX], path[PATH_MAX];
	uint64_t size;
	bool failed; /* something could not be written */
};

/* Makes the folders where they are missing. */
MUST_CHECK bool sink_maildir_open(struct sink_maildir *m, const char *path, const char *hostname,
				  struct why *why);

MUST_CHECK bool sink_maildir_begin(struct sink_maildir *m, struct sink_file *file, struct why *why);
/* A failure is remembered and comes out at the end. */
void sink_maildir_put(struct sink_file *file, struct span content);
/* True where the whole file is on disk at file->path. Else it is gone. */
MUST_CHECK bool sink_maildir_end(struct sink_maildir *m, struct sink_file *file, struct why *why);
/* Forgets a message that is not whole. Nothing happens where none is open. */
void sink_maildir_drop(struct sink_file *file);

#endif
