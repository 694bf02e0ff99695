/* base/base64.h
 * Base64 (RFC 4648 section 4): for a look at what a SASL exchange shows of itself, and for attachments. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

/* The octets of `text` into `out`, at most `size`; how many. Stops at '=', and where the text is no
 * base64, so the answer may be short; never more than was there. */
size_t base64_read(struct span text, char *out, size_t size);

/* Writes lines of 76 characters, the last may be shorter, each ended by CRLF (RFC 2045 section 6.8). False where `out` has no room for all
 * of it: a part may stand in it. */
MUST_CHECK bool base64_put_lines(struct buf *out, struct span octets);

#endif
