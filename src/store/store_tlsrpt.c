/* The part of store_route.h that counts for TLS reports. */
#include "base/must.h"
#include "store/store_inside.h"

#include <string.h>

#define DAY 86400

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define TEXT(number) TEXT_OF(number)
#define TEXT_OF(number) #number

bool store_tlsrpt_prepare(struct store_route *s, struct why *why)
{
	const struct store_statement all[] = {
		{ &s->rpt_more,
		  "UPDATE tlsrpt SET count = count + 1, reason = ?8 WHERE day = ?1 AND domain = ?2 AND policy = ?3 AND type = ?4"
		  " AND host = ?5 AND address = ?6 AND own_address = ?7" },
		{ &s->rpt_new,
		  "INSERT INTO tlsrpt (day, domain, policy, type, host, address, own_address, reason, count)"
		  " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1 WHERE (SELECT count(*) FROM tlsrpt WHERE day = ?1) < "
		  TEXT(STORE_TLSRPT_ROWS_MOST) },
		{ &s->rpt_list,
		  "SELECT domain, policy, type, host, address, own_address, reason, count FROM tlsrpt WHERE day = ?1"
		  " ORDER BY domain, policy, type, host, address, own_address" },
		{ &s->rpt_old, "DELETE FROM tlsrpt WHERE day < ?1" },
	};

	return store_route_prepare(s, all, COUNT(all), why);
}

void store_tlsrpt_free(struct store_route *s)
{
	sqlite3_finalize(s->rpt_more);
	sqlite3_finalize(s->rpt_new);
	sqlite3_finalize(s->rpt_list);
	sqlite3_finalize(s->rpt_old);
}

static bool write_row(struct store_route *s, sqlite3_stmt *st, const struct policy_result *r, int64_t day)
{
	sqlite3_bind_int64(st, 1, day);
	store_sqlite_bind_text(st, 2, r->domain);
	sqlite3_bind_int(st, 3, (int)r->policy);
	sqlite3_bind_int(st, 4, (int)r->type);
	store_sqlite_bind_text(st, 5, r->host);
	store_sqlite_bind_text(st, 6, r->address);
	store_sqlite_bind_text(st, 7, r->own_address);
	store_sqlite_bind_text(st, 8, r->reason);
	return store_route_write(s, st);
}

void store_route_count(struct store_route *s, const struct policy_result *result, int64_t now)
{
	if (!store_route_is_open(s))
		return;
	if (write_row(s, s->rpt_more, result, now / DAY) && sqlite3_changes(s->sqlite.db) == 0)
		write_row(s, s->rpt_new, result, now / DAY);
}

static bool read_text(sqlite3_stmt *st, int at, char *to, size_t size)
{
	struct span text = store_sqlite_column(st, at);

	memset(to, 0, size);
	if (text.len >= size || span_find(text, '\0') < text.len)
		return false;
	memcpy(to, text.at, text.len);
	return true;
}

static bool read_row(sqlite3_stmt *st, int64_t day, struct store_tlsrpt *row)
{
	struct policy_result *r = &row->result;
	int policy = sqlite3_column_int(st, 1), type = sqlite3_column_int(st, 2);
	sqlite3_int64 count = sqlite3_column_int64(st, 7);

	*row = (struct store_tlsrpt){ .day = day };
	if (policy < 0 || policy >= POLICY_RESULT_POLICY_MOST || type < 0 || type >= POLICY_RESULT_MOST || count < 0)
		return false;
	r->policy = (enum policy_result_policy)policy;
	r->type = (enum policy_result_type)type;
	row->count = (uint64_t)count;
	return read_text(st, 0, r->domain, sizeof(r->domain)) && read_text(st, 3, r->host, sizeof(r->host)) &&
	       read_text(st, 4, r->address, sizeof(r->address)) &&
	       read_text(st, 5, r->own_address, sizeof(r->own_address)) &&
	       read_text(st, 6, r->reason, sizeof(r->reason));
}

bool store_route_counts(struct store_route *s, int64_t day, store_route_each *each, void *arg, struct why *why)
{
	struct store_tlsrpt row;
	int result;

	must(store_route_is_open(s));
	sqlite3_bind_int64(s->rpt_list, 1, day);
	while ((result = sqlite3_step(s->rpt_list)) == SQLITE_ROW) {
		if (read_row(s->rpt_list, day, &row))
			each(arg, &row);
	}
	if (result != SQLITE_DONE)
		store_sqlite_why(&s->sqlite, why);
	sqlite3_reset(s->rpt_list);
	return result == SQLITE_DONE;
}

void store_tlsrpt_sweep(struct store_route *s, int64_t now)
{
	sqlite3_bind_int64(s->rpt_old, 1, now / DAY - STORE_TLSRPT_DAYS);
	store_route_write(s, s->rpt_old);
}
