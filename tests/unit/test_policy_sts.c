#include "unit.h"

#include "policy/policy_sts.h"

#define HEAD "version: STSv1\r\nmode: enforce\r\n"
#define TAIL "max_age: 86400\r\n"

static void test_NEW_1_record(void **state)
{
	static const struct {
		const char *name;
		struct span in;
		const char *want; /* "": no record */
	} rows[] = {
		{ "plain", SPAN("v=STSv1; id=20260101;"), "20260101" },
		{ "without blanks", SPAN("v=STSv1;id=a1B2"), "a1B2" },
		{ "extension before", SPAN("v=STSv1; x=y ; id=1"), "1" },
		{ "the first id counts", SPAN("v=STSv1; id=1; id=2"), "1" },
		{ "32 octets", SPAN("v=STSv1; id=01234567890123456789012345678901"), "01234567890123456789012345678901" },
		{ "33 octets", SPAN("v=STSv1; id=012345678901234567890123456789012"), "" },
		{ "no id", SPAN("v=STSv1;"), "" },
		{ "an empty id", SPAN("v=STSv1; id=;"), "" },
		{ "a hyphen", SPAN("v=STSv1; id=2026-01"), "" },
		{ "blanks inside", SPAN("v=STSv1; id=1 2"), "" },
		{ "another version", SPAN("v=STSv2; id=1"), "" },
		{ "a longer version", SPAN("v=STSv10; id=1"), "" },
		{ "version not in front", SPAN("id=1; v=STSv1;"), "" },
		{ "SPF", SPAN("v=spf1 -all"), "" },
		{ "NUL in the id", SPAN("v=STSv1; id=1\0002"), "" },
		{ "nothing", SPAN(""), "" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char id[33] = "x";
		bool ok = policy_sts_record(rows[i].in, id);

		want_number(rows[i].name, "read", ok, rows[i].want[0] != '\0');
		if (ok)
			want_text(rows[i].name, span_str(id), span_str(rows[i].want));
	}
}

static void test_NEW_1_policy(void **state)
{
	static const struct {
		const char *name;
		struct span in;
		enum policy_sts_mode mode;
		int64_t max_age;
		const char *mx; /* all, a blank behind each */
	} rows[] = {
		{ "enforce", SPAN(HEAD "mx: mx1.example.net\r\nmx: *.Example.ORG\r\n" TAIL), POLICY_STS_MODE_ENFORCE, 86400,
		  "mx1.example.net *.example.org " },
		{ "LF alone, no end of line", SPAN("version:STSv1\nmode:testing\nmx:a.example\nmax_age:1"), POLICY_STS_MODE_TESTING, 1,
		  "a.example " },
		{ "none", SPAN("version: STSv1\nmode: none\nmax_age: 0\n"), POLICY_STS_MODE_NONE, 0, "" },
		{ "any order", SPAN(TAIL "mx: a.example\n" HEAD), POLICY_STS_MODE_ENFORCE, 86400, "a.example " },
		{ "unknown fields", SPAN(HEAD "x-y: z\r\nmx: a.example\r\n" TAIL), POLICY_STS_MODE_ENFORCE, 86400, "a.example " },
		{ "the first of a field counts", SPAN(HEAD "mode: none\nmx: a.example\nversion: STSv2\n" TAIL "max_age: 5\n"),
		  POLICY_STS_MODE_ENFORCE, 86400, "a.example " },
		{ "blanks at the ends", SPAN("version:  STSv1 \nmode:\tenforce\t\nmx: a.example \nmax_age: 7 \n\n"),
		  POLICY_STS_MODE_ENFORCE, 7, "a.example " },
		{ "a dot at the end of an mx", SPAN(HEAD "mx: a.example.\n" TAIL), POLICY_STS_MODE_ENFORCE, 86400, "a.example " },
		{ "max_age is cut", SPAN(HEAD "mx: a.example\nmax_age: 9999999999\n"), POLICY_STS_MODE_ENFORCE, POLICY_STS_AGE_MOST,
		  "a.example " },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		static struct policy_sts p;
		char all[512] = "";
		struct why why = { 0 };

		if (!policy_sts_read(rows[i].in, &p, &why))
			fail_msg("%s: %s", rows[i].name, why.text);
		want_number(rows[i].name, "mode", p.mode, rows[i].mode);
		want_number(rows[i].name, "max_age", (unsigned long long)p.max_age, (unsigned long long)rows[i].max_age);
		for (unsigned m = 0; m < p.mx_count; m++) {
			size_t len = strlen(all);

			snprintf(all + len, sizeof(all) - len, "%s ", p.mx[m]);
		}
		want_text(rows[i].name, span_str(all), span_str(rows[i].mx));
	}
}

static void test_FAULTS_34_bad_policy(void **state)
{
	static const struct {
		const char *name;
		struct span in;
		const char *why;
	} rows[] = {
		{ "nothing", SPAN(""), "there is no version" },
		{ "a web page", SPAN("<!doctype html>\n<p>404</p>\n"), "a line is no field" },
		{ "another version", SPAN("version: STSv2\nmode: enforce\nmx: a.example\n" TAIL), "version is not STSv1" },
		{ "no mode", SPAN("version: STSv1\nmx: a.example\n" TAIL), "there is no mode" },
		{ "another mode", SPAN("version: STSv1\nmode: Enforce\n" TAIL), "mode is none of enforce, testing and none" },
		{ "no max_age", SPAN(HEAD "mx: a.example\n"), "there is no max_age" },
		{ "negative max_age", SPAN(HEAD "mx: a.example\nmax_age: -1\n"), "max_age is no number of seconds" },
		{ "max_age of eleven digits", SPAN(HEAD "mx: a.example\nmax_age: 00000000001\n"), "max_age is no number of seconds" },
		{ "no mx", SPAN(HEAD TAIL), "there is no mx" },
		{ "a star alone", SPAN(HEAD "mx: *\n" TAIL), "an mx is no host name, with or without \"*.\" in front" },
		{ "a star inside", SPAN(HEAD "mx: a.*.example\n" TAIL), "an mx is no host name, with or without \"*.\" in front" },
		{ "part of a label", SPAN(HEAD "mx: mx*.example\n" TAIL), "an mx is no host name, with or without \"*.\" in front" },
		{ "two stars", SPAN(HEAD "mx: *.*.example\n" TAIL), "an mx is no host name, with or without \"*.\" in front" },
		{ "an address", SPAN(HEAD "mx: [192.0.2.1]\n" TAIL), "an mx is no host name, with or without \"*.\" in front" },
		{ "NUL", SPAN(HEAD "mx: a\0.example\n" TAIL), "an mx is no host name, with or without \"*.\" in front" },
		{ "CR alone ends no line", SPAN("version: STSv1\rmode: enforce\rmx: a.example\rmax_age: 1\r"), "version is not STSv1" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		static struct policy_sts p;
		struct why why = { 0 };

		want_number(rows[i].name, "read", policy_sts_read(rows[i].in, &p, &why), false);
		want_text(rows[i].name, span_str(why.text), span_str(rows[i].why));
	}
}

static void test_FAULTS_34_ceilings(void **state)
{
	static struct policy_sts p;
	static char body[POLICY_STS_BODY_MOST + 1];
	size_t len = (size_t)snprintf(body, sizeof(body), "%s%s", HEAD, TAIL);
	struct why why;

	(void)state;
	for (unsigned i = 0; i < POLICY_STS_MX_MOST; i++)
		len += (size_t)snprintf(body + len, sizeof(body) - len, "mx: mx%u.example\n", i);
	assert_true(policy_sts_read(span_of(body, len), &p, &why));
	want_number("many", "mx", p.mx_count, POLICY_STS_MX_MOST);
	memset(body + len, '\n', sizeof(body) - len);
	assert_true(policy_sts_read(span_of(body, sizeof(body) - 1), &p, &why));
	assert_false(policy_sts_read(span_of(body, sizeof(body)), &p, &why));
	len += (size_t)snprintf(body + len, sizeof(body) - len, "mx: more.example\n");
	assert_false(policy_sts_read(span_of(body, len), &p, &why));
	want_text("one more", span_str(why.text), SPAN("too many mx"));
}

static void test_NEW_1_wildcard_is_one_label(void **state)
{
	static const struct {
		const char *pattern, *host;
		bool want;
	} rows[] = {
		{ "mx.example.net", "mx.example.net", true },
		{ "mx.example.net", "mx2.example.net", false },
		{ "mx.example.net", "a.mx.example.net", false },
		{ "*.example.net", "mx.example.net", true },
		{ "*.example.net", "a.mx.example.net", false },
		{ "*.example.net", "example.net", false },
		{ "*.example.net", "mx.notexample.net", false },
		{ "*.net", "example.net", true },
		{ "*.net", "net", false },
		{ "example.net", "net", false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		if (policy_sts_matches(rows[i].pattern, rows[i].host) != rows[i].want)
			fail_msg("%s for %s", rows[i].pattern, rows[i].host);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_NEW_1_record),
		cmocka_unit_test(test_NEW_1_policy),
		cmocka_unit_test(test_FAULTS_34_bad_policy),
		cmocka_unit_test(test_FAULTS_34_ceilings),
		cmocka_unit_test(test_NEW_1_wildcard_is_one_label),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
