/* Certificates made while a test runs, so that none in the repository ever expires. */
#ifndef TEST_PKI_H
#define TEST_PKI_H

#include "base/span.h"

enum test_pki_key {
	TEST_PKI_EC,      /* P-256; a new key each time */
	TEST_PKI_RSA,     /* 2048 bits; one key a process, as making one takes its time */
	TEST_PKI_RSA_1024 /* weak */
};

struct test_pki_spec {
	const char *cn;         /* NULL: an empty subject */
	const char *names;      /* SAN: "DNS:mx.example.net,IP:127.0.0.1"; NULL: none */
	long from, until;       /* seconds from now; both 0: an hour ago, in 30 days */
	enum test_pki_key key;
	bool ca;
	const char *usage;      /* extended key usage: "serverAuth"; NULL: none */
	const char *constraint; /* name constraints of a CA: "permitted;DNS:example.net" */
	const char *hash;       /* of the signature; NULL: SHA256 */
	const char *ocsp;       /* "OCSP;URI:http://ocsp.example/"; NULL: no responder named */
	const char *feature;    /* "status_request": must be stapled; NULL: none */
};

struct test_pki {
	void *cert, *key;         /* X509 *, EVP_PKEY * */
	char *cert_pem, *key_pem; /* the one certificate, and its key */
};

/* Issuer NULL: self-signed. Ends the process where OpenSSL will not. */
struct test_pki *test_pki_make(const struct test_pki_spec *spec, const struct test_pki *issuer);
void test_pki_free(struct test_pki *p);

/* The PEM of `first`, then that of `second`; to be freed. */
char *test_pki_chain(const struct test_pki *first, const struct test_pki *second);

#endif
