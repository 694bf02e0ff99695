#include "store/store_route.h"

#include "base/log.h"
#include "store_folder.h"
#include "unit.h"

#include <sqlite3.h>

#define DAY INT64_C(86400)
#define NOW (20000 * DAY)

static char logged[4096];

static void keep_log(struct span line)
{
	size_t len = strlen(logged);

	if (len + line.len < sizeof(logged))
		memcpy(logged + len, line.at, line.len);
}

static struct store_route *open_in(const struct store_folder *f)
{
	struct store_route *s = store_route_new();
	struct why why;

	if (!store_route_open(s, f->path, &why))
		fail_msg("%s", why.text);
	return s;
}

static struct store_route *reopen(struct store_route *s, const struct store_folder *f)
{
	store_route_free(s);
	return open_in(f);
}

static void put_sts(struct store_route *s, const char *domain, int64_t fetched_at, int64_t until, struct span body)
{
	struct store_sts p = { .id = "id1", .fetched_at = fetched_at, .until = until, .body = body };

	store_route_sts_put(s, domain, &p);
}

static void test_NEW_1_a_policy_outlives_a_restart(void **state)
{
	struct store_folder f;
	struct store_route *s;
	struct store_sts p, other;

	(void)state;
	store_folder_make(&f);
	s = open_in(&f);
	assert_false(store_route_sts_get(s, "a.example", &p));
	put_sts(s, "a.example", NOW, NOW + DAY, SPAN("version: STSv1\n\0binary"));
	put_sts(s, "b.example", NOW, NOW + 2 * DAY, SPAN(""));
	s = reopen(s, &f);
	assert_true(store_route_sts_get(s, "a.example", &p));
	assert_string_equal(p.id, "id1");
	assert_true(p.fetched_at == NOW && p.until == NOW + DAY);
	want_text("body", p.body, SPAN("version: STSv1\n\0binary"));
	assert_true(store_route_sts_get(s, "b.example", &other));
	assert_int_equal(other.body.len, 0);
	put_sts(s, "a.example", NOW + 5, NOW + DAY + 5, SPAN("other"));
	assert_true(store_route_sts_get(s, "a.example", &p));
	want_text("body", p.body, SPAN("other"));
	store_route_sweep(s, NOW + DAY + 6);
	assert_false(store_route_sts_get(s, "a.example", &p));
	assert_true(store_route_sts_get(s, "b.example", &p));
	store_route_free(s);
	store_folder_remove(&f);
}

static void test_NEW_1_the_largest_policy(void **state)
{
	char *body = mem_new(STORE_STS_BODY_MOST);
	struct store_folder f;
	struct store_route *s;
	struct store_sts p;

	(void)state;
	memset(body, 'x', STORE_STS_BODY_MOST);
	store_folder_make(&f);
	s = open_in(&f);
	put_sts(s, "a.example", NOW, NOW + DAY, span_of(body, STORE_STS_BODY_MOST));
	assert_true(store_route_sts_get(s, "a.example", &p));
	want_text("body", p.body, span_of(body, STORE_STS_BODY_MOST));
	store_route_free(s);
	store_folder_remove(&f);
	free(body);
}

static void test_NEW_1_what_is_due_for_a_refresh(void **state)
{
	struct store_folder f;
	struct store_route *s;
	char domain[256];

	(void)state;
	store_folder_make(&f);
	s = open_in(&f);
	put_sts(s, "fresh.example", NOW - DAY, NOW + 10 * DAY, SPAN("x"));
	put_sts(s, "late.example", NOW - 10 * DAY, NOW + 9 * DAY, SPAN("x"));
	put_sts(s, "later.example", NOW - 10 * DAY, NOW + 8 * DAY, SPAN("x"));
	put_sts(s, "over.example", NOW - 10 * DAY, NOW - 1, SPAN("x"));
	put_sts(s, "alone.example", NOW - 31 * DAY, NOW + DAY, SPAN("x"));
	assert_true(store_route_sts_due(s, NOW, domain));
	assert_string_equal(domain, "later.example");
	assert_true(store_route_sts_due(s, NOW, domain));
	assert_string_equal(domain, "late.example");
	assert_false(store_route_sts_due(s, NOW, domain));
	store_route_sts_touch(s, "alone.example", NOW);
	assert_true(store_route_sts_due(s, NOW, domain));
	assert_string_equal(domain, "alone.example");
	assert_false(store_route_sts_due(s, NOW + DAY - 1, domain));
	assert_true(store_route_sts_due(s, NOW + DAY, domain));
	store_route_free(s);
	store_folder_remove(&f);
}

static void test_NEW_33_deliveries_with_TLS_in_a_row(void **state)
{
	struct store_folder f;
	struct store_route *s;

	(void)state;
	store_folder_make(&f);
	s = open_in(&f);
	assert_int_equal(store_route_seen(s, "mx.example", NOW), 0);
	for (int i = 0; i < 5; i++)
		store_route_saw(s, "mx.example", true, NOW + i);
	s = reopen(s, &f);
	assert_int_equal(store_route_seen(s, "mx.example", NOW), 5);
	assert_int_equal(store_route_seen(s, "other.example", NOW), 0);
	/* It decays: after so long it says nothing, and begins anew. */
	assert_int_equal(store_route_seen(s, "mx.example", NOW + 4 + STORE_TLS_DAYS * DAY), 5);
	assert_int_equal(store_route_seen(s, "mx.example", NOW + 5 + STORE_TLS_DAYS * DAY), 0);
	store_route_saw(s, "mx.example", true, NOW + 5 + STORE_TLS_DAYS * DAY);
	assert_int_equal(store_route_seen(s, "mx.example", NOW + 5 + STORE_TLS_DAYS * DAY), 1);
	store_route_saw(s, "mx.example", false, NOW + 6 + STORE_TLS_DAYS * DAY);
	assert_int_equal(store_route_seen(s, "mx.example", NOW + 6 + STORE_TLS_DAYS * DAY), 0);
	store_route_free(s);
	store_folder_remove(&f);
}

struct counts {
	unsigned rows;
	struct store_tlsrpt first, last;
};

static void take_row(void *arg, const struct store_tlsrpt *row)
{
	struct counts *c = arg;

	if (c->rows++ == 0)
		c->first = *row;
	c->last = *row;
}

static struct counts counts_of(struct store_route *s, int64_t day)
{
	struct counts c = { 0 };
	struct why why;

	if (!store_route_counts(s, day, take_row, &c, &why))
		fail_msg("%s", why.text);
	return c;
}

static void test_NEW_4_results_are_counted_by_day_and_kind(void **state)
{
	struct policy_result r = {
		.domain = "a.example", .host = "mx.a.example", .address = "192.0.2.1", .own_address = "192.0.2.9",
		.policy = POLICY_RESULT_STS, .type = POLICY_RESULT_CERTIFICATE_EXPIRED, .reason = "first",
	};
	struct store_folder f;
	struct store_route *s;
	struct counts c;

	(void)state;
	store_folder_make(&f);
	s = open_in(&f);
	store_route_count(s, &r, NOW);
	snprintf(r.reason, sizeof(r.reason), "second");
	store_route_count(s, &r, NOW + DAY - 1);
	r.type = POLICY_RESULT_SUCCESS;
	store_route_count(s, &r, NOW);
	store_route_count(s, &r, NOW + DAY);
	s = reopen(s, &f);
	c = counts_of(s, NOW / DAY);
	assert_int_equal(c.rows, 2);
	assert_int_equal(c.first.result.type, POLICY_RESULT_SUCCESS);
	assert_int_equal(c.first.count, 1);
	assert_int_equal(c.last.count, 2);
	assert_int_equal(c.last.result.policy, POLICY_RESULT_STS);
	assert_string_equal(c.last.result.domain, "a.example");
	assert_string_equal(c.last.result.host, "mx.a.example");
	assert_string_equal(c.last.result.address, "192.0.2.1");
	assert_string_equal(c.last.result.own_address, "192.0.2.9");
	assert_string_equal(c.last.result.reason, "second");
	assert_int_equal(counts_of(s, NOW / DAY + 1).rows, 1);
	store_route_sweep(s, NOW + (STORE_TLSRPT_DAYS + 1) * DAY);
	assert_int_equal(counts_of(s, NOW / DAY).rows, 0);
	assert_int_equal(counts_of(s, NOW / DAY + 1).rows, 1);
	store_route_free(s);
	store_folder_remove(&f);
}

/* Somebody who can make us see ever new hosts does not fill the disk. */
static void test_STYLE_rows_of_a_day_have_a_ceiling(void **state)
{
	struct policy_result r = { .domain = "a.example", .type = POLICY_RESULT_VALIDATION_FAILURE };
	struct store_folder f;
	struct store_route *s;

	(void)state;
	store_folder_make(&f);
	s = open_in(&f);
	for (int i = 0; i < STORE_TLSRPT_ROWS_MOST + 5; i++) {
		snprintf(r.host, sizeof(r.host), "mx%d.example", i);
		store_route_count(s, &r, NOW);
	}
	assert_int_equal(counts_of(s, NOW / DAY).rows, STORE_TLSRPT_ROWS_MOST);
	store_route_count(s, &r, NOW + DAY);
	assert_int_equal(counts_of(s, NOW / DAY + 1).rows, 1);
	store_route_free(s);
	store_folder_remove(&f);
}

/* Another process holds the database: said once, the caller goes on, and it comes back by itself. */
static void test_FAULTS_27_what_can_not_be_written(void **state)
{
	struct store_folder f;
	struct store_route *s;
	char path[256];
	sqlite3 *other;

	(void)state;
	store_folder_make(&f);
	s = open_in(&f);
	snprintf(path, sizeof(path), "%s/route.db", f.path);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	memset(logged, 0, sizeof(logged));
	log_set_sink(keep_log);
	store_route_saw(s, "mx.example", true, NOW);
	store_route_saw(s, "mx.example", true, NOW);
	assert_non_null(strstr(logged, "store-failed"));
	assert_null(strstr(strstr(logged, "store-failed") + 1, "store-failed"));
	assert_int_equal(store_route_seen(s, "mx.example", NOW), 0);
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	store_route_saw(s, "mx.example", true, NOW);
	assert_non_null(strstr(logged, "store-again"));
	assert_int_equal(store_route_seen(s, "mx.example", NOW), 1);
	log_set_sink(NULL);
	store_route_free(s);
	store_folder_remove(&f);
}

static void test_FAULTS_27_what_is_no_database(void **state)
{
	struct policy_result r = { .domain = "a.example" };
	struct store_route *s = store_route_new();
	struct store_folder f;
	struct store_sts p;
	char domain[256];
	struct why why;

	(void)state;
	store_folder_make(&f);
	store_folder_write(&f, "route.db", "this is no database, and long enough to be looked at in earnest by whoever reads it");
	assert_false(store_route_open(s, f.path, &why));
	assert_int_equal(why.fault, FAULT_SYSTEM);
	/* It goes on without. */
	put_sts(s, "a.example", NOW, NOW + DAY, SPAN("x"));
	assert_false(store_route_sts_get(s, "a.example", &p));
	store_route_sts_touch(s, "a.example", NOW);
	assert_false(store_route_sts_due(s, NOW, domain));
	store_route_saw(s, "mx.example", true, NOW);
	assert_int_equal(store_route_seen(s, "mx.example", NOW), 0);
	store_route_count(s, &r, NOW);
	store_route_sweep(s, NOW);
	store_folder_remove(&f);
	store_folder_make(&f);
	assert_true(store_route_open(s, f.path, &why));
	store_route_saw(s, "mx.example", true, NOW);
	assert_int_equal(store_route_seen(s, "mx.example", NOW), 1);
	store_route_free(s);
	store_folder_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_NEW_1_a_policy_outlives_a_restart),
		cmocka_unit_test(test_NEW_1_the_largest_policy),
		cmocka_unit_test(test_NEW_1_what_is_due_for_a_refresh),
		cmocka_unit_test(test_NEW_33_deliveries_with_TLS_in_a_row),
		cmocka_unit_test(test_NEW_4_results_are_counted_by_day_and_kind),
		cmocka_unit_test(test_STYLE_rows_of_a_day_have_a_ceiling),
		cmocka_unit_test(test_FAULTS_27_what_can_not_be_written),
		cmocka_unit_test(test_FAULTS_27_what_is_no_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
