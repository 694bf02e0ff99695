/* store/store_inside.h
 * Private to this folder: what the files of store_route.h share. */
#ifndef STORE_INSIDE_H
#define STORE_INSIDE_H

#include "store/store_route.h"
#include "store/store_sqlite.h"

struct store_route {
	struct store_sqlite sqlite;
	bool failed; /* the last write did, and that was logged */
	struct span body; /* of the policy that was given out: the copy that it points to */
	/* MTA-STS */
	sqlite3_stmt *sts_get, *sts_put, *sts_touch, *sts_due, *sts_offered, *sts_old, *sts_many;
	/* the memory of TLS */
	sqlite3_stmt *tls_get, *tls_add, *tls_break, *tls_old, *tls_many;
	/* TLSRPT */
	sqlite3_stmt *rpt_more, *rpt_new, *rpt_list, *rpt_old;
	/* its reports */
	sqlite3_stmt *policy_get, *policy_put, *policy_old, *sent_get, *sent_put, *sent_old;
};

/* Runs a statement that gives no row. What goes wrong is logged once, until something goes well again. False where it did. */
bool store_route_write(struct store_route *s, sqlite3_stmt *st);
/* The same of one that reads: true where there is a row. To be reset. */
MUST_CHECK bool store_route_read(struct store_route *s, sqlite3_stmt *st);

/* Of each part: its statements, by their places. */
struct store_statement {
	sqlite3_stmt **st;
	const char *sql;
};
MUST_CHECK bool store_route_prepare(struct store_route *s, const struct store_statement *all, size_t count, struct why *why);
MUST_CHECK bool store_sts_prepare(struct store_route *s, struct why *why);
MUST_CHECK bool store_tls_prepare(struct store_route *s, struct why *why);
MUST_CHECK bool store_tlsrpt_prepare(struct store_route *s, struct why *why);
MUST_CHECK bool store_report_prepare(struct store_route *s, struct why *why);
void store_sts_free(struct store_route *s);
void store_tls_free(struct store_route *s);
void store_tlsrpt_free(struct store_route *s);
void store_report_free(struct store_route *s);
void store_sts_sweep(struct store_route *s, int64_t now);
void store_tls_sweep(struct store_route *s, int64_t now);
void store_tlsrpt_sweep(struct store_route *s, int64_t now);
void store_report_sweep(struct store_route *s, int64_t now);

#endif
