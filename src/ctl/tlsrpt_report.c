#include "ctl/tlsrpt_report.h"

#include "base/must.h"
#include "ctl/ctl_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY 86400

static struct tm tm_of(int64_t at)
{
	time_t seconds = (time_t)at;
	struct tm tm;

	must(gmtime_r(&seconds, &tm) != NULL);
	return tm;
}

void tlsrpt_report_day(int64_t day, char text[16])
{
	struct tm tm = tm_of(day * DAY);

	must(strftime(text, 16, "%Y-%m-%d", &tm) > 0);
}

/* Whoever gets it twice knows it by its id; so nothing in it depends on when it is made. */
void tlsrpt_report_init(struct tlsrpt_report *r, const struct tlsrpt_author *author, int64_t day, const char *domain)
{
	int64_t begin = day * DAY, end = begin + DAY - 1;
	char from[CTL_JSON_DATE_MOST], to[CTL_JSON_DATE_MOST], date[16];
	struct tm tm = tm_of(begin);

	*r = (struct tlsrpt_report){ .day = day };
	snprintf(r->domain, sizeof(r->domain), "%s", domain);
	must(strftime(date, sizeof(date), "%Y%m%d", &tm) > 0);
	snprintf(r->id, sizeof(r->id), "%s.%s@%s", date, domain, author->hostname);
	snprintf(r->filename, sizeof(r->filename), "%s!%s!%" PRId64 "!%" PRId64 ".json.gz", author->submitter, domain,
		 begin, end);
	r->document = ctl_json_made(json_pack("{s:s, s:{s:s, s:s}, s:s, s:s, s:[]}",
		"organization-name", author->organization,
		"date-range", "start-datetime", ctl_json_date(begin, from), "end-datetime", ctl_json_date(end, to),
		"contact-info", author->contact, "report-id", r->id, "policies"));
}

void tlsrpt_report_free(struct tlsrpt_report *r)
{
	json_decref(r->document);
	*r = (struct tlsrpt_report){ 0 };
}

static const char *type_of(enum policy_result_policy policy)
{
	switch (policy) {
	case POLICY_RESULT_STS:
		return "sts";
	case POLICY_RESULT_TLSA:
		return "tlsa";
	case POLICY_RESULT_NO_POLICY:
	case POLICY_RESULT_POLICY_MOST:
		break;
	}
	return "no-policy-found";
}

static bool is(json_t *object, const char *key, const char *text)
{
	return strcmp(json_string_value(json_object_get(object, key)), text) == 0;
}

static json_t *find_policy(json_t *policies, const char *type, const char *domain)
{
	for (size_t i = 0; i < json_array_size(policies); i++) {
		json_t *policy = json_object_get(json_array_get(policies, i), "policy");

		if (is(policy, "policy-type", type) && is(policy, "policy-domain", domain))
			return json_array_get(policies, i);
	}
	return NULL;
}

/* The lines as they are; of MTA-STS its patterns as well (section 4.4, and erratum 5889: an array). */
static void put_policy_text(json_t *policy, struct span text, bool sts)
{
	json_t *lines = ctl_json_made(json_array()), *hosts = ctl_json_made(json_array());
	struct span mx = SPAN("mx:");

	while (text.len > 0) {
		struct span line = span_cut(&text, '\n'), host = span_trim(span_from(line, mx.len));

		ctl_json_add(lines, json_stringn(line.at, line.len));
		if (sts && span_eq(span_first(line, mx.len), mx))
			ctl_json_add(hosts, json_stringn(host.at, host.len));
	}
	ctl_json_set(policy, "policy-string", lines);
	if (json_array_size(hosts) > 0)
		ctl_json_set(policy, "mx-host", hosts);
	else
		json_decref(hosts);
}

static json_t *policy_of(struct tlsrpt_report *r, const struct policy_result *result, const struct store_policy *p)
{
	json_t *policies = json_object_get(r->document, "policies"), *policy, *all;
	const char *type = type_of(result->policy), *domain = r->domain;

	/* Of DANE it is where the records are (section 1.1: the TLSA base domain). */
	if (p != NULL)
		domain = p->domain;
	else if (result->policy == POLICY_RESULT_TLSA && result->host[0] != '\0')
		domain = result->host;
	all = find_policy(policies, type, domain);
	if (all != NULL)
		return all;
	policy = ctl_json_made(json_pack("{s:s}", "policy-type", type));
	if (p != NULL)
		put_policy_text(policy, span_of(p->text, p->len), result->policy == POLICY_RESULT_STS);
	ctl_json_set(policy, "policy-domain", json_string(domain));
	all = ctl_json_made(json_pack("{s:o, s:{s:i, s:i}}", "policy", policy,
		"summary", "total-successful-session-count", 0, "total-failure-session-count", 0));
	ctl_json_add(policies, all);
	return all;
}

static void add_count(json_t *all, const char *key, uint64_t count)
{
	json_t *number = json_object_get(json_object_get(all, "summary"), key);

	must(json_integer_set(number, json_integer_value(number) + (json_int_t)count) == 0);
}

static void set_text(json_t *object, const char *key, const char *text)
{
	if (text[0] != '\0')
		ctl_json_set(object, key, json_string(text));
}

static void add_failure(json_t *all, const struct policy_result *r, uint64_t count)
{
	json_t *details = json_object_get(all, "failure-details");
	json_t *one = ctl_json_made(json_pack("{s:s}", "result-type", policy_result_name(r->type)));

	if (details == NULL) {
		details = ctl_json_made(json_array());
		ctl_json_set(all, "failure-details", details);
	}
	set_text(one, "sending-mta-ip", r->own_address);
	set_text(one, "receiving-mx-hostname", r->host);
	set_text(one, "receiving-ip", r->address);
	ctl_json_set(one, "failed-session-count", json_integer((json_int_t)count));
	set_text(one, "failure-reason-code", r->reason);
	ctl_json_add(details, one);
}

void tlsrpt_report_add(struct tlsrpt_report *r, const struct store_tlsrpt *row, const struct store_policy *policy)
{
	json_t *all = policy_of(r, &row->result, policy);

	if (row->result.type == POLICY_RESULT_SUCCESS) {
		add_count(all, "total-successful-session-count", row->count);
		return;
	}
	add_count(all, "total-failure-session-count", row->count);
	add_failure(all, &row->result, row->count);
}

static uint64_t count_in(json_t *all, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(json_object_get(all, "summary"), key));
}

void tlsrpt_report_sum(const struct tlsrpt_report *r, uint64_t *good, uint64_t *bad)
{
	json_t *policies = json_object_get(r->document, "policies");

	*good = *bad = 0;
	for (size_t i = 0; i < json_array_size(policies); i++) {
		*good += count_in(json_array_get(policies, i), "total-successful-session-count");
		*bad += count_in(json_array_get(policies, i), "total-failure-session-count");
	}
}

char *tlsrpt_report_text(const struct tlsrpt_report *r, bool pretty)
{
	char *text = json_dumps(r->document, pretty ? JSON_INDENT(2) : JSON_COMPACT);

	must(text != NULL);
	return text;
}
