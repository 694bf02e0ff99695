#include "io/stream.h"

#include "tls_pair.h"
#include "unit.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MANY (1024 * 1024)

static struct test_pki *pki;
static struct tls_cert *cert;
static struct tls_server *server;
static struct tls_client *client;
static struct tls_ticket_ring tickets;

static int make_tls(void **state)
{
	const struct test_pki_spec spec = { .cn = "mx.example.net", .names = "DNS:mx.example.net" };

	(void)state;
	pki = test_pki_make(&spec, NULL);
	cert = tls_pair_cert(pki);
	tls_ticket_rotate(&tickets);
	server = tls_pair_server(tls_profile_builtin("intermediate"), &cert, 1, "test", &tickets);
	client = tls_pair_client(tls_profile_builtin("intermediate"), pki);
	return 0;
}

static int free_tls(void **state)
{
	(void)state;
	tls_client_free(client);
	tls_server_free(server);
	tls_cert_free(cert);
	test_pki_free(pki);
	return 0;
}

/* `a` is the client, `b` the server. */
struct two {
	struct stream_pipe pipe;
	struct stream a, b;
};

static void start_tls(struct two *t)
{
	struct why why = { .fault = FAULT_NONE };

	must(stream_start_tls(&t->a, tls_conn_connect(client, "mx.example.net", NULL, ""), &why));
	must(stream_start_tls(&t->b, tls_conn_accept(server), &why));
}

static void two_in_clear(struct two *t, size_t window)
{
	stream_pipe_init(&t->pipe, window, window);
	stream_init(&t->a);
	stream_init(&t->b);
	stream_open_pipe(&t->a, &t->pipe, true);
	stream_open_pipe(&t->b, &t->pipe, false);
}

static void two_in_memory(struct two *t, size_t window)
{
	two_in_clear(t, window);
	start_tls(t);
}

static void two_over_sockets(struct two *t, int type)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fds), 0);
	memset(&t->pipe, 0, sizeof(t->pipe));
	stream_init(&t->a);
	stream_init(&t->b);
	stream_open_fd_take(&t->a, fds[0]);
	stream_open_fd_take(&t->b, fds[1]);
	start_tls(t);
}

static void two_free(struct two *t)
{
	stream_close(&t->a);
	stream_close(&t->b);
	stream_pipe_free(&t->pipe);
}

static void hear(struct stream *s)
{
	s->ready_in = s->ready_out = true;
}

static bool turn(struct two *t)
{
	bool moved = stream_fill(&t->a, 1);

	moved |= stream_fill(&t->b, 1);
	moved |= stream_flush(&t->a, 1);
	moved |= stream_flush(&t->b, 1);
	return moved;
}

/* As far as they go; each must come to rest. */
static void settle(struct two *t)
{
	int turns = 4 * MANY;

	do {
		hear(&t->a);
		hear(&t->b);
	} while (turn(t) && --turns > 0);
	assert_true(turns > 0);
}

static void say(struct stream *s, const char *text)
{
	must(buf_put(&s->out, span_str(text)));
}

static void heard(struct stream *s, const char *text)
{
	want_text("heard", buf_peek(&s->in), span_str(text));
	buf_consume(&s->in, buf_used(&s->in));
}

static char octet(uint64_t n)
{
	return (char)(n * 31 + n / 251);
}

static void put_some(struct stream *s, uint64_t *sent, uint64_t most)
{
	if (buf_used(&s->out) > 0)
		return;
	while (*sent < most && buf_space(&s->out) > 0) {
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

static void exchange(struct two *t, uint64_t most)
{
	uint64_t a_sent = 0, a_got = 0, b_sent = 0, b_got = 0;
	int turns = 4 * MANY;

	while ((a_got < most || b_got < most) && --turns > 0) {
		put_some(&t->a, &a_sent, most);
		put_some(&t->b, &b_sent, most);
		hear(&t->a);
		hear(&t->b);
		turn(t);
		take_some(&t->a, &a_got);
		take_some(&t->b, &b_got);
	}
	assert_int_equal(a_got, most);
	assert_int_equal(b_got, most);
	assert_int_equal(t->a.bytes_in, most);
	assert_int_equal(t->b.bytes_out, most);
	assert_true(stream_is_secure(&t->a));
	assert_true(stream_is_secure(&t->b));
}

static void test_stream_tls_both_ways(void **state)
{
	static const struct {
		size_t window;
		uint64_t octets;
	} rows[] = { { 1, 100000 }, { 7, 300000 }, { 4096, MANY }, { MANY, MANY } };
	struct two t;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		two_in_memory(&t, rows[i].window);
		exchange(&t, rows[i].octets);
		two_free(&t);
	}
	two_over_sockets(&t, SOCK_STREAM);
	exchange(&t, MANY);
	two_free(&t);
}

/* From a dialogue in clear into TLS, whatever the cut; no octet of the hello is read in clear. */
static void test_NEW_12_starttls_at_every_cut(void **state)
{
	struct why why;
	struct two t;

	(void)state;
	for (size_t window = 1; window < 300; window++) {
		two_in_clear(&t, window);
		say(&t.a, "STARTTLS\r\n");
		settle(&t);
		heard(&t.b, "STARTTLS\r\n");
		say(&t.b, "220 go\r\n");
		stream_hold(&t.b);
		while (!stream_flushed(&t.b)) {
			stream_fill(&t.a, 1);
			stream_flush(&t.b, 1);
		}
		stream_fill(&t.a, 1);
		heard(&t.a, "220 go\r\n");
		must(stream_start_tls(&t.a, tls_conn_connect(client, "mx.example.net", NULL, ""), &why));
		stream_flush(&t.a, 1);
		assert_true(buf_used(&t.pipe.a_to_b) > 0); /* the hello is under way */
		assert_false(stream_fill(&t.b, 1));
		must(stream_start_tls(&t.b, tls_conn_accept(server), &why));
		say(&t.a, "EHLO a.example\r\n");
		settle(&t);
		heard(&t.b, "EHLO a.example\r\n");
		two_free(&t);
	}
}

/* Plaintext that came between STARTTLS and the handshake is no command of anybody. */
static void test_FAULTS_20_plaintext_instead_of_hello(void **state)
{
	struct why why;
	struct two t;

	(void)state;
	two_in_clear(&t, MANY);
	say(&t.b, "220 go\r\n");
	stream_hold(&t.b);
	must(buf_put(&t.pipe.a_to_b, SPAN("MAIL FROM:<x@a.example>\r\n")));
	stream_flush(&t.b, 1);
	must(stream_start_tls(&t.b, tls_conn_accept(server), &why));
	settle(&t);
	assert_int_equal(t.b.end, STREAM_TLS_BROKEN);
	assert_int_not_equal(t.b.failure, TLS_FAILURE_NONE);
	assert_int_equal(buf_used(&t.b.in), 0);
	assert_int_equal(t.b.bytes_in, 0);
	two_free(&t);
}

/* What the client sends in a whole session, recorded; then played to a server up to every octet. */
static size_t whole_session(struct two *t, bool close_notify)
{
	two_in_memory(t, MANY);
	say(&t->a, "DATA of some length, and the end of it");
	settle(t);
	heard(&t->b, "DATA of some length, and the end of it");
	if (close_notify)
		stream_finish(&t->a);
	settle(t);
	return t->b.bytes_in;
}

/* The client's transport ends after `most` octets; how the server's stream ended. */
static enum stream_end cut_after(size_t most, bool reset, size_t *sent, bool *secure)
{
	struct two t;
	enum stream_end end;
	size_t before = 0;

	*sent = 0;
	two_in_memory(&t, 0);
	say(&t.a, "DATA of some length, and the end of it");
	stream_finish(&t.a);
	t.pipe.a_window = MANY;
	while (*sent < most) {
		before = *sent;
		t.pipe.b_window = 1;
		stream_fill(&t.a, 1);
		stream_flush(&t.a, 1);
		*sent += buf_used(&t.pipe.a_to_b);
		while (stream_fill(&t.b, 1) || stream_flush(&t.b, 1))
			;
		if (*sent == before && t.a.shut_out)
			break;
	}
	*secure = stream_is_secure(&t.b);
	t.pipe.a_closed = true;
	t.pipe.reset = reset;
	while (stream_fill(&t.b, 1) || stream_flush(&t.b, 1))
		;
	end = t.b.end;
	if (end == STREAM_CLOSED)
		heard(&t.b, "DATA of some length, and the end of it");
	else
		assert_true(t.b.why.fault == FAULT_PEER);
	if (!*secure)
		assert_int_not_equal(t.b.failure, TLS_FAILURE_NONE);
	two_free(&t);
	return end;
}

static void test_FAULTS_14_cut_at_every_octet(void **state)
{
	struct two t;
	size_t sent = 0, last = 0;
	bool secure = false;

	(void)state;
	assert_int_equal(whole_session(&t, true), 38);
	assert_int_equal(t.b.end, STREAM_CLOSED);
	two_free(&t);
	for (size_t most = 0;; most++) {
		enum stream_end end = cut_after(most, false, &sent, &secure);

		if (sent < most) { /* that was all, with its close_notify */
			assert_int_equal(end, STREAM_CLOSED);
			break;
		}
		last = most;
		if (!secure && end != STREAM_TLS_BROKEN)
			fail_msg("cut at %zu in the handshake: end is %d", most, (int)end);
		if (secure && end != STREAM_CUT && end != STREAM_CLOSED)
			fail_msg("cut at %zu: end is %d", most, (int)end);
		if (end == STREAM_CLOSED && cut_after(most - 1, false, &sent, &secure) != STREAM_CUT)
			fail_msg("closed at %zu without its close_notify", most);
		if (end == STREAM_CLOSED)
			break;
	}
	assert_true(last > 200);
	assert_int_equal(cut_after(last - 3, true, &sent, &secure), STREAM_RESET);
	assert_int_equal(cut_after(100, true, &sent, &secure), STREAM_TLS_BROKEN);
}

static void test_FAULTS_14_fin_without_close_notify(void **state)
{
	struct two t;

	(void)state;
	assert_int_equal(whole_session(&t, false), 38);
	stream_close(&t.a); /* a FIN and no more */
	settle(&t);
	assert_int_equal(t.b.end, STREAM_CUT);
	two_free(&t);
}

/* FAULTS 3 under TLS: close_notify ends one direction. */
static void test_FAULTS_3_answer_after_close_notify(void **state)
{
	struct two t;

	(void)state;
	for (int sockets = 0; sockets < 2; sockets++) {
		if (sockets)
			two_over_sockets(&t, SOCK_STREAM);
		else
			two_in_memory(&t, 5);
		say(&t.a, ".\r\n");
		stream_finish(&t.a);
		settle(&t);
		assert_true(t.a.shut_out);
		assert_int_equal(t.b.end, STREAM_CLOSED);
		heard(&t.b, ".\r\n");
		say(&t.b, "250 OK\r\n");
		stream_finish(&t.b);
		settle(&t);
		assert_true(t.b.shut_out);
		assert_int_equal(t.a.end, STREAM_CLOSED);
		heard(&t.a, "250 OK\r\n");
		two_free(&t);
	}
}

/* As CVE-2026-45185: what follows a close_notify in clear is nobody's. */
static void test_FAULTS_13_clear_octets_after_close_notify(void **state)
{
	struct two t;

	(void)state;
	assert_int_equal(whole_session(&t, true), 38);
	must(buf_put(&t.pipe.a_to_b, SPAN("x\r\n.\r\n")));
	assert_false(stream_fill(&t.b, 1));
	assert_int_equal(buf_used(&t.b.in), 0);
	two_free(&t);
}

static void test_FAULTS_13_forged_octet(void **state)
{
	struct two t;
	size_t len;

	(void)state;
	two_in_memory(&t, MANY);
	settle(&t);
	say(&t.a, "DATA");
	stream_flush(&t.a, 1);
	len = buf_used(&t.pipe.a_to_b);
	t.pipe.a_to_b.mem[t.pipe.a_to_b.head + len - 1] ^= 1;
	say(&t.b, "250 never sent");
	assert_true(stream_fill(&t.b, 1));
	assert_int_equal(t.b.end, STREAM_TLS_BROKEN);
	assert_int_equal(buf_used(&t.b.in), 0);
	settle(&t); /* our alert goes, our words do not */
	assert_true(stream_flushed(&t.b));
	assert_int_equal(t.a.end, STREAM_TLS_BROKEN);
	heard(&t.a, "");
	two_free(&t);
}

static void test_FAULTS_16_handshake_fails_with_an_alert(void **state)
{
	struct two t;
	struct span alert;
	struct why why;

	(void)state;
	two_in_clear(&t, MANY);
	must(stream_start_tls(&t.b, tls_conn_accept(server), &why));
	say(&t.b, "220 waits for TLS");
	/* A hello of TLS 1.1. */
	must(buf_put(&t.pipe.a_to_b, span_of("\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x02"
					     "0123456789abcdef0123456789abcdef"
					     "\x00\x00\x04\x00\x05\x00\x0a\x01\x00", 52)));
	settle(&t);
	assert_int_equal(t.b.end, STREAM_TLS_BROKEN);
	assert_int_equal(t.b.failure, TLS_FAILURE_VERSION);
	assert_true(t.b.handshaking);
	alert = buf_peek(&t.a.in);
	assert_int_equal(alert.len, 7);
	assert_int_equal(alert.at[0], 21);
	assert_int_equal(alert.at[6], 70); /* protocol_version */
	assert_true(stream_flushed(&t.b));
	two_free(&t);
}

static void test_FAULTS_12_stuck_handshake_comes_to_rest(void **state)
{
	struct two t;

	(void)state;
	two_in_memory(&t, 100);
	t.pipe.a_window = 0;
	settle(&t);
	assert_int_equal(t.a.end, STREAM_OPEN);
	assert_true(t.a.handshaking);
	assert_false(turn(&t));
	two_free(&t);
}

/* Octets wait in OpenSSL and before it while `in` is full. The socket has told all that it ever
 * will; still they must come, and the end after them. */
static void test_stream_tls_octets_above_the_socket(void **state)
{
	struct two t;
	uint64_t sent = 0, got = 0;

	(void)state;
	two_over_sockets(&t, SOCK_STREAM);
	settle(&t);
	must(setsockopt(t.a.fd, SOL_SOCKET, SO_SNDBUF, &(int){ 4 * MANY }, sizeof(int)) == 0);
	while (sent < 120000) {
		put_some(&t.a, &sent, 120000);
		settle(&t);
	}
	stream_finish(&t.a);
	settle(&t);
	assert_true(t.a.shut_out);
	assert_int_equal(buf_space(&t.b.in), 0);
	assert_int_equal(t.b.end, STREAM_OPEN);
	while (t.b.end == STREAM_OPEN) {
		uint64_t before = got;

		take_some(&t.b, &got);
		stream_fill(&t.b, 1);
		assert_true(got > before || t.b.end != STREAM_OPEN);
	}
	take_some(&t.b, &got);
	assert_int_equal(t.b.end, STREAM_CLOSED);
	assert_int_equal(got, sent);
	two_free(&t);
}

static void test_FAULTS_12_never_reading_peer_under_tls(void **state)
{
	struct two t;
	uint64_t sent = 0;

	(void)state;
	two_in_memory(&t, 1000);
	for (int i = 0; i < 20; i++) {
		put_some(&t.a, &sent, 100 * MANY);
		settle(&t);
	}
	assert_false(turn(&t));
	assert_true(buf_used(&t.b.in) <= STREAM_IN_MOST);
	assert_true(buf_used(&t.b.tls->raw_in) <= TLS_RAW_IN_MOST);
	assert_true(buf_used(&t.a.tls->raw_out) <= TLS_RAW_OUT_MOST);
	two_free(&t);
}

/* An upstream that sends nothing but tickets: fill must come back, and the others have their turn. */
static void test_FAULTS_12_fill_is_bounded(void **state)
{
	const size_t much = 2 * MANY;
	struct two t;
	size_t left = 0;
	int fills = 0;

	(void)state;
	two_in_memory(&t, 16 * MANY);
	settle(&t);
	while (buf_used(&t.pipe.b_to_a) < much) {
		must(SSL_new_session_ticket(t.b.tls->ssl) == 1);
		must(SSL_do_handshake(t.b.tls->ssl) == 1);
		stream_flush(&t.b, 1);
	}
	for (left = much; left > 0; left = buf_used(&t.pipe.b_to_a)) {
		assert_true(stream_fill(&t.a, 1)); /* there is more, so it says that it moved */
		fills++;
	}
	assert_in_range(fills, 4, 100);
	assert_int_equal(buf_used(&t.a.in), 0);
	two_free(&t);
}

/* A socket that keeps apart what was sent apart. */
static void test_the_last_words_and_close_notify_are_one_send(void **state)
{
	char sent[1024];
	struct two t;

	(void)state;
	two_over_sockets(&t, SOCK_SEQPACKET);
	do {
		hear(&t.a);
		hear(&t.b);
	} while (turn(&t));
	assert_true(stream_is_secure(&t.a) && stream_is_secure(&t.b));
	assert_true(buf_put(&t.b.out, SPAN("221 2.0.0 Bye\r\n")));
	stream_finish(&t.b);
	assert_true(stream_flush(&t.b, 1));
	assert_true(recv(t.a.fd, sent, sizeof(sent), 0) > 0);
	assert_int_equal(recv(t.a.fd, sent, sizeof(sent), 0), 0);
	two_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream_tls_both_ways),
		cmocka_unit_test(test_NEW_12_starttls_at_every_cut),
		cmocka_unit_test(test_FAULTS_20_plaintext_instead_of_hello),
		cmocka_unit_test(test_FAULTS_14_cut_at_every_octet),
		cmocka_unit_test(test_FAULTS_14_fin_without_close_notify),
		cmocka_unit_test(test_FAULTS_3_answer_after_close_notify),
		cmocka_unit_test(test_FAULTS_13_clear_octets_after_close_notify),
		cmocka_unit_test(test_FAULTS_13_forged_octet),
		cmocka_unit_test(test_FAULTS_16_handshake_fails_with_an_alert),
		cmocka_unit_test(test_FAULTS_12_stuck_handshake_comes_to_rest),
		cmocka_unit_test(test_stream_tls_octets_above_the_socket),
		cmocka_unit_test(test_FAULTS_12_never_reading_peer_under_tls),
		cmocka_unit_test(test_FAULTS_12_fill_is_bounded),
		cmocka_unit_test(test_the_last_words_and_close_notify_are_one_send),
	};

	return cmocka_run_group_tests(tests, make_tls, free_tls);
}
