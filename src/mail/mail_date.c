#include "mail/mail_date.h"

#include <time.h>

void mail_date_put(struct text *t, int64_t when)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t seconds = (time_t)when;
	struct tm tm = { .tm_mday = 1 };

	gmtime_r(&seconds, &tm);
	text_put(t, span_of(days + 3 * tm.tm_wday, 3));
	text_put(t, SPAN(", "));
	text_number(t, tm.tm_mday);
	text_put(t, SPAN(" "));
	text_put(t, span_of(months + 3 * tm.tm_mon, 3));
	text_put(t, SPAN(" "));
	text_number(t, tm.tm_year + 1900);
	text_put(t, SPAN(" "));
	text_digits(t, (unsigned)tm.tm_hour, 2);
	text_put(t, SPAN(":"));
	text_digits(t, (unsigned)tm.tm_min, 2);
	text_put(t, SPAN(":"));
	text_digits(t, (unsigned)tm.tm_sec, 2);
	text_put(t, SPAN(" +0000"));
}

/* --- reading --- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_alpha(char c)
{
	return ascii_is_alnum(c) && !ascii_is_digit(c);
}

static struct span skip_blanks(struct span s)
{
	while (s.len > 0 && is_blank(s.at[0]))
		s = span_from(s, 1);
	return s;
}

/* Up to the next blank, or the bracket of a comment; empty at the end. */
static struct span take_word(struct span *rest)
{
	struct span s = skip_blanks(*rest);
	size_t len = 0;

	while (len < s.len && !is_blank(s.at[len]) && s.at[len] != '(')
		len++;
	*rest = span_from(s, len);
	return span_first(s, len);
}

static struct span skip_day_name(struct span s)
{
	s = skip_blanks(s);
	if (s.len == 0 || !is_alpha(s.at[0]))
		return s;
	while (s.len > 0 && is_alpha(s.at[0]))
		s = span_from(s, 1);
	s = skip_blanks(s);
	return s.len > 0 && s.at[0] == ',' ? span_from(s, 1) : s;
}

static bool read_number(struct span s, int least, int most, int *out)
{
	uint64_t n;

	if (s.len > 4 || !span_number(s, (uint64_t)most, &n) || (int)n < least)
		return false;
	*out = (int)n;
	return true;
}

static bool read_month(struct span s, int *month)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (*month = 0; *month < 12; ++*month) {
		if (span_eq_nocase(s, span_of(names + 3 * *month, 3)))
			return true;
	}
	return false;
}

/* Two and three digits are years of the last century, or of this one. */
static bool read_year(struct span s, int *year)
{
	if (!read_number(s, 0, 9999, year))
		return false;
	if (s.len == 2)
		*year += *year < 50 ? 2000 : 1900;
	else if (s.len == 3)
		*year += 1900;
	return *year >= 1970;
}

static bool read_time(struct span s, struct tm *tm)
{
	struct span hour = span_cut(&s, ':'), minute = span_cut(&s, ':');

	tm->tm_sec = 0;
	return read_number(hour, 0, 23, &tm->tm_hour) && read_number(minute, 0, 59, &tm->tm_min) &&
	       (s.len == 0 || read_number(s, 0, 60, &tm->tm_sec));
}

static int named_zone(struct span s)
{
	static const struct {
		const char *name;
		int hours;
	} zones[] = {
		{ "EST", -5 }, { "EDT", -4 }, { "CST", -6 }, { "CDT", -5 },
		{ "MST", -7 }, { "MDT", -6 }, { "PST", -8 }, { "PDT", -7 },
	};

	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		if (span_eq_nocase(s, span_str(zones[i].name)))
			return zones[i].hours * 3600;
	}
	return 0;
}

/* Seconds east of Greenwich. */
static bool read_zone(struct span s, int *east)
{
	int number;

	*east = named_zone(s);
	if (s.len == 0 || (s.at[0] != '+' && s.at[0] != '-'))
		return true;
	if (s.len != 5 || !read_number(span_from(s, 1), 0, 9999, &number) || number % 100 > 59)
		return false;
	*east = (number / 100 * 3600 + number % 100 * 60) * (s.at[0] == '-' ? -1 : 1);
	return true;
}

bool mail_date_read(struct span text, int64_t *when)
{
	struct span rest = skip_day_name(text);
	struct tm tm = { 0 };
	int year, east;

	if (!read_number(take_word(&rest), 1, 31, &tm.tm_mday) || !read_month(take_word(&rest), &tm.tm_mon) ||
	    !read_year(take_word(&rest), &year) || !read_time(take_word(&rest), &tm) ||
	    !read_zone(take_word(&rest), &east))
		return false;
	tm.tm_year = year - 1900;
	*when = (int64_t)timegm(&tm) - east;
	return true;
}
