/* tls/tls_mint.h
 * Leafs of our own authority in the likeness of an upstream's certificate (SPEC WG-5, WG-6, WG-7): subject,
 * SANs and validity are kept (never longer than the upstream's or the authority's), key, serial, AKI, SKI and
 * EKU are new. One signature for each upstream certificate and authority: minted leafs are kept in a
 * bounded cache. Hostile upstream certificates are input like any other. */
#ifndef TLS_MINT_H
#define TLS_MINT_H

#include "tls/tls_cert.h"

#define TLS_MINT_KEPT 1024

struct tls_authority; /* a CA certificate with its key, and the cache of what it has minted */

/* NULL with `why`: not a CA (basicConstraints, keyUsage), key mismatch, expired at `now`. */
MUST_CHECK struct tls_authority *tls_authority_new(struct span chain, struct span key, int64_t now,
						   struct why *why);
void tls_authority_free(struct tls_authority *a);

/* The leaf for `upstream` (DER). Stays the authority's: valid until the authority is freed or, when the cache is
 * full, until TLS_MINT_KEPT others were asked for; a connection holds its own reference once
 * tls_conn_use_cert was called. NULL with `why`: the certificate can't be read, or nothing sensible is left of it (no
 * subject and no SAN, expired). `minted` (may be NULL): a signature was made. */
MUST_CHECK struct tls_cert *tls_authority_mint(struct tls_authority *a, struct span upstream,
					       int64_t now, bool *minted, struct why *why);

/* Makes a new authority: a P-256 CA certificate named `name`, good for `days`; PEM into the bufs. */
MUST_CHECK bool tls_authority_make(const char *name, unsigned days, int64_t now, struct buf *cert,
				   struct buf *key, struct why *why);

#endif
