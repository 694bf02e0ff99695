/* tls/tls_digest.h
 * A keyed digest (HMAC-SHA-256, cut short), for words in the log that shall match one another and
 * tell nothing else. */
#ifndef TLS_DIGEST_H
#define TLS_DIGEST_H

#include "base/span.h"

#define TLS_DIGEST_HEX 16

/* 16 hex digits and a NUL. */
void tls_digest(uint64_t key, struct span text, char hex[TLS_DIGEST_HEX + 1]);

#endif
