/* A usable record is the RDATA itself, and evidence has a place for it. */
#include "base/must.h"
#include "policy/policy_evidence.h"
#include "policy/policy_tlsa.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy_evidence *e;
	struct tls_tlsa r;

	if (!policy_tlsa_read(span_of(data, size), &r))
		return 0;
	must(r.usage == data[0] && r.selector == data[1] && r.matching == data[2]);
	must(r.data == data + 3 && r.len == size - 3);
	e = policy_evidence_new(1, 0);
	must(policy_evidence_add_tlsa(&e->hosts[0], &r));
	must(memcmp(e->hosts[0].tlsa[0].data, data + 3, r.len) == 0);
	policy_evidence_free(e);
	return 0;
}
