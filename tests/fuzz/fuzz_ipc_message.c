/* What decodes encodes to the same octets: there is one form for each message, and no part is overlooked. */
#include "base/must.h"
#include "ipc/ipc_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char again[IPC_MESSAGE_MOST];
	struct ipc_message m;
	struct why why;

	if (!ipc_message_decode(span_of(data, size), &m, &why))
		return 0;
	must(span_eq(span_of(again, ipc_message_encode(&m, again)), span_of(data, size)));
	return 0;
}
