/* Reports that others send: of all sorts, and by those who mean ill. */
#include "ctl/tlsrpt_gzip.h"
#include "ctl/tlsrpt_read.h"
#include "unit.h"

#define HEAD "report -\nof -\nfrom - to -\n"

static const struct {
	const char *name;
	struct span json;
	const char *table; /* NULL: refused */
	const char *why;
} rows[] = {
	{ "the least", SPAN("{\"policies\":[]}"), HEAD, "" },
	{ "unknown fields, nulls", SPAN("{\"x\":[1],\"report-id\":null,\"policies\":[{\"y\":{},\"failure-details\":null}]}"),
	  HEAD "policy - of -: good -, failed -\n", "" },
	{ "texts alone where arrays should be",
	  SPAN("{\"policies\":[{\"policy\":{\"policy-type\":\"sts\",\"policy-string\":\"a\",\"mx-host\":\"*.b\"}}]}"),
	  HEAD "policy sts of -: good -, failed -\n  policy-string: a\n  mx-host: *.b\n", "" },
	{ "all fields of a failure",
	  SPAN("{\"policies\":[{\"failure-details\":[{\"result-type\":\"r\",\"sending-mta-ip\":\"s\",\"receiving-ip\":\"i\","
	       "\"receiving-mx-hostname\":\"m\",\"receiving-mx-helo\":\"h\",\"failed-session-count\":7,"
	       "\"additional-information\":\"u\",\"failure-reason-code\":\"c\"}]}]}"),
	  HEAD "policy - of -: good -, failed -\n  failed 7: r at m [i] helo h from s (c) see u\n", "" },
	{ "a terminal is not ours to play with",
	  SPAN("{\"report-id\":\"\\u001b[2J\\n\\u0000\\\\\\u00fc\\u202e\",\"policies\":[]}"),
	  "report \\x1b[2J\\x0a\\x00\\x5c\\xc3\\xbc\\xe2\\x80\\xae\nof -\nfrom - to -\n", "" },
	{ "nothing", SPAN(""), NULL, "line 1: " },
	{ "no JSON", SPAN("<xml>"), NULL, "line 1: " },
	{ "FAULTS 42: octets for a terminal", SPAN("[\"\xc2\x9b\x33\x31m\"\x1b"), NULL, "line 1: ']' expected near '?'" },
	{ "FAULTS 42: such octets in a field", SPAN("{\"\xc2\x9bm\":1,\"\xc2\x9bm\":2}"), NULL, "line 1: duplicate object key near '\"??m\"'" },
	{ "NUL", SPAN("{\"policies\":[]}\0"), NULL, "line 1: " },
	{ "something behind it", SPAN("{\"policies\":[]} {}"), NULL, "line 1: " },
	{ "a field twice", SPAN("{\"policies\":[],\"policies\":[]}"), NULL, "line 1: " },
	{ "bad UTF-8", SPAN("{\"report-id\":\"\xff\",\"policies\":[]}"), NULL, "line 1: " },
	{ "no object", SPAN("[]"), NULL, "the report is no object" },
	{ "no policies", SPAN("{}"), NULL, "policies is missing" },
	{ "policies of another type", SPAN("{\"policies\":{}}"), NULL, "policies is no array" },
	{ "a policy of another type", SPAN("{\"policies\":[1]}"), NULL, "policies has something that is no object" },
	{ "a number for a text", SPAN("{\"report-id\":1,\"policies\":[]}"), NULL, "report-id is no text" },
	{ "a text for a number", SPAN("{\"policies\":[{\"summary\":{\"total-failure-session-count\":\"3\"}}]}"), NULL,
	  "total-failure-session-count is no number from 0 on" },
	{ "less than nothing", SPAN("{\"policies\":[{\"summary\":{\"total-failure-session-count\":-1}}]}"), NULL,
	  "total-failure-session-count is no number from 0 on" },
	{ "a fraction", SPAN("{\"policies\":[{\"summary\":{\"total-failure-session-count\":1.5}}]}"), NULL,
	  "total-failure-session-count is no number from 0 on" },
	{ "too great a number", SPAN("{\"policies\":[{\"summary\":{\"total-failure-session-count\":99999999999999999999}}]}"),
	  NULL, "line 1: " },
	{ "a number among the patterns", SPAN("{\"policies\":[{\"policy\":{\"mx-host\":[\"a\",2]}}]}"), NULL,
	  "mx-host has something that is no text" },
	{ "a failure of another type", SPAN("{\"policies\":[{\"failure-details\":[\"x\"]}]}"), NULL,
	  "failure-details has something that is no object" },
	{ "failures of another type", SPAN("{\"policies\":[{\"failure-details\":{}}]}"), NULL, "failure-details is no array" },
	{ "a date range of another type", SPAN("{\"date-range\":\"today\",\"policies\":[]}"), NULL, "date-range is no object" },
};

static void test_NEW_4_reports_of_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct why why = { 0 };
		struct buf out;
		bool fine;

		buf_init(&out, TLSRPT_READ_TABLE);
		fine = tlsrpt_read_table(rows[i].json, &out, &why);
		want_number(rows[i].name, "read", fine, rows[i].table != NULL);
		if (fine)
			want_text(rows[i].name, buf_peek(&out), span_str(rows[i].table));
		else
			want_text(rows[i].name, span_first(span_str(why.text), strlen(rows[i].why)), span_str(rows[i].why));
		buf_free(&out);
	}
}

static void put_times(struct buf *b, const char *text, size_t times)
{
	for (size_t i = 0; i < times; i++)
		assert_true(buf_put(b, span_str(text)));
}

static void test_NEW_4_ceilings_of_the_reader(void **state)
{
	static const struct {
		const char *name, *before, *again, *after;
		size_t times;
		bool fine;
	} cases[] = {
		{ "a long text is cut", "{\"report-id\":\"", "x", "\",\"policies\":[]}", 1000000, true },
		{ "many values", "{\"policies\":[", "{},", "{}]}", 100000, true },
		{ "too many values", "{\"policies\":[", "{},", "{}]}", TLSRPT_READ_VALUES / 2, false },
		{ "too deep", "{\"policies\":", "[", "", 100000, false },
		{ "too long", "{\"policies\":[]}", " ", "", TLSRPT_READ_MOST, false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(cases); i++) {
		struct buf json, out;
		struct why why;

		buf_init(&json, 2 * TLSRPT_READ_MOST);
		buf_init(&out, TLSRPT_READ_TABLE);
		put_times(&json, cases[i].before, 1);
		put_times(&json, cases[i].again, cases[i].times);
		put_times(&json, cases[i].after, 1);
		want_number(cases[i].name, "read", tlsrpt_read_table(buf_peek(&json), &out, &why), cases[i].fine);
		buf_free(&json);
		buf_free(&out);
	}
}

/* Out of room for the table. */
static void test_NEW_4_a_table_that_is_too_long(void **state)
{
	struct why why;
	struct buf out;

	(void)state;
	buf_init(&out, 20);
	assert_false(tlsrpt_read_table(SPAN("{\"policies\":[]}"), &out, &why));
	assert_int_equal(why.fault, FAULT_PEER);
	buf_free(&out);
}

static struct span pack(struct buf *b, struct span text)
{
	buf_init(b, 1000000);
	assert_true(tlsrpt_gzip_pack(text, b));
	return buf_peek(b);
}

/* Whether it can be unpacked into so much room. */
static bool unpacks(struct span octets, size_t most)
{
	struct why why;
	struct buf out;
	bool fine;

	buf_init(&out, most);
	fine = tlsrpt_gzip_unpack(octets, &out, &why);
	buf_free(&out);
	return fine;
}

static void test_NEW_4_gzip(void **state)
{
	static char zeros[1000000];
	struct buf b, twice;
	struct span packed;

	(void)state;
	packed = pack(&b, span_of(zeros, sizeof(zeros)));
	assert_true(packed.len < 2000);
	assert_true(unpacks(packed, sizeof(zeros)));
	assert_false(unpacks(packed, sizeof(zeros) - 1));
	for (size_t len = 2; len < packed.len; len++)
		want_number("cut", "unpacked", unpacks(span_first(packed, len), sizeof(zeros)), 0);
	buf_init(&twice, 10000);
	assert_true(buf_put(&twice, packed) && buf_put(&twice, packed));
	assert_false(unpacks(buf_peek(&twice), 3 * sizeof(zeros)));
	buf_free(&twice);
	buf_free(&b);
	packed = pack(&b, SPAN(""));
	assert_true(unpacks(packed, 0));
	buf_free(&b);
	assert_false(unpacks(SPAN("\x1f\x8b\xff\xff\xff\xff\xff\xff"), 100));
	assert_true(unpacks(SPAN("{}"), 2));
	assert_false(unpacks(SPAN("{}"), 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_NEW_4_reports_of_others),
		cmocka_unit_test(test_NEW_4_ceilings_of_the_reader),
		cmocka_unit_test(test_NEW_4_a_table_that_is_too_long),
		cmocka_unit_test(test_NEW_4_gzip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
