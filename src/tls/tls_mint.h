/* tls/tls_mint.h
 * Leafs of our own authority in the likeness of an upstream's certificate (SPEC WG-5, WG-6, WG-7): subject,
 * SANs and validity are kept (never longer than the upstream's or the authority's), key, serial, AKI, SKI and
 * EKU are new. One signature for each upstream certificate and authority: minted leafs are kept in a
 * bounded cache. Hostile upstream certificates are input like any other. Whether an upstream's
 * certificate deserves a leaf of this authority is the caller's to judge, by the facts: an expired
 * one gets a leaf as expired as itself. */
#ifndef TLS_MINT_H
#define TLS_MINT_H

#include "base/buf.h"
#include "tls/tls_cert.h"

/* What the cache of one authority holds at most: leafs, and octets of them (DER). */
#define TLS_MINT_KEPT 1024
#define TLS_MINT_KEPT_OCTETS (8 * 1024 * 1024)
/* An upstream's certificate above this is not read. */
#define TLS_MINT_UPSTREAM_MOST (64 * 1024)

struct tls_authority; /* a CA certificate with its key, and the cache of what it has minted */

/* `chain`: the CA certificate, then, where it is no root, those above it, which clients will be sent. NULL with
 * `why`: what tls_cert_read says; not a CA for TLS servers (basicConstraints, keyUsage, EKU); a key
 * below 112 bits of strength; not valid at `now`. */
MUST_CHECK struct tls_authority *tls_authority_new(struct span chain, struct span key, int64_t now,
						   struct why *why);
void tls_authority_free(struct tls_authority *a);

/* The leaf for `upstream` (DER), with a P-256 key. Stays the authority's: valid until the next call with the
 * same authority; a connection holds its own reference once tls_conn_use_cert was called. NULL with `why`
 * (FAULT_PEER): the certificate is too large or can't be read, says something twice, has neither
 * subject nor SAN, or no day on which it and the authority are both valid. FAULT_POLICY: the authority itself
 * has expired. A certificate without a SAN gets a leaf without one. `minted` (may be NULL): a signature
 * was made. */
MUST_CHECK struct tls_cert *tls_authority_mint(struct tls_authority *a, struct span upstream,
					       int64_t now, bool *minted, struct why *why);

/* Makes a new authority: a self-signed P-256 CA certificate with the common name `name` (UTF-8, at most 64
 * characters), good from an hour before `now` for `days`; PEM into the bufs. False with `why`:
 * the name or the days won't do, or no room. */
#define TLS_AUTHORITY_DAYS_MOST 36500
MUST_CHECK bool tls_authority_make(const char *name, unsigned days, int64_t now, struct buf *cert,
				   struct buf *key, struct why *why);

#endif
