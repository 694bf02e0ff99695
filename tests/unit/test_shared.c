#include "proc/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
	*state = shared_private();
	return 0;
}

static int teardown(void **state)
{
	shared_unmap(*state);
	return 0;
}

static bool enter(struct shared *s, int slot, uint64_t key, unsigned most, unsigned most_per_addr)
{
	bool by_addr;

	return shared_enter(s, slot, 0, most, key, most_per_addr, &by_addr);
}

static void test_every_count_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int a = 0; a < COUNT_MOST; a++) {
		assert_non_null(shared_count_name(a));
		for (int b = 0; b < a; b++)
			assert_string_not_equal(shared_count_name(a), shared_count_name(b));
	}
}

static void test_slots_are_bounded(void **state)
{
	struct shared *s = *state;

	assert_int_equal(shared_slots_free(s), SHARED_SLOTS - 1);
	for (int i = 1; i < SHARED_SLOTS; i++)
		assert_int_equal(shared_slot_take(s), i);
	assert_int_equal(shared_slot_take(s), -1);
	assert_int_equal(shared_slots_free(s), 0);
	shared_slot_clear(s, 77);
	assert_int_equal(shared_slots_free(s), 1);
	assert_int_equal(shared_slot_take(s), 77);
}

/* FAULTS 28: what a dead edge counted stays counted, what it held does not. */
static void test_FAULTS_28_clear(void **state)
{
	struct shared *s = *state;
	int slot = shared_slot_take(s);

	shared_add(s, 0, COUNT_MESSAGES, 1);
	shared_add(s, slot, COUNT_MESSAGES, 41);
	assert_true(enter(s, slot, 5, 1, 1));
	assert_false(enter(s, slot, 5, 1, 1));
	assert_int_equal(shared_sum(s, COUNT_MESSAGES), 42);
	shared_slot_clear(s, slot);
	assert_int_equal(shared_sum(s, COUNT_MESSAGES), 42);
	slot = shared_slot_take(s);
	assert_int_equal(shared_sum(s, COUNT_MESSAGES), 42);
	assert_true(enter(s, slot, 5, 1, 1));
}

static uint64_t stripped_at(const struct shared *s, const struct addr *target)
{
	struct tally *all = calloc(1, sizeof(*all));
	uint64_t count, found = 0;
	struct addr a;

	assert_non_null(all);
	shared_stripped_sum(s, all);
	for (size_t i = 0; i < TALLY_PLACES; i++) {
		if (tally_at(all, i, &a, &count) && addr_eq(&a, target))
			found = count;
	}
	free(all);
	return found;
}

/* FAULTS 28: here too what a dead edge counted stays counted. */
static void test_FAULTS_28_MC_2_stripped(void **state)
{
	struct shared *s = *state;
	int a = shared_slot_take(s), b = shared_slot_take(s);
	struct addr one, two;

	assert_true(addr_read(SPAN("192.0.2.1:25"), &one) && addr_read(SPAN("[2001:db8::1]:25"), &two));
	shared_stripped(s, a, &one, 1);
	shared_stripped(s, a, &two, 2);
	shared_stripped(s, b, &one, 3);
	assert_int_equal(stripped_at(s, &one), 2);
	shared_slot_clear(s, a);
	assert_int_equal(stripped_at(s, &one), 2);
	assert_int_equal(stripped_at(s, &two), 1);
	assert_int_equal(shared_slot_take(s), a);
	shared_stripped(s, a, &one, 4);
	assert_int_equal(stripped_at(s, &one), 3);
	assert_int_equal(shared_sum(s, COUNT_STRIPPED_LEFT), 4);
}

static void test_limits_hold_over_all_slots(void **state)
{
	struct shared *s = *state;
	int a = shared_slot_take(s), b = shared_slot_take(s);
	bool by_addr;

	assert_true(enter(s, a, 1, 3, 2));
	assert_true(enter(s, b, 1, 3, 2));
	assert_false(shared_enter(s, a, 0, 3, 1, 2, &by_addr));
	assert_true(by_addr);
	assert_true(enter(s, a, 2, 3, 2));
	assert_false(shared_enter(s, b, 0, 3, 3, 2, &by_addr));
	assert_false(by_addr);
	/* What was refused is not counted: one leaves, one may come. */
	shared_leave(s, b, 0, 1);
	assert_true(enter(s, a, 1, 3, 2));
	assert_false(enter(s, a, 1, 3, 2));
}

static void test_services_count_apart(void **state)
{
	struct shared *s = *state;
	int slot = shared_slot_take(s);
	bool by_addr;

	assert_true(shared_enter(s, slot, 0, 1, 9, 1, &by_addr));
	assert_true(shared_enter(s, slot, 1, 1, 9, 1, &by_addr));
	assert_false(shared_enter(s, slot, SHARED_SERVICES - 1, 1, 9, 0, &by_addr) &&
		     shared_enter(s, slot, SHARED_SERVICES - 1, 1, 9, 0, &by_addr));
}

static void test_no_limit_still_counts(void **state)
{
	struct shared *s = *state;
	int slot = shared_slot_take(s);

	for (int i = 0; i < 1000; i++)
		assert_true(enter(s, slot, 4, 0, 0));
	assert_false(enter(s, slot, 4, 0, 1000));
	assert_false(enter(s, slot, 4, 1000, 0));
	assert_true(enter(s, slot, 4, 1001, 1001));
}

/* Against a plain array: many clients come and go, half of the table is in use. */
static void test_the_table_against_a_model(void **state)
{
	enum { CLIENTS = SHARED_ADDRS / 2, STEPS = 400000 };
	static unsigned model[CLIENTS];
	struct shared *s = *state;
	int slot = shared_slot_take(s);
	uint32_t dice = 1;

	memset(model, 0, sizeof(model));
	for (int i = 0; i < STEPS; i++) {
		uint32_t client, most = 3;

		dice = dice * 1664525 + 1013904223;
		client = (dice >> 8) % CLIENTS;
		if ((dice >> 28) < 6 && model[client] > 0) {
			shared_leave(s, slot, 0, client);
			model[client]--;
		} else if (enter(s, slot, client, 0, most)) {
			model[client]++;
			assert_in_range(model[client], 1, most);
		} else {
			assert_int_equal(model[client], most);
		}
	}
	for (uint32_t c = 0; c < CLIENTS; c++) {
		while (model[c] > 0) {
			shared_leave(s, slot, 0, c);
			model[c]--;
		}
	}
	/* All gone: everyone may come again, and nobody's count was left behind. */
	for (uint32_t c = 0; c < CLIENTS; c++) {
		assert_true(enter(s, slot, c, 1, 1));
		shared_leave(s, slot, 0, c);
	}
}

/* New addresses are let in uncounted, the service's own limit holds, and nothing is spoiled. */
static void test_a_full_table(void **state)
{
	enum { CLIENTS = 2 * SHARED_ADDRS };
	struct shared *s = *state;
	int slot = shared_slot_take(s);

	for (uint32_t c = 0; c < CLIENTS; c++)
		assert_true(enter(s, slot, c, CLIENTS, 1));
	assert_false(enter(s, slot, 0, CLIENTS, 0));
	assert_false(enter(s, slot, 0, 0, 1));
	for (uint32_t c = 0; c < CLIENTS; c++)
		shared_leave(s, slot, 0, c);
	assert_true(enter(s, slot, 0, 1, 1));
}

/* FAULTS 40: whoever comes from one of these comes from ourselves. */
static void test_FAULTS_40_own_ends(void **state)
{
	struct shared *s = *state;
	int a = shared_slot_take(s), b = shared_slot_take(s);

	assert_false(shared_own_has(s, 7));
	shared_own_add(s, a, 7);
	assert_true(shared_own_has(s, 7));
	assert_false(shared_own_has(s, 8));
	/* The same end twice: it is there until both are gone, whoever has it. */
	shared_own_add(s, b, 7);
	shared_own_remove(s, a, 7);
	assert_true(shared_own_has(s, 7));
	shared_own_remove(s, b, 7);
	assert_false(shared_own_has(s, 7));
}

/* FAULTS 28: with the process go its connections. */
static void test_FAULTS_28_own_ends(void **state)
{
	struct shared *s = *state;
	int slot = shared_slot_take(s);

	shared_own_add(s, slot, 7);
	shared_slot_clear(s, slot);
	assert_false(shared_own_has(s, 7));
}

/* They stand in the table of clients, and neither is taken for the other. */
static void test_own_ends_are_no_clients(void **state)
{
	struct shared *s = *state;
	int slot = shared_slot_take(s);

	for (uint64_t key = 1; key < 1000; key++) {
		shared_own_add(s, slot, key);
		assert_true(enter(s, slot, key, 0, 1));
	}
	for (uint64_t key = 1; key < 1000; key++) {
		shared_leave(s, slot, 0, key);
		assert_true(shared_own_has(s, key));
		shared_own_remove(s, slot, key);
		assert_false(shared_own_has(s, key));
		assert_true(enter(s, slot, key, 0, 1));
	}
}

/* More than there is room for: some are not seen, and none is seen that never was. */
static void test_own_ends_beyond_the_table(void **state)
{
	struct shared *s = *state;
	int slot = shared_slot_take(s);

	for (uint64_t key = 1; key <= 2 * SHARED_ADDRS; key++)
		shared_own_add(s, slot, key);
	for (uint64_t key = 1; key <= 2 * SHARED_ADDRS; key++)
		shared_own_remove(s, slot, key);
	for (uint64_t key = 1; key <= 2 * SHARED_ADDRS; key++)
		assert_false(shared_own_has(s, key));
}

static void test_processes_see_each_other(void **state)
{
	struct why why;
	struct shared *s;
	int fd = shared_make(&why), status;
	pid_t pid;

	(void)state;
	assert_true(fd >= 0);
	s = shared_map(fd, &why);
	assert_non_null(s);
	assert_int_equal(shared_slot_take(s), 1);
	pid = fork();
	if (pid == 0) {
		struct shared *other = shared_map(fd, &why);

		_exit(other != NULL && shared_seed(other) == shared_seed(s) && enter(other, 1, 8, 1, 1) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_false(enter(s, 0, 8, 1, 0));
	assert_false(enter(s, 0, 8, 0, 1));
	shared_slot_clear(s, 1);
	assert_true(enter(s, 0, 8, 1, 1));
	shared_unmap(s);
	close(fd);
}

static void test_the_size_cannot_be_changed(void **state)
{
	struct why why;
	int fd = shared_make(&why), other;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 0), -1);
	close(fd);
	other = memfd_create("short", 0);
	assert_true(other >= 0);
	assert_null(shared_map(other, &why));
	close(other);
}

#define WITH_SHARED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_count_has_a_name_of_its_own),
		WITH_SHARED(test_slots_are_bounded),
		WITH_SHARED(test_FAULTS_28_clear),
		WITH_SHARED(test_FAULTS_28_MC_2_stripped),
		WITH_SHARED(test_limits_hold_over_all_slots),
		WITH_SHARED(test_services_count_apart),
		WITH_SHARED(test_no_limit_still_counts),
		WITH_SHARED(test_the_table_against_a_model),
		WITH_SHARED(test_a_full_table),
		WITH_SHARED(test_FAULTS_40_own_ends),
		WITH_SHARED(test_FAULTS_28_own_ends),
		WITH_SHARED(test_own_ends_are_no_clients),
		WITH_SHARED(test_own_ends_beyond_the_table),
		cmocka_unit_test(test_processes_see_each_other),
		cmocka_unit_test(test_the_size_cannot_be_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
