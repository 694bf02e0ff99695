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

#define LISTENS HEAD "services: { a: { mode: outbound, listen: [ \"*:25\", 192.0.2.1:26, \"[::]:27\", 0.0.0.0:28 ], listen_tls: " \
	"\"[2001:db8::1]:465\", clients: 10.0.0.0/8, client_tls: may }, b: { listen: 127.0.0.1:10025, upstream: 10.0.0.5 } }\n" \
	"certificates: { gw: { chain: gw.pem, key: gw.key } }\n"

static const struct {
	const char *name, *to;
	bool ours;
} listens[] = {
	{ "RFC 5321 5.1 an address of this machine", "192.0.2.9:25", true },
	{ "somebody else's",                         "192.0.2.8:25", false },
	{ "loopback is ours",                        "127.5.5.5:25", true },
	{ "by IPv6",                                 "[::1]:25", true },
	{ "an address of ours by IPv6",              "[2001:db8::9]:25", true },
	{ "in IPv6 clothes",                         "[::ffff:192.0.2.9]:25", true },
	{ "what leads here as well",                 "0.0.0.0:25", true },
	{ "another port",                            "192.0.2.9:2525", false },
	{ "the very address",                        "192.0.2.1:26", true },
	{ "another one of ours",                     "192.0.2.9:26", false },
	{ "IPv6 alone",                              "[2001:db8::9]:27", true },
	{ "not by IPv4",                             "192.0.2.9:27", false },
	{ "IPv4 alone",                              "192.0.2.9:28", true },
	{ "not by IPv6",                             "[2001:db8::9]:28", false },
	{ "with TLS",                                "[2001:db8::1]:465", true },
	{ "a relay, from which nothing comes back",  "127.0.0.1:10025", false },
};

static void test_RFC_5321_5_1_where_we_are(void **state)
{
	struct plan *p = plan_text_good("listens", LISTENS);
	struct home home = { .count = 2 };

	(void)state;
	assert_true(addr_read_host(SPAN("192.0.2.9"), 0, &home.at[0]));
	assert_true(addr_read_host(SPAN("2001:db8::9"), 0, &home.at[1]));
	for (size_t i = 0; i < ROWS(listens); i++) {
		struct addr to = { 0 };

		assert_true(addr_read(span_str(listens[i].to), &to));
		want_number(listens[i].name, "ours", plan_listens_at(p, &home, &to), listens[i].ours);
	}
	plan_release(p);
}

static void test_home(void **state)
{
	struct addr loop = { 0 }, other = { 0 };
	struct home home;

	(void)state;
	home_read(&home);
	assert_in_range(home.count, 1, HOME_MOST);
	assert_true(addr_read(SPAN("127.0.0.1:1"), &loop) && addr_read(SPAN("192.0.2.254:1"), &other));
	assert_true(home_has(&home, &loop));
	assert_true(home_has(&home, &home.at[home.count - 1]));
	assert_false(home_has(&home, &other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_SUB_11_who_may_connect),
		cmocka_unit_test(test_RFC_5321_5_1_where_we_are),
		cmocka_unit_test(test_home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
