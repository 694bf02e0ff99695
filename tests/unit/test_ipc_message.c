#include "base/must.h"
#include "ipc/ipc_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Octets written as C strings with their length: SPAN drops the literal's own NUL alone. */
#define READY "\x02"
#define DRAIN_KEEP "\x03\x00"
#define DRAIN_STOP "\x03\x01"
#define ASK "\x04\0\0\0\1\0\0\0\2\0\x19\x04" "mx.a"
#define ADDR4 "\x04\xc0\0\2\7\0\x19"
#define ADDR6 "\x06\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\x19\0\0\0\3"
#define ADDRS "\x05\0\0\0\1\0\0\0\0\2" ADDR4 ADDR6
#define WANT "\x06\x10\x06\x01"
#define SOCKETS "\x07\x00\x04\x00"
#define LINE "\x08\0\0\1\2"
#define START_HEAD "\x01\0\0\0\7\0\0\0\3\0\0\0\1\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\x65\0\0\0"
#define START START_HEAD "\0\1\0\0\0\6\0\0\0\2"

static const struct {
	const char *name;
	struct span octets;
	bool good;
} rows[] = {
	{ "ready",                          { READY, sizeof(READY) - 1 }, true },
	{ "drain, sessions go on",          { DRAIN_KEEP, sizeof(DRAIN_KEEP) - 1 }, true },
	{ "drain, the service stops",       { DRAIN_STOP, sizeof(DRAIN_STOP) - 1 }, true },
	{ "ask",                            { ASK, sizeof(ASK) - 1 }, true },
	{ "addresses of both families",     { ADDRS, sizeof(ADDRS) - 1 }, true },
	{ "start with one socket",          { START, sizeof(START) - 1 }, true },
	{ "start without a socket",         { START_HEAD "\0\0", sizeof(START_HEAD "\0\0") - 1 }, true },
	{ "want",                           { WANT, sizeof(WANT) - 1 }, true },
	{ "sockets, none",                  { SOCKETS, sizeof(SOCKETS) - 1 }, true },
	{ "nothing",                        { "", 0 }, false },
	{ "kind 0",                         { "\0", 1 }, false },
	{ "line",                           { LINE, sizeof(LINE) - 1 }, true },
	{ "line and an octet more",         { LINE "\0", sizeof(LINE) }, false },
	{ "kind 9",                         { "\x09", 1 }, false },
	{ "want none",                      { "\x06\x00\x06\x01", 4 }, false },
	{ "want seventeen",                 { "\x06\x11\x06\x01", 4 }, false },
	{ "want of family 5",               { "\x06\x01\x05\x01", 4 }, false },
	{ "want of neither kind",           { "\x06\x01\x04\x02", 4 }, false },
	{ "seventeen sockets",              { "\x07\x11\x04\x00", 4 }, false },
	{ "sockets and an octet more",      { "\x07\x00\x04\x00\x00", 5 }, false },
	{ "ready and an octet more",        { READY "\0", 2 }, false },
	{ "drain with neither 0 nor 1",     { "\x03\x02", 2 }, false },
	{ "ask without a name",             { "\x04\0\0\0\1\0\0\0\2\0\x19\0", 12 }, false },
	{ "ask with a NUL in the name",     { "\x04\0\0\0\1\0\0\0\2\0\x19\x04mx\0a", 16 }, false },
	{ "ask with a space in the name",   { "\x04\0\0\0\1\0\0\0\2\0\x19\x04mx a", 16 }, false },
	{ "ask with 8 bits in the name",    { "\x04\0\0\0\1\0\0\0\2\0\x19\x01\xe9", 13 }, false },
	{ "no address",                     { "\x05\0\0\0\1\0\0\0\0\0", 10 }, false },
	{ "seventeen addresses said",       { "\x05\0\0\0\1\0\0\0\0\x11" ADDR4, 17 }, false },
	{ "an address of family 5",         { "\x05\0\0\0\1\0\0\0\0\1\x05\xc0\0\2\7\0\x19", 17 }, false },
	{ "fewer addresses than said",      { "\x05\0\0\0\1\0\0\0\0\2" ADDR4, 17 }, false },
	{ "more addresses than said",       { "\x05\0\0\0\1\0\0\0\0\1" ADDR4 ADDR4, 24 }, false },
	{ "start, 1025 sockets said",       { START_HEAD "\4\1", sizeof(START_HEAD "\4\1") - 1 }, false },
	{ "start, a socket above INT_MAX",  { START_HEAD "\0\1\x80\0\0\0\0\0\0\2", sizeof(START_HEAD) - 1 + 10 }, false },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static bool decodes(struct span octets)
{
	/* Exactly as long as it is, so that a read past its end is seen by the sanitizers. */
	char *copy = mem_new(octets.len + 1);
	char *tight = octets.len > 0 ? mem_grow(copy, octets.len) : copy;
	struct ipc_message m;
	char again[IPC_MESSAGE_MOST];
	struct why why;
	bool good;

	if (octets.len > 0)
		memcpy(tight, octets.at, octets.len);
	good = ipc_message_decode(span_of(tight, octets.len), &m, &why);
	if (good)
		assert_true(span_eq(span_of(again, ipc_message_encode(&m, again)), octets));
	else
		assert_int_equal(why.fault, FAULT_PEER);
	free(tight);
	return good;
}

static void test_STYLE_malformed_ipc(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		if (decodes(rows[i].octets) != rows[i].good)
			fail_msg("%s", rows[i].name);
	}
}

static void test_every_cut_is_malformed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		for (size_t len = 0; rows[i].good && len < rows[i].octets.len; len++) {
			if (decodes(span_first(rows[i].octets, len)))
				fail_msg("%s, cut at %zu", rows[i].name, len);
		}
	}
}

static void test_fields_arrive(void **state)
{
	struct ipc_message m;
	struct why why;
	char text[ADDR_TEXT_MOST];

	(void)state;
	assert_true(ipc_message_decode(span_of(START, sizeof(START) - 1), &m, &why));
	assert_int_equal(m.start.generation, 7);
	assert_int_equal(m.start.slot, 3);
	assert_int_equal(m.start.index, 1);
	assert_int_equal(m.start.uid, IPC_SAME_USER);
	assert_int_equal(m.start.checked_at, 0x65000000);
	assert_int_equal(m.start.listens[0].fd, 6);
	assert_int_equal(m.start.listens[0].listen, 2);

	assert_true(ipc_message_decode(span_of(ASK, sizeof(ASK) - 1), &m, &why));
	assert_string_equal(m.ask.name, "mx.a");
	assert_int_equal(m.ask.port, 25);
	assert_int_equal(m.ask.host, 2);

	assert_true(ipc_message_decode(span_of(ADDRS, sizeof(ADDRS) - 1), &m, &why));
	assert_int_equal(m.addrs.count, 2);
	addr_print(&m.addrs.addrs[0], text);
	assert_string_equal(text, "192.0.2.7:25");
	assert_int_equal(m.addrs.addrs[1].in6.sin6_scope_id, 3);
	assert_int_equal(m.addrs.addrs[1].in6.sin6_addr.s6_addr[15], 1);

	assert_true(ipc_message_decode(span_of(WANT, sizeof(WANT) - 1), &m, &why));
	assert_int_equal(m.want.count, 16);
	assert_true(m.want.v6 && m.want.any_source);
	assert_true(ipc_message_decode(span_of(SOCKETS, sizeof(SOCKETS) - 1), &m, &why));
	assert_true(!m.sockets.v6 && !m.sockets.any_source);
	assert_true(ipc_message_decode(span_of(LINE, sizeof(LINE) - 1), &m, &why));
	assert_int_equal(m.line.edge, 0x102);
}

static void test_the_largest_fit(void **state)
{
	struct ipc_message m = { .kind = IPC_START };
	char octets[IPC_MESSAGE_MOST];
	struct why why;

	(void)state;
	m.start.listen_count = IPC_LISTENS_MOST;
	m.start.listens[IPC_LISTENS_MOST - 1].listen = 9;
	assert_true(ipc_message_decode(span_of(octets, ipc_message_encode(&m, octets)), &m, &why));
	assert_int_equal(m.start.listens[IPC_LISTENS_MOST - 1].listen, 9);

	m.kind = IPC_ASK;
	memset(&m.ask, 0, sizeof(m.ask));
	memset(m.ask.name, 'a', IPC_NAME_MOST - 1);
	assert_true(ipc_message_decode(span_of(octets, ipc_message_encode(&m, octets)), &m, &why));
	assert_int_equal(strlen(m.ask.name), IPC_NAME_MOST - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_STYLE_malformed_ipc),
		cmocka_unit_test(test_every_cut_is_malformed),
		cmocka_unit_test(test_fields_arrive),
		cmocka_unit_test(test_the_largest_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
