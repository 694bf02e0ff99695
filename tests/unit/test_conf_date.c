#include "conf/conf_date.h"
#include "unit.h"

static const struct {
	const char *name, *text;
	int64_t at; /* -1: none */
	const char *print; /* NULL: as it was written */
} rows[] = {
	{ "a day to its end",           "2026-12-20", 1797811199, NULL },
	{ "a moment",                   "2026-12-20T18:00:00Z", 1797789600, NULL },
	{ "its zone",                   "2026-12-20T18:00:00+01:00", 1797786000, "2026-12-20T17:00:00Z" },
	{ "a zone to the west",         "2026-12-20t18:00:00-05:30", 1797809400, "2026-12-20T23:30:00Z" },
	{ "the last second of a day",   "2026-12-20T23:59:59z", 1797811199, "2026-12-20" },
	{ "a leap day",                 "2028-02-29", 1835481599, NULL },
	{ "the first that there is",    "1970-01-01", 86399, NULL },
	{ "the last",                   "9999-12-31", 253402300799, NULL },
	{ "never",                      "1970-01-01T00:00:00Z", -1, NULL },
	{ "no leap year",               "2027-02-29", -1, NULL },
	{ "no such month",              "2026-13-01", -1, NULL },
	{ "no such day",                "2026-04-31", -1, NULL },
	{ "day zero",                   "2026-04-00", -1, NULL },
	{ "before",                     "1969-12-31", -1, NULL },
	{ "before, by the zone",        "1970-01-01T00:30:00+01:00", -1, NULL },
	{ "behind the last, by it",     "9999-12-31T23:59:59-01:00", -1, NULL },
	{ "a time without a zone",      "2026-12-20T18:00:00", -1, NULL },
	{ "a time without seconds",     "2026-12-20T18:00Z", -1, NULL },
	{ "hour 24",                    "2026-12-20T24:00:00Z", -1, NULL },
	{ "second 60",                  "2026-12-20T23:59:60Z", -1, NULL },
	{ "zone 24",                    "2026-12-20T18:00:00+24:00", -1, NULL },
	{ "a blank",                    "2026-12-20 18:00:00Z", -1, NULL },
	{ "something behind it",        "2026-12-20x", -1, NULL },
	{ "something behind the zone",  "2026-12-20T18:00:00Zx", -1, NULL },
	{ "another order",              "20.12.2026", -1, NULL },
	{ "too short",                  "2026-12-2", -1, NULL },
	{ "nothing",                    "", -1, NULL },
};

static void test_conf_date(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char text[CONF_DATE_MOST];
		int64_t at = -1;
		struct why why;
		bool good = conf_date_read(span_str(rows[i].text), &at, &why);

		want_number(rows[i].name, "good", good, rows[i].at >= 0);
		if (!good)
			continue;
		if (at != rows[i].at)
			fail_msg("%s: %lld", rows[i].name, (long long)at);
		conf_date_print(at, text);
		want_text(rows[i].name, span_str(text), span_str(rows[i].print != NULL ? rows[i].print : rows[i].text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conf_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
