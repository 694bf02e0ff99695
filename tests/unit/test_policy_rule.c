#include "policy_world.h"
#include "unit.h"

#include "base/buf.h"
#include "policy/policy_rule.h"

#define NOW 1790000000

static bool add(struct policy_table_maker *m, const char *key, struct why *why)
{
	struct policy_rule rule = { .key = TEXT(key), .origin = TEXT("gw.yaml:14"), .outbound = POLICY_LEVEL_ENCRYPT };

	return policy_table_add(m, &rule, why);
}

static struct policy_table *table_of(const char *const *keys, size_t count)
{
	struct policy_table_maker *m = policy_table_begin();
	struct why why = { 0 };

	for (size_t i = 0; i < count; i++) {
		if (!add(m, keys[i], &why))
			fail_msg("%s: %s", keys[i], why.text);
	}
	return policy_table_end(m, 7);
}

static void want_key(const char *row, const struct policy_table *t, struct span address, const char *want)
{
	const struct policy_rule *r = policy_table_find(t, address, POLICY_OUTBOUND, NOW);

	want_text(row, span_str(r != NULL ? r->key : "-"), span_str(want));
}

struct row {
	const char *name;
	struct span address;
	const char *want; /* key; "-": none */
};

static void check(const struct policy_table *t, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		want_key(rows[i].name, t, rows[i].address, rows[i].want);
}

static void test_GC_3_most_specific_first(void **state)
{
	static const char *const keys[] = {
		"Boss@Example.NET", "*@example.net", "example.net", ".example.net", "mx.example.net", "*.org", "co.example", "*",
		"\"odd name\"@example.org", ("J\xc3\xb6rg@b\xc3\xbc" "cher.example"), "xn--bcher-kva.example", "[192.0.2.1]",
	};
	static const struct row rows[] = {
		{ "the address itself", SPAN("boss@example.net"), "Boss@Example.NET" },
		{ "in quotes", SPAN("\"boss\"@example.net"), "Boss@Example.NET" },
		{ "in quotes with a backslash", SPAN("\"bo\\ss\"@EXAMPLE.net."), "Boss@Example.NET" },
		{ "another address", SPAN("bosses@example.net"), "*@example.net" },
		{ "the domain alone", SPAN("example.net"), "*@example.net" },
		{ "below: what is only for there goes first", SPAN("a@x.example.net"), ".example.net" },
		{ "below has its own", SPAN("a@mx.example.net"), "mx.example.net" },
		{ "below that", SPAN("a@b.mx.example.net"), "mx.example.net" },
		{ "no whole label", SPAN("a@notexample.net"), "*" },
		{ "no whole label at the end", SPAN("a@example.network"), "*" },
		{ "*.org is not org", SPAN("a@org"), "*" },
		{ "*.org covers all below", SPAN("a@b.c.org"), "*.org" },
		{ "an address with blanks", SPAN("\"Odd Name\"@example.org"), "\"odd name\"@example.org" },
		{ "the same, not of that domain", SPAN("\"odd name\"@example.com"), "*" },
		{ "U-label for A-label", SPAN("a@B\xc3\x9c" "cher.example"), "xn--bcher-kva.example" },
		{ "8-bit local part", SPAN("j\xc3\xb6rg@xn--bcher-kva.example"), ("J\xc3\xb6rg@b\xc3\xbc" "cher.example") },
		{ "8-bit letters have no case", SPAN("j\xc3\x96rg@xn--bcher-kva.example"), "xn--bcher-kva.example" },
		{ "literal", SPAN("a@[192.0.2.1]"), "[192.0.2.1]" },
		{ "another literal", SPAN("a@[192.0.2.11]"), "*" },
		{ "null reverse-path", SPAN(""), "*" },
		{ "nothing behind the at sign", SPAN("boss@"), "*" },
		{ "no domain at all", SPAN("a@b c"), "*" },
	};
	struct policy_table *t = table_of(keys, ROWS(keys));

	(void)state;
	check(t, rows, ROWS(rows));
	want_number("table", "generation", policy_table_generation(t), 7);
	want_number("table", "rules", policy_table_count(t), ROWS(keys));
	want_text("sorted", span_str(policy_table_at(t, 0)->key), SPAN("*"));
	policy_table_release(t);
}

static void test_GC_3_sub_domains_and_no_default(void **state)
{
	static const char *const keys[] = { "example.net", "*@example.org" };
	static const struct row rows[] = {
		{ "below", SPAN("a@b.c.example.net"), "example.net" },
		{ "above", SPAN("a@net"), "-" },
		{ "no rule", SPAN("a@example.com"), "-" },
		{ "null reverse-path", SPAN(""), "-" },
	};
	struct policy_table *t = table_of(keys, ROWS(keys));

	(void)state;
	check(t, rows, ROWS(rows));
	policy_table_release(t);
}

static void test_PP_12_star_at_is_not_for_sub_domains(void **state)
{
	static const char *const keys[] = { "*@example.org" };
	static const struct row rows[] = {
		{ "the domain", SPAN("a@example.org"), "*@example.org" },
		{ "below", SPAN("a@b.example.org"), "-" },
	};
	struct policy_table *t = table_of(keys, ROWS(keys));

	(void)state;
	check(t, rows, ROWS(rows));
	policy_table_release(t);
}

static void test_GC_9_direction_and_end(void **state)
{
	const struct policy_rule rules[] = {
		{ .key = TEXT("a.example"), .origin = TEXT("x"), .direction = POLICY_INBOUND },
		{ .key = TEXT("b.a.example"), .origin = TEXT("x"), .expires = NOW },
		{ .key = TEXT("c.a.example"), .origin = TEXT("x"), .expires = NOW + 1, .direction = POLICY_OUTBOUND },
		{ .key = TEXT("*"), .origin = TEXT("x"), .direction = POLICY_OUTBOUND },
	};
	struct policy_table_maker *m = policy_table_begin();
	struct policy_table *t;
	struct why why;

	(void)state;
	for (size_t i = 0; i < ROWS(rules); i++)
		assert_true(policy_table_add(m, &rules[i], &why));
	t = policy_table_end(m, 1);
	want_key("a rule of the other way is passed over", t, SPAN("x@a.example"), "*");
	want_key("an expired one too", t, SPAN("x@b.a.example"), "*");
	want_key("one that holds another second", t, SPAN("x@c.a.example"), "c.a.example");
	want_same("inbound", policy_table_find(t, SPAN("x@b.a.example"), POLICY_INBOUND, NOW),
		  policy_table_find(t, SPAN("a.example"), POLICY_INBOUND, NOW));
	want_same("outbound * does not hold inbound", policy_table_find(t, SPAN("x@d.example"), POLICY_INBOUND, NOW), NULL);
	policy_table_release(policy_table_hold(t));
	policy_table_release(t);
	policy_table_release(NULL);
}

static void test_keys(void **state)
{
	static const struct {
		const char *name, *key;
		const char *why; /* "": taken */
	} rows[] = {
		{ "first", "example.net", "" },
		{ "the same", "Example.NET.", "\"Example.NET.\" is the same as \"example.net\" of gw.yaml:14" },
		{ "another form", "*.example.net", "" },
		{ "its twin", ".example.net", "\".example.net\" is the same as \"*.example.net\" of gw.yaml:14" },
		{ "IDN", "b\xc3\xbc" "cher.example", "" },
		{ "IDN twin", "xn--bcher-kva.example",
		  "\"xn--bcher-kva.example\" is the same as \"b\xc3\xbc" "cher.example\" of gw.yaml:14" },
		{ "address", "a@example.net", "" },
		{ "address in quotes", "\"A\"@example.net", "\"\"A\"@example.net\" is the same as \"a@example.net\" of gw.yaml:14" },
		{ "empty", "", "\"\" is no address, domain, .domain, *.domain, *@domain or *" },
		{ "at sign alone", "@example.net", "\"@example.net\" is no address, domain, .domain, *.domain, *@domain or *" },
		{ "star inside", "a.*.net", "\"a.*.net\" is no address, domain, .domain, *.domain, *@domain or *" },
		{ "dot alone", ".", "\".\" is no address, domain, .domain, *.domain, *@domain or *" },
		{ "below an address", ".[192.0.2.1]", "\".[192.0.2.1]\" is no address, domain, .domain, *.domain, *@domain or *" },
		{ "the mailbox *", "\"*\"@example.net", "\"\"*\"@example.net\" is no address, domain, .domain, *.domain, *@domain or *" },
		{ "an open quote", "\"a\\\"@example.net", "\"\"a\\\"@example.net\" is no address, domain, .domain, *.domain, *@domain or *" },
	};
	struct policy_table_maker *m = policy_table_begin();

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct why why = { 0 };
		bool added = add(m, rows[i].key, &why);

		want_text(rows[i].name, span_str(why.text), span_str(rows[i].why));
		want_number(rows[i].name, "added", added, rows[i].why[0] == '\0');
	}
	policy_table_release(policy_table_end(m, 1));
}

/* A table of 100000 is looked up in, not walked through; a duplicate in it is found when it is added. */
static void test_many(void **state)
{
	struct policy_table_maker *m = policy_table_begin();
	struct policy_table *t;
	struct why why;
	char key[64];

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(key, sizeof(key), "d%u.example", i * 7919 % 100000);
		assert_true(add(m, key, &why));
	}
	assert_false(add(m, "D4711.example", &why));
	t = policy_table_end(m, 1);
	for (unsigned i = 0; i < 100000; i += 997) {
		snprintf(key, sizeof(key), "d%u.example", i);
		want_key(key, t, span_str(key), key);
	}
	policy_table_release(t);
}

static const struct policy_rule full = {
	.key = TEXT("Partner.example"), .origin = TEXT("/etc/sallyport/tls.list:3"), .client = POLICY_CLIENT_REQUIRED,
	.upstream = POLICY_UPSTREAM_NONE, .outbound = POLICY_LEVEL_MIRROR, .inbound = POLICY_LEVEL_ENCRYPT, .min_bits = 128,
	.names = { TEXT("gw.partner.example"), TEXT("*.partner.example") }, .name_count = 2, .certificate = TEXT("client"), .permanent = true,
	.report = true, .direction = POLICY_OUTBOUND, .expires = 1797724800, .why = TEXT("their gateway is being replaced"),
};

static void test_octets_round_trip(void **state)
{
	struct policy_rule least = { .key = TEXT("*"), .origin = TEXT("x") }, got;
	struct buf b, again;
	struct span rest;
	struct why why;

	(void)state;
	buf_init(&b, 4096);
	buf_init(&again, 4096);
	assert_true(policy_rule_encode(&full, &b));
	assert_true(policy_rule_encode(&least, &b));
	rest = buf_peek(&b);
	assert_true(policy_rule_decode(&rest, &got, &why));
	want_text("key", span_str(got.key), span_str(full.key));
	want_text("origin", span_str(got.origin), span_str(full.origin));
	want_text("name", span_str(got.names[1]), SPAN("*.partner.example"));
	want_text("certificate", span_str(got.certificate), SPAN("client"));
	want_text("why", span_str(got.why), span_str(full.why));
	want_number("end", "expires", (unsigned long long)got.expires, (unsigned long long)full.expires);
	assert_true(policy_rule_encode(&got, &again));
	policy_rule_free(&got);
	assert_true(policy_rule_decode(&rest, &got, &why));
	want_same("no why", got.why, NULL);
	want_number("all read", "rest", rest.len, 0);
	assert_true(policy_rule_encode(&got, &again));
	policy_rule_free(&got);
	want_text("octets", buf_peek(&again), buf_peek(&b));
	buf_free(&b);
	buf_free(&again);
}

static void test_octets_refused(void **state)
{
	struct policy_rule rule = full, got;
	struct span rest;
	struct why why;
	struct buf b;
	char *copy;

	(void)state;
	buf_init(&b, 4096);
	assert_true(policy_rule_encode(&full, &b));
	for (size_t len = 0; len < buf_used(&b); len++) {
		rest = span_first(buf_peek(&b), len);
		if (policy_rule_decode(&rest, &got, &why))
			fail_msg("%zu octets of %zu were a rule", len, buf_used(&b));
		want_number("cut", "rest", rest.len, len);
	}
	copy = b.mem + b.head;
	copy[2] = '@'; /* the key is none */
	rest = buf_peek(&b);
	assert_false(policy_rule_decode(&rest, &got, &why));
	want_text("fault", span_str(fault_name(why.fault)), SPAN("peer"));
	buf_free(&b);
	rule.origin = TEXT("a\nb");
	assert_false(policy_rule_encode(&rule, &b));
	rule.origin = TEXT("x");
	rule.inbound = POLICY_LEVEL_VERIFY;
	assert_false(policy_rule_encode(&rule, &b));
	buf_init(&b, 20);
	assert_false(policy_rule_encode(&full, &b));
	want_number("full", "octets", buf_used(&b), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_GC_3_most_specific_first),
		cmocka_unit_test(test_GC_3_sub_domains_and_no_default),
		cmocka_unit_test(test_PP_12_star_at_is_not_for_sub_domains),
		cmocka_unit_test(test_GC_9_direction_and_end),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_octets_round_trip),
		cmocka_unit_test(test_octets_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
