#include "test_pki.h"

#include "base/must.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static EVP_PKEY *make_key(enum test_pki_key kind)
{
	static EVP_PKEY *rsa;

	if (kind == TEST_PKI_EC)
		return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	if (kind == TEST_PKI_RSA_1024)
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	if (rsa == NULL)
		rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	must(rsa != NULL && EVP_PKEY_up_ref(rsa) == 1);
	return rsa;
}

static void set_serial(X509 *x)
{
	unsigned char octets[8];
	BIGNUM *number;

	must(RAND_bytes(octets, sizeof(octets)) == 1);
	octets[0] = (octets[0] & 0x7f) | 0x40;
	number = BN_bin2bn(octets, sizeof(octets), NULL);
	must(number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)) != NULL);
	BN_free(number);
}

static void set_subject(X509 *x, const char *cn)
{
	X509_NAME *name = X509_NAME_new();

	must(name != NULL);
	if (cn != NULL)
		must(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
						(const unsigned char *)cn, -1, -1, 0) == 1);
	must(X509_set_subject_name(x, name) == 1);
	X509_NAME_free(name);
}

static void add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;

	if (value == NULL)
		return;
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
	must(ext != NULL);
	must(X509_add_ext(x, ext, -1) == 1);
	X509_EXTENSION_free(ext);
}

static void set_extensions(X509 *x, X509 *issuer, const struct test_pki_spec *spec)
{
	add_ext(x, issuer, NID_basic_constraints, spec->ca ? "critical,CA:TRUE" : "CA:FALSE");
	add_ext(x, issuer, NID_key_usage,
		spec->ca ? "critical,keyCertSign,cRLSign" : "digitalSignature,keyEncipherment");
	add_ext(x, issuer, NID_subject_key_identifier, "hash");
	if (issuer != x)
		add_ext(x, issuer, NID_authority_key_identifier, "keyid");
	add_ext(x, issuer, NID_subject_alt_name, spec->names);
	add_ext(x, issuer, NID_ext_key_usage, spec->usage);
	add_ext(x, issuer, NID_name_constraints, spec->constraint);
	add_ext(x, issuer, NID_info_access, spec->ocsp);
	add_ext(x, issuer, NID_tlsfeature, spec->feature);
}

static void set_dates(X509 *x, long from, long until)
{
	if (from == 0 && until == 0) {
		from = -3600;
		until = 30L * 24 * 3600;
	}
	must(X509_gmtime_adj(X509_getm_notBefore(x), from) != NULL);
	must(X509_gmtime_adj(X509_getm_notAfter(x), until) != NULL);
}

static char *text_of(BIO *bio)
{
	char *at, *text;
	long len = BIO_get_mem_data(bio, &at);

	must(len > 0);
	text = mem_new((size_t)len + 1);
	memcpy(text, at, (size_t)len);
	BIO_free(bio);
	return text;
}

static void write_pem(struct test_pki *p)
{
	BIO *cert = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());

	must(PEM_write_bio_X509(cert, p->cert) == 1);
	must(PEM_write_bio_PrivateKey(key, p->key, NULL, NULL, 0, NULL, NULL) == 1);
	p->cert_pem = text_of(cert);
	p->key_pem = text_of(key);
}

struct test_pki *test_pki_make(const struct test_pki_spec *spec, const struct test_pki *issuer)
{
	struct test_pki *p = mem_new(sizeof(*p));
	X509 *x = X509_new();
	X509 *by = issuer != NULL ? issuer->cert : x;
	const EVP_MD *hash = EVP_get_digestbyname(spec->hash != NULL ? spec->hash : "SHA256");

	p->cert = x;
	p->key = make_key(spec->key);
	must(x != NULL && p->key != NULL && hash != NULL);
	must(X509_set_version(x, X509_VERSION_3) == 1);
	set_serial(x);
	set_subject(x, spec->cn);
	must(X509_set_issuer_name(x, X509_get_subject_name(by)) == 1);
	must(X509_set_pubkey(x, p->key) == 1);
	set_dates(x, spec->from, spec->until);
	set_extensions(x, by, spec);
	must(X509_sign(x, issuer != NULL ? issuer->key : p->key, hash) > 0);
	write_pem(p);
	return p;
}

void test_pki_free(struct test_pki *p)
{
	if (p == NULL)
		return;
	X509_free(p->cert);
	EVP_PKEY_free(p->key);
	free(p->cert_pem);
	free(p->key_pem);
	free(p);
}

char *test_pki_chain(const struct test_pki *first, const struct test_pki *second)
{
	size_t one = strlen(first->cert_pem), two = strlen(second->cert_pem);
	char *text = mem_new(one + two + 1);

	memcpy(text, first->cert_pem, one);
	memcpy(text + one, second->cert_pem, two);
	return text;
}
