/* tls/tls_cert.h
 * Our own certificates: a chain and its key, read from memory, and the checks of SPEC
 * SUB-12. Needs no file: the caller has read them. */
#ifndef TLS_CERT_H
#define TLS_CERT_H

#include "base/why.h"

struct tls_cert; /* a leaf, its chain and its key; one owner */

/* NULL with `why`: no certificate in `chain`, no key in `key` (PEM), the key of another
 * certificate, a key that OpenSSL refuses. An encrypted key is refused, never asked about. */
MUST_CHECK struct tls_cert *tls_cert_read(struct span chain, struct span key, struct why *why);
void tls_cert_free(struct tls_cert *c);

#define TLS_CERT_NOTES 8

struct tls_cert_note {
	bool error; /* else a warning */
	char text[200];
};

/* What an operator should know before this certificate is served, at the time `now` (seconds
 * since 1970). Errors: expired, not yet valid, RSA below 2048 bits, signed with MD5 or SHA-1
 * (not on a root), chain out of order. Warnings: the chain ends at an issuer that is neither in the
 * file nor among the system's roots (not for a self-signed leaf, which is a warning of
 * its own), no SAN, less than a tenth of its life left. Returns how many notes. */
unsigned tls_cert_notes(const struct tls_cert *c, int64_t now,
			struct tls_cert_note notes[TLS_CERT_NOTES]);

/* The first DNS name of the leaf, else its CN, else ""; and its notAfter. */
const char *tls_cert_name(const struct tls_cert *c);
int64_t tls_cert_until(const struct tls_cert *c);

#endif
