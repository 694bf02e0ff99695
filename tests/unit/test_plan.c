#include "plan/plan_build.h"
#include "test_pki.h"
#include "unit.h"

#include <time.h>

#define HEAD "hostname: gw.example.net\n"
#define CERT HEAD "certificates: { gw: { chain: gw.pem, key: gw.key } }\n"
#define MX "services: { mx: { listen: \"*:2525\", upstream: 10.0.0.5:25 } }\n"
#define CLEAR "services: { mx: { listen: \"*:2525\", upstream: 10.0.0.5:25, client_tls: none } }\n"

static struct {
	struct test_pki *ca, *gw, *old, *other, *weak;
	char *chain, *reversed;
} pki;

static int make_pki(void **state)
{
	const struct test_pki_spec ca = { .cn = "Test CA", .ca = true };
	const struct test_pki_spec gw = { .cn = "gw", .names = "DNS:gw.example.net" };
	const struct test_pki_spec old = { .cn = "old", .names = "DNS:gw.example.net",
					   .from = -7200, .until = -3600 };
	const struct test_pki_spec weak = { .cn = "weak", .names = "DNS:gw.example.net",
					    .key = TEST_PKI_RSA_1024 };

	(void)state;
	pki.ca = test_pki_make(&ca, NULL);
	pki.gw = test_pki_make(&gw, pki.ca);
	pki.other = test_pki_make(&gw, pki.ca);
	pki.old = test_pki_make(&old, pki.ca);
	pki.weak = test_pki_make(&weak, pki.ca);
	pki.chain = test_pki_chain(pki.gw, pki.ca);
	pki.reversed = test_pki_chain(pki.ca, pki.gw);
	return 0;
}

static int free_pki(void **state)
{
	(void)state;
	test_pki_free(pki.ca);
	test_pki_free(pki.gw);
	test_pki_free(pki.other);
	test_pki_free(pki.old);
	test_pki_free(pki.weak);
	free(pki.chain);
	free(pki.reversed);
	return 0;
}

static struct conf_source *make_source(const char *text)
{
	struct conf_source *s = conf_source_memory();

	conf_source_put(s, "gw", span_str(text));
	conf_source_put(s, "gw.pem", span_str(pki.chain));
	conf_source_put(s, "gw.key", span_str(pki.gw->key_pem));
	conf_source_put(s, "alone.pem", span_str(pki.gw->cert_pem));
	conf_source_put(s, "other.key", span_str(pki.other->key_pem));
	conf_source_put(s, "old.pem", span_str(pki.old->cert_pem));
	conf_source_put(s, "old.key", span_str(pki.old->key_pem));
	conf_source_put(s, "weak.pem", span_str(pki.weak->cert_pem));
	conf_source_put(s, "weak.key", span_str(pki.weak->key_pem));
	conf_source_put(s, "reversed.pem", span_str(pki.reversed));
	conf_source_put(s, "ca.pem", span_str(pki.ca->cert_pem));
	conf_source_put(s, "empty", SPAN(""));
	conf_source_put(s, "junk", SPAN("no PEM"));
	return s;
}

static struct plan *build(const char *text, struct conf_report *report)
{
	struct conf_source *s = make_source(text);
	struct conf *c;
	struct plan *p = NULL;

	conf_report_init(report, "gw");
	c = conf_load_partly(s, "gw", report);
	if (c != NULL)
		p = plan_build(c, s, NULL, time(NULL), 7, report);
	conf_source_free(s);
	return p;
}

/* `text` must be good, warnings aside. */
static struct plan *build_good(const char *row, const char *text)
{
	struct conf_report report;
	struct plan *p = build(text, &report);

	if (p == NULL)
		fail_msg("%s: %s", row, report.text);
	conf_report_free(&report);
	return p;
}

struct row {
	const char *name, *text;
	const char *report; /* is found in the report; NULL: the report is empty */
	bool good;
};

static void run_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct conf_report report;
		struct plan *p = build(rows[i].text, &report);
		const char *text = report.text != NULL ? report.text : "";

		if (rows[i].report == NULL)
			want_text(rows[i].name, span_str(text), SPAN(""));
		else if (strstr(text, rows[i].report) == NULL)
			fail_msg("%s: \"%s\" is not in \"%s\"", rows[i].name, rows[i].report, text);
		want_number(rows[i].name, "built", p != NULL, rows[i].good);
		plan_release(p);
		conf_report_free(&report);
	}
}

#define PAIR(chain, key) HEAD "certificates: { gw: { chain: " chain ", key: " key " } }\n" MX
static const struct row certs[] = {
	{ "complete and in order", PAIR("gw.pem", "gw.key"), NULL, true },
	{ "the issuer is nowhere", PAIR("alone.pem", "gw.key"),
	  "gw:2:30: warning: certificates.gw: alone.pem: the chain is not complete", true },
	{ "another key", PAIR("gw.pem", "other.key"),
	  "gw:2:30: certificates.gw: gw.pem with other.key: the key does not belong", false },
	{ "the CA first", PAIR("reversed.pem", "gw.key"),
	  "gw:2:30: certificates.gw: reversed.pem with gw.key: the key belongs to certificate 2", false },
	{ "expired", PAIR("old.pem", "old.key"),
	  "gw:2:30: certificates.gw: old.pem: the certificate has expired\n", false },
	{ "weak", PAIR("weak.pem", "weak.key"), "has a weak key", false },
	{ "no PEM", PAIR("junk", "gw.key"), "gw:2:30: certificates.gw: junk with gw.key: no cert", false },
	{ "no such chain", PAIR("none.pem", "gw.key"),
	  "gw:2:30: certificates.gw.chain: none.pem can't be read: no such file\n", false },
	{ "no such key", PAIR("gw.pem", "none.key"),
	  "gw:2:43: certificates.gw.key: none.key can't be read: no such file\n", false },
	{ "both are missed in one run", PAIR("none.pem", "none.key"),
	  "none.pem can't be read: no such file\ngw:2:45: certificates.gw.key: none.key", false },
};

/* FAULTS 19: a pair that does not fit is refused as a whole. */
static void test_SUB_12_certificates(void **state)
{
	(void)state;
	run_rows(certs, ROWS(certs));
}

#define UP(settings) CERT "upstreams: { u: { hosts: a.example, " settings " } }\n" MX
static const struct row upstreams[] = {
	{ "ca that is there", UP("tls: verify, ca: ca.pem"), NULL, true },
	{ "ca that is not", UP("tls: verify, ca: none.pem"),
	  "gw:3:54: upstreams.u.ca: none.pem can't be read: no such file\n", false },
	{ "an empty ca is not the system's roots", UP("tls: verify, ca: empty"),
	  "gw:3:54: upstreams.u.ca: empty is empty; it has to hold certificates\n", false },
	{ "ca that is no PEM", UP("tls: verify, ca: junk"), "gw:3:54: upstreams.u: TLS can't be set up", false },
	{ "a client certificate", UP("tls: encrypt, certificate: gw"), NULL, true },
};

static void test_plan_upstream_files(void **state)
{
	(void)state;
	run_rows(upstreams, ROWS(upstreams));
}

#define PROFILE(settings) CERT "tls_profiles: { p: { " settings " } }\n" MX
static const struct row profiles[] = {
	{ "nothing set", PROFILE(""), NULL, true },
	{ "no version left", PROFILE("inherit: modern, max: 1.2"),
	  "gw:3:44: tls_profiles.p allows no TLS version: min is above max", false },
	{ "no cipher that is known", PROFILE("ciphers: NONE-SUCH"),
	  "gw:3:17: tls_profiles.p can't be used: ", false },
	{ "a group of the future", PROFILE("groups: [ X25519, X99999 ]"),
	  "gw:3:30: warning: tls_profiles.p.groups: this OpenSSL does not know X99999; skipped\n", true },
	{ "no group that is known", PROFILE("groups: [ X99999 ]"),
	  "gw:3:17: tls_profiles.p can't be used: groups", false },
	{ "a list that is too long", PROFILE("ciphers: [ "
	  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA, "
	  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA, "
	  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA, "
	  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA, "
	  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA, "
	  "AAAAAAAAAAAAAAAAAAAAA ]"),
	  "gw:3:31: tls_profiles.p.ciphers is too long; together its names can have 512 characters\n",
	  false },
};

static void test_WG_14_profiles_are_checked(void **state)
{
	(void)state;
	run_rows(profiles, ROWS(profiles));
}

static void test_WG_14_profiles_inherit(void **state)
{
	struct plan *p = build_good("profiles", CERT
		"tls_profiles:\n"
		"  a: { inherit: b, tickets: no }\n"
		"  b: { inherit: legacy, min: 1.1, groups: [ X25519, secp384r1 ] }\n" MX);
	const struct tls_profile *legacy = tls_profile_builtin("legacy");
	struct plan_build b = { .plan = p };
	struct tls_profile got;

	(void)state;
	assert_true(plan_profile_get(&b, "a", &got));
	assert_int_equal(got.min, TLS_1_1);
	assert_int_equal(got.max, legacy->max);
	assert_false(got.tickets);
	assert_string_equal(got.groups, "X25519:secp384r1");
	assert_string_equal(got.ciphers, legacy->ciphers);
	assert_true(plan_profile_get(&b, "b", &got));
	assert_true(got.tickets);
	/* The names that conf keeps for the built-in ones are those that there are. */
	assert_true(plan_profile_get(&b, "modern", &got));
	assert_int_equal(got.min, TLS_1_3);
	assert_true(plan_profile_get(&b, "intermediate", &got));
	assert_int_equal(got.min, TLS_1_2);
	assert_false(plan_profile_get(&b, "none", &got));
	plan_release(p);
}

static const struct {
	const char *name, *support;
	size_t count;
	bool first_implicit;
} supports[] = {
	{ "disabled: in clear alone", "disabled", 1, false },
	{ "enabled: both", "enabled", 2, false },
	{ "required: TLS alone", "required", 1, true },
};

static void test_WG_2_what_is_listened_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(supports); i++) {
		char text[400];
		struct plan *p;

		snprintf(text, sizeof(text), CERT "services: { mx: { listen: 192.0.2.1:2525, "
			 "listen_tls: \"[::1]:2465\", upstream: a.example, tls_support: %s } }\n",
			 supports[i].support);
		p = build_good(supports[i].name, text);
		want_number(supports[i].name, "listens", p->listen_count, supports[i].count);
		want_number(supports[i].name, "implicit", p->listens[0].implicit,
			    supports[i].first_implicit);
		want_number(supports[i].name, "port", addr_port(&p->listens[0].at),
			    supports[i].first_implicit ? 2465 : 2525);
		want_number(supports[i].name, "STARTTLS", p->services[0].offer_tls,
			    !supports[i].first_implicit);
		assert_non_null(p->services[0].tls);
		plan_release(p);
	}
}

static const struct {
	const char *name, *host;
	bool implicit;
	const char *want;
	uint16_t port;
	bool literal;
} hosts[] = {
	{ "an address with port",      "192.0.2.1:2526", false, "192.0.2.1", 2526, true },
	{ "an address",                "192.0.2.1", false, "192.0.2.1", 25, true },
	{ "IPv6 with port",            "[2001:db8::1]:26", false, "2001:db8::1", 26, true },
	{ "IPv6",                      "[2001:db8::1]", false, "2001:db8::1", 25, true },
	{ "a name with port",          "mx.example.net:26", false, "mx.example.net", 26, false },
	{ "a name",                    "mx.example.net", false, "mx.example.net", 25, false },
	{ "TLS from the first byte",   "mx.example.net", true, "mx.example.net", 465, false },
};

static void test_plan_hosts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(hosts); i++) {
		const struct plan_host *h;
		char text[400];
		struct plan *p;

		snprintf(text, sizeof(text), CERT "upstreams: { u: { hosts: \"%s\", implicit: %s } }\n" MX,
			 hosts[i].host, hosts[i].implicit ? "yes" : "no");
		p = build_good(hosts[i].name, text);
		h = &p->upstreams[0].hosts[0];
		want_text(hosts[i].name, span_str(h->name), span_str(hosts[i].want));
		want_number(hosts[i].name, "port", h->port, hosts[i].port);
		want_number(hosts[i].name, "literal", h->literal, hosts[i].literal);
		want_number(hosts[i].name, "addresses", h->addr_count, hosts[i].literal);
		if (h->literal)
			want_number(hosts[i].name, "its port", addr_port(&h->addrs[0]), h->port);
		plan_release(p);
	}
}

static const struct {
	const char *name, *tls;
	enum need_level level;
	bool mirror, has_tls;
} needs[] = {
	{ "none",    "none", NEED_NONE, false, true }, /* a partner of the database may need it */
	{ "may",     "may", NEED_MAY, false, true },
	{ "encrypt", "encrypt", NEED_ENCRYPT, false, true },
	{ "verify",  "verify", NEED_VERIFY, false, true },
	{ "mirror",  "mirror", NEED_NONE, true, true },
};

static void test_plan_needs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(needs); i++) {
		char text[300];
		struct plan *p;

		snprintf(text, sizeof(text), CERT "upstreams: { u: { hosts: a.example, tls: %s } }\n" MX,
			 needs[i].tls);
		p = build_good(needs[i].name, text);
		want_number(needs[i].name, "level", p->upstreams[0].need.level, needs[i].level);
		want_number(needs[i].name, "mirror", p->upstreams[0].mirror, needs[i].mirror);
		want_number(needs[i].name, "TLS", p->upstreams[0].tls != NULL, needs[i].has_tls);
		plan_release(p);
	}
}

static void test_plan_services(void **state)
{
	struct plan *p = build_good("services", CERT
		"upstreams: { u: { hosts: a.example, min_bits: 128, tls: encrypt } }\n"
		"services:\n"
		"  a: { listen: 192.0.2.1:2525, upstream: u, client_tls: encrypt, hostname: a.example }\n"
		"  b: { listen: 192.0.2.2:2525, upstream: 10.0.0.5, client_tls: none }\n"
		"  c: { listen: 192.0.2.3:2525, upstream: 10.0.0.5, certificates: gw }\n");

	(void)state;
	assert_int_equal(p->generation, 7);
	assert_int_equal(p->service_count, 3);
	assert_int_equal(p->upstream_count, 2);
	assert_string_equal(p->services[0].hostname, "a.example");
	assert_string_equal(p->services[1].hostname, "gw.example.net");
	assert_true(p->services[0].offer_tls && p->services[0].need_tls);
	assert_true(!p->services[1].offer_tls && !p->services[1].need_tls);
	assert_true(p->services[2].offer_tls && !p->services[2].need_tls);
	assert_non_null(p->services[0].tls);
	assert_null(p->services[1].tls);
	assert_non_null(p->services[2].tls);
	assert_int_equal(p->services[0].upstream->need.min_bits, 128);
	assert_ptr_equal(p->services[1].upstream, p->services[2].upstream);
	assert_int_equal(p->listens[2].service, 2);
	plan_release(p);
}

/* Law 7: what may make a difference to a client's TLS makes another label. */
static void test_plan_label(void **state)
{
	const struct tls_profile *base = tls_profile_builtin("intermediate");
	struct tls_profile others[6];
	char *mx = (char *)"mx", *out = (char *)"out";
	struct plan_server s = { .section = "services", .name = &mx, .client_tls = CONF_CLIENT_TLS_MAY };
	char label[PLAN_LABEL_MOST], other[PLAN_LABEL_MOST];

	(void)state;
	for (size_t i = 0; i < ROWS(others); i++)
		others[i] = *base;
	others[0].min = TLS_1_3;
	others[1].ciphers[0] = '\0';
	others[2].groups[0] = '\0';
	others[3].ciphersuites[0] = '\0';
	others[4].need_ems = !base->need_ems;
	others[5].pfs_required = !base->pfs_required;
	plan_server_label(&s, base, label);
	for (size_t i = 0; i < ROWS(others); i++) {
		plan_server_label(&s, &others[i], other);
		assert_string_not_equal(label, other);
	}
	s.client_tls = CONF_CLIENT_TLS_ENCRYPT;
	plan_server_label(&s, base, other);
	assert_string_not_equal(label, other);
	s.client_tls = CONF_CLIENT_TLS_MAY;
	s.name = &out;
	plan_server_label(&s, base, other);
	assert_string_not_equal(label, other);
	s.name = &mx;
	s.section = "actions";
	plan_server_label(&s, base, other);
	assert_string_not_equal(label, other);
	s.section = "services";
	plan_server_label(&s, base, other);
	assert_string_equal(label, other); /* the next generation, unchanged */
}

/* FAULTS 30: all that is wrong is said in one go, in the file's order, and nothing is built. */
static void test_FAULTS_30_all_errors_at_once(void **state)
{
	struct conf_report report;
	struct plan *p = build(HEAD
		"certificates: { gw: { chain: old.pem, key: old.key } }\n"
		"edges: many\n"
		"upstreams: { u: { hosts: a.example, ca: none.pem } }\n"
		"services: { mx: { listen: 192.0.2.1, upstream: v } }\n", &report);
	const char *at = report.text;

	(void)state;
	assert_null(p);
	assert_int_equal(report.errors, 5);
	assert_non_null(at = strstr(at, "gw:2:30: certificates.gw: old.pem: the certificate has expired"));
	assert_non_null(at = strstr(at, "\ngw:3:8: edges is \"many\""));
	assert_non_null(at = strstr(at, "\ngw:4:41: upstreams.u.ca: none.pem can't be read"));
	assert_non_null(at = strstr(at, "\ngw:5:27: services.mx.listen is \"192.0.2.1\""));
	assert_non_null(strstr(at, "\ngw:5:48: there is no upstream v"));
	conf_report_free(&report);
}

static void test_plan_holds(void **state)
{
	struct plan *p = build_good("plan", HEAD CLEAR);

	(void)state;
	assert_ptr_equal(plan_hold(p), p);
	plan_release(p);
	assert_string_equal(p->services[0].conf->name, "mx"); /* the sanitizer tells where it is gone */
	plan_release(p);
	plan_release(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_SUB_12_certificates),
		cmocka_unit_test(test_plan_upstream_files),
		cmocka_unit_test(test_WG_14_profiles_are_checked),
		cmocka_unit_test(test_WG_14_profiles_inherit),
		cmocka_unit_test(test_WG_2_what_is_listened_on),
		cmocka_unit_test(test_plan_hosts),
		cmocka_unit_test(test_plan_needs),
		cmocka_unit_test(test_plan_services),
		cmocka_unit_test(test_plan_label),
		cmocka_unit_test(test_FAULTS_30_all_errors_at_once),
		cmocka_unit_test(test_plan_holds),
	};

	return cmocka_run_group_tests(tests, make_pki, free_pki);
}
