#include "policy/policy_evidence.h"

#include "base/must.h"

#include <stdlib.h>
#include <string.h>

struct policy_evidence *policy_evidence_new(unsigned host_count, unsigned sts_mx_count)
{
	struct policy_evidence *e = mem_new(sizeof(*e));

	must(host_count <= EVIDENCE_HOSTS_MOST);
	must(sts_mx_count <= EVIDENCE_MX_MOST);
	e->host_count = host_count;
	if (host_count > 0)
		e->hosts = mem_new(host_count * sizeof(*e->hosts));
	e->sts_mx_count = sts_mx_count;
	if (sts_mx_count > 0)
		e->sts_mx = mem_new(sts_mx_count * sizeof(*e->sts_mx));
	return e;
}

void policy_evidence_free(struct policy_evidence *e)
{
	if (e == NULL)
		return;
	for (unsigned i = 0; i < e->host_count; i++) {
		for (unsigned t = 0; t < e->hosts[i].tlsa_count; t++)
			free(e->hosts[i].tlsa[t].data);
		free(e->hosts[i].tlsa);
	}
	free(e->hosts);
	free(e->sts_mx);
	free(e);
}

bool policy_evidence_add_tlsa(struct evidence_host *h, const struct tls_tlsa *record)
{
	struct tls_tlsa *copy;
	size_t sum = record->len;

	for (unsigned i = 0; i < h->tlsa_count; i++)
		sum += h->tlsa[i].len;
	if (h->tlsa_count >= EVIDENCE_TLSA_MOST || record->len > EVIDENCE_TLSA_DATA || sum > EVIDENCE_TLSA_SUM)
		return false;
	h->tlsa = mem_grow(h->tlsa, (h->tlsa_count + 1) * sizeof(*h->tlsa));
	copy = &h->tlsa[h->tlsa_count++];
	*copy = *record;
	copy->data = NULL;
	if (record->len > 0) {
		copy->data = mem_new(record->len);
		memcpy(copy->data, record->data, record->len);
	}
	return true;
}
