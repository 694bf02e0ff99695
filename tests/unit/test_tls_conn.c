/* The octets of a connection that is open: records, how they are cut, spoilt and ended. */
#include "unit.h"

#include "tls_pair.h"

#include <malloc.h>

#define HOST "mx.example.net"

static struct test_pki *ca, *leaf;
static struct tls_cert *cert;
static struct tls_ticket_ring ring;

static const enum tls_version both[] = { TLS_1_2, TLS_1_3 };

static const struct tls_profile *usual(void)
{
	return tls_profile_builtin("intermediate");
}

/* Contexts are made and freed around each pair: the connections hold what they need. */
static void open_with(struct tls_pair *p, const struct tls_profile *server,
		      const struct tls_profile *client)
{
	struct tls_server *s = tls_pair_server(server, &cert, 1, "mx", &ring);
	struct tls_client *c = tls_pair_client(client, ca);

	tls_pair_open(p, s, c, HOST, NULL);
	tls_server_free(s);
	tls_client_free(c);
}

static void open_version(struct tls_pair *p, enum tls_version version)
{
	struct tls_profile profile = tls_pair_versions(version, version);

	open_with(p, usual(), &profile);
}

static void open_ready(struct tls_pair *p, enum tls_version version)
{
	open_version(p, version);
	if (!tls_pair_shake(p, TLS_PAIR_WHOLE))
		fail_msg("handshake: %s, %s", p->client_why.text, p->server_why.text);
}

static enum tls_io read_some(struct tls_conn *c, struct why *why)
{
	struct buf in;
	enum tls_io io;

	buf_init(&in, 65536);
	io = tls_conn_read(c, &in, why);
	buf_free(&in);
	return io;
}

static void test_NEW_12_cut_at_every_octet(void **state)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 64 };

	(void)state;
	for (size_t i = 0; i < ROWS(both); i++) {
		for (size_t k = 0; k < ROWS(pieces); k++) {
			struct tls_pair p;

			open_version(&p, both[i]);
			assert_true(tls_pair_shake(&p, pieces[k]));
			assert_true(tls_pair_say(p.server, p.client, "250 hello\r\n"));
			assert_true(tls_pair_say(p.client, p.server, "EHLO a.example\r\n"));
			tls_pair_close(&p);
		}
	}
}

static void test_records_cut_at_every_octet(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(both); i++) {
		struct buf out, in;
		struct tls_pair p;
		struct why why;
		enum tls_io io = TLS_IO_MORE;

		open_ready(&p, both[i]);
		buf_init(&out, 100);
		buf_init(&in, 100);
		assert_true(buf_put(&out, SPAN("MAIL FROM:<a@a.example>\r\n")));
		assert_int_equal(tls_conn_write(p.client, &out, &why), TLS_IO_OK);
		assert_int_equal(buf_used(&out), 0);
		while (buf_used(&p.client->raw_out) > 0) {
			assert_int_equal(io, TLS_IO_MORE);
			tls_pair_carry(p.client, p.server, 1);
			io = tls_conn_read(p.server, &in, &why);
		}
		assert_int_equal(io, TLS_IO_OK);
		want_text("", buf_peek(&in), SPAN("MAIL FROM:<a@a.example>\r\n"));
		assert_int_equal(tls_conn_read(p.server, &in, &why), TLS_IO_MORE);
		buf_free(&in);
		tls_pair_close(&p);
	}
}

/* Any octet of a record changed on the way: what was in it never arrives, and it is over. */
static void test_FAULTS_13_tampering(void **state)
{
	static const char text[] = "RCPT TO:<b@b.example>\r\n";

	(void)state;
	for (size_t i = 0; i < ROWS(both); i++) {
		size_t len = 1;

		for (size_t at = 0; at < len; at++) {
			struct buf out, in;
			struct tls_pair p;
			struct why why = { 0 };
			enum tls_io io;

			open_ready(&p, both[i]);
			while (tls_pair_carry(p.server, p.client, TLS_PAIR_WHOLE) > 0)
				assert_int_equal(read_some(p.client, &why), TLS_IO_MORE);
			buf_init(&out, 100);
			buf_init(&in, 100);
			assert_true(buf_put(&out, span_str(text)));
			assert_int_equal(tls_conn_write(p.server, &out, &why), TLS_IO_OK);
			len = buf_used(&p.server->raw_out);
			p.server->raw_out.mem[p.server->raw_out.head + at] ^= 0x01;
			tls_pair_carry(p.server, p.client, TLS_PAIR_WHOLE);
			io = tls_conn_read(p.client, &in, &why);
			if (buf_used(&in) != 0)
				fail_msg("octet %zu: %zu octets came", at, buf_used(&in));
			/* A greater length is one that waits for more. */
			if (io != TLS_IO_BROKEN && !(io == TLS_IO_MORE && (at == 3 || at == 4)))
				fail_msg("octet %zu: %d", at, io);
			if (io == TLS_IO_BROKEN) {
				assert_true(p.client->broken);
				assert_int_equal(why.fault, FAULT_PEER);
				assert_true(buf_used(&p.client->raw_out) > 0);
				assert_int_equal(tls_conn_read(p.client, &in, &why), TLS_IO_BROKEN);
				assert_int_equal(tls_conn_write(p.client, &out, &why), TLS_IO_BROKEN);
			}
			tls_pair_close(&p);
		}
		assert_true(len > sizeof(text));
	}
}

static void test_FAULTS_13_alerts_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(both); i++) {
		struct tls_pair p;
		struct why why = { 0 };

		open_ready(&p, both[i]);
		assert_true(tls_pair_say(p.server, p.client, "250 hello\r\n"));
		assert_true(buf_put(&p.client->raw_in, SPAN("\x17\x03\x03\x00\x20"
							    "0123456789abcdef0123456789abcdef")));
		assert_int_equal(read_some(p.client, &why), TLS_IO_BROKEN);
		assert_string_equal(why.text,
				    "not valid TLS (decryption failed or bad record mac)");
		tls_pair_carry(p.client, p.server, TLS_PAIR_WHOLE);
		assert_int_equal(read_some(p.server, &why), TLS_IO_BROKEN);
		assert_string_equal(why.text, "peer sent alert 20 (bad record mac)");
		tls_pair_close(&p);
	}
}

static void test_FAULTS_13_clear_text_in_the_middle(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(both); i++) {
		struct tls_pair p;
		struct why why = { 0 };

		open_ready(&p, both[i]);
		assert_true(buf_put(&p.server->raw_in, SPAN("QUIT\r\n")));
		assert_int_equal(read_some(p.server, &why), TLS_IO_BROKEN);
		assert_int_equal(why.fault, FAULT_PEER);
		tls_pair_close(&p);
	}
}

static void test_FAULTS_14_close_notify(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(both); i++) {
		struct tls_pair p;
		struct why why;
		struct buf in;
		size_t once;

		open_ready(&p, both[i]);
		assert_true(tls_pair_say(p.server, p.client, "221 bye\r\n"));
		tls_conn_close(p.server);
		once = buf_used(&p.server->raw_out);
		assert_true(once > 0);
		tls_conn_close(p.server);
		assert_int_equal(buf_used(&p.server->raw_out), once);
		assert_false(p.client->peer_closed);
		tls_pair_carry(p.server, p.client, TLS_PAIR_WHOLE);
		buf_init(&in, 100);
		assert_int_equal(tls_conn_read(p.client, &in, &why), TLS_IO_CLOSED);
		assert_true(p.client->peer_closed);
		assert_false(p.client->broken);
		/* CVE-2026-45185: clear octets behind it are nobody's. */
		assert_true(buf_put(&p.client->raw_in, SPAN("250 a lie\r\n")));
		assert_int_equal(tls_conn_read(p.client, &in, &why), TLS_IO_CLOSED);
		assert_int_equal(buf_used(&in), 0);
		/* The other way is still open. */
		assert_true(tls_pair_say(p.client, p.server, "a last word"));
		tls_conn_close(p.client);
		tls_pair_carry(p.client, p.server, TLS_PAIR_WHOLE);
		assert_int_equal(tls_conn_read(p.server, &in, &why), TLS_IO_CLOSED);
		tls_pair_close(&p);
	}
}

static void test_FAULTS_14_what_came_before_the_end_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(both); i++) {
		struct buf out, in;
		struct tls_pair p;
		struct why why;

		open_ready(&p, both[i]);
		buf_init(&out, 100);
		buf_init(&in, 100);
		assert_true(buf_put(&out, SPAN("221 bye\r\n")));
		assert_int_equal(tls_conn_write(p.server, &out, &why), TLS_IO_OK);
		tls_conn_close(p.server);
		tls_pair_carry(p.server, p.client, TLS_PAIR_WHOLE);
		assert_int_equal(tls_conn_read(p.client, &in, &why), TLS_IO_OK);
		want_text("", buf_peek(&in), SPAN("221 bye\r\n"));
		assert_int_equal(tls_conn_read(p.client, &in, &why), TLS_IO_CLOSED);
		buf_free(&in);
		tls_pair_close(&p);
	}
}

static void test_key_update(void **state)
{
	struct tls_pair p;

	(void)state;
	open_ready(&p, TLS_1_3);
	assert_int_equal(SSL_key_update(p.client->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	assert_true(tls_pair_say(p.client, p.server, "NOOP\r\n"));
	assert_true(tls_pair_say(p.server, p.client, "250 ok\r\n"));
	assert_true(tls_pair_say(p.client, p.server, "QUIT\r\n"));
	tls_pair_close(&p);
}

static char octet(size_t i)
{
	return (char)(i * 31 + i / 251);
}

/* One megabyte with hardly any room anywhere: nothing is lost, doubled or left inside. */
static void move_much(enum tls_version version, size_t raw_most, size_t in_most)
{
	enum { MUCH = 1024 * 1024 };
	size_t put = 0, got = 0;
	struct buf out, in;
	struct tls_pair p;
	struct why why;
	int idle = 0;

	open_ready(&p, version);
	assert_true(tls_pair_say(p.server, p.client, "354 go\r\n"));
	p.client->raw_out.most = raw_most;
	p.server->raw_in.most = raw_most;
	buf_init(&out, 40000);
	buf_init(&in, in_most);
	while (got < MUCH && idle < 3) {
		size_t before = put + got, room;
		char *at = buf_reserve(&out, MUCH - put, &room);

		for (size_t i = 0; i < room; i++)
			at[i] = octet(put + i);
		if (room > 0)
			buf_commit(&out, room);
		put += room;
		assert_int_not_equal(tls_conn_write(p.client, &out, &why), TLS_IO_BROKEN);
		tls_pair_carry(p.client, p.server, raw_most / 2 + 1);
		assert_int_not_equal(tls_conn_read(p.server, &in, &why), TLS_IO_BROKEN);
		for (size_t i = 0; i < buf_used(&in); i++) {
			if (buf_peek(&in).at[i] != octet(got + i))
				fail_msg("octet %zu is another", got + i);
		}
		got += buf_used(&in);
		buf_consume(&in, buf_used(&in));
		idle = put + got == before ? idle + 1 : 0;
	}
	if (got != MUCH)
		fail_msg("stuck at %zu of %d", got, MUCH);
	buf_free(&out);
	buf_free(&in);
	tls_pair_close(&p);
}

static void test_much_through_little_room(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(both); i++) {
		move_much(both[i], 17100, 512);
		move_much(both[i], 20000, 70000);
		move_much(both[i], TLS_RAW_OUT_MOST, 16384);
	}
}

/* What OpenSSL has opened but could not hand over comes when there is room, not when more
 * raw octets arrive: those may never come. */
static void test_what_is_left_inside_comes_later(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(both); i++) {
		struct buf out, in;
		struct tls_pair p;
		struct why why;

		open_ready(&p, both[i]);
		buf_init(&out, 100);
		buf_init(&in, 10);
		assert_true(buf_put(&out, SPAN("0123456789abcdefghijABCDE")));
		assert_int_equal(tls_conn_write(p.client, &out, &why), TLS_IO_OK);
		tls_pair_carry(p.client, p.server, TLS_PAIR_WHOLE);
		assert_int_equal(tls_conn_read(p.server, &in, &why), TLS_IO_OK);
		want_text("first", buf_peek(&in), SPAN("0123456789"));
		assert_int_equal(buf_used(&p.server->raw_in), 0);
		assert_int_equal(tls_conn_read(p.server, &in, &why), TLS_IO_FULL);
		buf_consume(&in, 10);
		assert_int_equal(tls_conn_read(p.server, &in, &why), TLS_IO_OK);
		want_text("second", buf_peek(&in), SPAN("abcdefghij"));
		buf_consume(&in, 10);
		assert_int_equal(tls_conn_read(p.server, &in, &why), TLS_IO_OK);
		want_text("third", buf_peek(&in), SPAN("ABCDE"));
		assert_int_equal(tls_conn_read(p.server, &in, &why), TLS_IO_MORE);
		buf_free(&in);
		tls_pair_close(&p);
	}
}

/* Room for the octets of a second record, but not for what a record adds to them: it is not begun. */
static void test_write_stops_at_the_ceiling(void **state)
{
	enum { MOST = 2 * 16384 + 100 };

	(void)state;
	for (size_t i = 0; i < ROWS(both); i++) {
		static char much[60000];
		struct tls_pair p;
		struct buf out;
		struct why why;
		size_t left, before;

		open_ready(&p, both[i]);
		buf_free(&p.client->raw_out);
		p.client->raw_out.most = MOST;
		buf_init(&out, sizeof(much));
		assert_true(buf_put(&out, span_of(much, sizeof(much))));
		assert_int_equal(tls_conn_write(p.client, &out, &why), TLS_IO_OK);
		left = buf_used(&out);
		assert_int_equal(left, sizeof(much) - 16384);
		assert_int_equal(tls_conn_write(p.client, &out, &why), TLS_IO_FULL);
		assert_int_equal(buf_used(&out), left);
		before = buf_used(&p.client->raw_out);
		assert_true(before < 17000);
		/* And the end of it can still be said. */
		tls_conn_close(p.client);
		assert_true(buf_used(&p.client->raw_out) > before);
		buf_free(&out);
		tls_pair_close(&p);
	}
}

static void test_writing_nothing_is_fine(void **state)
{
	struct tls_pair p;
	struct buf out;
	struct why why;

	(void)state;
	open_ready(&p, TLS_1_3);
	buf_init(&out, 10);
	buf_free(&p.client->raw_out);
	assert_int_equal(tls_conn_write(p.client, &out, &why), TLS_IO_OK);
	assert_int_equal(buf_used(&p.client->raw_out), 0);
	tls_pair_close(&p);
}

/* What OpenSSL holds at this moment. */
static size_t held;

static void *count_new(size_t size, const char *file, int line)
{
	void *mem = malloc(size);

	(void)file, (void)line;
	held += malloc_usable_size(mem);
	return mem;
}

static void count_free(void *mem, const char *file, int line)
{
	(void)file, (void)line;
	held -= malloc_usable_size(mem);
	free(mem);
}

static void *count_grow(void *old, size_t size, const char *file, int line)
{
	void *mem;

	(void)file, (void)line;
	held -= malloc_usable_size(old);
	mem = realloc(old, size);
	held += malloc_usable_size(mem);
	return mem;
}

/* FIGURES section 5: an idle connection holds no 16 KB buffer, whatever it read last. */
static void test_FIGURES_5_an_idle_connection_is_small(void **state)
{
	struct tls_pair p;
	struct why why;
	size_t before;

	(void)state;
	open_ready(&p, TLS_1_3);
	before = held;
	assert_true(buf_used(&p.client->raw_in) > 0); /* the ticket */
	assert_int_equal(read_some(p.client, &why), TLS_IO_MORE);
	if (held > before + 4096)
		fail_msg("%zu bytes more after a ticket", held - before);
	assert_true(tls_pair_say(p.server, p.client, "250 hello\r\n"));
	assert_true(tls_pair_say(p.client, p.server, "NOOP\r\n"));
	if (held > before + 4096)
		fail_msg("%zu bytes more after a dialogue", held - before);
	assert_null(p.client->raw_in.mem);
	assert_null(p.server->raw_out.mem);
	tls_pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_NEW_12_cut_at_every_octet),
		cmocka_unit_test(test_records_cut_at_every_octet),
		cmocka_unit_test(test_FAULTS_13_tampering),
		cmocka_unit_test(test_FAULTS_13_alerts_are_told),
		cmocka_unit_test(test_FAULTS_13_clear_text_in_the_middle),
		cmocka_unit_test(test_FAULTS_14_close_notify),
		cmocka_unit_test(test_FAULTS_14_what_came_before_the_end_is_read),
		cmocka_unit_test(test_key_update),
		cmocka_unit_test(test_much_through_little_room),
		cmocka_unit_test(test_what_is_left_inside_comes_later),
		cmocka_unit_test(test_write_stops_at_the_ceiling),
		cmocka_unit_test(test_writing_nothing_is_fine),
		cmocka_unit_test(test_FIGURES_5_an_idle_connection_is_small),
	};
	int failed;

	/* Before its first allocation, or not at all. */
	must(CRYPTO_set_mem_functions(count_new, count_grow, count_free) == 1);
	tls_ticket_rotate(&ring);
	ca = test_pki_make(&(struct test_pki_spec){ .cn = "ca", .ca = true }, NULL);
	leaf = test_pki_make(&(struct test_pki_spec){ .cn = "x", .names = "DNS:" HOST }, ca);
	cert = tls_pair_cert(leaf);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	tls_cert_free(cert);
	test_pki_free(leaf);
	test_pki_free(ca);
	return failed;
}
