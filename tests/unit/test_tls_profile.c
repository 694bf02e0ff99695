#include "unit.h"

#include "tls/tls_inside.h"

static struct tls_profile base(void)
{
	return *tls_profile_builtin("intermediate");
}

static void test_builtins_can_be_used(void **state)
{
	static const char *const names[] = { "modern", "intermediate", "legacy" };

	(void)state;
	for (size_t i = 0; i < ROWS(names); i++) {
		struct why why = { 0 };
		char skipped[TLS_LIST_MOST];

		assert_non_null(tls_profile_builtin(names[i]));
		if (!tls_profile_check(tls_profile_builtin(names[i]), skipped, sizeof(skipped), &why))
			fail_msg("%s: %s", names[i], why.text);
	}
	assert_null(tls_profile_builtin("Modern"));
	assert_null(tls_profile_builtin(""));
}

static void test_NEW_14_floor(void **state)
{
	(void)state;
	assert_int_equal(tls_profile_builtin("modern")->min, TLS_1_3);
	assert_int_equal(tls_profile_builtin("intermediate")->min, TLS_1_2);
	assert_int_equal(tls_profile_builtin("legacy")->min, TLS_1_0);
}

/* Whatever the lists look like: no RC4, no 3DES, no CBC, nothing that is not forward secret. */
static void test_NEW_14_ciphers(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	struct why why = { 0 };
	STACK_OF(SSL_CIPHER) *all;

	(void)state;
	assert_true(tls_profile_apply(tls_profile_builtin("intermediate"), ctx, NULL, 0, &why));
	all = SSL_CTX_get_ciphers(ctx);
	assert_int_equal(sk_SSL_CIPHER_num(all), 9);
	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);
		const char *name = SSL_CIPHER_get_name(c);

		if (SSL_CIPHER_is_aead(c) != 1 || SSL_CIPHER_get_bits(c, NULL) < 128)
			fail_msg("%s is not AEAD with 128 bits", name);
		if (strncmp(name, "TLS_", 4) != 0 && strncmp(name, "ECDHE-", 6) != 0)
			fail_msg("%s is not forward secret", name);
	}
	SSL_CTX_free(ctx);
}

/* Whatever OpenSSL is at hand: what it knows is used, what it does not is named. */
static void test_NEW_10_unknown_groups_are_skipped(void **state)
{
	static const struct {
		const char *name, *groups, *skipped;
		bool fine;
	} rows[] = {
		{ "all known",         "X25519:secp256r1", "", true },
		{ "one unknown",       "NOSUCHGROUP:X25519", "NOSUCHGROUP", true },
		{ "two unknown",       "X25519:NOSUCH1:secp256r1:NOSUCH2", "NOSUCH1:NOSUCH2", true },
		{ "NIST's names",      "P-256:P-384", "", true },
		{ "spaces",            " X25519 : secp256r1 ", "", true },
		{ "empty places",      "::X25519::", "", true },
		{ "none known",        "NOSUCHGROUP", "NOSUCHGROUP", false },
		{ "none",              "", "", false },
		{ "a word, not a group", "DEFAULT:X25519", "DEFAULT", true },
		{ "syntax is no name", "?X25519:*secp256r1:X25519/secp256r1:secp384r1",
		  "?X25519:*secp256r1:X25519/secp256r1", true },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct tls_profile p = base();
		char skipped[TLS_LIST_MOST] = "left from before";
		struct why why = { 0 };

		snprintf(p.groups, sizeof(p.groups), "%s", rows[i].groups);
		if (tls_profile_check(&p, skipped, sizeof(skipped), &why) != rows[i].fine)
			fail_msg("%s: %s", rows[i].name, rows[i].fine ? why.text : "taken");
		want_text(rows[i].name, span_str(skipped), span_str(rows[i].skipped));
		assert_int_equal(tls_profile_check(&p, NULL, 0, &why), rows[i].fine);
	}
}

static void test_NEW_10_the_hybrid_group_comes_first(void **state)
{
	(void)state;
	assert_int_equal(strncmp(base().groups, "X25519MLKEM768:X25519:", 22), 0);
}

static void test_skipped_is_cut(void **state)
{
	struct tls_profile p = base();
	char skipped[8];
	struct why why = { 0 };

	(void)state;
	snprintf(p.groups, sizeof(p.groups), "NOSUCHGROUP:NOSUCHEITHER:X25519");
	assert_true(tls_profile_check(&p, skipped, sizeof(skipped), &why));
	assert_string_equal(skipped, "NOSUCHG");
}

static void test_ciphers_and_versions(void **state)
{
	static const struct {
		const char *name, *ciphers, *suites;
		enum tls_version min, max;
		const char *why; /* how it begins; "": fine */
	} rows[] = {
		{ "both",  "ECDHE-RSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256", TLS_1_2, TLS_1_3, "" },
		{ "one of two unknown", "NOSUCH:ECDHE-RSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256",
		  TLS_1_2, TLS_1_3, "" },
		{ "no known cipher", "NOSUCH", "TLS_AES_128_GCM_SHA256", TLS_1_2, TLS_1_3,
		  "ciphers for TLS 1.2 and older" },
		{ "no cipher", "", "TLS_AES_128_GCM_SHA256", TLS_1_2, TLS_1_3,
		  "ciphers for TLS 1.2 and older" },
		{ "no cipher and no need of one", "", "TLS_AES_128_GCM_SHA256", TLS_1_3, TLS_1_3, "" },
		{ "no known suite", "ECDHE-RSA-AES128-GCM-SHA256", "TLS_NO_SUCH", TLS_1_2, TLS_1_3,
		  "ciphersuites for TLS 1.3" },
		{ "no suite", "ECDHE-RSA-AES128-GCM-SHA256", "", TLS_1_2, TLS_1_3,
		  "ciphersuites for TLS 1.3" },
		{ "no suite and no need of one", "ECDHE-RSA-AES128-GCM-SHA256", "", TLS_1_2, TLS_1_2,
		  "" },
		{ "upside down", "ECDHE-RSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256", TLS_1_3,
		  TLS_1_2, "the smallest TLS version is above the greatest" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct tls_profile p = base();
		struct why why = { 0 };
		bool fine;

		p.min = rows[i].min;
		p.max = rows[i].max;
		snprintf(p.ciphers, sizeof(p.ciphers), "%s", rows[i].ciphers);
		snprintf(p.ciphersuites, sizeof(p.ciphersuites), "%s", rows[i].suites);
		fine = tls_profile_check(&p, NULL, 0, &why);
		if (fine != (rows[i].why[0] == '\0') ||
		    strncmp(why.text, rows[i].why, strlen(rows[i].why)) != 0)
			fail_msg("%s: %s", rows[i].name, fine ? "taken" : why.text);
	}
}

/* SPEC WG-13. What was thrown out does not come back through the level of a list. */
static void test_WG_13_pfs(void **state)
{
	static const struct {
		const char *name, *ciphers;
		enum tls_version min;
		const char *first; /* of what is left; NULL: nothing */
		int count;
	} rows[] = {
		{ "both kinds", "AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256:"
		  "AES256-GCM-SHA384", TLS_1_2, "ECDHE-RSA-AES128-GCM-SHA256", 2 },
		{ "with a level", "AES128-SHA:ECDHE-RSA-AES128-SHA:@SECLEVEL=0", TLS_1_0,
		  "ECDHE-RSA-AES128-SHA", 1 },
		{ "none", "AES128-SHA:AES256-GCM-SHA384", TLS_1_2, NULL, 0 },
		{ "every one there is", "ALL:COMPLEMENTOFALL:@SECLEVEL=0", TLS_1_0, "", 0 },
		{ "TLS 1.3 asks no list", "", TLS_1_3, "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		SSL_CTX *ctx = SSL_CTX_new(TLS_method());
		struct tls_profile p = base();
		struct why why = { 0 };
		int count = 0;

		p.min = rows[i].min;
		p.pfs_required = true;
		snprintf(p.ciphers, sizeof(p.ciphers), "%s", rows[i].ciphers);
		if (tls_profile_apply(&p, ctx, NULL, 0, &why) != (rows[i].first != NULL))
			fail_msg("%s: %s", rows[i].name, why.text);
		for (int k = 0; rows[i].first != NULL && k < sk_SSL_CIPHER_num(SSL_CTX_get_ciphers(ctx)); k++) {
			const SSL_CIPHER *c = sk_SSL_CIPHER_value(SSL_CTX_get_ciphers(ctx), k);
			const char *name = SSL_CIPHER_get_name(c);

			if (strncmp(name, "TLS_", 4) == 0 || p.min == TLS_1_3)
				continue;
			if (strstr(name, "DHE") == NULL && strncmp(name, "ADH-", 4) != 0 &&
			    strncmp(name, "AECDH-", 6) != 0)
				fail_msg("%s: %s", rows[i].name, name);
			if (count++ == 0 && rows[i].first[0] != '\0')
				want_text(rows[i].name, span_str(name), span_str(rows[i].first));
		}
		if (rows[i].count > 0)
			assert_int_equal(count, rows[i].count);
		if (rows[i].min == TLS_1_0)
			assert_int_equal(SSL_CTX_get_security_level(ctx), 0);
		if (rows[i].first == NULL)
			assert_string_equal(why.text, "ciphers for TLS 1.2 and older: none is forward "
					    "secret, and pfs is required");
		SSL_CTX_free(ctx);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_builtins_can_be_used),
		cmocka_unit_test(test_NEW_14_floor),
		cmocka_unit_test(test_NEW_14_ciphers),
		cmocka_unit_test(test_NEW_10_unknown_groups_are_skipped),
		cmocka_unit_test(test_NEW_10_the_hybrid_group_comes_first),
		cmocka_unit_test(test_skipped_is_cut),
		cmocka_unit_test(test_ciphers_and_versions),
		cmocka_unit_test(test_WG_13_pfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
