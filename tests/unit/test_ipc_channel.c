#include "ipc/ipc_channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct pair {
	int ends[2];
};

static void pair_open(struct pair *p)
{
	struct why why;

	assert_true(ipc_channel_pair(p->ends, &why));
}

static void pair_close(struct pair *p)
{
	close(p->ends[0]);
	close(p->ends[1]);
}

static void test_messages_keep_their_order_and_bounds(void **state)
{
	struct ipc_message drain = { .kind = IPC_DRAIN, .drain = { .stop = true } };
	struct ipc_message ready = { .kind = IPC_READY }, got;
	struct pair p;
	struct why why;

	(void)state;
	pair_open(&p);
	assert_int_equal(ipc_channel_receive(p.ends[1], &got, &why), IPC_GOT_NOTHING);
	assert_true(ipc_channel_send(p.ends[0], &drain, &why));
	assert_true(ipc_channel_send(p.ends[0], &ready, &why));
	assert_int_equal(ipc_channel_receive(p.ends[1], &got, &why), IPC_GOT_MESSAGE);
	assert_int_equal(got.kind, IPC_DRAIN);
	assert_true(got.drain.stop);
	assert_int_equal(ipc_channel_wait(p.ends[1], 0, &got, &why), IPC_GOT_MESSAGE);
	assert_int_equal(got.kind, IPC_READY);
	assert_int_equal(ipc_channel_wait(p.ends[1], 0, &got, &why), IPC_GOT_NOTHING);
	pair_close(&p);
}

static void test_the_end_is_seen_after_what_was_sent(void **state)
{
	struct ipc_message ready = { .kind = IPC_READY }, got;
	struct pair p;
	struct why why;

	(void)state;
	pair_open(&p);
	assert_true(ipc_channel_send(p.ends[0], &ready, &why));
	close(p.ends[0]);
	assert_int_equal(ipc_channel_receive(p.ends[1], &got, &why), IPC_GOT_MESSAGE);
	assert_int_equal(ipc_channel_receive(p.ends[1], &got, &why), IPC_GOT_END);
	/* Without SIGPIPE: it would end this test. */
	assert_false(ipc_channel_send(p.ends[1], &ready, &why));
	assert_int_equal(why.fault, FAULT_SYSTEM);
	close(p.ends[1]);
}

static void test_an_end_with_unread_messages_is_an_end(void **state)
{
	struct ipc_message ready = { .kind = IPC_READY }, got;
	struct pair p;
	struct why why;

	(void)state;
	pair_open(&p);
	assert_true(ipc_channel_send(p.ends[1], &ready, &why));
	close(p.ends[0]);
	assert_int_equal(ipc_channel_receive(p.ends[1], &got, &why), IPC_GOT_END);
	close(p.ends[1]);
}

static void test_STYLE_malformed_ipc(void **state)
{
	static char long_one[IPC_MESSAGE_MOST + 1];
	static const struct {
		const char *name;
		struct span octets;
	} rows[] = {
		{ "an unknown kind",   { "\x7f", 1 } },
		{ "an octet too many", { "\x02\x00", 2 } },
		{ "too long",          { long_one, sizeof(long_one) } },
	};
	struct ipc_message got;
	struct pair p;
	struct why why;

	(void)state;
	pair_open(&p);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(write(p.ends[0], rows[i].octets.at, rows[i].octets.len),
				 rows[i].octets.len);
		if (ipc_channel_receive(p.ends[1], &got, &why) != IPC_GOT_BAD)
			fail_msg("%s", rows[i].name);
		assert_int_equal(why.fault, FAULT_PEER);
	}
	pair_close(&p);
}

/* One that has stopped reading does not make the other wait. */
static void test_a_full_channel_says_so(void **state)
{
	struct ipc_message start = { .kind = IPC_START };
	struct pair p;
	struct why why;
	int sent = 0;

	(void)state;
	start.start.listen_count = IPC_LISTENS_MOST;
	pair_open(&p);
	while (sent < 100000 && ipc_channel_send(p.ends[0], &start, &why))
		sent++;
	assert_in_range(sent, 1, 99999);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_keep_their_order_and_bounds),
		cmocka_unit_test(test_the_end_is_seen_after_what_was_sent),
		cmocka_unit_test(test_an_end_with_unread_messages_is_an_end),
		cmocka_unit_test(test_STYLE_malformed_ipc),
		cmocka_unit_test(test_a_full_channel_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
