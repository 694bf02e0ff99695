/* base/base64.h
 * Reads base64 (RFC 4648 section 4), for a look at what a SASL exchange shows of itself. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/span.h"

/* The octets of `text` into `out`, at most `size`; how many. Stops at '=', and where the text is no
 * base64, so the answer may be short; never more than was there. */
size_t base64_read(struct span text, char *out, size_t size);

#endif
