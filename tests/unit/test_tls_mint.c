/* Leafs in the likeness of another's. */
#include "unit.h"

#include "test_pki.h"
#include "tls/tls_inside.h"
#include "tls/tls_mint.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#define HOST "mx.example.net"
#define DAY (24L * 3600)

/* The world's CA and a server's leaf of it; our authority. */
static struct test_pki *world, *server_leaf, *ours;
static struct tls_authority *authority;

static int64_t now(void)
{
	return (int64_t)time(NULL);
}

static struct tls_authority *authority_of(const struct test_pki *pki)
{
	struct why why = { 0 };
	struct tls_authority *a = tls_authority_new(span_str(pki->cert_pem),
						    span_str(pki->key_pem), now(), &why);

	if (a == NULL)
		fail_msg("authority: %s", why.text);
	return a;
}

/* To be freed with OPENSSL_free. */
static struct span der_of(X509 *x)
{
	unsigned char *octets = NULL;
	int len = i2d_X509(x, &octets);

	must(len > 0);
	return span_of(octets, (size_t)len);
}

static struct tls_cert *mint_x509(struct tls_authority *a, X509 *x, bool *minted, struct why *why)
{
	struct span der = der_of(x);
	struct tls_cert *c = tls_authority_mint(a, der, now(), minted, why);

	OPENSSL_free((void *)der.at);
	return c;
}

static struct tls_cert *mint(const struct test_pki *upstream)
{
	struct why why = { 0 };
	struct tls_cert *c = mint_x509(authority, upstream->cert, NULL, &why);

	if (c == NULL)
		fail_msg("not minted: %s", why.text);
	return c;
}

/* What OpenSSL says to the leaf with `pki` as the root, at a time, for a host. */
static int verify(X509 *x, const struct test_pki *pki, int64_t when, const char *host)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int error;

	must(X509_STORE_add_cert(store, pki->cert) == 1);
	must(X509_STORE_CTX_init(ctx, store, x, NULL) == 1);
	X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER);
	X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
	X509_STORE_CTX_set_time(ctx, 0, (time_t)when);
	if (host != NULL)
		must(X509_VERIFY_PARAM_set1_host(X509_STORE_CTX_get0_param(ctx), host, 0) == 1);
	X509_verify_cert(ctx);
	error = X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return error;
}

static void want_verified(const char *row, X509 *x, int want, int64_t when, const char *host)
{
	want_text(row, span_str(X509_verify_cert_error_string(verify(x, ours, when, host))),
		  span_str(X509_verify_cert_error_string(want)));
}

static bool same_ext(const X509 *a, const X509 *b, int nid, bool critical)
{
	int i = X509_get_ext_by_NID(a, nid, -1), k = X509_get_ext_by_NID(b, nid, -1);

	if (i < 0 || k < 0)
		return i == k;
	return ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(X509_get_ext(a, i)),
				     X509_EXTENSION_get_data(X509_get_ext(b, k))) == 0 &&
	       X509_EXTENSION_get_critical(X509_get_ext(a, i)) == critical;
}

static void test_WG_6_in_the_likeness(void **state)
{
	static const struct {
		const char *name;
		struct test_pki_spec spec;
		const char *host;
	} rows[] = {
		{ "a host", { .cn = HOST, .names = "DNS:" HOST }, HOST },
		{ "RSA", { .cn = HOST, .names = "DNS:" HOST, .key = TEST_PKI_RSA }, HOST },
		{ "several", { .cn = "x", .names = "DNS:a.example,DNS:*.b.example,IP:192.0.2.1" },
		  "mx.b.example" },
		{ "no subject", { .names = "DNS:" HOST }, HOST },
		{ "other names", { .cn = "x", .names = "email:a@b.example,URI:http://x/,DNS:" HOST },
		  HOST },
		{ "no SAN", { .cn = HOST }, HOST },
		{ "a subject that is no name", { .cn = "line\r\nend\x1b[31m", .names = "DNS:" HOST },
		  HOST },
		{ "what is not copied", { .cn = HOST, .names = "DNS:" HOST, .feature = "status_request",
		  .ocsp = "OCSP;URI:http://ocsp.example/", .usage = "clientAuth,serverAuth" }, HOST },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct test_pki *up = test_pki_make(&rows[i].spec, world);
		const struct tls_cert *c = mint(up);
		X509 *from = up->cert;

		want_verified(rows[i].name, c->leaf, X509_V_OK, now(), rows[i].host);
		want_number(rows[i].name, "subject", X509_NAME_cmp(X509_get_subject_name(from),
			    X509_get_subject_name(c->leaf)) == 0, true);
		want_number(rows[i].name, "SAN", same_ext(c->leaf, from, NID_subject_alt_name,
			    rows[i].spec.cn == NULL), true);
		want_number(rows[i].name, "from", ASN1_TIME_compare(X509_get0_notBefore(c->leaf),
			    X509_get0_notBefore(from)) == 0, true);
		want_number(rows[i].name, "until", ASN1_TIME_compare(X509_get0_notAfter(c->leaf),
			    X509_get0_notAfter(from)) == 0, true);
		test_pki_free(up);
	}
}

static void test_WG_6_what_is_new(void **state)
{
	const struct tls_cert *c = mint(server_leaf);
	X509 *x = c->leaf;
	BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);

	(void)state;
	assert_int_equal(X509_get_version(x), X509_VERSION_3);
	assert_true(BN_num_bits(serial) > 64 && BN_num_bits(serial) <= 128);
	assert_false(BN_is_negative(serial));
	BN_free(serial);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(x), X509_get0_pubkey(server_leaf->cert)), 0);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(x), c->key), 1);
	assert_int_equal(EVP_PKEY_get_bits(c->key), 256);
	assert_int_equal(X509_get_signature_nid(x), NID_ecdsa_with_SHA256);
	assert_int_equal(X509_get_key_usage(x), KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_get_extended_key_usage(x), XKU_SSL_SERVER);
	assert_int_equal(X509_check_ca(x), 0);
	assert_int_equal(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(x),
					       X509_get0_subject_key_id(ours->cert)), 0);
	assert_int_not_equal(ASN1_OCTET_STRING_cmp(X509_get0_subject_key_id(x),
				X509_get0_subject_key_id(server_leaf->cert)), 0);
	assert_int_equal(X509_get_ext_count(x), 6);
	/* The root stays at home. */
	assert_int_equal(sk_X509_num(c->chain), 0);
	assert_string_equal(tls_cert_name(c), HOST);
}

/* `minted` counts signatures. */
static void test_WG_6_one_signature_for_each_upstream(void **state)
{
	struct test_pki_spec spec = { .cn = HOST, .names = "DNS:" HOST };
	struct test_pki *one = test_pki_make(&spec, world), *two = test_pki_make(&spec, world);
	struct tls_authority *a = authority_of(ours), *b = authority_of(ours);
	struct tls_cert *first, *second;
	struct why why;
	bool minted;

	(void)state;
	first = mint_x509(a, one->cert, &minted, &why);
	assert_true(first != NULL && minted);
	assert_ptr_equal(mint_x509(a, one->cert, &minted, &why), first);
	assert_false(minted);
	second = mint_x509(a, two->cert, &minted, &why);
	assert_true(second != NULL && minted);
	assert_int_not_equal(X509_cmp(first->leaf, second->leaf), 0);
	assert_int_equal(EVP_PKEY_eq(first->key, second->key), 0);
	assert_ptr_equal(mint_x509(a, one->cert, &minted, &why), first);
	assert_non_null(mint_x509(b, one->cert, &minted, &why));
	assert_true(minted);
	tls_authority_free(a);
	tls_authority_free(b);
	test_pki_free(one);
	test_pki_free(two);
}

/* Many upstream certificates without making as many keys: the serial differs. The signature, which would
 * differ each time, is that of the first: nobody here looks at it. */
static bool mint_number(struct tls_authority *a, X509 *x, long number)
{
	struct why why = { 0 };
	bool minted = false;

	must(ASN1_INTEGER_set(X509_get_serialNumber(x), number) == 1);
	must(i2d_re_X509_tbs(x, NULL) > 0);
	if (mint_x509(a, x, &minted, &why) == NULL)
		fail_msg("number %ld: %s", number, why.text);
	return minted;
}

/* Octets of a certificate with many names, when `count` is large. */
static X509 *with_names(size_t count, const char *more)
{
	X509 *x = X509_dup(server_leaf->cert);
	GENERAL_NAMES *names = GENERAL_NAMES_new();

	for (size_t i = 0; i < count; i++) {
		GENERAL_NAME *name = GENERAL_NAME_new();
		ASN1_IA5STRING *text = ASN1_IA5STRING_new();
		char host[64];

		snprintf(host, sizeof(host), "%zu.%s", i, more);
		must(ASN1_STRING_set(text, host, -1) == 1);
		GENERAL_NAME_set0_value(name, GEN_DNS, text);
		must(sk_GENERAL_NAME_push(names, name) > 0);
	}
	must(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_REPLACE) == 1);
	GENERAL_NAMES_free(names);
	must(X509_sign(x, world->key, EVP_sha256()) > 0);
	return x;
}

static void test_WG_6_the_cache_is_bounded(void **state)
{
	struct tls_authority *a = authority_of(ours);
	X509 *x = X509_dup(server_leaf->cert);

	(void)state;
	for (long i = 0; i < TLS_MINT_KEPT; i++)
		assert_true(mint_number(a, x, i));
	assert_false(mint_number(a, x, 0)); /* used again: 1 is the oldest now */
	assert_true(mint_number(a, x, TLS_MINT_KEPT));
	assert_false(mint_number(a, x, 0));
	assert_false(mint_number(a, x, 2));
	assert_true(mint_number(a, x, 1));
	X509_free(x);
	tls_authority_free(a);
}

static void test_WG_6_the_cache_is_bounded_in_octets(void **state)
{
	struct tls_authority *a = authority_of(ours);
	X509 *x = with_names(2000, "a-rather-long-name.example");
	long size = i2d_X509(x, NULL), most = TLS_MINT_KEPT_OCTETS / size;

	(void)state;
	assert_true(size > 60000 && size <= TLS_MINT_UPSTREAM_MOST);
	for (long i = 0; i < most + 1; i++)
		assert_true(mint_number(a, x, i));
	assert_false(mint_number(a, x, most));
	assert_false(mint_number(a, x, most / 2));
	assert_true(mint_number(a, x, 0));
	X509_free(x);
	tls_authority_free(a);
}

static void test_WG_6_never_longer(void **state)
{
	static const struct {
		const char *name;
		long up_from, up_until, ca_from, ca_until; /* days from now */
		long from, until;
		const char *why; /* NULL: minted */
	} rows[] = {
		{ "within", -1, 10, -5, 90, -1, 10, NULL },
		{ "before and after", -20, 100, -5, 90, -5, 90, NULL },
		{ "expired", -20, -3, -30, 90, -20, -3, NULL },
		{ "expired before we began", -20, -10, -5, 90, -20, -10, NULL },
		{ "not yet", 5, 10, -5, 90, 5, 10, NULL },
		{ "far away", -3000, 300000, -5, 90, -5, 90, NULL },
		{ "after our end", 100, 200, -5, 90, 0, 0,
		  "the upstream's certificate begins after the authority has ended" },
		{ "backwards", 10, -10, -5, 90, 0, 0,
		  "the dates of the upstream's certificate make no sense" },
		{ "an instant", 3, 3, -5, 90, 3, 3, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct test_pki *ca = test_pki_make(&(struct test_pki_spec){ .cn = "ca", .ca = true,
			.from = rows[i].ca_from * DAY, .until = rows[i].ca_until * DAY }, NULL);
		struct test_pki *up = test_pki_make(&(struct test_pki_spec){ .cn = HOST,
			.from = rows[i].up_from * DAY, .until = rows[i].up_until * DAY }, world);
		struct tls_authority *a = authority_of(ca);
		struct why why = { 0 };
		const struct tls_cert *c = mint_x509(a, up->cert, NULL, &why);

		if ((c == NULL) != (rows[i].why != NULL))
			fail_msg("%s: \"%s\"", rows[i].name, why.text);
		if (c == NULL) {
			want_text(rows[i].name, span_str(why.text), span_str(rows[i].why));
			want_number(rows[i].name, "fault", why.fault, FAULT_PEER);
		} else {
			int64_t from = tls_cert_time(X509_get0_notBefore(c->leaf));
			int64_t until = tls_cert_until(c);

			/* The clock may have moved on since the first was made. */
			if (labs((long)(from - now() - rows[i].from * DAY)) > 60 ||
			    labs((long)(until - now() - rows[i].until * DAY)) > 60)
				fail_msg("%s: %ld to %ld", rows[i].name, (long)(from - now()) / DAY,
					 (long)(until - now()) / DAY);
		}
		tls_authority_free(a);
		test_pki_free(up);
		test_pki_free(ca);
	}
}

/* Of everything that is bad about them, the name stays out of `why`. */
static void want_refused(const char *row, struct span der, const char *want)
{
	struct why why = { 0 };
	bool minted = true;

	if (tls_authority_mint(authority, der, now(), &minted, &why) != NULL)
		fail_msg("%s: minted", row);
	want_text(row, span_str(why.text), span_str(want));
	want_number(row, "fault", why.fault, FAULT_PEER);
	want_number(row, "minted", minted, false);
}

static void want_refused_x509(const char *row, X509 *x, const char *want)
{
	struct span der = der_of(x);

	want_refused(row, der, want);
	OPENSSL_free((void *)der.at);
	X509_free(x);
}

static X509 *with_raw_san(const char *octets, size_t len)
{
	X509 *x = X509_dup(server_leaf->cert);
	ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext;

	X509_EXTENSION_free(X509_delete_ext(x, X509_get_ext_by_NID(x, NID_subject_alt_name, -1)));
	must(ASN1_OCTET_STRING_set(data, (const unsigned char *)octets, (int)len) == 1);
	ext = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, data);
	must(ext != NULL && X509_add_ext(x, ext, -1) == 1);
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(data);
	must(X509_sign(x, world->key, EVP_sha256()) > 0);
	return x;
}

static X509 *with_two_sans(void)
{
	X509 *x = X509_dup(server_leaf->cert);
	int at = X509_get_ext_by_NID(x, NID_subject_alt_name, -1);

	must(X509_add_ext(x, X509_get_ext(x, at), -1) == 1);
	must(X509_sign(x, world->key, EVP_sha256()) > 0);
	return x;
}

static X509 *without_subject(X509 *x)
{
	X509_NAME *none = X509_NAME_new();

	must(X509_set_subject_name(x, none) == 1);
	X509_NAME_free(none);
	must(X509_sign(x, world->key, EVP_sha256()) > 0);
	return x;
}

static X509 *with_dates(const char *from, const char *until)
{
	X509 *x = X509_dup(server_leaf->cert);

	/* As they are, unlike with ASN1_TIME_set_string. */
	must(ASN1_STRING_set(X509_getm_notBefore(x), from, -1) == 1);
	must(ASN1_STRING_set(X509_getm_notAfter(x), until, -1) == 1);
	must(X509_sign(x, world->key, EVP_sha256()) > 0);
	return x;
}

static void test_hostile_certificates(void **state)
{
	static const char nonsense[] = "the dates of the upstream's certificate make no sense";
	static const char unreadable[] = "the upstream's certificate cannot be read";
	static const char san[] = "the SAN of the upstream's certificate cannot be read";
	static const char nobody[] = "the upstream's certificate names nobody";
	static char large[TLS_MINT_UPSTREAM_MOST + 1];

	(void)state;
	want_refused("nothing", SPAN(""), unreadable);
	want_refused("no DER", SPAN("220 mx.example ESMTP\r\n"), unreadable);
	want_refused("a length that overflows", SPAN("\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff"), unreadable);
	want_refused("indefinite", SPAN("\x30\x80\x30\x80\x30\x80"), unreadable);
	want_refused("too large", span_of(large, sizeof(large)),
		     "the upstream's certificate is too large");
	want_refused("of a size", span_of(large, sizeof(large) - 1), unreadable);
	want_refused_x509("many names", with_names(3000, "a-rather-long-name.example"),
			  "the upstream's certificate is too large");
	want_refused_x509("two SANs", with_two_sans(),
			  "the upstream's certificate has more than one SAN");
	want_refused_x509("a SAN that is none", with_raw_san("abc", 3), san);
	want_refused_x509("a SAN cut short", with_raw_san("\x30\x05\x82\x09" "ab", 6), san);
	want_refused_x509("an empty SAN", with_raw_san("", 0), san);
	want_refused_x509("no names in it, no subject", without_subject(with_raw_san("\x30\x00", 2)),
			  nobody);
	want_refused_x509("no date", with_dates("", "300101000000Z"), nonsense);
	want_refused_x509("the 32nd", with_dates("250132000000Z", "300101000000Z"), nonsense);
	want_refused_x509("text", with_dates("\r\nX: y\r\n\r\n...", "300101000000Z"), nonsense);
}

static void test_hostile_certificates_cut_anywhere(void **state)
{
	struct span der = der_of(server_leaf->cert);

	(void)state;
	for (size_t len = 0; len < der.len; len++)
		want_refused("cut", span_first(der, len), "the upstream's certificate cannot be read");
	OPENSSL_free((void *)der.at);
}

static void test_one_octet_more(void **state)
{
	struct span der = der_of(server_leaf->cert);
	char *more = mem_new(der.len + 1);

	(void)state;
	memcpy(more, der.at, der.len);
	want_refused("more", span_of(more, der.len + 1), "the upstream's certificate cannot be read");
	free(more);
	OPENSSL_free((void *)der.at);
}

/* A name without a SAN is copied, and no SAN is made of it. */
static void test_no_SAN_is_invented(void **state)
{
	struct test_pki *up = test_pki_make(&(struct test_pki_spec){ .cn = HOST }, world);
	const struct tls_cert *c = mint(up);

	(void)state;
	assert_int_equal(X509_get_ext_by_NID(c->leaf, NID_subject_alt_name, -1), -1);
	test_pki_free(up);
}

/* The dates 1950 to 9999, which X.509 has in two forms. */
static void test_dates_far_out(void **state)
{
	X509 *x = with_dates("500101000000Z", "491231235959Z");
	struct why why = { 0 };
	const struct tls_cert *c = mint_x509(authority, x, NULL, &why);

	(void)state;
	if (c == NULL)
		fail_msg("%s", why.text);
	assert_int_equal(ASN1_TIME_compare(X509_get0_notAfter(c->leaf),
					   X509_get0_notAfter(ours->cert)), 0);
	want_verified("1950 to 2049", c->leaf, X509_V_OK, now(), HOST);
	X509_free(x);
}

static void test_WG_5_what_is_an_authority(void **state)
{
	static const struct {
		const char *name;
		struct test_pki_spec spec;
		const char *why; /* NULL: it is */
	} rows[] = {
		{ "EC", { .cn = "ca", .ca = true }, NULL },
		{ "RSA", { .cn = "ca", .ca = true, .key = TEST_PKI_RSA }, NULL },
		{ "a leaf", { .cn = HOST }, "the certificate is not that of a CA (basicConstraints)" },
		{ "for mail only", { .cn = "ca", .ca = true, .usage = "emailProtection" },
		  "the certificate may not sign those of TLS servers" },
		{ "for servers", { .cn = "ca", .ca = true, .usage = "serverAuth" }, NULL },
		{ "weak", { .cn = "ca", .ca = true, .key = TEST_PKI_RSA_1024 },
		  "the authority's key is too weak (RSA needs 2048, EC 224)" },
		{ "expired", { .cn = "ca", .ca = true, .from = -20 * DAY, .until = -DAY },
		  "the authority has expired" },
		{ "of tomorrow", { .cn = "ca", .ca = true, .from = DAY, .until = 2 * DAY },
		  "the authority is not yet valid" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct test_pki *pki = test_pki_make(&rows[i].spec, NULL);
		struct why why = { 0 };
		struct tls_authority *a = tls_authority_new(span_str(pki->cert_pem),
			span_str(pki->key_pem), now(), &why);
		struct tls_cert *c;

		want_number(rows[i].name, "is one", a != NULL, rows[i].why == NULL);
		want_text(rows[i].name, span_str(why.text),
			  span_str(rows[i].why != NULL ? rows[i].why : ""));
		if (a != NULL) {
			c = mint_x509(a, server_leaf->cert, NULL, &why);
			assert_non_null(c);
			assert_int_equal(verify(c->leaf, pki, now(), HOST), X509_V_OK);
		}
		tls_authority_free(a);
		test_pki_free(pki);
	}
}

static void test_WG_5_the_key_of_another(void **state)
{
	struct why why = { 0 };

	(void)state;
	assert_null(tls_authority_new(span_str(ours->cert_pem), span_str(world->key_pem), now(), &why));
	assert_string_equal(why.text, "the key does not belong to the certificate");
	assert_null(tls_authority_new(SPAN(""), span_str(world->key_pem), now(), &why));
	assert_null(tls_authority_new(span_str(ours->cert_pem), SPAN(""), now(), &why));
}

/* It was fine at the start, and runs out while the process lives. */
static void test_WG_5_an_authority_that_runs_out(void **state)
{
	struct span der = der_of(server_leaf->cert);
	struct tls_authority *a = authority_of(ours);
	struct why why = { 0 };

	(void)state;
	assert_non_null(tls_authority_mint(a, der, now(), NULL, &why));
	assert_null(tls_authority_mint(a, der, now() + 61 * DAY, NULL, &why));
	assert_string_equal(why.text, "the authority has expired");
	assert_int_equal(why.fault, FAULT_POLICY);
	assert_non_null(tls_authority_mint(a, der, now(), NULL, &why));
	tls_authority_free(a);
	OPENSSL_free((void *)der.at);
}

/* An authority below a company's root: clients are sent what stands between. */
static void test_WG_5_an_authority_below_another(void **state)
{
	struct test_pki *sub = test_pki_make(&(struct test_pki_spec){ .cn = "sub", .ca = true }, ours);
	char *chain = test_pki_chain(sub, ours);
	struct why why = { 0 };
	struct tls_authority *a = tls_authority_new(span_str(chain), span_str(sub->key_pem), now(), &why);
	struct tls_cert *c;

	(void)state;
	assert_non_null(a);
	c = mint_x509(a, server_leaf->cert, NULL, &why);
	assert_int_equal(sk_X509_num(c->chain), 2);
	assert_int_equal(X509_cmp(sk_X509_value(c->chain, 0), sub->cert), 0);
	assert_int_equal(verify(c->leaf, sub, now(), HOST), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT);
	tls_authority_free(a);
	test_pki_free(sub);
	free(chain);
}

static void test_WG_5_making_one(void **state)
{
	struct buf cert, key;
	struct why why = { 0 };
	struct tls_authority *a;
	const struct tls_cert *c;

	(void)state;
	buf_init(&cert, 65536);
	buf_init(&key, 65536);
	assert_true(tls_authority_make("Prüfstelle", 30, now(), &cert, &key, &why));
	a = tls_authority_new(buf_peek(&cert), buf_peek(&key), now(), &why);
	if (a == NULL)
		fail_msg("%s", why.text);
	assert_null(tls_authority_new(buf_peek(&cert), buf_peek(&key), now() + 30 * DAY + 60, &why));
	assert_null(tls_authority_new(buf_peek(&cert), buf_peek(&key), now() - DAY, &why));
	c = mint_x509(a, server_leaf->cert, NULL, &why);
	assert_non_null(c);
	tls_authority_free(a);
	buf_free(&cert);
	buf_free(&key);
}

static void test_WG_5_making_none(void **state)
{
	static const struct {
		const char *name, *of;
		unsigned days;
		size_t room;
	} rows[] = {
		{ "no name", "", 10, 65536 },
		{ "65 characters", "12345678901234567890123456789012345678901234567890123456789012345",
		  10, 65536 },
		{ "no UTF-8", "\xff\xfe", 10, 65536 },
		{ "no day", "x", 0, 65536 },
		{ "too many days", "x", TLS_AUTHORITY_DAYS_MOST + 1, 65536 },
		{ "no room", "x", 10, 100 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct why why = { 0 };
		struct buf cert, key;

		buf_init(&cert, rows[i].room);
		buf_init(&key, rows[i].room);
		if (tls_authority_make(rows[i].of, rows[i].days, now(), &cert, &key, &why))
			fail_msg("%s: made", rows[i].name);
		want_number(rows[i].name, "fault", why.fault, FAULT_POLICY);
		buf_free(&cert);
		buf_free(&key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_WG_6_in_the_likeness),
		cmocka_unit_test(test_WG_6_what_is_new),
		cmocka_unit_test(test_WG_6_one_signature_for_each_upstream),
		cmocka_unit_test(test_WG_6_the_cache_is_bounded),
		cmocka_unit_test(test_WG_6_the_cache_is_bounded_in_octets),
		cmocka_unit_test(test_WG_6_never_longer),
		cmocka_unit_test(test_hostile_certificates),
		cmocka_unit_test(test_hostile_certificates_cut_anywhere),
		cmocka_unit_test(test_one_octet_more),
		cmocka_unit_test(test_no_SAN_is_invented),
		cmocka_unit_test(test_dates_far_out),
		cmocka_unit_test(test_WG_5_what_is_an_authority),
		cmocka_unit_test(test_WG_5_the_key_of_another),
		cmocka_unit_test(test_WG_5_an_authority_that_runs_out),
		cmocka_unit_test(test_WG_5_an_authority_below_another),
		cmocka_unit_test(test_WG_5_making_one),
		cmocka_unit_test(test_WG_5_making_none),
	};
	struct test_pki_spec ca = { .cn = "world", .ca = true };
	int failed;

	world = test_pki_make(&ca, NULL);
	ca = (struct test_pki_spec){ .cn = "ours", .ca = true, .from = -DAY, .until = 60 * DAY };
	ours = test_pki_make(&ca, NULL);
	server_leaf = test_pki_make(&(struct test_pki_spec){ .cn = HOST, .names = "DNS:" HOST }, world);
	authority = authority_of(ours);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	tls_authority_free(authority);
	test_pki_free(server_leaf);
	test_pki_free(ours);
	test_pki_free(world);
	return failed;
}
