#include "ctl/ctl_nft.h"
#include "unit.h"

#define HEAD "hostname: gw.example.net\nactions: { a: { tls: passthrough }, s: { tls: strip } }\n"
#define NET(settings) HEAD "services: { net: { mode: transparent, " settings " } }\n"

/* What is printed, without the comments. */
static char *print(const char *row, const char *text, const struct ctl_nft *o)
{
	struct conf_source *source = conf_source_memory();
	struct conf_report report;
	struct conf *c;
	struct buf out;
	struct span all;
	char *rules;

	conf_source_put(source, "gw", span_str(text));
	conf_report_init(&report, "gw");
	c = conf_load(source, "gw", &report);
	if (c == NULL)
		fail_msg("%s: %s", row, report.text);
	buf_init(&out, CTL_NFT_MOST);
	ctl_nft_print(c, &c->services[0], o, &out);
	all = buf_peek(&out);
	rules = mem_new(all.len + 1);
	while (all.len > 0) {
		struct span line = span_cut(&all, '\n');
		struct span bare = span_trim(line);

		if (bare.len == 0 || (bare.at[0] == '#' && o->form == CTL_NFT_RULES))
			continue;
		strncat(rules, line.at, line.len);
		strcat(rules, "\n");
	}
	buf_free(&out);
	conf_free(c);
	conf_report_free(&report);
	conf_source_free(source);
	return rules;
}

static const struct {
	const char *name, *text;
	struct ctl_nft options;
	const char *want;
} rows[] = {
	{ "TPROXY on a router", NET("listen: \"*:2525\", listen_tls: \"*:2465\", action: a"),
	  { .path = "gw", .table = "t", .interface = "lan" },
	  "table inet t\ndelete table inet t\ntable inet t {\n"
	  "\tchain bring {\n"
	  "\t\ttype filter hook prerouting priority mangle; policy accept;\n"
	  "\t\tmeta mark 0x5a11 accept\n"
	  "\t\tfib daddr type local accept\n"
	  "\t\tiifname \"lan\" meta nfproto ipv4 tcp dport { 25, 587 } tproxy ip to :2525 meta mark set 0x5a12 accept\n"
	  "\t\tiifname \"lan\" meta nfproto ipv6 tcp dport { 25, 587 } tproxy ip6 to :2525 meta mark set 0x5a12 accept\n"
	  "\t\tiifname \"lan\" meta nfproto ipv4 tcp dport 465 tproxy ip to :2465 meta mark set 0x5a12 accept\n"
	  "\t\tiifname \"lan\" meta nfproto ipv6 tcp dport 465 tproxy ip6 to :2465 meta mark set 0x5a12 accept\n"
	  "\t\tiifname \"lan\" meta nfproto ipv4 tcp dport { 25, 587 } reject with tcp reset\n"
	  "\t\tiifname \"lan\" meta nfproto ipv6 tcp dport { 25, 587 } reject with tcp reset\n"
	  "\t\tiifname \"lan\" meta nfproto ipv4 tcp dport 465 reject with tcp reset\n"
	  "\t\tiifname \"lan\" meta nfproto ipv6 tcp dport 465 reject with tcp reset\n"
	  "\t}\n}\n" },
	{ "addresses of their own, IPv4 alone", "mark: 0x10\n" NET("listen: 192.0.2.1:2525, action: a"),
	  { .path = "gw", .table = "t" },
	  "table inet t\ndelete table inet t\ntable inet t {\n"
	  "\tchain bring {\n"
	  "\t\ttype filter hook prerouting priority mangle; policy accept;\n"
	  "\t\tmeta mark 0x10 accept\n"
	  "\t\tfib daddr type local accept\n"
	  "\t\tmeta nfproto ipv4 tcp dport { 25, 587 } tproxy ip to 192.0.2.1:2525 meta mark set 0x11 accept\n"
	  "\t\tmeta nfproto ipv4 tcp dport { 25, 587 } reject with tcp reset\n"
	  "\t}\n}\n" },
	{ "the machine itself", NET("listen: \"[2001:db8::1]:2525\", action: a"),
	  { .path = "gw", .table = "t", .local = true, .interface = "lan" },
	  "table inet t\ndelete table inet t\ntable inet t {\n"
	  "\tchain bring {\n"
	  "\t\ttype filter hook prerouting priority mangle; policy accept;\n"
	  "\t\tiifname \"lo\" meta mark 0x5a12 meta nfproto ipv6 tcp dport { 25, 587 } tproxy ip6 to [2001:db8::1]:2525 meta mark set 0x5a12 accept\n"
	  "\t\tiifname \"lo\" meta mark 0x5a12 meta nfproto ipv6 tcp dport { 25, 587 } reject with tcp reset\n"
	  "\t}\n"
	  "\tchain leave {\n"
	  "\t\ttype route hook output priority mangle; policy accept;\n"
	  "\t\tmeta mark 0x5a11 accept\n"
	  "\t\tfib daddr type local accept\n"
	  "\t\tmeta nfproto ipv6 tcp dport { 25, 587 } meta mark set 0x5a12\n"
	  "\t}\n}\n" },
	{ "REDIRECT, as the client", NET("listen: [ 192.0.2.1:2525, \"[::]:2525\" ], listen_tls: \"*:2465\", action: a, "
	  "intercept: redirect, source: client"), { .path = "gw", .table = "t" },
	  "table inet t\ndelete table inet t\ntable inet t {\n"
	  "\tchain bring {\n"
	  "\t\ttype filter hook prerouting priority mangle; policy accept;\n"
	  "\t\ttcp sport { 25, 465, 587 } socket transparent 1 socket wildcard 0 meta mark set 0x5a12 accept\n"
	  "\t}\n"
	  "\tchain turn {\n"
	  "\t\ttype nat hook prerouting priority -100; policy accept;\n"
	  "\t\tmeta mark 0x5a11 accept\n"
	  "\t\tfib daddr type local accept\n"
	  "\t\tmeta nfproto ipv4 tcp dport { 25, 587 } dnat ip to 192.0.2.1:2525\n"
	  "\t\tmeta nfproto ipv6 tcp dport { 25, 587 } redirect to :2525\n"
	  "\t\tmeta nfproto ipv4 tcp dport 465 redirect to :2465\n"
	  "\t\tmeta nfproto ipv6 tcp dport 465 redirect to :2465\n"
	  "\t}\n}\n" },
	{ "REDIRECT of the machine itself, stripped (MC-3: no submission)", NET("listen: 0.0.0.0:2525, action: s, "
	  "intercept: redirect"), { .path = "gw", .table = "t", .local = true },
	  "table inet t\ndelete table inet t\ntable inet t {\n"
	  "\tchain leave {\n"
	  "\t\ttype nat hook output priority -100; policy accept;\n"
	  "\t\tmeta mark 0x5a11 accept\n"
	  "\t\tfib daddr type local accept\n"
	  "\t\tmeta nfproto ipv4 tcp dport 25 redirect to :2525\n"
	  "\t}\n}\n" },
	{ "taken back", NET("listen: 0.0.0.0:2525, action: a"),
	  { .path = "gw", .table = "t", .form = CTL_NFT_REMOVE },
	  "#!/bin/sh\n"
	  "nft delete table inet t\n"
	  "ip -4 rule del fwmark 0x5a12 lookup 23058 2>/dev/null || true\n"
	  "ip -4 route flush table 23058 2>/dev/null || true\n" },
	{ "a small mark keeps off the kernel's tables, REDIRECT needs none", "mark: 253\n" NET("listen: \"*:2525\", action: a, "
	  "intercept: redirect"), { .path = "gw", .table = "t", .form = CTL_NFT_REMOVE },
	  "#!/bin/sh\nnft delete table inet t\n" },
	{ "a small mark", "mark: 253\n" NET("listen: \"[::]:2525\", action: a"),
	  { .path = "gw", .table = "t", .form = CTL_NFT_REMOVE },
	  "#!/bin/sh\n"
	  "nft delete table inet t\n"
	  "ip -6 rule del fwmark 0xfe lookup 23254 2>/dev/null || true\n"
	  "ip -6 route flush table 23254 2>/dev/null || true\n" },
};

static void test_MC_8_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char *got = print(rows[i].name, rows[i].text, &rows[i].options);

		want_text(rows[i].name, span_str(got), span_str(rows[i].want));
		free(got);
	}
}

/* Here-documents end where they should, and the routes come behind. */
static void test_a_script(void **state)
{
	const struct ctl_nft o = { .path = "gw", .table = "t", .form = CTL_NFT_SHELL };
	char *got = print("script", NET("listen: 0.0.0.0:2525, action: a"), &o);
	const char *end = strstr(got, "\n}\nEND\n");

	(void)state;
	assert_memory_equal(got, "#!/bin/sh\nset -e\nnft -f - <<'END'\n", 33);
	assert_non_null(end);
	assert_string_equal(end, "\n}\nEND\n"
			    "ip -4 rule del fwmark 0x5a12 lookup 23058 2>/dev/null || true\n"
			    "ip -4 rule add fwmark 0x5a12 lookup 23058\n"
			    "ip -4 route replace local default dev lo table 23058\n");
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_MC_8_rules),
		cmocka_unit_test(test_a_script),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
