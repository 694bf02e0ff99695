#include "tls/tls_mint.h"

#include "base/must.h"
#include "tls/tls_inside.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define HASH_OCTETS 32
#define DAY (24 * 3600)
#define CLOCKS_APART 3600
/* Of a CA's key: RSA with 2048 bits, or an elliptic curve of 224. */
#define LEAST_STRENGTH 112

struct kept {
	unsigned char upstream[HASH_OCTETS];
	struct tls_cert *cert; /* NULL: free */
	size_t octets;
	uint64_t used; /* greater is later */
};

struct tls_authority {
	struct tls_cert *ca;
	STACK_OF(X509) *above; /* what clients are sent behind a leaf */
	struct kept kept[TLS_MINT_KEPT];
	size_t octets;
	uint64_t uses;
};

static bool refuse(struct why *why, const char *text)
{
	ERR_clear_error();
	why_set(why, FAULT_POLICY, "%s", text);
	return false;
}

static bool is_valid(const struct tls_cert *ca, int64_t now, struct why *why)
{
	if (now < tls_cert_time(X509_get0_notBefore(ca->leaf)))
		return refuse(why, "the authority is not yet valid");
	return now <= ca->until || refuse(why, "the authority has expired");
}

static bool is_authority(const struct tls_cert *ca, int64_t now, struct why *why)
{
	if (X509_check_ca(ca->leaf) != 1)
		return refuse(why, "the certificate is not that of a CA (basicConstraints)");
	if ((X509_get_key_usage(ca->leaf) & KU_KEY_CERT_SIGN) == 0)
		return refuse(why, "the certificate's keyUsage does not let it sign others");
	if (X509_check_purpose(ca->leaf, X509_PURPOSE_SSL_SERVER, 1) != 1)
		return refuse(why, "the certificate may not sign those of TLS servers");
	if (EVP_PKEY_get_security_bits(ca->key) < LEAST_STRENGTH)
		return refuse(why, "the authority's key is too weak (RSA needs 2048, EC 224)");
	return is_valid(ca, now, why);
}

/* Without the root, which a client has or will not believe anyway. */
static STACK_OF(X509) *chain_of(const struct tls_cert *ca)
{
	STACK_OF(X509) *above = X509_chain_up_ref(ca->chain);

	must(above != NULL);
	if (X509_self_signed(ca->leaf, 0) != 1) {
		must(X509_up_ref(ca->leaf) == 1);
		must(sk_X509_unshift(above, ca->leaf) > 0);
	}
	return above;
}

struct tls_authority *tls_authority_new(struct span chain, struct span key, int64_t now,
					struct why *why)
{
	struct tls_cert *ca = tls_cert_read(chain, key, why);
	struct tls_authority *a;

	if (ca == NULL)
		return NULL;
	if (!is_authority(ca, now, why)) {
		tls_cert_free(ca);
		return NULL;
	}
	ERR_clear_error();
	a = mem_new(sizeof(*a));
	a->ca = ca;
	a->above = chain_of(ca);
	return a;
}

static void drop(struct tls_authority *a, struct kept *k)
{
	a->octets -= k->octets;
	tls_cert_free(k->cert);
	*k = (struct kept){ 0 };
}

void tls_authority_free(struct tls_authority *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < TLS_MINT_KEPT; i++)
		drop(a, &a->kept[i]);
	sk_X509_pop_free(a->above, X509_free);
	tls_cert_free(a->ca);
	free(a);
}

static struct kept *find(struct tls_authority *a, const unsigned char hash[HASH_OCTETS])
{
	for (size_t i = 0; i < TLS_MINT_KEPT; i++) {
		if (a->kept[i].cert != NULL &&
		    memcmp(a->kept[i].upstream, hash, HASH_OCTETS) == 0)
			return &a->kept[i];
	}
	return NULL;
}

/* The one that was longest unused; a free one, if there is and `free_too`. */
static struct kept *oldest(struct tls_authority *a, bool free_too)
{
	struct kept *best = NULL;

	for (size_t i = 0; i < TLS_MINT_KEPT; i++) {
		struct kept *k = &a->kept[i];

		if ((k->cert != NULL || free_too) && (best == NULL || k->used < best->used))
			best = k;
	}
	must(best != NULL);
	return best;
}

static struct kept *place_for(struct tls_authority *a, size_t octets)
{
	struct kept *k;

	while (a->octets > 0 && a->octets + octets > TLS_MINT_KEPT_OCTETS)
		drop(a, oldest(a, false));
	k = oldest(a, true);
	drop(a, k);
	return k;
}

static struct tls_cert *make(struct tls_authority *a, X509 *upstream, struct why *why)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	STACK_OF(X509) *list;
	X509 *leaf;

	must(key != NULL);
	leaf = tls_likeness_leaf(a->ca, upstream, key, why);
	if (leaf == NULL) {
		EVP_PKEY_free(key);
		return NULL;
	}
	list = X509_chain_up_ref(a->above);
	must(list != NULL);
	must(sk_X509_unshift(list, leaf) > 0);
	return tls_cert_make(list, key);
}

static struct tls_cert *mint(struct tls_authority *a, struct span upstream,
			     const unsigned char hash[HASH_OCTETS], struct why *why)
{
	X509 *x = tls_likeness_read(upstream, why);
	struct tls_cert *cert = x != NULL ? make(a, x, why) : NULL;
	size_t octets;
	struct kept *k;

	X509_free(x);
	if (cert == NULL)
		return NULL;
	octets = (size_t)i2d_X509(cert->leaf, NULL);
	k = place_for(a, octets);
	memcpy(k->upstream, hash, HASH_OCTETS);
	k->cert = cert;
	k->octets = octets;
	k->used = ++a->uses;
	a->octets += octets;
	return cert;
}

struct tls_cert *tls_authority_mint(struct tls_authority *a, struct span upstream, int64_t now,
				    bool *minted, struct why *why)
{
	unsigned char hash[HASH_OCTETS];
	struct tls_cert *cert;
	struct kept *k;

	if (minted != NULL)
		*minted = false;
	ERR_clear_error();
	if (!is_valid(a->ca, now, why))
		return NULL;
	must(EVP_Digest(upstream.at, upstream.len, hash, NULL, EVP_sha256(), NULL) == 1);
	k = find(a, hash);
	if (k != NULL) {
		k->used = ++a->uses;
		return k->cert;
	}
	cert = mint(a, upstream, hash, why);
	if (minted != NULL)
		*minted = cert != NULL;
	return cert;
}

static bool put_bio(BIO *bio, bool written, struct buf *to)
{
	char *at = NULL;
	long len = BIO_get_mem_data(bio, &at);
	bool put = written && len > 0 && buf_put(to, span_of(at, (size_t)len));

	BIO_free(bio);
	return put;
}

/* Memory for a key is wiped when it is given back. */
static bool put_pair(X509 *x, EVP_PKEY *private, struct buf *cert, struct buf *key)
{
	BIO *one = BIO_new(BIO_s_mem()), *two = BIO_new(BIO_s_secmem());
	bool put;

	must(one != NULL && two != NULL);
	put = put_bio(one, PEM_write_bio_X509(one, x) == 1, cert);
	return put_bio(two, PEM_write_bio_PrivateKey(two, private, NULL, NULL, 0, NULL, NULL) == 1,
		       key) && put;
}

bool tls_authority_make(const char *name, unsigned days, int64_t now, struct buf *cert,
			struct buf *key, struct why *why)
{
	EVP_PKEY *private;
	bool made;
	X509 *x;

	if (days == 0 || days > TLS_AUTHORITY_DAYS_MOST)
		return refuse(why, "an authority lasts at least a day and at most 100 years");
	if (name[0] == '\0')
		return refuse(why, "an authority must have a name");
	ERR_clear_error();
	private = EVP_EC_gen("P-256");
	must(private != NULL);
	x = tls_likeness_ca(name, now - CLOCKS_APART, now + (int64_t)days * DAY, private, why);
	made = x != NULL && (put_pair(x, private, cert, key) ||
			     refuse(why, "no room for the authority's certificate or key"));
	X509_free(x);
	EVP_PKEY_free(private);
	return made;
}
