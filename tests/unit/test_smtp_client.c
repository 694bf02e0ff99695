#include "smtp/smtp_client.h"
#include "unit.h"

enum { NONE, WANT, MUST, IMPLICIT };

#define OFFER "250-mx\r\n250-STARTTLS\r\n250 DSN\r\n"
#define BARE "250-mx\r\n250 DSN\r\n"

static const struct {
	const char *name;
	int tls;
	const char *replies; /* each with its CRLF; "(tls)": the handshake is done */
	const char *sent;    /* CRLF as '|' */
	enum smtp_client_act act;
	enum smtp_client_no_tls no_tls;
	bool on;
	uint32_t have;
	int code;
} rows[] = {
	{ "no TLS asked", NONE, "220 mx\r\n" OFFER, "EHLO gw|",
	  SMTP_CLIENT_GO, SMTP_NO_TLS_ASKED, false, SMTP_CAP_STARTTLS | SMTP_CAP_DSN, 0 },
	{ "STARTTLS", WANT, "220 mx\r\n" OFFER "220 go\r\n", "EHLO gw|STARTTLS|",
	  SMTP_CLIENT_START_TLS, SMTP_NO_TLS_ASKED, false, SMTP_CAP_STARTTLS | SMTP_CAP_DSN, 0 },
	{ "under TLS", MUST, "220 mx\r\n" OFFER "220 go\r\n(tls)" BARE, "EHLO gw|STARTTLS|EHLO gw|",
	  SMTP_CLIENT_GO, SMTP_NO_TLS_ASKED, true, SMTP_CAP_DSN, 0 },
	{ "what was offered in clear is forgotten", WANT, "220 mx\r\n" OFFER "220 go\r\n(tls)250 mx\r\n",
	  "EHLO gw|STARTTLS|EHLO gw|", SMTP_CLIENT_GO, SMTP_NO_TLS_ASKED, true, 0, 0 },
	{ "STARTTLS offered under TLS", WANT, "220 mx\r\n" OFFER "220 go\r\n(tls)" OFFER,
	  "EHLO gw|STARTTLS|EHLO gw|", SMTP_CLIENT_GO, SMTP_NO_TLS_ASKED, true,
	  SMTP_CAP_STARTTLS | SMTP_CAP_DSN, 0 },
	{ "implicit TLS", IMPLICIT, "220 mx\r\n" OFFER, "EHLO gw|",
	  SMTP_CLIENT_GO, SMTP_NO_TLS_ASKED, true, SMTP_CAP_STARTTLS | SMTP_CAP_DSN, 0 },
	{ "not offered, may", WANT, "220 mx\r\n" BARE, "EHLO gw|",
	  SMTP_CLIENT_GO, SMTP_NO_TLS_OFFERED, false, SMTP_CAP_DSN, 0 },
	{ "not offered, must", MUST, "220 mx\r\n" BARE, "EHLO gw|",
	  SMTP_CLIENT_FAIL, SMTP_NO_TLS_OFFERED, false, SMTP_CAP_DSN, 0 },
	{ "refused for now, may", WANT, "220 mx\r\n" OFFER "454 4.7.0 no\r\n", "EHLO gw|STARTTLS|",
	  SMTP_CLIENT_GO, SMTP_NO_TLS_REFUSED, false, SMTP_CAP_STARTTLS | SMTP_CAP_DSN, 0 },
	{ "refused for now, must", MUST, "220 mx\r\n" OFFER "454 4.7.0 no\r\n", "EHLO gw|STARTTLS|",
	  SMTP_CLIENT_FAIL, SMTP_NO_TLS_REFUSED, false, SMTP_CAP_STARTTLS | SMTP_CAP_DSN, 454 },
	{ "refused, may", WANT, "220 mx\r\n" OFFER "502 no\r\n", "EHLO gw|STARTTLS|",
	  SMTP_CLIENT_GO, SMTP_NO_TLS_REFUSED, false, SMTP_CAP_STARTTLS | SMTP_CAP_DSN, 0 },
	{ "STARTTLS answered 250", WANT, "220 mx\r\n" OFFER "250 ok\r\n", "EHLO gw|STARTTLS|",
	  SMTP_CLIENT_FAIL, SMTP_NO_TLS_ASKED, false, SMTP_CAP_STARTTLS | SMTP_CAP_DSN, 250 },
	{ "STARTTLS answered 354", WANT, "220 mx\r\n" OFFER "354 ok\r\n", "EHLO gw|STARTTLS|",
	  SMTP_CLIENT_FAIL, SMTP_NO_TLS_ASKED, false, SMTP_CAP_STARTTLS | SMTP_CAP_DSN, 354 },
	{ "STARTTLS answered 421", WANT, "220 mx\r\n" OFFER "421 bye\r\n", "EHLO gw|STARTTLS|",
	  SMTP_CLIENT_FAIL, SMTP_NO_TLS_ASKED, false, SMTP_CAP_STARTTLS | SMTP_CAP_DSN, 421 },
	{ "a reply between 220 and TLS", WANT, "220 mx\r\n" OFFER "220 go\r\n250 forged\r\n",
	  "EHLO gw|STARTTLS|", SMTP_CLIENT_FAIL, SMTP_NO_TLS_ASKED, false,
	  SMTP_CAP_STARTTLS | SMTP_CAP_DSN, 250 },
	{ "a reply when all is ready", NONE, "220 mx\r\n" BARE "250 more\r\n", "EHLO gw|",
	  SMTP_CLIENT_FAIL, SMTP_NO_TLS_ASKED, false, SMTP_CAP_DSN, 250 },
	{ "greeting 554", NONE, "554 no service\r\n", "", SMTP_CLIENT_FAIL, SMTP_NO_TLS_ASKED, false, 0, 554 },
	{ "greeting 421", NONE, "421 busy\r\n", "", SMTP_CLIENT_FAIL, SMTP_NO_TLS_ASKED, false, 0, 421 },
	{ "greeting 250", NONE, "250 hello\r\n", "", SMTP_CLIENT_FAIL, SMTP_NO_TLS_ASKED, false, 0, 250 },
	{ "greeting 354", NONE, "354 hello\r\n", "", SMTP_CLIENT_FAIL, SMTP_NO_TLS_ASKED, false, 0, 354 },
	{ "a greeting is no offer", WANT, "220-mx\r\n220 STARTTLS\r\n" BARE, "EHLO gw|",
	  SMTP_CLIENT_GO, SMTP_NO_TLS_OFFERED, false, SMTP_CAP_DSN, 0 },
	{ "HELO", NONE, "220 mx\r\n502 what\r\n" OFFER, "EHLO gw|HELO gw|",
	  SMTP_CLIENT_GO, SMTP_NO_TLS_ASKED, false, 0, 0 },
	{ "HELO, may", WANT, "220 mx\r\n500 what\r\n250 mx\r\n", "EHLO gw|HELO gw|",
	  SMTP_CLIENT_GO, SMTP_NO_TLS_OFFERED, false, 0, 0 },
	{ "no HELO where TLS must be", MUST, "220 mx\r\n500 what\r\n", "EHLO gw|",
	  SMTP_CLIENT_FAIL, SMTP_NO_TLS_ASKED, false, 0, 500 },
	{ "HELO under TLS", IMPLICIT, "220 mx\r\n500 what\r\n250 mx\r\n", "EHLO gw|HELO gw|",
	  SMTP_CLIENT_GO, SMTP_NO_TLS_ASKED, true, 0, 0 },
	{ "HELO refused too", NONE, "220 mx\r\n502 what\r\n502 what\r\n", "EHLO gw|HELO gw|",
	  SMTP_CLIENT_FAIL, SMTP_NO_TLS_ASKED, false, 0, 502 },
	{ "EHLO refused for now", NONE, "220 mx\r\n451 later\r\n", "EHLO gw|",
	  SMTP_CLIENT_FAIL, SMTP_NO_TLS_ASKED, false, 0, 451 },
	{ "EHLO answered 220", NONE, "220 mx\r\n220 mx\r\n", "EHLO gw|",
	  SMTP_CLIENT_FAIL, SMTP_NO_TLS_ASKED, false, 0, 220 },
	{ "waits", NONE, "220 mx\r\n", "EHLO gw|", SMTP_CLIENT_WAIT, SMTP_NO_TLS_ASKED, false, 0, 0 },
};

static void play(size_t i)
{
	enum smtp_client_act act = SMTP_CLIENT_WAIT;
	struct span text = span_str(rows[i].replies);
	struct smtp_reply_reader r;
	struct smtp_client c;
	struct why why = { 0 };
	struct buf in, out;

	buf_init(&in, 4096);
	buf_init(&out, 4096);
	smtp_reply_reader_init(&r);
	smtp_client_init(&c, "gw", rows[i].tls == IMPLICIT);
	c.want_tls = rows[i].tls == WANT || rows[i].tls == IMPLICIT;
	c.must_tls = rows[i].tls == MUST || rows[i].tls == IMPLICIT;
	while (text.len > 0) {
		size_t mark = span_find(text, '(');

		must(buf_put(&in, span_first(text, mark)));
		text = span_from(text, mark);
		while (smtp_reply_next(&r, &in, &why) == SMTP_REPLY_WHOLE)
			act = smtp_client_reply(&c, &r.reply, &out, &why);
		if (text.len > 0) {
			assert_true(smtp_client_tls_on(&c, &out));
			want_number(rows[i].name, "have under TLS", c.caps.have, 0);
		}
		text = span_from(text, 5);
	}
	want_number(rows[i].name, "act", act, rows[i].act);
	want_number(rows[i].name, "no_tls", c.no_tls, rows[i].no_tls);
	want_number(rows[i].name, "tls", c.tls, rows[i].on);
	want_number(rows[i].name, "have", c.caps.have, rows[i].have);
	want_number(rows[i].name, "code", (unsigned)c.code, (unsigned)rows[i].code);
	want_number(rows[i].name, "a cause", why.fault != FAULT_NONE, act == SMTP_CLIENT_FAIL);
	for (struct span sent = buf_peek(&out), want = span_str(rows[i].sent);
	     sent.len > 0 || want.len > 0; sent = span_from(sent, 1)) {
		want_text(rows[i].name, span_cut(&sent, '\r'), span_cut(&want, '|'));
	}
	smtp_reply_reader_free(&r);
	buf_free(&in);
	buf_free(&out);
}

static void test_MC_2_greeting_to_ready(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		play(i);
}

static void test_smtp_client_no_room(void **state)
{
	struct smtp_reply reply = { .code = 220, .lines = 1 };
	struct smtp_client c;
	struct why why = { 0 };
	struct buf out;

	(void)state;
	buf_init(&out, 8);
	smtp_client_init(&c, "gw", false);
	assert_int_equal(smtp_client_reply(&c, &reply, &out, &why), SMTP_CLIENT_FAIL);
	assert_int_equal(why.fault, FAULT_SELF);
	c.state = SMTP_CLIENT_TLS;
	assert_false(smtp_client_tls_on(&c, &out));
	assert_false(c.tls);
}

#define FULL "MAIL FROM:<a@b> SIZE=7 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=q"
#define RCPT "RCPT TO:<a@b> NOTIFY=DELAY,FAILURE ORCPT=rfc822;x"
#define ALL ((uint32_t)(SMTP_CAP_STARTTLS << 1) - 1)

static const struct {
	const char *name, *command;
	uint32_t have;
	bool can;
	const char *line;
} writes[] = {
	{ "all",              FULL, ALL, true, FULL "\r\n" },
	{ "nothing given",    "MAIL FROM:<a@b>", ALL, true, "MAIL FROM:<a@b>\r\n" },
	{ "nothing known",    "MAIL FROM:<a@b>", 0, true, "MAIL FROM:<a@b>\r\n" },
	{ "the null path",    "mail from: <>", 0, true, "MAIL FROM:<>\r\n" },
	{ "quotes stay",      "MAIL FROM:<\"a \\\"b\"@b>", 0, true, "MAIL FROM:<\"a \\\"b\"@b>\r\n" },
	{ "SIZE is left out", "MAIL FROM:<a@b> SIZE=7", ALL & ~(uint32_t)SMTP_CAP_SIZE, true, "MAIL FROM:<a@b>\r\n" },
	{ "SIZE is written anew", "MAIL FROM:<a@b> SIZE=0007", ALL, true, "MAIL FROM:<a@b> SIZE=7\r\n" },
	{ "7BIT is left out", "MAIL FROM:<a@b> BODY=7BIT", 0, true, "MAIL FROM:<a@b>\r\n" },
	{ "no 8BITMIME",      "MAIL FROM:<a@b> BODY=8BITMIME", ALL & ~(uint32_t)SMTP_CAP_8BITMIME, false, "" },
	{ "no BINARYMIME",    "MAIL FROM:<a@b> BODY=BINARYMIME", ALL & ~(uint32_t)SMTP_CAP_BINARYMIME, false, "" },
	{ "BINARYMIME",       "MAIL FROM:<a@b> BODY=binarymime", ALL, true, "MAIL FROM:<a@b> BODY=BINARYMIME\r\n" },
	{ "no SMTPUTF8",      "MAIL FROM:<a@b> SMTPUTF8", ALL & ~(uint32_t)SMTP_CAP_SMTPUTF8, false, "" },
	{ "no DSN for RET",   "MAIL FROM:<a@b> RET=HDRS", ALL & ~(uint32_t)SMTP_CAP_DSN, false, "" },
	{ "no DSN for ENVID", "MAIL FROM:<a@b> ENVID=x", ALL & ~(uint32_t)SMTP_CAP_DSN, false, "" },
	{ "a recipient",      RCPT, ALL, true, RCPT "\r\n" },
	{ "Postmaster",       "RCPT TO:<postmaster>", 0, true, "RCPT TO:<postmaster>\r\n" },
	{ "no DSN for NOTIFY", "RCPT TO:<a@b> NOTIFY=NEVER", ALL & ~(uint32_t)SMTP_CAP_DSN, false, "" },
	{ "no DSN for ORCPT", "RCPT TO:<a@b> ORCPT=rfc822;x", ALL & ~(uint32_t)SMTP_CAP_DSN, false, "" },
	{ "8-bit recipient",  "RCPT TO:<\xc3\xa9@b>", ALL, true, "RCPT TO:<\xc3\xa9@b>\r\n" },
	{ "8-bit, no SMTPUTF8", "RCPT TO:<\xc3\xa9@b>", ALL & ~(uint32_t)SMTP_CAP_SMTPUTF8, false, "" },
};

static bool put(struct buf *out, const struct smtp_caps *caps, const struct smtp_cmd *cmd)
{
	return cmd->verb == SMTP_MAIL ? smtp_client_put_mail(out, caps, cmd)
				      : smtp_client_put_rcpt(out, caps, cmd);
}

static void test_NEW_22_parameters_pass(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(writes); i++) {
		struct smtp_caps caps = { .have = writes[i].have };
		struct smtp_cmd cmd;
		struct buf out;
		bool can;

		assert_null(smtp_cmd_read(span_str(writes[i].command), &cmd));
		can = cmd.verb == SMTP_MAIL ? smtp_client_can_mail(&caps, &cmd)
					    : smtp_client_can_rcpt(&caps, &cmd);
		want_number(writes[i].name, "can", can, writes[i].can);
		if (!can)
			continue;
		buf_init(&out, strlen(writes[i].line) - 1);
		assert_false(put(&out, &caps, &cmd));
		assert_int_equal(buf_used(&out), 0);
		out.most++;
		assert_true(put(&out, &caps, &cmd));
		want_text(writes[i].name, buf_peek(&out), span_str(writes[i].line));
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_MC_2_greeting_to_ready),
		cmocka_unit_test(test_smtp_client_no_room),
		cmocka_unit_test(test_NEW_22_parameters_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
