#include "policy_world.h"
#include "unit.h"

#include "base/buf.h"

static const struct policy_rule rule_verify = { .key = TEXT("example.net"), .origin = TEXT("gw.yaml:14"),
						.outbound = POLICY_LEVEL_VERIFY };
static const struct policy_rule rule_exempt = { .key = TEXT("example.net"), .origin = TEXT("gw.yaml:14"),
						.outbound = POLICY_LEVEL_MAY, .why = TEXT("old gateway"), .expires = 1797811200 };

static void want_because(const char *row, const struct policy_decision *d, const char *const *want, size_t count)
{
	for (size_t i = 0; i < count && i < d->because_count; i++)
		want_text(row, span_str(d->because[i]), span_str(want[i]));
	want_number(row, "because", d->because_count, count);
}

static void want_refusal(const char *row, const struct policy_decision *d, enum policy_refusal want, bool permanent)
{
	want_text(row, span_str(policy_refusal_name(d->refusal)), span_str(policy_refusal_name(want)));
	want_number(row, "permanent", d->permanent, permanent);
	want_number(row, "no host", d->host_count > 0, want == POLICY_DELIVER);
}

static void test_FAULTS_35_dane_failure_is_final(void **state)
{
	static const char *const want[] = {
		"MTA-STS enforce (id 20260101): mx1.example.net matches *.example.net",
		"MTA-STS enforce (id 20260101): mx2.example.net matches *.example.net",
		"DANE: TLSA records of mx1.example.net could not be had, it is not used: SERVFAIL",
		"DANE: 1 usable TLSA record at _25._tcp.mx2.example.net",
		"default of service out: may",
	};
	static const char *const refused[] = {
		"DANE: no mail host of example.net has TLSA records that could be had",
		"MTA-STS enforce (id 20260101): mx1.example.net matches *.example.net",
		"DANE: TLSA records of mx1.example.net could not be had, it is not used: SERVFAIL",
		"default of service out: may",
	};
	struct policy_evidence *e = world_evidence(2), *one = world_evidence(1);
	struct policy_question q = world_question(e, NULL);
	struct policy_decision d;

	(void)state;
	world_sts(e, EVIDENCE_STS_ENFORCE, "*.example.net");
	world_tlsa(e, 0, EVIDENCE_TLSA_FAILED);
	world_tlsa(e, 1, EVIDENCE_TLSA_USABLE);
	policy_decide(&q, &d);
	want_number("the other one is left", "hosts", d.host_count, 1);
	want_number("the other one is left", "index", d.hosts[0].index, 1);
	want_number("a usable record counts, whatever MTA-STS says", "level", d.hosts[0].need.level, NEED_DANE);
	want_number("held to its records", "dane", d.hosts[0].dane, true);
	want_because("two hosts", &d, want, ROWS(want));
	world_sts(one, EVIDENCE_STS_ENFORCE, "*.example.net");
	world_tlsa(one, 0, EVIDENCE_TLSA_FAILED);
	q.evidence = one;
	policy_decide(&q, &d);
	want_refusal("none is left", &d, POLICY_DANE_FAILED, false);
	want_because("none is left", &d, refused, ROWS(refused));
	q.dane = false;
	policy_decide(&q, &d);
	want_refusal("not honoured", &d, POLICY_DELIVER, false);
	policy_evidence_free(e);
	policy_evidence_free(one);
}

static void test_FAULTS_33_unusable_is_tls_without_authentication(void **state)
{
	static const char *const want[] = {
		"DANE: no TLSA record at _25._tcp.mx1.example.net is usable: encrypt",
		"default of service out: may",
	};
	struct policy_evidence *e = world_evidence(1);
	struct policy_question q = world_question(e, NULL);
	struct policy_decision d;

	(void)state;
	world_tlsa(e, 0, EVIDENCE_TLSA_UNUSABLE);
	policy_decide(&q, &d);
	want_number("unusable", "level", d.need.level, NEED_ENCRYPT);
	want_number("unusable", "dane", d.hosts[0].dane, false);
	want_because("unusable", &d, want, ROWS(want));
	policy_evidence_free(e);
}

static void test_NEW_1_host_that_no_pattern_matches(void **state)
{
	static const char *const want[] = {
		"MTA-STS enforce (id 20260101): mx1.example.net matches nothing, and is not used",
		"MTA-STS enforce (id 20260101): mx2.example.net matches mx2.example.net",
		"default of service out: may",
	};
	struct policy_evidence *e = world_evidence(2);
	struct policy_question q = world_question(e, NULL);
	struct policy_decision d;

	(void)state;
	world_sts(e, EVIDENCE_STS_ENFORCE, "mx2.example.net");
	policy_decide(&q, &d);
	want_number("one is out", "hosts", d.host_count, 1);
	want_number("one is out", "index", d.hosts[0].index, 1);
	want_number("one is out", "level", d.hosts[0].need.level, NEED_VERIFY);
	want_number("it failed for now", "permanent", d.permanent, false);
	want_because("one is out", &d, want, ROWS(want));
	world_sts(e, EVIDENCE_STS_ENFORCE, "*.example.org");
	policy_decide(&q, &d);
	want_refusal("all are out", &d, POLICY_STS_NO_HOST, false);
	world_sts(e, EVIDENCE_STS_TESTING, "*.example.org");
	policy_decide(&q, &d);
	want_number("testing takes none out", "hosts", d.host_count, 2);
	want_number("testing", "level", d.hosts[0].need.level, NEED_MAY);
	want_number("testing", "wanted", d.hosts[0].wanted.level, NEED_VERIFY);
	want_number("testing", "sts", d.hosts[0].sts, false);
	want_text("testing", span_str(d.because[0]),
		  SPAN("MTA-STS testing (id 20260101): mx1.example.net matches nothing, which is only reported"));
	policy_evidence_free(e);
}

static void test_NEW_1_end_of_a_policy(void **state)
{
	struct policy_evidence *e = world_evidence(1);
	struct policy_question q = world_question(e, NULL);
	struct policy_decision d;

	(void)state;
	world_sts(e, EVIDENCE_STS_ENFORCE, "*.example.org");
	q.now = e->sts_until;
	policy_decide(&q, &d);
	want_number("run out", "level", d.need.level, NEED_MAY);
	want_text("run out", span_str(d.because[0]),
		  SPAN("MTA-STS (id 20260101): the policy has run out, and no new one could be had"));
	q.now--;
	policy_decide(&q, &d);
	want_refusal("its last second", &d, POLICY_STS_NO_HOST, false);
	q.sts = false;
	policy_decide(&q, &d);
	want_refusal("not honoured", &d, POLICY_DELIVER, false);
	e->sts = EVIDENCE_STS_NONE;
	snprintf(e->sts_trouble, sizeof(e->sts_trouble), "https://mta-sts.example.net: 404");
	q.sts = true;
	policy_decide(&q, &d);
	want_text("none", span_str(d.because[0]), SPAN("MTA-STS: no policy: https://mta-sts.example.net: 404"));
	policy_evidence_free(e);
}

static void test_NEW_3_dane_outranks_sts(void **state)
{
	struct policy_evidence *e = world_evidence(1);
	struct policy_question q = world_question(e, NULL);
	struct policy_decision d;

	(void)state;
	world_sts(e, EVIDENCE_STS_ENFORCE, "*.example.org");
	world_tlsa(e, 0, EVIDENCE_TLSA_USABLE);
	policy_decide(&q, &d);
	want_refusal("usable records", &d, POLICY_DELIVER, false);
	want_number("usable records", "level", d.need.level, NEED_DANE);
	want_text("usable records", span_str(d.because[0]),
		  SPAN("MTA-STS enforce (id 20260101): mx1.example.net matches nothing, but DANE goes before"));
	policy_evidence_free(e);
	e = world_evidence(1);
	world_sts(e, EVIDENCE_STS_ENFORCE, "*.example.org");
	world_tlsa(e, 0, EVIDENCE_TLSA_UNUSABLE);
	q.evidence = e;
	policy_decide(&q, &d);
	want_refusal("unusable records say nothing about the host", &d, POLICY_STS_NO_HOST, false);
	policy_evidence_free(e);
}

static void test_NEW_23_FAULTS_31_FAULTS_32_dns(void **state)
{
	static const struct {
		const char *name;
		enum evidence_dns dns;
		enum policy_refusal want;
		bool permanent;
		const char *text;
	} rows[] = {
		{ "null MX", EVIDENCE_NULL_MX, POLICY_NULL_MX, true, "example.net takes no mail (null MX)" },
		{ "no domain", EVIDENCE_NO_DOMAIN, POLICY_NO_DOMAIN, true, "example.net does not exist, or has no host for mail" },
		{ "failed", EVIDENCE_DNS_FAILED, POLICY_DNS_FAILED, false, "DNS failed: MX of example.net: SERVFAIL" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct policy_evidence *e = world_evidence(1);
		struct policy_question q = world_question(e, &rule_exempt);
		struct policy_decision d;

		e->dns = rows[i].dns;
		snprintf(e->trouble, sizeof(e->trouble), "MX of example.net: SERVFAIL");
		policy_decide(&q, &d);
		want_refusal(rows[i].name, &d, rows[i].want, rows[i].permanent);
		want_text(rows[i].name, span_str(d.because[0]), span_str(rows[i].text));
		policy_evidence_free(e);
	}
}

static void test_hosts_without_addresses(void **state)
{
	struct policy_evidence *e = world_evidence(2), *none = world_evidence(0);
	struct policy_question q = world_question(e, NULL);
	struct policy_decision d;

	(void)state;
	e->hosts[0].addr_count = 0;
	policy_decide(&q, &d);
	want_number("the other one is left", "index", d.hosts[0].index, 1);
	e->hosts[1].addr_count = 0;
	policy_decide(&q, &d);
	want_refusal("none", &d, POLICY_NO_ADDRESS, true);
	want_text("none", span_str(d.because[0]), SPAN("no mail host of example.net has an address"));
	e->hosts[1].failed = true;
	policy_decide(&q, &d);
	want_refusal("one lookup failed", &d, POLICY_NO_ADDRESS, false);
	want_text("failed", span_str(d.because[0]), SPAN("no mail host of example.net has an address that could be had"));
	q.evidence = none;
	policy_decide(&q, &d);
	want_refusal("no host", &d, POLICY_NO_ADDRESS, false);
	policy_evidence_free(e);
	policy_evidence_free(none);
}

static void test_exemption(void **state)
{
	static const char *const want[] = {
		"rule example.net (gw.yaml:14): may",
		"rule example.net is an exemption until 2026-12-20: old gateway",
	};
	struct policy_rule rule = rule_exempt;
	struct policy_evidence *e = world_evidence(1);
	struct policy_question q = world_question(e, &rule);
	struct policy_decision d;

	(void)state;
	world_sts(e, EVIDENCE_STS_ENFORCE, "*.example.org");
	world_tlsa(e, 0, EVIDENCE_TLSA_FAILED);
	q.least = (struct tls_need){ NEED_VERIFY, 256 };
	policy_decide(&q, &d);
	want_refusal("all set aside", &d, POLICY_DELIVER, false);
	want_number("all set aside", "level", d.need.level, NEED_MAY);
	want_number("the service's strength too", "bits", d.need.min_bits, 0);
	want_because("all set aside", &d, want, ROWS(want));
	rule.expires -= 3600;
	policy_decide(&q, &d);
	want_text("an hour before midnight", span_str(d.because[1]), span_str(want[1]));
	rule.expires = 0;
	rule.why = TEXT("M\xc3\xbcll\r\nX");
	policy_decide(&q, &d);
	want_text("no end, and no letters that a reply can't have", span_str(d.because[1]),
		  SPAN("rule example.net is an exemption: M??ll??X"));
	rule.why = TEXT("");
	policy_decide(&q, &d);
	want_refusal("no reason is no exemption", &d, POLICY_DANE_FAILED, false);
	policy_evidence_free(e);
}

static void test_NEW_28_report(void **state)
{
	struct policy_rule rule = rule_verify;
	struct policy_evidence *e = world_evidence(1);
	struct policy_question q = world_question(e, &rule);
	struct policy_decision d;

	(void)state;
	rule.report = rule.permanent = true;
	rule.min_bits = 256;
	policy_decide(&q, &d);
	want_number("report", "report", d.report, true);
	want_number("report", "level", d.hosts[0].need.level, NEED_MAY);
	want_number("report", "bits", d.hosts[0].need.min_bits, 0);
	want_number("report", "wanted", d.hosts[0].wanted.level, NEED_VERIFY);
	want_number("report", "wanted bits", d.hosts[0].wanted.min_bits, 256);
	want_number("it refuses nothing", "permanent", d.permanent, false);
	want_text("report", span_str(d.because[0]),
		  SPAN("rule example.net (gw.yaml:14): verify, at least 256 bits, only reported"));
	/* Its names must not loosen, nor tighten, what MTA-STS demands. */
	rule.names[0] = TEXT("other.example");
	rule.name_count = 1;
	policy_decide(&q, &d);
	want_number("names to report about", "names", d.hosts[0].names, POLICY_NAMES_RULE);
	world_sts(e, EVIDENCE_STS_ENFORCE, "*.example.net");
	policy_decide(&q, &d);
	want_number("names of MTA-STS", "names", d.hosts[0].names, POLICY_NAMES_HOST);
	policy_evidence_free(e);
}

static void test_NEW_5_requiretls(void **state)
{
	struct policy_rule exempt = rule_exempt, names = rule_verify;
	struct policy_evidence *e = world_evidence(1);
	struct policy_question q = world_question(e, &exempt);
	struct policy_decision d;

	(void)state;
	q.requiretls = true;
	policy_decide(&q, &d);
	want_refusal("nobody vouches for the host", &d, POLICY_NO_REQUIRETLS, true);
	want_text("nobody", span_str(d.because[0]), SPAN("REQUIRETLS: nobody vouches for the name of a mail host of example.net"));
	e->mx_secure = true;
	policy_decide(&q, &d);
	want_number("secure MX, and no exemption", "level", d.need.level, NEED_VERIFY);
	want_text("secure MX", span_str(policy_source_name(d.source)), SPAN("requiretls"));
	want_number("secure MX", "permanent", d.permanent, true);
	e->mx_secure = false;
	e->no_mx = true;
	policy_decide(&q, &d);
	want_refusal("no MX: the domain itself", &d, POLICY_DELIVER, true);
	e->no_mx = false;
	world_sts(e, EVIDENCE_STS_TESTING, "*.example.net");
	q.tls_required_no = true;
	policy_decide(&q, &d);
	want_number("MTA-STS, and TLS-Required: No counts for nothing", "level", d.need.level, NEED_VERIFY);
	world_sts(e, EVIDENCE_STS_NONE, "*.example.net");
	names.names[0] = TEXT("gw.example.net");
	names.name_count = 1;
	names.outbound = POLICY_LEVEL_ENCRYPT;
	q.rule = &names;
	policy_decide(&q, &d);
	want_number("a rule's names", "names", d.hosts[0].names, POLICY_NAMES_RULE);
	q.rule = &rule_verify;
	policy_decide(&q, &d);
	want_refusal("the domain's name is not the host's", &d, POLICY_NO_REQUIRETLS, true);
	world_tlsa(e, 0, EVIDENCE_TLSA_FAILED);
	policy_decide(&q, &d);
	want_refusal("what may pass goes before", &d, POLICY_DANE_FAILED, false);
	policy_evidence_free(e);
}

static void test_NEW_5_tls_required_no(void **state)
{
	static const char *const want[] = {
		"rule example.net (gw.yaml:14): encrypt, at least 128 bits",
		"TLS-Required: No: MTA-STS and DANE demand nothing",
		"default of service out: may",
	};
	struct policy_rule rule = rule_verify;
	struct policy_evidence *e = world_evidence(1);
	struct policy_question q = world_question(e, NULL);
	struct policy_decision d;

	(void)state;
	world_sts(e, EVIDENCE_STS_ENFORCE, "*.example.org");
	world_tlsa(e, 0, EVIDENCE_TLSA_FAILED);
	q.tls_required_no = true;
	policy_decide(&q, &d);
	want_number("both set aside", "level", d.need.level, NEED_MAY);
	rule.outbound = POLICY_LEVEL_UNSET;
	rule.min_bits = 128;
	q.rule = &rule;
	policy_decide(&q, &d);
	want_number("a rule is not", "level", d.need.level, NEED_ENCRYPT);
	want_because("a rule is not", &d, want, ROWS(want));
	q.rule = NULL;
	q.least.level = NEED_VERIFY;
	policy_decide(&q, &d);
	want_number("the service is not", "level", d.need.level, NEED_VERIFY);
	policy_evidence_free(e);
}

static void test_NEW_33_remember(void **state)
{
	struct policy_evidence *e = world_evidence(1);
	struct policy_question q = world_question(e, NULL);
	struct policy_decision d;

	(void)state;
	e->hosts[0].seen_tls = 4;
	q.remember = 5;
	policy_decide(&q, &d);
	want_number("not often enough", "wanted", d.hosts[0].wanted.level, NEED_MAY);
	e->hosts[0].seen_tls = 5;
	policy_decide(&q, &d);
	want_number("said", "level", d.need.level, NEED_MAY);
	want_number("said", "wanted", d.hosts[0].wanted.level, NEED_ENCRYPT);
	want_text("said", span_str(d.because[0]),
		  SPAN("memory: mx1.example.net had TLS 5 times in a row: its absence is only reported"));
	q.remember_defers = true;
	policy_decide(&q, &d);
	want_number("defers", "level", d.need.level, NEED_ENCRYPT);
	want_text("defers", span_str(policy_source_name(d.source)), SPAN("memory"));
	want_text("defers", span_str(d.because[0]), SPAN("memory: mx1.example.net had TLS 5 times in a row: encrypt"));
	q.rule = &rule_exempt;
	policy_decide(&q, &d);
	want_number("an exemption goes before", "level", d.need.level, NEED_MAY);
	q.rule = NULL;
	q.remember = 0;
	policy_decide(&q, &d);
	want_number("never", "wanted", d.hosts[0].wanted.level, NEED_MAY);
	policy_evidence_free(e);
}

static void want_names(const char *row, const struct policy_question *q, const char *const *want, unsigned count)
{
	const char *names[POLICY_NAMES_MOST + 1];
	struct policy_decision d;

	policy_decide(q, &d);
	want_number(row, "hosts", d.host_count, 1);
	want_number(row, "names", policy_decide_names(&d, q->evidence, 0, names), count);
	for (unsigned i = 0; i < count; i++)
		want_text(row, span_str(names[i]), span_str(want[i]));
}

static void test_PP_8_which_name(void **state)
{
	static const char *const domain[] = { "example.net" }, *const host[] = { "mx1.example.net" };
	static const char *const listed[] = { "gw.example.org", "*.example.org" };
	static const char *const dane[] = { "tlsa.example.net", "mx1.example.net", "example.net", "example.com" };
	struct policy_rule rule = rule_verify;
	struct policy_evidence *e = world_evidence(1);
	struct policy_question q = world_question(e, &rule);

	(void)state;
	want_names("an attacker's MX: the domain's name alone", &q, domain, 1);
	world_sts(e, EVIDENCE_STS_TESTING, "*.example.org");
	want_names("MTA-STS that does not know the host", &q, domain, 1);
	world_sts(e, EVIDENCE_STS_TESTING, "*.example.net");
	want_names("MTA-STS vouches for it", &q, host, 1);
	q.tls_required_no = true;
	want_names("also where it demands nothing", &q, host, 1);
	q.sts = false;
	want_names("but not where it is not honoured", &q, domain, 1);
	e->mx_secure = true;
	want_names("DNSSEC vouches for it", &q, host, 1);
	rule.names[0] = (char *)listed[0];
	rule.names[1] = (char *)listed[1];
	rule.name_count = 2;
	want_names("the rule's", &q, listed, 2);
	q.tls_required_no = false;
	world_tlsa(e, 0, EVIDENCE_TLSA_USABLE);
	snprintf(e->hosts[0].tlsa_base, sizeof(e->hosts[0].tlsa_base), "tlsa.example.net");
	want_names("DANE-TA: base, host and domain", &q, dane, 3);
	snprintf(e->mx_owner, sizeof(e->mx_owner), "example.com");
	want_names("NEW-3 DANE-TA: and what the domain is an alias of", &q, dane, 4);
	policy_evidence_free(e);
}

/* Who could change MX records that nobody signed names a host of his own, with records that are all in order (RFC 7672 section 2.2.1). */
static void test_NEW_3_NEW_1_NEW_5_PP_8_dane_of_a_host_that_anybody_could_name(void **state)
{
	static const char *const host[] = { "tlsa.example.net", "mx1.example.net" };
	struct policy_rule rule = rule_verify;
	struct policy_evidence *e = world_evidence(1);
	struct policy_question q = world_question(e, NULL);
	struct policy_decision d;

	(void)state;
	world_tlsa(e, 0, EVIDENCE_TLSA_USABLE);
	e->mx_secure = false;
	snprintf(e->hosts[0].tlsa_base, sizeof(e->hosts[0].tlsa_base), "tlsa.example.net");
	policy_decide(&q, &d);
	want_number("better than nothing", "level", d.need.level, NEED_DANE);
	want_names("better than nothing: the host alone, not the domain", &q, host, 2);
	world_sts(e, EVIDENCE_STS_ENFORCE, "*.example.org");
	policy_decide(&q, &d);
	want_refusal("MTA-STS does not know it", &d, POLICY_STS_NO_HOST, false);
	want_text("MTA-STS does not know it", span_str(d.because[1]),
		  SPAN("MTA-STS enforce (id 20260101): mx1.example.net matches nothing, and is not used"));
	want_text("MTA-STS does not know it", span_str(d.because[2]),
		  SPAN("DANE: TLSA records of mx1.example.net don't count, DNSSEC does not vouch for the MX"));
	world_sts(e, EVIDENCE_STS_ENFORCE, "*.example.net");
	policy_decide(&q, &d);
	want_number("MTA-STS knows it", "level", d.need.level, NEED_DANE);
	world_sts(e, EVIDENCE_STS_NONE, "*.example.net");
	q.requiretls = true;
	policy_decide(&q, &d);
	want_refusal("REQUIRETLS", &d, POLICY_NO_REQUIRETLS, true);
	q.requiretls = false;
	q.rule = &rule;
	policy_decide(&q, &d);
	want_number("a rule that says verify", "level", d.need.level, NEED_VERIFY);
	want_number("a rule that says verify", "names", d.hosts[0].names, POLICY_NAMES_DOMAIN);
	want_number("a rule that says verify", "dane", d.hosts[0].dane, false);
	rule.outbound = POLICY_LEVEL_DANE;
	policy_decide(&q, &d);
	want_refusal("a rule that says dane", &d, POLICY_DANE_FAILED, false);
	want_number("a rule that says dane", "out", d.out[0], POLICY_OUT_MX_INSECURE);
	e->no_mx = true;
	policy_decide(&q, &d);
	want_refusal("no MX: the host is the domain", &d, POLICY_DELIVER, false);
	policy_evidence_free(e);
}

static void test_GC_2_class_and_strength(void **state)
{
	struct policy_rule rule = rule_verify;
	struct policy_evidence *e = world_evidence(2);
	struct policy_question q = world_question(e, &rule);
	struct policy_decision d;

	(void)state;
	rule.permanent = true;
	rule.min_bits = 112;
	q.least.min_bits = 128;
	policy_decide(&q, &d);
	want_number("the rule's", "permanent", d.permanent, true);
	want_number("the greater strength", "bits", d.need.min_bits, 128);
	world_tlsa(e, 0, EVIDENCE_TLSA_USABLE);
	world_tlsa(e, 1, EVIDENCE_TLSA_USABLE);
	policy_decide(&q, &d);
	want_number("DANE may be right in an hour", "permanent", d.permanent, false);
	policy_evidence_free(e);
}

static void test_mirror_of_the_service(void **state)
{
	struct policy_evidence *e = world_evidence(1);
	struct policy_question q = world_question(e, NULL);
	struct policy_decision d;

	(void)state;
	q.least.level = NEED_NONE;
	q.mirror = true;
	policy_decide(&q, &d);
	want_number("client in clear", "level", d.need.level, NEED_NONE);
	q.client_tls = true;
	policy_decide(&q, &d);
	want_number("client with TLS", "level", d.need.level, NEED_ENCRYPT);
	want_text("client with TLS", span_str(d.because[0]), SPAN("default of service out: as the client's side, encrypt"));
	policy_evidence_free(e);
}

/* The ceilings of because[] hold whatever is found. */
static void test_many_hosts(void **state)
{
	struct policy_evidence *e = world_evidence(EVIDENCE_HOSTS_MOST);
	struct policy_rule rule = rule_verify;
	struct policy_question q = world_question(e, &rule);
	struct policy_decision d;
	static char key[EVIDENCE_NAME_MOST];

	(void)state;
	memset(key, 'k', sizeof(key) - 1);
	rule.key = rule.origin = key;
	for (unsigned i = 0; i < EVIDENCE_HOSTS_MOST; i++) {
		struct evidence_host *h = &e->hosts[i];

		world_tlsa(e, i, i % 2 == 0 ? EVIDENCE_TLSA_UNUSABLE : EVIDENCE_TLSA_FAILED);
		memset(h->name, 'a', sizeof(h->name) - 1);
		memset(h->trouble, 't', sizeof(h->trouble) - 1);
		h->seen_tls = 9;
	}
	world_sts(e, EVIDENCE_STS_ENFORCE, "*.example.org");
	q.remember = 1;
	q.requiretls = true;
	rule.report = true;
	policy_decide(&q, &d);
	want_refusal("many", &d, POLICY_DANE_FAILED, false);
	want_text("many", span_str(d.because[8]), SPAN("MTA-STS: and so on, 10 hosts more"));
	policy_evidence_free(e);
}

/* Law 7: whatever the connection depends on is in the key, and nothing else. */
static void put_key(const struct policy_question *q, struct buf *key)
{
	struct policy_decision d;

	policy_decide(q, &d);
	buf_init(key, 512 * 1024);
	assert_true(policy_decide_key(&d, q->evidence, key));
}

static void want_other_key(const char *row, const struct policy_question *a, const struct policy_question *b, bool same)
{
	struct buf one, two;

	put_key(a, &one);
	put_key(b, &two);
	want_number(row, "same key", span_eq(buf_peek(&one), buf_peek(&two)), same);
	buf_free(&one);
	buf_free(&two);
}

static void test_key_for_sharing(void **state)
{
	struct policy_evidence *e = world_evidence(2), *f = world_evidence(2);
	struct policy_question q = world_question(e, NULL), r = world_question(f, NULL);
	struct policy_rule rule = rule_verify;

	(void)state;
	snprintf(f->domain, sizeof(f->domain), "other.example");
	want_other_key("another domain with the same hosts", &q, &r, true);
	q.rule = r.rule = &rule_verify;
	want_other_key("its name is asked for", &q, &r, false);
	e->mx_secure = f->mx_secure = true;
	want_other_key("the host's is", &q, &r, true);
	rule.certificate = TEXT("client");
	r.rule = &rule;
	want_other_key("client certificate", &q, &r, false);
	rule.certificate = NULL;
	rule.permanent = true;
	want_other_key("class", &q, &r, false);
	r.rule = &rule_verify;
	r.least.min_bits = 128;
	want_other_key("strength", &q, &r, false);
	r.least.min_bits = 0;
	world_tlsa(e, 0, EVIDENCE_TLSA_USABLE);
	want_other_key("TLSA", &q, &r, false);
	world_tlsa(f, 0, EVIDENCE_TLSA_USABLE);
	snprintf(f->domain, sizeof(f->domain), "example.net");
	want_other_key("the same TLSA", &q, &r, true);
	f->hosts[0].tlsa[0].data[31] ^= 1;
	want_other_key("another octet", &q, &r, false);
	f->hosts[0].tlsa[0].data[31] ^= 1;
	snprintf(f->hosts[1].name, sizeof(f->hosts[1].name), "mx3.example.net");
	want_other_key("another host", &q, &r, false);
	policy_evidence_free(e);
	policy_evidence_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_FAULTS_35_dane_failure_is_final),
		cmocka_unit_test(test_FAULTS_33_unusable_is_tls_without_authentication),
		cmocka_unit_test(test_NEW_1_host_that_no_pattern_matches),
		cmocka_unit_test(test_NEW_1_end_of_a_policy),
		cmocka_unit_test(test_NEW_3_dane_outranks_sts),
		cmocka_unit_test(test_NEW_23_FAULTS_31_FAULTS_32_dns),
		cmocka_unit_test(test_hosts_without_addresses),
		cmocka_unit_test(test_exemption),
		cmocka_unit_test(test_NEW_28_report),
		cmocka_unit_test(test_NEW_5_requiretls),
		cmocka_unit_test(test_NEW_5_tls_required_no),
		cmocka_unit_test(test_NEW_33_remember),
		cmocka_unit_test(test_PP_8_which_name),
		cmocka_unit_test(test_NEW_3_NEW_1_NEW_5_PP_8_dane_of_a_host_that_anybody_could_name),
		cmocka_unit_test(test_GC_2_class_and_strength),
		cmocka_unit_test(test_mirror_of_the_service),
		cmocka_unit_test(test_many_hosts),
		cmocka_unit_test(test_key_for_sharing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
