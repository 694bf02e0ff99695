/* A minted leaf in front of a client: what it verifies, and when it may resume. */
#include "unit.h"

#include "tls/tls_mint.h"
#include "tls_pair.h"

#include <time.h>

#define HOST "mx.example.net"

/* The world's CA and a server's leaf of it; our authority. */
static struct test_pki *world, *server_leaf, *ours;
static struct tls_authority *authority;
static struct tls_ticket_ring ring;

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

static struct tls_cert *mint_with(struct tls_authority *a, const struct test_pki *upstream)
{
	struct span der = der_of(upstream->cert);
	struct why why = { 0 };
	struct tls_cert *c = tls_authority_mint(a, der, now(), NULL, &why);

	if (c == NULL)
		fail_msg("not minted: %s", why.text);
	OPENSSL_free((void *)der.at);
	return c;
}

static struct tls_cert *mint(const struct test_pki *upstream)
{
	return mint_with(authority, upstream);
}

/* A whole connection; the client trusts `ca` and wants HOST. */
static void serve(struct tls_pair *p, struct tls_server *server, struct tls_client *client,
		  const struct tls_cert *minted, const char *label)
{
	tls_pair_open(p, server, client, HOST, "key");
	tls_conn_use_cert(p->server, minted, label);
}

static struct tls_server *make_server(struct tls_cert *cert)
{
	return tls_pair_server(tls_profile_builtin("intermediate"), &cert, 1, "mx", &ring);
}

static void test_WG_6_a_client_verifies_the_real_name(void **state)
{
	static const enum tls_version versions[] = { TLS_1_2, TLS_1_3 };
	struct tls_cert *own = tls_pair_cert(server_leaf);
	struct tls_server *server = make_server(own);

	(void)state;
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct tls_profile profile = tls_pair_versions(versions[i], versions[i]);
		struct tls_client *trusting = tls_pair_client(&profile, ours);
		struct tls_client *other = tls_pair_client(&profile, world);
		struct tls_facts facts;
		struct tls_pair p;

		serve(&p, server, trusting, mint(server_leaf), "label");
		assert_true(tls_pair_shake(&p, TLS_PAIR_WHOLE));
		tls_conn_facts(p.client, &facts);
		assert_string_equal(facts.verify_text, "verified for " HOST);
		tls_pair_close(&p);
		/* Not the server's own, although it has the name that was asked for. */
		serve(&p, server, other, mint(server_leaf), "label");
		assert_true(tls_pair_shake(&p, TLS_PAIR_WHOLE));
		tls_conn_facts(p.client, &facts);
		assert_int_equal(facts.verified, TLS_VERIFIED_BAD);
		tls_pair_close(&p);
		tls_client_free(trusting);
		tls_client_free(other);
	}
	tls_server_free(server);
	tls_cert_free(own);
}

/* The connection holds what it serves. */
static void test_WG_6_the_authority_may_go_before(void **state)
{
	struct tls_authority *a = authority_of(ours);
	struct tls_cert *own = tls_pair_cert(server_leaf);
	struct tls_server *server = make_server(own);
	struct tls_client *client = tls_pair_client(tls_profile_builtin("intermediate"), ours);
	struct tls_pair p;

	(void)state;
	serve(&p, server, client, mint_with(a, server_leaf), "label");
	tls_authority_free(a);
	tls_server_free(server);
	tls_cert_free(own);
	assert_true(tls_pair_shake(&p, TLS_PAIR_WHOLE));
	tls_pair_close(&p);
	tls_client_free(client);
}

/* One connection, and whether it resumed. `minted` NULL: the server's own certificate. */
static bool meet(struct tls_server *server, struct tls_client *client, const struct tls_cert *minted,
		 const char *label)
{
	struct tls_facts ours_facts, theirs;
	struct tls_pair p;

	tls_pair_open(&p, server, client, HOST, "key");
	if (minted != NULL)
		tls_conn_use_cert(p.server, minted, label);
	if (!tls_pair_shake(&p, TLS_PAIR_WHOLE))
		fail_msg("%s, %s", p.client_why.text, p.server_why.text);
	assert_true(tls_pair_say(p.server, p.client, "250 hello\r\n"));
	tls_conn_facts(p.client, &ours_facts);
	tls_conn_facts(p.server, &theirs);
	assert_int_equal(ours_facts.resumed, theirs.resumed);
	tls_pair_close(&p);
	return theirs.resumed;
}

/* Law 7: a session begun in front of one certificate is not taken up in front of another. */
static void test_law_7_no_resumption_across_upstreams(void **state)
{
	static const enum tls_version versions[] = { TLS_1_2, TLS_1_3 };
	struct tls_cert *own = tls_pair_cert(server_leaf);
	struct tls_server *server = make_server(own);

	(void)state;
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct tls_profile profile = tls_pair_versions(versions[i], versions[i]);
		struct tls_client *client = tls_pair_client(&profile, ours);
		const struct tls_cert *minted = mint(server_leaf);

		assert_false(meet(server, client, minted, "one"));
		assert_true(meet(server, client, minted, "one"));
		assert_false(meet(server, client, minted, "two"));
		assert_true(meet(server, client, minted, "two"));
		assert_false(meet(server, client, NULL, NULL));
		assert_true(meet(server, client, NULL, NULL));
		assert_false(meet(server, client, minted, ""));
		assert_false(meet(server, client, minted, "one"));
		tls_client_free(client);
	}
	tls_server_free(server);
	tls_cert_free(own);
}

/* Nor where a client would rather have a key of the kind that the server's own has. */
static void test_WG_6_no_other_certificate_is_served(void **state)
{
	struct test_pki *rsa = test_pki_make(&(struct test_pki_spec){ .cn = HOST, .names = "DNS:" HOST,
		.key = TEST_PKI_RSA }, world);
	struct tls_profile profile = tls_pair_versions(TLS_1_2, TLS_1_2);
	struct tls_cert *own = tls_pair_cert(rsa);
	struct tls_server *server = make_server(own);
	struct tls_client *client;
	struct tls_pair p;

	(void)state;
	strcpy(profile.ciphers, "ECDHE-RSA-AES128-GCM-SHA256");
	client = tls_pair_client(&profile, world);
	assert_false(meet(server, client, NULL, NULL));
	tls_pair_open(&p, server, client, HOST, NULL);
	tls_conn_use_cert(p.server, mint(server_leaf), "label");
	assert_false(tls_pair_shake(&p, TLS_PAIR_WHOLE));
	assert_int_equal(p.server_failure, TLS_FAILURE_CIPHER);
	tls_pair_close(&p);
	tls_server_free(server);
	tls_client_free(client);
	tls_cert_free(own);
	test_pki_free(rsa);
}

/* Fail closed: not with the server's own certificate. */
static void test_a_certificate_that_openssl_will_not_serve(void **state)
{
	struct test_pki *weak = test_pki_make(&(struct test_pki_spec){ .cn = HOST,
		.key = TEST_PKI_RSA_1024 }, world);
	struct tls_cert *cert = tls_pair_cert(weak), *own = tls_pair_cert(server_leaf);
	struct tls_server *server = make_server(own);
	struct tls_client *client = tls_pair_client(tls_profile_builtin("intermediate"), ours);
	struct tls_pair p;

	(void)state;
	serve(&p, server, client, cert, "label");
	assert_false(tls_pair_shake(&p, TLS_PAIR_WHOLE));
	assert_string_equal(p.server_why.text,
			    "OpenSSL refuses the certificate made for this connection");
	assert_string_equal(p.client_why.text, "peer sent alert 80 (internal error)");
	tls_pair_close(&p);
	tls_server_free(server);
	tls_client_free(client);
	tls_cert_free(own);
	tls_cert_free(cert);
	test_pki_free(weak);
}

static void want_peer_der(const struct tls_conn *c, X509 *x)
{
	struct span want = der_of(x);
	struct buf der;

	buf_init(&der, want.len);
	assert_true(tls_conn_peer_der(c, &der));
	want_text("DER", buf_peek(&der), want);
	assert_false(tls_conn_peer_der(c, &der)); /* no room for another */
	assert_int_equal(buf_used(&der), want.len);
	buf_free(&der);
	OPENSSL_free((void *)want.at);
}

static void test_the_peers_leaf_as_der(void **state)
{
	static const enum tls_version versions[] = { TLS_1_2, TLS_1_3 };
	struct tls_cert *own = tls_pair_cert(server_leaf);
	struct tls_server *server = make_server(own);

	(void)state;
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct tls_profile profile = tls_pair_versions(versions[i], versions[i]);
		struct tls_client *client = tls_pair_client(&profile, world);

		for (int turn = 0; turn < 2; turn++) {
			struct tls_facts facts;
			struct tls_pair p;
			struct buf none;

			tls_pair_open(&p, server, client, HOST, "key");
			assert_true(tls_pair_shake(&p, TLS_PAIR_WHOLE));
			assert_true(tls_pair_say(p.server, p.client, "250 hello\r\n"));
			tls_conn_facts(p.client, &facts);
			assert_int_equal(facts.resumed, turn == 1);
			want_peer_der(p.client, server_leaf->cert);
			buf_init(&none, 65536);
			assert_false(tls_conn_peer_der(p.server, &none));
			buf_free(&none);
			tls_pair_close(&p);
		}
		tls_client_free(client);
	}
	tls_server_free(server);
	tls_cert_free(own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_WG_6_a_client_verifies_the_real_name),
		cmocka_unit_test(test_WG_6_the_authority_may_go_before),
		cmocka_unit_test(test_law_7_no_resumption_across_upstreams),
		cmocka_unit_test(test_WG_6_no_other_certificate_is_served),
		cmocka_unit_test(test_a_certificate_that_openssl_will_not_serve),
		cmocka_unit_test(test_the_peers_leaf_as_der),
	};
	struct test_pki_spec ca = { .cn = "world", .ca = true };
	int failed;

	tls_ticket_rotate(&ring);
	world = test_pki_make(&ca, NULL);
	ca.cn = "ours";
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
