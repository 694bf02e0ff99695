#include "io/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* "": must be refused. */
static const struct {
	const char *name, *text, *printed, *host;
	unsigned port;
} reads[] = {
	{ "IPv4",                      "192.0.2.7:25", "192.0.2.7:25", "192.0.2.7", 25 },
	{ "port 0",                    "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1", 0 },
	{ "the highest port",          "127.0.0.1:65535", "127.0.0.1:65535", "127.0.0.1", 65535 },
	{ "IPv6",                      "[2001:DB8:0::1]:25", "[2001:db8::1]:25", "2001:db8::1", 25 },
	{ "the longest IPv6",          "[2001:db8:1111:2222:3333:4444:5555:6666]:65535",
	  "[2001:db8:1111:2222:3333:4444:5555:6666]:65535", "2001:db8:1111:2222:3333:4444:5555:6666", 65535 },
	{ "any IPv6 address",          "[::]:25", "[::]:25", "::", 25 },
	{ "any address",               "*:2525", "*:2525", "*", 2525 },
	{ "mapped prints as IPv4",     "[::ffff:192.0.2.7]:25", "192.0.2.7:25", "192.0.2.7", 25 },
	{ "nothing",                   "", "", "", 0 },
	{ "no port",                   "192.0.2.7", "", "", 0 },
	{ "an empty port",             "192.0.2.7:", "", "", 0 },
	{ "a port alone",              ":25", "", "", 0 },
	{ "a port too high",           "192.0.2.7:65536", "", "", 0 },
	{ "a port that overflows",     "192.0.2.7:99999999999999999999", "", "", 0 },
	{ "a port with a sign",        "192.0.2.7:+25", "", "", 0 },
	{ "a space",                   "192.0.2.7: 25", "", "", 0 },
	{ "a name is no address",      "mx.example:25", "", "", 0 },
	{ "three numbers",             "192.0.2:25", "", "", 0 },
	{ "IPv6 without brackets",     "::1:25", "", "", 0 },
	{ "IPv4 in brackets",          "[192.0.2.7]:25", "", "", 0 },
	{ "a star in brackets",        "[*]:25", "", "", 0 },
	{ "an open bracket",           "[::1:25", "", "", 0 },
	{ "no colon after brackets",   "[::1]25", "", "", 0 },
	{ "brackets alone",            "[::1]", "", "", 0 },
	{ "a scope",                   "[fe80::1%eth0]:25", "", "", 0 },
	{ "very long",                 "11111111111111111111111111111111111111111111111111111:25", "", "", 0 },
};

static void test_addr_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		char text[ADDR_TEXT_MOST];
		struct addr a, again;
		bool good = addr_read(span_str(reads[i].text), &a);

		if (good != (reads[i].printed[0] != '\0'))
			fail_msg("%s: %s", reads[i].name, good ? "taken" : "refused");
		if (!good)
			continue;
		addr_print(&a, text);
		if (strcmp(text, reads[i].printed) != 0)
			fail_msg("%s: printed %s", reads[i].name, text);
		if (!addr_read(span_str(text), &again))
			fail_msg("%s: its own print is not read", reads[i].name);
		addr_unmap(&a);
		if (!addr_eq(&a, &again) || addr_port(&a) != reads[i].port)
			fail_msg("%s: not the same again", reads[i].name);
		addr_print_host(&a, text);
		if (strcmp(text, reads[i].host) != 0)
			fail_msg("%s: host printed %s", reads[i].name, text);
	}
}

static void test_addr_nul_inside(void **state)
{
	struct addr a;

	(void)state;
	assert_false(addr_read(span_of("127.0.0.1\0x:25", 14), &a));
	assert_false(addr_read_host(span_of("127.0.0.1\0", 10), 25, &a));
	assert_false(addr_read_host(SPAN("*"), 25, &a));
	assert_true(addr_read_host(SPAN("::1"), 25, &a));
}

static void test_addr_none(void **state)
{
	struct addr none = { .len = 0 }, some;
	char text[ADDR_TEXT_MOST];

	(void)state;
	assert_true(addr_read(SPAN("127.0.0.1:25"), &some));
	assert_false(addr_eq(&none, &some));
	assert_true(addr_eq(&none, &none));
	assert_int_equal(addr_port(&none), 0);
	addr_print(&none, text);
	assert_string_equal(text, "none");
}

static const struct {
	const char *name, *a, *b;
	bool same;
} keys[] = {
	{ "the port does not count",          "192.0.2.7:1", "192.0.2.7:2", true },
	{ "another IPv4 address",             "192.0.2.7:1", "192.0.2.8:1", false },
	{ "mapped IPv4 is IPv4",              "192.0.2.7:1", "[::ffff:192.0.2.7]:1", true },
	{ "two addresses of a /64",           "[2001:db8::1]:1", "[2001:db8::ffff:0:0:2]:1", true },
	{ "the next /64",                     "[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false },
	{ "IPv6 made to look like IPv4",      "192.0.2.7:1", "[::c000:207:0:0:0:1]:1", false },
};

static void test_addr_client_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct addr a, b;

		assert_true(addr_read(span_str(keys[i].a), &a));
		assert_true(addr_read(span_str(keys[i].b), &b));
		if ((addr_client_key(&a, 42) == addr_client_key(&b, 42)) != keys[i].same)
			fail_msg("%s", keys[i].name);
		if (addr_client_key(&a, 42) == addr_client_key(&a, 43))
			fail_msg("%s: the seed does not count", keys[i].name);
	}
}

static const struct {
	const char *name, *a, *b;
	bool same;
} ends[] = {
	{ "the same",                         "192.0.2.7:1", "192.0.2.7:1", true },
	{ "another port",                     "192.0.2.7:1", "192.0.2.7:2", false },
	{ "another IPv4 address",             "192.0.2.7:1", "192.0.2.8:1", false },
	{ "port and address change places",   "0.0.0.1:2", "0.0.0.2:1", false },
	{ "mapped IPv4 is IPv4",              "192.0.2.7:1", "[::ffff:192.0.2.7]:1", true },
	{ "mapped, another port",             "192.0.2.7:1", "[::ffff:192.0.2.7]:2", false },
	{ "the same IPv6",                    "[2001:db8::1]:1", "[2001:DB8:0::1]:1", true },
	{ "two addresses of a /64",           "[2001:db8::1]:1", "[2001:db8::2]:1", false },
	{ "the next /64",                     "[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false },
	{ "halves change places",             "[1:2:3:4:5:6:7:8]:1", "[5:6:7:8:1:2:3:4]:1", false },
};

static void test_MC_8_endpoint_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct addr a, b;

		assert_true(addr_read(span_str(ends[i].a), &a));
		assert_true(addr_read(span_str(ends[i].b), &b));
		if ((addr_endpoint_key(&a, 42) == addr_endpoint_key(&b, 42)) != ends[i].same)
			fail_msg("%s", ends[i].name);
		if (addr_endpoint_key(&a, 42) == addr_endpoint_key(&a, 43))
			fail_msg("%s: the seed does not count", ends[i].name);
		if (addr_endpoint_key(&a, 42) == 0)
			fail_msg("%s: 0 is for no key", ends[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr_read),
		cmocka_unit_test(test_addr_nul_inside),
		cmocka_unit_test(test_addr_none),
		cmocka_unit_test(test_addr_client_key),
		cmocka_unit_test(test_MC_8_endpoint_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
