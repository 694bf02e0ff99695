/* tls/tls_https.h
 * What an HTTPS client of ours believes. libcurl makes the context and the connection; this says which roots count, and that
 * the name must stand in the subjectAltName: libcurl alone would take a common name where there is none (RFC 8461
 * section 3.3 wants a DNS-ID). */
#ifndef TLS_HTTPS_H
#define TLS_HTTPS_H

#include "base/why.h"

struct tls_https;

/* `ca`: path of PEM, read now; NULL: the system's roots. NULL with `why`. */
MUST_CHECK struct tls_https *tls_https_new(const char *ca, struct why *why);
void tls_https_free(struct tls_https *h);

/* `ctx` is the SSL_CTX of a connection to `host` (a name, or an address), which was not used yet. False where OpenSSL will not. */
MUST_CHECK bool tls_https_apply(const struct tls_https *h, void *ctx, const char *host);

#endif
