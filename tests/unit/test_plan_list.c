#include "plan/plan_list.h"
#include "unit.h"

static const struct {
	const char *name, *file;
	const char *want; /* "line:key" or "line:key=bits", "line!" for what is bad, with blanks between */
} rows[] = {
	{ "nothing",                        "", "" },
	{ "one a line",                     "a.example\nb.example\n", "1:a.example 2:b.example" },
	{ "no end of line at the end",      "a.example\nb.example", "1:a.example 2:b.example" },
	{ "CRLF",                           "a.example\r\n\r\nb.example 256\r\n", "1:a.example 3:b.example=256" },
	{ "GC-5 its own strength",          "example.net 256\nexample.org\t0\n", "1:example.net=256 2:example.org=0" },
	{ "GC-3 an empty line is nothing",  "\n\n   \n\t\na.example\n\n", "5:a.example" },
	{ "everybody is an asterisk",       "*\n", "1:*" },
	{ "comments",                       "# x\na.example # y\n  # z, u.example\nb.example 128# no\n", "2:a.example 4!" },
	{ "a # within a key",               "user#1@a.example\n", "1:user#1@a.example" },
	{ "a # behind a separator",         "a.example,#b.example\n", "1:a.example" },
	{ "blanks around",                  "  a.example  \t 128 \n", "1:a.example=128" },
	{ "PP-12 both separators",          "a.example,*@b.example;c.example 112;d.example\n",
	  "1:a.example 1:*@b.example 1:c.example=112 1:d.example" },
	{ "PP-12 blanks after a separator", "a.example , b.example ; \n", "1:a.example 1:b.example" },
	{ "PP-12 a blank does not separate", "a.example b.example\nc.example\n", "1! 2:c.example" },
	{ "empty items",                    ",;,\n;a.example;;\n", "2:a.example" },
	{ "too many bits",                  "a.example 257\n", "1!" },
	{ "bits and more",                  "a.example 128 128\n", "1!" },
	{ "bits that are none",             "a.example -1, b.example\n", "1! 1:b.example" },
	{ "a mark of UTF-8",                "\xef\xbb\xbf" "a.example\n", "1:a.example" },
	{ "a letter beyond ASCII",          "m\xc3\xbcller.example\n", "1:m\xc3\xbcller.example" },
	{ "a control character",            "a\x01.example\nb.example\x7f\nc.example\n", "1! 2! 3:c.example" },
	{ "CR within",                      "a.example\rb.example\n", "1!" },
};

static void read_all(struct span file, char *text, size_t size)
{
	struct plan_list_item item;
	enum plan_list_next next;
	struct plan_list list;
	struct why why;
	size_t len = 0;

	text[0] = '\0';
	plan_list_begin(&list, file);
	while ((next = plan_list_next(&list, &item, &why)) != PLAN_LIST_END) {
		char bits[16] = "";

		if (next == PLAN_LIST_BAD)
			item = (struct plan_list_item){ .key = SPAN("") };
		if (item.has_bits)
			snprintf(bits, sizeof(bits), "=%u", item.bits);
		len += (size_t)snprintf(text + len, size - len, "%s%u%s%.*s%s", len > 0 ? " " : "", list.line,
					next == PLAN_LIST_BAD ? "!" : ":", SPAN_ARG(item.key), bits);
	}
}

static void test_PP_12_GC_5_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char text[500];

		read_all(span_str(rows[i].file), text, sizeof(text));
		want_text(rows[i].name, span_str(text), span_str(rows[i].want));
	}
}

static void test_a_list_with_NUL(void **state)
{
	char text[100];

	(void)state;
	read_all(SPAN("example.net\0.evil.example\nb.example\n"), text, sizeof(text));
	assert_string_equal(text, "1! 2:b.example");
}

/* PP-12: a limit, and a clear error. */
static void test_PP_12_a_line_too_long(void **state)
{
	static char file[PLAN_LIST_LINE_MOST + 20];
	struct plan_list_item item;
	struct plan_list list;
	struct why why;

	(void)state;
	memset(file, 'a', PLAN_LIST_LINE_MOST);
	strcpy(file + PLAN_LIST_LINE_MOST, "\nb.example\n");
	plan_list_begin(&list, span_str(file));
	assert_int_equal(plan_list_next(&list, &item, &why), PLAN_LIST_ITEM);
	assert_int_equal(item.key.len, PLAN_LIST_LINE_MOST);
	strcpy(file + PLAN_LIST_LINE_MOST, "a\nb.example\n");
	plan_list_begin(&list, span_str(file));
	assert_int_equal(plan_list_next(&list, &item, &why), PLAN_LIST_BAD);
	assert_string_equal(why.text, "the line has 4097 octets; it can have 4096");
	assert_int_equal(plan_list_next(&list, &item, &why), PLAN_LIST_ITEM);
	assert_int_equal(list.line, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_PP_12_GC_5_lists),
		cmocka_unit_test(test_a_list_with_NUL),
		cmocka_unit_test(test_PP_12_a_line_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
