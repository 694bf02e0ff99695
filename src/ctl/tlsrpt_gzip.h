/* ctl/tlsrpt_gzip.h
 * Reports are compressed (RFC 8460 section 4.4: gzip). Pure. */
#ifndef TLSRPT_GZIP_H
#define TLSRPT_GZIP_H

#include "base/buf.h"
#include "base/why.h"

/* False where `out` has no room. */
MUST_CHECK bool tlsrpt_gzip_pack(struct span text, struct buf *out);
/* What is gzip is unpacked, all else is copied as it is. False with `why` (FAULT_PEER) where it is broken or cut, something stands behind
 * its end, or there is more of it than `out` may hold. */
MUST_CHECK bool tlsrpt_gzip_unpack(struct span octets, struct buf *out, struct why *why);

#endif
