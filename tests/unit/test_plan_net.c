/* Who may connect to a service at all. */
#include "plan_text.h"
#include "unit.h"

#define HEAD "hostname: gw.example.net\n"
#define RELAY(clients) HEAD "services: { s: { listen: \"*:2525\", upstream: 10.0.0.5, client_tls: none" clients " } }\n"
#define OUT(clients) HEAD "services: { s: { mode: outbound, listen: \"*:2525\", client_tls: none" clients " } }\n"
#define WAY HEAD "actions: { a: { tls: passthrough } }\n" \
	"services: { s: { mode: transparent, listen: \"*:2525\", action: a } }\n"
#define OURS ", clients: [ 10.1.0.0/16, 192.0.2.7, \"2001:db8::/33\" ]"

static const struct {
	const char *name, *text, *client;
	bool may;
} rows[] = {
	{ "a relay is for everybody",             RELAY(""), "192.0.2.1", true },
	{ "by IPv6 too",                          RELAY(""), "2001:db8::1", true },
	{ "SUB_11 in a network",                  RELAY(OURS), "10.1.255.255", true },
	{ "SUB_11 beside it",                     RELAY(OURS), "10.2.0.0", false },
	{ "SUB_11 an address",                    RELAY(OURS), "192.0.2.7", true },
	{ "SUB_11 the next one",                  RELAY(OURS), "192.0.2.8", false },
	{ "SUB_11 IPv6",                          RELAY(OURS), "2001:db8:7fff::1", true },
	{ "SUB_11 IPv6, beside",                  RELAY(OURS), "2001:db8:8000::1", false },
	{ "SUB_11 IPv4 in IPv6 clothes",          RELAY(OURS), "::ffff:10.1.2.3", true },
	{ "SUB_11 the other one in such clothes", RELAY(OURS), "::ffff:10.2.2.3", false },
	{ "SUB_11 the list in such clothes",      RELAY(", clients: \"::ffff:10.1.0.0/112\""), "10.1.2.3", true },
	{ "SUB_11 the list alone, beside",        RELAY(", clients: \"::ffff:10.1.0.0/112\""), "10.2.2.3", false },
	{ "SUB_11 not even this machine",         RELAY(OURS), "127.0.0.1", false },
	{ "SUB_11 all of IPv4 is not IPv6",       RELAY(", clients: 0.0.0.0/0"), "2001:db8::1", false },
	{ "SUB_11 all of IPv6 is not IPv4",       RELAY(", clients: \"::/0\""), "192.0.2.1", false },
	{ "SUB_5 this machine",                   OUT(""), "127.0.0.1", true },
	{ "SUB_5 all of its addresses",           OUT(""), "127.255.255.254", true },
	{ "SUB_5 in IPv6 clothes",                OUT(""), "::ffff:127.0.0.2", true },
	{ "SUB_5 by IPv6",                        OUT(""), "::1", true },
	{ "SUB_5 nobody else",                    OUT(""), "192.0.2.1", false },
	{ "SUB_5 no neighbour",                   OUT(""), "10.0.0.1", false },
	{ "SUB_5 next to loopback",               OUT(""), "128.0.0.0", false },
	{ "SUB_5 by IPv6, nobody else",           OUT(""), "::2", false },
	{ "SUB_5 no neighbour by IPv6",           OUT(""), "fe80::1", false },
	{ "SUB_5 without an address",             OUT(""), "::", false },
	{ "SUB_5 those who are named",            OUT(OURS), "10.1.2.3", true },
	{ "SUB_5 and they alone",                 OUT(OURS), "127.0.0.1", false },
	{ "whoever is brought",                   WAY, "192.0.2.1", true },
};

static void test_SUB_11_who_may_connect(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct plan *p = plan_text_good(rows[i].name, rows[i].text);
		struct addr client = { 0 };

		assert_true(addr_read_host(span_str(rows[i].client), 4711, &client));
		want_number(rows[i].name, "may", plan_service_admits(&p->services[0], &client), rows[i].may);
		plan_release(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_SUB_11_who_may_connect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
