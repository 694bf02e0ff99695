#include "base/must.h"
#include "proc/tally.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct addr at(const char *text)
{
	struct addr a;

	must(addr_read(span_str(text), &a));
	return a;
}

static struct addr numbered(unsigned n)
{
	char text[64];

	snprintf(text, sizeof(text), "10.0.%u.%u:25", n / 256, n % 256);
	return at(text);
}

/* 0: it has no place. */
static uint64_t count_of(const struct tally *t, const struct addr *a)
{
	uint64_t count, found = 0;
	struct addr other;

	for (size_t i = 0; i < TALLY_PLACES; i++) {
		if (!tally_at(t, i, &other, &count) || !addr_eq(a, &other))
			continue;
		assert_int_equal(found, 0); /* one has one place */
		found = count;
	}
	return found;
}

static size_t taken(const struct tally *t)
{
	struct addr a;
	uint64_t count;
	size_t n = 0;

	for (size_t i = 0; i < TALLY_PLACES; i++)
		n += tally_at(t, i, &a, &count);
	return n;
}

static int setup(void **state)
{
	*state = mem_new(sizeof(struct tally));
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void test_MC_2_each_address_apart(void **state)
{
	static const char *const all[] = {
		"192.0.2.1:25", "192.0.2.1:587", "192.0.2.2:25", "[2001:db8::1]:25", "[2001:db8:0:1::1]:25", "[2001:db8::1]:587",
	};
	struct tally *t = *state;

	for (unsigned i = 0; i < ROWS(all); i++) {
		struct addr a = at(all[i]);

		for (unsigned n = 0; n <= i; n++)
			tally_add(t, &a, 1, 5);
	}
	for (unsigned i = 0; i < ROWS(all); i++) {
		struct addr a = at(all[i]);

		want_number(all[i], "count", count_of(t, &a), i + 1);
	}
	assert_int_equal(taken(t), ROWS(all));
}

static void test_MC_2_IPv4_in_IPv6_is_the_same(void **state)
{
	struct addr mapped = at("[::ffff:192.0.2.1]:25"), plain = at("192.0.2.1:25");

	tally_add(*state, &mapped, 1, 0);
	tally_add(*state, &plain, 1, 0);
	assert_int_equal(count_of(*state, &plain), 2);
}

static void test_MC_2_the_least_recent_goes(void **state)
{
	struct tally *t = *state;
	struct addr a;

	for (unsigned i = 0; i < TALLY_PLACES; i++) {
		a = numbered(i);
		tally_add(t, &a, 1, 10 + i);
	}
	a = numbered(0);
	tally_add(t, &a, 1, 9999); /* counted first, and last as well */
	a = numbered(5000);
	tally_add(t, &a, 1, 10000);
	assert_int_equal(taken(t), TALLY_PLACES);
	assert_int_equal(count_of(t, &a), 1);
	a = numbered(0);
	assert_int_equal(count_of(t, &a), 2);
	a = numbered(1);
	assert_int_equal(count_of(t, &a), 0);
	a = numbered(2);
	assert_int_equal(count_of(t, &a), 1);
}

static void test_MC_2_what_is_older_than_all_has_no_place(void **state)
{
	struct tally *t = *state;
	struct addr a;

	for (unsigned i = 0; i < TALLY_PLACES; i++) {
		a = numbered(i);
		tally_add(t, &a, 1, 100);
	}
	a = numbered(5000);
	tally_add(t, &a, 1, 99);
	assert_int_equal(count_of(t, &a), 0);
	a = numbered(7);
	tally_add(t, &a, 1, 99);
	assert_int_equal(count_of(t, &a), 2);
}

static void test_MC_2_folded(void **state)
{
	struct tally *t = *state, *other = mem_new(sizeof(*other));
	struct addr a = numbered(1), b = numbered(2), c = numbered(3);

	tally_add(t, &a, 3, 1);
	tally_add(t, &b, 1, 2);
	tally_add(other, &a, 4, 5);
	tally_add(other, &c, 9, 6);
	tally_fold(t, other);
	assert_int_equal(count_of(t, &a), 7);
	assert_int_equal(count_of(t, &b), 1);
	assert_int_equal(count_of(t, &c), 9);
	tally_clear(other);
	assert_int_equal(taken(other), 0);
	free(other);
}

/* FAULTS 28: killed while it wrote. The place is nobody's until the table is cleared; then it is good again. */
static void test_FAULTS_28_a_writer_that_died_within(void **state)
{
	struct tally *t = *state;
	struct addr a = numbered(1);

	tally_add(t, &a, 3, 1);
	t->places[0].turn++;
	assert_int_equal(taken(t), 0);
	tally_clear(t);
	tally_add(t, &a, 1, 1);
	assert_int_equal(count_of(t, &a), 1);
}

/* A reader never sees the count of one address under the name of another: here all counts of an address are multiples
 * of its number. */
static void write_much(struct tally *t)
{
	for (unsigned i = 0; i < 20000; i++) {
		unsigned n = 1 + (i * 7919) % (4 * TALLY_PLACES);
		struct addr a = numbered(n);

		tally_add(t, &a, n, i);
	}
}

static void test_NEW_25_read_while_written(void **state)
{
	struct tally *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t pid;

	(void)state;
	assert_true(t != MAP_FAILED);
	pid = fork();
	if (pid == 0) {
		write_much(t);
		_exit(0);
	}
	do {
		for (size_t i = 0; i < TALLY_PLACES; i++) {
			uint64_t count;
			struct addr a;

			if (tally_at(t, i, &a, &count))
				assert_int_equal(count % (ntohl(a.in.sin_addr.s_addr) & 0xffff), 0);
		}
	} while (waitpid(pid, &status, WNOHANG) == 0);
	assert_int_equal(status, 0);
	assert_int_equal(taken(t), TALLY_PLACES);
	munmap(t, sizeof(*t));
}

#define WITH_TALLY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TALLY(test_MC_2_each_address_apart),
		WITH_TALLY(test_MC_2_IPv4_in_IPv6_is_the_same),
		WITH_TALLY(test_MC_2_the_least_recent_goes),
		WITH_TALLY(test_MC_2_what_is_older_than_all_has_no_place),
		WITH_TALLY(test_MC_2_folded),
		WITH_TALLY(test_FAULTS_28_a_writer_that_died_within),
		cmocka_unit_test(test_NEW_25_read_while_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
