/* store/store_sqlite.h
 * Private to this folder: SQLite, as thin as can be. One connection, one thread. A wait for another process's lock is
 * bounded (STORE_SQLITE_WAIT_MS): the callers have a loop to go back to. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "base/why.h"

#include <sqlite3.h>

#define STORE_SQLITE_WAIT_MS 500

struct store_sqlite {
	sqlite3 *db;
	char *path;
};

/* Opens `folder`/`file`, makes it where it is not there (0640; root's goes to the owner of the folder), in WAL mode. `steps[i]` is the SQL that
 * brings schema i to schema i + 1; those that are missing are run, all or none. False with `why`, and nothing open, also where the schema is
 * newer than ours, or what is there is no database. */
MUST_CHECK bool store_sqlite_open(struct store_sqlite *s, const char *folder, const char *file,
				  const char *const *steps, int step_count, struct why *why);
/* All statements must be finalized. */
void store_sqlite_close(struct store_sqlite *s);

/* Statements without a result. */
MUST_CHECK bool store_sqlite_run(struct store_sqlite *s, const char *sql, struct why *why);
void store_sqlite_undo(struct store_sqlite *s); /* ROLLBACK */
/* NULL with `why`. The caller's, for sqlite3_finalize. */
MUST_CHECK sqlite3_stmt *store_sqlite_prepare(struct store_sqlite *s, const char *sql, struct why *why);
/* What went wrong last, as `why`. */
void store_sqlite_why(struct store_sqlite *s, struct why *why);

/* Binding keeps no copy: `text` and `bytes` must live until the statement is reset. NULL is NULL. */
void store_sqlite_bind_text(sqlite3_stmt *st, int at, const char *text);
void store_sqlite_bind_span(sqlite3_stmt *st, int at, struct span bytes);
struct span store_sqlite_column(sqlite3_stmt *st, int at); /* valid until the next step or reset */

#endif
