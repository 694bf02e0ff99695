/* tls/tls_inside.h
 * What the files of this folder know of each other. It speaks OpenSSL, so nobody
 * outside this folder includes it (but its own tests). */
#ifndef TLS_INSIDE_H
#define TLS_INSIDE_H

#include "base/clock.h"
#include "tls/tls_conn.h"
#include "tls/tls_roots.h"

#include <openssl/ssl.h>

/* tls_error: what OpenSSL's error queue says, in our words. Both empty the queue. */

/* "<what>: <OpenSSL's reason>", for contexts and certificates (FAULT_POLICY: an operator asked
 * for what cannot be). Always false, so that it can be returned. */
bool tls_error_refused(struct why *why, const char *what);
/* For a connection. Alerts of the peer are told by number and name (SPEC MC-4). */
enum tls_failure tls_error_failure(struct why *why);

/* tls_profile: false with `why` where OpenSSL will not have it; `skipped` as in
 * tls_profile_check. */
MUST_CHECK bool tls_profile_apply(const struct tls_profile *p, SSL_CTX *ctx, char *skipped,
				  size_t size, struct why *why);

/* tls_cert */

struct tls_cert {
	X509 *leaf;
	STACK_OF(X509) *chain; /* what follows the leaf in the file; may be empty */
	EVP_PKEY *key;
	char name[256];
	int64_t until;
};

/* The first of `list` is the leaf. Takes both. */
struct tls_cert *tls_cert_make(STACK_OF(X509) *list, EVP_PKEY *key);
/* Shares OpenSSL's counted objects, so that a context may outlive the owner of `c`. */
struct tls_cert *tls_cert_copy(const struct tls_cert *c);
/* All certificates of a PEM text, at most TLS_CERT_LIST_MOST; NULL with `why` where there is
 * none, or one that cannot be read. Free with sk_X509_pop_free. */
#define TLS_CERT_LIST_MOST 1024
STACK_OF(X509) *tls_cert_list(struct span pem, struct why *why);
/* The first DNS name in the SAN; false where there is none. */
bool tls_cert_dns_name(const X509 *x, char *name, size_t size);
/* Seconds since 1970; 0 where the certificate says nonsense. */
int64_t tls_cert_time(const ASN1_TIME *t);

/* tls_likeness: the certificates that an authority makes. NULL with `why`. */

/* A certificate that is all of `der`, and nothing else is. */
X509 *tls_likeness_read(struct span der, struct why *why);
/* A new leaf for the public half of `key`, signed by `ca`, with what tls_mint.h keeps of `upstream`. */
X509 *tls_likeness_leaf(const struct tls_cert *ca, X509 *upstream, EVP_PKEY *key, struct why *why);
/* Self-signed; its dates in seconds since 1970. */
X509 *tls_likeness_ca(const char *name, int64_t from, int64_t until, EVP_PKEY *key,
		      struct why *why);

/* tls_bio: the octets of a connection as OpenSSL sees them; freed with its SSL. */
BIO *tls_bio_new(struct tls_conn *c);

/* tls_conn: takes the place of what stood there. */
void tls_conn_set_host(struct tls_conn *c, struct span host);

/* tls_session: sessions of one client context, a copy for each key. */

#define TLS_SESSION_KEYS_MOST 64
#define TLS_SESSION_AGE_MOST (3600 * 1000) /* msec since the full handshake */

struct tls_session {
	char *key; /* NULL: free */
	SSL_SESSION *session;
	msec born;
	uint64_t used; /* greater is later */
};

struct tls_session_cache {
	struct tls_session all[TLS_SESSION_KEYS_MOST];
	uint64_t uses;
};

/* Keeps a copy of `session`, instead of what was there under `key`; where all places are taken,
 * the one that was longest unused goes. `born` is the time of the full handshake that it goes back
 * to, however often it was resumed and renewed since: the chain was checked then, and not later. */
void tls_session_put(struct tls_session_cache *t, const char *key, const SSL_SESSION *session,
		     msec born);
/* A copy for one connection, and when it was born; NULL: none. The caller frees it. */
SSL_SESSION *tls_session_copy(struct tls_session_cache *t, const char *key, msec now,
			      msec *born);
void tls_session_drop(struct tls_session_cache *t, const char *key);
void tls_session_free(struct tls_session_cache *t);

/* tls_server, tls_client: each lives as long as its SSL_CTX, which the connections hold too. */

struct tls_server {
	SSL_CTX *ctx;
	struct tls_cert **certs;
	size_t cert_count;
	char *label;
	const struct tls_ticket_ring *tickets;
	EVP_CIPHER *ticket_cipher;
	bool need_ems;
};

struct tls_client {
	SSL_CTX *ctx;
	char **names;
	size_t name_count;
	bool any_name, any_unnamed;
	int64_t now; /* 0: the wall clock; else it stands still here (tests) */
	enum tls_ocsp ocsp;
	STACK_OF(X509_CRL) *crls; /* NULL: none are looked at */
	struct tls_session_cache sessions;
};

/* tls_roots: the store of the process; not to be freed. */
X509_STORE *tls_roots_store(void);

/* tls_facts: what the handshake came to. */
void tls_facts_read(const struct tls_conn *c, struct tls_facts *facts);

/* tls_verify: chain (as the handshake found it), dates and names of the upstream's certificate.
 * On a resumed session too: what was true when the session began need not be true now. */
void tls_verify_facts(const struct tls_conn *c, struct tls_facts *facts);
bool tls_verify_is_address(const char *host);
/* SAN alone; an address is looked for among the IP addresses. */
bool tls_verify_has_name(X509 *leaf, const char *name);

/* tls_client: keeps the session of a connection in its context's cache, where it has a key, and where a
 * connection that resumes it may believe what is remembered with it. */
void tls_client_keep(struct tls_conn *c, SSL_SESSION *session);

/* tls_found: what only a full handshake can find of an upstream's leaf (struct tls_found), remembered with
 * the session, which lives for an hour at most. */

/* Once the chain was checked, or the session taken up; only the first call does anything. */
void tls_found_look(struct tls_conn *c);
void tls_found_remember(const struct tls_conn *c, SSL_SESSION *session);

/* tls_expect: what one connection expects beyond its context. */

#define TLS_EXPECT_HEX 64
/* SHA-256 of all of it, in hex. */
void tls_expect_hash(const struct tls_expect *e, char hex[TLS_EXPECT_HEX + 1]);
/* Before the handshake. */
void tls_expect_take(struct tls_conn *c, const struct tls_expect *e);
void tls_expect_free(struct tls_conn *c);

/* tls_dane: TLSA records (RFC 7671, 7672), matched by OpenSSL. */

/* Which kind of record the leaf, or its chain, has met. */
enum tls_dane_met {
	TLS_DANE_NONE,
	TLS_DANE_EE,
	TLS_DANE_TA,
};

void tls_dane_start(SSL_CTX *ctx);
/* Before the handshake: from now on the records count, where one of them is usable (c->dane). */
void tls_dane_expect(struct tls_conn *c, const struct tls_tlsa *tlsa, size_t count);
void tls_dane_look(struct tls_conn *c);

/* tls_ocsp: what an OCSP answer says (RFC 6960), stapled or asked for. */

enum tls_ocsp_found {
	TLS_OCSP_NOT_LOOKED, /* not wanted, or the chain is bad as it is */
	TLS_OCSP_GOOD,
	TLS_OCSP_NO_RESPONDER,
	TLS_OCSP_NONE,       /* no answer */
	TLS_OCSP_INVALID,
	TLS_OCSP_UNKNOWN,
	TLS_OCSP_REVOKED,
	TLS_OCSP_PROMISED,   /* a staple, and not there, or not valid */
};

/* Of the leaf of a connection whose chain was found good in this handshake (not in one before it). */
enum tls_ocsp_found tls_ocsp_read(SSL *ssl, struct span answer);
bool tls_ocsp_is_named(X509 *leaf);
/* Whom to ask, and what; as tls_conn_ocsp_wanted. */
MUST_CHECK bool tls_ocsp_request(SSL *ssl, char *url, size_t size, struct buf *request);

/* tls_revoked: OCSP staples and CRLs (RFC 6960, 7633, 5280). */

/* Makes the context ask and look, as `conf` wants it. False with `why` where a CRL can't be read. */
MUST_CHECK bool tls_revoked_start(struct tls_client *c, const struct tls_client_conf *conf,
				  struct why *why);
void tls_revoked_look(struct tls_conn *c);
/* False where the next connection had better ask again: there is no answer that is to be had. */
bool tls_revoked_is_settled(const struct tls_conn *c);
/* Fills `revocation` of the facts. Why the certificate must not be believed; NULL: no reason. */
const char *tls_revoked_facts(const struct tls_conn *c, struct tls_facts *facts);

#endif
