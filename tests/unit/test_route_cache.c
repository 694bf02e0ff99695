#include "unit.h"

#include "route/route_cache.h"

static struct policy_evidence *made(const char *domain, bool mx_secure)
{
	struct policy_evidence *e = policy_evidence_new(1, 1);

	snprintf(e->domain, sizeof(e->domain), "%s", domain);
	e->mx_secure = mx_secure;
	return e;
}

static void test_age_and_replacement(void **state)
{
	struct route_cache *c = route_cache_new(4);

	(void)state;
	assert_null(route_cache_get(c, "a.test", 0));
	route_cache_put_take(c, made("a.test", false), 100);
	assert_non_null(route_cache_get(c, "a.test", 99));
	assert_null(route_cache_get(c, "a.test", 100));
	assert_null(route_cache_get(c, "b.test", 0));
	route_cache_put_take(c, made("a.test", true), 200);
	assert_true(route_cache_get(c, "a.test", 150)->mx_secure);
	route_cache_drop(c, "a.test");
	route_cache_drop(c, "a.test");
	assert_null(route_cache_get(c, "a.test", 0));
	route_cache_free(c);
}

static void test_least_recently_used_goes(void **state)
{
	struct route_cache *c = route_cache_new(3);

	(void)state;
	route_cache_put_take(c, made("a.test", false), 100);
	route_cache_put_take(c, made("b.test", false), 100);
	route_cache_put_take(c, made("c.test", false), 100);
	assert_non_null(route_cache_get(c, "a.test", 0));
	route_cache_put_take(c, made("d.test", false), 100);
	assert_non_null(route_cache_get(c, "a.test", 0));
	assert_null(route_cache_get(c, "b.test", 0));
	assert_non_null(route_cache_get(c, "c.test", 0));
	assert_non_null(route_cache_get(c, "d.test", 0));
	route_cache_free(c);
}

static void test_removal_keeps_the_others(void **state)
{
	struct route_cache *c = route_cache_new(3);
	struct policy_evidence *e;

	(void)state;
	route_cache_put_take(c, made("a.test", false), 100);
	route_cache_put_take(c, made("b.test", false), 100);
	route_cache_put_take(c, made("c.test", false), 100);
	e = route_cache_remove(c, "a.test");
	assert_string_equal(e->domain, "a.test");
	policy_evidence_free(e);
	assert_null(route_cache_remove(c, "a.test"));
	assert_non_null(route_cache_get(c, "b.test", 0));
	assert_non_null(route_cache_get(c, "c.test", 0));
	route_cache_put_take(c, made("d.test", false), 100);
	route_cache_put_take(c, made("e.test", false), 100);
	assert_non_null(route_cache_get(c, "e.test", 0));
	assert_null(route_cache_get(c, "b.test", 0));
	route_cache_free(c);
}

static const struct {
	const char *name;
	enum evidence_dns dns;
	bool host_failed;
	enum evidence_tlsa tlsa;
	uint32_t ttl;
	unsigned want;
} rows[] = {
	{ "within the bounds",       EVIDENCE_FOUND,      false, EVIDENCE_TLSA_NONE,   300, 300 },
	{ "no TTL",                  EVIDENCE_FOUND,      false, EVIDENCE_TLSA_USABLE, 0, 30 },
	{ "a day",                   EVIDENCE_FOUND,      false, EVIDENCE_TLSA_NONE,   86400, 3600 },
	{ "for ever",                EVIDENCE_FOUND,      false, EVIDENCE_TLSA_NONE,   UINT32_MAX, 3600 },
	{ "FAULTS 31 no domain",     EVIDENCE_NO_DOMAIN,  false, EVIDENCE_TLSA_NONE,   86400, 300 },
	{ "FAULTS 31 null MX",       EVIDENCE_NULL_MX,    false, EVIDENCE_TLSA_NONE,   60, 60 },
	{ "FAULTS 32 SERVFAIL",      EVIDENCE_DNS_FAILED, false, EVIDENCE_TLSA_NONE,   86400, 30 },
	{ "FAULTS 32 one host's",    EVIDENCE_FOUND,      true,  EVIDENCE_TLSA_NONE,   86400, 30 },
	{ "FAULTS 33 one host's TLSA", EVIDENCE_FOUND,    false, EVIDENCE_TLSA_FAILED, 86400, 30 },
};

static void test_seconds(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct policy_evidence *e = made("a.test", false);

		e->dns = rows[i].dns;
		e->hosts[0].failed = rows[i].host_failed;
		e->hosts[0].tlsa_state = rows[i].tlsa;
		want_number(rows[i].name, "seconds", route_cache_seconds(e, rows[i].ttl), rows[i].want);
		policy_evidence_free(e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_age_and_replacement),
		cmocka_unit_test(test_least_recently_used_goes),
		cmocka_unit_test(test_removal_keeps_the_others),
		cmocka_unit_test(test_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
