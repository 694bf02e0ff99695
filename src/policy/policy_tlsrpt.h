/* policy/policy_tlsrpt.h
 * The TXT record at _smtp._tls.<domain>: where a domain wants to be told how TLS with it goes (RFC 8460 section 3). Pure and total. */
#ifndef POLICY_TLSRPT_H
#define POLICY_TLSRPT_H

#include "base/span.h"

#define POLICY_TLSRPT_URIS_MOST 8
#define POLICY_TLSRPT_URI_MOST 512 /* octets */

struct policy_tlsrpt {
	unsigned uri_count;
	/* "mailto:..." with an at sign, or "https://...": as they stand, percent-encoding too. Printable ASCII without
	 * blanks, quotes and angle brackets. */
	char uri[POLICY_TLSRPT_URIS_MOST][POLICY_TLSRPT_URI_MOST + 1];
};

/* One TXT record (its strings joined). False where it is not, letter for letter, "v=TLSRPTv1" with one rua and at most extensions
 * beside it, where a URI is of another scheme or too long, or there are too many: a report would go astray. More than one record that
 * begins with "v=TLSRPTv1;" is as if there were none: the caller counts. */
MUST_CHECK bool policy_tlsrpt_read(struct span txt, struct policy_tlsrpt *r);

/* The address of one that begins with "mailto:", decoded, without what stands behind a question mark. False where it is another scheme, or
 * no Mailbox (RFC 5321) of ASCII alone: nothing that a header field or a command could be made to say more by. */
MUST_CHECK bool policy_tlsrpt_mailbox(const char *uri, char mailbox[POLICY_TLSRPT_URI_MOST + 1]);

#endif
