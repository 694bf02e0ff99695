#include "conf/conf_addr.h"
#include "unit.h"

static const struct {
	const char *name, *text;
	bool good, v6;
	unsigned bits;
} nets[] = {
	{ "a network",                    "10.1.0.0/16", true, false, 16 },
	{ "one of IPv6",                  "2001:db8::/32", true, true, 32 },
	{ "an address",                   "192.0.2.7", true, false, 32 },
	{ "one of IPv6, alone",           "::1", true, true, 128 },
	{ "everything",                   "0.0.0.0/0", true, false, 0 },
	{ "everything of IPv6",           "::/0", true, true, 0 },
	{ "all bits",                     "192.0.2.7/32", true, false, 32 },
	{ "an odd number of bits",        "10.128.0.0/9", true, false, 9 },
	{ "IPv4 in IPv6 clothes",         "::ffff:10.0.0.0/104", true, false, 8 },
	{ "one of them alone",            "::ffff:192.0.2.7", true, false, 32 },
	{ "all of them",                  "::ffff:0.0.0.0/96", true, false, 0 },
	{ "they and others",              "::ffff:0:0/95", false, true, 0 },
	{ "they and all beside them",     "::/80", true, true, 80 },
	{ "bits behind those that count", "10.1.2.0/16", false, false, 0 },
	{ "one bit behind them",          "10.192.0.0/9", false, false, 0 },
	{ "bits behind, IPv6",            "2001:db8::1/32", false, true, 0 },
	{ "too many bits",                "10.0.0.0/33", false, false, 0 },
	{ "too many bits, IPv6",          "::/129", false, true, 0 },
	{ "no bits",                      "10.0.0.0/", false, false, 0 },
	{ "bits that are no number",      "10.0.0.0/a", false, false, 0 },
	{ "a mask",                       "10.0.0.0/255.0.0.0", false, false, 0 },
	{ "two slashes",                  "10.0.0.0/8/8", false, false, 0 },
	{ "brackets",                     "[::1]", false, false, 0 },
	{ "a port",                       "10.0.0.1:25", false, false, 0 },
	{ "a name",                       "mx.example.net", false, false, 0 },
	{ "nothing",                      "", false, false, 0 },
};

static void test_conf_addr_net(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(nets); i++) {
		struct conf_net net;
		struct why why;

		want_number(nets[i].name, "good", conf_addr_net(span_str(nets[i].text), &net, &why), nets[i].good);
		if (!nets[i].good)
			continue;
		want_number(nets[i].name, "IPv6", net.v6, nets[i].v6);
		want_number(nets[i].name, "bits", net.bits, nets[i].bits);
	}
}

static const struct {
	const char *name, *text;
	bool place, pattern, partner;
} texts[] = {
	{ "a name",                         "mx.example.net", true, true, true },
	{ "one label",                      "localhost", true, true, true },
	{ "a network",                      "192.0.2.0/24", true, false, false },
	{ "an address",                     "192.0.2.1", true, false, false },
	{ "an IPv6 address",                "2001:db8::1", true, false, false },
	{ "a wildcard",                     "*.example.net", false, true, true },
	{ "an asterisk",                    "*", false, false, true },
	{ "an asterisk and a dot",          "*.", false, false, false },
	{ "two wildcards",                  "*.*.example.net", false, false, false },
	{ "a part of a label",              "a*.example.net", false, false, false },
	{ "a dot at the end",               "example.net.", false, false, true },
	{ "two dots at the end",            "example.net..", false, false, false },
	{ "a mail address",                 "user@example.net", false, false, true },
	{ "one with a dot at the end",      "user@example.net.", false, false, true },
	{ "no user",                        "@example.net", false, false, false },
	{ "no domain",                      "user@", false, false, false },
	{ "two at signs",                   "a@b@example.net", false, false, false },
	{ "an address literal",             "[192.0.2.1]", false, false, true },
	{ "an IPv6 literal",                "[IPv6:2001:db8::1]", false, false, true },
	{ "a user at a literal",            "user@[192.0.2.1]", false, false, true },
	{ "a literal that is none",         "[192.0.2]", false, false, false },
	{ "a literal with a name in it",    "[example.net]", false, false, false },
	{ "a space",                        "example .net", false, false, false },
	{ "PP-12 a domain alone",           "*@example.net", false, false, true },
	{ "PP-12 below a domain",           ".example.net", false, false, true },
	{ "a dot alone",                    ".", false, false, false },
	{ "two dots in front",              "..example.net", false, false, false },
	{ "a letter beyond ASCII",          "m\xc3\xbcller.example", false, false, true },
	{ "a literal below",                "*.[192.0.2.1]", false, false, false },
	{ "nothing",                        "", false, false, false },
};

static void test_conf_addr_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(texts); i++) {
		struct span text = span_str(texts[i].text);
		struct why why;

		want_number(texts[i].name, "place", conf_addr_place(text, &why), texts[i].place);
		want_number(texts[i].name, "pattern", conf_addr_pattern(text, &why), texts[i].pattern);
		want_number(texts[i].name, "partner", conf_addr_partner(text, &why), texts[i].partner);
	}
}

static const struct {
	const char *name, *text;
	bool server, mailbox;
} others[] = {
	{ "an address with its port",  "192.0.2.1:53", true, false },
	{ "IPv6",                      "[2001:db8::1]:53", true, false },
	{ "no port",                   "192.0.2.1", false, false },
	{ "IPv6 without brackets",     "::1:53", false, false },
	{ "an asterisk",               "*:53", false, false },
	{ "a name",                    "ns.example:53", false, false },
	{ "port 0",                    "192.0.2.1:0", false, false },
	{ "a mail address",            "tls-report@example.net", false, true },
	{ "no user",                   "@example.net", false, false },
	{ "no domain",                 "user@", false, false },
	{ "a blank",                   "a b@example.net", false, false },
	{ "brackets",                  "<a@example.net>", false, false },
	{ "two at signs",              "a@b@example.net", false, false },
	{ "nothing",                   "", false, false },
};

static void test_conf_addr_servers_and_mailboxes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(others); i++) {
		struct why why;

		want_number(others[i].name, "server", conf_addr_server(span_str(others[i].text), &why), others[i].server);
		want_number(others[i].name, "mailbox", conf_addr_mailbox(span_str(others[i].text), &why), others[i].mailbox);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conf_addr_net),
		cmocka_unit_test(test_conf_addr_forms),
		cmocka_unit_test(test_conf_addr_servers_and_mailboxes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
