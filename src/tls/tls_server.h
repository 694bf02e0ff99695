/* tls/tls_server.h
 * TLS towards clients: one context for each service and generation. */
#ifndef TLS_SERVER_H
#define TLS_SERVER_H

#include "tls/tls_cert.h"
#include "tls/tls_profile.h"
#include "tls/tls_ticket.h"

struct tls_server; /* owns what OpenSSL needs; shared by the connections of a service */

struct tls_server_conf {
	const struct tls_profile *profile;
	struct tls_cert *const *certs; /* the first is the default; not taken */
	size_t cert_count;             /* at least 1 */
	const char *label;             /* service and profile: what ticket keys are derived from */
	const struct tls_ticket_ring *tickets; /* NULL: no tickets; outlives all connections */
};

/* NULL with `why`. A certificate is chosen by SNI (SAN, then CN where there is no SAN; a wildcard
 * covers one label); among several for the name by what the client can verify, ECDSA and
 * RSA side by side. No SNI, or an unknown one: the default, never an alert (SPEC NEW-17). A
 * session resumes under the label and the SNI it began with alone. TLS 1.3: one ticket, no early
 * data. No renegotiation, no compression. The server's order of ciphers counts
 * but for ChaCha20 where the client puts it first. */
MUST_CHECK struct tls_server *tls_server_new(const struct tls_server_conf *conf, struct why *why);
void tls_server_free(struct tls_server *s); /* connections that still use it keep what they need */

#endif
