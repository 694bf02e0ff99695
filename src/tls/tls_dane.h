/* tls/tls_dane.h
 * TLSA records as OpenSSL sees them. */
#ifndef TLS_DANE_H
#define TLS_DANE_H

#include "tls/tls_need.h"

/* Whether a certificate can be held against this record: DANE-EE or DANE-TA (RFC 7672 section 3.1.3 lets clients pass
 * over PKIX-TA and PKIX-EE, as we do), selector and matching type known, a digest of the right length, a full
 * certificate or key that can be read. Where no record of a host is usable, its TLS is demanded but not
 * authenticated: NEED_ENCRYPT, not NEED_DANE (RFC 7672 section 2.2). */
bool tls_dane_usable(const struct tls_tlsa *tlsa);

#endif
