/* What decodes encodes to the same octets: there is one form for each message, and no part is overlooked. */
#include "base/must.h"
#include "policy/policy_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy_message m;
	struct why why;
	struct buf again;

	if (!policy_message_decode(span_of(data, size), &m, &why)) {
		must(m.evidence == NULL);
		return 0;
	}
	buf_init(&again, POLICY_MESSAGE_MOST);
	policy_message_encode(&m, &again);
	must(span_eq(buf_peek(&again), span_of(data, size)));
	policy_evidence_free(m.evidence);
	buf_free(&again);
	return 0;
}
