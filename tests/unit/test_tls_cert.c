#include "unit.h"

#include "test_pki.h"
#include "tls/tls_cert.h"
#include "tls/tls_roots.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <time.h>
#include <unistd.h>

#define DAY (24L * 3600)

/* root (known to the system) > mid > the leaf of each test; `other` is known to nobody. */
static struct test_pki *root, *mid, *other;

static struct test_pki *leaf(struct test_pki_spec spec)
{
	if (spec.cn == NULL)
		spec.cn = "mx.example.net";
	if (spec.names == NULL)
		spec.names = "DNS:mx.example.net";
	return test_pki_make(&spec, mid);
}

static struct tls_cert *read_pair(const char *chain, const char *key, struct why *why)
{
	return tls_cert_read(span_str(chain), span_str(key), why);
}

/* The notes of a chain, one a line, errors with "E ", warnings with "W " before them. */
static void notes_of(const char *chain, const char *key, int64_t now, char *text, size_t size)
{
	struct tls_cert_note notes[TLS_CERT_NOTES];
	struct why why = { 0 };
	struct tls_cert *c = read_pair(chain, key, &why);
	unsigned count;

	if (c == NULL)
		fail_msg("not read: %s", why.text);
	count = tls_cert_notes(c, now, notes);
	assert_true(count <= TLS_CERT_NOTES);
	text[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		size_t used = strlen(text);

		snprintf(text + used, size - used, "%s%s %s", i > 0 ? "\n" : "",
			 notes[i].error ? "E" : "W", notes[i].text);
	}
	tls_cert_free(c);
}

/* `want` is how the notes must begin; "": there must be none. */
static void check_notes(const char *row, const char *chain, const char *key, int64_t now,
			const char *want)
{
	char text[TLS_CERT_NOTES * 210];

	notes_of(chain, key, now, text, sizeof(text));
	if (want[0] == '\0' ? text[0] != '\0' : strncmp(text, want, strlen(want)) != 0)
		fail_msg("%s: \"%s\"", row, text);
}

/* A leaf made from `spec`, with `mid` behind it. */
static void check_leaf(const char *row, struct test_pki_spec spec, const char *want)
{
	struct test_pki *l = leaf(spec);
	char *chain = test_pki_chain(l, mid);

	check_notes(row, chain, l->key_pem, (int64_t)time(NULL), want);
	free(chain);
	test_pki_free(l);
}

static void test_SUB_12_what_is_in_order_is_not_mentioned(void **state)
{
	(void)state;
	check_leaf("EC", (struct test_pki_spec){ 0 }, "");
	check_leaf("RSA", (struct test_pki_spec){ .key = TEST_PKI_RSA }, "");
}

static void test_SUB_12_one_fault_each(void **state)
{
	static const struct {
		const char *name;
		struct test_pki_spec spec;
		const char *want;
	} rows[] = {
		{ "expired", { .from = -20 * DAY, .until = -3600 }, "E the certificate has expired" },
		{ "not yet valid", { .from = 3600, .until = 20 * DAY },
		  "E the certificate is not yet valid" },
		{ "a weak key", { .key = TEST_PKI_RSA_1024 },
		  "E the certificate has a weak key: rsaEncryption with 1024 bits" },
		{ "SHA-1", { .hash = "SHA1" }, "E the certificate is signed with SHA1" },
		{ "MD5", { .hash = "MD5" }, "E the certificate is signed with MD5" },
		{ "about to expire", { .from = -29 * DAY, .until = DAY + 1800 },
		  "W the certificate expires in 24 hours" },
		{ "a tenth and more left", { .from = -8 * DAY, .until = DAY }, "" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		check_leaf(rows[i].name, rows[i].spec, rows[i].want);
}

static void test_SUB_12_no_san(void **state)
{
	struct test_pki *l = test_pki_make(&(struct test_pki_spec){ .cn = "mx.example.net" }, mid);
	char *chain = test_pki_chain(l, mid);

	(void)state;
	check_notes("no SAN", chain, l->key_pem, (int64_t)time(NULL), "W the certificate has no SAN");
	free(chain);
	test_pki_free(l);
}

static void test_SUB_12_the_chain(void **state)
{
	struct test_pki *l = leaf((struct test_pki_spec){ 0 });
	struct test_pki *self = test_pki_make(
		&(struct test_pki_spec){ .cn = "mx", .names = "DNS:mx.example.net" }, NULL);
	struct test_pki *stranger = test_pki_make(
		&(struct test_pki_spec){ .cn = "mx", .names = "DNS:mx.example.net" }, other);
	char *good = test_pki_chain(l, mid), *wrong = test_pki_chain(l, root);
	char *known = test_pki_chain(stranger, other);
	int64_t now = (int64_t)time(NULL);

	(void)state;
	check_notes("no intermediate", l->cert_pem, l->key_pem, now,
		    "W the chain is not complete: the issuer /CN=mid is neither in it nor a known");
	check_notes("out of order", wrong, l->key_pem, now,
		    "E the chain is out of order: certificate 2 did not issue the certificate");
	check_notes("self-signed", self->cert_pem, self->key_pem, now,
		    "W the certificate is self-signed");
	check_notes("an issuer that nobody knows", stranger->cert_pem, stranger->key_pem, now,
		    "W the chain is not complete: the issuer /CN=other");
	check_notes("a private root in the file", known, stranger->key_pem, now, "");
	check_notes("a year later", good, l->key_pem, now + 365 * DAY,
		    "E the certificate has expired\nE certificate 2 of the chain has expired");
	free(good);
	free(wrong);
	free(known);
	test_pki_free(l);
	test_pki_free(self);
	test_pki_free(stranger);
}

static void check_refused(const char *row, const char *chain, const char *key, const char *want)
{
	struct why why = { 0 };
	struct tls_cert *c = read_pair(chain, key, &why);

	if (c != NULL)
		fail_msg("%s: taken", row);
	want_text(row, span_str(why.text), span_str(want));
	want_text(row, span_str(fault_name(why.fault)), SPAN("policy"));
}

static void test_FAULTS_19_a_pair_that_does_not_fit(void **state)
{
	struct test_pki *l = leaf((struct test_pki_spec){ 0 });
	char *turned = test_pki_chain(mid, l);
	char cut[4096];

	(void)state;
	snprintf(cut, sizeof(cut), "%.*s", (int)strlen(l->cert_pem) / 2, l->cert_pem);
	check_refused("another's key", l->cert_pem, mid->key_pem,
		      "the key does not belong to the certificate");
	check_refused("the leaf is not the first", turned, l->key_pem,
		      "the key belongs to certificate 2 of the chain; that one must come first");
	check_refused("no key", l->cert_pem, l->cert_pem,
		      "no private key found that OpenSSL can read (PEM is expected)");
	check_refused("an empty key", l->cert_pem, "",
		      "no private key found that OpenSSL can read (PEM is expected)");
	check_refused("no certificate", l->key_pem, l->key_pem,
		      "no certificate found (PEM is expected)");
	check_refused("an empty file", "", l->key_pem, "no certificate found (PEM is expected)");
	check_refused("cut short", cut, l->key_pem, "certificate 1 of the file cannot be read");
	check_refused("not base64",
		      "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", l->key_pem,
		      "certificate 1 of the file cannot be read");
	free(turned);
	test_pki_free(l);
}

static void test_FAULTS_19_an_encrypted_key_is_not_asked_about(void **state)
{
	struct test_pki *l = leaf((struct test_pki_spec){ 0 });
	BIO *bio = BIO_new(BIO_s_mem());
	char text[4096] = "";

	(void)state;
	assert_int_equal(PEM_write_bio_PrivateKey(bio, l->key, EVP_aes_128_cbc(),
						  (const unsigned char *)"pass", 4, NULL, NULL), 1);
	assert_true(BIO_read(bio, text, sizeof(text) - 1) > 0);
	check_refused("encrypted", l->cert_pem, text,
		      "the private key is encrypted; it must be without a passphrase");
	BIO_free(bio);
	test_pki_free(l);
}

static void test_one_file_may_hold_both(void **state)
{
	struct test_pki *l = leaf((struct test_pki_spec){ 0 });
	struct why why = { 0 };
	char both[8192];
	struct tls_cert *c;

	(void)state;
	snprintf(both, sizeof(both), "%s%s%s", l->key_pem, l->cert_pem, mid->cert_pem);
	c = read_pair(both, both, &why);
	assert_non_null(c);
	tls_cert_free(c);
	test_pki_free(l);
}

static void test_name_and_end(void **state)
{
	static const struct {
		const char *name;
		struct test_pki_spec spec;
		const char *want;
	} rows[] = {
		{ "the first DNS name", { .cn = "cn", .names = "DNS:a.example,DNS:b.example" },
		  "a.example" },
		{ "an address is no name", { .cn = "cn", .names = "IP:127.0.0.1,DNS:b.example" },
		  "b.example" },
		{ "the CN without a SAN", { .cn = "cn.example" }, "cn.example" },
		{ "the CN without a DNS name", { .cn = "cn", .names = "IP:127.0.0.1" }, "cn" },
		{ "nothing", { .names = "IP:127.0.0.1" }, "" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct test_pki_spec spec = rows[i].spec;
		struct test_pki *l;
		struct why why = { 0 };
		struct tls_cert *c;
		int64_t off;

		spec.until = 5 * DAY;
		l = test_pki_make(&spec, NULL);
		c = read_pair(l->cert_pem, l->key_pem, &why);
		assert_non_null(c);
		want_text(rows[i].name, span_str(tls_cert_name(c)), span_str(rows[i].want));
		off = tls_cert_until(c) - ((int64_t)time(NULL) + 5 * DAY);
		assert_true(off <= 0 && off > -60);
		tls_cert_free(c);
		test_pki_free(l);
	}
}

/* The system of this test knows one root, whatever the machine knows. */
static void know_root(void)
{
	char path[] = "/tmp/test_tls_cert.XXXXXX";
	int fd = mkstemp(path);

	must(fd >= 0);
	must(write(fd, root->cert_pem, strlen(root->cert_pem)) == (ssize_t)strlen(root->cert_pem));
	must(close(fd) == 0);
	must(setenv("SSL_CERT_FILE", path, 1) == 0);
	tls_roots_load();
	must(unlink(path) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_SUB_12_what_is_in_order_is_not_mentioned),
		cmocka_unit_test(test_SUB_12_one_fault_each),
		cmocka_unit_test(test_SUB_12_no_san),
		cmocka_unit_test(test_SUB_12_the_chain),
		cmocka_unit_test(test_FAULTS_19_a_pair_that_does_not_fit),
		cmocka_unit_test(test_FAULTS_19_an_encrypted_key_is_not_asked_about),
		cmocka_unit_test(test_one_file_may_hold_both),
		cmocka_unit_test(test_name_and_end),
	};
	int failed;

	root = test_pki_make(&(struct test_pki_spec){ .cn = "root", .ca = true }, NULL);
	/* RSA: nobody signs with MD5 and EC. */
	mid = test_pki_make(&(struct test_pki_spec){ .cn = "mid", .ca = true, .key = TEST_PKI_RSA },
			    root);
	other = test_pki_make(&(struct test_pki_spec){ .cn = "other", .ca = true }, NULL);
	know_root();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	test_pki_free(root);
	test_pki_free(mid);
	test_pki_free(other);
	return failed;
}
