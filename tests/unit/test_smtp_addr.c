#include "smtp/smtp_addr.h"
#include "unit.h"

static const struct {
	const char *name;
	struct span path;
	bool null_ok;
	enum smtp_path_fault fault;
	struct span local, domain, rest;
	bool utf8;
} rows[] = {
	{ "a mailbox",            SPAN("<a@b.example>"), false, SMTP_PATH_OK, SPAN("a"), SPAN("b.example"), SPAN(""), false },
	{ "something behind",     SPAN("<a@b> SIZE=1"), true, SMTP_PATH_OK, SPAN("a"), SPAN("b"), SPAN(" SIZE=1"), false },
	{ "null",                 SPAN("<>"), true, SMTP_PATH_OK, SPAN(""), SPAN(""), SPAN(""), false },
	{ "null as recipient",    SPAN("<>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "Postmaster",           SPAN("<pOstmaster>"), false, SMTP_PATH_OK, SPAN("pOstmaster"), SPAN(""), SPAN(""), false },
	{ "Postmaster sends",     SPAN("<Postmaster>"), true, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "no domain",            SPAN("<root>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "an empty domain",      SPAN("<root@>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "no local-part",        SPAN("<@b>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "all atom characters",  SPAN("<!#$%&'*+-/=?^_`{|}~@b>"), false, SMTP_PATH_OK, SPAN("!#$%&'*+-/=?^_`{|}~"), SPAN("b"), SPAN(""), false },
	{ "dots anywhere",        SPAN("<.a..b.@b>"), false, SMTP_PATH_OK, SPAN(".a..b."), SPAN("b"), SPAN(""), false },
	{ "quoted",               SPAN("<\"a b>@\"@b>"), false, SMTP_PATH_OK, SPAN("\"a b>@\""), SPAN("b"), SPAN(""), false },
	{ "quoted pairs",         SPAN("<\"\\\"\\\\\"@b>"), false, SMTP_PATH_OK, SPAN("\"\\\"\\\\\""), SPAN("b"), SPAN(""), false },
	{ "empty quotes",         SPAN("<\"\"@b>"), false, SMTP_PATH_OK, SPAN("\"\""), SPAN("b"), SPAN(""), false },
	{ "open quotes",          SPAN("<\"a@b>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "a backslash at last",  SPAN("<\"a\\"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "control in quotes",    SPAN("<\"\x01\"@b>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "quoted CR LF",         SPAN("<\"a\\\r\n\"@b>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "text after quotes",    SPAN("<\"a\"b@b>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "a NUL",                SPAN("<a\0@b>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "a NUL in the domain",  SPAN("<a@b\0>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "a blank",              SPAN("<a b@c>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "a blank at first",     SPAN("< a@c>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "two @",                SPAN("<a@b@c>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "no brackets",          SPAN("a@b"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "an open bracket",      SPAN("<a@b"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "a bracket alone",      SPAN("<"), true, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "nothing",              SPAN(""), true, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "two brackets",         SPAN("<<a@b>>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "a source route",       SPAN("<@a,@b:u@c>"), false, SMTP_PATH_ROUTED, SPAN(""), SPAN(""), SPAN(""), false },
	{ "one hop",              SPAN("<@a:u@c>"), true, SMTP_PATH_ROUTED, SPAN(""), SPAN(""), SPAN(""), false },
	{ "a colon behind it",    SPAN("<@a> x:y"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "percent is no route",  SPAN("<u%c@b>"), false, SMTP_PATH_OK, SPAN("u%c"), SPAN("b"), SPAN(""), false },
	{ "a literal",            SPAN("<a@[192.0.2.1]>"), false, SMTP_PATH_OK, SPAN("a"), SPAN("[192.0.2.1]"), SPAN(""), false },
	{ "a dot at the end",     SPAN("<a@b.example.>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "UTF-8 local-part",     SPAN("<\xc3\xa9@b>"), false, SMTP_PATH_OK, SPAN("\xc3\xa9"), SPAN("b"), SPAN(""), true },
	{ "UTF-8 domain",         SPAN("<a@b\xc3\xbc.example>"), false, SMTP_PATH_OK, SPAN("a"), SPAN("b\xc3\xbc.example"), SPAN(""), true },
	{ "UTF-8 quoted",         SPAN("<\"\xe2\x82\xac\"@b>"), false, SMTP_PATH_OK, SPAN("\"\xe2\x82\xac\""), SPAN("b"), SPAN(""), true },
	{ "Latin-1",              SPAN("<\xe9@b>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "Latin-1 domain",       SPAN("<a@b\xfc.example>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
	{ "UTF-8 cut by the end", SPAN("<a\xe2\x82@b>"), false, SMTP_PATH_BAD, SPAN(""), SPAN(""), SPAN(""), false },
};

static void test_WG_20_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct span rest = rows[i].path;
		struct smtp_path path;

		want_number(rows[i].name, "fault", smtp_path_take(&rest, rows[i].null_ok, &path),
			    rows[i].fault);
		if (rows[i].fault != SMTP_PATH_OK) {
			want_text(rows[i].name, rest, rows[i].path);
			continue;
		}
		want_text(rows[i].name, path.local, rows[i].local);
		want_text(rows[i].name, path.domain, rows[i].domain);
		want_text(rows[i].name, rest, rows[i].rest);
		want_number(rows[i].name, "utf8", path.utf8, rows[i].utf8);
		want_text(rows[i].name, path.text,
			  span_of(rows[i].path.at + 1, rows[i].path.len - rest.len - 2));
	}
}

static bool path_of(size_t local, size_t labels)
{
	char text[1000] = "<";
	struct smtp_path path;
	struct span rest;
	size_t len;

	memset(text + 1, 'l', local);
	len = local + 1;
	for (size_t i = 0; i < labels; i++)
		text[len++] = i == 0 ? '@' : i % 64 == 0 ? '.' : 'd';
	text[len++] = '>';
	rest = span_of(text, len);
	return smtp_path_take(&rest, false, &path) == SMTP_PATH_OK;
}

static void test_smtp_path_lengths(void **state)
{
	(void)state;
	assert_true(path_of(64, 256));
	assert_true(path_of(SMTP_LOCAL_MOST, 256));
	assert_false(path_of(SMTP_LOCAL_MOST + 1, 256));
	assert_false(path_of(64, 257));
}

static const struct {
	const char *name;
	struct span text;
	bool good;
} domains[] = {
	{ "a name",                 SPAN("mx1.example.net"), true },
	{ "one label",              SPAN("localhost"), true },
	{ "an underscore",          SPAN("_dmarc.my_host.example"), true },
	{ "hyphens",                SPAN("a-b--c.example"), true },
	{ "digits",                 SPAN("192.0.2.1"), true },
	{ "an A-label",             SPAN("xn--bcher-kva.example"), true },
	{ "UTF-8",                  SPAN("b\xc3\xbc""cher.example"), true },
	{ "nothing",                SPAN(""), false },
	{ "a dot",                  SPAN("."), false },
	{ "a dot at first",         SPAN(".a"), false },
	{ "a dot at the end",       SPAN("a."), false },
	{ "two dots",               SPAN("a..b"), false },
	{ "a blank",                SPAN("a b"), false },
	{ "a colon",                SPAN("::1"), false },
	{ "a NUL",                  SPAN("a\0"), false },
	{ "CR LF",                  SPAN("a\r\nb"), false },
	{ "bad UTF-8",              SPAN("a\xff"), false },
	{ "63 octets",              SPAN("abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0.b"), true },
	{ "64 octets",              SPAN("abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz01.b"), false },
	{ "an IPv4 literal",        SPAN("[192.0.2.1]"), true },
	{ "256",                    SPAN("[192.0.2.256]"), false },
	{ "three numbers",          SPAN("[192.0.2]"), false },
	{ "an IPv6 literal",        SPAN("[IPv6:2001:db8::1]"), true },
	{ "its tag in any case",    SPAN("[ipv6:::1]"), true },
	{ "IPv4 in IPv6",           SPAN("[IPv6:::ffff:192.0.2.1]"), true },
	{ "without its tag",        SPAN("[2001:db8::1]"), true },
	{ "IPv4 with the tag",      SPAN("[IPv6:192.0.2.1]"), false },
	{ "a scope",                SPAN("[IPv6:fe80::1%eth0]"), false },
	{ "another tag",            SPAN("[x400:abc]"), false },
	{ "the tag alone",          SPAN("[IPv6:]"), false },
	{ "empty brackets",         SPAN("[]"), false },
	{ "an open bracket",        SPAN("["), false },
	{ "never closed",           SPAN("[192.0.2.1"), false },
	{ "a NUL in a literal",     SPAN("[192.0.2.1\0]"), false },
	{ "very long",              SPAN("[IPv6:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]"), false },
};

static void test_WG_18_domains(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(domains); i++)
		want_number(domains[i].name, "good", smtp_domain_ok(domains[i].text), domains[i].good);
}

static const struct {
	const char *name;
	struct span text;
	bool good;
} utf8[] = {
	{ "ASCII",             SPAN("abc\x7f"), true },
	{ "the shortest of 2", SPAN("\xc2\x80"), true },
	{ "the longest of 2",  SPAN("\xdf\xbf"), true },
	{ "overlong of 2",     SPAN("\xc0\x80"), false },
	{ "overlong of 2, high", SPAN("\xc1\xbf"), false },
	{ "the shortest of 3", SPAN("\xe0\xa0\x80"), true },
	{ "overlong of 3",     SPAN("\xe0\x9f\xbf"), false },
	{ "before surrogates", SPAN("\xed\x9f\xbf"), true },
	{ "a surrogate",       SPAN("\xed\xa0\x80"), false },
	{ "after surrogates",  SPAN("\xee\x80\x80"), true },
	{ "the shortest of 4", SPAN("\xf0\x90\x80\x80"), true },
	{ "overlong of 4",     SPAN("\xf0\x8f\xbf\xbf"), false },
	{ "the last",          SPAN("\xf4\x8f\xbf\xbf"), true },
	{ "one above",         SPAN("\xf4\x90\x80\x80"), false },
	{ "5 octets",          SPAN("\xf8\x88\x80\x80\x80"), false },
	{ "a tail alone",      SPAN("\x80"), false },
	{ "cut",               SPAN("\xf0\x90\x80"), false },
	{ "a head in a tail",  SPAN("\xe2\x82\xc3"), false },
	{ "ASCII in a tail",   SPAN("\xe2\x82""a"), false },
};

static void test_NEW_22_utf8(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(utf8); i++)
		want_number(utf8[i].name, "good", smtp_utf8_ok(utf8[i].text), utf8[i].good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_WG_20_paths),
		cmocka_unit_test(test_smtp_path_lengths),
		cmocka_unit_test(test_WG_18_domains),
		cmocka_unit_test(test_NEW_22_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
