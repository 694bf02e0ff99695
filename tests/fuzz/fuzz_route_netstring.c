/* What is taken is put back as the same octets, and what came after it is another's business. A request that was taken apart
 * lies in it. */
#include "base/must.h"
#include "route/route_map.h"
#include "route/route_netstring.h"

#define MOST 1024

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size), text, key;
	struct buf again;
	size_t taken;

	buf_init(&again, MOST + 32);
	while (route_netstring_next(in, MOST, &text, &taken) == ROUTE_NETSTRING_WHOLE) {
		must(taken <= in.len && text.len <= MOST);
		must(route_netstring_put(&again, text));
		must(span_eq(buf_peek(&again), span_first(in, taken)));
		buf_consume(&again, taken);
		(void)route_map_read(text, &key);
		must(key.len <= text.len);
		in = span_from(in, taken);
	}
	buf_free(&again);
	return 0;
}
