#include "unit.h"

static const struct {
	const char *name;
	struct span text;
	uint64_t most;
	bool good;
	uint64_t value;
} numbers[] = {
	{ "zero",                      SPAN("0"), 10, true, 0 },
	{ "leading zeros",             SPAN("0007"), 10, true, 7 },
	{ "the most",                  SPAN("599"), 599, true, 599 },
	{ "one above the most",        SPAN("600"), 599, false, 0 },
	{ "the last that fits",        SPAN("18446744073709551615"), UINT64_MAX, true, UINT64_MAX },
	{ "the first that does not",   SPAN("18446744073709551616"), UINT64_MAX, false, 0 },
	{ "twenty nines",              SPAN("99999999999999999999"), UINT64_MAX, false, 0 },
	{ "nothing",                   SPAN(""), 10, false, 0 },
	{ "a sign",                    SPAN("+1"), 10, false, 0 },
	{ "a minus",                   SPAN("-1"), 10, false, 0 },
	{ "a blank before",            SPAN(" 1"), 10, false, 0 },
	{ "a blank behind",            SPAN("1 "), 10, false, 0 },
	{ "hexadecimal",               SPAN("0x1"), 10, false, 0 },
	{ "a NUL",                     SPAN("1\0"), 10, false, 0 },
	{ "8-bit",                     SPAN("\xb9"), 10, false, 0 },
};

static void test_span_number(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(numbers); i++) {
		uint64_t n = 0;

		want_number(numbers[i].name, "good",
			    span_number(numbers[i].text, numbers[i].most, &n), numbers[i].good);
		want_number(numbers[i].name, "the number", n, numbers[i].value);
	}
}

static const struct {
	const char *name;
	struct span a, b;
	bool same, same_nocase, starts, ends;
} pairs[] = {
	{ "the same",                  SPAN("ab"), SPAN("ab"), true, true, true, true },
	{ "another case",              SPAN("aB"), SPAN("Ab"), false, true, true, true },
	{ "a start",                   SPAN("abc"), SPAN("AB"), false, false, true, false },
	{ "an end",                    SPAN("abc"), SPAN("BC"), false, false, false, true },
	{ "the other is longer",       SPAN("ab"), SPAN("abc"), false, false, false, false },
	{ "nothing in something",      SPAN("ab"), SPAN(""), false, false, true, true },
	{ "two nothings",              SPAN(""), SPAN(""), true, true, true, true },
	{ "after a NUL",               SPAN("a\0b"), SPAN("a\0c"), false, false, false, false },
	{ "8-bit has no case",         SPAN("\xc4"), SPAN("\xe4"), false, false, false, false },
	{ "@ is not `",                SPAN("@"), SPAN("`"), false, false, false, false },
	{ "[ is not {",                SPAN("["), SPAN("{"), false, false, false, false },
};

static void test_span_compare(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(pairs); i++) {
		const char *name = pairs[i].name;
		struct span a = pairs[i].a, b = pairs[i].b;

		want_number(name, "eq", span_eq(a, b), pairs[i].same);
		want_number(name, "eq_nocase", span_eq_nocase(a, b), pairs[i].same_nocase);
		want_number(name, "starts", span_starts_nocase(a, b), pairs[i].starts);
		want_number(name, "ends", span_ends_nocase(a, b), pairs[i].ends);
	}
}

static const struct {
	const char *name;
	struct span text, first, rest;
} cuts[] = {
	{ "in the middle",             SPAN("a,b,c"), SPAN("a"), SPAN("b,c") },
	{ "none",                      SPAN("abc"), SPAN("abc"), SPAN("") },
	{ "at the front",              SPAN(",b"), SPAN(""), SPAN("b") },
	{ "at the end",                SPAN("a,"), SPAN("a"), SPAN("") },
	{ "nothing",                   SPAN(""), SPAN(""), SPAN("") },
	{ "behind a NUL",              SPAN("\0,\0"), SPAN("\0"), SPAN("\0") },
};

static void test_span_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(cuts); i++) {
		struct span rest = cuts[i].text;

		want_text(cuts[i].name, span_cut(&rest, ','), cuts[i].first);
		want_text(cuts[i].name, rest, cuts[i].rest);
	}
}

static void test_span_parts(void **state)
{
	struct span none = { NULL, 0 };

	(void)state;
	want_text("from", span_from(SPAN("abc"), 1), SPAN("bc"));
	want_text("from behind the end", span_from(SPAN("abc"), 9), SPAN(""));
	want_text("first", span_first(SPAN("abc"), 2), SPAN("ab"));
	want_text("first of less", span_first(SPAN("abc"), 9), SPAN("abc"));
	want_text("trim", span_trim(SPAN(" \t a b\t ")), SPAN("a b"));
	want_text("trim blanks alone", span_trim(SPAN(" \t ")), SPAN(""));
	want_text("trim keeps CR", span_trim(SPAN(" \r ")), SPAN("\r"));
	/* A span that was never set has no address; UBSan watches. */
	want_text("from nowhere", span_from(none, 3), SPAN(""));
	want_text("cut nowhere", span_cut(&none, ','), SPAN(""));
	want_text("trim nowhere", span_trim(none), SPAN(""));
	want_number("find nowhere", "place", span_find(none, 'x'), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_span_number),
		cmocka_unit_test(test_span_compare),
		cmocka_unit_test(test_span_cut),
		cmocka_unit_test(test_span_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
