#include "mail/mail_trace.h"

#include "base/must.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define HELO_MOST 255

/* What can stand in a domain or in an address literal. All else, a blank, a bracket of a
 * comment or a ';' among it, could end the word it stands in. */
static bool is_host_char(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr("-._:[]", c) != NULL);
}

static void host_word(char word[HELO_MOST + 1], struct span said)
{
	struct span shown = said.len > 0 ? span_first(said, HELO_MOST) : SPAN("unknown");

	for (size_t i = 0; i < shown.len; i++)
		word[i] = is_host_char(shown.at[i]) ? shown.at[i] : '?';
	word[shown.len] = '\0';
}

/* RFC 5322 section 3.3. */
static void date_text(char *text, size_t size, int64_t when)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t seconds = (time_t)when;
	struct tm tm = { .tm_mday = 1 };

	gmtime_r(&seconds, &tm);
	snprintf(text, size, "%.3s, %d %.3s %d %02d:%02d:%02d +0000", days + 3 * tm.tm_wday,
		 tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
		 tm.tm_sec);
}

bool mail_received_put(struct buf *out, const struct mail_received *r)
{
	bool six = strchr(r->client, ':') != NULL;
	char helo[HELO_MOST + 1], date[64], text[MAIL_RECEIVED_MOST + 1];
	int len;

	host_word(helo, r->helo);
	date_text(date, sizeof(date), r->when);
	len = snprintf(text, sizeof(text),
		       "Received: from %s ([%s%s])\r\n"
		       "\tby %s with %s id %s%s%s%s;\r\n"
		       "\t%s\r\n",
		       helo, six ? "IPv6:" : "", r->client, r->hostname, r->with, r->id,
		       r->tls != NULL ? "\r\n\t(" : "", r->tls != NULL ? r->tls : "",
		       r->tls != NULL ? ")" : "", date);
	must(len >= 0 && (size_t)len < sizeof(text));
	return buf_put(out, span_of(text, (size_t)len));
}

void mail_trace_init(struct mail_trace *t)
{
	*t = (struct mail_trace){ .line_start = true };
}

/* A name that is longer than the buffer is none that we look for. */
static void see_name(struct mail_trace *t, char c)
{
	struct span name = span_trim(span_of(t->name, t->name_len));

	if (c != ':') {
		t->in_name = t->name_len < sizeof(t->name);
		if (t->in_name)
			t->name[t->name_len++] = c;
		return;
	}
	t->in_name = false;
	/* A blank before the colon is obsolete syntax (RFC 5322 section 4.5), and still a field. */
	t->received += span_eq_nocase(name, SPAN("Received"));
	t->in_id = t->id_len == 0 && span_eq_nocase(name, SPAN("Message-ID"));
}

static void see_id(struct mail_trace *t, char c)
{
	bool blank = c == ' ' || c == '\t';

	if (blank && t->id_len > 0)
		t->in_id = false;
	else if (!blank && c != '\0' && t->id_len < MAIL_TRACE_ID_MOST)
		t->id[t->id_len++] = c;
}

/* The first octet of a line: the end of the header section, a folded line, or a new field. */
static void begin_line(struct mail_trace *t, char c)
{
	bool folded = c == ' ' || c == '\t';

	t->line_start = false;
	if (c == '\r') {
		t->body = true;
	} else if (!folded) {
		t->in_id = false;
		t->in_name = true;
		t->name_len = 0;
	}
}

static void see(struct mail_trace *t, char c)
{
	if (t->line_start)
		begin_line(t, c);
	if (t->in_name)
		see_name(t, c);
	else if (t->in_id && c != '\r')
		see_id(t, c);
}

void mail_trace_see(struct mail_trace *t, struct span content)
{
	while (content.len > 0 && !t->body) {
		char c = content.at[0];

		if (c == '\n') {
			t->in_name = false;
			t->line_start = true;
		} else if (t->line_start || t->in_name || t->in_id) {
			see(t, c);
		} else {
			content = span_from(content, span_find(content, '\n'));
			continue;
		}
		content = span_from(content, 1);
	}
}
