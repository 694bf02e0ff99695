/* tls/tls_chain.h
 * The certificates that a server has shown, for people to read. */
#ifndef TLS_CHAIN_H
#define TLS_CHAIN_H

#include "tls/tls_conn.h"

#define TLS_CHAIN_MOST 8        /* certificates; more are left out */
#define TLS_CHAIN_NAMES_MOST 16 /* DNS names of one */

/* All texts are printable ASCII, cut to their room. */
struct tls_chain_cert {
	char subject[256], issuer[256]; /* RFC 4514 */
	char names[TLS_CHAIN_NAMES_MOST][256];
	unsigned name_count;            /* of all; only TLS_CHAIN_NAMES_MOST are in `names` */
	char key[32];                   /* "RSA 2048" */
	char sha256[65];
	int64_t from, until;            /* seconds since 1970; 0: nonsense */
};

/* After the handshake of a client that did not resume a session: as they came, the leaf first. How many. */
unsigned tls_chain_read(const struct tls_conn *c, struct tls_chain_cert chain[TLS_CHAIN_MOST]);
/* Whether the leaf has this name (SAN alone, RFC 9525), whoever vouches for it. */
bool tls_chain_has_name(const struct tls_conn *c, const char *name);

#endif
