#include "io/loop.h"
#include "io/sock.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* What a handler saw, and whom it shall take away. */
struct seen {
	struct loop *loop;
	struct loop_watch *watch;
	struct seen *other;
	unsigned calls, what;
};

static void note(void *arg, unsigned what)
{
	struct seen *s = arg;

	s->calls++;
	s->what |= what;
	loop_stop(s->loop);
}

static void pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

/* Turns the loop once more without waiting, and counts how often. */
static void turn_once(void *arg)
{
	loop_stop(arg);
}

static void turn(struct loop *l)
{
	loop_again(l);
	loop_run(l, turn_once, l);
}

static void test_loop_edges(void **state)
{
	struct loop *l = loop_new();
	struct seen s = { .loop = l };
	char c;
	int fds[2];

	(void)state;
	pair(fds);
	s.watch = loop_watch_stream(l, fds[0], note, &s);
	turn(l);
	assert_int_equal(s.what, LOOP_WRITE); /* what is ready at birth is told */
	s.calls = s.what = 0;
	turn(l);
	assert_int_equal(s.calls, 0); /* and not told again */
	assert_int_equal(write(fds[1], "x", 1), 1);
	turn(l);
	assert_int_equal(s.what, LOOP_READ | LOOP_WRITE);
	s.calls = s.what = 0;
	turn(l);
	assert_int_equal(s.calls, 0); /* not read, but an edge comes once */
	assert_int_equal(write(fds[1], "y", 1), 1);
	assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
	turn(l);
	assert_int_equal(s.what, LOOP_READ | LOOP_WRITE | LOOP_BEHIND);
	assert_int_equal(read(fds[0], &c, 1), 1);
	loop_unwatch(s.watch);
	close(fds[0]);
	close(fds[1]);
	loop_free(l);
}

static void test_loop_levels(void **state)
{
	struct loop *l = loop_new();
	struct seen s = { .loop = l };
	int fds[2];

	(void)state;
	pair(fds);
	s.watch = loop_watch_read(l, fds[0], note, &s);
	assert_int_equal(write(fds[1], "x", 1), 1);
	turn(l);
	turn(l);
	assert_int_equal(s.calls, 2);
	assert_int_equal(s.what, LOOP_READ);
	loop_unwatch(s.watch);
	close(fds[0]);
	close(fds[1]);
	loop_free(l);
}

/* More than are taken at once: the others are told all the same, though their edge has passed. */
static void test_loop_many_edges(void **state)
{
	enum { MANY = 150 };
	static struct seen all[MANY];
	struct loop *l = loop_new();
	int fds[MANY][2];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		pair(fds[i]);
		all[i] = (struct seen){ .loop = l };
		all[i].watch = loop_watch_stream(l, fds[i][0], note, &all[i]);
	}
	for (int i = 0; i < 3; i++)
		turn(l);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(all[i].calls, 1);
		loop_unwatch(all[i].watch);
		close(fds[i][0]);
		close(fds[i][1]);
	}
	loop_free(l);
}

/* Streams of which each is ready again as soon as it was told. */
struct busy {
	struct loop *loop;
	struct loop_watch *watch;
	int fds[2];
	unsigned *calls;
};

#define BUSY_CALLS_MOST 50000

static void stay_busy(void *arg, unsigned what)
{
	struct busy *b = arg;
	char c;

	(void)what;
	if (++*b->calls > BUSY_CALLS_MOST)
		return;
	(void)!read(b->fds[0], &c, 1);
	assert_int_equal(write(b->fds[1], "x", 1), 1);
}

/* However many streams are busy: timers, doors and what is done after a batch have their turn too. */
static void test_FAULTS_12_busy_streams_leave_the_others_their_turn(void **state)
{
	enum { MANY = 200 };
	static struct busy all[MANY];
	struct loop *l = loop_new();
	unsigned calls = 0;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		all[i] = (struct busy){ .loop = l, .calls = &calls };
		pair(all[i].fds);
		all[i].watch = loop_watch_stream(l, all[i].fds[0], stay_busy, &all[i]);
	}
	turn(l);
	assert_in_range(calls, 1, MANY);
	turn(l);
	assert_in_range(calls, 2, 2 * MANY); /* and the others of the first batch are not forgotten */
	for (int i = 0; i < MANY; i++) {
		loop_unwatch(all[i].watch);
		close(all[i].fds[0]);
		close(all[i].fds[1]);
	}
	loop_free(l);
}

/* Takes both away, whichever of the two comes first. */
static void unwatch_both(void *arg, unsigned what)
{
	struct seen *s = arg;

	note(arg, what);
	loop_unwatch(s->other->watch);
	loop_unwatch(s->watch);
}

static void test_loop_unwatch_in_batch(void **state)
{
	struct loop *l = loop_new();
	struct seen a = { .loop = l }, b = { .loop = l };
	int one[2], two[2];

	(void)state;
	pair(one);
	pair(two);
	a.other = &b;
	b.other = &a;
	a.watch = loop_watch_stream(l, one[0], unwatch_both, &a);
	b.watch = loop_watch_stream(l, two[0], unwatch_both, &b);
	loop_run(l, NULL, NULL);
	assert_int_equal(a.calls + b.calls, 1);
	close(one[0]);
	close(one[1]);
	close(two[0]);
	close(two[1]);
	loop_run(l, NULL, NULL); /* nothing left: it comes back */
	loop_free(l);
}

struct bell {
	struct loop *loop;
	struct loop_timer *timer;
	msec at;
	unsigned rings;
	bool early;
};

static void ring(void *arg)
{
	struct bell *b = arg;

	b->rings++;
	b->early |= loop_now(b->loop) < b->at;
	loop_stop(b->loop);
}

static void bell_set(struct bell *b, msec from_now)
{
	b->at = loop_now(b->loop) + from_now;
	loop_timer_set(b->timer, b->at);
}

static void test_loop_timer(void **state)
{
	struct loop *l = loop_new();
	struct bell b = { .loop = l }, late = { .loop = l };

	(void)state;
	b.timer = loop_timer_new(l, ring, &b);
	late.timer = loop_timer_new(l, ring, &late);
	bell_set(&late, 3600 * 1000);
	bell_set(&b, 5);
	loop_run(l, NULL, NULL);
	bell_set(&b, 1);
	bell_set(&b, 20); /* put off: rings once, at the later time */
	loop_run(l, NULL, NULL);
	assert_int_equal(b.rings, 2);
	bell_set(&b, 3600 * 1000);
	bell_set(&b, 0); /* put forward */
	loop_run(l, NULL, NULL);
	bell_set(&b, -5); /* long past */
	loop_run(l, NULL, NULL);
	assert_int_equal(b.rings, 4);
	bell_set(&b, 0);
	loop_timer_set(b.timer, MSEC_NEVER);
	bell_set(&late, 10);
	loop_run(l, NULL, NULL);
	assert_int_equal(b.rings, 4);
	assert_int_equal(late.rings, 1);
	assert_false(b.early || late.early);
	loop_timer_free(b.timer);
	loop_timer_free(late.timer);
	loop_free(l);
}

static void count_to_three(void *arg)
{
	struct bell *b = arg;

	if (++b->rings < 3)
		loop_again(b->loop);
	else
		loop_stop(b->loop);
}

static void test_loop_again(void **state)
{
	struct loop *l = loop_new();
	struct bell b = { .loop = l };

	(void)state;
	b.timer = loop_timer_new(l, ring, &b);
	loop_timer_set(b.timer, loop_now(l) + 3600 * 1000);
	loop_again(l);
	loop_run(l, count_to_three, &b);
	assert_int_equal(b.rings, 3);
	loop_timer_free(b.timer);
	loop_free(l);
}

static void test_loop_signal(void **state)
{
	struct loop *l = loop_new();
	struct bell b = { .loop = l };
	struct loop_signal *s = loop_signal_new(l, SIGUSR1, ring, &b);

	(void)state;
	raise(SIGUSR1);
	loop_run(l, NULL, NULL);
	raise(SIGUSR1);
	loop_run(l, NULL, NULL);
	assert_int_equal(b.rings, 2);
	loop_signal_free(s);
	loop_free(l);
}

static void test_sock_over_loop(void **state)
{
	struct loop *l = loop_new();
	struct seen at_listener = { .loop = l }, at_client = { .loop = l };
	struct addr at, peer, local;
	struct why why;
	int listener, client, server;

	(void)state;
	assert_true(addr_read(SPAN("127.0.0.1:0"), &at));
	listener = sock_listen(&at, &why);
	assert_true(listener >= 0);
	assert_true(sock_local(listener, &at));
	assert_int_equal(sock_accept(listener, &peer, &local), -1);
	client = sock_connect(&at, &why);
	assert_true(client >= 0);
	at_listener.watch = loop_watch_read(l, listener, note, &at_listener);
	at_client.watch = loop_watch_stream(l, client, note, &at_client);
	while (at_listener.calls == 0 || !(at_client.what & LOOP_WRITE))
		loop_run(l, NULL, NULL);
	assert_int_equal(sock_connected(client, &why), SOCK_CONNECTED);
	server = sock_accept(listener, &peer, &local);
	assert_true(server >= 0);
	assert_true(addr_eq(&local, &at));
	assert_true(sock_local(client, &local));
	assert_true(addr_eq(&local, &peer));
	assert_int_equal(fcntl(server, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(server, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	loop_unwatch(at_listener.watch);
	loop_unwatch(at_client.watch);
	close(listener);
	close(client);
	close(server);
	loop_free(l);
}

static void test_sock_refused(void **state)
{
	struct loop *l = loop_new();
	struct seen s = { .loop = l };
	struct why why = { .fault = FAULT_NONE };
	struct addr at;
	int listener, client;

	(void)state;
	assert_true(addr_read(SPAN("127.0.0.1:0"), &at));
	listener = sock_listen(&at, &why);
	assert_true(listener >= 0);
	assert_true(sock_local(listener, &at));
	close(listener);
	client = sock_connect(&at, &why);
	if (client >= 0) {
		s.watch = loop_watch_stream(l, client, note, &s);
		loop_run(l, NULL, NULL);
		assert_int_equal(sock_connected(client, &why), SOCK_FAILED);
		loop_unwatch(s.watch);
		close(client);
	}
	assert_int_equal(why.fault, FAULT_PEER);
	loop_free(l);
}

static void test_sock_any_address(void **state)
{
	struct addr at, local, peer;
	struct why why;
	int listener, client, server;

	(void)state;
	assert_true(addr_read(SPAN("*:0"), &at));
	listener = sock_listen(&at, &why);
	assert_true(listener >= 0);
	assert_true(sock_local(listener, &local));
	assert_true(addr_read_host(SPAN("127.0.0.1"), addr_port(&local), &at));
	client = sock_connect(&at, &why);
	assert_true(client >= 0);
	assert_int_equal(poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1, 10000), 1);
	server = sock_accept(listener, &peer, &local);
	assert_true(server >= 0);
	assert_int_equal(peer.sa.sa_family, AF_INET);
	assert_true(addr_eq(&local, &at));
	close(listener);
	close(client);
	close(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loop_edges),
		cmocka_unit_test(test_loop_many_edges),
		cmocka_unit_test(test_FAULTS_12_busy_streams_leave_the_others_their_turn),
		cmocka_unit_test(test_loop_levels),
		cmocka_unit_test(test_loop_unwatch_in_batch),
		cmocka_unit_test(test_loop_timer),
		cmocka_unit_test(test_loop_again),
		cmocka_unit_test(test_loop_signal),
		cmocka_unit_test(test_sock_over_loop),
		cmocka_unit_test(test_sock_refused),
		cmocka_unit_test(test_sock_any_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
