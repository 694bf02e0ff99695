#include "store/store_partners.h"

#include "store_folder.h"
#include "unit.h"

#include <sqlite3.h>

struct seen {
	unsigned count;
	char keys[8][64];
	struct policy_rule last; /* without texts */
	char names[128], origin[64], why[64];
};

static void note(void *arg, const struct policy_rule *rule)
{
	struct seen *s = arg;

	assert_in_range(s->count, 0, 7);
	snprintf(s->keys[s->count++], sizeof(s->keys[0]), "%s", rule->key);
	s->last = *rule;
	s->names[0] = '\0';
	for (unsigned i = 0; i < rule->name_count; i++)
		snprintf(s->names + strlen(s->names), sizeof(s->names) - strlen(s->names), "%s;", rule->names[i]);
	snprintf(s->origin, sizeof(s->origin), "%s", rule->origin);
	snprintf(s->why, sizeof(s->why), "%s", rule->why != NULL ? rule->why : "(none)");
}

static struct store_partners *open_in(const struct store_folder *f)
{
	struct why why;
	struct store_partners *s = store_partners_open(f->path, &why);

	if (s == NULL)
		fail_msg("%s", why.text);
	return s;
}

static void put(struct store_partners *s, const char *key, enum policy_level outbound, bool was_there)
{
	struct policy_rule rule = { .key = mem_text(key), .outbound = outbound };
	bool there;
	struct why why;

	if (!store_partners_put(s, &rule, &there, &why))
		fail_msg("%s: %s", key, why.text);
	assert_int_equal(there, was_there);
	free(rule.key);
}

static uint64_t generation(struct store_partners *s)
{
	uint64_t number;
	struct why why;

	assert_true(store_partners_generation(s, &number, &why));
	return number;
}

static void test_GC_10_a_rule_comes_back_as_it_was(void **state)
{
	struct policy_rule rule = {
		.key = (char[]){ "Partner.Example" }, .client = POLICY_CLIENT_REQUIRED, .upstream = POLICY_UPSTREAM_ALLOWED,
		.outbound = POLICY_LEVEL_VERIFY, .inbound = POLICY_LEVEL_ENCRYPT, .min_bits = 128,
		.names = { (char[]){ "mx.partner.example" }, (char[]){ "*.partner.example" } }, .name_count = 2,
		.permanent = true, .report = true, .direction = POLICY_OUTBOUND, .expires = 1800000000,
		.why = (char[]){ "a move" },
	};
	struct seen seen = { 0 };
	struct store_folder f;
	struct store_partners *s;
	struct why why;
	bool there;

	(void)state;
	store_folder_make(&f);
	s = open_in(&f);
	assert_true(store_partners_put(s, &rule, &there, &why));
	store_partners_free(s);
	s = open_in(&f);
	assert_true(store_partners_list(s, note, &seen, &why));
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.keys[0], "Partner.Example");
	assert_int_equal(seen.last.client, POLICY_CLIENT_REQUIRED);
	assert_int_equal(seen.last.upstream, POLICY_UPSTREAM_ALLOWED);
	assert_int_equal(seen.last.outbound, POLICY_LEVEL_VERIFY);
	assert_int_equal(seen.last.inbound, POLICY_LEVEL_ENCRYPT);
	assert_int_equal(seen.last.min_bits, 128);
	assert_int_equal(seen.last.direction, POLICY_OUTBOUND);
	assert_int_equal(seen.last.expires, 1800000000);
	assert_true(seen.last.permanent && seen.last.report);
	assert_string_equal(seen.names, "mx.partner.example;*.partner.example;");
	assert_string_equal(seen.why, "a move");
	assert_string_equal(seen.origin, "partners.db");
	store_partners_free(s);
	store_folder_remove(&f);
}

static void test_equal_keys_are_one_rule(void **state)
{
	struct seen seen = { 0 };
	struct store_folder f;
	struct store_partners *s;
	struct why why;
	bool there;

	(void)state;
	store_folder_make(&f);
	s = open_in(&f);
	put(s, "a.example", POLICY_LEVEL_MAY, false);
	put(s, "A.Example.", POLICY_LEVEL_VERIFY, true);
	put(s, "*.b.example", POLICY_LEVEL_MAY, false);
	assert_true(store_partners_list(s, note, &seen, &why));
	assert_int_equal(seen.count, 2);
	assert_true(store_partners_remove(s, SPAN(".B.example"), &there, &why));
	assert_true(there);
	assert_true(store_partners_remove(s, SPAN(".b.example"), &there, &why));
	assert_false(there);
	seen.count = 0;
	assert_true(store_partners_list(s, note, &seen, &why));
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.keys[0], "A.Example.");
	assert_int_equal(seen.last.outbound, POLICY_LEVEL_VERIFY);
	store_partners_free(s);
	store_folder_remove(&f);
}

static void test_what_is_no_rule_is_refused(void **state)
{
	struct policy_rule rows[] = {
		{ .key = (char[]){ "a..example" } },
		{ .key = (char[]){ "a.example" }, .inbound = POLICY_LEVEL_VERIFY },
		{ .key = (char[]){ "a.example" }, .names = { (char[]){ "one two" } }, .name_count = 1 },
		{ .key = (char[]){ "a.example" }, .why = (char[]){ "line\nfeed" } },
	};
	struct seen seen = { 0 };
	struct store_folder f;
	struct store_partners *s;
	struct why why;
	bool there;

	(void)state;
	store_folder_make(&f);
	s = open_in(&f);
	for (size_t i = 0; i < ROWS(rows); i++) {
		if (store_partners_put(s, &rows[i], &there, &why))
			fail_msg("row %zu was taken", i);
		assert_int_equal(why.fault, FAULT_POLICY);
	}
	assert_true(store_partners_list(s, note, &seen, &why));
	assert_int_equal(seen.count, 0);
	store_partners_free(s);
	store_folder_remove(&f);
}

/* As `route` and the command see each other. */
static void test_GC_10_a_change_is_seen_by_the_other(void **state)
{
	struct store_folder f;
	struct store_partners *route, *command;
	uint64_t before;

	(void)state;
	store_folder_make(&f);
	route = open_in(&f);
	command = open_in(&f);
	assert_true(store_partners_changed(route));
	assert_false(store_partners_changed(route));
	before = generation(route);
	put(command, "a.example", POLICY_LEVEL_MAY, false);
	assert_true(store_partners_changed(route));
	assert_false(store_partners_changed(route));
	assert_true(generation(route) > before);
	store_partners_free(route);
	store_partners_free(command);
	store_folder_remove(&f);
}

static void test_a_new_database_counts_on(void **state)
{
	struct store_folder f;
	struct store_partners *s;
	uint64_t before;

	(void)state;
	store_folder_make(&f);
	s = open_in(&f);
	put(s, "a.example", POLICY_LEVEL_MAY, false);
	before = generation(s);
	store_partners_free(s);
	assert_true(before > UINT64_C(1700000000) * 1000);
	store_folder_remove(&f);
}

static void test_octets_are_what_a_table_is_made_of(void **state)
{
	struct store_folder f;
	struct store_partners *s;
	struct policy_rule rule;
	struct span rest;
	struct buf out;
	uint64_t number;
	struct why why;

	(void)state;
	store_folder_make(&f);
	s = open_in(&f);
	put(s, "b.example", POLICY_LEVEL_DANE, false);
	put(s, "a.example", POLICY_LEVEL_MAY, false);
	buf_init(&out, 4096);
	assert_true(store_partners_octets(s, &out, &number, &why));
	assert_true(number == generation(s));
	rest = buf_peek(&out);
	assert_true(policy_rule_decode(&rest, &rule, &why));
	assert_string_equal(rule.key, "a.example");
	policy_rule_free(&rule);
	assert_true(policy_rule_decode(&rest, &rule, &why));
	assert_int_equal(rule.outbound, POLICY_LEVEL_DANE);
	policy_rule_free(&rule);
	assert_int_equal(rest.len, 0);
	buf_free(&out);
	buf_init(&out, 40);
	assert_false(store_partners_octets(s, &out, &number, &why));
	buf_free(&out);
	store_partners_free(s);
	store_folder_remove(&f);
}

static void spoil(const struct store_folder *f, const char *sql)
{
	char path[256];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/partners.db", f->path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* Somebody else has written there: who lists them gets what is a rule, and for mail none of them is known (law 6). */
static void test_GC_8_rules_that_we_did_not_write(void **state)
{
	static const char *const rows[] = {
		"UPDATE rule SET outbound = 99 WHERE written = 'a.example'",
		"UPDATE rule SET outbound = -1 WHERE written = 'a.example'",
		"UPDATE rule SET inbound = 4 WHERE written = 'a.example'",
		"UPDATE rule SET written = x'610062' WHERE written = 'a.example'",
		"UPDATE rule SET written = 'not a domain' WHERE written = 'a.example'",
		"UPDATE rule SET names = 'one  two' WHERE written = 'a.example'",
		"UPDATE rule SET min_bits = -5 WHERE written = 'a.example'",
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct seen seen = { 0 };
		struct store_folder f;
		struct store_partners *s;
		uint64_t number;
		struct buf out;
		struct why why;

		store_folder_make(&f);
		s = open_in(&f);
		put(s, "a.example", POLICY_LEVEL_MAY, false);
		put(s, "b.example", POLICY_LEVEL_MAY, false);
		spoil(&f, rows[i]);
		assert_true(store_partners_list(s, note, &seen, &why));
		if (seen.count != 1)
			fail_msg("%s: %u rules", rows[i], seen.count);
		why.text[0] = '\0';
		buf_init(&out, 4096);
		if (store_partners_octets(s, &out, &number, &why) || why.text[0] == '\0')
			fail_msg("%s: the others are handed on without it", rows[i]);
		buf_free(&out);
		store_partners_free(s);
		store_folder_remove(&f);
	}
}

static void test_FAULTS_27_what_is_no_database_of_ours(void **state)
{
	struct store_folder f;
	struct store_partners *s;
	struct why why;

	(void)state;
	store_folder_make(&f);
	s = open_in(&f);
	store_partners_free(s);
	spoil(&f, "PRAGMA user_version = 77");
	assert_null(store_partners_open(f.path, &why));
	assert_non_null(strstr(why.text, "newer version"));
	spoil(&f, "PRAGMA user_version = -100000");
	assert_null(store_partners_open(f.path, &why));
	assert_non_null(strstr(why.text, "schema -100000"));
	store_folder_write(&f, "partners.db", "this is no database, and long enough to be looked at in earnest by whoever reads it");
	assert_null(store_partners_open(f.path, &why));
	assert_null(store_partners_open("/nonexistent/folder", &why));
	assert_int_equal(why.fault, FAULT_SYSTEM);
	store_folder_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_GC_10_a_rule_comes_back_as_it_was),
		cmocka_unit_test(test_equal_keys_are_one_rule),
		cmocka_unit_test(test_what_is_no_rule_is_refused),
		cmocka_unit_test(test_GC_10_a_change_is_seen_by_the_other),
		cmocka_unit_test(test_a_new_database_counts_on),
		cmocka_unit_test(test_octets_are_what_a_table_is_made_of),
		cmocka_unit_test(test_GC_8_rules_that_we_did_not_write),
		cmocka_unit_test(test_FAULTS_27_what_is_no_database_of_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
