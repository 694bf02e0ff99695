#include "route/route_report.h"

#include "route/route_sts.h"

#include <stdio.h>
#include <string.h>

#define DAY 86400
#define DIGITS "0123456789abcdef"

/* Room for a line of it is there, or it is left out. */
static bool put_line(struct store_policy *p, struct span line)
{
	if (line.len >= sizeof(p->text) - p->len)
		return false;
	memcpy(p->text + p->len, line.at, line.len);
	p->len += line.len;
	p->text[p->len++] = '\n';
	return true;
}

static bool is_printable(struct span line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (line.at[i] < ' ' || line.at[i] > '~')
			return false;
	}
	return line.len > 0;
}

/* As it was served: RFC 8460 section 4.5 has the fields of the policy, a string each. */
static void put_sts(struct store_policy *p, struct span body)
{
	bool room = true;

	while (room && body.len > 0) {
		struct span line = span_cut(&body, '\n');

		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		if (is_printable(line))
			room = put_line(p, line);
	}
}

/* "3 1 1 0123...": RFC 6698 section 2.2. */
static void put_tlsa(struct store_policy *p, const struct evidence_host *h)
{
	bool room = true;

	for (unsigned i = 0; room && i < h->tlsa_count; i++) {
		const struct tls_tlsa *t = &h->tlsa[i];
		char line[16 + 2 * EVIDENCE_TLSA_DATA];
		size_t len = (size_t)snprintf(line, sizeof(line), "%u %u %u ", t->usage, t->selector, t->matching);

		for (unsigned octet = 0; octet < t->len; octet++) {
			line[len++] = DIGITS[t->data[octet] >> 4];
			line[len++] = DIGITS[t->data[octet] & 15];
		}
		room = put_line(p, span_of(line, len));
	}
}

static const struct evidence_host *find_host(const struct policy_evidence *e, const char *name)
{
	for (unsigned i = 0; i < e->host_count; i++) {
		if (strcmp(e->hosts[i].name, name) == 0)
			return &e->hosts[i];
	}
	return NULL;
}

bool route_report_policy(const struct policy_evidence *found, const struct policy_result *result, struct span body,
			 struct store_policy *p)
{
	const struct evidence_host *host = NULL;

	*p = (struct store_policy){ 0 };
	switch (result->policy) {
	case POLICY_RESULT_STS:
		memcpy(p->domain, result->domain, sizeof(p->domain));
		put_sts(p, body);
		return p->len > 0;
	case POLICY_RESULT_TLSA:
		host = found != NULL ? find_host(found, result->host) : NULL;
		if (host == NULL || host->tlsa_count == 0)
			return false;
		memcpy(p->domain, host->tlsa_base[0] != '\0' ? host->tlsa_base : host->name, sizeof(p->domain));
		put_tlsa(p, host);
		return true;
	case POLICY_RESULT_NO_POLICY:
	case POLICY_RESULT_POLICY_MOST:
		break;
	}
	return false;
}

static void keep_policy(struct store_route *store, const struct policy_evidence *found, const struct policy_result *result,
			int64_t day)
{
	struct store_sts sts = { .body = SPAN("") };
	struct store_policy p;

	if (result->policy == POLICY_RESULT_NO_POLICY || store_route_policy_get(store, day, result, &p))
		return;
	if (result->policy == POLICY_RESULT_STS && !store_route_sts_get(store, result->domain, &sts))
		return;
	if (route_report_policy(found, result, sts.body, &p))
		store_route_policy_put(store, day, result, &p);
}

/* Mail went on without the policy, so its session counts as one without; that there should have been one counts by itself. */
static void count_sts_failure(struct store_route *store, const struct policy_evidence *found, const struct policy_result *result,
			      int64_t now)
{
	struct policy_result r = { .policy = POLICY_RESULT_STS, .delivered = result->delivered };

	if (found == NULL || found->sts != EVIDENCE_STS_NONE || !route_sts_failure(found->sts_trouble, &r.type))
		return;
	memcpy(r.domain, result->domain, sizeof(r.domain));
	memcpy(r.own_address, result->own_address, sizeof(r.own_address));
	memcpy(r.reason, found->sts_trouble, sizeof(r.reason));
	store_route_count(store, &r, now);
}

void route_report_count(struct store_route *store, const struct policy_evidence *found, const struct policy_result *result,
			int64_t now)
{
	keep_policy(store, found, result, now / DAY);
	store_route_count(store, result, now);
	count_sts_failure(store, found, result, now);
}
