#include "conf/conf_date.h"

#include "base/must.h"

#include <time.h>

#define DAY 86400

/* "dddd-dd-dd": a digit for each `d`, the other characters as they are. */
static bool looks_like(struct span text, const char *form)
{
	for (size_t i = 0; form[i] != '\0'; i++) {
		if (i >= text.len)
			return false;
		if (form[i] == 'd' ? !ascii_is_digit(text.at[i]) : ascii_lower(text.at[i]) != form[i])
			return false;
	}
	return true;
}

static int number(struct span text, size_t at, size_t len)
{
	int n = 0;

	for (size_t i = at; i < at + len; i++)
		n = 10 * n + (text.at[i] - '0');
	return n;
}

static bool no(struct why *why, const char *text)
{
	why_set(why, FAULT_POLICY, "%s", text);
	return false;
}

/* timegm makes 2 March of 30 February; then what comes back is another day. */
static bool read_day(struct span text, int64_t *day, struct why *why)
{
	struct tm tm = {
		.tm_year = number(text, 0, 4) - 1900, .tm_mon = number(text, 5, 2) - 1, .tm_mday = number(text, 8, 2),
	};
	const struct tm asked = tm;

	if (asked.tm_year < 70)
		return no(why, "the year has to be from 1970 on");
	*day = timegm(&tm);
	return (tm.tm_mon == asked.tm_mon && tm.tm_mday == asked.tm_mday) || no(why, "there is no such day");
}

/* "Z", "+01:00", "-05:30": seconds to take off. */
static bool read_zone(struct span text, int64_t *off)
{
	int h, m;

	*off = 0;
	if (text.len == 1)
		return ascii_lower(text.at[0]) == 'z';
	if (text.len != 6 || (text.at[0] != '+' && text.at[0] != '-') || !looks_like(span_from(text, 1), "dd:dd"))
		return false;
	h = number(text, 1, 2);
	m = number(text, 4, 2);
	*off = (text.at[0] == '+' ? 1 : -1) * (h * 3600 + m * 60);
	return h < 24 && m < 60;
}

bool conf_date_read(struct span text, int64_t *at, struct why *why)
{
	int64_t off;
	int h, m, s;

	if (!looks_like(text, "dddd-dd-dd"))
		return no(why, "it is no date");
	if (!read_day(text, at, why))
		return false;
	if (text.len == 10) {
		*at += DAY - 1;
		return true;
	}
	text = span_from(text, 10);
	if (!looks_like(text, "tdd:dd:dd") || !read_zone(span_from(text, 9), &off))
		return no(why, "behind the day there has to be a time with its zone such as T18:00:00Z or T18:00:00+01:00");
	h = number(text, 1, 2);
	m = number(text, 4, 2);
	s = number(text, 7, 2);
	if (h > 23 || m > 59 || s > 59)
		return no(why, "there is no such time");
	*at += h * 3600 + m * 60 + s - off;
	/* The offset may lead out of the years that can be printed, and 0 means never. */
	return (*at > 0 && *at < INT64_C(253402300800)) || no(why, "there is no such time");
}

void conf_date_print(int64_t at, char text[CONF_DATE_MOST])
{
	time_t seconds = (time_t)at;
	struct tm tm;

	must(gmtime_r(&seconds, &tm) != NULL);
	must(tm.tm_year >= 70 && tm.tm_year <= 9999 - 1900);
	must(strftime(text, CONF_DATE_MOST, at % DAY == DAY - 1 ? "%Y-%m-%d" : "%Y-%m-%dT%H:%M:%SZ", &tm) > 0);
}
