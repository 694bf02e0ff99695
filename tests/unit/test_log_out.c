#include "base/log.h"
#include "io/log_out.h"

#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINES 2000 /* of 64 octets and more: above what a pipe or a socket holds */

static char all[4 * 1024 * 1024];

/* What has come so far; the reader does not wait. */
static size_t drain(int fd, size_t len)
{
	ssize_t n;

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while ((n = read(fd, all + len, sizeof(all) - 1 - len)) > 0)
		len += (size_t)n;
	all[len] = '\0';
	return len;
}

static unsigned count(const char *what)
{
	unsigned n = 0;

	for (const char *at = all; (at = strstr(at, what)) != NULL; at += strlen(what))
		n++;
	return n;
}

static void full_and_drained(const char *row, int reader)
{
	char lost[64];
	size_t len;
	unsigned came;

	for (int i = 0; i < LINES; i++)
		log_event("line", "%060d", i);
	len = drain(reader, 0);
	came = count("event=line");
	if (came == 0 || came >= LINES || all[len - 1] != '\n' || count("log-lost") != 0)
		fail_msg("%s: %u lines came", row, came);
	log_event("after", "x");
	drain(reader, len);
	snprintf(lost, sizeof(lost), "\nevent=log-lost n=%u\nevent=after text=x\n", LINES - came);
	if (count(lost) != 1)
		fail_msg("%s: not told that %u are lost: %s", row, LINES - came, all + len);
}

static void test_FAULTS_27_full_pipe_never_blocks(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	log_out_start(fds[1]);
	/* Ours is an open file of its own: the other's stays as it is. */
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	full_and_drained("pipe", fds[0]);
	close(fds[0]);
	close(fds[1]);
}

static void test_FAULTS_27_full_socket_never_blocks(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	log_out_start(fds[1]);
	full_and_drained("socket", fds[0]);
	close(fds[0]);
	log_event("nobody", "reads this, and no signal ends us");
	close(fds[1]);
}

static void test_log_out_file_is_appended_to(void **state)
{
	char path[] = "/tmp/test_log_out.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "before\n", 7), 7);
	log_out_start(fd);
	log_event("line", "x");
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	drain(fd, 0);
	assert_string_equal(all, "before\nevent=line text=x\n");
	close(fd);
	unlink(path);
}

/* The disk is full in the middle of a line: what comes later does not stick to it. */
static void test_FAULTS_27_torn_line_is_ended(void **state)
{
	char path[] = "/tmp/test_log_out.XXXXXX";
	struct rlimit before, tight;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	log_out_start(fd);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	tight = before;
	tight.rlim_cur = 30;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	log_event("line", "one");
	log_event("line", "torn");
	log_event("line", "lost");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	log_event("after", "x");
	drain(fd, 0);
	assert_string_equal(all, "event=line text=one\nevent=line\n"
				 "event=log-lost n=2\nevent=after text=x\n");
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_FAULTS_27_full_pipe_never_blocks),
		cmocka_unit_test(test_FAULTS_27_full_socket_never_blocks),
		cmocka_unit_test(test_log_out_file_is_appended_to),
		cmocka_unit_test(test_FAULTS_27_torn_line_is_ended),
	};

	signal(SIGPIPE, SIG_DFL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
