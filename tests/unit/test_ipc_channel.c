#include "ipc/ipc_channel.h"

#include <fcntl.h>
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

static struct ipc_message sockets_of(uint32_t count)
{
	return (struct ipc_message){ .kind = IPC_SOCKETS, .sockets = { .count = count, .v6 = true } };
}

static int open_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void test_descriptors_arrive_with_their_message(void **state)
{
	struct ipc_message most = sockets_of(IPC_SOCKETS_MOST), none = sockets_of(0), got;
	int before, sent[IPC_SOCKETS_MOST], fds[IPC_SOCKETS_MOST];
	struct pair p;
	struct why why;
	size_t count;

	(void)state;
	pair_open(&p);
	before = open_fds();
	for (int i = 0; i < IPC_SOCKETS_MOST; i++)
		sent[i] = dup(p.ends[0]);
	assert_true(ipc_channel_send_fds(p.ends[0], &most, sent, IPC_SOCKETS_MOST, &why));
	assert_true(ipc_channel_send_fds(p.ends[0], &none, NULL, 0, &why));
	for (int i = 0; i < IPC_SOCKETS_MOST; i++)
		close(sent[i]);
	assert_int_equal(ipc_channel_receive_fds(p.ends[1], &got, fds, &count, &why), IPC_GOT_MESSAGE);
	assert_int_equal(count, IPC_SOCKETS_MOST);
	assert_int_equal(got.sockets.count, IPC_SOCKETS_MOST);
	assert_true(got.sockets.v6);
	/* They are what was sent, whoever held them meanwhile. */
	assert_true(ipc_channel_send(fds[IPC_SOCKETS_MOST - 1], &none, &why));
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		close(fds[i]);
	}
	assert_int_equal(ipc_channel_receive_fds(p.ends[1], &got, fds, &count, &why), IPC_GOT_MESSAGE);
	assert_int_equal(count, 0);
	assert_int_equal(ipc_channel_receive_fds(p.ends[1], &got, fds, &count, &why), IPC_GOT_MESSAGE);
	assert_int_equal(ipc_channel_receive_fds(p.ends[1], &got, fds, &count, &why), IPC_GOT_NOTHING);
	assert_int_equal(open_fds(), before);
	pair_close(&p);
}

/* As another program might do it: `count` descriptors with these octets. */
static void send_raw(int to, struct span octets, size_t count)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(64 * sizeof(int))];
	} control;
	struct iovec piece = { (char *)octets.at, octets.len };
	struct msghdr h = { .msg_iov = &piece, .msg_iovlen = 1 };
	int fds[64];

	memset(&control, 0, sizeof(control));
	for (size_t i = 0; i < count; i++)
		fds[i] = to;
	if (count > 0) {
		h.msg_control = &control;
		h.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.head), fds, count * sizeof(int));
	}
	assert_int_equal(sendmsg(to, &h, 0), octets.len);
}

static const struct {
	const char *name;
	struct span octets;
	size_t count;
} strange[] = {
	{ "more than it says",           { "\x07\x01\x04\x00", 4 }, 2 },
	{ "fewer than it says",          { "\x07\x02\x04\x00", 4 }, 1 },
	{ "none, where it says one",     { "\x07\x01\x04\x00", 4 }, 0 },
	{ "a line without its end",      { "\x08\0\0\0\0", 5 }, 0 },
	{ "a line with two ends",        { "\x08\0\0\0\0", 5 }, 2 },
	{ "more than there is room for", { "\x07\x10\x04\x00", 4 }, 40 },
	{ "with another message",        { "\x02", 1 }, 1 },
	{ "with nonsense",               { "\x7f", 1 }, 1 },
};

/* No descriptor that nobody asked for stays open: an edge could be filled up with them. */
static void test_STYLE_strange_descriptors(void **state)
{
	struct ipc_message got;
	int fds[IPC_SOCKETS_MOST];
	struct why why;
	size_t count;

	(void)state;
	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		struct pair p;
		int before;

		pair_open(&p);
		before = open_fds();
		send_raw(p.ends[0], strange[i].octets, strange[i].count);
		if (ipc_channel_receive_fds(p.ends[1], &got, fds, &count, &why) != IPC_GOT_BAD)
			fail_msg("%s", strange[i].name);
		assert_int_equal(count, 0);
		send_raw(p.ends[0], strange[i].octets, strange[i].count);
		if (ipc_channel_receive(p.ends[1], &got, &why) != IPC_GOT_BAD)
			fail_msg("%s, and none are wanted", strange[i].name);
		assert_int_equal(open_fds(), before);
		pair_close(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_keep_their_order_and_bounds),
		cmocka_unit_test(test_the_end_is_seen_after_what_was_sent),
		cmocka_unit_test(test_an_end_with_unread_messages_is_an_end),
		cmocka_unit_test(test_STYLE_malformed_ipc),
		cmocka_unit_test(test_a_full_channel_says_so),
		cmocka_unit_test(test_descriptors_arrive_with_their_message),
		cmocka_unit_test(test_STYLE_strange_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
