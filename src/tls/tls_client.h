/* tls/tls_client.h
 * TLS towards an upstream: one context for each upstream and generation. It decides nothing about
 * levels: it always looks at the certificate, writes what it found into the facts, and
 * need_met() judges. So a leg under `may` tells in the log what verification would have said. */
#ifndef TLS_CLIENT_H
#define TLS_CLIENT_H

#include "tls/tls_cert.h"
#include "tls/tls_need.h"
#include "tls/tls_profile.h"

struct tls_client;

struct tls_client_conf {
	const struct tls_profile *profile;
	struct span ca;           /* PEM; empty: the system's roots (tls_roots.h) */
	const char *const *names; /* that the certificate may have (SAN only, RFC 9525) */
	bool any_name;            /* the chain alone is checked: whoever gets the names shown checks them */
	bool any_unnamed;         /* the same where what is connected to is known by its address alone */
	size_t name_count;        /* 0: the host name or address that is connected to */
	/* PEM, one or more; empty: none are looked at. They say whether the leaf is revoked. One that is out of date,
	 * or signed by another, makes the certificate a bad one; none of its issuer does not. */
	struct span crl;
	struct tls_cert *cert;    /* our client certificate, not taken; NULL: none */
};

MUST_CHECK struct tls_client *tls_client_new(const struct tls_client_conf *conf, struct why *why);
void tls_client_free(struct tls_client *c);

#endif
