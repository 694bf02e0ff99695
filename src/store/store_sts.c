/* The part of store_route.h for MTA-STS policies. */
#include "base/must.h"
#include "store/store_inside.h"

#include <stdlib.h>
#include <string.h>

#define DAY 86400
#define TOUCH_EACH 3600
#define OFFER_EACH DAY
#define ASKED_WITHIN (30 * DAY)

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define TEXT(number) TEXT_OF(number)
#define TEXT_OF(number) #number

bool store_sts_prepare(struct store_route *s, struct why *why)
{
	const struct store_statement all[] = {
		{ &s->sts_get, "SELECT id, fetched_at, until, body FROM sts WHERE domain = ?1" },
		{ &s->sts_put,
		  "INSERT INTO sts (domain, id, fetched_at, until, asked_at, body) VALUES (?1, ?2, ?3, ?4, ?3, ?5)"
		  " ON CONFLICT (domain) DO UPDATE SET id = ?2, fetched_at = ?3, until = ?4, body = ?5" },
		{ &s->sts_touch, "UPDATE sts SET asked_at = ?2 WHERE domain = ?1 AND asked_at < ?3" },
		{ &s->sts_due,
		  "SELECT domain FROM sts WHERE until > ?1 AND fetched_at + until <= 2 * ?1 AND asked_at >= ?2"
		  " AND offered_at <= ?3 ORDER BY until LIMIT 1" },
		{ &s->sts_offered, "UPDATE sts SET offered_at = ?2 WHERE domain = ?1" },
		{ &s->sts_old, "DELETE FROM sts WHERE until < ?1" },
		{ &s->sts_many,
		  "DELETE FROM sts WHERE domain IN (SELECT domain FROM sts ORDER BY asked_at DESC LIMIT -1 OFFSET "
		  TEXT(STORE_STS_MOST) ")" },
	};

	return store_route_prepare(s, all, COUNT(all), why);
}

void store_sts_free(struct store_route *s)
{
	sqlite3_finalize(s->sts_get);
	sqlite3_finalize(s->sts_put);
	sqlite3_finalize(s->sts_touch);
	sqlite3_finalize(s->sts_due);
	sqlite3_finalize(s->sts_offered);
	sqlite3_finalize(s->sts_old);
	sqlite3_finalize(s->sts_many);
	free((char *)s->body.at);
}

/* The last one that was given out is kept until the next is asked for. */
static struct span keep_body(struct store_route *s, struct span body)
{
	char *copy = mem_new(body.len + 1);

	free((char *)s->body.at);
	if (body.len > 0)
		memcpy(copy, body.at, body.len);
	s->body = span_of(copy, body.len);
	return s->body;
}

static bool read_policy(struct store_route *s, struct store_sts *p)
{
	struct span id = store_sqlite_column(s->sts_get, 0);
	struct span body = store_sqlite_column(s->sts_get, 3);

	if (id.len == 0 || id.len >= sizeof(p->id) || body.len > STORE_STS_BODY_MOST)
		return false;
	memset(p->id, 0, sizeof(p->id));
	memcpy(p->id, id.at, id.len);
	p->fetched_at = sqlite3_column_int64(s->sts_get, 1);
	p->until = sqlite3_column_int64(s->sts_get, 2);
	p->body = keep_body(s, body);
	return true;
}

bool store_route_sts_get(struct store_route *s, const char *domain, struct store_sts *p)
{
	bool got;

	if (!store_route_is_open(s))
		return false;
	store_sqlite_bind_text(s->sts_get, 1, domain);
	got = store_route_read(s, s->sts_get) && read_policy(s, p);
	sqlite3_reset(s->sts_get);
	return got;
}

void store_route_sts_put(struct store_route *s, const char *domain, const struct store_sts *p)
{
	must(p->body.len <= STORE_STS_BODY_MOST);
	if (!store_route_is_open(s))
		return;
	store_sqlite_bind_text(s->sts_put, 1, domain);
	store_sqlite_bind_text(s->sts_put, 2, p->id);
	sqlite3_bind_int64(s->sts_put, 3, p->fetched_at);
	sqlite3_bind_int64(s->sts_put, 4, p->until);
	store_sqlite_bind_span(s->sts_put, 5, p->body);
	store_route_write(s, s->sts_put);
}

void store_route_sts_touch(struct store_route *s, const char *domain, int64_t now)
{
	if (!store_route_is_open(s))
		return;
	store_sqlite_bind_text(s->sts_touch, 1, domain);
	sqlite3_bind_int64(s->sts_touch, 2, now);
	sqlite3_bind_int64(s->sts_touch, 3, now - TOUCH_EACH);
	store_route_write(s, s->sts_touch);
}

static bool note_offer(struct store_route *s, const char *domain, int64_t now)
{
	store_sqlite_bind_text(s->sts_offered, 1, domain);
	sqlite3_bind_int64(s->sts_offered, 2, now);
	return store_route_write(s, s->sts_offered);
}

bool store_route_sts_due(struct store_route *s, int64_t now, char domain[256])
{
	struct span name = SPAN("");

	if (!store_route_is_open(s))
		return false;
	sqlite3_bind_int64(s->sts_due, 1, now);
	sqlite3_bind_int64(s->sts_due, 2, now - ASKED_WITHIN);
	sqlite3_bind_int64(s->sts_due, 3, now - OFFER_EACH);
	if (store_route_read(s, s->sts_due))
		name = store_sqlite_column(s->sts_due, 0);
	memset(domain, 0, 256);
	if (name.len < 256)
		memcpy(domain, name.at, name.len);
	sqlite3_reset(s->sts_due);
	/* One that can't be noted would be given out again at once, for ever. */
	return domain[0] != '\0' && note_offer(s, domain, now);
}

void store_sts_sweep(struct store_route *s, int64_t now)
{
	sqlite3_bind_int64(s->sts_old, 1, now);
	if (store_route_write(s, s->sts_old))
		store_route_write(s, s->sts_many);
}
