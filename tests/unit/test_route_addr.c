#include "unit.h"

#include "route/route_addr.h"

#include <arpa/inet.h>

static const struct {
	const char *address;
	bool is_private;
} rows[] = {
	{ "0.0.0.0", true }, { "0.1.2.3", true }, { "1.1.1.1", false },
	{ "9.255.255.255", false }, { "10.0.0.1", true }, { "11.0.0.0", false },
	{ "100.63.255.255", false }, { "100.64.0.1", true }, { "100.127.255.255", true }, { "100.128.0.0", false },
	{ "127.0.0.1", true }, { "127.255.255.254", true }, { "128.0.0.1", false },
	{ "169.254.169.254", true }, { "169.255.0.1", false },
	{ "172.15.255.255", false }, { "172.16.0.1", true }, { "172.31.255.255", true }, { "172.32.0.0", false },
	{ "192.0.0.8", true }, { "192.0.2.1", false }, { "192.168.1.1", true }, { "192.169.0.1", false },
	{ "198.17.255.255", false }, { "198.18.0.1", true }, { "198.19.255.255", true }, { "198.20.0.0", false },
	{ "223.255.255.255", false }, { "224.0.0.1", true }, { "240.0.0.1", true }, { "255.255.255.255", true },
	{ "::", true }, { "::1", true }, { "::192.0.2.1", true }, { "::ffff:192.0.2.1", true }, { "::ffff:127.0.0.1", true },
	{ "64:ff9b::c000:201", false }, { "64:ff9b::a00:1", true }, { "64:ff9b:1::1", true },
	{ "100::1", true }, { "2002:c000:201::1", false }, { "2002:7f00:1::1", true }, { "2002:a00:1::1", true },
	{ "2001:db8::1", false }, { "2606:4700::1", false },
	{ "fbff::1", false }, { "fc00::1", true }, { "fdff::1", true }, { "fe7f::1", false }, { "fe80::1", true },
	{ "febf::1", true }, { "fec0::1", true }, { "ff02::1", true },
};

static void test_private(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct evidence_addr a = { .v6 = strchr(rows[i].address, ':') != NULL };
		char text[ROUTE_ADDR_TEXT_MOST];

		assert_int_equal(inet_pton(a.v6 ? AF_INET6 : AF_INET, rows[i].address, a.octets), 1);
		want_number(rows[i].address, "private", route_addr_private(&a), rows[i].is_private);
		route_addr_print(&a, text);
		want_text("as text", span_str(text), span_str(rows[i].address));
	}
}

static void test_read(void **state)
{
	struct evidence_addr a;

	(void)state;
	assert_true(route_addr_read(SPAN("\300\0\2\1"), false, &a));
	assert_false(a.v6);
	assert_false(route_addr_read(SPAN("\300\0\2"), false, &a));
	assert_false(route_addr_read(SPAN("\300\0\2\1\1"), false, &a));
	assert_false(route_addr_read(SPAN("\300\0\2\1"), true, &a));
	assert_true(route_addr_read(SPAN("0123456789abcdef"), true, &a));
	assert_true(a.v6);
	assert_false(route_addr_read(SPAN(""), true, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_private),
		cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
