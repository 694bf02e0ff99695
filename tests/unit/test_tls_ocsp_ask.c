/* SPEC NEW-16, WG-13, FAULTS 18: the responder that a certificate names is asked, and what its answer comes to. */
#include "unit.h"

#include "tls_pair.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#define HOST "mx.example.net"
#define URL "http://ocsp.example:8080/ca1/"
#define DAY (24L * 3600)
#define VERIFIED "verified for " HOST
#define NOT_ANSWERED "OCSP: not answered"
#define NOT_VALID "OCSP: answer not valid"

static struct test_pki *ca, *stranger; /* of the same name */
static struct test_pki *helper, *impostor; /* the ca lets the one sign answers */
static struct test_pki *named;
static struct tls_ticket_ring ring;

static const enum tls_version versions[] = { TLS_1_2, TLS_1_3 };
static const enum tls_ocsp levels[] = { TLS_OCSP_SOFT, TLS_OCSP_HARD };

enum answer {
	EMPTY,
	GOOD,
	REVOKED,
	UNKNOWN,
	BY_HELPER,
	OVER,
	OF_TOMORROW,
	OF_ANOTHER, /* certificate */
	BY_STRANGER,
	BY_IMPOSTOR,
	BY_ITSELF,
	UNAUTHORIZED,
	HALF,
	GARBAGE,
};

static const struct test_pki *signer_of(enum answer kind)
{
	switch (kind) {
	case BY_HELPER:
		return helper;
	case BY_STRANGER:
		return stranger;
	case BY_IMPOSTOR:
		return impostor;
	case BY_ITSELF:
		return named;
	default:
		return ca;
	}
}

static void add_status(OCSP_BASICRESP *basic, enum answer kind, OCSP_CERTID *id)
{
	ASN1_TIME *from = X509_gmtime_adj(NULL, kind == OF_TOMORROW ? DAY : -2 * DAY);
	ASN1_TIME *until = X509_gmtime_adj(NULL, kind == OVER ? -DAY : 2 * DAY);
	int status = kind == REVOKED ? V_OCSP_CERTSTATUS_REVOKED :
		kind == UNKNOWN ? V_OCSP_CERTSTATUS_UNKNOWN : V_OCSP_CERTSTATUS_GOOD;

	must(OCSP_basic_add1_status(basic, id, status, 0, kind == REVOKED ? from : NULL, from, until) != NULL);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
}

/* The certificate that a request is about; there is nothing else in it (RFC 5019 section 2.1). */
static OCSP_CERTID *read_request(OCSP_REQUEST *request)
{
	OCSP_CERTID *id = OCSP_onereq_get0_id(OCSP_request_onereq_get0(request, 0));
	ASN1_OBJECT *hash = NULL;

	assert_int_equal(OCSP_request_onereq_count(request), 1);
	assert_int_equal(OCSP_REQUEST_get_ext_count(request), 0);
	assert_int_equal(OCSP_request_is_signed(request), 0);
	assert_int_equal(OCSP_id_get0_info(NULL, &hash, NULL, NULL, id), 1);
	assert_int_equal(OBJ_obj2nid(hash), NID_sha1);
	return id;
}

/* What a responder says to `request`. */
static void answer(enum answer kind, const struct buf *request, struct buf *response)
{
	const unsigned char *at = (const unsigned char *)buf_peek(request).at;
	OCSP_REQUEST *asked = d2i_OCSP_REQUEST(NULL, &at, (long)buf_used(request));
	OCSP_CERTID *other = OCSP_cert_to_id(EVP_sha1(), helper->cert, ca->cert);
	const struct test_pki *signer = signer_of(kind);
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_RESPONSE *r;
	unsigned char *octets = NULL;
	int len;

	assert_non_null(asked);
	add_status(basic, kind, kind == OF_ANOTHER ? other : read_request(asked));
	must(OCSP_basic_sign(basic, signer->cert, signer->key, EVP_sha256(), NULL, 0) == 1);
	r = OCSP_response_create(kind == UNAUTHORIZED ? OCSP_RESPONSE_STATUS_UNAUTHORIZED :
							OCSP_RESPONSE_STATUS_SUCCESSFUL,
				 kind == UNAUTHORIZED ? NULL : basic);
	len = i2d_OCSP_RESPONSE(r, &octets);
	must(len > 0);
	if (kind == GARBAGE)
		memset(octets, 'x', (size_t)len);
	if (kind != EMPTY)
		must(buf_put(response, span_of(octets, kind == HALF ? (size_t)len / 2 : (size_t)len)));
	OPENSSL_free(octets);
	OCSP_RESPONSE_free(r);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(other);
	OCSP_REQUEST_free(asked);
}

static struct tls_client *make_client(enum tls_version version, enum tls_ocsp ocsp, const struct test_pki *trusted)
{
	struct tls_profile profile = tls_pair_versions(version, version);

	profile.ocsp = ocsp;
	return tls_pair_client(&profile, trusted);
}

static struct tls_server *make_server(const struct test_pki *leaf, bool whole)
{
	char *chain = test_pki_chain(leaf, ca);
	struct why why = { 0 };
	struct tls_cert *cert = tls_cert_read(span_str(whole ? chain : leaf->cert_pem), span_str(leaf->key_pem), &why);
	struct tls_server *server;

	if (cert == NULL)
		fail_msg("certificate: %s", why.text);
	server = tls_pair_server(tls_profile_builtin("intermediate"), &cert, 1, "mx", &ring);
	tls_cert_free(cert);
	free(chain);
	return server;
}

static void open_pair(const char *row, struct tls_pair *p, struct tls_server *server, struct tls_client *client,
		      const struct tls_expect *expect)
{
	tls_pair_expect(p, server, client, HOST, expect, "key");
	if (!tls_pair_shake(p, TLS_PAIR_WHOLE))
		fail_msg("%s: %s, %s", row, p->client_why.text, p->server_why.text);
}

static bool is_wanted(struct tls_conn *c, struct buf *request)
{
	char url[200];

	buf_init(request, 1024);
	if (!tls_conn_ocsp_wanted(c, url, sizeof(url), request))
		return false;
	assert_string_equal(url, URL);
	assert_int_equal(ERR_peek_error(), 0);
	return true;
}

static void give(struct tls_conn *c, enum answer kind, const struct buf *request)
{
	struct buf response;

	buf_init(&response, 64 * 1024);
	answer(kind, request, &response);
	tls_conn_ocsp_answer(c, buf_peek(&response));
	assert_int_equal(ERR_peek_error(), 0);
	buf_free(&response);
}

static void check_facts(const char *row, const struct tls_conn *c, const char *revocation, const char *verify_text)
{
	bool good = strncmp(verify_text, "verified", 8) == 0 || strncmp(verify_text, "DANE-", 5) == 0;
	struct tls_facts facts;

	tls_conn_facts(c, &facts);
	want_text(row, span_str(facts.revocation), span_str(revocation));
	want_text(row, span_str(facts.verify_text), span_str(verify_text));
	want_number(row, "verified", facts.verified, good ? TLS_VERIFIED_OK : TLS_VERIFIED_BAD);
}

/* Nobody resumes what waits for an answer. */
static void check_not_resumed(const char *row, struct tls_server *server, struct tls_client *client)
{
	struct tls_facts facts;
	struct tls_pair p;

	open_pair(row, &p, server, client, NULL);
	tls_conn_facts(p.client, &facts);
	want_number(row, "resumed while it waits", facts.resumed, false);
	tls_pair_close(&p);
	/* Under TLS 1.2 it has left its own session behind, though it has not asked. */
	tls_session_drop(&client->sessions, "key " HOST);
}

struct row {
	const char *name;
	enum answer answer;
	const char *revocation, *soft, *hard;
};

/* `late`: TLS 1.3 brings its tickets when the answer is there already. */
static void ask_once(const struct row *row, struct tls_server *server, struct tls_client *client, bool late)
{
	const char *before = client->ocsp == TLS_OCSP_HARD ? "no OCSP answer" : VERIFIED;
	struct buf request;
	struct tls_pair p;

	open_pair(row->name, &p, server, client, NULL);
	if (!is_wanted(p.client, &request))
		fail_msg("%s: nobody is asked", row->name);
	check_facts(row->name, p.client, NOT_ANSWERED, before);
	if (!late)
		assert_true(tls_pair_say(p.server, p.client, "250 hello\r\n"));
	check_not_resumed(row->name, server, client);
	give(p.client, row->answer, &request);
	check_facts(row->name, p.client, row->revocation, client->ocsp == TLS_OCSP_HARD ? row->hard : row->soft);
	assert_true(tls_pair_say(p.server, p.client, "250 hello\r\n"));
	buf_free(&request);
	tls_pair_close(&p);
}

/* As after the first, and without asking. */
static void resume_once(const struct row *row, struct tls_server *server, struct tls_client *client)
{
	struct tls_facts facts;
	struct buf request;
	struct tls_pair p;

	open_pair(row->name, &p, server, client, NULL);
	tls_conn_facts(p.client, &facts);
	want_number(row->name, "resumed", facts.resumed, true);
	check_facts(row->name, p.client, row->revocation, client->ocsp == TLS_OCSP_HARD ? row->hard : row->soft);
	want_number(row->name, "asked again", is_wanted(p.client, &request), false);
	assert_true(tls_pair_say(p.server, p.client, "250 hello\r\n"));
	tls_pair_close(&p);
}

/* That there is no answer is not what a certificate has to live with for an hour. */
static bool is_settled(const struct row *row, enum tls_ocsp level)
{
	return level == TLS_OCSP_SOFT || row->answer == REVOKED || strcmp(row->hard, VERIFIED) == 0;
}

static void check(const struct row *row)
{
	for (unsigned i = 0; i < 2 * 2 * 2; i++) {
		enum tls_ocsp level = levels[i & 1];
		bool late = (i & 4) != 0;
		struct tls_client *client = make_client(versions[i >> 1 & 1], level, ca);
		struct tls_server *server = make_server(named, false);

		ask_once(row, server, client, late);
		for (int turn = 0; turn < 2; turn++) {
			if (is_settled(row, level))
				resume_once(row, server, client);
			else
				ask_once(row, server, client, late);
		}
		tls_server_free(server);
		tls_client_free(client);
	}
}

static void test_NEW_16_WG_13_FAULTS_18_answers(void **state)
{
	static const struct row rows[] = {
		{ "good", GOOD, "OCSP: good", VERIFIED, VERIFIED },
		{ "good, by a helper", BY_HELPER, "OCSP: good", VERIFIED, VERIFIED },
		{ "revoked", REVOKED, "OCSP: revoked", "certificate revoked", "certificate revoked" },
		{ "no answer", EMPTY, NOT_ANSWERED, VERIFIED, "no OCSP answer" },
		{ "unknown", UNKNOWN, "OCSP: unknown", VERIFIED,
		  "the OCSP responder does not know the certificate" },
		{ "over", OVER, NOT_VALID, VERIFIED, "no valid OCSP answer" },
		{ "of tomorrow", OF_TOMORROW, NOT_VALID, VERIFIED, "no valid OCSP answer" },
		{ "of another", OF_ANOTHER, NOT_VALID, VERIFIED, "no valid OCSP answer" },
		{ "by a stranger", BY_STRANGER, NOT_VALID, VERIFIED, "no valid OCSP answer" },
		{ "by an impostor", BY_IMPOSTOR, NOT_VALID, VERIFIED, "no valid OCSP answer" },
		{ "by itself", BY_ITSELF, NOT_VALID, VERIFIED, "no valid OCSP answer" },
		{ "unauthorized", UNAUTHORIZED, NOT_VALID, VERIFIED, "no valid OCSP answer" },
		{ "half", HALF, NOT_VALID, VERIFIED, "no valid OCSP answer" },
		{ "garbage", GARBAGE, NOT_VALID, VERIFIED, "no valid OCSP answer" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		check(&rows[i]);
}

/* The leaf of `spec`, and whether somebody is asked, and what the facts say. */
static void check_wanted(const char *row, struct test_pki_spec spec, enum tls_ocsp level,
			 const struct test_pki *issuer, bool wanted, const char *revocation, const char *verify_text)
{
	struct test_pki *leaf;

	if (spec.names == NULL)
		spec.names = "DNS:" HOST;
	leaf = test_pki_make(&spec, issuer);
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct tls_client *client = make_client(versions[i], level, ca);
		struct tls_server *server = make_server(leaf, false);
		struct buf request;
		struct tls_pair p;

		open_pair(row, &p, server, client, NULL);
		want_number(row, "wanted", is_wanted(p.client, &request), wanted);
		want_number(row, "request", buf_used(&request) > 0, wanted);
		check_facts(row, p.client, revocation, verify_text);
		buf_free(&request);
		tls_pair_close(&p);
		tls_server_free(server);
		tls_client_free(client);
	}
	test_pki_free(leaf);
}

static void test_WG_13_who_is_asked(void **state)
{
	static const struct {
		const char *name, *responder;
		bool wanted;
	} rows[] = {
		{ "named", "OCSP;URI:" URL, true },
		{ "the second", "OCSP;URI:ldap://ocsp.example/,OCSP;URI:" URL, true },
		{ "behind another access", "caIssuers;URI:http://ca.example/,OCSP;URI:" URL, true },
		{ "https", "OCSP;URI:https://ocsp.example/", false },
		{ "ldap", "OCSP;URI:ldap://ocsp.example/", false },
		{ "file", "OCSP;URI:file:///etc/passwd", false },
		{ "no host", "OCSP;URI:http://", false },
		{ "no host, a path", "OCSP;URI:http:///ca1", false },
		{ "a user", "OCSP;URI:http://ocsp.example:80@127.0.0.1/", false },
		{ "a space", "OCSP;URI:http://ocsp.example/a b", false },
		{ "a line", "OCSP;URI:http://ocsp.example/a\r\nX: y", false },
		{ "too long", "OCSP;URI:http://ocsp.example/" "0123456789012345678901234567890123456789"
			      "01234567890123456789012345678901234567890123456789012345678901234567890123456789"
			      "01234567890123456789012345678901234567890123456789012345678901234567890123456789",
		  false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct test_pki_spec spec = { .ocsp = rows[i].responder };

		check_wanted(rows[i].name, spec, TLS_OCSP_OFF, ca, false, "", VERIFIED);
		check_wanted(rows[i].name, spec, TLS_OCSP_SOFT, ca, rows[i].wanted, NOT_ANSWERED, VERIFIED);
		check_wanted(rows[i].name, spec, TLS_OCSP_HARD, ca, rows[i].wanted, NOT_ANSWERED, "no OCSP answer");
	}
	check_wanted("none named", (struct test_pki_spec){ 0 }, TLS_OCSP_HARD, ca, false,
		     "no OCSP responder named", VERIFIED);
	check_wanted("an issuer alone", (struct test_pki_spec){ .ocsp = "caIssuers;URI:http://ca.example/" },
		     TLS_OCSP_HARD, ca, false, "no OCSP responder named", VERIFIED);
	check_wanted("promised", (struct test_pki_spec){ .ocsp = "OCSP;URI:" URL, .feature = "status_request" },
		     TLS_OCSP_SOFT, ca, false, "OCSP: not stapled, but promised",
		     "certificate promises an OCSP staple (RFC 7633), and none is valid");
	check_wanted("a bad chain", (struct test_pki_spec){ .ocsp = "OCSP;URI:" URL }, TLS_OCSP_HARD, stranger,
		     false, "", "unable to get local issuer certificate");
}

/* Nothing is promised to the caller that there is no room for. */
static void test_WG_13_no_room(void **state)
{
	struct tls_client *client = make_client(TLS_1_3, TLS_OCSP_HARD, ca);
	struct tls_server *server = make_server(named, false);
	char url[200];
	struct buf small;
	struct tls_pair p;

	(void)state;
	buf_init(&small, 16);
	open_pair("room", &p, server, client, NULL);
	assert_false(tls_conn_ocsp_wanted(p.client, url, sizeof(url), &small));
	assert_false(tls_conn_ocsp_wanted(p.client, url, sizeof(URL) - 1, &small));
	buf_free(&small);
	buf_init(&small, 1024);
	assert_true(tls_conn_ocsp_wanted(p.client, url, sizeof(URL), &small));
	buf_free(&small);
	tls_pair_close(&p);
	tls_server_free(server);
	tls_client_free(client);
}

/* One that is its own issuer: the answer is remembered all the same. */
static void test_WG_13_self_signed(void **state)
{
	struct test_pki *self = test_pki_make(
		&(struct test_pki_spec){ .cn = "x", .names = "DNS:" HOST, .ocsp = "OCSP;URI:" URL }, NULL);
	struct tls_client *client = make_client(TLS_1_3, TLS_OCSP_SOFT, self);
	struct tls_server *server = make_server(self, false);

	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		struct buf request;
		struct tls_pair p;

		open_pair("self", &p, server, client, NULL);
		assert_int_equal(is_wanted(p.client, &request), turn == 0);
		if (turn == 0)
			give(p.client, EMPTY, &request);
		assert_true(tls_pair_say(p.server, p.client, "250 hello\r\n"));
		check_facts("self", p.client, NOT_ANSWERED, VERIFIED);
		buf_free(&request);
		tls_pair_close(&p);
	}
	tls_server_free(server);
	tls_client_free(client);
	test_pki_free(self);
}

static int on_status(SSL *ssl, void *asked)
{
	struct buf request, response;
	OCSP_REQUEST *r = OCSP_REQUEST_new();
	unsigned char *octets = NULL;
	int len;

	(void)asked;
	must(OCSP_request_add0_id(r, OCSP_cert_to_id(EVP_sha1(), named->cert, ca->cert)) != NULL);
	len = i2d_OCSP_REQUEST(r, &octets);
	buf_init(&request, 1024);
	buf_init(&response, 64 * 1024);
	must(len > 0 && buf_put(&request, span_of(octets, (size_t)len)));
	answer(GOOD, &request, &response);
	OPENSSL_free(octets);
	OCSP_REQUEST_free(r);
	octets = OPENSSL_memdup(buf_peek(&response).at, buf_used(&response));
	must(SSL_set_tlsext_status_ocsp_resp(ssl, octets, (long)buf_used(&response)) == 1);
	buf_free(&request);
	buf_free(&response);
	return SSL_TLSEXT_ERR_OK;
}

static void test_NEW_16_a_staple_is_enough(void **state)
{
	struct tls_client *client = make_client(TLS_1_3, TLS_OCSP_HARD, ca);
	struct tls_server *server = make_server(named, false);
	struct buf request;
	struct tls_pair p;

	(void)state;
	must(SSL_CTX_set_tlsext_status_cb(server->ctx, on_status) == 1);
	open_pair("stapled", &p, server, client, NULL);
	assert_false(is_wanted(p.client, &request));
	check_facts("stapled", p.client, "OCSP: good", VERIFIED);
	tls_pair_close(&p);
	tls_server_free(server);
	tls_client_free(client);
}

/* Under DANE-TA the authority is one that the record alone vouches for; it may revoke all the same. */
static void test_NEW_3_FAULTS_18_under_DANE(void **state)
{
	unsigned char *ca_key = NULL, *ca_der = NULL, *leaf_der = NULL;
	int key_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(ca->cert), &ca_key);
	int ca_len = i2d_X509(ca->cert, &ca_der), leaf_len = i2d_X509(named->cert, &leaf_der);
	const struct {
		const char *name;
		struct tls_tlsa tlsa;
		bool whole, wanted;
		enum answer answer;
		const char *revocation, *verify_text;
	} rows[] = {
		{ "TA, good", { 2, 0, 0, (uint16_t)ca_len, ca_der }, true, true, GOOD, "OCSP: good",
		  "DANE-TA matched, verified for " HOST },
		{ "TA not sent, good", { 2, 0, 0, (uint16_t)ca_len, ca_der }, false, true, BY_HELPER, "OCSP: good",
		  "DANE-TA matched, verified for " HOST },
		{ "TA, revoked", { 2, 0, 0, (uint16_t)ca_len, ca_der }, true, true, REVOKED, "OCSP: revoked",
		  "certificate revoked" },
		{ "TA, by a stranger", { 2, 0, 0, (uint16_t)ca_len, ca_der }, true, true, BY_STRANGER,
		  NOT_VALID, "no valid OCSP answer" },
		/* Whose key it is nobody has told. */
		{ "TA, a bare key", { 2, 1, 0, (uint16_t)key_len, ca_key }, false, false, EMPTY, NOT_ANSWERED,
		  "no OCSP answer" },
		{ "EE", { 3, 0, 0, (uint16_t)leaf_len, leaf_der }, true, false, EMPTY, "", "DANE-EE matched" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct tls_expect expect = { .tlsa = &rows[i].tlsa, .tlsa_count = 1 };
		struct tls_client *client = make_client(TLS_1_3, TLS_OCSP_HARD, stranger);
		struct tls_server *server = make_server(named, rows[i].whole);
		struct buf request;
		struct tls_pair p;

		open_pair(rows[i].name, &p, server, client, &expect);
		want_number(rows[i].name, "wanted", is_wanted(p.client, &request), rows[i].wanted);
		if (rows[i].wanted)
			give(p.client, rows[i].answer, &request);
		check_facts(rows[i].name, p.client, rows[i].revocation, rows[i].verify_text);
		buf_free(&request);
		tls_pair_close(&p);
		tls_server_free(server);
		tls_client_free(client);
	}
	OPENSSL_free(ca_key);
	OPENSSL_free(ca_der);
	OPENSSL_free(leaf_der);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_NEW_16_WG_13_FAULTS_18_answers),
		cmocka_unit_test(test_WG_13_who_is_asked),
		cmocka_unit_test(test_WG_13_no_room),
		cmocka_unit_test(test_WG_13_self_signed),
		cmocka_unit_test(test_NEW_16_a_staple_is_enough),
		cmocka_unit_test(test_NEW_3_FAULTS_18_under_DANE),
	};
	const struct test_pki_spec spec = { .cn = "ca", .ca = true };
	int failed;

	tls_ticket_rotate(&ring);
	ca = test_pki_make(&spec, NULL);
	stranger = test_pki_make(&spec, NULL);
	helper = test_pki_make(&(struct test_pki_spec){ .cn = "helper", .usage = "OCSPSigning" }, ca);
	impostor = test_pki_make(&(struct test_pki_spec){ .cn = "impostor" }, ca);
	named = test_pki_make(&(struct test_pki_spec){ .cn = "x", .names = "DNS:" HOST, .ocsp = "OCSP;URI:" URL }, ca);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	test_pki_free(named);
	test_pki_free(impostor);
	test_pki_free(helper);
	test_pki_free(stranger);
	test_pki_free(ca);
	return failed;
}
