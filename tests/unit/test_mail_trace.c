#include "mail/mail_trace.h"
#include "unit.h"

static const struct {
	const char *name;
	struct mail_received r;
	const char *field;
} fields[] = {
	{ "TLS", { SPAN("a.example"), "192.0.2.7", "gw.example", "ESMTPS",
		   "TLSv1.3 TLS_AES_256_GCM_SHA384", "6f2a91.1", 0 },
	  "Received: from a.example ([192.0.2.7])\r\n\tby gw.example with ESMTPS id 6f2a91.1\r\n"
	  "\t(TLSv1.3 TLS_AES_256_GCM_SHA384);\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n" },
	{ "in clear, IPv6", { SPAN("[IPv6:2001:db8::1]"), "2001:db8::1", "gw.example", "SMTP", NULL, "x", 1763755999 },
	  "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n\tby gw.example with SMTP id x;\r\n"
	  "\tFri, 21 Nov 2025 20:13:19 +0000\r\n" },
	{ "a leap day", { SPAN("a"), "192.0.2.7", "gw", "SMTP", NULL, "x", 1709164800 },
	  "Received: from a ([192.0.2.7])\r\n\tby gw with SMTP id x;\r\n\tThu, 29 Feb 2024 00:00:00 +0000\r\n" },
	{ "after 2038", { SPAN("a"), "192.0.2.7", "gw", "SMTP", NULL, "x", 4102444799 },
	  "Received: from a ([192.0.2.7])\r\n\tby gw with SMTP id x;\r\n\tThu, 31 Dec 2099 23:59:59 +0000\r\n" },
	{ "no name", { SPAN(""), "192.0.2.7", "gw", "SMTP", NULL, "x", 0 },
	  "Received: from unknown ([192.0.2.7])\r\n\tby gw with SMTP id x;\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n" },
	{ "a field in the name", { SPAN("a\r\nBcc: x;(\0\xe9\"\\"), "192.0.2.7", "gw", "SMTP", NULL, "x", 0 },
	  "Received: from a??Bcc:?x?????? ([192.0.2.7])\r\n\tby gw with SMTP id x;\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n" },
};

static void test_NEW_21_received(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(fields); i++) {
		struct span want = span_str(fields[i].field);
		struct buf out;

		buf_init(&out, want.len - 1);
		assert_false(mail_received_put(&out, &fields[i].r));
		assert_int_equal(buf_used(&out), 0);
		out.most++;
		assert_true(mail_received_put(&out, &fields[i].r));
		want_text(fields[i].name, buf_peek(&out), want);
		buf_free(&out);
	}
}

static void test_NEW_21_received_is_bounded(void **state)
{
	char long_helo[2000], hostname[256];
	struct mail_received r = { .client = "2001:db8:1111:2222:3333:4444:5555:6666",
				   .hostname = hostname, .with = "UTF8SMTPS",
				   .tls = "TLSv1.3 TLS_AES_256_GCM_SHA384", .id = "0123456789abcdef.1000",
				   .when = INT32_MAX };
	struct span rest;
	struct buf out;

	(void)state;
	memset(long_helo, 'h', sizeof(long_helo));
	memset(hostname, 'g', sizeof(hostname));
	hostname[255] = '\0';
	r.helo = span_of(long_helo, sizeof(long_helo));
	buf_init(&out, MAIL_RECEIVED_MOST);
	assert_true(mail_received_put(&out, &r));
	for (rest = buf_peek(&out); rest.len > 0;)
		assert_true(span_cut(&rest, '\n').len <= 998);
	buf_free(&out);
}

#define R "Received: x\r\n"

static const struct {
	const char *name;
	struct span content;
	unsigned received;
	bool body;
} rows[] = {
	{ "none",                    SPAN("From: a\r\n\r\nbody\r\n"), 0, true },
	{ "three",                   SPAN(R "From: a\r\n" R R "\r\n"), 3, true },
	{ "in any case",             SPAN("rECEIVED:x\r\n\r\n"), 1, true },
	{ "a blank before the colon", SPAN("Received \t: x\r\n\r\n"), 1, true },
	{ "folded",                  SPAN("Received: x\r\n\tReceived: y\r\n Received: z\r\n\r\n"), 1, true },
	{ "in the body",             SPAN(R "\r\n" R R), 1, true },
	{ "no body",                 SPAN(R R), 2, false },
	{ "the body at once",        SPAN("\r\n" R), 0, true },
	{ "a longer name",           SPAN("Received-SPF: x\r\nX-Received: x\r\nReceivedX: x\r\n\r\n"), 0, true },
	{ "a shorter name",          SPAN("Receive: x\r\nReceived\r\n\r\n"), 0, true },
	{ "behind other text",       SPAN("X: Received: x\r\n\r\n"), 0, true },
	{ "a blank in the name",     SPAN("Rec eived: x\r\n\r\n"), 0, true },
	{ "a line of blanks",        SPAN(" \r\n" R "\r\n"), 1, true },
	{ "twice the letter",        SPAN("RReceived: x\r\n\r\n"), 0, true },
	{ "NUL and 8-bit",           SPAN("\0Received: x\r\n\xd2" "eceived: x\r\n\r\n"), 0, true },
};

static void test_NEW_21_received_counted_any_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct span all = rows[i].content;

		for (size_t cut = 0; cut <= all.len; cut++) {
			struct mail_trace t;

			mail_trace_init(&t);
			for (size_t k = 0; cut == 0 && k < all.len; k++)
				mail_trace_see(&t, span_of(all.at + k, 1));
			if (cut > 0) {
				mail_trace_see(&t, span_first(all, cut));
				mail_trace_see(&t, span_from(all, cut));
			}
			want_number(rows[i].name, "received", t.received, rows[i].received);
			want_number(rows[i].name, "body", t.body, rows[i].body);
		}
	}
}

static const struct {
	const char *name;
	struct span content;
	struct span id;
} id_rows[] = {
	{ "plain",              SPAN("A: b\r\nMessage-ID: <a@b>\r\n\r\n"), SPAN("<a@b>") },
	{ "in any case",        SPAN("mEssage-id:<a@b>\r\n\r\n"), SPAN("<a@b>") },
	{ "folded",             SPAN("Message-ID:\r\n\t<a@b>\r\n x\r\nB: c\r\n\r\n"), SPAN("<a@b>") },
	{ "the first counts",   SPAN("Message-ID: 1\r\nMessage-ID: 2\r\n\r\n"), SPAN("1") },
	{ "empty",              SPAN("Message-ID:\r\nB: c\r\n\r\n"), SPAN("") },
	{ "in the body",        SPAN("B: c\r\n\r\nMessage-ID: 1\r\n"), SPAN("") },
	{ "another's fold",     SPAN("B: c\r\n Message-ID: 1\r\n\r\n"), SPAN("") },
	{ "a longer name",      SPAN("X-Message-ID: 1\r\nMessage-IDs: 2\r\n\r\n"), SPAN("") },
	{ "a comment behind",   SPAN("Message-ID: <a@b> (c)\r\n\r\n"), SPAN("<a@b>") },
};

static void test_FAULTS_09_message_id_any_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(id_rows); i++) {
		struct span all = id_rows[i].content;

		for (size_t cut = 0; cut <= all.len; cut++) {
			struct mail_trace t;

			mail_trace_init(&t);
			mail_trace_see(&t, span_first(all, cut));
			mail_trace_see(&t, span_from(all, cut));
			if (!span_eq(span_of(t.id, t.id_len), id_rows[i].id))
				fail_msg("%s: cut at %zu: %.*s", id_rows[i].name, cut, (int)t.id_len, t.id);
		}
	}
}

static void test_mail_trace_long_id_is_cut(void **state)
{
	struct mail_trace t;

	(void)state;
	mail_trace_init(&t);
	mail_trace_see(&t, SPAN("Message-ID: "));
	for (int i = 0; i < 1000; i++)
		mail_trace_see(&t, SPAN("x"));
	assert_int_equal(t.id_len, MAIL_TRACE_ID_MOST);
}

static void test_mail_trace_sees_its_own(void **state)
{
	struct mail_received r = fields[0].r;
	struct mail_trace t;
	struct buf out;

	(void)state;
	buf_init(&out, 10 * MAIL_RECEIVED_MOST);
	for (int i = 0; i < 7; i++)
		assert_true(mail_received_put(&out, &r));
	mail_trace_init(&t);
	mail_trace_see(&t, buf_peek(&out));
	assert_int_equal(t.received, 7);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_NEW_21_received),
		cmocka_unit_test(test_NEW_21_received_is_bounded),
		cmocka_unit_test(test_NEW_21_received_counted_any_cut),
		cmocka_unit_test(test_FAULTS_09_message_id_any_cut),
		cmocka_unit_test(test_mail_trace_long_id_is_cut),
		cmocka_unit_test(test_mail_trace_sees_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
