#include "plan_text.h"
#include "unit.h"

#define HEAD "hostname: gw.example.net\n"
#define MX "services: { mx: { listen: 192.0.2.1:2525, upstream: u, client_tls: none } }\n"

static const char many[] = HEAD "upstreams: { u: { hosts: a.example } }\n"
	"partners: { Example.NET: { client: optional }, deep.example.net.: { client: optional }, "
	"\"boss@example.net\": { client: optional }, \"[192.0.2.1]\": { client: optional }, "
	"\"*\": { upstream: preferred } }\n" MX;

static const struct {
	const char *name, *recipient;
	const char *want; /* as it is in the file */
} rows[] = {
	{ "the domain",                    "user@example.net", "Example.NET" },
	{ "in another case",               "user@EXAMPLE.net", "Example.NET" },
	{ "with a dot at the end",         "user@example.net.", "Example.NET" },
	{ "the domain alone",              "example.net", "Example.NET" },
	{ "below it",                      "user@mx.example.net", "Example.NET" },
	{ "far below it",                  "user@a.b.c.example.net", "Example.NET" },
	{ "the nearest above",             "user@a.deep.example.net", "deep.example.net." },
	{ "not at a dot",                  "user@notexample.net", "*" },
	{ "above it",                      "user@net", "*" },
	{ "an address before its domain",  "Boss@Example.net", "boss@example.net" },
	{ "the address at a lower domain", "boss@mx.example.net", "Example.NET" },
	{ "a quoted at sign",              "\"boss@example.net\"@other.example", "*" },
	{ "an address literal",            "user@[192.0.2.1]", "[192.0.2.1]" },
	{ "another literal",               "user@[192.0.2.2]", "*" },
	{ "a literal has nothing above",   "user@[1.example.net]", "*" },
	{ "no domain",                     "postmaster", "*" },
	{ "nothing",                       "", "*" },
	{ "a dot alone",                   ".", "*" },
	{ "the end is missing",            "user@", "*" },
};

static const struct policy_rule *find(const struct plan *p, struct span recipient)
{
	return policy_table_find(p->rules, recipient, POLICY_INBOUND, 0);
}

static void test_WG_9_the_partner_of_a_recipient(void **state)
{
	struct plan *p = plan_text_good("partners", many);
	char longest[2000];

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct policy_rule *found = find(p, span_str(rows[i].recipient));

		want_text(rows[i].name, span_str(found != NULL ? found->key : "none"),
			  span_str(rows[i].want));
	}
	memset(longest, 'a', sizeof(longest));
	assert_string_equal(find(p, span_of(longest, sizeof(longest)))->key, "*");
	/* Not "example.net", as whoever stops at a NUL would read. */
	assert_string_equal(find(p, SPAN("example.net\0.evil.example"))->key, "*");
	plan_release(p);
}

static void test_no_partner(void **state)
{
	struct plan *p = plan_text_good("none", HEAD "upstreams: { u: { hosts: a.example } }\n" MX);

	(void)state;
	assert_null(find(p, SPAN("user@example.net")));
	assert_null(find(p, SPAN("")));
	plan_release(p);
}

static const struct {
	const char *name, *tls, *partner; /* partner NULL: none */
	bool client_tls;
	enum need_level level;
	unsigned bits;
} needs[] = {
	{ "none says",                       "may", NULL, true, NEED_MAY, 112 },
	{ "says nothing of this side",       "encrypt", "client: optional", false, NEED_ENCRYPT, 112 },
	{ "required above may",              "may", "upstream: required", false, NEED_ENCRYPT, 112 },
	{ "required above none",             "none, min_bits: 0", "upstream: required", false, NEED_ENCRYPT, 0 },
	{ "required keeps verify",           "verify", "upstream: required", false, NEED_VERIFY, 112 },
	{ "required where it is mirrored",   "mirror", "upstream: required", false, NEED_ENCRYPT, 112 },
	{ "preferred",                       "encrypt", "upstream: preferred", false, NEED_MAY, 112 },
	{ "allowed, the client has it",      "may", "upstream: allowed", true, NEED_ENCRYPT, 112 },
	{ "allowed, the client has none",    "encrypt", "upstream: allowed", false, NEED_NONE, 0 },
	{ "none",                            "verify", "upstream: none", true, NEED_NONE, 0 },
	{ "mirror, the client has it",       "mirror", NULL, true, NEED_ENCRYPT, 112 },
	{ "mirror, the client has none",     "mirror", NULL, false, NEED_NONE, 112 },
};

static void test_WG_9_towards_the_upstream(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(needs); i++) {
		char text[600];
		struct plan *p;
		struct tls_need need;

		snprintf(text, sizeof(text), HEAD "upstreams: { u: { hosts: a.example, %s tls: %s } }\n"
			 "partners: { \"*\": { %s } }\n" MX, strstr(needs[i].tls, "min_bits") ? "" : "min_bits: 112,",
			 needs[i].tls, needs[i].partner != NULL ? needs[i].partner : "");
		p = plan_text_good(needs[i].name, text);
		need = plan_need(p->services[0].upstream, find(p, SPAN("a@b.example")), POLICY_INBOUND,
				 needs[i].client_tls);
		want_number(needs[i].name, "level", need.level, needs[i].level);
		want_number(needs[i].name, "bits", need.min_bits, needs[i].bits);
		/* What a partner may ask for can be done. */
		if (need.level != NEED_NONE)
			assert_non_null(p->services[0].upstream->tls);
		plan_release(p);
	}
}

/* Before the recipient is known: as little as any of them asks for, and TLS where one wants it. */
static const struct {
	const char *name, *tls, *partners;
	bool client_tls;
	enum need_level level;
	unsigned bits;
} firsts[] = {
	{ "nobody but the upstream",             "encrypt", "", false, NEED_ENCRYPT, 112 },
	{ "all must",                            "may", "\"*\": { upstream: required }", false, NEED_ENCRYPT, 112 },
	{ "all but one must",                    "may", "\"*\": { upstream: required }, b.example: { upstream: preferred }",
	  false, NEED_MAY, 112 },
	{ "one must, the others must not",       "may", "\"*\": { upstream: none }, b.example: { upstream: required }",
	  false, NEED_MAY, 0 },
	{ "one must, the upstream has a demand", "verify", "b.example: { upstream: required }", false, NEED_VERIFY, 112 },
	{ "nobody may",                          "may", "\"*\": { upstream: none }", true, NEED_NONE, 0 },
	{ "as the client, who has it",           "may", "\"*\": { upstream: allowed }", true, NEED_ENCRYPT, 112 },
	{ "as the client, who has none",         "may", "\"*\": { upstream: allowed }", false, NEED_NONE, 0 },
	{ "no TLS is known to the upstream",     "none", "b.example: { upstream: none }", false, NEED_NONE, 0 },
};

static void test_WG_9_before_the_recipient_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(firsts); i++) {
		char text[600];
		struct plan *p;
		struct tls_need need;

		snprintf(text, sizeof(text), HEAD "upstreams: { u: { hosts: a.example, %s tls: %s } }\n%s%s%s" MX,
			 strcmp(firsts[i].tls, "none") == 0 ? "" : "min_bits: 112,", firsts[i].tls,
			 firsts[i].partners[0] != '\0' ? "partners: { " : "", firsts[i].partners,
			 firsts[i].partners[0] != '\0' ? " }\n" : "");
		p = plan_text_good(firsts[i].name, text);
		need = plan_need_first(p->rules, p->services[0].upstream, POLICY_INBOUND, firsts[i].client_tls, 0);
		want_number(firsts[i].name, "level", need.level, firsts[i].level);
		want_number(firsts[i].name, "bits", need.min_bits, firsts[i].bits);
		plan_release(p);
	}
}

static void test_WG_9_none_for_all(void **state)
{
	struct plan *p = plan_text_good("none",
		HEAD "certificates: { gw: { chain: gw.pem, key: gw.key } }\n"
		"authorities: { corp: { certificate: a.pem, key: a.key } }\n"
		"actions: { open: { tls: terminate, authority: corp } }\n"
		"partners: { \"*\": { client: none } }\n"
		"services:\n"
		"  mx: { listen: 192.0.2.1:2525, upstream: 10.0.0.5 }\n"
		"  net: { mode: transparent, listen: \"*:2526\", action: open }\n");

	(void)state;
	assert_false(p->services[0].offer_tls);
	assert_null(p->services[0].tls);
	assert_false(p->actions[0].offer_tls);
	plan_release(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_WG_9_the_partner_of_a_recipient),
		cmocka_unit_test(test_no_partner),
		cmocka_unit_test(test_WG_9_towards_the_upstream),
		cmocka_unit_test(test_WG_9_before_the_recipient_is_known),
		cmocka_unit_test(test_WG_9_none_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
