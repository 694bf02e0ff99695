/* Keys, certificates and TLS contexts for worlds, by name. Made while the process runs and kept to its
 * end: none in the repository ever expires, and making them takes its time.
 *
 *   mx            names mx.example and 192.0.2.1 to .9, from the CA that ca.pem holds
 *   wildcard      *.mx.example alone
 *   other-name    another.example
 *   cn-only       no SAN, mx.example in the common name
 *   expired, future, client-only (the purpose), self-signed, unknown-ca
 *   intermediate  mx.example, from an intermediate that the server does not send
 *
 * And two authorities that mint certificates (tls/tls_mint.h), one of which nobody trusts. */
#ifndef WORLD_TLS_H
#define WORLD_TLS_H

#include "conf/conf_source.h"
#include "tls/tls_client.h"
#include "tls/tls_server.h"

/* What configurations may name: ca.pem, gw.pem and gw.key (gw.example), two.pem and two.key
 * (two.example); authority.pem and .key, untrusted.pem and .key. */
void world_tls_files(struct conf_source *source);

/* Makes them all now, and reads the system's roots: for a process that forks many. */
void world_tls_prepare(void);

/* `profile`: "" (as `intermediate`), "tls12" (that alone), "old" (1.0 and 1.1), "aes128" (no stronger
 * cipher); of a client also "authority" (trusts that one, and not the CA). NULL where there is no such
 * name. */
struct tls_server *world_tls_server(const char *cert, const char *profile);
struct tls_client *world_tls_client(const char *profile);

/* SHA-256 of the public key of such a certificate, as a TLSA record 3 1 1 has it; false: there is none of that name. */
bool world_tls_spki(const char *cert, unsigned char digest[32]);

#endif
