#include "plan/plan_build.h"
#include "plan_text.h"
#include "unit.h"

#define HEAD "hostname: gw.example.net\n"
#define CORP "authorities: { corp: { certificate: a.pem, key: a.key, untrusted_certificate: u.pem, untrusted_key: " \
	"u.key } }\n"
#define NET "services: { net: { mode: transparent, listen: \"*:2525\", action: open } }\n"
#define OPEN(settings) "actions: { open: { tls: terminate, " settings " } }\n"

static const struct {
	const char *name, *text;
	const char *report; /* is found in the report */
} broken[] = {
	{ "files that are not there", HEAD "authorities: { corp: { certificate: none.pem, key: none.key } }\n"
	  OPEN("authority: corp") NET,
	  "gw:2:37: authorities.corp.certificate: none.pem can't be read: no such file\n"
	  "gw:2:52: authorities.corp.key: none.key can't be read: no such file\n" },
	{ "another key", HEAD "authorities: { corp: { certificate: a.pem, key: u.key } }\n" OPEN("authority: corp") NET,
	  "gw:2:37: authorities.corp: a.pem with u.key: " },
	{ "a certificate that is no CA", HEAD "authorities: { corp: { certificate: gw.pem, key: gw.key } }\n"
	  OPEN("authority: corp") NET,
	  "gw:2:37: authorities.corp: gw.pem with gw.key: " },
	{ "an untrusted one that is no CA", HEAD "authorities: { corp: { certificate: a.pem, key: a.key, "
	  "untrusted_certificate: gw.pem, untrusted_key: gw.key } }\n" OPEN("authority: corp") NET,
	  "gw:2:79: authorities.corp: gw.pem with gw.key: " },
	{ "the same for both (WG-7)", HEAD "authorities: { corp: { certificate: a.pem, key: a.key, "
	  "untrusted_certificate: a.pem, untrusted_key: a.key } }\n" OPEN("authority: corp") NET,
	  "gw:2:79: authorities.corp: untrusted_certificate is the same as certificate; it has to be one that nobody "
	  "trusts\n" },
	{ "roots that are not there", HEAD CORP OPEN("authority: corp, ca: none.pem, crl: none.crl") NET,
	  "gw:3:57: actions.open.ca: none.pem can't be read: no such file\n"
	  "gw:3:72: actions.open.crl: none.crl can't be read: no such file\n" },
	{ "an empty list", HEAD CORP OPEN("authority: corp, crl: empty") NET,
	  "gw:3:58: actions.open.crl: empty is empty; it has to hold CRLs\n" },
	{ "a list of an upstream that is none", HEAD "upstreams: { u: { hosts: a.example, crl: gw.pem } }\n"
	  "services: { mx: { listen: 192.0.2.1:2525, upstream: u, client_tls: none } }\n",
	  "upstreams.u: TLS can't be set up: " },
};

static void test_plan_action_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(broken); i++) {
		struct conf_report report;

		assert_null(plan_text(broken[i].text, &report));
		if (report.text == NULL || strstr(report.text, broken[i].report) == NULL)
			fail_msg("%s: \"%s\" is not in \"%s\"", broken[i].name, broken[i].report,
				 report.text != NULL ? report.text : "");
		conf_report_free(&report);
	}
}

static void test_what_terminate_has(void **state)
{
	struct plan *p = plan_text_good("terminate", HEAD CORP
		"tls_profiles: { p: { inherit: modern, pfs: required, ocsp: hard, compliance: yes, verify: yes } }\n"
		OPEN("authority: corp, client_tls: encrypt, upstream_tls: encrypt, min_bits: 128, upstream_tls_profile: p") NET);
	const struct plan_action *a = &p->actions[0];
	struct plan_build b = { .plan = p };
	struct tls_profile profile;

	(void)state;
	assert_int_equal(a->method, CONF_METHOD_TERMINATE);
	assert_ptr_equal(p->services[0].action, a);
	assert_ptr_equal(a->authority, &p->authorities[0]);
	assert_non_null(a->authority->trusted);
	assert_non_null(a->authority->untrusted);
	assert_non_null(a->tls);
	assert_true(a->offer_tls && a->need_tls && a->esmtp && !a->mirror);
	/* A profile that verifies makes `encrypt` that. */
	assert_int_equal(a->template->need.level, NEED_VERIFY);
	assert_int_equal(a->template->need.min_bits, 128);
	assert_non_null(a->template->tls);
	assert_int_equal(a->template->host_count, 0);
	assert_int_equal(a->template->index, p->upstream_count);
	assert_int_equal(a->template->conf->timeout_final, 540000);
	assert_true(plan_profile_get(&b, "p", &profile));
	assert_true(profile.pfs_required && profile.compliance);
	assert_int_equal(profile.ocsp, TLS_OCSP_HARD);
	plan_release(p);
}

static void test_what_terminate_may_lack(void **state)
{
	struct plan *p = plan_text_good("mirror", HEAD "authorities: { corp: { certificate: a.pem, key: a.key } }\n"
		OPEN("authority: corp, esmtp: no, upstream_tls: mirror") NET);
	const struct plan_action *a = &p->actions[0];

	(void)state;
	assert_null(a->authority); /* nobody is shown anything */
	assert_null(a->tls);
	assert_true(!a->offer_tls && !a->need_tls && !a->esmtp && a->mirror);
	plan_release(p);
	p = plan_text_good("certificates", HEAD "certificates: { gw: { chain: gw.pem, key: gw.key } }\n"
		OPEN("certificates: gw, upstream_tls: none") NET);
	a = &p->actions[0];
	assert_null(a->authority);
	assert_non_null(a->tls);
	assert_int_equal(a->template->need.level, NEED_NONE);
	assert_non_null(a->template->tls); /* a partner of the database may need it */
	plan_release(p);
}

static void test_a_relay_without_esmtp(void **state)
{
	struct plan *p = plan_text_good("esmtp", HEAD "certificates: { gw: { chain: gw.pem, key: gw.key } }\n"
		OPEN("esmtp: no")
		"services: { mx: { listen: 192.0.2.1:2525, upstream: 10.0.0.5:25, action: open }, "
		"my: { listen: 192.0.2.1:2526, upstream: 10.0.0.5:25 } }\n");

	(void)state;
	assert_false(p->services[0].esmtp);
	assert_false(p->services[0].offer_tls);
	assert_true(p->services[1].esmtp);
	assert_true(p->services[1].offer_tls);
	plan_release(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan_action_files),
		cmocka_unit_test(test_what_terminate_has),
		cmocka_unit_test(test_what_terminate_may_lack),
		cmocka_unit_test(test_a_relay_without_esmtp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
