#include "ctl/ctl_evidence.h"

#include "base/must.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

const char *ctl_evidence_dns_name(enum evidence_dns dns)
{
	static const char *const names[] = {
		[EVIDENCE_FOUND] = "found",
		[EVIDENCE_NO_DOMAIN] = "no-domain",
		[EVIDENCE_NULL_MX] = "null-mx",
		[EVIDENCE_DNS_FAILED] = "failed",
	};

	return names[dns];
}

const char *ctl_evidence_sts_name(enum evidence_sts sts)
{
	static const char *const names[] = {
		[EVIDENCE_STS_NONE] = "none",
		[EVIDENCE_STS_TESTING] = "testing",
		[EVIDENCE_STS_ENFORCE] = "enforce",
	};

	return names[sts];
}

const char *ctl_evidence_tlsa_name(enum evidence_tlsa state)
{
	static const char *const names[] = {
		[EVIDENCE_TLSA_NONE] = "none",
		[EVIDENCE_TLSA_USABLE] = "usable",
		[EVIDENCE_TLSA_UNUSABLE] = "unusable",
		[EVIDENCE_TLSA_FAILED] = "failed",
	};

	return names[state];
}

void ctl_evidence_addr(const struct evidence_addr *from, uint16_t port, struct addr *to)
{
	*to = (struct addr){ 0 };
	if (from->v6) {
		to->len = sizeof(to->in6);
		to->in6.sin6_family = AF_INET6;
		to->in6.sin6_port = htons(port);
		memcpy(&to->in6.sin6_addr, from->octets, sizeof(to->in6.sin6_addr));
	} else {
		to->len = sizeof(to->in);
		to->in.sin_family = AF_INET;
		to->in.sin_port = htons(port);
		memcpy(&to->in.sin_addr, from->octets, sizeof(to->in.sin_addr));
	}
}

const char *ctl_evidence_tlsa(const struct tls_tlsa *r, char text[CTL_EVIDENCE_TLSA_MOST])
{
	int len = snprintf(text, CTL_EVIDENCE_TLSA_MOST, "%u %u %u ", r->usage, r->selector, r->matching);
	struct text hex;

	text_begin(&hex, text + len, CTL_EVIDENCE_TLSA_MOST - (size_t)len);
	text_hex(&hex, r->data, r->len);
	return text;
}

static json_t *json_of_sts(const struct policy_evidence *e)
{
	json_t *o = ctl_json_made(json_object()), *patterns = ctl_json_made(json_array());

	for (unsigned i = 0; i < e->sts_mx_count; i++)
		ctl_json_add(patterns, json_string(e->sts_mx[i]));
	ctl_json_set(o, "mode", json_string(ctl_evidence_sts_name(e->sts)));
	ctl_json_set(o, "id", ctl_json_text(e->sts_id));
	ctl_json_set(o, "until", ctl_json_time(e->sts_until));
	ctl_json_set(o, "mx", patterns);
	ctl_json_set(o, "trouble", ctl_json_text(e->sts_trouble));
	return o;
}

json_t *ctl_evidence_json(const struct policy_evidence *e)
{
	json_t *o = ctl_json_made(json_object());

	ctl_json_set(o, "domain", json_string(e->domain));
	ctl_json_set(o, "dns", json_string(ctl_evidence_dns_name(e->dns)));
	ctl_json_set(o, "trouble", ctl_json_text(e->trouble));
	ctl_json_set(o, "mx_secure", json_boolean(e->mx_secure));
	ctl_json_set(o, "no_mx", json_boolean(e->no_mx));
	ctl_json_set(o, "found_at", ctl_json_time(e->found_at));
	ctl_json_set(o, "good_until", ctl_json_time(e->good_until));
	ctl_json_set(o, "mta_sts", json_of_sts(e));
	return o;
}

static json_t *json_of_tlsa(const struct evidence_host *h)
{
	json_t *o = ctl_json_made(json_object()), *records = ctl_json_made(json_array());
	char text[CTL_EVIDENCE_TLSA_MOST];

	for (unsigned i = 0; i < h->tlsa_count; i++)
		ctl_json_add(records, json_string(ctl_evidence_tlsa(&h->tlsa[i], text)));
	ctl_json_set(o, "state", json_string(ctl_evidence_tlsa_name(h->tlsa_state)));
	ctl_json_set(o, "base", ctl_json_text(h->tlsa_base));
	ctl_json_set(o, "records", records);
	return o;
}

json_t *ctl_evidence_host_json(const struct evidence_host *h)
{
	json_t *o = ctl_json_made(json_object()), *addrs = ctl_json_made(json_array());
	char text[ADDR_TEXT_MOST];
	struct addr addr;

	for (unsigned i = 0; i < h->addr_count; i++) {
		ctl_evidence_addr(&h->addrs[i], 0, &addr);
		addr_print_host(&addr, text);
		ctl_json_add(addrs, json_string(text));
	}
	ctl_json_set(o, "name", json_string(h->name));
	ctl_json_set(o, "preference", json_integer(h->preference));
	ctl_json_set(o, "addresses", addrs);
	ctl_json_set(o, "secure", json_boolean(h->secure));
	ctl_json_set(o, "tlsa", json_of_tlsa(h));
	ctl_json_set(o, "seen_tls", json_integer(h->seen_tls));
	ctl_json_set(o, "trouble", ctl_json_text(h->trouble));
	return o;
}
