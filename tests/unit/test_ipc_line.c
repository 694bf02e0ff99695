#include "ipc/ipc_line.h"

#include "policy/policy_message.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

struct line {
	int ends[2];
	struct buf in;
};

static void line_open(struct line *l)
{
	struct why why;

	assert_true(ipc_line_pair(l->ends, &why));
	buf_init(&l->in, POLICY_MESSAGE_MOST);
}

static void line_close(struct line *l)
{
	close(l->ends[0]);
	close(l->ends[1]);
	buf_free(&l->in);
}

static int open_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void test_messages_come_whole_and_alone(void **state)
{
	struct line l;
	struct why why;
	int fd;

	(void)state;
	line_open(&l);
	assert_int_equal(ipc_line_receive(l.ends[1], &l.in, &fd), IPC_LINE_NOTHING);
	assert_true(ipc_line_send(l.ends[0], SPAN("one"), -1, &why));
	assert_true(ipc_line_send(l.ends[0], SPAN("another"), -1, &why));
	assert_int_equal(ipc_line_receive(l.ends[1], &l.in, &fd), IPC_LINE_MESSAGE);
	assert_int_equal(fd, -1);
	want_text("the first", buf_peek(&l.in), SPAN("one"));
	/* What the caller left is no part of the next. */
	assert_int_equal(ipc_line_receive(l.ends[1], &l.in, &fd), IPC_LINE_MESSAGE);
	want_text("the second", buf_peek(&l.in), SPAN("another"));
	assert_int_equal(ipc_line_receive(l.ends[1], &l.in, &fd), IPC_LINE_NOTHING);
	line_close(&l);
}

static void test_the_longest_message_fits(void **state)
{
	char *octets = mem_new(POLICY_MESSAGE_MOST + 1);
	struct line l;
	struct why why;
	int fd;

	(void)state;
	memset(octets, 'x', POLICY_MESSAGE_MOST + 1);
	line_open(&l);
	assert_true(ipc_line_send(l.ends[0], span_of(octets, POLICY_MESSAGE_MOST), -1, &why));
	assert_int_equal(ipc_line_receive(l.ends[1], &l.in, &fd), IPC_LINE_MESSAGE);
	assert_int_equal(buf_used(&l.in), POLICY_MESSAGE_MOST);
	assert_true(ipc_line_send(l.ends[0], span_of(octets, POLICY_MESSAGE_MOST + 1), -1, &why));
	assert_int_equal(ipc_line_receive(l.ends[1], &l.in, &fd), IPC_LINE_END);
	line_close(&l);
	free(octets);
}

static void test_a_descriptor_goes_along(void **state)
{
	struct line l;
	struct why why;
	int before, fd;

	(void)state;
	line_open(&l);
	before = open_fds();
	assert_true(ipc_line_send(l.ends[0], SPAN("with"), l.ends[0], &why));
	assert_true(ipc_line_send(l.ends[0], SPAN("without"), -1, &why));
	assert_int_equal(ipc_line_receive(l.ends[1], &l.in, &fd), IPC_LINE_MESSAGE);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	assert_int_equal(ipc_line_receive(l.ends[1], &l.in, &fd), IPC_LINE_MESSAGE);
	assert_int_equal(fd, -1);
	assert_int_equal(open_fds(), before);
	line_close(&l);
}

/* Nobody would close the others. */
static void test_STYLE_no_more_than_one_descriptor(void **state)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(3 * sizeof(int))];
	} control = { 0 };
	struct iovec piece = { (char[]){ 'x' }, 1 };
	struct msghdr h = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control,
			    .msg_controllen = sizeof(control.room) };
	struct line l;
	int before, fd;

	(void)state;
	line_open(&l);
	before = open_fds();
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(3 * sizeof(int));
	memcpy(CMSG_DATA(&control.head), (int[]){ l.ends[0], l.ends[0], l.ends[0] }, 3 * sizeof(int));
	assert_int_equal(sendmsg(l.ends[0], &h, 0), 1);
	assert_int_equal(ipc_line_receive(l.ends[1], &l.in, &fd), IPC_LINE_MESSAGE);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(open_fds(), before);
	line_close(&l);
}

static void test_the_end_is_seen_after_what_was_sent(void **state)
{
	struct line l;
	struct why why;
	int fd;

	(void)state;
	line_open(&l);
	assert_true(ipc_line_send(l.ends[0], SPAN("last"), -1, &why));
	close(l.ends[0]);
	assert_int_equal(ipc_line_receive(l.ends[1], &l.in, &fd), IPC_LINE_MESSAGE);
	assert_int_equal(ipc_line_receive(l.ends[1], &l.in, &fd), IPC_LINE_END);
	assert_false(ipc_line_send(l.ends[1], SPAN("x"), -1, &why));
	assert_int_equal(errno, EPIPE);
	close(l.ends[1]);
	buf_free(&l.in);
}

static void test_a_full_line_says_so(void **state)
{
	char *octets = mem_new(POLICY_MESSAGE_MOST);
	struct line l;
	struct why why;
	int sent = 0;

	(void)state;
	line_open(&l);
	while (sent < 1000 && ipc_line_send(l.ends[0], span_of(octets, POLICY_MESSAGE_MOST), -1, &why))
		sent++;
	assert_in_range(sent, 1, 999);
	assert_int_equal(errno, EAGAIN);
	line_close(&l);
	free(octets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_come_whole_and_alone),
		cmocka_unit_test(test_the_longest_message_fits),
		cmocka_unit_test(test_a_descriptor_goes_along),
		cmocka_unit_test(test_STYLE_no_more_than_one_descriptor),
		cmocka_unit_test(test_the_end_is_seen_after_what_was_sent),
		cmocka_unit_test(test_a_full_line_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
