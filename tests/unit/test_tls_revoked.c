/* SPEC NEW-16, WG-13: what a staple and a CRL say about an upstream's certificate, and what it comes to. */
#include "unit.h"

#include "tls_pair.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>
#include <unistd.h>

#define HOST "mx.example.net"
#define DAY (24L * 3600)
#define VERIFIED "verified for " HOST
#define PROMISED "certificate promises an OCSP staple (RFC 7633), and none is valid"

static struct test_pki *ca, *stranger; /* of the same name */
static struct test_pki *helper, *impostor; /* the ca lets the one sign answers */
static struct tls_ticket_ring ring;

enum answer {
	NONE,
	GOOD,
	REVOKED,
	UNKNOWN,
	BY_SHA256,     /* the hash of the id is another */
	BY_HELPER,
	ONLY_FROM,     /* of yesterday, and not said until when */
	OVER,
	ONLY_FROM_OLD,
	OF_TOMORROW,
	OF_ANOTHER,    /* certificate */
	BOTH,          /* good and revoked in one */
	BY_STRANGER,
	BY_IMPOSTOR,
	BY_ITSELF,
	TRY_LATER,
	GARBAGE,
};

static ASN1_TIME *in(long seconds)
{
	return X509_gmtime_adj(NULL, seconds);
}

static void add_status(OCSP_BASICRESP *basic, enum answer kind, int status, X509 *leaf)
{
	OCSP_CERTID *id = OCSP_cert_to_id(kind == BY_SHA256 ? EVP_sha256() : EVP_sha1(), leaf, ca->cert);
	ASN1_TIME *from = in(-3600), *until = in(3600), *revoked = in(-7200);

	if (kind == OVER)
		X509_gmtime_adj(until, -600);
	if (kind == ONLY_FROM)
		X509_gmtime_adj(from, -DAY);
	if (kind == ONLY_FROM_OLD)
		X509_gmtime_adj(from, -8 * DAY);
	if (kind == OF_TOMORROW)
		X509_gmtime_adj(from, 1800);
	must(OCSP_basic_add1_status(basic, id, status, 0,
				    status == V_OCSP_CERTSTATUS_REVOKED ? revoked : NULL, from,
				    kind == ONLY_FROM || kind == ONLY_FROM_OLD ? NULL : until) != NULL);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	ASN1_TIME_free(revoked);
}

static OCSP_BASICRESP *make_basic(enum answer kind, const struct test_pki *leaf)
{
	const struct test_pki *signer = kind == BY_HELPER ? helper : kind == BY_IMPOSTOR ? impostor :
		kind == BY_STRANGER ? stranger : kind == BY_ITSELF ? leaf : ca;
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();

	must(basic != NULL);
	add_status(basic, kind, kind == REVOKED ? V_OCSP_CERTSTATUS_REVOKED :
		   kind == UNKNOWN ? V_OCSP_CERTSTATUS_UNKNOWN : V_OCSP_CERTSTATUS_GOOD,
		   kind == OF_ANOTHER ? helper->cert : leaf->cert);
	if (kind == BOTH)
		add_status(basic, kind, V_OCSP_CERTSTATUS_REVOKED, leaf->cert);
	must(OCSP_basic_sign(basic, signer->cert, signer->key, EVP_sha256(), NULL, 0) == 1);
	return basic;
}

/* To be freed with OPENSSL_free. */
static unsigned char *make_staple(enum answer kind, const struct test_pki *leaf, int *len)
{
	OCSP_BASICRESP *basic = make_basic(kind, leaf);
	OCSP_RESPONSE *response = OCSP_response_create(kind == TRY_LATER ?
		OCSP_RESPONSE_STATUS_TRYLATER : OCSP_RESPONSE_STATUS_SUCCESSFUL,
		kind == TRY_LATER ? NULL : basic);
	unsigned char *octets = NULL;

	*len = i2d_OCSP_RESPONSE(response, &octets);
	must(*len > 0);
	if (kind == GARBAGE)
		memset(octets, 'x', (size_t)*len);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	return octets;
}

struct upstream {
	struct test_pki *leaf;
	struct tls_cert *cert;
	struct tls_server *server;
	enum answer answer;
	unsigned asked;
};

static int on_status(SSL *ssl, void *upstream)
{
	struct upstream *u = upstream;
	unsigned char *octets;
	int len = 0;

	u->asked++;
	if (u->answer == NONE)
		return SSL_TLSEXT_ERR_NOACK;
	octets = make_staple(u->answer, u->leaf, &len);
	must(SSL_set_tlsext_status_ocsp_resp(ssl, octets, len) == 1);
	return SSL_TLSEXT_ERR_OK;
}

static void open_upstream(struct upstream *u, struct test_pki_spec spec, enum answer answer)
{
	spec.cn = HOST;
	if (spec.names == NULL)
		spec.names = "DNS:" HOST;
	*u = (struct upstream){ .leaf = test_pki_make(&spec, ca), .answer = answer };
	u->cert = tls_pair_cert(u->leaf);
	u->server = tls_pair_server(tls_profile_builtin("intermediate"), &u->cert, 1, "mx", &ring);
	must(SSL_CTX_set_tlsext_status_cb(u->server->ctx, on_status) == 1);
	must(SSL_CTX_set_tlsext_status_arg(u->server->ctx, u) == 1);
}

static void close_upstream(struct upstream *u)
{
	tls_server_free(u->server);
	tls_cert_free(u->cert);
	test_pki_free(u->leaf);
}

static struct tls_client *make_client(enum tls_version version, enum tls_ocsp ocsp, const char *crl)
{
	struct tls_profile profile = tls_pair_versions(version, version);
	const struct tls_client_conf conf = { .profile = &profile, .ca = span_str(ca->cert_pem),
		.crl = span_str(crl) };
	struct tls_client *c;
	struct why why = { 0 };

	profile.ocsp = ocsp;
	c = tls_client_new(&conf, &why);
	if (c == NULL)
		fail_msg("client: %s", why.text);
	return c;
}

static void meet(struct upstream *u, struct tls_client *client, struct tls_facts *facts)
{
	struct tls_pair p;

	tls_pair_open(&p, u->server, client, HOST, "key");
	if (!tls_pair_shake(&p, TLS_PAIR_WHOLE))
		fail_msg("%s, %s", p.client_why.text, p.server_why.text);
	assert_true(tls_pair_say(p.server, p.client, "250 hello\r\n"));
	tls_conn_facts(p.client, facts);
	assert_int_equal(ERR_peek_error(), 0);
	tls_pair_close(&p);
}

static const enum tls_version versions[] = { TLS_1_2, TLS_1_3 };

/* Twice each: the second time by resumption, without a staple on the wire. */
static void check(const char *row, struct test_pki_spec spec, enum answer answer, enum tls_ocsp level,
		  const char *crl, const char *revocation, const char *verify_text)
{
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct tls_client *client = make_client(versions[i], level, crl);
		struct upstream u;

		open_upstream(&u, spec, answer);
		for (int turn = 0; turn < 3; turn++) {
			struct tls_facts facts;

			meet(&u, client, &facts);
			want_number(row, "resumed", facts.resumed, turn > 0);
			want_text(row, span_str(facts.revocation), span_str(revocation));
			want_text(row, span_str(facts.verify_text), span_str(verify_text));
			want_number(row, "verified", facts.verified,
				    strcmp(verify_text, VERIFIED) == 0 ? TLS_VERIFIED_OK :
									 TLS_VERIFIED_BAD);
		}
		want_number(row, "asked", u.asked, level != TLS_OCSP_OFF);
		close_upstream(&u);
		tls_client_free(client);
	}
}

static void test_NEW_16_staples(void **state)
{
	static const struct test_pki_spec plain = { 0 };
	static const struct test_pki_spec named = { .ocsp = "OCSP;URI:http://ocsp.example/" };
	static const struct test_pki_spec promised = { .feature = "status_request" };
	static const struct {
		const char *name;
		const struct test_pki_spec *spec;
		enum answer answer;
		const char *revocation, *soft, *hard;
	} rows[] = {
		{ "good", &named, GOOD, "OCSP: good", VERIFIED, VERIFIED },
		{ "good, no responder named", &plain, GOOD, "OCSP: good", VERIFIED, VERIFIED },
		{ "good, by SHA-256", &named, BY_SHA256, "OCSP: good", VERIFIED, VERIFIED },
		{ "good, by a helper", &named, BY_HELPER, "OCSP: good", VERIFIED, VERIFIED },
		{ "good, of yesterday", &named, ONLY_FROM, "OCSP: good", VERIFIED, VERIFIED },
		{ "good, promised", &promised, GOOD, "OCSP: good", VERIFIED, VERIFIED },
		{ "revoked", &named, REVOKED, "OCSP: revoked", "certificate revoked",
		  "certificate revoked" },
		{ "revoked, promised", &promised, REVOKED, "OCSP: revoked", "certificate revoked",
		  "certificate revoked" },
		{ "good and revoked", &named, BOTH, "OCSP: revoked", "certificate revoked",
		  "certificate revoked" },
		{ "no responder", &plain, NONE, "no OCSP responder named", VERIFIED, VERIFIED },
		{ "not answered", &named, NONE, "OCSP: not answered", VERIFIED, "no OCSP answer" },
		{ "promised", &promised, NONE, "OCSP: not stapled, but promised", PROMISED, PROMISED },
		{ "promised, over", &promised, OVER, "OCSP: not stapled, but promised", PROMISED,
		  PROMISED },
		{ "unknown", &named, UNKNOWN, "OCSP: unknown", VERIFIED,
		  "the OCSP responder does not know the certificate" },
		{ "over", &named, OVER, "OCSP: answer not valid", VERIFIED, "no valid OCSP answer" },
		{ "old", &named, ONLY_FROM_OLD, "OCSP: answer not valid", VERIFIED,
		  "no valid OCSP answer" },
		{ "of tomorrow", &named, OF_TOMORROW, "OCSP: answer not valid", VERIFIED,
		  "no valid OCSP answer" },
		{ "of another", &named, OF_ANOTHER, "OCSP: answer not valid", VERIFIED,
		  "no valid OCSP answer" },
		{ "by a stranger", &named, BY_STRANGER, "OCSP: answer not valid", VERIFIED,
		  "no valid OCSP answer" },
		{ "by an impostor", &named, BY_IMPOSTOR, "OCSP: answer not valid", VERIFIED,
		  "no valid OCSP answer" },
		{ "by itself", &named, BY_ITSELF, "OCSP: answer not valid", VERIFIED,
		  "no valid OCSP answer" },
		{ "later", &named, TRY_LATER, "OCSP: answer not valid", VERIFIED,
		  "no valid OCSP answer" },
		{ "garbage", &named, GARBAGE, "OCSP: answer not valid", VERIFIED,
		  "no valid OCSP answer" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		check(rows[i].name, *rows[i].spec, rows[i].answer, TLS_OCSP_OFF, "", "", VERIFIED);
		check(rows[i].name, *rows[i].spec, rows[i].answer, TLS_OCSP_SOFT, "",
		      rows[i].revocation, rows[i].soft);
		check(rows[i].name, *rows[i].spec, rows[i].answer, TLS_OCSP_HARD, "",
		      rows[i].revocation, rows[i].hard);
	}
}

/* A CRL of `issuer`, PEM; to be freed. `revoked` may be NULL. */
static char *make_crl(const struct test_pki *issuer, const struct test_pki *revoked, long until)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *from = in(-2 * DAY), *next = in(until);
	BIO *bio = BIO_new(BIO_s_mem());
	char *at, *text;
	long len;

	must(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
	must(X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->cert)) == 1);
	must(X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, next) == 1);
	if (revoked != NULL) {
		X509_REVOKED *r = X509_REVOKED_new();

		must(X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(revoked->cert)) == 1);
		must(X509_REVOKED_set_revocationDate(r, from) == 1);
		must(X509_CRL_add0_revoked(crl, r) == 1);
	}
	must(X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0);
	must(PEM_write_bio_X509_CRL(bio, crl) == 1);
	len = BIO_get_mem_data(bio, &at);
	text = mem_new((size_t)len + 1);
	memcpy(text, at, (size_t)len);
	BIO_free(bio);
	ASN1_TIME_free(from);
	ASN1_TIME_free(next);
	X509_CRL_free(crl);
	return text;
}

static void check_crl(const char *row, const char *crl, struct upstream *u, const char *revocation,
		      const char *verify_text)
{
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct tls_client *client = make_client(versions[i], TLS_OCSP_OFF, crl);

		for (int turn = 0; turn < 3; turn++) {
			struct tls_facts facts;

			meet(u, client, &facts);
			want_number(row, "resumed", facts.resumed, turn > 0);
			want_text(row, span_str(facts.revocation), span_str(revocation));
			want_text(row, span_str(facts.verify_text), span_str(verify_text));
		}
		tls_client_free(client);
	}
}

static void test_NEW_16_crls(void **state)
{
	struct test_pki *other = test_pki_make(&(struct test_pki_spec){ .cn = "other", .ca = true }, NULL);
	struct upstream u;
	struct {
		const char *name;
		char *crl;
		const char *revocation, *verify_text;
	} rows[] = {
		{ "good", NULL, "CRL: good", VERIFIED },
		{ "revoked", NULL, "CRL: revoked", "certificate revoked" },
		{ "another one is revoked", NULL, "CRL: good", VERIFIED },
		{ "of another issuer", NULL, "no CRL of the issuer", VERIFIED },
		{ "out of date", NULL, "", "CRL has expired" },
		{ "of another who has its name", NULL, "", "CRL signature failure" },
	};

	(void)state;
	open_upstream(&u, (struct test_pki_spec){ 0 }, NONE);
	rows[0].crl = make_crl(ca, NULL, DAY);
	rows[1].crl = make_crl(ca, u.leaf, DAY);
	rows[2].crl = make_crl(ca, helper, DAY);
	rows[3].crl = make_crl(other, u.leaf, DAY);
	rows[4].crl = make_crl(ca, NULL, -DAY);
	rows[5].crl = make_crl(stranger, u.leaf, DAY);
	for (size_t i = 0; i < ROWS(rows); i++) {
		check_crl(rows[i].name, rows[i].crl, &u, rows[i].revocation, rows[i].verify_text);
		free(rows[i].crl);
	}
	close_upstream(&u);
	test_pki_free(other);
}

static void test_NEW_16_several_crls(void **state)
{
	struct test_pki *other = test_pki_make(&(struct test_pki_spec){ .cn = "other", .ca = true }, NULL);
	struct upstream u;
	char *one, *two, both[8192];

	(void)state;
	open_upstream(&u, (struct test_pki_spec){ 0 }, NONE);
	one = make_crl(other, NULL, DAY);
	two = make_crl(ca, u.leaf, DAY);
	snprintf(both, sizeof(both), "first\n%s\nsecond\n%s", one, two);
	check_crl("both", both, &u, "CRL: revoked", "certificate revoked");
	free(one);
	free(two);
	close_upstream(&u);
	test_pki_free(other);
}

static void test_NEW_16_both_are_told(void **state)
{
	char *crl = make_crl(ca, NULL, DAY);

	(void)state;
	check("both", (struct test_pki_spec){ .ocsp = "OCSP;URI:http://ocsp.example/" }, NONE,
	      TLS_OCSP_SOFT, crl, "OCSP: not answered; CRL: good", VERIFIED);
	free(crl);
}

/* That a chain leads nowhere is worse than what a stranger's staple says. */
static void test_NEW_16_a_bad_chain_is_told_first(void **state)
{
	struct tls_profile profile = *tls_profile_builtin("intermediate");
	struct test_pki *other = test_pki_make(&(struct test_pki_spec){ .cn = "other", .ca = true }, NULL);
	struct tls_client *client;
	struct tls_facts facts;
	struct upstream u;

	(void)state;
	profile.ocsp = TLS_OCSP_HARD;
	client = tls_pair_client(&profile, other);
	open_upstream(&u, (struct test_pki_spec){ 0 }, REVOKED);
	meet(&u, client, &facts);
	assert_string_equal(facts.revocation, "");
	assert_string_equal(facts.verify_text, "unable to get local issuer certificate");
	tls_client_free(client);
	test_pki_free(other);
	close_upstream(&u);
}

/* The wrong name is told after it: an upstream that is revoked is so under any name. */
static void test_NEW_16_revoked_and_another_name(void **state)
{
	(void)state;
	check("name", (struct test_pki_spec){ .names = "DNS:other.example" }, REVOKED, TLS_OCSP_SOFT,
	      "", "OCSP: revoked", "certificate revoked");
	check("expired", (struct test_pki_spec){ .from = -2 * DAY, .until = -DAY }, REVOKED,
	      TLS_OCSP_SOFT, "", "", "certificate has expired");
}

/* The roots of the system are one store for all: the CRLs of one upstream say nothing to another. */
static void test_NEW_16_crls_of_one_context(void **state)
{
	struct tls_client_conf conf = { .profile = tls_profile_builtin("intermediate") };
	struct tls_client *with, *without;
	struct tls_facts facts;
	struct upstream u;
	struct why why;
	char *crl;

	(void)state;
	open_upstream(&u, (struct test_pki_spec){ 0 }, NONE);
	without = tls_client_new(&conf, &why);
	crl = make_crl(ca, u.leaf, DAY);
	conf.crl = span_str(crl);
	with = tls_client_new(&conf, &why);
	free(crl);
	meet(&u, with, &facts);
	assert_string_equal(facts.verify_text, "certificate revoked");
	meet(&u, without, &facts);
	assert_string_equal(facts.verify_text, VERIFIED);
	assert_string_equal(facts.revocation, "");
	tls_client_free(with);
	tls_client_free(without);
	close_upstream(&u);
}

static void test_what_is_no_crl(void **state)
{
	char *crl = make_crl(ca, NULL, DAY);
	char half[4096];
	const struct {
		const char *name, *crl, *why;
	} rows[] = {
		{ "text", "nothing here\n", "no CRL found (PEM is expected)" },
		{ "a certificate", ca->cert_pem, "no CRL found (PEM is expected)" },
		{ "half of one", half, "CRL 1 of the file cannot be read, or is one too many" },
	};

	(void)state;
	snprintf(half, sizeof(half), "%.*s", (int)strlen(crl) / 2, crl);
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct tls_client_conf conf = { .profile = tls_profile_builtin("intermediate"),
			.crl = span_str(rows[i].crl) };
		struct why why = { 0 };

		assert_null(tls_client_new(&conf, &why));
		want_text(rows[i].name, span_str(why.text), span_str(rows[i].why));
		want_number(rows[i].name, "fault", why.fault, FAULT_POLICY);
	}
	free(crl);
}

/* The system's roots are this file. */
static void write_roots(const char *pem)
{
	char path[] = "/tmp/test_tls_revoked.XXXXXX";
	int fd = mkstemp(path);

	must(fd >= 0 && write(fd, pem, strlen(pem)) == (ssize_t)strlen(pem));
	must(setenv("SSL_CERT_FILE", path, 1) == 0);
	tls_roots_load();
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_NEW_16_staples),
		cmocka_unit_test(test_NEW_16_crls),
		cmocka_unit_test(test_NEW_16_several_crls),
		cmocka_unit_test(test_NEW_16_both_are_told),
		cmocka_unit_test(test_NEW_16_a_bad_chain_is_told_first),
		cmocka_unit_test(test_NEW_16_revoked_and_another_name),
		cmocka_unit_test(test_NEW_16_crls_of_one_context),
		cmocka_unit_test(test_what_is_no_crl),
	};
	struct test_pki_spec spec = { .cn = "ca", .ca = true };
	int failed;

	tls_ticket_rotate(&ring);
	ca = test_pki_make(&spec, NULL);
	stranger = test_pki_make(&spec, NULL);
	helper = test_pki_make(&(struct test_pki_spec){ .cn = "helper", .usage = "OCSPSigning" }, ca);
	impostor = test_pki_make(&(struct test_pki_spec){ .cn = "impostor" }, ca);
	write_roots(ca->cert_pem);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	test_pki_free(impostor);
	test_pki_free(helper);
	test_pki_free(stranger);
	test_pki_free(ca);
	return failed;
}
