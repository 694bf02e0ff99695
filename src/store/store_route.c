#include "store/store_route.h"

#include "base/log.h"
#include "base/must.h"
#include "store/store_inside.h"

#include <stdlib.h>

/* The numbers in `tlsrpt` are those of the enums in policy_message.h. */
static const char *const steps[] = {
	"CREATE TABLE sts (domain TEXT PRIMARY KEY, id TEXT NOT NULL, fetched_at INTEGER NOT NULL, until INTEGER NOT NULL,"
	" asked_at INTEGER NOT NULL, offered_at INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL);"
	"CREATE INDEX sts_until ON sts (until);"
	"CREATE TABLE tls (host TEXT PRIMARY KEY, deliveries INTEGER NOT NULL, seen_at INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE tlsrpt (day INTEGER NOT NULL, domain TEXT NOT NULL, policy INTEGER NOT NULL, type INTEGER NOT NULL,"
	" host TEXT NOT NULL, address TEXT NOT NULL, own_address TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL,"
	" PRIMARY KEY (day, domain, policy, type, host, address, own_address)) WITHOUT ROWID;",
	"CREATE TABLE tlsrpt_policy (day INTEGER NOT NULL, domain TEXT NOT NULL, policy INTEGER NOT NULL, host TEXT NOT NULL,"
	" policy_domain TEXT NOT NULL, text BLOB NOT NULL, PRIMARY KEY (day, domain, policy, host)) WITHOUT ROWID;"
	"CREATE TABLE tlsrpt_sent (day INTEGER NOT NULL, domain TEXT NOT NULL, uri TEXT NOT NULL,"
	" PRIMARY KEY (day, domain, uri)) WITHOUT ROWID;",
};

bool store_route_prepare(struct store_route *s, const struct store_statement *all, size_t count, struct why *why)
{
	for (size_t i = 0; i < count; i++) {
		*all[i].st = store_sqlite_prepare(&s->sqlite, all[i].sql, why);
		if (*all[i].st == NULL)
			return false;
	}
	return true;
}

struct store_route *store_route_new(void)
{
	return mem_new(sizeof(struct store_route));
}

bool store_route_is_open(const struct store_route *s)
{
	return s->sqlite.db != NULL;
}

static void close_all(struct store_route *s)
{
	store_sts_free(s);
	store_tls_free(s);
	store_tlsrpt_free(s);
	store_report_free(s);
	store_sqlite_close(&s->sqlite);
	*s = (struct store_route){ 0 };
}

bool store_route_open(struct store_route *s, const char *folder, struct why *why)
{
	int step_count = sizeof(steps) / sizeof(steps[0]);

	must(!store_route_is_open(s));
	if (store_sqlite_open(&s->sqlite, folder, STORE_ROUTE_FILE, steps, step_count, why) &&
	    store_sts_prepare(s, why) && store_tls_prepare(s, why) && store_tlsrpt_prepare(s, why) &&
	    store_report_prepare(s, why))
		return true;
	close_all(s);
	return false;
}

void store_route_free(struct store_route *s)
{
	if (s == NULL)
		return;
	close_all(s);
	free(s);
}

void store_route_sweep(struct store_route *s, int64_t now)
{
	if (!store_route_is_open(s))
		return;
	store_sts_sweep(s, now);
	store_tls_sweep(s, now);
	store_tlsrpt_sweep(s, now);
	store_report_sweep(s, now);
}

static void note(struct store_route *s, bool good)
{
	struct why why;

	if (good == !s->failed)
		return;
	s->failed = !good;
	if (!good)
		store_sqlite_why(&s->sqlite, &why);
	log_event(good ? "store-again" : "store-failed", "%s", good ? s->sqlite.path : why.text);
}

bool store_route_write(struct store_route *s, sqlite3_stmt *st)
{
	bool good = sqlite3_step(st) == SQLITE_DONE;

	note(s, good);
	sqlite3_reset(st);
	return good;
}

bool store_route_read(struct store_route *s, sqlite3_stmt *st)
{
	int result = sqlite3_step(st);

	/* A read that goes well says nothing about the disk. */
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		note(s, false);
	return result == SQLITE_ROW;
}
