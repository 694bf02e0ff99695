#include "ctl/tlsrpt_send.h"

#include "base/must.h"
#include "ctl/tlsrpt_gzip.h"
#include "ctl/tlsrpt_submit.h"
#include "mail/mail_tlsrpt.h"
#include "policy/policy_name.h"
#include "route/route_fetch.h"
#include "route/route_packet.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TXT_MOST 8192
#define PACKED_MOST (8 * 1024 * 1024)
#define MESSAGE_MOST (PACKED_MOST / 2 * 3)
#define ANSWER_MOST (64 * 1024)
#define POST_MS 60000

struct tlsrpt_send {
	struct tlsrpt_send_options o;
	struct loop *loop;
	struct route_dns *dns;
	struct route_fetcher *fetcher;
	/* Of the report that is being sent: */
	struct buf packed;
	enum route_dns_end end;
	bool wanted;
	struct policy_tlsrpt record;
	char trouble[WHY_MOST];
	bool posted;
};

struct tlsrpt_send *tlsrpt_send_new(const struct tlsrpt_send_options *o, struct why *why)
{
	struct tlsrpt_send *s = mem_new(sizeof(*s));

	s->o = *o;
	s->loop = loop_new();
	buf_init(&s->packed, PACKED_MOST);
	s->dns = route_dns_new(s->loop, &o->conf->route, why);
	if (s->dns != NULL)
		s->fetcher = route_fetcher_new(s->loop, s->dns, &o->conf->route, why);
	if (s->fetcher != NULL)
		return s;
	tlsrpt_send_free(s);
	return NULL;
}

void tlsrpt_send_free(struct tlsrpt_send *s)
{
	if (s == NULL)
		return;
	route_fetcher_free(s->fetcher);
	route_dns_free(s->dns);
	loop_free(s->loop);
	buf_free(&s->packed);
	free(s);
}

bool tlsrpt_send_record(const struct route_dns_answer *a, struct policy_tlsrpt *record, const char **trouble)
{
	struct span version = SPAN("v=TLSRPTv1;");
	unsigned count = 0;
	bool fine = false;

	*trouble = "";
	for (unsigned i = 0; a->end == ROUTE_DNS_FOUND && i < a->count; i++) {
		char text[TXT_MOST];
		size_t len = route_packet_txt(a->records[i].data, text, sizeof(text));

		if (!span_eq(span_first(span_of(text, len), version.len), version))
			continue;
		count++;
		fine = len < sizeof(text) && policy_tlsrpt_read(span_of(text, len), record);
	}
	if (count > 1)
		*trouble = "there is more than one TXT record for reports";
	else if (count == 1 && !fine)
		*trouble = "the TXT record for reports is malformed";
	return count == 1 && fine;
}

static void on_txt(void *arg, const struct route_dns_answer *a)
{
	struct tlsrpt_send *s = arg;
	const char *trouble = a->trouble;

	s->end = a->end;
	s->wanted = a->end != ROUTE_DNS_FAILED && tlsrpt_send_record(a, &s->record, &trouble);
	snprintf(s->trouble, sizeof(s->trouble), "%s", trouble);
	loop_stop(s->loop);
}

static void on_posted(void *arg, const struct route_fetch_answer *a)
{
	struct tlsrpt_send *s = arg;

	s->posted = a->got && a->status / 100 == 2;
	if (!a->got)
		snprintf(s->trouble, sizeof(s->trouble), "%s", a->why.text);
	else
		snprintf(s->trouble, sizeof(s->trouble), "HTTP status %d", a->status);
	loop_stop(s->loop);
}

static bool post(struct tlsrpt_send *s, const char *uri)
{
	struct route_fetch_ask ask = {
		.url = uri, .post = true, .body = buf_peek(&s->packed), .content_type = "application/tlsrpt+gzip",
		.most = ANSWER_MOST, .patience = POST_MS,
	};

	route_fetch(s->fetcher, &ask, on_posted, s);
	loop_run(s->loop, NULL, NULL);
	return s->posted;
}

/* A message of its own each time, but the same report. */
static bool write_message(struct tlsrpt_send *s, const struct tlsrpt_report *report, const char *to, struct buf *out)
{
	char id[64 + sizeof(report->id)], words[1024], day[16];
	struct mail_tlsrpt m = {
		.from = s->o.from, .to = to, .domain = report->domain, .submitter = s->o.author.submitter,
		.report_id = report->id, .message_id = id, .filename = report->filename, .words = words,
		.now = (int64_t)time(NULL), .gzip = buf_peek(&s->packed),
	};
	uint64_t good, bad;

	tlsrpt_report_sum(report, &good, &bad);
	tlsrpt_report_day(report->day, day);
	snprintf(id, sizeof(id), "%" PRIx64 ".%" PRIx64 ".%s", (uint64_t)m.now, (uint64_t)clock_now(), report->id);
	snprintf(words, sizeof(words), "This is the TLS report of %s about\r\n%s\r\nfor %s (UTC): %" PRIu64
		 " sessions went well, %" PRIu64 " failed.\r\n", s->o.author.submitter, report->domain, day, good, bad);
	return mail_tlsrpt_write(&m, out);
}

static bool mail(struct tlsrpt_send *s, const struct tlsrpt_report *report, const char *to)
{
	struct tlsrpt_submit submit = {
		.server = s->o.conf->route.tlsrpt_submit, .hostname = s->o.conf->hostname, .from = s->o.from, .to = to,
	};
	struct why why = { 0 };
	struct buf message;
	bool sent = false;

	buf_init(&message, MESSAGE_MOST);
	if (!write_message(s, report, to, &message)) {
		why_set(&why, FAULT_SYSTEM, "the report is too long");
	} else {
		submit.message = buf_peek(&message);
		sent = tlsrpt_submit(&submit, &why);
	}
	buf_free(&message);
	snprintf(s->trouble, sizeof(s->trouble), "%s", why.text);
	return sent;
}

static bool deliver(struct tlsrpt_send *s, const struct tlsrpt_report *report, const char *uri)
{
	char mailbox[POLICY_TLSRPT_URI_MOST + 1];

	if (span_starts_nocase(span_str(uri), SPAN("https:")))
		return post(s, uri);
	if (policy_tlsrpt_mailbox(uri, mailbox))
		return mail(s, report, mailbox);
	snprintf(s->trouble, sizeof(s->trouble), "it is no mail address that can be written to");
	return false;
}

static bool is_mail(const char *uri)
{
	return span_starts_nocase(span_str(uri), SPAN("mailto:"));
}

static bool send_to(struct tlsrpt_send *s, const struct tlsrpt_report *report, const char *uri)
{
	const char *note = NULL;

	if (!s->o.again && store_route_was_sent(s->o.store, report->day, report->domain, uri))
		note = "was sent before";
	else if (is_mail(uri) && s->o.conf->route.tlsrpt_submit == NULL)
		note = "not sent: route.tlsrpt_submit is not set";
	else if (s->o.dry_run)
		note = "would be sent";
	if (note != NULL) {
		printf("%s: %s: %s\n", report->domain, uri, note);
		return true;
	}
	if (!deliver(s, report, uri)) {
		fprintf(stderr, "%s: %s: failed: %s\n", report->domain, uri, s->trouble);
		return false;
	}
	printf("%s: %s: sent\n", report->domain, uri);
	if (store_route_sent(s->o.store, report->day, report->domain, uri))
		return true;
	fprintf(stderr, "%s: %s: that it was sent can't be remembered\n", report->domain, uri);
	return false;
}

static bool pack(struct tlsrpt_send *s, const struct tlsrpt_report *report)
{
	char *text = tlsrpt_report_text(report, false);
	bool fits;

	buf_free(&s->packed);
	fits = tlsrpt_gzip_pack(span_str(text), &s->packed);
	free(text);
	if (!fits)
		fprintf(stderr, "%s: the report is too long\n", report->domain);
	return fits;
}

/* False where there is none. */
static bool find_record(struct tlsrpt_send *s, const char *domain)
{
	char name[POLICY_NAME_MOST + 16];

	s->end = ROUTE_DNS_NXDOMAIN;
	s->wanted = false;
	s->trouble[0] = '\0';
	snprintf(name, sizeof(name), "_smtp._tls.%s", domain);
	if (!policy_name_ok(span_str(name)))
		return false;
	(void)route_dns_ask(s->dns, name, ROUTE_DNS_TXT, s->o.conf->route.timeout, on_txt, s);
	loop_run(s->loop, NULL, NULL);
	return s->wanted;
}

bool tlsrpt_send_report(struct tlsrpt_send *s, const struct tlsrpt_report *report)
{
	bool good = true;

	if (!find_record(s, report->domain)) {
		if (s->end == ROUTE_DNS_FAILED)
			fprintf(stderr, "%s: DNS failed: %s\n", report->domain, s->trouble);
		else
			printf("%s: no report wanted%s%s\n", report->domain, s->trouble[0] != '\0' ? ": " : "", s->trouble);
		return s->end != ROUTE_DNS_FAILED;
	}
	if (!pack(s, report))
		return false;
	for (unsigned i = 0; i < s->record.uri_count; i++)
		good &= send_to(s, report, s->record.uri[i]);
	return good;
}
