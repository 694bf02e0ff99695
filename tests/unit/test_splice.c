#include "io/loop.h"
#include "io/sock.h"
#include "io/splice.h"
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* One direction: what is written into `source` arrives at `sink`, by way of two streams of ours. */
struct way {
	struct splice_pool *pool;
	struct splice splice;
	struct stream from, to;
	int source, sink;
	uint64_t sent, got;
	bool wrong;
};

static char octet(uint64_t n)
{
	return (char)(n * 31 + n / 251);
}

static void tcp_pair(int fds[2])
{
	struct addr at, peer;
	struct why why;
	int listener;

	must(addr_read(SPAN("127.0.0.1:0"), &at));
	listener = sock_listen(&at, &why);
	must(listener >= 0 && sock_local(listener, &at));
	fds[0] = sock_connect(&at, &why);
	must(fds[0] >= 0 && poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1, 10000) == 1);
	fds[1] = sock_accept(listener, &peer, NULL);
	must(fds[1] >= 0);
	close(listener);
}

static void begin(struct way *w, struct splice_pool *pool)
{
	int in[2], out[2];

	*w = (struct way){ .pool = pool };
	tcp_pair(in);
	tcp_pair(out);
	w->source = in[0];
	w->sink = out[0];
	stream_open_fd_take(&w->from, in[1]);
	stream_open_fd_take(&w->to, out[1]);
	splice_init(&w->splice, pool);
}

static void end(struct way *w)
{
	splice_free(&w->splice);
	stream_close(&w->from);
	stream_close(&w->to);
	if (w->source >= 0)
		close(w->source);
	if (w->sink >= 0)
		close(w->sink);
}

static void hear(struct stream *s)
{
	struct pollfd one = { .fd = s->fd, .events = POLLIN | POLLOUT | POLLRDHUP };

	if (!s->open || poll(&one, 1, 0) <= 0)
		return;
	stream_ready(s, (one.revents & (POLLIN | POLLERR | POLLHUP) ? LOOP_READ : 0) |
			(one.revents & (POLLOUT | POLLERR | POLLHUP) ? LOOP_WRITE : 0) |
			(one.revents & (POLLRDHUP | POLLERR | POLLHUP) ? LOOP_BEHIND : 0));
}

/* As mode_tunnel does it, until nothing moves. */
static void run(struct way *w)
{
	bool moved = true;

	hear(&w->from);
	hear(&w->to);
	while (moved) {
		moved = stream_fill(&w->from, 1);
		moved |= stream_fill(&w->to, 1);
		splice_note(&w->splice, &w->from, &w->to);
		if (w->splice.inside == 0 && buf_used(&w->from.in) > 0 && buf_space(&w->to.out) > 0) {
			buf_move(&w->to.out, &w->from.in);
			moved = true;
		}
		moved |= splice_move(&w->splice, &w->from, &w->to, 1);
		moved |= stream_flush(&w->to, 1);
		must(w->splice.inside <= SPLICE_PIPE_MOST && w->pool->made <= w->pool->most);
		must((w->splice.pipe[0] >= 0) == (w->splice.inside > 0));
	}
}

/* As much as fits, up to `len`. */
static void put(struct way *w, size_t len)
{
	static char text[STREAM_IN_MOST];
	ssize_t put = 1;

	while (len > 0 && put > 0) {
		size_t some = len < sizeof(text) ? len : sizeof(text);

		for (size_t i = 0; i < some; i++)
			text[i] = octet(w->sent + i);
		put = send(w->source, text, some, MSG_NOSIGNAL | MSG_DONTWAIT);
		w->sent += put > 0 ? (uint64_t)put : 0;
		len -= put > 0 ? (size_t)put : 0;
	}
}

static void take(struct way *w)
{
	static char text[1024 * 1024];
	ssize_t got;

	while ((got = recv(w->sink, text, sizeof(text), MSG_DONTWAIT)) > 0) {
		for (ssize_t i = 0; i < got; i++)
			w->wrong |= text[i] != octet(w->got + (uint64_t)i);
		w->got += (uint64_t)got;
	}
}

/* `len` more octets go through, in pieces. */
static void pump(struct way *w, uint64_t len, size_t piece)
{
	uint64_t until = w->sent + len;

	for (int turns = 0; w->got < until; turns++) {
		must(turns < 1000000);
		put(w, (size_t)(until - w->sent < piece ? until - w->sent : piece));
		run(w);
		take(w);
	}
	assert_false(w->wrong);
}

static void test_large_flows_alone(void **state)
{
	struct splice_pool pool;
	struct way w;

	(void)state;
	splice_pool_init(&pool, SPLICE_PIPES);
	begin(&w, &pool);
	pump(&w, 100000, 1000);
	assert_int_equal(w.splice.moved, 0);
	assert_int_equal(pool.made, 0);
	pump(&w, 32 * 1024 * 1024, SIZE_MAX);
	assert_true(w.splice.moved > 16 * 1024 * 1024);
	assert_true(w.from.bypassed);
	assert_int_equal(pool.made, 1);
	assert_int_equal(w.from.bytes_in, w.sent);
	assert_int_equal(w.to.bytes_out, w.got);
	end(&w);
	assert_int_equal(pool.idle_count, 1);
	splice_pool_free(&pool);
}

/* A flow that has become a trickle is read and written again, and may grow again. */
static void test_back_when_it_yields_little(void **state)
{
	struct splice_pool pool;
	struct way w;

	(void)state;
	splice_pool_init(&pool, SPLICE_PIPES);
	begin(&w, &pool);
	for (int i = 0; i < 3; i++) {
		uint64_t moved = w.splice.moved;

		pump(&w, 8 * 1024 * 1024, SIZE_MAX);
		assert_true(w.from.bypassed && w.splice.moved > moved);
		pump(&w, 100 * 1000, 1000);
		assert_false(w.from.bypassed);
	}
	end(&w);
	splice_pool_free(&pool);
}

/* Without a free pipe reading and writing does as well. */
static void test_no_pipe(void **state)
{
	struct splice_pool pool;
	struct way holds, other;

	(void)state;
	splice_pool_init(&pool, 1);
	begin(&holds, &pool);
	begin(&other, &pool);
	/* Nobody takes it: octets stay in the pipe. */
	for (int i = 0; i < 1000 && holds.splice.inside == 0; i++) {
		put(&holds, SIZE_MAX);
		run(&holds);
	}
	assert_true(holds.splice.inside > 0);
	pump(&other, 16 * 1024 * 1024, SIZE_MAX);
	assert_int_equal(other.splice.moved, 0);
	assert_false(other.from.bypassed);
	/* And what was held is whole. */
	pump(&holds, 1024 * 1024, SIZE_MAX);
	assert_int_equal(holds.got, holds.sent);
	pump(&other, 16 * 1024 * 1024, SIZE_MAX);
	assert_true(other.splice.moved > 0);
	end(&holds);
	end(&other);
	splice_pool_free(&pool);
}

/* Back pressure: what we hold has a ceiling, and it is the kernel's. */
static void test_nobody_takes_it(void **state)
{
	struct splice_pool pool;
	uint64_t sent = 0;
	struct way w;

	(void)state;
	splice_pool_init(&pool, SPLICE_PIPES);
	begin(&w, &pool);
	do {
		sent = w.sent;
		put(&w, SIZE_MAX);
		run(&w);
		poll(NULL, 0, 1);
	} while (w.sent > sent);
	assert_true(w.splice.inside > 0 && w.splice.inside <= SPLICE_PIPE_MOST);
	assert_true(w.from.bytes_in - w.to.bytes_out <= SPLICE_PIPE_MOST + STREAM_IN_MOST + STREAM_OUT_MOST);
	/* A pipe with octets in it is not for others. */
	splice_free(&w.splice);
	assert_int_equal(pool.made, 0);
	assert_int_equal(pool.idle_count, 0);
	end(&w);
	splice_pool_free(&pool);
}

static void wait_for_end(struct way *w, const struct stream *s)
{
	for (int i = 0; i < 5000 && s->end == STREAM_OPEN; i++) {
		run(w);
		take(w);
		poll(NULL, 0, 1);
	}
}

static void test_fin_behind_octets(void **state)
{
	struct splice_pool pool;
	struct way w;

	(void)state;
	splice_pool_init(&pool, SPLICE_PIPES);
	begin(&w, &pool);
	pump(&w, 8 * 1024 * 1024, SIZE_MAX);
	put(&w, 100000);
	shutdown(w.source, SHUT_WR);
	wait_for_end(&w, &w.from);
	assert_int_equal(w.from.end, STREAM_CLOSED);
	pump(&w, 0, 0);
	for (int i = 0; i < 5000 && w.got < w.sent; i++) {
		run(&w);
		take(&w);
		poll(NULL, 0, 1);
	}
	assert_int_equal(w.got, w.sent);
	end(&w);
	splice_pool_free(&pool);
}

static void reset(int *fd)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	must(setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
	close(*fd);
	*fd = -1;
}

static void test_reset_of_the_source(void **state)
{
	struct splice_pool pool;
	struct way w;

	(void)state;
	splice_pool_init(&pool, SPLICE_PIPES);
	begin(&w, &pool);
	pump(&w, 8 * 1024 * 1024, SIZE_MAX);
	assert_true(w.from.bypassed);
	reset(&w.source);
	wait_for_end(&w, &w.from);
	assert_int_equal(w.from.end, STREAM_RESET);
	assert_int_equal(w.from.why.fault, FAULT_PEER);
	end(&w);
	splice_pool_free(&pool);
}

/* Found by writing, told by reading: also while octets wait in the pipe. */
static void test_reset_of_the_sink(void **state)
{
	struct splice_pool pool;
	struct way w;

	(void)state;
	splice_pool_init(&pool, SPLICE_PIPES);
	begin(&w, &pool);
	pump(&w, 8 * 1024 * 1024, SIZE_MAX);
	for (int i = 0; i < 1000 && w.splice.inside == 0; i++) {
		put(&w, SIZE_MAX);
		run(&w);
	}
	reset(&w.sink);
	for (int i = 0; i < 5000 && w.to.end == STREAM_OPEN; i++) {
		put(&w, SIZE_MAX);
		run(&w);
		poll(NULL, 0, 1);
	}
	assert_int_equal(w.to.end, STREAM_RESET);
	end(&w);
	splice_pool_free(&pool);
}

static void test_never_in_memory(void **state)
{
	struct stream_pipe pipe;
	struct splice_pool pool;
	struct splice p;
	struct stream a, b;

	(void)state;
	stream_pipe_init(&pipe, 1 << 20, 1 << 20);
	stream_init(&a);
	stream_init(&b);
	stream_open_pipe(&a, &pipe, true);
	stream_open_pipe(&b, &pipe, false);
	splice_pool_init(&pool, SPLICE_PIPES);
	splice_init(&p, &pool);
	for (int i = 0; i < 10; i++) {
		size_t room;

		buf_reserve(&a.in, STREAM_IN_MOST, &room);
		buf_commit(&a.in, room);
		a.bytes_in += room;
		splice_note(&p, &a, &b);
		buf_free(&a.in);
	}
	assert_false(a.bypassed);
	assert_false(splice_move(&p, &a, &b, 1));
	stream_close(&a);
	stream_close(&b);
	stream_pipe_free(&pipe);
	splice_pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_large_flows_alone),
		cmocka_unit_test(test_back_when_it_yields_little),
		cmocka_unit_test(test_no_pipe),
		cmocka_unit_test(test_nobody_takes_it),
		cmocka_unit_test(test_fin_behind_octets),
		cmocka_unit_test(test_reset_of_the_source),
		cmocka_unit_test(test_reset_of_the_sink),
		cmocka_unit_test(test_never_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
