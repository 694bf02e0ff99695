#include "route/route_netstring.h"

#include "unit.h"

#define MOST 20

static const struct {
	const char *name;
	struct span in;
	enum route_netstring want;
	struct span text;
	size_t taken;
} rows[] = {
	{ "whole",                        SPAN("5:hello,"), ROUTE_NETSTRING_WHOLE, SPAN("hello"), 8 },
	{ "empty",                        SPAN("0:,"), ROUTE_NETSTRING_WHOLE, SPAN(""), 3 },
	{ "another behind it",            SPAN("1:a,1:b,"), ROUTE_NETSTRING_WHOLE, SPAN("a"), 4 },
	{ "any octets",                   SPAN("3:\0,:,"), ROUTE_NETSTRING_WHOLE, SPAN("\0,:"), 6 },
	{ "as long as may be",            SPAN("20:aaaaaaaaaaaaaaaaaaaa,"), ROUTE_NETSTRING_WHOLE, SPAN("aaaaaaaaaaaaaaaaaaaa"), 24 },
	{ "nothing yet",                  SPAN(""), ROUTE_NETSTRING_PART, SPAN(""), 0 },
	{ "no colon yet",                 SPAN("1"), ROUTE_NETSTRING_PART, SPAN(""), 0 },
	{ "no text yet",                  SPAN("5:"), ROUTE_NETSTRING_PART, SPAN(""), 0 },
	{ "a part",                       SPAN("5:hel"), ROUTE_NETSTRING_PART, SPAN(""), 0 },
	{ "no comma yet",                 SPAN("5:hello"), ROUTE_NETSTRING_PART, SPAN(""), 0 },
	{ "too long",                     SPAN("21:"), ROUTE_NETSTRING_BAD, SPAN(""), 0 },
	{ "too long, before the colon",   SPAN("999"), ROUTE_NETSTRING_BAD, SPAN(""), 0 },
	{ "a number that overflows",      SPAN("18446744073709551617:a,"), ROUTE_NETSTRING_BAD, SPAN(""), 0 },
	{ "digits without end",           SPAN("0000000000000000000000000000"), ROUTE_NETSTRING_BAD, SPAN(""), 0 },
	{ "a zero in front",              SPAN("05:hello,"), ROUTE_NETSTRING_BAD, SPAN(""), 0 },
	{ "no number",                    SPAN(":hello,"), ROUTE_NETSTRING_BAD, SPAN(""), 0 },
	{ "a sign",                       SPAN("+5:hello,"), ROUTE_NETSTRING_BAD, SPAN(""), 0 },
	{ "a blank",                      SPAN(" 5:hello,"), ROUTE_NETSTRING_BAD, SPAN(""), 0 },
	{ "another end",                  SPAN("5:hello;"), ROUTE_NETSTRING_BAD, SPAN(""), 0 },
	{ "longer than said",             SPAN("4:hello,"), ROUTE_NETSTRING_BAD, SPAN(""), 0 },
	{ "HTTP",                         SPAN("GET / HTTP/1.1\r\n"), ROUTE_NETSTRING_BAD, SPAN(""), 0 },
};

static void test_netstrings(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct span text = SPAN("");
		size_t taken = 0;

		want_number(rows[i].name, "what", route_netstring_next(rows[i].in, MOST, &text, &taken), rows[i].want);
		want_text(rows[i].name, text, rows[i].text);
		want_number(rows[i].name, "taken", taken, rows[i].taken);
	}
}

/* However it is cut, it is a part until it is whole. */
static void test_netstrings_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		for (size_t len = 0; rows[i].want == ROUTE_NETSTRING_WHOLE && len < rows[i].taken; len++) {
			struct span text;
			size_t taken;

			want_number(rows[i].name, "cut", route_netstring_next(span_first(rows[i].in, len), MOST, &text, &taken),
				    ROUTE_NETSTRING_PART);
		}
	}
}

static void test_netstrings_are_put_whole_or_not(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 10);
	assert_true(route_netstring_put(&out, SPAN("hello")));
	want_text("put", buf_peek(&out), SPAN("5:hello,"));
	assert_false(route_netstring_put(&out, SPAN("")));
	want_text("refused", buf_peek(&out), SPAN("5:hello,"));
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_netstrings),
		cmocka_unit_test(test_netstrings_cut),
		cmocka_unit_test(test_netstrings_are_put_whole_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
