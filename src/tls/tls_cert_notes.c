/* The checks of SPEC SUB-12 on a certificate of our own, errors before warnings. */
#include "base/must.h"
#include "tls/tls_inside.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>

/* What every key in use must be worth: RSA with 2048 bits, or an elliptic curve of 224. */
#define LEAST_STRENGTH 112

struct list {
	struct tls_cert_note *notes;
	unsigned count;
};

static void add(struct list *l, bool error, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void add(struct list *l, bool error, const char *fmt, ...)
{
	va_list args;

	if (l->count == TLS_CERT_NOTES)
		return;
	va_start(args, fmt);
	vsnprintf(l->notes[l->count].text, sizeof(l->notes[0].text), fmt, args);
	va_end(args);
	l->notes[l->count++].error = error;
}

/* "the certificate", or "certificate 2 of the chain". */
static const char *called(int i, char name[40])
{
	if (i == 0)
		return "the certificate";
	snprintf(name, 40, "certificate %d of the chain", i + 1);
	return name;
}

static bool is_self_signed(X509 *x)
{
	return X509_self_signed(x, 1) == 1;
}

static void check_dates(struct list *l, const X509 *x, int i, int64_t now)
{
	char name[40];

	if (now > tls_cert_time(X509_get0_notAfter(x)))
		add(l, true, "%s has expired", called(i, name));
	if (now < tls_cert_time(X509_get0_notBefore(x)))
		add(l, true, "%s is not yet valid", called(i, name));
}

static void check_strength(struct list *l, X509 *x, int i)
{
	const EVP_PKEY *key = X509_get0_pubkey(x);
	int hash = NID_undef;
	char name[40];

	if (key == NULL)
		add(l, true, "%s has a key that OpenSSL cannot read", called(i, name));
	else if (EVP_PKEY_get_security_bits(key) < LEAST_STRENGTH)
		add(l, true, "%s has a weak key: %s with %d bits (RSA needs 2048, EC 224)",
		    called(i, name), OBJ_nid2sn(EVP_PKEY_get_base_id(key)),
		    EVP_PKEY_get_bits(key));
	/* Nobody checks a root's signature on itself. */
	if (is_self_signed(x))
		return;
	if (X509_get_signature_info(x, &hash, NULL, NULL, NULL) == 1 &&
	    (hash == NID_md5 || hash == NID_sha1))
		add(l, true, "%s is signed with %s", called(i, name), OBJ_nid2sn(hash));
}

static bool issued(X509 *issuer, X509 *x)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer);

	return X509_check_issued(issuer, x) == X509_V_OK && key != NULL &&
	       X509_verify(x, key) == 1;
}

static X509 *nth(const struct tls_cert *c, int i)
{
	return i == 0 ? c->leaf : sk_X509_value(c->chain, i - 1);
}

/* False where some certificate was not issued by the one behind it. */
static bool check_order(struct list *l, const struct tls_cert *c, int count)
{
	char name[40];

	for (int i = 0; i + 1 < count; i++) {
		if (issued(nth(c, i + 1), nth(c, i)))
			continue;
		add(l, true, "the chain is out of order: certificate %d did not issue %s", i + 2,
		    called(i, name));
		return false;
	}
	return true;
}

static bool issuer_is_root(X509 *x)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509 *issuer = NULL;
	bool found;

	must(ctx != NULL);
	found = X509_STORE_CTX_init(ctx, tls_roots_store(), x, NULL) == 1 &&
		X509_STORE_CTX_get1_issuer(&issuer, ctx, x) == 1;
	X509_free(issuer);
	X509_STORE_CTX_free(ctx);
	return found;
}

static void check_end(struct list *l, X509 *last, int count)
{
	char issuer[120];

	if (is_self_signed(last)) {
		if (count == 1)
			add(l, false, "the certificate is self-signed: peers that verify will "
			    "refuse it");
		return;
	}
	if (issuer_is_root(last))
		return;
	X509_NAME_oneline(X509_get_issuer_name(last), issuer, sizeof(issuer));
	add(l, false, "the chain is not complete: the issuer %s is neither in it nor a known root",
	    issuer);
}

static void check_life(struct list *l, const struct tls_cert *c, int64_t now)
{
	int64_t from = tls_cert_time(X509_get0_notBefore(c->leaf));
	int64_t left = c->until - now;

	if (left >= 0 && now >= from && left < (c->until - from) / 10)
		add(l, false, "the certificate expires in %lld hours: less than a tenth of its "
		    "life is left", (long long)(left / 3600));
}

unsigned tls_cert_notes(const struct tls_cert *c, int64_t now,
			struct tls_cert_note notes[TLS_CERT_NOTES])
{
	struct list l = { notes, 0 };
	int count = 1 + sk_X509_num(c->chain);
	bool ordered;

	ordered = check_order(&l, c, count);
	for (int i = 0; i < count; i++) {
		check_dates(&l, nth(c, i), i, now);
		check_strength(&l, nth(c, i), i);
	}
	if (ordered)
		check_end(&l, nth(c, count - 1), count);
	if (X509_get_ext_by_NID(c->leaf, NID_subject_alt_name, -1) < 0)
		add(&l, false, "the certificate has no SAN: peers that verify look at no other "
		    "name");
	check_life(&l, c, now);
	ERR_clear_error();
	return l.count;
}
