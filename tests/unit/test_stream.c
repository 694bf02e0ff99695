#include "io/loop.h"
#include "io/sock.h"
#include "io/stream.h"
#include "io/stream_below.h"

#include "base/must.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY (1024 * 1024)

/* Two streams, end to end, over memory or over sockets. */
struct two {
	struct stream_pipe pipe;
	struct stream a, b;
};

static void two_in_memory(struct two *t, size_t window)
{
	stream_pipe_init(&t->pipe, window, window);
	stream_init(&t->a);
	stream_init(&t->b);
	stream_open_pipe(&t->a, &t->pipe, true);
	stream_open_pipe(&t->b, &t->pipe, false);
}

static void tcp_pair(int fds[2])
{
	struct addr at, peer;
	struct why why;
	int listener;

	assert_true(addr_read(SPAN("127.0.0.1:0"), &at));
	listener = sock_listen(&at, &why);
	assert_true(listener >= 0);
	assert_true(sock_local(listener, &at));
	fds[0] = sock_connect(&at, &why);
	assert_true(fds[0] >= 0);
	assert_int_equal(poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1, 10000), 1);
	fds[1] = sock_accept(listener, &peer, NULL);
	assert_true(fds[1] >= 0);
	close(listener);
}

static void two_over_sockets(struct two *t)
{
	int fds[2];

	tcp_pair(fds);
	memset(&t->pipe, 0, sizeof(t->pipe));
	stream_init(&t->a);
	stream_init(&t->b);
	stream_open_fd_take(&t->a, fds[0]);
	stream_open_fd_take(&t->b, fds[1]);
}

static void two_free(struct two *t)
{
	stream_close(&t->a);
	stream_close(&t->b);
	stream_pipe_free(&t->pipe);
}

/* What the loop would have told; poll is level-triggered, so this may tell more than edges do. */
static void hear(struct stream *s)
{
	struct pollfd one = { .fd = s->fd, .events = POLLIN | POLLOUT | POLLRDHUP };
	unsigned what = 0;

	if (!s->open || s->fd < 0 || poll(&one, 1, 0) <= 0)
		return;
	if (one.revents & (POLLIN | POLLERR | POLLHUP))
		what |= LOOP_READ;
	if (one.revents & (POLLOUT | POLLERR | POLLHUP))
		what |= LOOP_WRITE;
	if (one.revents & (POLLERR | POLLHUP | POLLRDHUP))
		what |= LOOP_BEHIND;
	stream_ready(s, what);
}

/* Runs both as far as they go, and checks that they have come to rest. */
static void settle(struct two *t)
{
	bool moved;
	int turns = 10 * MANY;

	do {
		moved = stream_fill(&t->a, 1);
		moved |= stream_fill(&t->b, 1);
		moved |= stream_flush(&t->a, 1);
		moved |= stream_flush(&t->b, 1);
	} while (moved && --turns > 0);
	assert_true(turns > 0);
}

/* The same until `done`; a segment may be on its way for a while. */
static void settle_until(struct two *t, const bool *done, const enum stream_end *end)
{
	for (int waits = 0; waits < 1000; waits++) {
		hear(&t->a);
		hear(&t->b);
		settle(t);
		if ((done != NULL && *done) || (end != NULL && *end != STREAM_OPEN))
			return;
		poll(NULL, 0, 1);
	}
	fail_msg("nothing came in a thousand turns");
}

static void say(struct stream *s, const char *text)
{
	must(buf_put(&s->out, span_str(text)));
}

static void heard(struct stream *s, const char *text)
{
	struct span in = buf_peek(&s->in);

	if (!span_eq(in, span_str(text)))
		fail_msg("wanted \"%s\", got \"%.*s\"", text, (int)in.len, in.at);
	buf_consume(&s->in, in.len);
}

/* Octet `n` of a long text. */
static char octet(uint64_t n)
{
	return (char)(n * 31 + n / 251);
}

static void put_some(struct stream *s, uint64_t *sent)
{
	if (buf_used(&s->out) > 0)
		return;
	while (*sent < MANY && buf_space(&s->out) > 0) {
		char c = octet(*sent);

		must(buf_put(&s->out, span_of(&c, 1)));
		++*sent;
	}
}

static void take_some(struct stream *s, uint64_t *got)
{
	struct span in = buf_peek(&s->in);

	for (size_t i = 0; i < in.len; i++) {
		if (in.at[i] != octet(*got + i))
			fail_msg("octet %llu is wrong", (unsigned long long)(*got + i));
	}
	*got += in.len;
	buf_consume(&s->in, in.len);
}

/* 1 MB each way at once. */
static void exchange(struct two *t)
{
	uint64_t a_sent = 0, a_got = 0, b_sent = 0, b_got = 0;
	int turns = 2 * MANY;

	while ((a_got < MANY || b_got < MANY) && --turns > 0) {
		put_some(&t->a, &a_sent);
		put_some(&t->b, &b_sent);
		hear(&t->a);
		hear(&t->b);
		stream_flush(&t->a, 1);
		stream_flush(&t->b, 1);
		stream_fill(&t->a, 1);
		stream_fill(&t->b, 1);
		take_some(&t->a, &a_got);
		take_some(&t->b, &b_got);
	}
	assert_int_equal(a_got, MANY);
	assert_int_equal(b_got, MANY);
	assert_int_equal(t->a.bytes_in, MANY);
	assert_int_equal(t->a.bytes_out, MANY);
	assert_int_equal(t->b.bytes_in, MANY);
	assert_int_equal(t->b.bytes_out, MANY);
}

static void test_stream_1mb_both_ways(void **state)
{
	static const size_t windows[] = { 1, 7, 4096, 1024 * 1024 };
	struct two t;

	(void)state;
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		two_in_memory(&t, windows[i]);
		exchange(&t);
		two_free(&t);
	}
	two_over_sockets(&t);
	exchange(&t);
	two_free(&t);
}

static void test_FAULTS_12_never_reading_peer(void **state)
{
	struct two t;
	size_t most = 0;

	(void)state;
	two_in_memory(&t, 1000);
	/* b never takes anything out of `in`: a must come to rest, and everything stays bounded. */
	for (int i = 0; i < 100; i++) {
		size_t space = buf_space(&t.a.out);

		for (size_t n = 0; n < space; n++)
			say(&t.a, "x");
		settle(&t);
		most = buf_used(&t.a.out) + buf_used(&t.pipe.a_to_b) + buf_used(&t.b.in);
	}
	assert_int_equal(most, STREAM_OUT_MOST + 1000 + STREAM_IN_MOST);
	assert_false(stream_flush(&t.a, 2));
	assert_false(stream_fill(&t.b, 2));
	assert_int_equal(t.a.moved_at, 1);
	two_free(&t);
}

static void test_stream_window_closed(void **state)
{
	struct two t;

	(void)state;
	two_in_memory(&t, 0);
	say(&t.a, "250 OK\r\n");
	settle(&t);
	heard(&t.b, "");
	assert_false(stream_flushed(&t.a));
	t.pipe.b_window = 4;
	settle(&t);
	heard(&t.b, "250 OK\r\n");
	assert_true(stream_flushed(&t.a));
	two_free(&t);
}

/* FAULTS 1 and 3: what came before a FIN is read, then the end is seen, then we may still answer. */
static void half_close(struct two *t)
{
	say(&t->a, ".\r\n");
	stream_finish(&t->a);
	settle_until(t, NULL, &t->b.end);
	assert_int_equal(t->b.end, STREAM_CLOSED);
	assert_true(t->a.shut_out);
	heard(&t->b, ".\r\n");
	assert_int_equal(t->a.end, STREAM_OPEN);
	say(&t->b, "250 OK\r\n");
	stream_finish(&t->b);
	settle_until(t, NULL, &t->a.end);
	assert_int_equal(t->a.end, STREAM_CLOSED);
	heard(&t->a, "250 OK\r\n");
	assert_false(stream_fill(&t->a, 1));
	assert_false(stream_flush(&t->b, 1));
}

static void test_FAULTS_3_half_close_is_answered(void **state)
{
	struct two t;

	(void)state;
	two_in_memory(&t, 100);
	half_close(&t);
	two_free(&t);
	two_over_sockets(&t);
	half_close(&t);
	two_free(&t);
}

static void test_stream_end_comes_after_all_octets(void **state)
{
	struct two t;
	uint64_t sent = 0, got = 0;

	(void)state;
	two_in_memory(&t, MANY);
	while (sent < 2 * STREAM_IN_MOST) {
		char c = octet(sent++);

		must(buf_put(&t.pipe.a_to_b, span_of(&c, 1)));
	}
	t.pipe.a_closed = true;
	assert_true(stream_fill(&t.b, 1));
	assert_false(stream_fill(&t.b, 1));
	assert_int_equal(t.b.end, STREAM_OPEN);
	take_some(&t.b, &got);
	assert_true(stream_fill(&t.b, 1));
	assert_int_equal(t.b.end, STREAM_OPEN); /* `in` is full to the brim: nobody can know */
	take_some(&t.b, &got);
	assert_true(stream_fill(&t.b, 1));
	assert_int_equal(t.b.end, STREAM_CLOSED);
	assert_int_equal(got, sent);
	two_free(&t);
}

static void abort_in_message(struct two *t)
{
	say(&t->a, "half a mess");
	settle(t);
	stream_abort(&t->a);
	assert_false(t->a.open);
	settle_until(t, NULL, &t->b.end);
	assert_int_equal(t->b.end, STREAM_RESET);
	assert_int_equal(t->b.why.fault, FAULT_PEER);
	say(&t->b, "250 OK\r\n");
	stream_finish(&t->b);
	settle(t);
	assert_true(stream_flushed(&t->b)); /* dropped: nobody waits for it */
	assert_true(t->b.shut_out);
	assert_int_equal(t->b.bytes_out, 0);
}

static void test_FAULTS_1_abort_is_a_reset(void **state)
{
	struct two t;

	(void)state;
	two_in_memory(&t, 100);
	abort_in_message(&t);
	two_free(&t);
	two_over_sockets(&t);
	abort_in_message(&t);
	two_free(&t);
}

/* The upstream says no in the middle of the body and is gone: our sending fails, but its
 * words are heard before the end is. */
static void test_FAULTS_7_early_answer_before_reset(void **state)
{
	struct two t;
	bool over;

	(void)state;
	for (int sockets = 0; sockets < 2; sockets++) {
		if (sockets)
			two_over_sockets(&t);
		else
			two_in_memory(&t, 100);
		say(&t.a, "body");
		settle(&t);
		hear(&t.b);
		settle(&t);
		say(&t.b, "552 too big\r\n");
		stream_flush(&t.b, 1);
		stream_close(&t.b);
		t.a.ready_in = false; /* no event has told us anything yet */
		for (int i = 0; i < 1000 && t.a.below == STREAM_OPEN; i++) {
			say(&t.a, "more");
			t.a.ready_out = true;
			stream_flush(&t.a, 1);
			poll(NULL, 0, sockets);
		}
		over = t.a.below == STREAM_RESET;
		assert_true(over);
		assert_int_equal(t.a.end, STREAM_OPEN);
		assert_true(stream_flushed(&t.a));
		settle(&t);
		assert_int_equal(t.a.end, STREAM_RESET);
		heard(&t.a, "552 too big\r\n");
		two_free(&t);
	}
}

static void test_stream_closed_becomes_reset(void **state)
{
	struct two t;

	(void)state;
	two_in_memory(&t, 100);
	stream_close(&t.a);
	settle(&t);
	assert_int_equal(t.b.end, STREAM_CLOSED);
	say(&t.b, "250 OK\r\n");
	settle(&t);
	assert_int_equal(t.b.end, STREAM_RESET);
	two_free(&t);
}

/* One edge tells of octets and of the FIN behind them. */
static void test_stream_fin_behind_octets(void **state)
{
	struct stream s;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	stream_init(&s);
	stream_open_fd_take(&s, fds[0]);
	assert_false(stream_fill(&s, 1));
	assert_int_equal(write(fds[1], "QUIT\r\n", 6), 6);
	close(fds[1]);
	assert_false(stream_fill(&s, 1)); /* nothing was told yet */
	stream_ready(&s, LOOP_READ | LOOP_BEHIND);
	while (stream_fill(&s, 1))
		;
	assert_int_equal(s.end, STREAM_CLOSED);
	heard(&s, "QUIT\r\n");
	stream_close(&s);
}

/* What has brought less than was asked for has brought all: there is no second read to learn that. */
static void test_stream_reads_once(void **state)
{
	struct stream s;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	stream_init(&s);
	stream_open_fd_take(&s, fds[0]);
	assert_false(stream_fill(&s, 1));
	assert_int_equal(write(fds[1], "NOOP\r\n", 6), 6);
	stream_ready(&s, LOOP_READ);
	assert_true(stream_below_read(&s, &s.in));
	assert_false(s.ready_in);
	assert_int_equal(write(fds[1], "QUIT\r\n", 6), 6);
	assert_false(stream_fill(&s, 1)); /* nothing was told yet */
	stream_ready(&s, LOOP_READ);
	assert_true(stream_fill(&s, 1));
	heard(&s, "NOOP\r\nQUIT\r\n");
	stream_close(&s);
	close(fds[1]);
}

/* The real loop: no wake-up is lost, whatever the cut. */
struct served {
	struct loop *loop;
	struct stream *s;
	size_t enough; /* octets; 0: up to the end */
};

static void on_event(void *arg, unsigned what)
{
	struct served *v = arg;

	stream_ready(v->s, what);
}

static void serve(void *arg)
{
	struct served *v = arg;

	while (stream_fill(v->s, loop_now(v->loop)))
		buf_consume(&v->s->in, buf_used(&v->s->in));
	if (v->s->end != STREAM_OPEN || (v->enough > 0 && v->s->bytes_in >= v->enough))
		loop_stop(v->loop);
}

static void send_all(int fd, char *mem, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, mem, len, MSG_NOSIGNAL);

		if (n < 0)
			poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, 1000);
		else
			mem += n, len -= (size_t)n;
	}
}

static void test_stream_over_loop(void **state)
{
	static const size_t sizes[] = { 0, 1, 1000, 65535, 65536, 65537, 300000 };
	static char text[300000];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct loop *l = loop_new();
		struct stream s;
		struct served v = { .loop = l, .s = &s };
		struct loop_watch *w;
		int fds[2];
		pid_t child;

		tcp_pair(fds);
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			send_all(fds[1], text, sizes[i]);
			_exit(0);
		}
		close(fds[1]);
		stream_init(&s);
		stream_open_fd_take(&s, fds[0]);
		w = loop_watch_stream(l, fds[0], on_event, &v);
		loop_run(l, serve, &v);
		assert_int_equal(s.end, STREAM_CLOSED);
		assert_int_equal(s.bytes_in, sizes[i]);
		loop_unwatch(w);
		stream_close(&s);
		loop_free(l);
	}
}

/* Octets and the reset behind them are told by one event, before anybody has looked. */
static void test_FAULTS_1_reset_behind_octets(void **state)
{
	const struct linger none = { .l_onoff = 1, .l_linger = 0 };
	struct pollfd gone;
	struct loop *l = loop_new();
	struct stream s;
	struct served v = { .loop = l, .s = &s };
	struct loop_watch *w;
	int fds[2];

	(void)state;
	tcp_pair(fds);
	stream_init(&s);
	stream_open_fd_take(&s, fds[0]);
	w = loop_watch_stream(l, fds[0], on_event, &v);
	assert_false(stream_fill(&s, 1));
	assert_int_equal(write(fds[1], "half", 4), 4);
	assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
	close(fds[1]);
	gone = (struct pollfd){ .fd = fds[0], .events = POLLERR };
	assert_int_equal(poll(&gone, 1, 10000), 1);
	loop_run(l, serve, &v);
	assert_int_equal(s.end, STREAM_RESET);
	assert_int_equal(s.bytes_in, 4);
	loop_unwatch(w);
	stream_close(&s);
	loop_free(l);
}

/* The other order: the octets are told and taken, and the end comes when nobody looks. */
static void end_apart(bool reset, enum stream_end expected)
{
	const struct linger none = { .l_onoff = 1, .l_linger = 0 };
	struct loop *l = loop_new();
	struct stream s;
	struct served v = { .loop = l, .s = &s };
	struct loop_watch *w;
	int fds[2];

	tcp_pair(fds);
	stream_init(&s);
	stream_open_fd_take(&s, fds[0]);
	w = loop_watch_stream(l, fds[0], on_event, &v);
	assert_int_equal(write(fds[1], "half", 4), 4);
	while (s.bytes_in < 4)
		stream_ready(&s, LOOP_READ), stream_fill(&s, 1);
	assert_int_equal(s.end, STREAM_OPEN);
	if (reset)
		assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
	close(fds[1]);
	loop_run(l, serve, &v);
	assert_int_equal(s.end, expected);
	loop_unwatch(w);
	stream_close(&s);
	loop_free(l);
}

static void test_FAULTS_1_end_after_octets(void **state)
{
	(void)state;
	end_apart(false, STREAM_CLOSED);
	end_apart(true, STREAM_RESET);
}

/* A read ends at the mark of urgent data (RFC 9293 section 3.8.5), whatever stands behind it: the only case in which
 * one that brings little has not brought all. */
static void test_stream_urgent_data(void **state)
{
	struct loop *l = loop_new();
	struct stream s;
	struct served v = { .loop = l, .s = &s, .enough = 6 };
	struct loop_watch *w;
	int fds[2];

	(void)state;
	tcp_pair(fds);
	stream_init(&s);
	stream_open_fd_take(&s, fds[0]);
	assert_false(stream_fill(&s, 1));
	assert_int_equal(send(fds[1], "NOx", 3, MSG_OOB), 3);
	assert_int_equal(send(fds[1], "OP\r\n", 4, 0), 4);
	w = loop_watch_stream(l, fds[0], on_event, &v);
	loop_run(l, serve, &v);
	assert_int_equal(s.bytes_in, 6); /* all but the urgent one, which is no part of the stream */
	loop_unwatch(w);
	stream_close(&s);
	close(fds[1]);
	loop_free(l);
}

/* Only its address is used: a refused start must not touch it. */
static struct tls_conn untouched;

static void test_NEW_12_FAULTS_20_bytes_after_starttls(void **state)
{
	static const char glued[] = "STARTTLS\r\nMAIL FROM:<x@a.example>\r\n";
	struct why why;
	struct two t;

	(void)state;
	for (size_t cut = 11; cut < sizeof(glued); cut++) {
		two_in_memory(&t, MANY);
		must(buf_put(&t.pipe.a_to_b, span_of(glued, cut)));
		stream_fill(&t.b, 1);
		buf_consume(&t.b.in, 10); /* the command has been read */
		assert_false(stream_start_tls(&t.b, &untouched, &why));
		assert_int_equal(why.fault, FAULT_PEER);
		assert_null(t.b.tls);
		two_free(&t);
	}
}

static void test_NEW_12_FAULTS_20_bytes_after_220_upstream(void **state)
{
	struct why why;
	struct two t;

	(void)state;
	two_in_memory(&t, MANY);
	must(buf_put(&t.pipe.b_to_a, SPAN("220 go\r\n250 injected\r\n")));
	stream_fill(&t.a, 1);
	buf_consume(&t.a.in, 8);
	assert_false(stream_start_tls(&t.a, &untouched, &why));
	assert_int_equal(why.fault, FAULT_PEER);
	two_free(&t);
}

static void test_NEW_12_reply_must_have_left(void **state)
{
	struct why why;
	struct two t;

	(void)state;
	two_in_memory(&t, 3);
	say(&t.b, "220 go\r\n");
	stream_hold(&t.b);
	stream_flush(&t.b, 1);
	assert_false(stream_start_tls(&t.b, &untouched, &why));
	assert_int_equal(why.fault, FAULT_SELF);
	/* What comes now is TLS to be, and is left where it is. */
	must(buf_put(&t.pipe.a_to_b, SPAN("\x16\x03\x01")));
	assert_false(stream_fill(&t.b, 1));
	assert_int_equal(buf_used(&t.pipe.a_to_b), 3);
	t.pipe.a_window = 100;
	settle(&t);
	heard(&t.a, "220 go\r\n");
	assert_true(stream_start_tls(&t.b, &untouched, &why));
	t.b.tls = NULL;
	two_free(&t);
}

static void test_stream_held_and_lost(void **state)
{
	struct why why;
	struct two t;

	(void)state;
	two_in_memory(&t, 100);
	stream_hold(&t.b);
	stream_close(&t.a);
	say(&t.b, "220 go\r\n");
	settle(&t);
	assert_int_equal(t.b.end, STREAM_RESET);
	assert_false(stream_start_tls(&t.b, &untouched, &why));
	two_free(&t);
}

static void test_stream_opens_again(void **state)
{
	struct two t;

	(void)state;
	two_in_memory(&t, 100);
	stream_close(&t.a);
	settle(&t);
	say(&t.b, "x");
	settle(&t);
	stream_close(&t.b);
	assert_int_equal(t.b.end, STREAM_RESET); /* kept for the log */
	assert_false(stream_fill(&t.b, 1));
	assert_false(stream_flush(&t.b, 1));
	stream_pipe_free(&t.pipe);
	stream_pipe_init(&t.pipe, 100, 100);
	stream_open_pipe(&t.a, &t.pipe, true);
	stream_open_pipe(&t.b, &t.pipe, false);
	assert_int_equal(t.b.end, STREAM_OPEN);
	say(&t.b, "220 again\r\n");
	settle(&t);
	heard(&t.a, "220 again\r\n");
	two_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream_1mb_both_ways),
		cmocka_unit_test(test_FAULTS_12_never_reading_peer),
		cmocka_unit_test(test_stream_window_closed),
		cmocka_unit_test(test_FAULTS_3_half_close_is_answered),
		cmocka_unit_test(test_stream_end_comes_after_all_octets),
		cmocka_unit_test(test_FAULTS_1_abort_is_a_reset),
		cmocka_unit_test(test_FAULTS_7_early_answer_before_reset),
		cmocka_unit_test(test_stream_closed_becomes_reset),
		cmocka_unit_test(test_stream_fin_behind_octets),
		cmocka_unit_test(test_stream_over_loop),
		cmocka_unit_test(test_FAULTS_1_reset_behind_octets),
		cmocka_unit_test(test_FAULTS_1_end_after_octets),
		cmocka_unit_test(test_stream_urgent_data),
		cmocka_unit_test(test_stream_reads_once),
		cmocka_unit_test(test_NEW_12_FAULTS_20_bytes_after_starttls),
		cmocka_unit_test(test_NEW_12_FAULTS_20_bytes_after_220_upstream),
		cmocka_unit_test(test_NEW_12_reply_must_have_left),
		cmocka_unit_test(test_stream_held_and_lost),
		cmocka_unit_test(test_stream_opens_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
