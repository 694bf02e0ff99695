#include "policy_world.h"

#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct policy_evidence *world_evidence(unsigned hosts)
{
	struct policy_evidence *e = policy_evidence_new(hosts, 1);

	snprintf(e->domain, sizeof(e->domain), "example.net");
	snprintf(e->sts_mx[0], sizeof(e->sts_mx[0]), "mx.invalid");
	e->found_at = WORLD_NOW - 60;
	e->good_until = WORLD_NOW + 60;
	for (unsigned i = 0; i < hosts; i++) {
		struct evidence_host *h = &e->hosts[i];

		snprintf(h->name, sizeof(h->name), "mx%u.example.net", i + 1);
		h->preference = (uint16_t)(10 * (i + 1));
		h->addr_count = 1;
		memcpy(h->addrs[0].octets, "\xc0\x00\x02\x01", 4);
	}
	return e;
}

void world_tlsa(struct policy_evidence *e, unsigned host, enum evidence_tlsa state)
{
	static unsigned char digest[32] = { 0xab };
	struct tls_tlsa record = { 3, 1, 1, sizeof(digest), digest };
	struct evidence_host *h = &e->hosts[host];

	must(h->tlsa_count == 0);
	h->tlsa_state = state;
	if (state == EVIDENCE_TLSA_NONE)
		return;
	e->mx_secure = h->secure = true;
	snprintf(h->tlsa_base, sizeof(h->tlsa_base), "%s", h->name);
	if (state == EVIDENCE_TLSA_USABLE)
		must(policy_evidence_add_tlsa(h, &record));
	if (state == EVIDENCE_TLSA_FAILED)
		snprintf(h->trouble, sizeof(h->trouble), "SERVFAIL");
}

void world_sts(struct policy_evidence *e, enum evidence_sts mode, const char *pattern)
{
	e->sts = mode;
	snprintf(e->sts_id, sizeof(e->sts_id), "20260101");
	e->sts_until = WORLD_NOW + 1;
	snprintf(e->sts_mx[0], sizeof(e->sts_mx[0]), "%s", pattern);
}

struct policy_question world_question(const struct policy_evidence *e, const struct policy_rule *rule)
{
	return (struct policy_question){ .recipient = SPAN("a@example.net"), .evidence = e, .rule = rule, .service = "out",
					 .least = { NEED_MAY, 0 }, .dane = true, .sts = true, .now = WORLD_NOW };
}
