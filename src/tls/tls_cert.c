#include "tls/tls_cert.h"

#include "base/must.h"
#include "tls/tls_inside.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Far above any chain or root bundle; OpenSSL counts in int. */
#define PEM_MOST (8 * 1024 * 1024)

/* A daemon has nobody to ask. */
static int no_password(char *to, int size, int writing, void *asked)
{
	(void)to;
	(void)size;
	(void)writing;
	if (asked != NULL)
		*(bool *)asked = true;
	return -1;
}

static bool refuse(struct why *why, const char *text)
{
	ERR_clear_error();
	why_set(why, FAULT_POLICY, "%s", text);
	return false;
}

static BIO *open_pem(struct span pem)
{
	BIO *bio = BIO_new_mem_buf(pem.len > 0 ? pem.at : "", (int)pem.len);

	must(bio != NULL);
	return bio;
}

/* True at the end of the text, false where a certificate in it is broken. */
static bool read_all(BIO *bio, STACK_OF(X509) *list)
{
	X509 *x;

	while ((x = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
		must(sk_X509_push(list, x) > 0);
		if (sk_X509_num(list) > TLS_CERT_LIST_MOST)
			return false;
	}
	return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

STACK_OF(X509) *tls_cert_list(struct span pem, struct why *why)
{
	STACK_OF(X509) *list;
	BIO *bio;
	bool whole;

	ERR_clear_error();
	if (pem.len > PEM_MOST) {
		refuse(why, "the certificate file is too large");
		return NULL;
	}
	list = sk_X509_new_null();
	must(list != NULL);
	bio = open_pem(pem);
	whole = read_all(bio, list);
	BIO_free(bio);
	if (whole && sk_X509_num(list) > 0) {
		ERR_clear_error();
		return list;
	}
	if (whole)
		refuse(why, "no certificate found (PEM is expected)");
	else
		why_set(why, FAULT_POLICY, "certificate %d of the file cannot be read",
			sk_X509_num(list) + 1);
	ERR_clear_error();
	sk_X509_pop_free(list, X509_free);
	return NULL;
}

static EVP_PKEY *read_key(struct span pem, struct why *why)
{
	bool asked = false;
	EVP_PKEY *key;
	BIO *bio;

	if (pem.len > PEM_MOST) {
		refuse(why, "the key file is too large");
		return NULL;
	}
	bio = open_pem(pem);
	key = PEM_read_bio_PrivateKey(bio, NULL, no_password, &asked);
	BIO_free(bio);
	if (key == NULL)
		refuse(why, asked ? "the private key is encrypted; it must be without a passphrase" :
				    "no private key found that OpenSSL can read (PEM is expected)");
	return key;
}

/* The key may belong to another certificate of the file: the most common mistake of all. */
static bool key_fits(STACK_OF(X509) *list, const EVP_PKEY *key, struct why *why)
{
	for (int i = 0; i < sk_X509_num(list); i++) {
		const EVP_PKEY *public = X509_get0_pubkey(sk_X509_value(list, i));

		if (public == NULL || EVP_PKEY_eq(public, key) != 1)
			continue;
		if (i == 0)
			return true;
		ERR_clear_error();
		why_set(why, FAULT_POLICY, "the key belongs to certificate %d of the chain; "
			"that one must come first", i + 1);
		return false;
	}
	return refuse(why, "the key does not belong to the certificate");
}

bool tls_cert_dns_name(const X509 *x, char *name, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	name[0] = '\0';
	for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
		int type;
		const ASN1_STRING *text = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i),
								  &type);
		size_t len = type == GEN_DNS ? (size_t)ASN1_STRING_length(text) : 0;

		/* A name with a NUL in it is another name to every C program that prints it. */
		found = len > 0 && len < size &&
			memchr(ASN1_STRING_get0_data(text), '\0', len) == NULL;
		if (found) {
			memcpy(name, ASN1_STRING_get0_data(text), len);
			name[len] = '\0';
		}
	}
	GENERAL_NAMES_free(names);
	return found;
}

static void common_name(const X509 *x, char *name, size_t size)
{
	const X509_NAME *subject = X509_get_subject_name(x);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *text = NULL;
	int len = -1;

	if (at >= 0)
		len = ASN1_STRING_to_UTF8(&text,
			X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (len > 0 && (size_t)len < size && memchr(text, '\0', (size_t)len) == NULL) {
		memcpy(name, text, (size_t)len);
		name[len] = '\0';
	}
	OPENSSL_free(text);
}

int64_t tls_cert_time(const ASN1_TIME *t)
{
	struct tm tm;

	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

struct tls_cert *tls_cert_make(STACK_OF(X509) *list, EVP_PKEY *key)
{
	struct tls_cert *c = mem_new(sizeof(*c));

	c->leaf = sk_X509_shift(list);
	c->chain = list;
	c->key = key;
	if (!tls_cert_dns_name(c->leaf, c->name, sizeof(c->name)))
		common_name(c->leaf, c->name, sizeof(c->name));
	c->until = tls_cert_time(X509_get0_notAfter(c->leaf));
	ERR_clear_error();
	return c;
}

struct tls_cert *tls_cert_read(struct span chain, struct span key, struct why *why)
{
	STACK_OF(X509) *list = tls_cert_list(chain, why);
	EVP_PKEY *private;

	if (list == NULL)
		return NULL;
	private = read_key(key, why);
	if (private != NULL && key_fits(list, private, why))
		return tls_cert_make(list, private);
	EVP_PKEY_free(private);
	sk_X509_pop_free(list, X509_free);
	return NULL;
}

struct tls_cert *tls_cert_copy(const struct tls_cert *c)
{
	struct tls_cert *copy = mem_new(sizeof(*copy));

	*copy = *c;
	must(X509_up_ref(copy->leaf) == 1);
	must(EVP_PKEY_up_ref(copy->key) == 1);
	copy->chain = X509_chain_up_ref(c->chain);
	must(copy->chain != NULL);
	return copy;
}

void tls_cert_free(struct tls_cert *c)
{
	if (c == NULL)
		return;
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	free(c);
}

const char *tls_cert_name(const struct tls_cert *c)
{
	return c->name;
}

int64_t tls_cert_until(const struct tls_cert *c)
{
	return c->until;
}
