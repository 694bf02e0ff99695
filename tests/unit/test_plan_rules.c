/* Rules of the configuration and of lists as one table, with those of the database; needs that follow; TLS of next hops. */
#include "base/buf.h"
#include "conf/conf_date.h"
#include "plan_text.h"
#include "unit.h"

#define HEAD "hostname: gw.example.net\ncertificates: { gw: { chain: gw.pem, key: gw.key } }\n"
#define OUT "services: { out: { mode: outbound, listen: 127.0.0.1:10025 } }\n"
#define BARE "hostname: gw.example.net\n# the lines below are counted\n"
#define CLEAR "services: { out: { mode: outbound, listen: 127.0.0.1:10025, client_tls: none } }\n"
#define GC "partner_lists: { gc: { file: list, outbound: encrypt, min_bits: 112, on_failure: permanent } }\n"

static struct plan *good(const char *row, const char *text, const char *list)
{
	struct conf_report report;
	struct plan *p = plan_text_with(text, list, &report);

	if (p == NULL)
		fail_msg("%s: %s", row, report.text);
	conf_report_free(&report);
	return p;
}

static const struct {
	const char *name, *recipient;
	const char *origin; /* NULL: none */
	unsigned bits;
} finds[] = {
	{ "GC-3 the domain",               "u@a.example", "list:1", 112 },
	{ "GC-3 below it",                 "u@mx.A.example.", "list:1", 112 },
	{ "GC-3 not at a dot",             "u@nota.example", NULL, 0 },
	{ "GC-3 an address",               "boss@b.example", "list:2", 112 },
	{ "GC-3 another at its domain",    "u@b.example", NULL, 0 },
	{ "GC-5 its own strength",         "u@c.example", "list:5", 256 },
	{ "GC-5 less than the list's",     "u@d.example", "list:6", 0 },
	{ "PP-12 the domain itself",       "u@e.example", "list:6", 112 },
	{ "PP-12 not below it",            "u@mx.e.example", NULL, 0 },
	{ "of the file, more specific",    "u@low.a.example", "gw:4", 0 },
};

static void test_GC_3_GC_5_PP_12_lists(void **state)
{
	struct plan *p = good("lists", HEAD GC "partners: { low.a.example: { outbound: may } }\n" OUT,
			      "a.example\r\nboss@b.example\r\n\r\n# c\nc.example 256\nd.example 0; *@e.example\n");

	(void)state;
	assert_int_equal(policy_table_count(p->rules), 6);
	for (size_t i = 0; i < ROWS(finds); i++) {
		const struct policy_rule *r = policy_table_find(p->rules, span_str(finds[i].recipient), POLICY_OUTBOUND, 0);

		want_number(finds[i].name, "found", r != NULL, finds[i].origin != NULL);
		if (r == NULL)
			continue;
		want_text(finds[i].name, span_str(r->origin), span_str(finds[i].origin));
		want_number(finds[i].name, "bits", r->min_bits, finds[i].bits);
		want_number(finds[i].name, "permanent", r->permanent, strncmp(r->origin, "list", 4) == 0);
	}
	plan_release(p);
}

static const struct {
	const char *name, *text, *list;
	const char *report; /* all of it */
	bool good;
} reports[] = {
	{ "no such file", BARE "partner_lists: { gc: { file: none, outbound: encrypt } }\n" CLEAR, NULL,
	  "gw:3:30: partner_lists.gc.file: none can't be read: no such file\n", false },
	{ "GC-3 nobody is everybody by mistake", BARE GC CLEAR, "\n\n", "", true },
	{ "each mistake with its line", BARE GC CLEAR, "a.example\nb example\n\nc.example 300\n..\nuser@\n",
	  "gw:3:30: partner_lists.gc: list:2: behind a key there can be a number of bits up to 256; blanks do not "
	  "separate keys, a comma does\n"
	  "gw:3:30: partner_lists.gc: list:4: behind a key there can be a number of bits up to 256; blanks do not "
	  "separate keys, a comma does\n"
	  "gw:3:30: partner_lists.gc: list:5: \"..\" is no address, domain, .domain, *.domain, *@domain or *\n"
	  "gw:3:30: partner_lists.gc: list:6: \"user@\" is no address, domain, .domain, *.domain, *@domain or *\n", false },
	{ "twice in a list", BARE GC CLEAR, "a.example\nA.example.\n",
	  "gw:3:30: partner_lists.gc: list:2: \"A.example.\" is the same as \"a.example\" of list:1\n", false },
	{ "in a list and in the file", BARE "partners: { a.example: { outbound: may } }\n" GC CLEAR, "a.example\n",
	  "gw:4:30: partner_lists.gc: list:1: \"a.example\" is the same as \"a.example\" of gw:3\n", false },
	{ "twice in the file", BARE "partners: { .a.example: { outbound: may }, \"*.A.example\": { outbound: none } }\n" CLEAR,
	  NULL, "gw:3:44: partners.*.A.example: \"*.A.example\" is the same as \".a.example\" of gw:3\n", false },
	{ "bits without TLS", BARE "partner_lists: { gc: { file: list, outbound: none } }\n" CLEAR, "a.example\nb.example 112\n",
	  "gw:3:30: partner_lists.gc: list:2: b.example has bits, and outbound of the list is none\n", false },
	{ "expired", BARE "partners: { a.example: { outbound: may, why: x, expires: \"2020-12-20\" } }\n" CLEAR, NULL,
	  "gw:3:58: warning: partners.a.example has expired (2020-12-20), so it is as if it were not there; take it out\n",
	  true },
	{ "a list that has expired", BARE "partner_lists: { gc: { file: list, outbound: encrypt, expires: "
	  "2020-12-20T12:00:00Z } }\n" CLEAR, "a.example\n",
	  "gw:3:64: warning: partner_lists.gc has expired (2020-12-20T12:00:00Z), so it is as if it were not there; take it "
	  "out\n", true },
	{ "a letter that no domain has", BARE "partners: { \"a\xe2\x82\xac.example\": { outbound: may } }\n" CLEAR, NULL,
	  "gw:3:13: partners.a\xe2\x82\xac.example: \"a\xe2\x82\xac.example\" is no address, domain, .domain, *.domain, "
	  "*@domain or *\n", false },
};

static void test_PP_11_what_is_wrong_with_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(reports); i++) {
		struct conf_report report;
		struct plan *p = plan_text_with(reports[i].text, reports[i].list, &report);

		want_text(reports[i].name, span_str(report.text != NULL ? report.text : ""), span_str(reports[i].report));
		want_number(reports[i].name, "made", p != NULL, reports[i].good);
		conf_report_free(&report);
		plan_release(p);
	}
}

/* Law 6: what is exempted ends by itself. */
static void test_expires(void **state)
{
	struct plan *p = good("expires", HEAD "partners: { a.example: { outbound: may, expires: \"2199-12-20\" } }\n" OUT, NULL);
	struct why why;
	int64_t end;

	(void)state;
	assert_true(conf_date_read(SPAN("2199-12-20"), &end, &why));
	assert_non_null(policy_table_find(p->rules, SPAN("u@a.example"), POLICY_OUTBOUND, end - 1));
	assert_null(policy_table_find(p->rules, SPAN("u@a.example"), POLICY_OUTBOUND, end + 1));
	plan_release(p);
}

/* --- needs --- */

static const struct {
	const char *name, *tls, *rule;
	enum policy_direction d;
	bool client_tls;
	enum need_level level;
	unsigned bits;
} needs[] = {
	{ "PP-4 a level raises",             "may", "outbound: encrypt", POLICY_OUTBOUND, false, NEED_ENCRYPT, 112 },
	{ "verify",                          "encrypt", "outbound: verify", POLICY_OUTBOUND, false, NEED_VERIFY, 112 },
	{ "and never lowers",                "verify", "outbound: may", POLICY_OUTBOUND, false, NEED_VERIFY, 112 },
	{ "none lowers nothing",             "encrypt", "outbound: none", POLICY_OUTBOUND, false, NEED_ENCRYPT, 112 },
	{ "an exemption does",               "verify", "outbound: may, why: x", POLICY_OUTBOUND, false, NEED_MAY, 0 },
	{ "an exemption of nothing",         "verify", "min_bits: 128, why: x", POLICY_OUTBOUND, false, NEED_VERIFY, 128 },
	{ "shadow mode",                     "may", "outbound: verify, min_bits: 256, report: yes", POLICY_OUTBOUND, false,
	  NEED_MAY, 112 },
	{ "an exemption in shadow mode",     "verify", "outbound: encrypt, min_bits: 256, why: x, report: yes",
	  POLICY_OUTBOUND, false, NEED_MAY, 0 },
	{ "GC-5 strength",                   "encrypt", "min_bits: 256", POLICY_OUTBOUND, false, NEED_ENCRYPT, 256 },
	{ "GC-5 less is not less",           "encrypt", "min_bits: 64", POLICY_OUTBOUND, false, NEED_ENCRYPT, 112 },
	{ "GC-2 strength alone tries TLS",   "none, min_bits: 0", "min_bits: 112", POLICY_OUTBOUND, false, NEED_MAY, 112 },
	{ "mirror, the client has it",       "may", "outbound: mirror", POLICY_OUTBOUND, true, NEED_ENCRYPT, 112 },
	{ "mirror, the client has none",     "may", "outbound: mirror", POLICY_OUTBOUND, false, NEED_MAY, 112 },
	{ "with `upstream`",                 "may", "upstream: none, outbound: encrypt", POLICY_OUTBOUND, false, NEED_ENCRYPT, 0 },
	{ "GC-9 not on the way in",          "may", "outbound: verify, min_bits: 256", POLICY_INBOUND, false, NEED_MAY, 112 },
	{ "upstream on the way in",          "may", "upstream: required", POLICY_INBOUND, false, NEED_ENCRYPT, 112 },
};

static void test_PP_4_GC_5_needs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(needs); i++) {
		char text[600];
		const struct policy_rule *rule;
		struct tls_need need;
		struct plan *p;

		snprintf(text, sizeof(text), HEAD "upstreams: { u: { hosts: a.example, %s tls: %s } }\n"
			 "partners: { \"*\": { %s } }\n"
			 "services: { mx: { listen: 192.0.2.1:2525, upstream: u } }\n",
			 strstr(needs[i].tls, "min_bits") ? "" : "min_bits: 112,", needs[i].tls, needs[i].rule);
		p = good(needs[i].name, text, NULL);
		rule = policy_table_find(p->rules, SPAN("a@b.example"), needs[i].d, 0);
		need = plan_need(p->services[0].upstream, rule, needs[i].d, needs[i].client_tls);
		want_number(needs[i].name, "level", need.level, needs[i].level);
		want_number(needs[i].name, "bits", need.min_bits, needs[i].bits);
		plan_release(p);
	}
}

/* What a rule in shadow mode would have, and what `on_failure: permanent` gives mail up for. */
static const struct {
	const char *name, *tls, *rule;
	enum policy_direction d;
	struct tls_need wanted, final;
} beside[] = {
	{ "neither",                     "may", "outbound: verify", POLICY_OUTBOUND, { NEED_VERIFY, 112 }, { NEED_NONE, 0 } },
	{ "NEW-28 shadow mode",          "may", "outbound: verify, min_bits: 256, report: yes", POLICY_OUTBOUND,
	  { NEED_VERIFY, 256 }, { NEED_NONE, 0 } },
	{ "NEW-28 it gives up nothing",  "may", "outbound: verify, report: yes, on_failure: permanent", POLICY_OUTBOUND,
	  { NEED_VERIFY, 112 }, { NEED_NONE, 0 } },
	{ "NEW-28 not on the way in",    "may", "outbound: verify, report: yes", POLICY_INBOUND, { NEED_MAY, 112 },
	  { NEED_NONE, 0 } },
	{ "GC-2 strength",               "may", "min_bits: 128, on_failure: permanent", POLICY_OUTBOUND, { NEED_MAY, 128 },
	  { NEED_MAY, 128 } },
	{ "GC-2 not the upstream's own", "verify", "outbound: encrypt, on_failure: permanent", POLICY_OUTBOUND,
	  { NEED_VERIFY, 112 }, { NEED_ENCRYPT, 0 } },
	{ "GC-2 nothing was asked for",  "encrypt", "client: required, on_failure: permanent", POLICY_OUTBOUND,
	  { NEED_ENCRYPT, 112 }, { NEED_NONE, 0 } },
	{ "GC-2 not on the way in",      "may", "upstream: required, on_failure: permanent", POLICY_INBOUND,
	  { NEED_ENCRYPT, 112 }, { NEED_NONE, 0 } },
	{ "GC-2 with `upstream`",        "may", "upstream: required, on_failure: permanent", POLICY_OUTBOUND,
	  { NEED_ENCRYPT, 112 }, { NEED_ENCRYPT, 112 } },
};

static void test_GC_2_NEW_28_what_else_of_a_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(beside); i++) {
		char text[600];
		const struct policy_rule *rule;
		struct tls_need need;
		struct plan *p;

		snprintf(text, sizeof(text), HEAD "upstreams: { u: { hosts: a.example, min_bits: 112, tls: %s } }\n"
			 "partners: { \"*\": { %s } }\n"
			 "services: { mx: { listen: 192.0.2.1:2525, upstream: u } }\n", beside[i].tls, beside[i].rule);
		p = good(beside[i].name, text, NULL);
		rule = policy_table_find(p->rules, SPAN("a@b.example"), beside[i].d, 0);
		need = plan_need_wanted(p->services[0].upstream, rule, beside[i].d, false);
		want_number(beside[i].name, "wanted", need.level, beside[i].wanted.level);
		want_number(beside[i].name, "bits wanted", need.min_bits, beside[i].wanted.min_bits);
		need = plan_need_final(p->services[0].upstream, rule, beside[i].d, false);
		want_number(beside[i].name, "final", need.level, beside[i].final.level);
		want_number(beside[i].name, "final bits", need.min_bits, beside[i].final.min_bits);
		plan_release(p);
	}
}

/* Before the recipient is known: mail is given up where that holds for all there could be. */
static const struct {
	const char *name, *tls, *partners;
	bool final;
} finals[] = {
	{ "everybody's",                      "may", "\"*\": { outbound: encrypt, on_failure: permanent }", true },
	{ "everybody's, who may try again",   "may", "\"*\": { outbound: encrypt }", false },
	{ "no rule for the others",           "encrypt", "b.example: { outbound: encrypt, on_failure: permanent }", false },
	{ "one may try again",                "may", "\"*\": { outbound: encrypt, on_failure: permanent }, "
	  "b.example: { outbound: encrypt }", false },
	{ "one asks for less",                "may", "\"*\": { outbound: encrypt, on_failure: permanent }, "
	  "b.example: { outbound: may, on_failure: permanent }", false },
	{ "one asks for more",                "may", "\"*\": { outbound: encrypt, on_failure: permanent }, "
	  "b.example: { outbound: verify, on_failure: permanent }", true },
	{ "one is in shadow mode",            "encrypt", "\"*\": { outbound: encrypt, on_failure: permanent }, "
	  "b.example: { outbound: encrypt, on_failure: permanent, report: yes }", false },
	{ "one of the way in",                "may", "\"*\": { outbound: encrypt, on_failure: permanent }, "
	  "b.example: { inbound: encrypt, direction: inbound }", true },
	{ "it was the upstream's own demand", "verify", "\"*\": { outbound: encrypt, on_failure: permanent }", false },
	{ "strength",                         "may", "\"*\": { min_bits: 128, on_failure: permanent }", true },
	{ "no more than may",                 "may", "\"*\": { outbound: may, on_failure: permanent }", false },
};

static void test_GC_11_final_for_everybody(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(finals); i++) {
		char text[600];
		struct tls_need least;
		struct plan *p;

		snprintf(text, sizeof(text), HEAD "upstreams: { u: { hosts: a.example, tls: %s } }\n"
			 "partners: { %s }\n"
			 "services: { mx: { direction: outbound, listen: 192.0.2.1:2525, upstream: u } }\n",
			 finals[i].tls, finals[i].partners);
		p = good(finals[i].name, text, NULL);
		least = plan_need_first(p->rules, p->services[0].upstream, POLICY_OUTBOUND, false, 0);
		want_number(finals[i].name, "final", plan_need_is_final(p->rules, p->services[0].upstream, POLICY_OUTBOUND,
									false, 0, &least), finals[i].final);
		plan_release(p);
	}
}

/* SPEC GC-9: a rule for everybody on the way out leaves the server behind us alone. */
static void test_GC_9_direction(void **state)
{
	struct plan *p = good("direction", HEAD
		"upstreams: { in: { hosts: 10.0.0.5, tls: none }, smart: { hosts: 10.0.0.6 } }\n"
		"partners: { \"*\": { upstream: required, outbound: encrypt, client: none, direction: outbound } }\n"
		"services: { mx: { listen: 127.0.0.1:25, upstream: in },\n"
		"            out: { direction: outbound, listen: 127.0.0.1:26, upstream: smart } }\n", NULL);
	const struct plan_service *mx = &p->services[0], *out = &p->services[1];
	struct tls_need need;

	(void)state;
	assert_int_equal(mx->direction, POLICY_INBOUND);
	assert_int_equal(out->direction, POLICY_OUTBOUND);
	assert_null(policy_table_find(p->rules, SPAN("u@in.example"), mx->direction, 0));
	need = plan_need_first(p->rules, mx->upstream, mx->direction, true, 0);
	assert_int_equal(need.level, NEED_NONE);
	need = plan_need_first(p->rules, out->upstream, out->direction, true, 0);
	assert_int_equal(need.level, NEED_ENCRYPT);
	/* `client: none` for everybody, too. */
	assert_true(mx->offer_tls);
	assert_false(out->offer_tls);
	plan_release(p);
}

/* What ends some day is not decided for good at the start. */
static void test_client_none_until(void **state)
{
	struct plan *p = good("until", HEAD "partners: { \"*\": { client: none, expires: \"2199-01-01\" } }\n"
		"services: { mx: { listen: 127.0.0.1:25, upstream: 10.0.0.5 } }\n", NULL);

	(void)state;
	assert_true(p->services[0].offer_tls);
	assert_non_null(p->services[0].tls);
	plan_release(p);
}

/* --- with the database --- */

static void encode(struct buf *b, const char *key, enum policy_level level)
{
	struct policy_rule r = { .key = (char *)key, .origin = (char *)"partners.db", .outbound = level };

	assert_true(policy_rule_encode(&r, b));
}

static void want_origin(const struct policy_table *t, const char *recipient, const char *origin)
{
	const struct policy_rule *r = policy_table_find(t, span_str(recipient), POLICY_OUTBOUND, 0);

	want_text(recipient, span_str(r != NULL ? r->origin : "none"), span_str(origin));
}

static void test_GC_10_rules_of_the_database(void **state)
{
	struct plan *p = good("with", HEAD "partners: { a.example: { outbound: verify } }\n" OUT, NULL);
	struct policy_table *t;
	struct why why;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	encode(&b, "b.example", POLICY_LEVEL_ENCRYPT);
	encode(&b, "A.example.", POLICY_LEVEL_NONE);
	encode(&b, "c.example", POLICY_LEVEL_ENCRYPT);
	t = plan_rules_with(p, buf_peek(&b), 42, &why);
	assert_int_equal(why.fault, FAULT_NONE);
	assert_int_equal(policy_table_generation(t), 42);
	assert_int_equal(policy_table_count(t), 3);
	want_origin(t, "u@a.example", "gw:3"); /* the file's stands */
	want_origin(t, "u@b.example", "partners.db");
	want_origin(t, "u@c.example", "partners.db");
	policy_table_release(t);
	/* Octets that are none end it, and those before count. */
	assert_true(buf_put(&b, SPAN("\xff")));
	t = plan_rules_with(p, buf_peek(&b), 43, &why);
	assert_int_not_equal(why.fault, FAULT_NONE);
	assert_int_equal(policy_table_count(t), 3);
	policy_table_release(t);
	t = plan_rules_with(p, SPAN(""), 44, &why);
	assert_int_equal(why.fault, FAULT_NONE);
	assert_int_equal(policy_table_count(t), 1);
	policy_table_release(t);
	buf_free(&b);
	plan_release(p);
}

/* --- next hops --- */

static void test_next_hops(void **state)
{
	struct plan *p = good("next hops", HEAD "actions: { open: { tls: passthrough } }\n"
		"upstreams: { mta: { hosts: 127.0.0.1:26 } }\n"
		"services:\n"
		"  a: { mode: outbound, listen: 127.0.0.1:1025, next_hop_tls: verify, min_bits: 128, fallback: mta }\n"
		"  mx: { listen: 127.0.0.1:1026, upstream: mta, action: Incoming }\n"
		"  b: { mode: outbound, listen: 127.0.0.1:1027, next_hop_tls: mirror, fallback: 127.0.0.1:27, "
		"client_certificate: gw, next_hop_pool: 3, next_hop_pool_idle: 1s, next_hop_timeout_connect: 2s, "
		"next_hop_timeout_greeting: 3s, next_hop_timeout_command: 4s, next_hop_timeout_data: 5s, "
		"next_hop_timeout_final: 6s }\n", NULL);
	const struct plan_service *a = &p->services[0], *b = &p->services[2];
	struct tls_client *with;
	struct why why;

	(void)state;
	assert_int_equal(p->next_hop_count, 2);
	assert_int_equal(a->next_hop->index, p->upstream_count + p->action_count);
	assert_int_equal(b->next_hop->index, p->upstream_count + p->action_count + 1);
	assert_null(p->services[1].next_hop);
	assert_int_equal(a->next_hop->need.level, NEED_VERIFY);
	assert_int_equal(a->next_hop->need.min_bits, 128);
	assert_int_equal(a->next_hop->host_count, 0);
	assert_int_equal(a->next_hop->conf->pool, 64);
	assert_int_equal(b->next_hop->conf->pool, 3);
	assert_int_equal(b->next_hop->conf->pool_idle, 1000);
	assert_int_equal(b->next_hop->conf->timeout_connect, 2000);
	assert_int_equal(b->next_hop->conf->timeout_greeting, 3000);
	assert_int_equal(b->next_hop->conf->timeout_command, 4000);
	assert_int_equal(b->next_hop->conf->timeout_data, 5000);
	assert_int_equal(b->next_hop->conf->timeout_final, 6000);
	assert_int_equal(a->next_hop->conf->timeout_final, 9 * 60 * 1000);
	assert_true(b->next_hop->mirror && !a->next_hop->mirror);
	assert_string_equal(a->fallback->conf->name, "mta");
	assert_string_equal(b->fallback->hosts[0].name, "127.0.0.1");
	assert_int_equal(a->direction, POLICY_OUTBOUND);
	assert_true(a->esmtp && a->offer_tls && a->tls != NULL);

	/* Law 7: who is shown another certificate has another context; the same one has the same. */
	assert_ptr_equal(plan_next_hop_client(a, NULL, &why), a->next_hop->tls);
	with = plan_next_hop_client(a, "gw", &why);
	assert_non_null(with);
	assert_ptr_not_equal(with, a->next_hop->tls);
	assert_ptr_equal(plan_next_hop_client(a, "gw", &why), with);
	assert_ptr_equal(plan_next_hop_client(b, "gw", &why), b->next_hop->tls);
	assert_null(plan_next_hop_client(a, "none", &why));
	assert_string_equal(why.text, "there is no certificate none in the configuration");
	plan_release(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_GC_3_GC_5_PP_12_lists),
		cmocka_unit_test(test_PP_11_what_is_wrong_with_rules),
		cmocka_unit_test(test_expires),
		cmocka_unit_test(test_PP_4_GC_5_needs),
		cmocka_unit_test(test_GC_2_NEW_28_what_else_of_a_rule),
		cmocka_unit_test(test_GC_11_final_for_everybody),
		cmocka_unit_test(test_GC_9_direction),
		cmocka_unit_test(test_client_none_until),
		cmocka_unit_test(test_GC_10_rules_of_the_database),
		cmocka_unit_test(test_next_hops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
