/* conf/conf_source.h
 * Where the bytes of the configuration come from. The master reads files and remembers
 * each; what it has checked is handed to its edges as one sealed descriptor, so an edge, even
 * one that is restarted a month later, runs on exactly what was checked, and opens no file. */
#ifndef CONF_SOURCE_H
#define CONF_SOURCE_H

#include "base/why.h"

#define CONF_FILE_MOST (4 * 1024 * 1024)

struct conf_source;

struct conf_source *conf_source_files(void);       /* reads from disk, remembers */
struct conf_source *conf_source_memory(void);      /* for tests: conf_source_put */
/* Reads what conf_source_seal wrote. Does not take `fd`. NULL with `why`. */
MUST_CHECK struct conf_source *conf_source_sealed(int fd, struct why *why);
void conf_source_free(struct conf_source *s);      /* clears what it held */

void conf_source_put(struct conf_source *s, const char *path, struct span bytes);

/* The whole file, valid as long as the source. A relative path is relative to the folder of the
 * first file read. False with `why` ("no such file", "above 4 MiB"). */
MUST_CHECK bool conf_source_read(struct conf_source *s, const char *path, struct span *bytes,
				 struct why *why);

/* A sealed memfd (close-on-exec) with all that was read so far; -1 with `why`. */
MUST_CHECK int conf_source_seal(const struct conf_source *s, struct why *why);
/* The same with these files alone, as they were asked for: for a role that must not have the others (keys). What was not read
 * is left out. */
MUST_CHECK int conf_source_seal_only(const struct conf_source *s, const char *const *paths, size_t count,
				     struct why *why);

#endif
