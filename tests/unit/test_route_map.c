#include "route/route_map.h"

#include "unit.h"

/* A decision of up to three hosts: of each its level, where that comes from, and the names. */
struct host {
	enum need_level level;
	enum policy_source source;
	enum policy_names names;
	bool dane;
};

static const struct {
	const char *name;
	enum policy_refusal refusal;
	bool permanent;
	enum policy_source source;
	struct host hosts[3];
	unsigned host_count;
	unsigned min_bits;
	bool tlsrpt;
	bool unsigned_mx, enforce;
	const char *want;
} rows[] = {
	{ .name = "nothing is asked for", .host_count = 1, .hosts = { { NEED_NONE, 0, 0, false } }, .want = "NOTFOUND " },
	{ .name = "may, by default", .host_count = 1, .hosts = { { NEED_MAY, 0, 0, false } }, .want = "NOTFOUND " },
	{ .name = "a rule: may", .source = POLICY_BY_RULE, .host_count = 1,
	  .hosts = { { NEED_MAY, POLICY_BY_RULE, 0, false } }, .want = "OK may" },
	{ .name = "a rule: none", .source = POLICY_BY_RULE, .host_count = 1,
	  .hosts = { { NEED_NONE, POLICY_BY_RULE, 0, false } }, .want = "OK none" },
	{ .name = "a rule: encrypt", .source = POLICY_BY_RULE, .host_count = 2,
	  .hosts = { { NEED_ENCRYPT, POLICY_BY_RULE, 0, false }, { NEED_ENCRYPT, POLICY_BY_RULE, 0, false } },
	  .want = "OK encrypt" },
	{ .name = "a rule with bits", .source = POLICY_BY_RULE, .host_count = 1, .min_bits = 128,
	  .hosts = { { NEED_ENCRYPT, POLICY_BY_RULE, 0, false } }, .want = "OK encrypt ciphers=high" },
	{ .name = "a rule: verify, its names", .source = POLICY_BY_RULE, .host_count = 2,
	  .hosts = { { NEED_VERIFY, POLICY_BY_RULE, POLICY_NAMES_RULE, false },
		     { NEED_VERIFY, POLICY_BY_RULE, POLICY_NAMES_RULE, false } },
	  .want = "OK verify match=mail.partner.example:.partner.example servername=hostname" },
	{ .name = "a rule: verify, the domain", .source = POLICY_BY_RULE, .host_count = 1,
	  .hosts = { { NEED_VERIFY, POLICY_BY_RULE, POLICY_NAMES_DOMAIN, false } },
	  .want = "OK verify match=a.example servername=hostname" },
	{ .name = "MTA-STS", .source = POLICY_BY_STS, .host_count = 2,
	  .hosts = { { NEED_VERIFY, POLICY_BY_STS, POLICY_NAMES_HOST, false },
		     { NEED_VERIFY, POLICY_BY_STS, POLICY_NAMES_HOST, false } },
	  .want = "OK secure match=mx0.a.example:mx1.a.example servername=hostname" },
	{ .name = "MTA-STS, with what TLSRPT wants", .source = POLICY_BY_STS, .host_count = 1, .tlsrpt = true,
	  .hosts = { { NEED_VERIFY, POLICY_BY_STS, POLICY_NAMES_HOST, false } },
	  .want = "OK secure match=mx0.a.example servername=hostname policy_type=sts policy_domain=a.example"
		  " mx_host_pattern=*.a.example { policy_string = version: STSv1 } { policy_string = mode: enforce }"
		  " { policy_string = mx: *.a.example }" },
	{ .name = "a rule with TLSRPT", .source = POLICY_BY_RULE, .host_count = 1, .tlsrpt = true,
	  .hosts = { { NEED_ENCRYPT, POLICY_BY_RULE, 0, false } }, .want = "OK encrypt" },
	{ .name = "DANE everywhere", .source = POLICY_BY_DANE, .host_count = 2,
	  .hosts = { { NEED_DANE, POLICY_BY_DANE, POLICY_NAMES_HOST, true },
		     { NEED_DANE, POLICY_BY_DANE, POLICY_NAMES_HOST, true } }, .want = "OK dane-only" },
	{ .name = "DANE, and a host without", .source = POLICY_BY_DEFAULT, .host_count = 2,
	  .hosts = { { NEED_DANE, POLICY_BY_DANE, POLICY_NAMES_HOST, true }, { NEED_MAY, 0, 0, false } },
	  .want = "OK dane" },
	{ .name = "DANE, and a host that must encrypt", .source = POLICY_BY_RULE, .host_count = 2,
	  .hosts = { { NEED_DANE, POLICY_BY_DANE, POLICY_NAMES_HOST, true }, { NEED_ENCRYPT, POLICY_BY_RULE, 0, false } },
	  .want = "OK dane-only" },
	{ .name = "DANE, and a host of MTA-STS", .source = POLICY_BY_STS, .host_count = 2,
	  .hosts = { { NEED_DANE, POLICY_BY_DANE, POLICY_NAMES_HOST, true },
		     { NEED_VERIFY, POLICY_BY_STS, POLICY_NAMES_HOST, false } }, .want = "OK dane-only" },
	/* Postfix defers mail for a domain whose MX records nobody signed where it is told dane-only. */
	{ .name = "NEW-3 DANE of hosts that anybody could name", .source = POLICY_BY_DANE, .host_count = 1, .unsigned_mx = true,
	  .hosts = { { NEED_DANE, POLICY_BY_DANE, POLICY_NAMES_HOST, true } }, .want = "OK dane" },
	{ .name = "NEW-3 the same, and a host that must encrypt", .source = POLICY_BY_RULE, .host_count = 2, .unsigned_mx = true,
	  .hosts = { { NEED_DANE, POLICY_BY_DANE, POLICY_NAMES_HOST, true }, { NEED_ENCRYPT, POLICY_BY_RULE, 0, false } },
	  .want = "OK encrypt" },
	{ .name = "NEW-1 the same, and MTA-STS names them", .source = POLICY_BY_DANE, .host_count = 1, .unsigned_mx = true, .enforce = true,
	  .hosts = { { NEED_DANE, POLICY_BY_DANE, POLICY_NAMES_HOST, true } },
	  .want = "OK secure match=mx0.a.example servername=hostname" },
	{ .name = "TLSA records that can't be used, and a host without", .host_count = 2,
	  .hosts = { { NEED_MAY, 0, 0, false }, { NEED_ENCRYPT, POLICY_BY_DANE, 0, false } }, .want = "OK encrypt" },
	{ .name = "DNS failed", .refusal = POLICY_DNS_FAILED, .want = "TEMP because of this" },
	{ .name = "no host that the policy names", .refusal = POLICY_STS_NO_HOST, .want = "TEMP because of this" },
	{ .name = "TLSA failed", .refusal = POLICY_DANE_FAILED, .want = "TEMP because of this" },
	{ .name = "no address for now", .refusal = POLICY_NO_ADDRESS, .want = "TEMP because of this" },
	{ .name = "no address at all", .refusal = POLICY_NO_ADDRESS, .permanent = true, .want = "NOTFOUND " },
	{ .name = "no such domain", .refusal = POLICY_NO_DOMAIN, .permanent = true, .want = "NOTFOUND " },
	{ .name = "null MX", .refusal = POLICY_NULL_MX, .permanent = true, .want = "NOTFOUND " },
};

static struct policy_evidence *evidence(void)
{
	struct policy_evidence *e = policy_evidence_new(3, 1);

	snprintf(e->domain, sizeof(e->domain), "a.example");
	for (unsigned i = 0; i < e->host_count; i++)
		snprintf(e->hosts[i].name, sizeof(e->hosts[i].name), "mx%u.a.example", i);
	snprintf(e->sts_mx[0], sizeof(e->sts_mx[0]), "*.a.example");
	return e;
}

static void test_what_Postfix_is_answered(void **state)
{
	const struct policy_rule rule = {
		.names = { (char[]){ "mail.partner.example" }, (char[]){ "*.partner.example" } }, .name_count = 2,
	};
	struct policy_evidence *e = evidence();

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct policy_decision d = {
			.refusal = rows[i].refusal, .permanent = rows[i].permanent, .host_count = rows[i].host_count,
			.rule = &rule, .source = rows[i].source, .because_count = 1, .because = { "because of this" },
		};
		struct buf out;

		e->mx_secure = !rows[i].unsigned_mx;
		e->sts = rows[i].enforce ? EVIDENCE_STS_ENFORCE : EVIDENCE_STS_NONE;
		for (unsigned h = 0; h < rows[i].host_count; h++) {
			d.hosts[h] = (struct policy_host){
				.index = h, .need = { rows[i].hosts[h].level, rows[i].min_bits },
				.names = rows[i].hosts[h].names, .source = rows[i].hosts[h].source, .dane = rows[i].hosts[h].dane,
				.sts = rows[i].enforce,
			};
		}
		buf_init(&out, ROUTE_MAP_ANSWER_MOST);
		assert_true(route_map_answer(&d, e, rows[i].tlsrpt ? ROUTE_MAP_WITH_TLSRPT : ROUTE_MAP_QUERY, &out));
		want_text(rows[i].name, buf_peek(&out), span_str(rows[i].want));
		buf_free(&out);
	}
	policy_evidence_free(e);
}

static const struct {
	const char *name;
	struct span request;
	enum route_map_kind want;
	struct span key;
} requests[] = {
	{ "query",               SPAN("QUERY example.net"), ROUTE_MAP_QUERY, SPAN("example.net") },
	{ "with TLSRPT",         SPAN("QUERYwithTLSRPT example.net"), ROUTE_MAP_WITH_TLSRPT, SPAN("example.net") },
	{ "another case",        SPAN("query example.net"), ROUTE_MAP_QUERY, SPAN("example.net") },
	{ "a key with blanks",   SPAN("QUERY a b "), ROUTE_MAP_QUERY, SPAN("a b ") },
	{ "no key",              SPAN("QUERY"), ROUTE_MAP_QUERY, SPAN("") },
	{ "another map",         SPAN("virtual example.net"), ROUTE_MAP_UNKNOWN, SPAN("example.net") },
	{ "nothing",             SPAN(""), ROUTE_MAP_UNKNOWN, SPAN("") },
};

static void test_what_Postfix_asks(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(requests); i++) {
		struct span key;

		want_number(requests[i].name, "kind", route_map_read(requests[i].request, &key), requests[i].want);
		want_text(requests[i].name, key, requests[i].key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_Postfix_is_answered),
		cmocka_unit_test(test_what_Postfix_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
