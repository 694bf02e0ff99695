#include "store/store_sqlite.h"

#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

void store_sqlite_why(struct store_sqlite *s, struct why *why)
{
	why_set(why, FAULT_SYSTEM, "%s: %s", s->path, s->db != NULL ? sqlite3_errmsg(s->db) : "can't be opened");
}

bool store_sqlite_run(struct store_sqlite *s, const char *sql, struct why *why)
{
	if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return true;
	store_sqlite_why(s, why);
	return false;
}

/* Where it fails there is no transaction any more. */
void store_sqlite_undo(struct store_sqlite *s)
{
	(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

sqlite3_stmt *store_sqlite_prepare(struct store_sqlite *s, const char *sql, struct why *why)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL) == SQLITE_OK)
		return st;
	store_sqlite_why(s, why);
	return NULL;
}

void store_sqlite_bind_text(sqlite3_stmt *st, int at, const char *text)
{
	must(sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC) == SQLITE_OK);
}

void store_sqlite_bind_span(sqlite3_stmt *st, int at, struct span bytes)
{
	must(sqlite3_bind_blob64(st, at, bytes.len > 0 ? bytes.at : "", bytes.len, SQLITE_STATIC) == SQLITE_OK);
}

struct span store_sqlite_column(sqlite3_stmt *st, int at)
{
	const void *bytes = sqlite3_column_blob(st, at);

	return bytes != NULL ? span_of(bytes, (size_t)sqlite3_column_bytes(st, at)) : SPAN("");
}

static bool read_version(struct store_sqlite *s, int *version, struct why *why)
{
	sqlite3_stmt *st = store_sqlite_prepare(s, "PRAGMA user_version", why);
	bool good = st != NULL && sqlite3_step(st) == SQLITE_ROW;

	if (good)
		*version = sqlite3_column_int(st, 0);
	else if (st != NULL)
		store_sqlite_why(s, why);
	sqlite3_finalize(st);
	return good;
}

/* In a transaction: two processes may open a new database at the same moment. */
static bool migrate(struct store_sqlite *s, const char *const *steps, int step_count, struct why *why)
{
	int version = 0;
	char set[48];

	if (!read_version(s, &version, why))
		return false;
	if (version > step_count) {
		why_set(why, FAULT_SYSTEM, "%s: made by a newer version of Sallyport (schema %d, ours is %d)", s->path,
			version, step_count);
		return false;
	}
	/* It is a signed number, and whoever can write the file is not believed. */
	if (version < 0) {
		why_set(why, FAULT_SYSTEM, "%s: not made by Sallyport (schema %d)", s->path, version);
		return false;
	}
	for (; version < step_count; version++) {
		if (!store_sqlite_run(s, steps[version], why))
			return false;
	}
	snprintf(set, sizeof(set), "PRAGMA user_version = %d", version);
	return store_sqlite_run(s, set, why);
}

static bool bring_up_to_date(struct store_sqlite *s, const char *const *steps, int step_count, struct why *why)
{
	int version = 0;

	if (read_version(s, &version, why) && version == step_count)
		return true;
	if (!store_sqlite_run(s, "BEGIN IMMEDIATE", why))
		return false;
	if (migrate(s, steps, step_count, why) && store_sqlite_run(s, "COMMIT", why))
		return true;
	store_sqlite_undo(s);
	return false;
}

/* SQLite gives its other files the owner and mode of this one. */
static void make_file(const char *folder, const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	struct stat st;

	if (fd < 0)
		return; /* it is there, or SQLite will say what is wrong */
	if (geteuid() == 0 && stat(folder, &st) == 0)
		(void)!fchown(fd, st.st_uid, st.st_gid);
	close(fd);
}

static char *join(const char *folder, const char *file)
{
	size_t size = strlen(folder) + strlen(file) + 2;
	char *path = mem_new(size);

	snprintf(path, size, "%s/%s", folder, file);
	return path;
}

/* What a crash of the machine takes away are the last seconds; the database stays whole. */
static const char *const settings =
	"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY; "
	"PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON";

bool store_sqlite_open(struct store_sqlite *s, const char *folder, const char *file, const char *const *steps,
		       int step_count, struct why *why)
{
	*s = (struct store_sqlite){ .path = join(folder, file) };
	make_file(folder, s->path);
	if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
		store_sqlite_why(s, why);
		store_sqlite_close(s);
		return false;
	}
	(void)sqlite3_busy_timeout(s->db, STORE_SQLITE_WAIT_MS);
	if (store_sqlite_run(s, settings, why) && bring_up_to_date(s, steps, step_count, why))
		return true;
	store_sqlite_close(s);
	return false;
}

void store_sqlite_close(struct store_sqlite *s)
{
	if (s->db != NULL)
		must(sqlite3_close(s->db) == SQLITE_OK);
	free(s->path);
	*s = (struct store_sqlite){ 0 };
}
