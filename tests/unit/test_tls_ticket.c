#include "unit.h"

#include "tls/tls_ticket.h"

static struct tls_ticket_keys keys_of(const struct tls_ticket_ring *ring, const unsigned char *name,
				      const char *label)
{
	struct tls_ticket_keys keys;

	memset(&keys, 0, sizeof(keys));
	assert_true(tls_ticket_keys(ring, name, label, &keys, NULL));
	return keys;
}

static void test_before_the_first_turn_there_are_none(void **state)
{
	struct tls_ticket_ring ring = { 0 };
	struct tls_ticket_keys keys;

	(void)state;
	assert_false(tls_ticket_ready(&ring));
	assert_false(tls_ticket_keys(&ring, NULL, "mx", &keys, NULL));
	tls_ticket_rotate(&ring);
	assert_true(tls_ticket_ready(&ring));
	assert_true(tls_ticket_keys(&ring, NULL, "mx", &keys, NULL));
}

/* Two edges, or one before and after its restart: they see the same ring. */
static void test_SUB_15_the_same_for_all_edges(void **state)
{
	struct tls_ticket_ring ring = { 0 };
	struct tls_ticket_keys a, b;

	(void)state;
	tls_ticket_rotate(&ring);
	a = keys_of(&ring, NULL, "mx");
	b = keys_of(&ring, a.name, "mx");
	assert_memory_equal(&a, &b, sizeof(a));
	assert_memory_not_equal(a.aes, a.mac, sizeof(a.aes));
	assert_memory_not_equal(a.aes, ring.secrets[0].secret, sizeof(a.aes));
}

static void test_SUB_15_each_label_has_its_own(void **state)
{
	struct tls_ticket_ring ring = { 0 };
	struct tls_ticket_keys mx, out;

	(void)state;
	tls_ticket_rotate(&ring);
	mx = keys_of(&ring, NULL, "mx intermediate");
	out = keys_of(&ring, NULL, "out intermediate");
	assert_memory_equal(mx.name, out.name, sizeof(mx.name));
	assert_memory_not_equal(mx.aes, out.aes, sizeof(mx.aes));
	assert_memory_not_equal(mx.mac, out.mac, sizeof(mx.mac));
}

static void test_SUB_15_rotation(void **state)
{
	struct tls_ticket_ring ring = { 0 };
	struct tls_ticket_keys first, now;
	bool newest;

	(void)state;
	tls_ticket_rotate(&ring);
	first = keys_of(&ring, NULL, "mx");
	for (int turn = 0; turn < TLS_TICKET_SECRETS; turn++) {
		newest = turn != 0;
		assert_true(tls_ticket_keys(&ring, first.name, "mx", &now, &newest));
		assert_memory_equal(&first, &now, sizeof(now));
		assert_int_equal(newest, turn == 0);
		tls_ticket_rotate(&ring);
	}
	assert_false(tls_ticket_keys(&ring, first.name, "mx", &now, &newest));
	now = keys_of(&ring, NULL, "mx");
	assert_memory_not_equal(now.name, first.name, sizeof(now.name));
	assert_memory_not_equal(now.aes, first.aes, sizeof(now.aes));
	assert_int_equal(ring.have, TLS_TICKET_SECRETS);
}

/* A master that was killed in the middle of a turn: no tickets until the next one, no hang. */
static void test_FAULTS_29_a_turn_cut_short(void **state)
{
	struct tls_ticket_ring ring = { 0 };
	struct tls_ticket_keys keys;

	(void)state;
	tls_ticket_rotate(&ring);
	atomic_fetch_add(&ring.turn, 1);
	assert_false(tls_ticket_ready(&ring));
	assert_false(tls_ticket_keys(&ring, NULL, "mx", &keys, NULL));
	tls_ticket_rotate(&ring);
	assert_true(tls_ticket_ready(&ring));
	assert_true(tls_ticket_keys(&ring, NULL, "mx", &keys, NULL));
}

static void test_a_ring_that_lies_is_not_believed(void **state)
{
	struct tls_ticket_ring ring = { 0 };
	struct tls_ticket_keys keys;

	(void)state;
	tls_ticket_rotate(&ring);
	ring.have = TLS_TICKET_SECRETS + 1;
	assert_false(tls_ticket_keys(&ring, NULL, "mx", &keys, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_the_first_turn_there_are_none),
		cmocka_unit_test(test_SUB_15_the_same_for_all_edges),
		cmocka_unit_test(test_SUB_15_each_label_has_its_own),
		cmocka_unit_test(test_SUB_15_rotation),
		cmocka_unit_test(test_FAULTS_29_a_turn_cut_short),
		cmocka_unit_test(test_a_ring_that_lies_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
