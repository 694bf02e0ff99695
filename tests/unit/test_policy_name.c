#include "unit.h"

#include "policy/policy_name.h"

#define L63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

static void test_fold(void **state)
{
	static const struct {
		const char *name;
		struct span in;
		const char *want; /* "": refused */
	} rows[] = {
		{ "plain", SPAN("example.net"), "example.net" },
		{ "capitals", SPAN("MX1.Example.NET"), "mx1.example.net" },
		{ "a dot at the end", SPAN("example.net."), "example.net" },
		{ "two dots at the end", SPAN("example.net.."), "" },
		{ "an underscore", SPAN("_x.example_y.net"), "_x.example_y.net" },
		{ "one label", SPAN("localhost"), "localhost" },
		{ "A-label in capitals", SPAN("XN--BCHER-KVA.example"), "xn--bcher-kva.example" },
		{ "U-label", SPAN("b\xc3\xbc" "cher.example"), "xn--bcher-kva.example" },
		{ "U-label in capitals", SPAN("B\xc3\x9c" "CHER.Example."), "xn--bcher-kva.example" },
		{ "not transitional: sharp s", SPAN("stra\xc3\x9f" "e.example"), "xn--strae-oqa.example" },
		{ "decomposed", SPAN("bu\xcc\x88" "cher.example"), "xn--bcher-kva.example" },
		{ "ideographic full stop", SPAN("b\xc3\xbc" "cher\xe3\x80\x82" "example"), "xn--bcher-kva.example" },
		{ "full width letters", SPAN("\xef\xbd\x85xample.net"), "example.net" },
		{ "a character that becomes a slash", SPAN("\xe2\x84\x80.example"), "" },
		{ "nothing", SPAN(""), "" },
		{ "a dot", SPAN("."), "" },
		{ "an empty label", SPAN("a..b"), "" },
		{ "a dot in front", SPAN(".example.net"), "" },
		{ "a blank", SPAN("a b.example"), "" },
		{ "NUL", SPAN("a\0b.example"), "" },
		{ "NUL among U-labels", SPAN("\xc3\xbc\0.example"), "" },
		{ "line end", SPAN("example.net\r\n"), "" },
		{ "an at sign", SPAN("a@example.net"), "" },
		{ "a star", SPAN("*.example.net"), "" },
		{ "bad UTF-8", SPAN("b\xfc" "cher.example"), "" },
		{ "overlong UTF-8", SPAN("\xc0\xaf.example"), "" },
		{ "label of 63", SPAN(L63 ".net"), L63 ".net" },
		{ "label of 64", SPAN(L63 "l.net"), "" },
		{ "255 octets", SPAN(L63 "." L63 "." L63 "." L63), "" },
		{ "253 octets and a dot", SPAN(L63 "." L63 "." L63 ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi."),
		  L63 "." L63 "." L63 ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi" },
		{ "address literal", SPAN("[192.0.2.1]"), "[192.0.2.1]" },
		{ "IPv6 literal", SPAN("[IPv6:2001:DB8::1]"), "[ipv6:2001:db8::1]" },
		{ "no address in it", SPAN("[example.net]"), "" },
		{ "a literal that goes on", SPAN("[192.0.2.1].example"), "" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char out[POLICY_NAME_MOST] = "x", again[POLICY_NAME_MOST];
		bool ok = policy_name_fold(rows[i].in, out);

		want_text(rows[i].name, span_str(out), span_str(rows[i].want));
		want_number(rows[i].name, "folded", ok, rows[i].want[0] != '\0');
		if (ok && !policy_name_fold(span_str(out), again))
			fail_msg("%s: folded, and refused when folded again", rows[i].name);
	}
}

static void test_ok(void **state)
{
	static const struct {
		const char *name;
		struct span in;
		bool want;
	} rows[] = {
		{ "folded", SPAN("mx-1.example_y.net"), true },
		{ "capitals are not folded", SPAN("Mx.example.net"), false },
		{ "a dot at the end", SPAN("example.net."), false },
		{ "a backslash", SPAN("a\\.b.example"), false },
		{ "8-bit", SPAN("b\xc3\xbc" "cher.example"), false },
		{ "a literal", SPAN("[192.0.2.1]"), false },
		{ "CR LF, as CVE-2026-28753", SPAN("mx.example\r\nRCPT"), false },
		{ "NUL", SPAN("mx\0.example"), false },
		{ "nothing", SPAN(""), false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		want_number(rows[i].name, "ok", policy_name_ok(rows[i].in), rows[i].want);
}

static void test_domain(void **state)
{
	(void)state;
	want_text("plain", policy_name_domain(SPAN("a@example.net")), SPAN("example.net"));
	want_text("quoted at sign", policy_name_domain(SPAN("\"a@b\"@example.net")), SPAN("example.net"));
	want_text("no at sign", policy_name_domain(SPAN("example.net")), SPAN("example.net"));
	want_text("null reverse-path", policy_name_domain(SPAN("")), SPAN(""));
	want_text("nothing behind it", policy_name_domain(SPAN("a@")), SPAN(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fold),
		cmocka_unit_test(test_ok),
		cmocka_unit_test(test_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
