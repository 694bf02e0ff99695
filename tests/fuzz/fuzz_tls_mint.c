/* Any octets as an upstream's certificate: refused with a reason, or a leaf that our authority has signed,
 * for the same subject and names, never longer than the upstream's; and the second time without
 * a signature. */
#include "base/must.h"
#include "tls/tls_inside.h"
#include "tls/tls_mint.h"

#include <openssl/x509v3.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_authority *authority;
static X509 *authority_cert;

static void start(void)
{
	struct buf cert, key;
	struct why why;
	struct tls_cert *ca;

	buf_init(&cert, 65536);
	buf_init(&key, 65536);
	must(tls_authority_make("fuzz", 100, (int64_t)time(NULL), &cert, &key, &why));
	authority = tls_authority_new(buf_peek(&cert), buf_peek(&key), (int64_t)time(NULL), &why);
	ca = tls_cert_read(buf_peek(&cert), buf_peek(&key), &why);
	must(authority != NULL && ca != NULL);
	authority_cert = ca->leaf;
	must(X509_up_ref(authority_cert) == 1);
	tls_cert_free(ca);
	buf_free(&cert);
	buf_free(&key);
}

static void check_names(const X509 *leaf, const X509 *upstream)
{
	GENERAL_NAMES *a = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	GENERAL_NAMES *b = X509_get_ext_d2i(upstream, NID_subject_alt_name, NULL, NULL);

	must(sk_GENERAL_NAME_num(b) <= 0 || sk_GENERAL_NAME_num(a) == sk_GENERAL_NAME_num(b));
	must(sk_GENERAL_NAME_num(b) > 0 || a == NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(a); i++)
		must(GENERAL_NAME_cmp(sk_GENERAL_NAME_value(a, i), sk_GENERAL_NAME_value(b, i)) == 0);
	GENERAL_NAMES_free(a);
	GENERAL_NAMES_free(b);
}

static void check_leaf(const struct tls_cert *c, struct span der)
{
	struct why why;
	X509 *upstream = tls_likeness_read(der, &why), *leaf = c->leaf;

	must(upstream != NULL);
	must(X509_verify(leaf, X509_get0_pubkey(authority_cert)) == 1);
	must(X509_NAME_cmp(X509_get_subject_name(leaf), X509_get_subject_name(upstream)) == 0);
	must(X509_check_ca(leaf) == 0);
	must(X509_get_extended_key_usage(leaf) == XKU_SSL_SERVER);
	must(ASN1_TIME_compare(X509_get0_notBefore(leaf), X509_get0_notBefore(upstream)) >= 0);
	must(ASN1_TIME_compare(X509_get0_notAfter(leaf), X509_get0_notAfter(upstream)) <= 0);
	must(ASN1_TIME_compare(X509_get0_notAfter(leaf), X509_get0_notAfter(authority_cert)) <= 0);
	must(EVP_PKEY_eq(X509_get0_pubkey(leaf), c->key) == 1);
	check_names(leaf, upstream);
	X509_free(upstream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span der = span_of(data, size);
	int64_t now = (int64_t)time(NULL);
	struct why why = { 0 };
	const struct tls_cert *c;
	bool minted;

	if (authority == NULL)
		start();
	c = tls_authority_mint(authority, der, now, &minted, &why);
	if (c == NULL) {
		must(why.fault == FAULT_PEER && !minted);
		return 0;
	}
	check_leaf(c, der);
	must(tls_authority_mint(authority, der, now, &minted, &why) == c && !minted);
	return 0;
}
