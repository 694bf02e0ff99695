#include "tls/tls_chain.h"

#include "base/must.h"
#include "base/text.h"
#include "tls/tls_inside.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

static void copy(char *to, size_t size, const char *from, size_t len)
{
	size_t most = len < size - 1 ? len : size - 1;

	for (size_t i = 0; i < most; i++)
		to[i] = from[i] >= 0x20 && from[i] < 0x7f ? from[i] : '?';
	to[most] = '\0';
}

static void read_subject(const X509_NAME *name, char *to, size_t size)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *text;
	long len;

	must(out != NULL);
	X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253);
	len = BIO_get_mem_data(out, &text);
	copy(to, size, text, len > 0 ? (size_t)len : 0);
	BIO_free(out);
}

static void read_names(X509 *x, struct tls_chain_cert *c)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const ASN1_IA5STRING *dns = name->type == GEN_DNS ? name->d.dNSName : NULL;

		if (dns == NULL)
			continue;
		if (c->name_count < TLS_CHAIN_NAMES_MOST)
			copy(c->names[c->name_count], sizeof(c->names[0]), (const char *)ASN1_STRING_get0_data(dns),
			     (size_t)ASN1_STRING_length(dns));
		c->name_count++;
	}
	GENERAL_NAMES_free(names);
}

static void read_key(X509 *x, struct tls_chain_cert *c)
{
	EVP_PKEY *key = X509_get0_pubkey(x);

	if (key != NULL && EVP_PKEY_get0_type_name(key) != NULL)
		snprintf(c->key, sizeof(c->key), "%.16s %d", EVP_PKEY_get0_type_name(key), EVP_PKEY_get_bits(key));
}

static void read_cert(X509 *x, struct tls_chain_cert *c)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	struct text hex;

	memset(c, 0, sizeof(*c));
	read_subject(X509_get_subject_name(x), c->subject, sizeof(c->subject));
	read_subject(X509_get_issuer_name(x), c->issuer, sizeof(c->issuer));
	read_names(x, c);
	read_key(x, c);
	must(X509_digest(x, EVP_sha256(), hash, &len) == 1);
	text_begin(&hex, c->sha256, sizeof(c->sha256));
	text_hex(&hex, hash, len);
	c->from = tls_cert_time(X509_get0_notBefore(x));
	c->until = tls_cert_time(X509_get0_notAfter(x));
}

unsigned tls_chain_read(const struct tls_conn *c, struct tls_chain_cert chain[TLS_CHAIN_MOST])
{
	STACK_OF(X509) *shown = SSL_get_peer_cert_chain(c->ssl);
	unsigned count = 0;

	must(!c->server);
	for (int i = 0; i < sk_X509_num(shown) && count < TLS_CHAIN_MOST; i++)
		read_cert(sk_X509_value(shown, i), &chain[count++]);
	ERR_clear_error();
	return count;
}

bool tls_chain_has_name(const struct tls_conn *c, const char *name)
{
	X509 *leaf = SSL_get0_peer_certificate(c->ssl);

	return leaf != NULL && tls_verify_has_name(leaf, name);
}
