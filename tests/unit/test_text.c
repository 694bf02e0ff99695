#include "unit.h"

#include "base/text.h"

static const struct {
	const char *name;
	int64_t n;
	const char *want;
} numbers[] = {
	{ "nought",            0,         "0" },
	{ "one digit",         7,         "7" },
	{ "a nought behind",   120,       "120" },
	{ "below nought",      -45,       "-45" },
	{ "the largest",       INT64_MAX, "9223372036854775807" },
	{ "the smallest",      INT64_MIN, "-9223372036854775808" },
};

static void test_number(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		char mem[TEXT_NUMBER_MOST];
		struct text t;

		text_begin(&t, mem, sizeof(mem));
		text_number(&t, numbers[i].n);
		print_message("%s\n", numbers[i].name);
		assert_string_equal(mem, numbers[i].want);
		assert_int_equal(t.len, strlen(numbers[i].want));
	}
}

static void test_pieces(void **state)
{
	const unsigned char octets[] = { 0x00, 0x0f, 0xa0, 0xff };
	char mem[32];
	struct text t;

	(void)state;
	text_begin(&t, mem, sizeof(mem));
	assert_string_equal(mem, "");
	text_add(&t, "at ");
	text_digits(&t, 7, 2);
	text_put(&t, SPAN(":"));
	text_digits(&t, 1234, 2);
	text_put(&t, span_of(NULL, 0));
	text_put(&t, SPAN(" "));
	text_hex(&t, octets, sizeof(octets));
	assert_string_equal(mem, "at 07:34 000fa0ff");
}

static void test_copy_is_cut(void **state)
{
	char four[4] = "xxx";

	(void)state;
	text_copy(four, sizeof(four), "abcdef");
	assert_string_equal(four, "abc");
	text_copy(four, sizeof(four), "ab");
	assert_string_equal(four, "ab");
	text_copy(four, sizeof(four), NULL);
	assert_string_equal(four, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_copy_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
