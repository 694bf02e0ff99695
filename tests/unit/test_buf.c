#include "base/buf.h"
#include "unit.h"

static void test_buf_ceiling(void **state)
{
	struct buf b;
	size_t got;
	char *at;

	(void)state;
	buf_init(&b, 5);
	assert_true(buf_put(&b, SPAN("abc")));
	assert_false(buf_put(&b, SPAN("def")));
	want_text("all or nothing", buf_peek(&b), SPAN("abc"));
	assert_int_equal(buf_space(&b), 2);
	assert_false(buf_printf(&b, "%d", 123));
	at = buf_reserve(&b, 100, &got);
	assert_int_equal(got, 2);
	memcpy(at, "de", 2);
	buf_commit(&b, 2);
	want_text("filled in place", buf_peek(&b), SPAN("abcde"));
	at = buf_reserve(&b, 1, &got);
	assert_null(at);
	assert_int_equal(got, 0);
	assert_true(buf_put(&b, SPAN("")));
	buf_consume(&b, 1);
	assert_true(buf_printf(&b, "%c", 'f'));
	want_text("room again", buf_peek(&b), SPAN("bcdef"));
	buf_free(&b);
	assert_int_equal(buf_space(&b), 5);
}

/* Where nothing waits the memory changes hands; the ceilings stay whose they were. */
static void test_buf_move(void **state)
{
	struct buf from, to;
	const char *at;

	(void)state;
	buf_init(&from, 10);
	buf_init(&to, 6);
	assert_true(buf_put(&from, SPAN("abcd")));
	at = buf_peek(&from).at;
	buf_move(&to, &from);
	assert_ptr_equal(buf_peek(&to).at, at);
	want_text("all of it", buf_peek(&to), SPAN("abcd"));
	assert_int_equal(buf_space(&to), 2);
	assert_int_equal(buf_space(&from), 10);
	assert_true(buf_put(&from, SPAN("efgh")));
	buf_move(&to, &from);
	want_text("as much as fits", buf_peek(&to), SPAN("abcdef"));
	want_text("the rest", buf_peek(&from), SPAN("gh"));
	buf_move(&to, &from);
	want_text("no room", buf_peek(&to), SPAN("abcdef"));
	buf_free(&to);
	assert_true(buf_put(&from, SPAN("ijklmnop")));
	buf_move(&to, &from);
	want_text("more than the ceiling", buf_peek(&to), SPAN("ghijkl"));
	want_text("its rest", buf_peek(&from), SPAN("mnop"));
	buf_free(&from);
	buf_free(&to);
	buf_move(&to, &from);
	assert_int_equal(buf_used(&to), 0);
}

/* An idle session owns no buffer. */
static void test_buf_idle_owns_nothing(void **state)
{
	struct buf b;
	size_t got;

	(void)state;
	buf_init(&b, 1 << 20);
	assert_null(b.mem);
	assert_true(buf_put(&b, SPAN("abc")));
	buf_consume(&b, 3);
	assert_null(b.mem);
	buf_reserve(&b, 4096, &got);
	assert_int_equal(got, 4096);
	buf_commit(&b, 0);
	assert_null(b.mem);
	buf_shrink(&b);
	assert_null(b.mem);
	assert_int_equal(buf_peek(&b).len, 0);
	assert_non_null(buf_peek(&b).at);
}

static void test_buf_shrink(void **state)
{
	static char big[20000];
	struct buf b;

	(void)state;
	memset(big, 'x', sizeof(big));
	buf_init(&b, 65536);
	assert_true(buf_put(&b, span_of(big, sizeof(big))) && buf_put(&b, SPAN("tail")));
	buf_consume(&b, sizeof(big));
	buf_shrink(&b);
	assert_true(b.room <= 128);
	want_text("kept", buf_peek(&b), SPAN("tail"));
	assert_true(buf_put(&b, span_of(big, sizeof(big))));
	assert_int_equal(buf_used(&b), sizeof(big) + 4);
	buf_free(&b);
}

static void test_buf_printf_long(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 5000);
	for (int len = 1020; len < 1030; len++) {
		assert_true(buf_printf(&b, "%0*d", len, 7));
		assert_int_equal(buf_used(&b), len);
		assert_int_equal(buf_peek(&b).at[len - 1], '7');
		buf_consume(&b, buf_used(&b));
	}
	assert_false(buf_printf(&b, "%0*d", 5001, 7));
	assert_int_equal(buf_used(&b), 0);
	buf_free(&b);
}

/* Against a model: the same bytes come out in the same order, never more than the ceiling. */
static void test_buf_is_a_queue(void **state)
{
	unsigned seed = 1, in = 0, out = 0;
	struct buf b;

	(void)state;
	buf_init(&b, 3000);
	for (int turn = 0; turn < 20000; turn++) {
		unsigned char chunk[1500];
		size_t len;

		seed = seed * 1103515245u + 12345u;
		len = (seed >> 16) % sizeof(chunk);
		for (size_t i = 0; i < len; i++)
			chunk[i] = (unsigned char)((in + i) % 251);
		if (buf_put(&b, span_of(chunk, len)))
			in += (unsigned)len;
		else
			assert_true(buf_used(&b) + len > 3000);
		seed = seed * 1103515245u + 12345u;
		len = (seed >> 16) % (buf_used(&b) + 1);
		for (size_t i = 0; i < len; i++)
			assert_int_equal((unsigned char)buf_peek(&b).at[i], (out + i) % 251);
		buf_consume(&b, len);
		out += (unsigned)len;
		assert_int_equal(buf_used(&b), in - out);
		assert_true(b.room <= 3000);
		if (turn % 7 == 0)
			buf_shrink(&b);
	}
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf_ceiling),
		cmocka_unit_test(test_buf_idle_owns_nothing),
		cmocka_unit_test(test_buf_move),
		cmocka_unit_test(test_buf_shrink),
		cmocka_unit_test(test_buf_printf_long),
		cmocka_unit_test(test_buf_is_a_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
