#include "mail/mail_trace.h"

#include "base/must.h"
#include "base/text.h"
#include "mail/mail_date.h"

#include <string.h>

#define HELO_MOST 255

/* What can stand in a domain or in an address literal. All else, a blank, a bracket of a
 * comment or a ';' among it, could end the word it stands in. */
static bool is_host_char(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr("-._:[]", c) != NULL);
}

static void put_host(struct text *t, struct span said)
{
	struct span shown = said.len > 0 ? span_first(said, HELO_MOST) : SPAN("unknown");
	char word[HELO_MOST];

	for (size_t i = 0; i < shown.len; i++)
		word[i] = is_host_char(shown.at[i]) ? shown.at[i] : '?';
	text_put(t, span_of(word, shown.len));
}

bool mail_received_put(struct buf *out, const struct mail_received *r)
{
	char mem[MAIL_RECEIVED_MOST + 1];
	struct text t;

	text_begin(&t, mem, sizeof(mem));
	text_put(&t, SPAN("Received: from "));
	put_host(&t, r->helo);
	text_add(&t, strchr(r->client, ':') != NULL ? " ([IPv6:" : " ([");
	text_add(&t, r->client);
	text_put(&t, SPAN("])\r\n\tby "));
	text_add(&t, r->hostname);
	text_put(&t, SPAN(" with "));
	text_add(&t, r->with);
	text_put(&t, SPAN(" id "));
	text_add(&t, r->id);
	if (r->tls != NULL) {
		text_put(&t, SPAN("\r\n\t("));
		text_add(&t, r->tls);
		text_put(&t, SPAN(")"));
	}
	text_put(&t, SPAN(";\r\n\t"));
	mail_date_put(&t, r->when);
	text_put(&t, SPAN("\r\n"));
	return buf_put(out, span_of(mem, t.len));
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
	t->in_tls = span_eq_nocase(name, SPAN("TLS-Required"));
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
		t->in_tls = false;
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
	else if (t->in_tls && c > ' ' && t->tls_len < sizeof(t->tls))
		t->tls[t->tls_len++] = c;
}

bool mail_trace_wants_no_tls(const struct mail_trace *t)
{
	return span_eq_nocase(span_of(t->tls, t->tls_len), SPAN("No"));
}

void mail_trace_see(struct mail_trace *t, struct span content)
{
	while (content.len > 0 && !t->body) {
		char c = content.at[0];

		if (c == '\n') {
			t->in_name = false;
			t->line_start = true;
		} else if (t->line_start || t->in_name || t->in_id || t->in_tls) {
			see(t, c);
		} else {
			content = span_from(content, span_find(content, '\n'));
			continue;
		}
		content = span_from(content, 1);
	}
}
