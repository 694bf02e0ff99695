#include "plan_text.h"
#include "unit.h"

#define HEAD "hostname: gw.example.net\nactions: { a: { tls: passthrough }, b: { tls: passthrough }, c: { tls: " \
	"passthrough } }\n"
#define NET(rules) HEAD "services: { net: { mode: transparent, listen: \"*:2525\", listen_tls: \"*:2465\", " \
	"action: c, rules: [ " rules " ] } }\n"

static struct addr addr_of(const char *text)
{
	struct addr a = { 0 };

	if (!addr_read_host(span_str(text), 25, &a))
		fail_msg("%s is no address", text);
	return a;
}

/* "a/first": action and rule. */
static void check_choice(const char *row, const struct plan *p, const char *client, const char *destination,
			 const char *sni, const char *want)
{
	struct addr from = addr_of(client), to = addr_of(destination);
	const char *rule = "unset";
	const struct plan_action *a = plan_choose(&p->services[0], &from, &to, sni, &rule);
	char got[100];

	snprintf(got, sizeof(got), "%s/%s", a != NULL ? a->conf->name : "?", rule != NULL ? rule : "-");
	want_text(row, span_str(got), span_str(want));
}

static const struct {
	const char *name, *rules;
	const char *client, *destination, *sni;
	const char *want;
} rows[] = {
	{ "no rule", "", "10.0.0.1", "192.0.2.1", NULL, "c/-" },
	{ "one for all", "{ name: x, action: a }", "10.0.0.1", "192.0.2.1", NULL, "a/x" },
	{ "the first counts", "{ name: x, client: 10.0.0.0/8, action: a }, { name: y, action: b }",
	  "10.255.0.1", "192.0.2.1", NULL, "a/x" },
	{ "the next one", "{ name: x, client: 10.0.0.0/8, action: a }, { name: y, action: b }",
	  "11.0.0.1", "192.0.2.1", NULL, "b/y" },
	{ "any of a list", "{ name: x, client: [ 10.0.0.0/8, 11.0.0.0/8 ], action: a }",
	  "11.0.0.1", "192.0.2.1", NULL, "a/x" },
	{ "client and destination", "{ name: x, client: 10.0.0.0/8, destination: 192.0.2.0/24, action: a }",
	  "10.0.0.1", "192.0.2.255", NULL, "a/x" },
	{ "the destination alone is not enough", "{ name: x, client: 10.0.0.0/8, destination: 192.0.2.0/24, action: a }",
	  "11.0.0.1", "192.0.2.1", NULL, "c/-" },
	{ "the client alone is not enough", "{ name: x, client: 10.0.0.0/8, destination: 192.0.2.0/24, action: a }",
	  "10.0.0.1", "192.0.3.1", NULL, "c/-" },
	{ "an odd number of bits, within", "{ name: x, client: 10.128.0.0/9, action: a }",
	  "10.200.0.1", "192.0.2.1", NULL, "a/x" },
	{ "an odd number of bits, beside", "{ name: x, client: 10.128.0.0/9, action: a }",
	  "10.127.255.255", "192.0.2.1", NULL, "c/-" },
	{ "one address", "{ name: x, client: 10.0.0.1, action: a }", "10.0.0.2", "192.0.2.1", NULL, "c/-" },
	{ "IPv4 in IPv6 clothes", "{ name: x, client: 10.0.0.1, action: a }",
	  "::ffff:10.0.0.1", "192.0.2.1", NULL, "a/x" },
	{ "IPv6", "{ name: x, client: \"2001:db8::/33\", action: a }",
	  "2001:db8:7fff::1", "2001:db8::1", NULL, "a/x" },
	{ "IPv6, beside", "{ name: x, client: \"2001:db8::/33\", action: a }",
	  "2001:db8:8000::1", "2001:db8::1", NULL, "c/-" },
	{ "all of IPv4 is none of IPv6", "{ name: x, client: 0.0.0.0/0, action: a }",
	  "2001:db8::1", "2001:db8::1", NULL, "c/-" },
	{ "all of IPv6 is none of IPv4", "{ name: x, destination: \"::/0\", action: a }",
	  "10.0.0.1", "192.0.2.1", NULL, "c/-" },
	{ "a name that was asked for", "{ name: x, sni: mx.example.net, action: a }",
	  "10.0.0.1", "192.0.2.1", "MX.example.net.", "a/x" },
	{ "another name", "{ name: x, sni: mx.example.net, action: a }", "10.0.0.1", "192.0.2.1", "example.net", "c/-" },
	{ "no name", "{ name: x, sni: mx.example.net, action: a }", "10.0.0.1", "192.0.2.1", NULL, "c/-" },
	{ "a name without characters", "{ name: x, sni: \"*.net\", action: a }", "10.0.0.1", "192.0.2.1", "", "c/-" },
	{ "a wildcard", "{ name: x, sni: \"*.example.net\", action: a }",
	  "10.0.0.1", "192.0.2.1", "mx.Example.net", "a/x" },
	{ "a wildcard is one label", "{ name: x, sni: \"*.example.net\", action: a }",
	  "10.0.0.1", "192.0.2.1", "a.mx.example.net", "c/-" },
	{ "a wildcard is not none", "{ name: x, sni: \"*.example.net\", action: a }",
	  "10.0.0.1", "192.0.2.1", "example.net", "c/-" },
	{ "an empty label is none", "{ name: x, sni: \"*.example.net\", action: a }",
	  "10.0.0.1", "192.0.2.1", ".example.net", "c/-" },
};

static void test_MC_7_choice(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char text[800];
		struct plan *p;

		snprintf(text, sizeof(text), NET("%s"), rows[i].rules);
		p = plan_text_good(rows[i].name, text);
		check_choice(rows[i].name, p, rows[i].client, rows[i].destination, rows[i].sni, rows[i].want);
		plan_release(p);
	}
}

static const struct {
	const char *name, *rules;
	bool want;
} needs[] = {
	{ "no rule", "", false },
	{ "no rule by name", "{ name: x, client: 10.0.0.0/8, action: a }", false },
	{ "a rule by name", "{ name: x, sni: mx.example.net, action: a }", true },
	{ "behind one that holds", "{ name: x, client: 10.0.0.0/8, action: a }, { name: y, sni: a.b, action: a }", false },
	{ "behind one that does not", "{ name: x, client: 11.0.0.0/8, action: a }, { name: y, sni: a.b, action: a }", true },
	{ "of another client", "{ name: x, client: 11.0.0.0/8, sni: a.b, action: a }", false },
	{ "of another destination", "{ name: x, destination: 198.51.100.0/24, sni: a.b, action: a }", false },
	{ "of a destination that is not known yet", "{ name: x, destination: a.example, sni: a.b, action: a }", true },
	{ "behind one that may hold", "{ name: x, destination: a.example, action: a }, { name: y, sni: a.b, action: a }",
	  true },
};

static void test_plan_needs_sni(void **state)
{
	const struct addr from = addr_of("10.0.0.1"), to = addr_of("192.0.2.1");

	(void)state;
	for (size_t i = 0; i < ROWS(needs); i++) {
		char text[800];
		struct plan *p;

		snprintf(text, sizeof(text), NET("%s"), needs[i].rules);
		p = plan_text_good(needs[i].name, text);
		want_number(needs[i].name, "needs SNI", plan_needs_sni(&p->services[0], &from, &to), needs[i].want);
		plan_release(p);
	}
}

static void learn(struct plan *p, size_t name, const char *text)
{
	struct addr a = addr_of(text);

	assert_true(plan_name_learn(p, name, &a, 1));
}

#define NAMED NET("{ name: x, destination: [ Bank.example, other.example, 198.51.100.0/24 ], action: a }, " \
	"{ name: y, destination: bank.example, action: b }, { name: z, client: 10.9.0.0/16, action: b }")

/* Law 6: while nobody knows where a rule's destination is, no weaker rule takes its place. */
static void test_destinations_by_name(void **state)
{
	struct plan *p = plan_text_good("names", NAMED);
	struct addr many[PLAN_HOST_ADDRS + 1];

	(void)state;
	assert_int_equal(p->name_count, 2); /* each once, whatever its case */
	assert_string_equal(p->names[0].name, "Bank.example");
	check_choice("nothing is known", p, "10.0.0.1", "192.0.2.1", NULL, "?/x");
	check_choice("a network beside the name", p, "10.0.0.1", "198.51.100.1", NULL, "a/x");
	learn(p, 0, "192.0.2.1");
	check_choice("the address is known", p, "10.0.0.1", "192.0.2.1", NULL, "a/x");
	check_choice("another name of the rule is not", p, "10.0.0.1", "192.0.2.2", NULL, "?/x");
	learn(p, 1, "2001:db8::1");
	check_choice("all are known", p, "10.0.0.1", "192.0.2.2", NULL, "c/-");
	check_choice("a later rule", p, "10.9.0.1", "192.0.2.2", NULL, "b/z");
	check_choice("IPv6", p, "2001:db8::9", "2001:db8::1", NULL, "a/x");
	assert_true(plan_name_learn(p, 0, NULL, 0));
	check_choice("a name that is gone keeps its addresses", p, "10.0.0.1", "192.0.2.1", NULL, "a/x");
	learn(p, 0, "192.0.2.3");
	check_choice("one that has moved", p, "10.0.0.1", "192.0.2.1", NULL, "c/-");
	memset(many, 0, sizeof(many));
	assert_false(plan_name_learn(p, 2, many, 1));
	assert_false(plan_name_learn(p, 0, many, PLAN_HOST_ADDRS + 1));
	plan_release(p);
}

static void test_a_name_that_makes_no_difference(void **state)
{
	struct plan *p = plan_text_good("names",
		NET("{ name: x, destination: a.example, action: c }, { name: y, client: 10.9.0.0/16, action: a }"));

	(void)state;
	check_choice("the same action either way", p, "10.0.0.1", "192.0.2.1", NULL, "c/-");
	check_choice("another one", p, "10.9.0.1", "192.0.2.1", NULL, "?/x");
	plan_release(p);
}

static void test_what_a_transparent_service_has(void **state)
{
	struct plan *p = plan_text_good("service", NET("{ name: x, action: a }"));
	const struct plan_service *s = &p->services[0];

	(void)state;
	assert_null(s->tls);
	assert_null(s->upstream);
	assert_false(s->offer_tls);
	assert_string_equal(s->action->conf->name, "c");
	assert_int_equal(s->action->method, CONF_METHOD_PASSTHROUGH);
	assert_null(s->action->tls);
	assert_non_null(s->action->template);
	assert_true(p->listens[0].tproxy && p->listens[1].tproxy);
	assert_true(p->listens[1].implicit);
	plan_release(p);
	p = plan_text_good("redirect", HEAD "services: { net: { mode: transparent, intercept: redirect, listen: \"*:2525\", "
			   "action: a } }\n");
	assert_false(p->listens[0].tproxy);
	plan_release(p);
}

/* SPEC PP-8: whom a rule says to be at an address, which is not who the rule is for. */
static void test_PP_8_the_name_of_the_destination(void **state)
{
	static const struct {
		const char *name, *to, *rule, *want;
	} all[] = {
		{ "a name of the rule", "192.0.2.1", "x", "Bank.example" },
		{ "another name of it", "2001:db8::1", "x", "other.example" },
		{ "IPv4 in IPv6", "::ffff:192.0.2.1", "x", "Bank.example" },
		{ "a network of it", "198.51.100.1", "x", "" },
		{ "the rule has none", "192.0.2.1", "z", "" },
		{ "not that of another rule", "2001:db8::1", "y", "" },
		{ "no rule", "192.0.2.1", NULL, "" },
	};
	struct plan *p = plan_text_good("names", NAMED);
	const struct plan_service *s = &p->services[0];

	(void)state;
	learn(p, 0, "192.0.2.1");
	learn(p, 1, "2001:db8::1");
	for (size_t i = 0; i < ROWS(all); i++) {
		struct addr to = addr_of(all[i].to);
		const char *rule = NULL, *name;

		for (size_t j = 0; all[i].rule != NULL && j < s->rule_count; j++) {
			if (strcmp(s->rules[j].conf->name, all[i].rule) == 0)
				rule = s->rules[j].conf->name;
		}
		name = plan_destination_name(s, rule, &to);
		want_text(all[i].name, span_str(name != NULL ? name : ""), span_str(all[i].want));
	}
	plan_release(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_MC_7_choice),
		cmocka_unit_test(test_plan_needs_sni),
		cmocka_unit_test(test_destinations_by_name),
		cmocka_unit_test(test_a_name_that_makes_no_difference),
		cmocka_unit_test(test_what_a_transparent_service_has),
		cmocka_unit_test(test_PP_8_the_name_of_the_destination),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
