/* Certificates that an authority of ours makes: leafs in the likeness of an upstream's, and itself. */
#include "base/must.h"
#include "tls/tls_inside.h"
#include "tls/tls_mint.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#define SERIAL_OCTETS 16

static bool refuse(struct why *why, enum fault fault, const char *text)
{
	ERR_clear_error();
	why_set(why, fault, "%s", text);
	return false;
}

X509 *tls_likeness_read(struct span der, struct why *why)
{
	const unsigned char *at = (const unsigned char *)der.at;
	X509 *x = NULL;

	if (der.len > TLS_MINT_UPSTREAM_MOST) {
		refuse(why, FAULT_PEER, "the upstream's certificate is too large");
		return NULL;
	}
	if (der.len > 0)
		x = d2i_X509(NULL, &at, (long)der.len);
	if (x != NULL && at == (const unsigned char *)der.at + der.len) {
		ERR_clear_error();
		return x;
	}
	X509_free(x);
	refuse(why, FAULT_PEER, "the upstream's certificate cannot be read");
	return NULL;
}

/* 128 bits that nobody can foresee (CA/Browser Forum asks for 64). */
static bool set_serial(X509 *x)
{
	unsigned char octets[SERIAL_OCTETS];
	BIGNUM *number;
	bool set;

	must(RAND_bytes(octets, sizeof(octets)) == 1);
	number = BN_bin2bn(octets, sizeof(octets), NULL);
	set = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)) != NULL;
	BN_free(number);
	return set;
}

static bool add(X509 *x, int nid, void *value, bool critical)
{
	return value != NULL &&
	       X509_add1_ext_i2d(x, nid, value, critical, X509V3_ADD_DEFAULT) == 1;
}

/* RFC 5280 section 4.2.1.2, method 1. */
static ASN1_OCTET_STRING *key_id(const X509 *x)
{
	ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (id != NULL && X509_pubkey_digest(x, EVP_sha1(), hash, &len) == 1 &&
	    ASN1_OCTET_STRING_set(id, hash, (int)len) == 1)
		return id;
	ASN1_OCTET_STRING_free(id);
	return NULL;
}

static bool add_subject_key_id(X509 *x)
{
	ASN1_OCTET_STRING *id = key_id(x);
	bool added = add(x, NID_subject_key_identifier, id, false);

	ASN1_OCTET_STRING_free(id);
	return added;
}

static bool add_authority_key_id(X509 *x, X509 *ca)
{
	const ASN1_OCTET_STRING *own = X509_get0_subject_key_id(ca);
	AUTHORITY_KEYID *id = AUTHORITY_KEYID_new();
	bool added = false;

	if (id != NULL) {
		id->keyid = own != NULL ? ASN1_OCTET_STRING_dup(own) : key_id(ca);
		added = id->keyid != NULL && add(x, NID_authority_key_identifier, id, false);
	}
	AUTHORITY_KEYID_free(id);
	return added;
}

static bool add_usage(X509 *x, const int *bits, size_t count)
{
	ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
	bool added = usage != NULL;

	for (size_t i = 0; added && i < count; i++)
		added = ASN1_BIT_STRING_set_bit(usage, bits[i], 1) == 1;
	added = added && add(x, NID_key_usage, usage, true);
	ASN1_BIT_STRING_free(usage);
	return added;
}

static bool add_server_auth(X509 *x)
{
	EXTENDED_KEY_USAGE *usage = sk_ASN1_OBJECT_new_null();
	bool added;

	/* A static object of OpenSSL's table, which freeing leaves alone. */
	added = usage != NULL && sk_ASN1_OBJECT_push(usage, OBJ_nid2obj(NID_server_auth)) > 0 &&
		add(x, NID_ext_key_usage, usage, false);
	EXTENDED_KEY_USAGE_free(usage);
	return added;
}

/* A CA of ours issues leafs only. */
static bool add_basic(X509 *x, bool ca)
{
	BASIC_CONSTRAINTS *basic = BASIC_CONSTRAINTS_new();
	bool added = basic != NULL;

	if (added && ca) {
		basic->ca = 0xff;
		basic->pathlen = ASN1_INTEGER_new();
		added = basic->pathlen != NULL && ASN1_INTEGER_set(basic->pathlen, 0) == 1;
	}
	added = added && add(x, NID_basic_constraints, basic, true);
	BASIC_CONSTRAINTS_free(basic);
	return added;
}

/* Read and written again, so that what cannot be read is not passed on. */
static bool copy_names(X509 *x, X509 *upstream, struct why *why)
{
	int found = -1;
	GENERAL_NAMES *names = X509_get_ext_d2i(upstream, NID_subject_alt_name, &found, NULL);
	bool empty = X509_NAME_entry_count(X509_get_subject_name(upstream)) == 0;
	bool fine = true;

	if (names == NULL && found == -2)
		fine = refuse(why, FAULT_PEER, "the upstream's certificate has more than one SAN");
	else if (names == NULL && found >= 0)
		fine = refuse(why, FAULT_PEER, "the SAN of the upstream's certificate cannot be "
			      "read");
	else if (sk_GENERAL_NAME_num(names) <= 0 && empty)
		fine = refuse(why, FAULT_PEER, "the upstream's certificate names nobody");
	/* RFC 5280 section 4.2.1.6 */
	else if (sk_GENERAL_NAME_num(names) > 0)
		fine = add(x, NID_subject_alt_name, names, empty) ||
		       refuse(why, FAULT_PEER, "the SAN of the upstream's certificate cannot be "
			      "copied");
	GENERAL_NAMES_free(names);
	return fine;
}

static bool read_time(const ASN1_TIME *t, int64_t *seconds)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*seconds = (int64_t)timegm(&tm);
	return true;
}

static bool set_dates(X509 *x, int64_t from, int64_t until)
{
	return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)from) != NULL &&
	       ASN1_TIME_set(X509_getm_notAfter(x), (time_t)until) != NULL;
}

/* One that was over before the authority began keeps its own first day: a leaf whose days run backwards
 * would be refused for that, not for having expired. */
static bool copy_dates(X509 *x, const X509 *upstream, const X509 *ca, struct why *why)
{
	int64_t from, until, ca_from, ca_until;

	if (!read_time(X509_get0_notBefore(upstream), &from) ||
	    !read_time(X509_get0_notAfter(upstream), &until) || from > until)
		return refuse(why, FAULT_PEER, "the dates of the upstream's certificate make no "
			      "sense");
	if (!read_time(X509_get0_notBefore(ca), &ca_from) ||
	    !read_time(X509_get0_notAfter(ca), &ca_until))
		return refuse(why, FAULT_POLICY, "the dates of the authority make no sense");
	if (ca_from > from && ca_from <= until)
		from = ca_from;
	if (ca_until < until)
		until = ca_until;
	if (from > until)
		return refuse(why, FAULT_PEER, "the upstream's certificate begins after the "
			      "authority has ended");
	return set_dates(x, from, until) ||
	       refuse(why, FAULT_PEER, "the dates of the upstream's certificate cannot be copied");
}

/* SHA-256, but for keys that bring a hash of their own (Ed25519). */
static bool sign(X509 *x, EVP_PKEY *key)
{
	int nid = NID_undef;
	bool own = EVP_PKEY_get_default_digest_nid(key, &nid) == 2 && nid == NID_undef;

	return X509_sign(x, key, own ? NULL : EVP_sha256()) > 0;
}

static X509 *begin(EVP_PKEY *key)
{
	X509 *x = X509_new();

	must(x != NULL);
	must(X509_set_version(x, X509_VERSION_3) == 1);
	must(set_serial(x));
	must(X509_set_pubkey(x, key) == 1);
	return x;
}

/* `x` where it was signed, else NULL with OpenSSL's reason. */
static X509 *finish(X509 *x, bool made, EVP_PKEY *key, struct why *why)
{
	if (made && sign(x, key)) {
		ERR_clear_error();
		return x;
	}
	tls_error_refused(why, "making a certificate");
	X509_free(x);
	return NULL;
}

static bool like(X509 *x, X509 *upstream, const struct tls_cert *ca, struct why *why)
{
	if (!copy_dates(x, upstream, ca->leaf, why) || !copy_names(x, upstream, why))
		return false;
	return X509_set_subject_name(x, X509_get_subject_name(upstream)) == 1 ||
	       refuse(why, FAULT_PEER, "the subject of the upstream's certificate cannot be "
		      "copied");
}

X509 *tls_likeness_leaf(const struct tls_cert *ca, X509 *upstream, EVP_PKEY *key, struct why *why)
{
	static const int usage[] = { 0 /* digitalSignature */ };
	X509 *x = begin(key);
	bool made;

	if (!like(x, upstream, ca, why)) {
		X509_free(x);
		return NULL;
	}
	made = X509_set_issuer_name(x, X509_get_subject_name(ca->leaf)) == 1 &&
	       add_basic(x, false) && add_usage(x, usage, 1) && add_server_auth(x) &&
	       add_subject_key_id(x) && add_authority_key_id(x, ca->leaf);
	return finish(x, made, ca->key, why);
}

static bool set_name(X509 *x, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(x);

	return X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
					  (const unsigned char *)name, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(x, subject) == 1;
}

X509 *tls_likeness_ca(const char *name, int64_t from, int64_t until, EVP_PKEY *key,
		      struct why *why)
{
	static const int usage[] = { 5 /* keyCertSign */, 6 /* cRLSign */ };
	X509 *x = begin(key);
	bool made = set_name(x, name) && set_dates(x, from, until) && add_basic(x, true) &&
		    add_usage(x, usage, 2) && add_subject_key_id(x);

	return finish(x, made, key, why);
}
