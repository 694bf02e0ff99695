/* What a handshake comes to: versions, ciphers, certificates, and every way it can fail. */
#include "unit.h"

#include "tls_pair.h"

#define HOST "mx.example.net"
#define CERTS_MOST 8

static struct test_pki *ca, *leaf;
static struct tls_cert *cert;
static struct tls_ticket_ring ring;

static const enum tls_version both[] = { TLS_1_2, TLS_1_3 };

static const struct tls_profile *usual(void)
{
	return tls_profile_builtin("intermediate");
}

/* Contexts are made and freed around each pair: the connections hold what they need. */
static void open_with(struct tls_pair *p, const struct tls_profile *server,
		      const struct tls_profile *client)
{
	struct tls_server *s = tls_pair_server(server, &cert, 1, "mx", &ring);
	struct tls_client *c = tls_pair_client(client, ca);

	tls_pair_open(p, s, c, HOST, NULL);
	tls_server_free(s);
	tls_client_free(c);
}

static void open_version(struct tls_pair *p, enum tls_version version)
{
	struct tls_profile profile = tls_pair_versions(version, version);

	open_with(p, usual(), &profile);
}

static void open_ready(struct tls_pair *p, enum tls_version version)
{
	open_version(p, version);
	if (!tls_pair_shake(p, TLS_PAIR_WHOLE))
		fail_msg("handshake: %s, %s", p->client_why.text, p->server_why.text);
}

static enum tls_io read_some(struct tls_conn *c, struct why *why)
{
	struct buf in;
	enum tls_io io;

	buf_init(&in, 65536);
	io = tls_conn_read(c, &in, why);
	buf_free(&in);
	return io;
}

static void test_WG_11_facts(void **state)
{
	static const struct {
		const char *profile, *version, *cipher;
		enum tls_version only;
	} rows[] = {
		{ "intermediate", "TLSv1.3", "TLS_AES_256_GCM_SHA384", TLS_1_3 },
		{ "intermediate", "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", TLS_1_2 },
		{ "legacy", "TLSv1.1", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", TLS_1_1 },
		{ "legacy", "TLSv1", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", TLS_1_0 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct tls_profile profile = *tls_profile_builtin(rows[i].profile);
		struct tls_facts facts;
		struct tls_pair p;

		profile.min = profile.max = rows[i].only;
		open_with(&p, tls_profile_builtin(rows[i].profile), &profile);
		if (!tls_pair_shake(&p, TLS_PAIR_WHOLE))
			fail_msg("%s: %s", rows[i].version, p.server_why.text);
		for (int side = 0; side < 2; side++) {
			tls_conn_facts(side == 0 ? p.server : p.client, &facts);
			assert_true(facts.on);
			assert_int_equal(facts.absent, TLS_ABSENT_NOT);
			assert_false(facts.resumed);
			want_text("version", span_str(facts.version), span_str(rows[i].version));
			want_text("cipher", span_str(facts.cipher), span_str(rows[i].cipher));
			assert_true(strcmp(facts.group, "X25519") == 0 ||
				    strcmp(facts.group, "X25519MLKEM768") == 0);
			assert_int_equal(facts.bits, 256);
			assert_string_equal(facts.sni, HOST);
		}
		tls_pair_close(&p);
	}
}

/* A hello larger than a record: as post-quantum shares and what else may come will make them. */
static void test_NEW_10_a_hello_of_many_records(void **state)
{
	static unsigned char protocols[40 * 256];
	struct tls_pair p;

	(void)state;
	for (size_t i = 0; i < sizeof(protocols); i += 256) {
		memset(protocols + i, 'p', 256);
		protocols[i] = 255;
	}
	for (int twice = 0; twice < 2; twice++) {
		open_version(&p, TLS_1_3);
		assert_int_equal(SSL_set_alpn_protos(p.client->ssl, protocols, sizeof(protocols)), 0);
		assert_int_equal(SSL_set_max_send_fragment(p.client->ssl, 512), 1);
		if (!tls_pair_shake(&p, twice == 0 ? TLS_PAIR_WHOLE : 100))
			fail_msg("%s", p.server_why.text);
		tls_pair_close(&p);
	}
}

static void test_FAULTS_16_a_peer_that_is_not_TLS(void **state)
{
	static const struct {
		const char *name, *octets;
	} rows[] = {
		{ "SMTP",      "EHLO a.example\r\n" },
		{ "a greeting", "220 mx.example ESMTP\r\n" },
		{ "HTTP",      "GET / HTTP/1.1\r\nHost: a\r\n\r\n" },
		{ "a proxy",   "CONNECT a:25 HTTP/1.1\r\n" },
		{ "nonsense",  "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5\xf4" },
		{ "an over-long record", "\x16\x03\x01\xff\xff\x01\x02\x03\x04\x05\x06\x07" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		for (int side = 0; side < 2; side++) {
			struct tls_pair p;
			struct tls_conn *c;
			enum tls_failure failure;
			struct why why = { 0 };

			open_version(&p, TLS_1_3);
			c = side == 0 ? p.server : p.client;
			assert_int_equal(tls_conn_handshake(c, &failure, &why), TLS_IO_MORE);
			assert_true(buf_put(&c->raw_in, span_str(rows[i].octets)));
			if (tls_conn_handshake(c, &failure, &why) != TLS_IO_BROKEN)
				fail_msg("%s: goes on", rows[i].name);
			want_text(rows[i].name, span_str(tls_failure_name(failure)),
				  SPAN("garbage"));
			want_text(rows[i].name, span_str(fault_name(why.fault)), SPAN("peer"));
			assert_true(c->broken);
			assert_false(c->ready);
			assert_int_equal(tls_conn_handshake(c, &failure, &why), TLS_IO_BROKEN);
			tls_conn_close(c);
			tls_pair_close(&p);
		}
	}
}

static void test_FAULTS_16_closed_in_the_handshake(void **state)
{
	struct tls_pair p;
	enum tls_failure failure;
	struct why why = { 0 };

	(void)state;
	open_version(&p, TLS_1_3);
	assert_int_equal(tls_conn_handshake(p.client, &failure, &why), TLS_IO_MORE);
	assert_true(buf_put(&p.client->raw_in, span_of("\x15\x03\x03\x00\x02\x01\x00", 7)));
	assert_int_equal(tls_conn_handshake(p.client, &failure, &why), TLS_IO_BROKEN);
	assert_int_equal(failure, TLS_FAILURE_ALERT);
	assert_string_equal(why.text, "peer sent alert 0 (close notify) during the handshake");
	tls_pair_close(&p);
}

/* SPEC NEW-14, WG-12: OpenSSL writes the alert itself; it must stand in raw_out. */
static void test_NEW_14_too_old(void **state)
{
	static const struct {
		const char *name, *server;
		enum tls_version most;
	} rows[] = {
		{ "TLS 1.0 at intermediate", "intermediate", TLS_1_0 },
		{ "TLS 1.1 at intermediate", "intermediate", TLS_1_1 },
		{ "TLS 1.2 at modern", "modern", TLS_1_2 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct tls_profile old = *tls_profile_builtin("legacy");
		struct tls_pair p;

		old.max = rows[i].most;
		open_with(&p, tls_profile_builtin(rows[i].server), &old);
		assert_false(tls_pair_shake(&p, TLS_PAIR_WHOLE));
		assert_int_equal(p.server_io, TLS_IO_BROKEN);
		want_text(rows[i].name, span_str(tls_failure_name(p.server_failure)),
			  SPAN("version"));
		want_text(rows[i].name, span_str(p.client_why.text),
			  SPAN("peer sent alert 70 (protocol version)"));
		assert_int_equal(p.client_failure, TLS_FAILURE_ALERT);
		tls_pair_close(&p);
	}
}

/* Hellos that nobody sends any more but scanners and very old devices. */
static void test_NEW_14_WG_12_old_hellos_as_octets(void **state)
{
	static const unsigned char ssl3[] = {
		0x16, 0x03, 0x00, 0x00, 0x2d, 0x01, 0x00, 0x00, 0x29, 0x03, 0x00,
		0,    1,    2,	  3,	4,    5,    6,	  7,	8,    9,    10,
		11,   12,   13,	  14,	15,   16,   17,	  18,	19,   20,   21,
		22,   23,   24,	  25,	26,   27,   28,	  29,	30,   31,   0x00,
		0x00, 0x02, 0x00, 0x0a, 0x01, 0x00,
	};
	unsigned char hello[sizeof(ssl3)];

	(void)state;
	for (unsigned char minor = 0; minor < 3; minor++) {
		struct tls_pair p;
		enum tls_failure failure;
		struct why why = { 0 };
		struct span alert;

		memcpy(hello, ssl3, sizeof(hello));
		hello[2] = hello[10] = minor;
		open_version(&p, TLS_1_3);
		assert_true(buf_put(&p.server->raw_in, span_of(hello, sizeof(hello))));
		assert_int_equal(tls_conn_handshake(p.server, &failure, &why), TLS_IO_BROKEN);
		if (failure != TLS_FAILURE_VERSION)
			fail_msg("3.%d: %s (%s)", minor, tls_failure_name(failure), why.text);
		alert = buf_peek(&p.server->raw_out);
		assert_int_equal(alert.len, 7);
		assert_int_equal(alert.at[0], 0x15);
		assert_memory_equal(alert.at + 3, "\x00\x02\x02\x46", 4);
		tls_pair_close(&p);
	}
}

static void test_nothing_in_common(void **state)
{
	static const char ecdsa[] = "ECDHE-ECDSA-AES256-GCM-SHA384";
	static const char rsa[] = "ECDHE-RSA-AES256-GCM-SHA384";
	struct tls_profile client = tls_pair_versions(TLS_1_2, TLS_1_2);
	struct tls_profile server = client;
	struct tls_pair p;

	(void)state;
	snprintf(client.ciphers, sizeof(client.ciphers), "%s", rsa);
	snprintf(server.ciphers, sizeof(server.ciphers), "%s", ecdsa);
	open_with(&p, &server, &client);
	assert_false(tls_pair_shake(&p, TLS_PAIR_WHOLE));
	assert_int_equal(p.server_failure, TLS_FAILURE_CIPHER);
	assert_string_equal(p.server_why.text,
			    "no cipher, group or signature in common (no shared cipher)");
	assert_string_equal(p.client_why.text, "peer sent alert 40 (handshake failure)");
	tls_pair_close(&p);

	client = server = tls_pair_versions(TLS_1_3, TLS_1_3);
	snprintf(client.groups, sizeof(client.groups), "secp384r1");
	snprintf(server.groups, sizeof(server.groups), "X25519");
	open_with(&p, &server, &client);
	assert_false(tls_pair_shake(&p, TLS_PAIR_WHOLE));
	assert_int_equal(p.server_failure, TLS_FAILURE_CIPHER);
	tls_pair_close(&p);
}

/* A client that verifies, and does not know our CA. */
static void test_MC_4_the_clients_alert_has_its_number(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(both); i++) {
		struct tls_profile profile = tls_pair_versions(both[i], both[i]);
		struct tls_server *s = tls_pair_server(usual(), &cert, 1, "mx", NULL);
		struct tls_client *c = tls_pair_client(&profile, ca);
		struct tls_pair p;

		/* It trusts nobody, whatever `ca` it was made with. */
		SSL_CTX_set_cert_store(c->ctx, X509_STORE_new());
		tls_pair_open(&p, s, c, HOST, NULL);
		SSL_set_verify(p.client->ssl, SSL_VERIFY_PEER, NULL);
		assert_false(tls_pair_shake(&p, TLS_PAIR_WHOLE));
		assert_int_equal(p.server_failure, TLS_FAILURE_ALERT);
		assert_string_equal(p.server_why.text, "peer sent alert 48 (unknown ca)");
		assert_int_equal(p.server_why.fault, FAULT_PEER);
		tls_pair_close(&p);
		tls_server_free(s);
		tls_client_free(c);
	}
}

static void test_NEW_14_ems_is_required(void **state)
{
	static const struct {
		const char *name, *server;
		enum tls_version version;
		bool fine;
	} rows[] = {
		{ "TLS 1.2 without",   "intermediate", TLS_1_2, false },
		{ "TLS 1.3 has no need of it", "intermediate", TLS_1_3, true },
		{ "old devices",       "legacy", TLS_1_2, true },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct tls_profile client = tls_pair_versions(rows[i].version, rows[i].version);
		struct tls_pair p;

		open_with(&p, tls_profile_builtin(rows[i].server), &client);
		SSL_set_options(p.client->ssl, SSL_OP_NO_EXTENDED_MASTER_SECRET);
		if (tls_pair_shake(&p, TLS_PAIR_WHOLE) != rows[i].fine)
			fail_msg("%s: %s", rows[i].name, p.server_why.text);
		if (!rows[i].fine) {
			assert_string_equal(p.server_why.text, "the client does not offer "
					    "extended_master_secret (RFC 7627)");
			assert_string_equal(p.client_why.text,
					    "peer sent alert 40 (handshake failure)");
		}
		tls_pair_close(&p);
	}
}

static void test_NEW_14_no_renegotiation_and_no_compression(void **state)
{
	struct tls_pair p;
	struct why why;

	(void)state;
	open_ready(&p, TLS_1_2);
	assert_null(SSL_get_current_compression(p.server->ssl));
	assert_true(tls_pair_say(p.client, p.server, "NOOP\r\n"));
	SSL_clear_options(p.client->ssl, SSL_OP_NO_RENEGOTIATION);
	assert_int_equal(SSL_renegotiate(p.client->ssl), 1);
	SSL_do_handshake(p.client->ssl);
	assert_true(tls_pair_carry(p.client, p.server, TLS_PAIR_WHOLE) > 0);
	assert_int_not_equal(read_some(p.server, &why), TLS_IO_OK);
	assert_int_equal(SSL_num_renegotiations(p.server->ssl), 0);
	assert_int_equal(SSL_in_init(p.server->ssl), 0);
	tls_pair_close(&p);
}

/* Four certificates: the default, a wildcard, and one name with both kinds of keys. */
static struct test_pki *many[CERTS_MOST];
static struct tls_cert *many_certs[CERTS_MOST];
static size_t many_count;

static void add_cert(const char *names, enum test_pki_key key)
{
	many[many_count] = test_pki_make(&(struct test_pki_spec){ .names = names, .key = key }, ca);
	many_certs[many_count] = tls_pair_cert(many[many_count]);
	many_count++;
}

static int index_of(const char *hash)
{
	for (size_t i = 0; i < many_count; i++) {
		unsigned char md[EVP_MAX_MD_SIZE];
		char text[65];
		unsigned len;

		must(X509_digest(many[i]->cert, EVP_sha256(), md, &len) == 1);
		for (unsigned k = 0; k < len; k++)
			snprintf(text + (size_t)2 * k, 3, "%02x", md[k]);
		if (strcmp(text, hash) == 0)
			return (int)i;
	}
	return -1;
}

struct sni_row {
	const char *name, *host;
	const char *sigalgs; /* that the client can verify; NULL: all */
	int want;            /* which of the certificates */
};

static void check_sni(const struct sni_row *row, enum tls_version version)
{
	struct tls_profile profile = tls_pair_versions(version, version);
	struct tls_server *s = tls_pair_server(usual(), many_certs, many_count, "mx", NULL);
	struct tls_client *c = tls_pair_client(&profile, ca);
	struct tls_facts facts;
	struct tls_pair p;

	tls_pair_open(&p, s, c, row->host, NULL);
	if (row->sigalgs != NULL)
		assert_int_equal(SSL_set1_sigalgs_list(p.client->ssl, row->sigalgs), 1);
	if (!tls_pair_shake(&p, TLS_PAIR_WHOLE))
		fail_msg("%s: %s, %s", row->name, p.server_why.text, p.client_why.text);
	tls_conn_facts(p.client, &facts);
	if (index_of(facts.cert) != row->want)
		fail_msg("%s: certificate %d, not %d", row->name, index_of(facts.cert), row->want);
	tls_pair_close(&p);
	tls_server_free(s);
	tls_client_free(c);
}

static void test_NEW_17_by_name_and_by_key(void **state)
{
	static const char rsa[] = "rsa_pss_rsae_sha256:rsa_pkcs1_sha256";
	static const char ec[] = "ecdsa_secp256r1_sha256";
	static const struct sni_row rows[] = {
		{ "the first name",        "a.example", NULL, 0 },
		{ "the first name, RSA",   "a.example", rsa, 1 },
		{ "a wildcard",            "mx.b.example", NULL, 2 },
		{ "a wildcard is no parent", "b.example", NULL, 0 },
		{ "a wildcard is one label", "x.mx.b.example", NULL, 0 },
		{ "both kinds, EC first",  "c.example", NULL, 3 },
		{ "both kinds, EC wanted", "c.example", ec, 3 },
		{ "both kinds, RSA wanted", "c.example", rsa, 4 },
		{ "the second name of one", "d.example", NULL, 4 },
		{ "case does not count",   "MX.B.Example", NULL, 2 },
		{ "unknown: the default",  "nobody.example", NULL, 0 },
		{ "unknown, RSA wanted",   "nobody.example", rsa, 1 },
		{ "no name at all",        "192.0.2.7", NULL, 0 },
		{ "two of a kind: the first", "e.example", NULL, 5 },
	};

	(void)state;
	add_cert("DNS:a.example", TEST_PKI_EC);
	add_cert("DNS:a.example", TEST_PKI_RSA);
	add_cert("DNS:*.b.example", TEST_PKI_EC);
	add_cert("DNS:c.example", TEST_PKI_EC);
	add_cert("DNS:c.example,DNS:d.example", TEST_PKI_RSA);
	add_cert("DNS:e.example", TEST_PKI_EC);
	add_cert("DNS:e.example,DNS:f.example", TEST_PKI_EC);
	for (size_t i = 0; i < ROWS(rows); i++) {
		for (size_t k = 0; k < ROWS(both); k++)
			check_sni(&rows[i], both[k]);
	}
	while (many_count-- > 0) {
		tls_cert_free(many_certs[many_count]);
		test_pki_free(many[many_count]);
	}
	many_count = 0;
}

static void test_SUB_12_a_key_too_weak_to_serve(void **state)
{
	struct test_pki *weak = test_pki_make(
		&(struct test_pki_spec){ .names = "DNS:weak.example", .key = TEST_PKI_RSA_1024 }, ca);
	struct tls_cert *certs[] = { cert, tls_pair_cert(weak) };
	const struct tls_server_conf conf = { usual(), certs, 2, "mx", NULL };
	struct why why = { 0 };

	(void)state;
	assert_null(tls_server_new(&conf, &why));
	assert_string_equal(why.text, "weak.example: ee key too small");
	tls_cert_free(certs[1]);
	test_pki_free(weak);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_WG_11_facts),
		cmocka_unit_test(test_NEW_10_a_hello_of_many_records),
		cmocka_unit_test(test_FAULTS_16_a_peer_that_is_not_TLS),
		cmocka_unit_test(test_FAULTS_16_closed_in_the_handshake),
		cmocka_unit_test(test_NEW_14_too_old),
		cmocka_unit_test(test_NEW_14_WG_12_old_hellos_as_octets),
		cmocka_unit_test(test_nothing_in_common),
		cmocka_unit_test(test_MC_4_the_clients_alert_has_its_number),
		cmocka_unit_test(test_NEW_14_ems_is_required),
		cmocka_unit_test(test_NEW_14_no_renegotiation_and_no_compression),
		cmocka_unit_test(test_NEW_17_by_name_and_by_key),
		cmocka_unit_test(test_SUB_12_a_key_too_weak_to_serve),
	};
	int failed;

	tls_ticket_rotate(&ring);
	ca = test_pki_make(&(struct test_pki_spec){ .cn = "ca", .ca = true }, NULL);
	leaf = test_pki_make(&(struct test_pki_spec){ .cn = "x", .names = "DNS:" HOST }, ca);
	cert = tls_pair_cert(leaf);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	tls_cert_free(cert);
	test_pki_free(leaf);
	test_pki_free(ca);
	return failed;
}
