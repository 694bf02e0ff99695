/* The part of store_route.h that a TLS report needs beside the counts: the policies that were in force, and whether it was sent. */
#include "store/store_inside.h"

#include <string.h>

#define DAY 86400

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define TEXT(number) TEXT_OF(number)
#define TEXT_OF(number) #number

bool store_report_prepare(struct store_route *s, struct why *why)
{
	const struct store_statement all[] = {
		{ &s->policy_get,
		  "SELECT policy_domain, text FROM tlsrpt_policy WHERE day = ?1 AND domain = ?2 AND policy = ?3 AND host = ?4" },
		{ &s->policy_put,
		  "INSERT OR IGNORE INTO tlsrpt_policy (day, domain, policy, host, policy_domain, text)"
		  " SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE (SELECT count(*) FROM tlsrpt_policy WHERE day = ?1) < "
		  TEXT(STORE_TLSRPT_ROWS_MOST) },
		{ &s->policy_old, "DELETE FROM tlsrpt_policy WHERE day < ?1" },
		{ &s->sent_get, "SELECT 1 FROM tlsrpt_sent WHERE day = ?1 AND domain = ?2 AND uri = ?3" },
		{ &s->sent_put, "INSERT OR IGNORE INTO tlsrpt_sent (day, domain, uri) VALUES (?1, ?2, ?3)" },
		{ &s->sent_old, "DELETE FROM tlsrpt_sent WHERE day < ?1" },
	};

	return store_route_prepare(s, all, COUNT(all), why);
}

void store_report_free(struct store_route *s)
{
	sqlite3_finalize(s->policy_get);
	sqlite3_finalize(s->policy_put);
	sqlite3_finalize(s->policy_old);
	sqlite3_finalize(s->sent_get);
	sqlite3_finalize(s->sent_put);
	sqlite3_finalize(s->sent_old);
}

void store_report_sweep(struct store_route *s, int64_t now)
{
	sqlite3_bind_int64(s->policy_old, 1, now / DAY - STORE_TLSRPT_DAYS);
	store_route_write(s, s->policy_old);
	sqlite3_bind_int64(s->sent_old, 1, now / DAY - STORE_TLSRPT_DAYS);
	store_route_write(s, s->sent_old);
}

/* TLSA records are those of one host. */
static void bind_key(sqlite3_stmt *st, int64_t day, const struct policy_result *r)
{
	sqlite3_bind_int64(st, 1, day);
	store_sqlite_bind_text(st, 2, r->domain);
	sqlite3_bind_int(st, 3, (int)r->policy);
	store_sqlite_bind_text(st, 4, r->policy == POLICY_RESULT_TLSA ? r->host : "");
}

static bool read_policy(sqlite3_stmt *st, struct store_policy *p)
{
	struct span domain = store_sqlite_column(st, 0), text = store_sqlite_column(st, 1);

	*p = (struct store_policy){ 0 };
	if (domain.len >= sizeof(p->domain) || text.len > sizeof(p->text))
		return false;
	if (domain.len > 0)
		memcpy(p->domain, domain.at, domain.len);
	if (text.len > 0)
		memcpy(p->text, text.at, text.len);
	p->len = text.len;
	return true;
}

bool store_route_policy_get(struct store_route *s, int64_t day, const struct policy_result *result, struct store_policy *p)
{
	bool got;

	if (!store_route_is_open(s))
		return false;
	bind_key(s->policy_get, day, result);
	got = store_route_read(s, s->policy_get) && read_policy(s->policy_get, p);
	sqlite3_reset(s->policy_get);
	return got;
}

void store_route_policy_put(struct store_route *s, int64_t day, const struct policy_result *result,
			    const struct store_policy *p)
{
	if (!store_route_is_open(s))
		return;
	bind_key(s->policy_put, day, result);
	store_sqlite_bind_text(s->policy_put, 5, p->domain);
	store_sqlite_bind_span(s->policy_put, 6, span_of(p->text, p->len));
	store_route_write(s, s->policy_put);
}

static void bind_sent(sqlite3_stmt *st, int64_t day, const char *domain, const char *uri)
{
	sqlite3_bind_int64(st, 1, day);
	store_sqlite_bind_text(st, 2, domain);
	store_sqlite_bind_text(st, 3, uri);
}

bool store_route_was_sent(struct store_route *s, int64_t day, const char *domain, const char *uri)
{
	bool sent;

	if (!store_route_is_open(s))
		return false;
	bind_sent(s->sent_get, day, domain, uri);
	sent = store_route_read(s, s->sent_get);
	sqlite3_reset(s->sent_get);
	return sent;
}

bool store_route_sent(struct store_route *s, int64_t day, const char *domain, const char *uri)
{
	if (!store_route_is_open(s))
		return false;
	bind_sent(s->sent_put, day, domain, uri);
	return store_route_write(s, s->sent_put);
}
