/* The part of store_route.h that remembers which hosts have done TLS (SPEC NEW-33). */
#include "store/store_inside.h"

#include <limits.h>

#define FORGOTTEN (STORE_TLS_DAYS * INT64_C(86400))

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define TEXT(number) TEXT_OF(number)
#define TEXT_OF(number) #number

bool store_tls_prepare(struct store_route *s, struct why *why)
{
	const struct store_statement all[] = {
		{ &s->tls_get, "SELECT deliveries FROM tls WHERE host = ?1 AND seen_at >= ?2" },
		{ &s->tls_add,
		  "INSERT INTO tls (host, deliveries, seen_at) VALUES (?1, 1, ?2) ON CONFLICT (host) DO UPDATE SET"
		  " deliveries = CASE WHEN seen_at < ?3 THEN 1 ELSE min(deliveries + 1, 1000000) END, seen_at = ?2" },
		{ &s->tls_break, "DELETE FROM tls WHERE host = ?1" },
		{ &s->tls_old, "DELETE FROM tls WHERE seen_at < ?1" },
		{ &s->tls_many,
		  "DELETE FROM tls WHERE host IN (SELECT host FROM tls ORDER BY seen_at DESC LIMIT -1 OFFSET "
		  TEXT(STORE_TLS_HOSTS_MOST) ")" },
	};

	return store_route_prepare(s, all, COUNT(all), why);
}

void store_tls_free(struct store_route *s)
{
	sqlite3_finalize(s->tls_get);
	sqlite3_finalize(s->tls_add);
	sqlite3_finalize(s->tls_break);
	sqlite3_finalize(s->tls_old);
	sqlite3_finalize(s->tls_many);
}

unsigned store_route_seen(struct store_route *s, const char *host, int64_t now)
{
	sqlite3_int64 seen = 0;

	if (!store_route_is_open(s))
		return 0;
	store_sqlite_bind_text(s->tls_get, 1, host);
	sqlite3_bind_int64(s->tls_get, 2, now - FORGOTTEN);
	if (store_route_read(s, s->tls_get))
		seen = sqlite3_column_int64(s->tls_get, 0);
	sqlite3_reset(s->tls_get);
	return seen > 0 && seen <= UINT_MAX ? (unsigned)seen : 0;
}

void store_route_saw(struct store_route *s, const char *host, bool tls, int64_t now)
{
	sqlite3_stmt *st = tls ? s->tls_add : s->tls_break;

	if (!store_route_is_open(s))
		return;
	store_sqlite_bind_text(st, 1, host);
	if (tls) {
		sqlite3_bind_int64(st, 2, now);
		sqlite3_bind_int64(st, 3, now - FORGOTTEN);
	}
	store_route_write(s, st);
}

void store_tls_sweep(struct store_route *s, int64_t now)
{
	sqlite3_bind_int64(s->tls_old, 1, now - FORGOTTEN);
	if (store_route_write(s, s->tls_old))
		store_route_write(s, s->tls_many);
}
