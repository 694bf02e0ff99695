/* What the client side finds out about the upstream's certificate. */
#include "unit.h"

#include "tls_pair.h"

#define DAY (24L * 3600)
#define HOST "mx.example.net"

static struct test_pki *ca, *mid, *stranger;

static void open_pair(struct tls_pair *p, const struct test_pki *leaf, const struct test_pki *behind,
		      struct tls_client *client, const char *host, struct tls_facts *facts)
{
	char *chain = behind != NULL ? test_pki_chain(leaf, behind) : mem_text(leaf->cert_pem);
	struct why why = { 0 };
	struct tls_cert *cert = tls_cert_read(span_str(chain), span_str(leaf->key_pem), &why);
	struct tls_server *server;

	must(cert != NULL);
	/* "legacy" lets the server of a test serve weak keys too. */
	server = tls_pair_server(tls_profile_builtin("legacy"), &cert, 1, "mx", NULL);
	tls_pair_open(p, server, client, host, NULL);
	if (!tls_pair_shake(p, TLS_PAIR_WHOLE))
		fail_msg("handshake: client %s, server %s", p->client_why.text, p->server_why.text);
	tls_conn_facts(p->client, facts);
	tls_server_free(server);
	tls_cert_free(cert);
	free(chain);
}

/* What a client that trusts `ca` says of `leaf` when it has gone to `host`. */
static void check(const char *row, const struct test_pki *leaf, const struct test_pki *behind,
		  const char *host, const char *want)
{
	const struct tls_need verify = { NEED_VERIFY, 0 }, encrypt = { NEED_ENCRYPT, 112 };
	struct tls_client *client = tls_pair_client(tls_profile_builtin("intermediate"), ca);
	bool good = strncmp(want, "verified for", 12) == 0;
	struct tls_facts facts;
	struct tls_pair p;
	struct why why = { 0 };

	open_pair(&p, leaf, behind, client, host, &facts);
	want_text(row, span_str(facts.verify_text), span_str(want));
	want_text(row, span_str(tls_verified_name(facts.verified)), span_str(good ? "ok" : "bad"));
	if (need_met(&verify, &facts, &why) != good)
		fail_msg("%s: the need is judged otherwise", row);
	/* SPEC PP-6, GC-6: whatever is wrong with it, mail goes out under `encrypt`. */
	if (!need_met(&encrypt, &facts, &why))
		fail_msg("%s: encrypt: %s", row, why.text);
	tls_pair_close(&p);
	tls_client_free(client);
}

struct row {
	const char *name;
	struct test_pki_spec spec;
	const char *host; /* NULL: HOST */
	const char *want;
};

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct test_pki *leaf = test_pki_make(&rows[i].spec, ca);

		check(rows[i].name, leaf, NULL, rows[i].host != NULL ? rows[i].host : HOST,
		      rows[i].want);
		test_pki_free(leaf);
	}
}

static void test_PP_7_NEW_15_names(void **state)
{
	static const struct row rows[] = {
		{ "the name", { .cn = "x", .names = "DNS:" HOST }, NULL, "verified for " HOST },
		{ "the second name", { .names = "DNS:a.example,DNS:" HOST }, NULL,
		  "verified for " HOST },
		{ "case does not count", { .names = "DNS:MX.Example.NET" }, NULL,
		  "verified for " HOST },
		{ "an absolute name", { .names = "DNS:" HOST }, HOST ".", "verified for " HOST },
		{ "a wildcard", { .names = "DNS:*.example.net" }, NULL, "verified for " HOST },
		{ "a wildcard covers one label", { .names = "DNS:*.example.com" }, "a.b.example.com",
		  "certificate is for *.example.com, not for a.b.example.com" },
		{ "a wildcard covers a label", { .names = "DNS:*.example.com" }, "example.com",
		  "certificate is for *.example.com, not for example.com" },
		{ "part of a label", { .names = "DNS:m*.example.net" }, NULL,
		  "certificate is for m*.example.net, not for " HOST },
		{ "a wildcard further on", { .names = "DNS:mx.*.net" }, NULL,
		  "certificate is for mx.*.net, not for " HOST },
		{ "a wildcard for a top level", { .names = "DNS:*.net" }, "example.net",
		  "certificate is for *.net, not for example.net" },
		{ "another name", { .cn = HOST, .names = "DNS:other.example" }, NULL,
		  "certificate is for other.example, not for " HOST },
		{ "the CN alone", { .cn = HOST }, NULL,
		  "certificate has no DNS name in its SAN, wanted is " HOST },
		{ "the CN beside an address", { .cn = HOST, .names = "IP:127.0.0.1" }, NULL,
		  "certificate has no DNS name in its SAN, wanted is " HOST },
		{ "an IDN as its A-label", { .names = "DNS:xn--bcher-kva.example" },
		  "xn--bcher-kva.example", "verified for xn--bcher-kva.example" },
		{ "no wildcard for an A-label", { .names = "DNS:xn--*.example" },
		  "xn--bcher-kva.example",
		  "certificate is for xn--*.example, not for xn--bcher-kva.example" },
	};

	(void)state;
	check_rows(rows, ROWS(rows));
}

static void test_PP_7_addresses(void **state)
{
	static const struct row rows[] = {
		{ "IPv4", { .names = "IP:192.0.2.7" }, "192.0.2.7", "verified for 192.0.2.7" },
		{ "IPv6", { .names = "IP:2001:db8::7" }, "2001:db8::7", "verified for 2001:db8::7" },
		{ "IPv6 spelled out", { .names = "IP:2001:db8::7" }, "2001:db8:0::7",
		  "verified for 2001:db8:0::7" },
		{ "another", { .names = "DNS:a.example,IP:192.0.2.7" }, "192.0.2.8",
		  "certificate is for a.example, not for 192.0.2.8" },
		{ "an address as a DNS name", { .names = "DNS:192.0.2.7" }, "192.0.2.7",
		  "certificate is for 192.0.2.7, not for 192.0.2.7" },
		{ "an address as the CN", { .cn = "192.0.2.7" }, "192.0.2.7",
		  "certificate has no DNS name in its SAN, wanted is 192.0.2.7" },
	};

	(void)state;
	check_rows(rows, ROWS(rows));
}

static void test_FAULTS_17_dates_use_and_strength(void **state)
{
	static const struct row rows[] = {
		{ "expired", { .names = "DNS:" HOST, .from = -9 * DAY, .until = -DAY }, NULL,
		  "certificate has expired" },
		{ "not yet valid", { .names = "DNS:" HOST, .from = DAY, .until = 9 * DAY }, NULL,
		  "certificate is not yet valid" },
		{ "for servers", { .names = "DNS:" HOST, .usage = "serverAuth" }, NULL,
		  "verified for " HOST },
		{ "for clients", { .names = "DNS:" HOST, .usage = "clientAuth" }, NULL,
		  "unsuitable certificate purpose" },
		{ "a weak key", { .names = "DNS:" HOST, .key = TEST_PKI_RSA_1024 }, NULL,
		  "EE certificate key too weak" },
	};

	(void)state;
	check_rows(rows, ROWS(rows));
}

static void test_FAULTS_17_chains(void **state)
{
	const struct test_pki_spec spec = { .cn = "x", .names = "DNS:" HOST };
	struct test_pki *self = test_pki_make(&spec, NULL);
	struct test_pki *unknown = test_pki_make(&spec, stranger);
	struct test_pki *below = test_pki_make(&spec, mid);
	struct test_pki *no_ca = test_pki_make(&spec, ca);
	struct test_pki *forged = test_pki_make(&spec, no_ca);
	struct test_pki *fenced = test_pki_make(&(struct test_pki_spec){
		.cn = "fenced", .ca = true, .constraint = "permitted;DNS:example.org" }, ca);
	struct test_pki *outside = test_pki_make(&spec, fenced);

	(void)state;
	check("self-signed", self, NULL, HOST, "self-signed certificate");
	check("unknown CA", unknown, NULL, HOST, "unable to get local issuer certificate");
	check("unknown CA, sent along", unknown, stranger, HOST,
	      "self-signed certificate in certificate chain");
	check("intermediate missing", below, NULL, HOST, "unable to get local issuer certificate");
	check("intermediate there", below, mid, HOST, "verified for " HOST);
	check("issued by a leaf", forged, no_ca, HOST, "invalid CA certificate");
	check("outside the issuer's constraint", outside, fenced, HOST, "permitted subtree violation");
	test_pki_free(self);
	test_pki_free(unknown);
	test_pki_free(below);
	test_pki_free(no_ca);
	test_pki_free(forged);
	test_pki_free(fenced);
	test_pki_free(outside);
}

/* With names of its own, the host that was connected to is not one of them: else whoever can
 * forge an MX record could name a host that he has a certificate for. */
static void test_PP_8_listed_names(void **state)
{
	static const char *const names[] = { "one.example", "two.example" };
	struct tls_client_conf conf = { .profile = tls_profile_builtin("intermediate"),
					.ca = span_str(ca->cert_pem), .names = names,
					.name_count = 2 };
	static const struct {
		const char *name, *san, *want;
	} rows[] = {
		{ "the first", "DNS:one.example", "verified for one.example" },
		{ "the second", "DNS:two.example", "verified for two.example" },
		{ "the attacker's own host", "DNS:" HOST,
		  "certificate is for " HOST ", not for one.example" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct test_pki *leaf =
			test_pki_make(&(struct test_pki_spec){ .names = rows[i].san }, ca);
		struct why why = { 0 };
		struct tls_client *client = tls_client_new(&conf, &why);
		struct tls_facts facts;
		struct tls_pair p;

		assert_non_null(client);
		open_pair(&p, leaf, NULL, client, HOST, &facts);
		want_text(rows[i].name, span_str(facts.verify_text), span_str(rows[i].want));
		assert_string_equal(facts.sni, HOST);
		tls_pair_close(&p);
		tls_client_free(client);
		test_pki_free(leaf);
	}
}

/* Trust in an intermediate is not trust in the root above it. */
static void test_an_intermediate_as_ca(void **state)
{
	struct test_pki *below = test_pki_make(&(struct test_pki_spec){ .names = "DNS:" HOST }, mid);
	struct test_pki *beside = test_pki_make(&(struct test_pki_spec){ .names = "DNS:" HOST }, ca);
	struct tls_client *client = tls_pair_client(tls_profile_builtin("intermediate"), mid);
	struct tls_facts facts;
	struct tls_pair p;

	(void)state;
	open_pair(&p, below, NULL, client, HOST, &facts);
	assert_string_equal(facts.verify_text, "verified for " HOST);
	tls_pair_close(&p);
	open_pair(&p, beside, NULL, client, HOST, &facts);
	assert_int_equal(facts.verified, TLS_VERIFIED_BAD);
	tls_pair_close(&p);
	tls_client_free(client);
	test_pki_free(below);
	test_pki_free(beside);
}

static void test_WG_11_facts_of_the_certificate(void **state)
{
	struct test_pki *leaf = test_pki_make(
		&(struct test_pki_spec){ .cn = "x", .names = "DNS:" HOST, .until = 5 * DAY }, ca);
	struct test_pki *bare = test_pki_make(&(struct test_pki_spec){ .cn = "only cn" }, ca);
	struct tls_client *client = tls_pair_client(tls_profile_builtin("intermediate"), ca);
	struct tls_cert *cert = tls_pair_cert(leaf);
	struct tls_facts facts;
	struct tls_pair p;

	(void)state;
	open_pair(&p, leaf, NULL, client, HOST, &facts);
	assert_int_equal(strlen(facts.cert), 64);
	assert_string_equal(facts.cert_name, HOST);
	assert_int_equal(facts.cert_until, tls_cert_until(cert));
	tls_conn_facts(p.server, &facts);
	assert_true(facts.on);
	assert_string_equal(facts.cert, "");
	assert_string_equal(facts.cert_name, "");
	assert_string_equal(facts.verify_text, "");
	assert_int_equal(facts.verified, TLS_VERIFIED_NOT);
	tls_pair_close(&p);
	open_pair(&p, bare, NULL, client, "192.0.2.7", &facts);
	assert_string_equal(facts.cert_name, "/CN=only cn");
	assert_string_equal(facts.sni, "");
	tls_pair_close(&p);
	tls_cert_free(cert);
	tls_client_free(client);
	test_pki_free(leaf);
	test_pki_free(bare);
}

static void test_a_ca_that_cannot_be_read(void **state)
{
	struct tls_client_conf conf = { .profile = tls_profile_builtin("intermediate"),
					.ca = SPAN("no certificate in here") };
	struct why why = { 0 };

	(void)state;
	assert_null(tls_client_new(&conf, &why));
	assert_string_equal(why.text, "no certificate found (PEM is expected)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_PP_7_NEW_15_names),
		cmocka_unit_test(test_PP_7_addresses),
		cmocka_unit_test(test_FAULTS_17_dates_use_and_strength),
		cmocka_unit_test(test_FAULTS_17_chains),
		cmocka_unit_test(test_PP_8_listed_names),
		cmocka_unit_test(test_an_intermediate_as_ca),
		cmocka_unit_test(test_WG_11_facts_of_the_certificate),
		cmocka_unit_test(test_a_ca_that_cannot_be_read),
	};
	int failed;

	ca = test_pki_make(&(struct test_pki_spec){ .cn = "ca", .ca = true }, NULL);
	mid = test_pki_make(&(struct test_pki_spec){ .cn = "mid", .ca = true }, ca);
	stranger = test_pki_make(&(struct test_pki_spec){ .cn = "stranger", .ca = true }, NULL);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	test_pki_free(ca);
	test_pki_free(mid);
	test_pki_free(stranger);
	return failed;
}
