#include "harness/world_tls.h"

#include "base/must.h"
#include "tls/tls_mint.h"
#include "tls/tls_roots.h"
#include "unit/test_pki.h"

#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PEM_MOST 16384
#define DAY (24L * 3600)
#define MX_NAMES "DNS:mx.example,IP:192.0.2.1,IP:192.0.2.2,IP:192.0.2.3"
#define SERVERS_MOST 64

/* Who signed it. */
enum issuer { BY_ITSELF, BY_CA, BY_OTHER_CA, BY_INTERMEDIATE };

static const struct kind {
	const char *name;
	enum issuer by;
	struct test_pki_spec spec;
} kinds[] = {
	{ "mx", BY_CA, { .cn = "mx.example", .names = MX_NAMES } },
	{ "wildcard", BY_CA, { .cn = "wildcard", .names = "DNS:*.mx.example" } },
	{ "other-name", BY_CA, { .cn = "another.example", .names = "DNS:another.example" } },
	{ "cn-only", BY_CA, { .cn = "mx.example" } },
	{ "expired", BY_CA, { .cn = "mx.example", .names = MX_NAMES, .from = -9 * DAY, .until = -DAY } },
	{ "future", BY_CA, { .cn = "mx.example", .names = MX_NAMES, .from = DAY, .until = 9 * DAY } },
	{ "client-only", BY_CA, { .cn = "mx.example", .names = MX_NAMES, .usage = "clientAuth" } },
	{ "self-signed", BY_ITSELF, { .cn = "mx.example", .names = MX_NAMES } },
	{ "unknown-ca", BY_OTHER_CA, { .cn = "mx.example", .names = MX_NAMES } },
	{ "intermediate", BY_INTERMEDIATE, { .cn = "mx.example", .names = MX_NAMES } },
	{ "gw", BY_CA, { .cn = "gw.example", .names = "DNS:gw.example" } },
	{ "two", BY_CA, { .cn = "two.example", .names = "DNS:two.example" } },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct test_pki *made[KINDS];

static const struct test_pki *issuer_of(enum issuer by)
{
	static struct test_pki *ca, *other, *between;

	if (ca == NULL) {
		const struct test_pki_spec spec = { .cn = "CA of the tests", .ca = true };
		const struct test_pki_spec unknown = { .cn = "CA of strangers", .ca = true };
		const struct test_pki_spec middle = { .cn = "CA in between", .ca = true };

		ca = test_pki_make(&spec, NULL);
		other = test_pki_make(&unknown, NULL);
		between = test_pki_make(&middle, ca);
	}
	switch (by) {
	case BY_ITSELF:
		break;
	case BY_CA:
		return ca;
	case BY_OTHER_CA:
		return other;
	case BY_INTERMEDIATE:
		return between;
	}
	return NULL;
}

static const struct test_pki *pki_of(const char *name)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (strcmp(kinds[i].name, name) != 0)
			continue;
		if (made[i] == NULL)
			made[i] = test_pki_make(&kinds[i].spec, issuer_of(kinds[i].by));
		return made[i];
	}
	return NULL;
}

static void put_pair(struct conf_source *source, const char *name)
{
	const struct test_pki *p = pki_of(name);
	char path[64];

	snprintf(path, sizeof(path), "%s.pem", name);
	conf_source_put(source, path, span_str(p->cert_pem));
	snprintf(path, sizeof(path), "%s.key", name);
	conf_source_put(source, path, span_str(p->key_pem));
}

struct authority {
	struct buf cert, key;
};

static const struct authority *make_authority(struct authority *a, const char *name)
{
	struct why why;

	if (a->cert.most > 0)
		return a;
	buf_init(&a->cert, PEM_MOST);
	buf_init(&a->key, PEM_MOST);
	must(tls_authority_make(name, 10, time(NULL), &a->cert, &a->key, &why));
	return a;
}

static const struct authority *trusted_authority(void)
{
	static struct authority a;

	return make_authority(&a, "Authority of the tests");
}

static const struct authority *untrusted_authority(void)
{
	static struct authority a;

	return make_authority(&a, "NOT TRUSTED");
}

static void put_authorities(struct conf_source *source)
{
	conf_source_put(source, "authority.pem", buf_peek(&trusted_authority()->cert));
	conf_source_put(source, "authority.key", buf_peek(&trusted_authority()->key));
	conf_source_put(source, "untrusted.pem", buf_peek(&untrusted_authority()->cert));
	conf_source_put(source, "untrusted.key", buf_peek(&untrusted_authority()->key));
}

void world_tls_files(struct conf_source *source)
{
	conf_source_put(source, "ca.pem", span_str(issuer_of(BY_CA)->cert_pem));
	put_authorities(source);
	put_pair(source, "gw");
	put_pair(source, "two");
}

void world_tls_prepare(void)
{
	tls_roots_load();
	for (size_t i = 0; i < KINDS; i++)
		must(pki_of(kinds[i].name) != NULL);
	trusted_authority();
	untrusted_authority();
}

static bool profile_of(const char *name, struct tls_profile *p)
{
	*p = *tls_profile_builtin("intermediate");
	if (name[0] == '\0')
		return true;
	if (strcmp(name, "tls12") == 0) {
		p->max = TLS_1_2;
		return true;
	}
	if (strcmp(name, "old") == 0) {
		*p = *tls_profile_builtin("legacy");
		p->min = TLS_1_0;
		p->max = TLS_1_1;
		return true;
	}
	if (strcmp(name, "aes128") == 0) {
		snprintf(p->ciphers, sizeof(p->ciphers), "ECDHE+AES128+AESGCM");
		snprintf(p->ciphersuites, sizeof(p->ciphersuites), "TLS_AES_128_GCM_SHA256");
		return true;
	}
	return false;
}

static struct tls_server *make_server(const char *cert, const char *profile)
{
	static struct tls_ticket_ring tickets;
	const struct test_pki *pki = pki_of(cert);
	struct tls_profile settings;
	struct tls_server_conf conf = { &settings, NULL, 1, cert, &tickets };
	struct tls_server *server;
	struct tls_cert *read;
	struct why why = { 0 };

	if (pki == NULL || !profile_of(profile, &settings))
		return NULL;
	if (!tls_ticket_ready(&tickets))
		tls_ticket_rotate(&tickets);
	read = tls_cert_read(span_str(pki->cert_pem), span_str(pki->key_pem), &why);
	must(read != NULL);
	conf.certs = &read;
	server = tls_server_new(&conf, &why);
	must(server != NULL);
	tls_cert_free(read);
	return server;
}

struct tls_server *world_tls_server(const char *cert, const char *profile)
{
	static struct {
		char name[64];
		struct tls_server *server;
	} all[SERVERS_MOST];
	char name[64];
	size_t i;

	snprintf(name, sizeof(name), "%s %s", cert, profile);
	for (i = 0; i < SERVERS_MOST && all[i].server != NULL; i++) {
		if (strcmp(all[i].name, name) == 0)
			return all[i].server;
	}
	must(i < SERVERS_MOST);
	snprintf(all[i].name, sizeof(all[i].name), "%s", name);
	all[i].server = make_server(cert, profile);
	return all[i].server;
}

struct tls_client *world_tls_client(const char *profile)
{
	static struct {
		char name[64];
		struct tls_client *client;
	} all[SERVERS_MOST];
	struct tls_profile settings;
	struct tls_client_conf conf = { .profile = &settings };
	bool mints = strcmp(profile, "authority") == 0;
	struct why why = { 0 };
	size_t i;

	for (i = 0; i < SERVERS_MOST && all[i].client != NULL; i++) {
		if (strcmp(all[i].name, profile) == 0)
			return all[i].client;
	}
	must(i < SERVERS_MOST);
	if (!profile_of(mints ? "" : profile, &settings))
		return NULL;
	conf.ca = mints ? buf_peek(&trusted_authority()->cert) : span_str(issuer_of(BY_CA)->cert_pem);
	snprintf(all[i].name, sizeof(all[i].name), "%s", profile);
	all[i].client = tls_client_new(&conf, &why);
	must(all[i].client != NULL);
	return all[i].client;
}

bool world_tls_spki(const char *cert, unsigned char digest[32])
{
	const struct test_pki *p = pki_of(cert);
	unsigned char *der = NULL;
	int len;

	if (p == NULL)
		return false;
	len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(p->cert), &der);
	must(len > 0 && EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL) == 1);
	OPENSSL_free(der);
	return true;
}
