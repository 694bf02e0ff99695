#include "base/log.h"
#include "unit.h"

#include <jansson.h>

static char last[LOG_LINE_MOST + 1];
static size_t last_len;

static void keep(struct span line)
{
	must(line.len <= LOG_LINE_MOST);
	memcpy(last, line.at, line.len);
	last[line.len] = '\0';
	last_len = line.len;
}

/* Reads a text line back the way a log reader would: fields apart at single blanks, values
 * bare or quoted. Gives the number of fields; fails where the line is not one. */
static unsigned fields_of(const char *row, struct span line)
{
	unsigned fields = 0;

	assert_true(line.len > 0 && line.at[line.len - 1] == '\n');
	line.len--;
	while (line.len > 0) {
		struct span key = span_cut(&line, '=');
		size_t i = 0;

		for (size_t k = 0; k < key.len; k++) {
			if (!ascii_is_alnum(key.at[k]) && key.at[k] != '_')
				fail_msg("%s: '%.*s' is no key", row, SPAN_ARG(key));
		}
		if (line.len == 0)
			fail_msg("%s: '%.*s' has no value", row, SPAN_ARG(key));
		if (line.at[0] == '"') {
			for (i = 1; i < line.len && line.at[i] != '"'; i++)
				i += line.at[i] == '\\';
			if (i >= line.len)
				fail_msg("%s: quotes stay open", row);
			i++;
		} else {
			i = span_find(line, ' ');
		}
		for (size_t k = 0; k < i; k++) {
			if (line.at[k] < 0x20 || line.at[k] > 0x7e)
				fail_msg("%s: octet %d", row, line.at[k]);
		}
		if (i < line.len && line.at[i] != ' ')
			fail_msg("%s: no blank behind a value", row);
		line = span_from(line, i + 1);
		fields++;
	}
	return fields;
}

static const struct {
	const char *name;
	struct span value;
	const char *text, *json;
} values[] = {
	{ "a word",              SPAN("abc"), "abc", "\"abc\"" },
	{ "two words",           SPAN("a b"), "\"a b\"", "\"a b\"" },
	{ "nothing",             SPAN(""), "\"\"", "\"\"" },
	{ "quotes",              SPAN("a\"b"), "\"a\\\"b\"", "\"a\\\"b\"" },
	{ "a backslash",         SPAN("a\\"), "\"a\\\\\"", "\"a\\\\\"" },
	{ "a field of its own",  SPAN("x outcome=ok"), "\"x outcome=ok\"", "\"x outcome=ok\"" },
	{ "a line of its own",   SPAN("x\r\ny"), "\"x\\u000d\\u000ay\"", "\"x\\u000d\\u000ay\"" },
	{ "a NUL",               SPAN("x\0y"), "\"x\\u0000y\"", "\"x\\u0000y\"" },
	{ "an escape sequence",  SPAN("\033[2J"), "\"\\u001b[2J\"", "\"\\u001b[2J\"" },
	{ "8-bit",               SPAN("\xc3\xa9"), "\"\\u00c3\\u00a9\"", "\"\\u00c3\\u00a9\"" },
	{ "DEL",                 SPAN("\x7f"), "\"\\u007f\"", "\"\\u007f\"" },
};

static void log_one(struct span value)
{
	struct log_line l;

	log_begin(&l, "e");
	log_span(&l, "k", value);
	log_int(&l, "n", -3);
	log_end(&l);
}

static void test_FAULTS_42_log_injection(void **state)
{
	char want[200];

	(void)state;
	for (size_t i = 0; i < ROWS(values); i++) {
		json_t *json;

		log_set_format(LOG_TEXT);
		log_one(values[i].value);
		snprintf(want, sizeof(want), "event=e k=%s n=-3\n", values[i].text);
		want_text(values[i].name, span_of(last, last_len), span_str(want));
		want_number(values[i].name, "fields", fields_of(values[i].name, span_str(last)), 3);

		log_set_format(LOG_JSON);
		log_one(values[i].value);
		snprintf(want, sizeof(want), "{\"event\":\"e\",\"k\":%s,\"n\":-3}\n", values[i].json);
		want_text(values[i].name, span_of(last, last_len), span_str(want));
		json = json_loads(last, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		assert_non_null(json);
		json_decref(json);
	}
}

static bool says_cut(void)
{
	return strstr(last, " cut=1\n") != NULL || strstr(last, ",\"cut\":1}\n") != NULL;
}

static void check_line(const char *row)
{
	json_t *json;

	assert_true(last_len <= LOG_LINE_MOST);
	assert_int_equal(strlen(last), last_len);
	if (last[0] != '{') {
		fields_of(row, span_str(last));
		return;
	}
	json = json_loads(last, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	if (json == NULL)
		fail_msg("%s: not JSON: %s", row, last + last_len - 40);
	json_decref(json);
}

/* Values of every length around the ceiling, plain, quoted and all escapes, then one more
 * field of each kind: each line parses, and says cut=1 just where something was left out. */
static void test_log_cut_stays_parseable(void **state)
{
	static const char fills[] = { 'x', ' ', '"', '\n' };
	static char value[2 * LOG_LINE_MOST];

	(void)state;
	for (size_t f = 0; f < 2 * sizeof(fills); f++) {
		log_set_format(f % 2 == 0 ? LOG_TEXT : LOG_JSON);
		memset(value, fills[f / 2], sizeof(value));
		for (size_t len = 600; len < 4100; len += len > 3800 || (len > 1950 && len < 2010) ||
								  (len > 640 && len < 680) ? 1 : 37) {
			struct log_line l;
			bool all;

			log_begin(&l, "e");
			log_span(&l, "k", span_of(value, len));
			log_text(&l, "w", "word");
			log_int(&l, "n", INT64_MIN);
			log_end(&l);
			check_line("cut");
			all = strstr(last, "-9223372036854775808") != NULL && strstr(last, "word") != NULL;
			assert_int_equal(says_cut(), !all);
		}
	}
	log_set_format(LOG_TEXT);
}

static void test_log_last_value_cut(void **state)
{
	static char value[2 * LOG_LINE_MOST];

	(void)state;
	for (int f = 0; f < 4; f++) {
		log_set_format(f % 2 == 0 ? LOG_TEXT : LOG_JSON);
		memset(value, f < 2 ? 'x' : ' ', sizeof(value));
		for (size_t len = LOG_LINE_MOST - 60; len < LOG_LINE_MOST + 60; len++) {
			struct log_line l;
			size_t kept = 0;

			log_begin(&l, "e");
			log_span(&l, "k", span_of(value, len));
			log_end(&l);
			check_line("last");
			for (size_t i = 0; i < last_len; i++)
				kept += last[i] == value[0];
			/* The blank between fields, and before cut=1. */
			kept -= f == 2 ? 1 + says_cut() : 0;
			assert_int_equal(says_cut(), kept < len);
		}
	}
	log_set_format(LOG_TEXT);
}

static void test_log_many_fields(void **state)
{
	(void)state;
	for (int f = 0; f < 2; f++) {
		for (unsigned fields = 200; fields < 420; fields++) {
			struct log_line l;

			log_set_format(f == 0 ? LOG_TEXT : LOG_JSON);
			log_begin(&l, "e");
			for (unsigned i = 0; i < fields; i++) {
				char key[16];

				snprintf(key, sizeof(key), "k%u", i);
				log_int(&l, key, 1234567);
			}
			log_end(&l);
			check_line("many");
		}
		assert_true(says_cut());
	}
	log_set_format(LOG_TEXT);
}

static void test_log_fmt_says_cut(void **state)
{
	struct log_line l;

	(void)state;
	log_begin(&l, "e");
	log_fmt(&l, "k", "%0*d", 1023, 0);
	log_end(&l);
	assert_false(says_cut());
	log_begin(&l, "e");
	log_fmt(&l, "k", "%0*d", 1024, 0);
	log_end(&l);
	assert_true(says_cut());
	check_line("fmt");
	log_event("start", "%d edges", 2);
	want_text("event", span_str(last), SPAN("event=start text=\"2 edges\"\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_FAULTS_42_log_injection),
		cmocka_unit_test(test_log_cut_stays_parseable),
		cmocka_unit_test(test_log_last_value_cut),
		cmocka_unit_test(test_log_many_fields),
		cmocka_unit_test(test_log_fmt_says_cut),
	};

	log_set_sink(keep);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
