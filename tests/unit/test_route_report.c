#include "route/route_report.h"
#include "route/route_sts.h"
#include "store_folder.h"
#include "unit.h"

#define DAY INT64_C(86400)
#define NOW (20000 * DAY)

static struct policy_evidence *evidence(void)
{
	static unsigned char digest[] = { 0x01, 0xfe };
	const struct tls_tlsa a = { .usage = 3, .selector = 1, .matching = 1, .len = 2, .data = digest };
	const struct tls_tlsa b = { .usage = 2, .selector = 0, .matching = 0, .len = 1, .data = digest };
	struct policy_evidence *e = policy_evidence_new(2, 0);

	snprintf(e->domain, sizeof(e->domain), "a.example");
	snprintf(e->hosts[0].name, sizeof(e->hosts[0].name), "mx0.a.example");
	snprintf(e->hosts[1].name, sizeof(e->hosts[1].name), "mx1.a.example");
	snprintf(e->hosts[1].tlsa_base, sizeof(e->hosts[1].tlsa_base), "base.example");
	assert_true(policy_evidence_add_tlsa(&e->hosts[1], &a) && policy_evidence_add_tlsa(&e->hosts[1], &b));
	e->hosts[1].tlsa_state = EVIDENCE_TLSA_USABLE;
	return e;
}

static const struct {
	const char *name;
	enum policy_result_policy policy;
	const char *host;
	struct span body;
	const char *domain, *text; /* NULL: none */
} rows[] = {
	{ "MTA-STS", POLICY_RESULT_STS, "mx0.a.example", SPAN("version: STSv1\r\nmode: enforce\r\nmx: *.a.example\r\nmax_age: 1\r\n"),
	  "a.example", "version: STSv1\nmode: enforce\nmx: *.a.example\nmax_age: 1\n" },
	{ "without line ends of DOS, or at the end", POLICY_RESULT_STS, "", SPAN("version: STSv1\n\nmode: none"), "a.example",
	  "version: STSv1\nmode: none\n" },
	{ "what can't be printed", POLICY_RESULT_STS, "", SPAN("version: STSv1\nx: \xff\ny: \x1b[0m\nz: \0\nmode: none"),
	  "a.example", "version: STSv1\nmode: none\n" },
	{ "no policy to tell", POLICY_RESULT_STS, "", SPAN(""), NULL, NULL },
	{ "DANE", POLICY_RESULT_TLSA, "mx1.a.example", SPAN(""), "base.example", "3 1 1 01fe\n2 0 0 01\n" },
	{ "DANE and a host that has no records any more", POLICY_RESULT_TLSA, "mx0.a.example", SPAN(""), NULL, NULL },
	{ "DANE and a host that is unknown", POLICY_RESULT_TLSA, "mx9.a.example", SPAN(""), NULL, NULL },
	{ "no policy", POLICY_RESULT_NO_POLICY, "mx1.a.example", SPAN("version: STSv1"), NULL, NULL },
};

static void test_NEW_4_the_policy_of_a_result(void **state)
{
	struct policy_evidence *e = evidence();

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct policy_result r = { .domain = "a.example", .policy = rows[i].policy };
		struct store_policy p;
		bool has;

		snprintf(r.host, sizeof(r.host), "%s", rows[i].host);
		has = route_report_policy(e, &r, rows[i].body, &p);
		want_number(rows[i].name, "found", has, rows[i].domain != NULL);
		if (has)
			want_text(rows[i].name, span_str(p.domain), span_str(rows[i].domain));
		if (has)
			want_text(rows[i].name, span_of(p.text, p.len), span_str(rows[i].text));
	}
	policy_evidence_free(e);
}

/* Whole lines, as many as there is room for. */
static void test_NEW_4_a_policy_that_is_too_long(void **state)
{
	struct policy_result r = { .domain = "a.example", .policy = POLICY_RESULT_STS };
	struct store_policy p;
	struct buf body;

	(void)state;
	buf_init(&body, 100000);
	for (int i = 0; i < 1000; i++)
		assert_true(buf_printf(&body, "mx: %07d.example\r\n", i));
	assert_true(route_report_policy(NULL, &r, buf_peek(&body), &p));
	assert_true(p.len <= STORE_POLICY_MOST && p.len > STORE_POLICY_MOST - 20 && p.len % 20 == 0);
	buf_free(&body);
}

struct seen {
	unsigned rows;
	struct store_tlsrpt last[4];
};

static void take_row(void *arg, const struct store_tlsrpt *row)
{
	struct seen *s = arg;

	assert_true(s->rows < ROWS(s->last));
	s->last[s->rows++] = *row;
}

static struct seen seen_in(struct store_route *s)
{
	struct seen seen = { 0 };
	struct why why;

	assert_true(store_route_counts(s, NOW / DAY, take_row, &seen, &why));
	return seen;
}

static void test_NEW_4_counted_with_the_policy(void **state)
{
	struct store_sts sts = { .id = "1", .fetched_at = NOW, .until = NOW + DAY, .body = SPAN("version: STSv1\n") };
	struct policy_result r = { .domain = "a.example", .host = "mx1.a.example", .policy = POLICY_RESULT_STS };
	struct store_route *s = store_route_new();
	struct policy_evidence *e = evidence();
	struct store_policy p;
	struct store_folder f;
	struct why why;

	(void)state;
	store_folder_make(&f);
	assert_true(store_route_open(s, f.path, &why));
	e->sts = EVIDENCE_STS_ENFORCE;
	store_route_sts_put(s, "a.example", &sts);
	route_report_count(s, e, &r, NOW);
	sts.body = SPAN("version: STSv1\nnew: one\n");
	store_route_sts_put(s, "a.example", &sts);
	route_report_count(s, e, &r, NOW);
	assert_true(store_route_policy_get(s, NOW / DAY, &r, &p));
	want_text("the first of the day", span_of(p.text, p.len), SPAN("version: STSv1\n"));
	assert_int_equal(seen_in(s).rows, 1);
	assert_int_equal(seen_in(s).last[0].count, 2);
	r.policy = POLICY_RESULT_TLSA;
	assert_false(store_route_policy_get(s, NOW / DAY, &r, &p));
	route_report_count(s, e, &r, NOW);
	assert_true(store_route_policy_get(s, NOW / DAY, &r, &p));
	assert_string_equal(p.domain, "base.example");
	snprintf(r.host, sizeof(r.host), "mx0.a.example");
	assert_false(store_route_policy_get(s, NOW / DAY, &r, &p));
	route_report_count(s, NULL, &r, NOW); /* nothing is known any more, counted all the same */
	assert_int_equal(seen_in(s).rows, 3);
	policy_evidence_free(e);
	store_route_free(s);
	store_folder_remove(&f);
}

static void test_NEW_4_a_policy_that_could_not_be_had(void **state)
{
	struct policy_result r = { .domain = "a.example", .host = "mx1.a.example", .own_address = "192.0.2.9" };
	struct store_route *s = store_route_new();
	struct policy_evidence *e = evidence();
	struct store_folder f;
	struct seen seen;
	struct why why;

	(void)state;
	store_folder_make(&f);
	assert_true(store_route_open(s, f.path, &why));
	snprintf(e->sts_trouble, sizeof(e->sts_trouble), "no policy from mta-sts.a.example: HTTP status 404");
	route_report_count(s, e, &r, NOW);
	seen = seen_in(s);
	assert_int_equal(seen.rows, 2);
	assert_int_equal(seen.last[0].result.policy, POLICY_RESULT_NO_POLICY);
	assert_int_equal(seen.last[0].result.type, POLICY_RESULT_SUCCESS);
	assert_int_equal(seen.last[1].result.policy, POLICY_RESULT_STS);
	assert_int_equal(seen.last[1].result.type, POLICY_RESULT_STS_POLICY_FETCH_ERROR);
	assert_string_equal(seen.last[1].result.host, "");
	assert_string_equal(seen.last[1].result.own_address, "192.0.2.9");
	assert_string_equal(seen.last[1].result.reason, e->sts_trouble);
	e->sts = EVIDENCE_STS_ENFORCE; /* an older one still holds: no session went without */
	route_report_count(s, e, &r, NOW);
	assert_int_equal(seen_in(s).last[1].count, 1);
	policy_evidence_free(e);
	store_route_free(s);
	store_folder_remove(&f);
}

static void test_NEW_4_failures_of_MTA_STS(void **state)
{
	static const struct {
		const char *trouble;
		bool counts;
		enum policy_result_type type;
	} all[] = {
		{ "", false, 0 },
		{ "TXT of _mta-sts: SERVFAIL", false, 0 },
		{ "there is more than one TXT record for MTA-STS", false, 0 },
		{ "no policy from mta-sts.a.example: no answer in time", true, POLICY_RESULT_STS_POLICY_FETCH_ERROR },
		{ "the policy of a.example: no mode", true, POLICY_RESULT_STS_POLICY_INVALID },
		{ "no trust in mta-sts.a.example: certificate has expired", true, POLICY_RESULT_STS_WEBPKI_INVALID },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(all); i++) {
		enum policy_result_type type;
		bool counts = route_sts_failure(all[i].trouble, &type);

		want_number(all[i].trouble, "counted", counts, all[i].counts);
		if (counts)
			want_number(all[i].trouble, "type", type, all[i].type);
	}
}

static void test_NEW_4_sent_once(void **state)
{
	struct store_route *s = store_route_new();
	struct store_folder f;
	struct why why;

	(void)state;
	store_folder_make(&f);
	assert_false(store_route_was_sent(s, 1, "a.example", "mailto:x"));
	assert_false(store_route_sent(s, 1, "a.example", "mailto:x"));
	assert_true(store_route_open(s, f.path, &why));
	assert_true(store_route_sent(s, NOW / DAY, "a.example", "mailto:x"));
	assert_true(store_route_sent(s, NOW / DAY, "a.example", "mailto:x"));
	assert_true(store_route_was_sent(s, NOW / DAY, "a.example", "mailto:x"));
	assert_false(store_route_was_sent(s, NOW / DAY, "a.example", "mailto:y"));
	assert_false(store_route_was_sent(s, NOW / DAY, "b.example", "mailto:x"));
	assert_false(store_route_was_sent(s, NOW / DAY + 1, "a.example", "mailto:x"));
	store_route_sweep(s, NOW + (STORE_TLSRPT_DAYS + 1) * DAY);
	assert_false(store_route_was_sent(s, NOW / DAY, "a.example", "mailto:x"));
	store_route_free(s);
	store_folder_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_NEW_4_the_policy_of_a_result),
		cmocka_unit_test(test_NEW_4_a_policy_that_is_too_long),
		cmocka_unit_test(test_NEW_4_counted_with_the_policy),
		cmocka_unit_test(test_NEW_4_a_policy_that_could_not_be_had),
		cmocka_unit_test(test_NEW_4_failures_of_MTA_STS),
		cmocka_unit_test(test_NEW_4_sent_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
