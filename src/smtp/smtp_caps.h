/* smtp/smtp_caps.h
 * What an EHLO reply offers, as a set. EHLO = what we understand, and the upstream
 * offers, and the policy allows (DESIGN law 4): a keyword not listed here never passes. */
#ifndef SMTP_CAPS_H
#define SMTP_CAPS_H

#include "smtp/smtp_reply.h"

enum smtp_cap {
	SMTP_CAP_PIPELINING = 1 << 0, /* RFC 2920 */
	SMTP_CAP_SIZE       = 1 << 1, /* RFC 1870 */
	SMTP_CAP_8BITMIME   = 1 << 2, /* RFC 6152 */
	SMTP_CAP_SMTPUTF8   = 1 << 3, /* RFC 6531 */
	SMTP_CAP_DSN        = 1 << 4, /* RFC 3461 */
	SMTP_CAP_ENHANCED   = 1 << 5, /* ENHANCEDSTATUSCODES, RFC 2034 */
	SMTP_CAP_CHUNKING   = 1 << 6, /* RFC 3030 */
	SMTP_CAP_BINARYMIME = 1 << 7, /* RFC 3030; never without CHUNKING */
	SMTP_CAP_STARTTLS   = 1 << 8, /* RFC 3207 */
	SMTP_CAP_AUTH       = 1 << 9, /* RFC 4954; `auth` has the mechanisms */
	SMTP_CAP_REQUIRETLS = 1 << 10, /* RFC 8689; means something under TLS alone */
};

#define SMTP_CAPS_AUTH_MOST 160
#define SMTP_CAPS_UNKNOWN_MOST 100

struct smtp_caps {
	uint32_t have;    /* SMTP_CAP_* */
	uint64_t size;    /* octets; 0: no fixed limit was named (RFC 1870 section 4) */
	unsigned unknown; /* keywords that were not understood, counted */
	char unknown_names[SMTP_CAPS_UNKNOWN_MOST]; /* for the log: as many of them as there is room for, a blank between;
	                   * what is not printable ASCII is "?" */
	char auth[SMTP_CAPS_AUTH_MOST]; /* mechanisms, a blank between; those that bind to the TLS channel
	                   * ("-PLUS") are left out: they can't survive two channels (SPEC MC-9) */
};

/* Reads the keywords of an EHLO reply. Line 1 is the greeting, never a keyword.
 * Total: a keyword with a bad parameter counts as unknown, but for SIZE, whose bad
 * or overflowing limit reads as "no fixed limit". */
void smtp_caps_read(const struct smtp_reply *ehlo, struct smtp_caps *caps);

/* What both have. STARTTLS is left out: each hop has its own. `size` is the smaller limit; `auth`
 * and what was not understood are those of `b`. */
struct smtp_caps smtp_caps_both(struct smtp_caps a, struct smtp_caps b);

/* The EHLO reply: 250-<hostname>, then a line a keyword, the last with "250 ". */
MUST_CHECK bool smtp_caps_put(struct buf *out, const char *hostname, const struct smtp_caps *caps);

#endif
