#include "mail/mail_tlsrpt.h"

#include "base/base64.h"
#include "base/must.h"
#include "mail/mail_date.h"

#include <string.h>

/* Neither a line of base64 nor one of ours begins like this. */
#define BOUNDARY "=_sallyport_tlsrpt"

static void check_word(const char *word)
{
	size_t len = strlen(word);

	must(len > 0 && len <= MAIL_TLSRPT_WORD_MOST);
	for (size_t i = 0; i < len; i++)
		must(word[i] > ' ' && word[i] <= '~');
}

static void check(const struct mail_tlsrpt *m)
{
	const char *const words[] = { m->domain, m->submitter, m->report_id, m->message_id, m->filename };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		check_word(words[i]);
	/* A quoted local part may hold a blank. */
	must(strlen(m->from) <= MAIL_TLSRPT_WORD_MOST && strlen(m->to) <= MAIL_TLSRPT_WORD_MOST);
	must(strpbrk(m->from, "\r\n") == NULL && strpbrk(m->to, "\r\n") == NULL);
}

/* "TLS-Required: No" (RFC 8689): a report is delivered whatever is wrong with the TLS it reports on (section 3), and this
 * is how other servers on the way are told. */
static bool put_header(const struct mail_tlsrpt *m, struct buf *out)
{
	char date[64];
	struct text t;

	text_begin(&t, date, sizeof(date));
	mail_date_put(&t, m->now);
	return buf_printf(out, "From: <%s>\r\nTo: <%s>\r\nDate: %s\r\nMessage-ID: <%s>\r\n", m->from, m->to, date, m->message_id) &&
	       buf_printf(out, "Subject: Report Domain: %s\r\n Submitter: %s\r\n Report-ID: <%s>\r\n",
			  m->domain, m->submitter, m->report_id) &&
	       buf_printf(out, "TLS-Report-Domain: %s\r\nTLS-Report-Submitter: %s\r\nTLS-Required: No\r\n"
			  "Auto-Submitted: auto-generated\r\n", m->domain, m->submitter) &&
	       buf_printf(out, "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
			  " boundary=\"" BOUNDARY "\"\r\n\r\n");
}

bool mail_tlsrpt_write(const struct mail_tlsrpt *m, struct buf *out)
{
	check(m);
	return put_header(m, out) &&
	       buf_printf(out, "--" BOUNDARY "\r\nContent-Type: text/plain; charset=\"us-ascii\"\r\n"
			  "Content-Transfer-Encoding: 7bit\r\n\r\n%s\r\n", m->words) &&
	       buf_printf(out, "--" BOUNDARY "\r\nContent-Type: application/tlsrpt+gzip\r\n"
			  "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n filename=\"%s\"\r\n\r\n",
			  m->filename) &&
	       base64_put_lines(out, m->gzip) && buf_printf(out, "--" BOUNDARY "--\r\n");
}
