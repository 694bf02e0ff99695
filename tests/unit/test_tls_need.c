#include "unit.h"

#include "tls/tls_need.h"

#define TLS(b) { .on = true, .bits = (b) }
#define CLEAR(a) { .absent = (a) }
#define CHECKED(v, text) { .on = true, .bits = 256, .verified = (v), .verify_text = text }

struct row {
	const char *name;
	struct tls_need need;
	struct tls_facts facts;
	const char *why; /* "": met */
};

static void check(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct why why = { 0 };
		bool met = need_met(&rows[i].need, &rows[i].facts, &why);

		if (met != (rows[i].why[0] == '\0'))
			fail_msg("%s: %s (%s)", rows[i].name, met ? "met" : "not met", why.text);
		want_text(rows[i].name, span_str(why.text), span_str(rows[i].why));
		if (!met)
			want_text(rows[i].name, span_str(fault_name(why.fault)), SPAN("policy"));
	}
}

static void test_GC_2_the_text_is_sendmails(void **state)
{
	static const struct row rows[] = {
		{ "no TLS", { NEED_ENCRYPT, 112 }, CLEAR(TLS_ABSENT_NOT_OFFERED),
		  "encryption too weak 0 less than 112" },
		{ "no TLS under may", { NEED_MAY, 112 }, CLEAR(TLS_ABSENT_NOT_OFFERED),
		  "encryption too weak 0 less than 112" },
		{ "STARTTLS refused", { NEED_ENCRYPT, 128 }, CLEAR(TLS_ABSENT_REFUSED),
		  "encryption too weak 0 less than 128" },
		{ "3DES", { NEED_ENCRYPT, 128 }, TLS(112), "encryption too weak 112 less than 128" },
		{ "verified but weak", { NEED_VERIFY, 256 },
		  { .on = true, .bits = 128, .verified = TLS_VERIFIED_OK },
		  "encryption too weak 128 less than 256" },
	};

	(void)state;
	check(rows, ROWS(rows));
}

static void test_GC_5_bits(void **state)
{
	static const struct row rows[] = {
		{ "AES-128 for 112", { NEED_ENCRYPT, 112 }, TLS(128), "" },
		{ "AES-256 for 112", { NEED_ENCRYPT, 112 }, TLS(256), "" },
		{ "3DES for 112",    { NEED_ENCRYPT, 112 }, TLS(112), "" },
		{ "AES-256 for 256", { NEED_ENCRYPT, 256 }, TLS(256), "" },
		{ "AES-128 for 256", { NEED_ENCRYPT, 256 }, TLS(128),
		  "encryption too weak 128 less than 256" },
		{ "no bits and none asked", { NEED_ENCRYPT, 0 }, TLS(0), "" },
		{ "one too few",     { NEED_MAY, 113 }, TLS(112),
		  "encryption too weak 112 less than 113" },
		{ "bits without TLS are none", { NEED_ENCRYPT, 112 },
		  { .absent = TLS_ABSENT_NOT_OFFERED, .bits = 256 },
		  "encryption too weak 0 less than 112" },
	};

	(void)state;
	check(rows, ROWS(rows));
}

static void test_GC_6_no_identity_asked(void **state)
{
	static const struct row rows[] = {
		{ "self-signed", { NEED_ENCRYPT, 112 },
		  CHECKED(TLS_VERIFIED_BAD, "self-signed certificate"), "" },
		{ "nobody looked", { NEED_ENCRYPT, 112 }, CHECKED(TLS_VERIFIED_NOT, ""), "" },
	};

	(void)state;
	check(rows, ROWS(rows));
}

static void test_GC_7_a_failed_handshake_is_another_reason(void **state)
{
	static const struct row rows[] = {
		{ "encrypt",            { NEED_ENCRYPT, 0 }, CLEAR(TLS_ABSENT_FAILED),
		  "TLS handshake failed" },
		{ "verify",             { NEED_VERIFY, 0 }, CLEAR(TLS_ABSENT_FAILED),
		  "TLS handshake failed" },
		{ "with a strength",    { NEED_ENCRYPT, 112 }, CLEAR(TLS_ABSENT_FAILED),
		  "TLS handshake failed" },
		{ "may with a strength", { NEED_MAY, 112 }, CLEAR(TLS_ABSENT_FAILED),
		  "TLS handshake failed" },
		{ "may",                { NEED_MAY, 0 }, CLEAR(TLS_ABSENT_FAILED), "" },
	};

	(void)state;
	check(rows, ROWS(rows));
}

static void test_PP_6_only_TLS(void **state)
{
	static const struct row rows[] = {
		{ "not offered", { NEED_ENCRYPT, 0 }, CLEAR(TLS_ABSENT_NOT_OFFERED),
		  "TLS is required but was not offered" },
		{ "refused", { NEED_ENCRYPT, 0 }, CLEAR(TLS_ABSENT_REFUSED),
		  "TLS is required but STARTTLS was refused" },
		{ "not tried", { NEED_ENCRYPT, 0 }, CLEAR(TLS_ABSENT_UNWANTED),
		  "TLS is required but was not tried" },
		{ "facts that nobody filled in", { NEED_ENCRYPT, 0 }, CLEAR(TLS_ABSENT_NOT),
		  "TLS is required but is not on" },
		{ "a bad certificate will do", { NEED_ENCRYPT, 0 },
		  CHECKED(TLS_VERIFIED_BAD, "certificate has expired"), "" },
		{ "may does without", { NEED_MAY, 0 }, CLEAR(TLS_ABSENT_NOT_OFFERED), "" },
		{ "none does without", { NEED_NONE, 0 }, CLEAR(TLS_ABSENT_UNWANTED), "" },
		{ "TLS under none", { NEED_NONE, 0 }, TLS(256), "" },
	};

	(void)state;
	check(rows, ROWS(rows));
}

static void test_PP_7_completely_secure(void **state)
{
	static const struct row rows[] = {
		{ "verified", { NEED_VERIFY, 0 }, CHECKED(TLS_VERIFIED_OK, "verified for mx"), "" },
		{ "expired", { NEED_VERIFY, 0 }, CHECKED(TLS_VERIFIED_BAD, "certificate has expired"),
		  "certificate not verified: certificate has expired" },
		{ "nobody looked", { NEED_VERIFY, 0 }, CHECKED(TLS_VERIFIED_NOT, ""),
		  "certificate not verified: nobody looked at it" },
		{ "no TLS", { NEED_VERIFY, 0 }, CLEAR(TLS_ABSENT_NOT_OFFERED),
		  "TLS is required but was not offered" },
	};

	(void)state;
	check(rows, ROWS(rows));
}

#define DANE(d, v, text) { .on = true, .bits = 256, .dane = (d), .verified = (v), .verify_text = text }

static void test_NEW_3_dane(void **state)
{
	static const struct row rows[] = {
		{ "met", { NEED_DANE, 0 }, DANE(true, TLS_VERIFIED_OK, "DANE-EE matched"), "" },
		{ "not met", { NEED_DANE, 0 },
		  DANE(true, TLS_VERIFIED_BAD, "no TLSA record matches the certificate"),
		  "certificate not verified by DANE: no TLSA record matches the certificate" },
		/* A root that knows the host is no answer to its records. */
		{ "verified otherwise", { NEED_DANE, 0 }, DANE(false, TLS_VERIFIED_OK, "verified for mx"),
		  "certificate not verified by DANE: no usable TLSA record" },
		{ "nobody looked", { NEED_DANE, 0 }, DANE(false, TLS_VERIFIED_NOT, ""),
		  "certificate not verified by DANE: no usable TLSA record" },
		{ "no TLS", { NEED_DANE, 0 }, CLEAR(TLS_ABSENT_NOT_OFFERED),
		  "TLS is required but was not offered" },
		{ "refused", { NEED_DANE, 0 }, CLEAR(TLS_ABSENT_REFUSED),
		  "TLS is required but STARTTLS was refused" },
		{ "too weak", { NEED_DANE, 257 }, DANE(true, TLS_VERIFIED_OK, "DANE-EE matched"),
		  "encryption too weak 256 less than 257" },
		{ "more than verify", { NEED_VERIFY, 0 }, DANE(true, TLS_VERIFIED_OK, "DANE-EE matched"), "" },
		{ "not met under verify", { NEED_VERIFY, 0 }, DANE(true, TLS_VERIFIED_BAD, "no"),
		  "certificate not verified: no" },
		{ "not met under encrypt", { NEED_ENCRYPT, 0 }, DANE(true, TLS_VERIFIED_BAD, "no"), "" },
	};

	(void)state;
	check(rows, ROWS(rows));
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(need_level_name(NEED_NONE), "none");
	assert_string_equal(need_level_name(NEED_MAY), "may");
	assert_string_equal(need_level_name(NEED_ENCRYPT), "encrypt");
	assert_string_equal(need_level_name(NEED_VERIFY), "verify");
	assert_string_equal(need_level_name(NEED_DANE), "dane");
	assert_string_equal(tls_absent_name(TLS_ABSENT_NOT), "on");
	assert_string_equal(tls_absent_name(TLS_ABSENT_UNWANTED), "unwanted");
	assert_string_equal(tls_absent_name(TLS_ABSENT_NOT_OFFERED), "not-offered");
	assert_string_equal(tls_absent_name(TLS_ABSENT_REFUSED), "refused");
	assert_string_equal(tls_absent_name(TLS_ABSENT_FAILED), "failed");
	assert_string_equal(tls_verified_name(TLS_VERIFIED_NOT), "no");
	assert_string_equal(tls_verified_name(TLS_VERIFIED_OK), "ok");
	assert_string_equal(tls_verified_name(TLS_VERIFIED_BAD), "bad");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_GC_2_the_text_is_sendmails),
		cmocka_unit_test(test_GC_5_bits),
		cmocka_unit_test(test_GC_6_no_identity_asked),
		cmocka_unit_test(test_GC_7_a_failed_handshake_is_another_reason),
		cmocka_unit_test(test_PP_6_only_TLS),
		cmocka_unit_test(test_PP_7_completely_secure),
		cmocka_unit_test(test_NEW_3_dane),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
