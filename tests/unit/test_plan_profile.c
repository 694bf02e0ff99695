/* SPEC WG-12, WG-13: each setting of a profile does what it says, from the file to the handshake, where the profile is
 * for clients and where it is for upstreams. Who is at the other end has settings of its own. */
#include "plan/plan_build.h"
#include "unit.h"

#include "tls_pair.h"

#include <string.h>
#include <time.h>

#define HOST "mx.example.net"
#define RESPONDER "OCSP;URI:http://ocsp.example.net/"

static struct test_pki *ca, *leaf;
static struct tls_cert *cert;
static struct tls_ticket_ring ring;

enum use { OF_SERVICE, OF_UPSTREAM, OF_ACTION_FOR_CLIENTS, OF_ACTION_FOR_UPSTREAMS, USES };

static const char *const use_names[] = {
	"of a service", "of an upstream", "of an action, for clients", "of an action, for upstreams",
};

/* The profile `p` where it is used, the built-in one elsewhere. */
static struct plan *make_plan(const char *row, enum use use, const char *settings)
{
	static const char *const configs[] = {
		[OF_SERVICE] = "upstreams: { u: { hosts: a.example, ca: ca.pem } }\n"
			"services: { s: { listen: \"*:2525\", upstream: u, tls_profile: p } }\n",
		[OF_UPSTREAM] = "upstreams: { u: { hosts: a.example, ca: ca.pem, names: " HOST ", tls: verify, tls_profile: p } }\n"
			"services: { s: { listen: \"*:2525\", upstream: u } }\n",
		[OF_ACTION_FOR_CLIENTS] = "actions: { a: { tls: terminate, certificates: gw, ca: ca.pem, tls_profile: p } }\n"
			"services: { s: { mode: transparent, listen: \"*:2525\", action: a } }\n",
		[OF_ACTION_FOR_UPSTREAMS] = "actions: { a: { tls: terminate, certificates: gw, ca: ca.pem, "
			"upstream_tls: encrypt, upstream_tls_profile: p } }\n"
			"services: { s: { mode: transparent, listen_tls: \"*:2465\", action: a } }\n",
	};
	struct conf_source *source = conf_source_memory();
	struct conf_report report;
	struct plan *p;
	char text[2048];

	snprintf(text, sizeof(text), "hostname: gw.example.net\ncertificates: { gw: { chain: gw.pem, key: gw.key } }\n"
		 "tls_profiles: { p: { %s } }\n%s", settings, configs[use]);
	conf_source_put(source, "gw", span_str(text));
	conf_source_put(source, "ca.pem", span_str(ca->cert_pem));
	conf_source_put(source, "gw.pem", span_str(leaf->cert_pem));
	conf_source_put(source, "gw.key", span_str(leaf->key_pem));
	conf_report_init(&report, "gw");
	p = plan_build(conf_load_partly(source, "gw", &report), source, NULL, time(NULL), 1, &report);
	if (p == NULL)
		fail_msg("%s, %s: %s", row, use_names[use], report.text);
	conf_report_free(&report);
	conf_source_free(source);
	return p;
}

static struct tls_server *server_of(const struct plan *p, enum use use)
{
	return use == OF_SERVICE ? p->services[0].tls : use == OF_ACTION_FOR_CLIENTS ? p->actions[0].tls : NULL;
}

static struct tls_client *client_of(const struct plan *p, enum use use)
{
	return use == OF_UPSTREAM ? p->upstreams[0].tls :
	       use == OF_ACTION_FOR_UPSTREAMS ? p->actions[0].template->tls : NULL;
}

/* Shakes hands as the plan has it with a peer of this profile; the facts are ours. */
static bool shake(const char *row, enum use use, const char *settings, const struct tls_profile *peer,
		  struct tls_facts *facts)
{
	struct plan *plan = make_plan(row, use, settings);
	struct tls_server *server = server_of(plan, use);
	struct tls_client *client = client_of(plan, use);
	bool ours = server != NULL;
	struct tls_pair p;
	bool ready;

	if (ours)
		client = tls_pair_client(peer, ca);
	else
		server = tls_pair_server(peer, &cert, 1, "mx", &ring);
	tls_pair_open(&p, server, client, HOST, NULL);
	ready = tls_pair_shake(&p, TLS_PAIR_WHOLE);
	if (ready)
		tls_conn_facts(ours ? p.server : p.client, facts);
	tls_pair_close(&p);
	if (ours)
		tls_client_free(client);
	else
		tls_server_free(server);
	plan_release(plan);
	return ready;
}

static const struct {
	const char *name, *settings;
	struct { enum tls_version min, max; const char *ciphers, *groups; } peer;
	const char *version, *cipher, *group; /* NULL version: they can't come together; else NULL: any */
} rows[] = {
	{ "WG-13 nothing", "inherit: intermediate", { TLS_1_0, TLS_1_3, NULL, NULL }, "TLSv1.3", NULL, NULL },
	{ "WG-12 min", "min: 1.3", { TLS_1_2, TLS_1_2, NULL, NULL }, NULL, NULL, NULL },
	{ "WG-12 min, met", "min: 1.3", { TLS_1_2, TLS_1_3, NULL, NULL }, "TLSv1.3", NULL, NULL },
	{ "WG-12 min, lower", "inherit: legacy, min: 1.1", { TLS_1_1, TLS_1_1, "ECDHE-RSA-AES128-SHA:@SECLEVEL=0", NULL },
	  "TLSv1.1", NULL, NULL },
	{ "WG-12 min, lower, and lower still", "inherit: legacy, min: 1.1",
	  { TLS_1_0, TLS_1_0, "ECDHE-RSA-AES128-SHA:@SECLEVEL=0", NULL }, NULL, NULL, NULL },
	{ "max", "max: 1.2", { TLS_1_2, TLS_1_3, NULL, NULL }, "TLSv1.2", NULL, NULL },
	{ "max, not met", "max: 1.2", { TLS_1_3, TLS_1_3, NULL, NULL }, NULL, NULL, NULL },
	{ "ciphers", "max: 1.2, ciphers: [ ECDHE-RSA-AES128-GCM-SHA256 ]", { TLS_1_2, TLS_1_2, NULL, NULL }, "TLSv1.2",
	  "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", NULL },
	{ "ciphers, not met", "max: 1.2, ciphers: [ ECDHE-RSA-AES128-GCM-SHA256 ]",
	  { TLS_1_2, TLS_1_2, "ECDHE-RSA-AES256-GCM-SHA384", NULL }, NULL, NULL, NULL },
	{ "ciphersuites", "ciphersuites: [ TLS_AES_128_GCM_SHA256 ]", { TLS_1_2, TLS_1_3, NULL, NULL }, "TLSv1.3",
	  "TLS_AES_128_GCM_SHA256", NULL },
	{ "groups", "groups: [ secp384r1 ]", { TLS_1_2, TLS_1_3, NULL, NULL }, "TLSv1.3", NULL, "secp384r1" },
	{ "groups, not met", "groups: [ secp384r1 ]", { TLS_1_2, TLS_1_3, NULL, "X25519" }, NULL, NULL, NULL },
	{ "pfs allowed", "inherit: legacy, max: 1.2, pfs: allowed", { TLS_1_2, TLS_1_2, "AES128-GCM-SHA256", NULL },
	  "TLSv1.2", "TLS_RSA_WITH_AES_128_GCM_SHA256", NULL },
	{ "pfs required", "inherit: legacy, max: 1.2, pfs: required", { TLS_1_2, TLS_1_2, "AES128-GCM-SHA256", NULL },
	  NULL, NULL, NULL },
	{ "pfs required, met", "inherit: legacy, max: 1.2, pfs: required",
	  { TLS_1_2, TLS_1_2, "AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256", NULL }, "TLSv1.2",
	  "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", NULL },
};

static struct tls_profile peer_of(size_t i)
{
	struct tls_profile p = *tls_profile_builtin("intermediate");

	p.min = rows[i].peer.min;
	p.max = rows[i].peer.max;
	if (rows[i].peer.ciphers != NULL)
		snprintf(p.ciphers, sizeof(p.ciphers), "%s", rows[i].peer.ciphers);
	if (rows[i].peer.groups != NULL)
		snprintf(p.groups, sizeof(p.groups), "%s", rows[i].peer.groups);
	return p;
}

static void want(const char *row, const char *have, const char *expected)
{
	if (expected != NULL)
		want_text(row, span_str(have), span_str(expected));
}

static void test_WG_12_WG_13_each_setting_for_each_use(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		for (int use = 0; use < USES; use++) {
			struct tls_profile peer = peer_of(i);
			struct tls_facts facts;
			char name[200];
			bool ready;

			snprintf(name, sizeof(name), "%s, %s", rows[i].name, use_names[use]);
			ready = shake(name, (enum use)use, rows[i].settings, &peer, &facts);
			want_number(name, "together", ready, rows[i].version != NULL);
			if (!ready)
				continue;
			want(name, facts.version, rows[i].version);
			want(name, facts.cipher, rows[i].cipher);
			want(name, facts.group, rows[i].group);
		}
	}
}

/* The certificate names a responder, and comes without an answer of it. */
static void test_WG_13_ocsp(void **state)
{
	static const struct {
		const char *ocsp;
		enum tls_verified verified;
		bool noted;
	} all[] = {
		{ "off", TLS_VERIFIED_OK, false }, { "soft", TLS_VERIFIED_OK, true }, { "hard", TLS_VERIFIED_BAD, true },
	};
	static const enum use uses[] = { OF_UPSTREAM, OF_ACTION_FOR_UPSTREAMS };

	(void)state;
	for (size_t i = 0; i < ROWS(all); i++) {
		for (size_t j = 0; j < ROWS(uses); j++) {
			struct tls_facts facts;
			char settings[40];

			snprintf(settings, sizeof(settings), "ocsp: %s", all[i].ocsp);
			assert_true(shake(settings, uses[j], settings, tls_profile_builtin("intermediate"), &facts));
			want_number(settings, "verified", facts.verified, all[i].verified);
			want_number(settings, "noted", facts.revocation[0] != '\0', all[i].noted);
		}
	}
}

static void test_WG_13_verify(void **state)
{
	static const struct {
		const char *settings;
		enum need_level level;
	} all[] = { { "verify: yes", NEED_VERIFY }, { "verify: no", NEED_ENCRYPT } };

	(void)state;
	for (size_t i = 0; i < ROWS(all); i++) {
		struct plan *p = make_plan(all[i].settings, OF_ACTION_FOR_UPSTREAMS, all[i].settings);

		want_number(all[i].settings, "need", p->actions[0].template->need.level, all[i].level);
		plan_release(p);
	}
}

static void test_WG_13_compliance(void **state)
{
	static const struct {
		const char *client, *upstream;
		bool client_complies, upstream_complies;
	} all[] = {
		{ "modern", "legacy", true, true }, { "modern", "p", true, false }, { "p", "modern", false, true },
		{ "p", "p", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(all); i++) {
		struct conf_source *source = conf_source_memory();
		struct conf_report report;
		struct plan *p;
		char text[500];

		snprintf(text, sizeof(text), "hostname: gw.example.net\ntls_profiles: { p: { compliance: no } }\n"
			 "actions: { a: { tls: passthrough, tls_profile: %s, upstream_tls_profile: %s } }\n"
			 "services: { s: { mode: transparent, listen: \"*:2525\", action: a } }\n", all[i].client,
			 all[i].upstream);
		conf_source_put(source, "gw", span_str(text));
		conf_report_init(&report, "gw");
		p = plan_build(conf_load_partly(source, "gw", &report), source, NULL, time(NULL), 1, &report);
		if (p == NULL)
			fail_msg("%s", report.text);
		assert_int_equal(p->actions[0].client_complies, all[i].client_complies);
		assert_int_equal(p->actions[0].upstream_complies, all[i].upstream_complies);
		plan_release(p);
		conf_report_free(&report);
		conf_source_free(source);
	}
}

static int set_up(void **state)
{
	const struct test_pki_spec of_ca = { .cn = "CA", .ca = true };
	const struct test_pki_spec of_leaf = {
		.cn = HOST, .names = "DNS:" HOST, .key = TEST_PKI_RSA, .ocsp = RESPONDER,
	};

	(void)state;
	ca = test_pki_make(&of_ca, NULL);
	leaf = test_pki_make(&of_leaf, ca);
	cert = tls_pair_cert(leaf);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tls_cert_free(cert);
	test_pki_free(leaf);
	test_pki_free(ca);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_WG_12_WG_13_each_setting_for_each_use),
		cmocka_unit_test(test_WG_13_ocsp),
		cmocka_unit_test(test_WG_13_verify),
		cmocka_unit_test(test_WG_13_compliance),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
