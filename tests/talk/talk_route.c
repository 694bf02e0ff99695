#include "talk_route.h"

#include "base/must.h"
#include "harness/world_tls.h"
#include "io/addr.h"
#include "policy/policy_evidence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNTIL (INT64_C(1) << 40)

static void set_text(char *to, size_t size, struct span from)
{
	must(from.len < size);
	memcpy(to, from.at, from.len);
	to[from.len] = '\0';
}

static struct evidence_host *last_host(struct policy_evidence *e)
{
	must(e->host_count > 0);
	return &e->hosts[e->host_count - 1];
}

static void add_addr(struct evidence_host *h, struct span text)
{
	struct evidence_addr *to = &h->addrs[h->addr_count++];
	struct addr a;

	must(h->addr_count <= EVIDENCE_ADDRS_MOST && addr_read_host(text, 25, &a));
	to->v6 = a.sa.sa_family == AF_INET6;
	if (to->v6)
		memcpy(to->octets, &a.in6.sin6_addr, 16);
	else
		memcpy(to->octets, &a.in.sin_addr, 4);
}

/* "mx.b.example=192.0.2.1,2001:db8::1" */
static void add_host(struct policy_evidence *e, struct span name, struct span addrs)
{
	struct evidence_host *h = &e->hosts[e->host_count++];

	must(e->host_count <= EVIDENCE_HOSTS_MOST);
	set_text(h->name, sizeof(h->name), name);
	h->preference = (uint16_t)(10 * e->host_count);
	h->secure = e->mx_secure;
	while (addrs.len > 0)
		add_addr(h, span_cut(&addrs, ','));
}

static void add_tlsa(struct evidence_host *h, struct span cert)
{
	unsigned char digest[32] = { 0 };
	struct tls_tlsa r = { .usage = 3, .selector = 1, .matching = 1, .len = sizeof(digest), .data = digest };
	char name[64];

	set_text(name, sizeof(name), cert);
	must(span_eq(cert, SPAN("wrong")) || world_tls_spki(name, digest));
	h->tlsa_state = EVIDENCE_TLSA_USABLE;
	memcpy(h->tlsa_base, h->name, sizeof(h->tlsa_base));
	must(policy_evidence_add_tlsa(h, &r));
}

static void add_sts(struct policy_evidence *e, struct span mode, struct span patterns)
{
	e->sts = span_eq(mode, SPAN("sts-testing")) ? EVIDENCE_STS_TESTING : EVIDENCE_STS_ENFORCE;
	set_text(e->sts_id, sizeof(e->sts_id), SPAN("1"));
	e->sts_until = UNTIL;
	while (patterns.len > 0)
		set_text(e->sts_mx[e->sts_mx_count++], EVIDENCE_NAME_MOST, span_cut(&patterns, ','));
}

static void take_word(struct policy_evidence *e, struct span word)
{
	struct span value = word;
	struct span key = span_cut(&value, '=');
	uint64_t n;

	if (span_eq(word, SPAN("secure")))
		e->mx_secure = true;
	else if (span_eq(word, SPAN("null-mx")))
		e->dns = EVIDENCE_NULL_MX;
	else if (span_eq(word, SPAN("no-domain")))
		e->dns = EVIDENCE_NO_DOMAIN;
	else if (span_eq(word, SPAN("tlsa-failed")))
		last_host(e)->tlsa_state = EVIDENCE_TLSA_FAILED;
	else if (span_eq(word, SPAN("tlsa-unusable")))
		last_host(e)->tlsa_state = EVIDENCE_TLSA_UNUSABLE;
	else if (span_eq(key, SPAN("tlsa")))
		add_tlsa(last_host(e), value);
	else if (span_starts_nocase(key, SPAN("sts-")))
		add_sts(e, key, value);
	else if (span_eq(key, SPAN("seen")) && span_number(value, 1000, &n))
		last_host(e)->seen_tls = (unsigned)n;
	else
		add_host(e, key, value);
}

struct policy_evidence *talk_route_evidence(const char *domain, const char *said)
{
	struct policy_evidence *e = policy_evidence_new(EVIDENCE_HOSTS_MOST, EVIDENCE_MX_MOST);
	struct span rest = span_str(said);

	e->host_count = e->sts_mx_count = 0;
	e->good_until = UNTIL;
	set_text(e->domain, sizeof(e->domain), span_str(domain));
	if (span_eq(rest, SPAN("dns-failed"))) {
		e->dns = EVIDENCE_DNS_FAILED;
		set_text(e->trouble, sizeof(e->trouble), SPAN("MX: SERVFAIL"));
		return e;
	}
	while (rest.len > 0) {
		struct span word = span_cut(&rest, ' ');

		if (word.len > 0)
			take_word(e, word);
	}
	return e;
}
