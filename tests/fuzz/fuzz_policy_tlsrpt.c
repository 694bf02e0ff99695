/* Where reports are sent to is printable, of a known scheme, and the same when it is read again. */
#include "base/buf.h"
#include "base/must.h"
#include "policy/policy_tlsrpt.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_uri(const char *uri)
{
	char mailbox[POLICY_TLSRPT_URI_MOST + 1];

	must(strlen(uri) <= POLICY_TLSRPT_URI_MOST);
	if (policy_tlsrpt_mailbox(uri, mailbox)) {
		for (const char *at = mailbox; *at != '\0'; at++)
			must(*at >= ' ' && *at < 0x7f);
	}
	must(span_starts_nocase(span_str(uri), SPAN("mailto:")) || span_starts_nocase(span_str(uri), SPAN("https://")));
	for (; *uri != '\0'; uri++)
		must(*uri > 0x20 && *uri < 0x7f && strchr("\"<>,;!\\", *uri) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct policy_tlsrpt r, again;
	struct buf b;

	if (!policy_tlsrpt_read(span_of(data, size), &r))
		return 0;
	must(r.uri_count > 0);
	buf_init(&b, 16 * 1024);
	must(buf_put(&b, SPAN("v=TLSRPTv1; rua=")));
	for (unsigned i = 0; i < r.uri_count; i++) {
		check_uri(r.uri[i]);
		must(buf_printf(&b, "%s%s", i > 0 ? "," : "", r.uri[i]));
	}
	must(policy_tlsrpt_read(buf_peek(&b), &again));
	must(memcmp(&r, &again, sizeof(r)) == 0);
	buf_free(&b);
	return 0;
}
