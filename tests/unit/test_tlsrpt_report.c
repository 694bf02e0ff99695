/* The report as RFC 8460 section 4.4 and the example of its appendix B want it, field by field; and that our own reader reads it. */
#include "ctl/tlsrpt_gzip.h"
#include "ctl/tlsrpt_read.h"
#include "ctl/tlsrpt_report.h"
#include "unit.h"

#define DAY 16892 /* 2016-04-01, that of the example */

static const struct tlsrpt_author author = {
	.organization = "Company-X", .contact = "sts-reporting@company-x.example", .submitter = "company-x.example",
	.hostname = "gw.company-x.example",
};

/* --- the schema --- */

enum kind { TEXT, COUNT, TIME, TYPE, RESULT, TEXTS };

struct field {
	const char *key;
	enum kind kind;
	bool needed;
};

static bool is_one_of(const char *text, const char *const *all)
{
	for (; *all != NULL; all++) {
		if (strcmp(text, *all) == 0)
			return true;
	}
	return false;
}

static bool is_time(const char *text)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";

	if (strlen(text) != strlen(form))
		return false;
	for (size_t i = 0; form[i] != '\0'; i++) {
		if (form[i] == 'd' ? !ascii_is_digit(text[i]) : text[i] != form[i])
			return false;
	}
	return true;
}

static bool are_texts(json_t *value)
{
	for (size_t i = 0; i < json_array_size(value); i++) {
		if (!json_is_string(json_array_get(value, i)))
			return false;
	}
	return json_array_size(value) > 0;
}

static bool fits(json_t *value, enum kind kind)
{
	/* Section 4.2 and 4.3 */
	static const char *const types[] = { "tlsa", "sts", "no-policy-found", NULL };
	static const char *const results[] = {
		"starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted",
		"validation-failure", "tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error",
		"sts-policy-invalid", "sts-webpki-invalid", NULL
	};
	const char *text = json_string_value(value);

	switch (kind) {
	case TEXT:
		return text != NULL && text[0] != '\0';
	case COUNT:
		return json_is_integer(value) && json_integer_value(value) >= 0;
	case TIME:
		return text != NULL && is_time(text);
	case TYPE:
		return text != NULL && is_one_of(text, types);
	case RESULT:
		return text != NULL && is_one_of(text, results);
	case TEXTS:
		return are_texts(value);
	}
	return false;
}

/* Each field is what it must be, none is missing, and there is no other but those in `objects`. */
static void check_fields(json_t *object, const struct field *fields, size_t count, size_t objects)
{
	size_t seen = 0;

	assert_true(json_is_object(object));
	for (size_t i = 0; i < count; i++) {
		json_t *value = json_object_get(object, fields[i].key);

		if (value == NULL && fields[i].needed)
			fail_msg("%s is missing", fields[i].key);
		if (value != NULL && !fits(value, fields[i].kind))
			fail_msg("%s is not what it must be", fields[i].key);
		seen += value != NULL;
	}
	want_number(fields[0].key, "fields of that object", json_object_size(object), seen + objects);
}

static void check_failure(json_t *failure)
{
	static const struct field fields[] = {
		{ "result-type", RESULT, true }, { "failed-session-count", COUNT, true },
		{ "sending-mta-ip", TEXT, false }, { "receiving-mx-hostname", TEXT, false },
		{ "receiving-ip", TEXT, false }, { "failure-reason-code", TEXT, false },
	};

	check_fields(failure, fields, ROWS(fields), 0);
}

static void check_policy(json_t *one)
{
	static const struct field policy[] = {
		{ "policy-type", TYPE, true }, { "policy-domain", TEXT, true }, { "policy-string", TEXTS, false },
		{ "mx-host", TEXTS, false },
	};
	static const struct field summary[] = {
		{ "total-successful-session-count", COUNT, true }, { "total-failure-session-count", COUNT, true },
	};
	json_t *failures = json_object_get(one, "failure-details");
	json_int_t failed = 0;

	want_number("a policy", "its objects", json_object_size(one), failures != NULL ? 3 : 2);
	check_fields(json_object_get(one, "policy"), policy, ROWS(policy), 0);
	check_fields(json_object_get(one, "summary"), summary, ROWS(summary), 0);
	for (size_t i = 0; i < json_array_size(failures); i++) {
		json_t *failure = json_array_get(failures, i);

		check_failure(failure);
		failed += json_integer_value(json_object_get(failure, "failed-session-count"));
	}
	want_number("a policy", "failures in its summary",
		    (unsigned long long)json_integer_value(json_object_get(json_object_get(one, "summary"),
									   "total-failure-session-count")),
		    (unsigned long long)failed);
}

static void check_schema(json_t *report)
{
	static const struct field fields[] = {
		{ "organization-name", TEXT, true }, { "contact-info", TEXT, true }, { "report-id", TEXT, true },
	};
	static const struct field range[] = { { "start-datetime", TIME, true }, { "end-datetime", TIME, true } };
	json_t *policies = json_object_get(report, "policies");

	check_fields(report, fields, ROWS(fields), 2);
	check_fields(json_object_get(report, "date-range"), range, ROWS(range), 0);
	assert_true(json_is_array(policies));
	for (size_t i = 0; i < json_array_size(policies); i++)
		check_policy(json_array_get(policies, i));
}

/* --- the example --- */

static struct store_policy policy_of(const char *domain, const char *text)
{
	struct store_policy p = { .len = strlen(text) };

	snprintf(p.domain, sizeof(p.domain), "%s", domain);
	memcpy(p.text, text, p.len);
	return p;
}

static void add(struct tlsrpt_report *r, enum policy_result_policy policy, enum policy_result_type type, uint64_t count,
		const char *host, const char *address, const char *reason, const struct store_policy *p)
{
	struct store_tlsrpt row = { .day = DAY, .count = count };

	row.result.policy = policy;
	row.result.type = type;
	snprintf(row.result.domain, sizeof(row.result.domain), "company-y.example");
	snprintf(row.result.host, sizeof(row.result.host), "%s", host);
	snprintf(row.result.address, sizeof(row.result.address), "%s", address);
	snprintf(row.result.own_address, sizeof(row.result.own_address), "2001:db8:abcd:12::1");
	snprintf(row.result.reason, sizeof(row.result.reason), "%s", reason);
	tlsrpt_report_add(r, &row, p);
}

static void add_example(struct tlsrpt_report *r)
{
	struct store_policy p = policy_of("company-y.example",
		"version: STSv1\nmode: testing\nmx: *.mail.company-y.example\nmax_age: 86400\n");

	add(r, POLICY_RESULT_STS, POLICY_RESULT_SUCCESS, 5000, "mx1.mail.company-y.example", "203.0.113.58", "", &p);
	add(r, POLICY_RESULT_STS, POLICY_RESULT_SUCCESS, 326, "mx2.mail.company-y.example", "203.0.113.56", "", &p);
	add(r, POLICY_RESULT_STS, POLICY_RESULT_CERTIFICATE_EXPIRED, 100, "mx1.mail.company-y.example", "203.0.113.58",
	    "", &p);
	add(r, POLICY_RESULT_STS, POLICY_RESULT_STARTTLS_NOT_SUPPORTED, 200, "mx2.mail.company-y.example", "203.0.113.56",
	    "", &p);
	add(r, POLICY_RESULT_STS, POLICY_RESULT_VALIDATION_FAILURE, 3, "mx-backup.mail.company-y.example", "203.0.113.58",
	    "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED", &p);
}

static const char example[] =
	"{\"organization-name\":\"Company-X\",\"date-range\":{\"start-datetime\":\"2016-04-01T00:00:00Z\","
	"\"end-datetime\":\"2016-04-01T23:59:59Z\"},\"contact-info\":\"sts-reporting@company-x.example\","
	"\"report-id\":\"20160401.company-y.example@gw.company-x.example\",\"policies\":[{\"policy\":{\"policy-type\":\"sts\","
	"\"policy-string\":[\"version: STSv1\",\"mode: testing\",\"mx: *.mail.company-y.example\",\"max_age: 86400\"],"
	"\"mx-host\":[\"*.mail.company-y.example\"],\"policy-domain\":\"company-y.example\"},"
	"\"summary\":{\"total-successful-session-count\":5326,\"total-failure-session-count\":303},"
	"\"failure-details\":[{\"result-type\":\"certificate-expired\",\"sending-mta-ip\":\"2001:db8:abcd:12::1\","
	"\"receiving-mx-hostname\":\"mx1.mail.company-y.example\",\"receiving-ip\":\"203.0.113.58\","
	"\"failed-session-count\":100},{\"result-type\":\"starttls-not-supported\","
	"\"sending-mta-ip\":\"2001:db8:abcd:12::1\",\"receiving-mx-hostname\":\"mx2.mail.company-y.example\","
	"\"receiving-ip\":\"203.0.113.56\",\"failed-session-count\":200},{\"result-type\":\"validation-failure\","
	"\"sending-mta-ip\":\"2001:db8:abcd:12::1\",\"receiving-mx-hostname\":\"mx-backup.mail.company-y.example\","
	"\"receiving-ip\":\"203.0.113.58\",\"failed-session-count\":3,"
	"\"failure-reason-code\":\"X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED\"}]}]}";

static void test_NEW_4_the_example_of_the_RFC(void **state)
{
	struct tlsrpt_report r;
	uint64_t good, bad;
	char *text;

	(void)state;
	tlsrpt_report_init(&r, &author, DAY, "company-y.example");
	add_example(&r);
	check_schema(r.document);
	text = tlsrpt_report_text(&r, false);
	want_text("example", span_str(text), span_str(example));
	assert_string_equal(r.filename, "company-x.example!company-y.example!1459468800!1459555199.json.gz");
	tlsrpt_report_sum(&r, &good, &bad);
	assert_true(good == 5326 && bad == 303);
	free(text);
	tlsrpt_report_free(&r);
}

static const char *field_of(const struct tlsrpt_report *r, size_t policy, const char *key)
{
	json_t *one = json_array_get(json_object_get(r->document, "policies"), policy);

	return json_string_value(json_object_get(json_object_get(one, "policy"), key));
}

/* Every kind of result, every kind of policy, with all that may be missing missing. */
static void test_NEW_4_the_schema_holds(void **state)
{
	struct store_policy tlsa = policy_of("base.example", "3 1 1 00ff\n2 0 1 0123\n");
	struct tlsrpt_report r;

	(void)state;
	tlsrpt_report_init(&r, &author, DAY, "company-y.example");
	check_schema(r.document);
	for (int type = 0; type < POLICY_RESULT_MOST; type++) {
		add(&r, POLICY_RESULT_NO_POLICY, (enum policy_result_type)type, 1, "mx.example", "192.0.2.1", "why", NULL);
		add(&r, POLICY_RESULT_STS, (enum policy_result_type)type, 2, "", "", "", NULL);
		add(&r, POLICY_RESULT_TLSA, (enum policy_result_type)type, 3, "mx1.example", "192.0.2.1", "", &tlsa);
		add(&r, POLICY_RESULT_TLSA, (enum policy_result_type)type, 3, "mx2.example", "192.0.2.1", "", NULL);
	}
	check_schema(r.document);
	assert_int_equal(json_array_size(json_object_get(r.document, "policies")), 4);
	assert_string_equal(field_of(&r, 0, "policy-type"), "no-policy-found");
	assert_string_equal(field_of(&r, 1, "policy-domain"), "company-y.example");
	assert_string_equal(field_of(&r, 2, "policy-domain"), "base.example");
	assert_string_equal(field_of(&r, 3, "policy-domain"), "mx2.example");
	tlsrpt_report_free(&r);
}

/* A repeated one can be told from a new one. */
static void test_NEW_4_the_same_id_for_the_same_day(void **state)
{
	struct tlsrpt_report a, b, c, d;

	(void)state;
	tlsrpt_report_init(&a, &author, DAY, "a.example");
	tlsrpt_report_init(&b, &author, DAY, "a.example");
	tlsrpt_report_init(&c, &author, DAY + 1, "a.example");
	tlsrpt_report_init(&d, &author, DAY, "b.example");
	add_example(&b);
	assert_string_equal(a.id, b.id);
	assert_string_not_equal(a.id, c.id);
	assert_string_not_equal(a.id, d.id);
	tlsrpt_report_free(&a);
	tlsrpt_report_free(&b);
	tlsrpt_report_free(&c);
	tlsrpt_report_free(&d);
}

/* What we send we can read. */
static void test_NEW_4_round_trip(void **state)
{
	struct buf packed, json, table;
	struct tlsrpt_report r;
	struct why why;
	char *text;

	(void)state;
	buf_init(&packed, 100000);
	buf_init(&json, TLSRPT_READ_MOST);
	buf_init(&table, TLSRPT_READ_TABLE);
	tlsrpt_report_init(&r, &author, DAY, "company-y.example");
	add_example(&r);
	text = tlsrpt_report_text(&r, false);
	assert_true(tlsrpt_gzip_pack(span_str(text), &packed));
	assert_true(tlsrpt_gzip_unpack(buf_peek(&packed), &json, &why));
	want_text("unpacked", buf_peek(&json), span_str(text));
	assert_true(tlsrpt_read_table(buf_peek(&json), &table, &why));
	want_text("table", buf_peek(&table), SPAN(
		"report 20160401.company-y.example@gw.company-x.example\n"
		"of Company-X (sts-reporting@company-x.example)\n"
		"from 2016-04-01T00:00:00Z to 2016-04-01T23:59:59Z\n"
		"policy sts of company-y.example: good 5326, failed 303\n"
		"  policy-string: version: STSv1\n"
		"  policy-string: mode: testing\n"
		"  policy-string: mx: *.mail.company-y.example\n"
		"  policy-string: max_age: 86400\n"
		"  mx-host: *.mail.company-y.example\n"
		"  failed 100: certificate-expired at mx1.mail.company-y.example [203.0.113.58] from 2001:db8:abcd:12::1\n"
		"  failed 200: starttls-not-supported at mx2.mail.company-y.example [203.0.113.56] from 2001:db8:abcd:12::1\n"
		"  failed 3: validation-failure at mx-backup.mail.company-y.example [203.0.113.58] from 2001:db8:abcd:12::1"
		" (X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED)\n"));
	free(text);
	tlsrpt_report_free(&r);
	buf_free(&packed);
	buf_free(&json);
	buf_free(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_NEW_4_the_example_of_the_RFC),
		cmocka_unit_test(test_NEW_4_the_schema_holds),
		cmocka_unit_test(test_NEW_4_the_same_id_for_the_same_day),
		cmocka_unit_test(test_NEW_4_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
