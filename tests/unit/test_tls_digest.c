#include "tls/tls_digest.h"
#include "unit.h"

#include <string.h>

static void test_NEW_27_hashed_addresses(void **state)
{
	char a[TLS_DIGEST_HEX + 1], again[TLS_DIGEST_HEX + 1], other[TLS_DIGEST_HEX + 1];
	char key[TLS_DIGEST_HEX + 1];

	(void)state;
	tls_digest(1, SPAN("a@x.example"), a);
	tls_digest(1, SPAN("a@x.example"), again);
	tls_digest(1, SPAN("b@x.example"), other);
	tls_digest(2, SPAN("a@x.example"), key);
	assert_int_equal(strlen(a), TLS_DIGEST_HEX);
	assert_string_equal(a, again);
	assert_string_not_equal(a, other);
	assert_string_not_equal(a, key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_NEW_27_hashed_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
