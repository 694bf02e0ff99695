#include "smtp/smtp_server.h"
#include "unit.h"

#define ALL_CAPS ((uint32_t)(SMTP_CAP_STARTTLS << 1) - 1)

/* Plays commands, the way a caller would, with all of `offer` in the EHLO reply. Recipients
 * at "bad.example" are refused by the next hop. Gives the answer to the last command. */
static const struct smtp_answer *play(struct smtp_server *s, struct smtp_caps offer,
				      const char *commands)
{
	const struct smtp_answer *refusal = NULL;
	struct span rest = span_str(commands);

	while (rest.len > 0) {
		struct span line = span_cut(&rest, '|');
		struct smtp_cmd cmd;

		if (span_eq(line, SPAN("(tls)"))) {
			smtp_server_tls(s);
			offer.have &= ~(uint32_t)SMTP_CAP_STARTTLS;
			continue;
		}
		if (span_eq(line, SPAN("(login)"))) {
			s->auth = true;
			continue;
		}
		if (span_eq(line, SPAN("(hidden)"))) {
			s->auth_hidden = true;
			continue;
		}
		if (span_eq(line, SPAN("(done)"))) {
			smtp_server_reset(s);
			continue;
		}
		refusal = smtp_cmd_read(line, &cmd);
		if (refusal == NULL)
			refusal = smtp_server_admit(s, &cmd);
		if (refusal != NULL)
			continue;
		if (cmd.verb == SMTP_EHLO || cmd.verb == SMTP_HELO)
			smtp_server_hello(s, &cmd);
		if (cmd.verb == SMTP_EHLO)
			s->offer = offer;
		if (cmd.verb == SMTP_MAIL)
			smtp_server_mail(s, &cmd);
		if (cmd.verb == SMTP_RSET)
			smtp_server_reset(s);
		if (cmd.verb == SMTP_RCPT)
			smtp_server_rcpt(s);
		if (cmd.verb == SMTP_RCPT && span_eq(cmd.path.domain, SPAN("bad.example")))
			smtp_server_rcpt_refused(s);
		if (cmd.verb == SMTP_BDAT)
			s->chunks = !cmd.last;
	}
	return refusal;
}

static const struct {
	const char *name, *commands;
	const struct smtp_answer *answer; /* to the last of them */
} rows[] = {
	{ "MAIL before EHLO",         "MAIL FROM:<a@b>", &SMTP_SAY_HELLO_FIRST },
	{ "RCPT before EHLO",         "RCPT TO:<a@b>", &SMTP_SAY_HELLO_FIRST },
	{ "DATA before EHLO",         "DATA", &SMTP_SAY_HELLO_FIRST },
	{ "BDAT before EHLO",         "BDAT 1", &SMTP_SAY_HELLO_FIRST },
	{ "STARTTLS before EHLO",     "STARTTLS", &SMTP_SAY_HELLO_FIRST },
	{ "NOOP before EHLO",         "NOOP", NULL },
	{ "RSET before EHLO",         "RSET", NULL },
	{ "VRFY before EHLO",         "VRFY x", NULL },
	{ "QUIT before EHLO",         "QUIT", NULL },
	{ "a refused EHLO is none",   "EHLO a b|MAIL FROM:<a@b>", &SMTP_SAY_HELLO_FIRST },
	{ "MAIL",                     "EHLO x|MAIL FROM:<a@b>", NULL },
	{ "MAIL twice",               "EHLO x|MAIL FROM:<a@b>|MAIL FROM:<a@b>", &SMTP_SAY_NESTED_MAIL },
	{ "RSET between",             "EHLO x|MAIL FROM:<a@b>|RSET|MAIL FROM:<a@b>", NULL },
	{ "EHLO between",             "EHLO x|MAIL FROM:<a@b>|EHLO x|MAIL FROM:<a@b>", NULL },
	{ "HELO between",             "EHLO x|MAIL FROM:<a@b>|HELO x|MAIL FROM:<a@b>", NULL },
	{ "a message between",        "EHLO x|MAIL FROM:<a@b>|RCPT TO:<a@b>|DATA|(done)|MAIL FROM:<a@b>", NULL },
	{ "RCPT after a message",     "EHLO x|MAIL FROM:<a@b>|RCPT TO:<a@b>|DATA|(done)|RCPT TO:<a@b>", &SMTP_SAY_MAIL_FIRST },
	{ "RCPT without MAIL",        "EHLO x|RCPT TO:<a@b>", &SMTP_SAY_MAIL_FIRST },
	{ "DATA without MAIL",        "EHLO x|DATA", &SMTP_SAY_MAIL_FIRST },
	{ "DATA without RCPT",        "EHLO x|MAIL FROM:<a@b>|DATA", &SMTP_SAY_RCPT_FIRST },
	{ "DATA",                     "EHLO x|MAIL FROM:<a@b>|RCPT TO:<a@b>|DATA", NULL },
	{ "all refused",              "EHLO x|MAIL FROM:<a@b>|RCPT TO:<a@bad.example>|DATA", &SMTP_SAY_RCPT_FIRST },
	{ "one of two refused",       "EHLO x|MAIL FROM:<a@b>|RCPT TO:<a@bad.example>|RCPT TO:<a@b>|DATA", NULL },
	{ "BDAT",                     "EHLO x|MAIL FROM:<a@b>|RCPT TO:<a@b>|BDAT 1", NULL },
	{ "BDAT without MAIL",        "EHLO x|BDAT 1", &SMTP_SAY_MAIL_FIRST },
	{ "BDAT without RCPT",        "EHLO x|MAIL FROM:<a@b>|BDAT 1", &SMTP_SAY_RCPT_FIRST },
	{ "BDAT after BDAT",          "EHLO x|MAIL FROM:<a@b>|RCPT TO:<a@b>|BDAT 1|BDAT 1 LAST", NULL },
	{ "DATA after BDAT",          "EHLO x|MAIL FROM:<a@b>|RCPT TO:<a@b>|BDAT 1|DATA", &SMTP_SAY_BDAT_OPEN },
	{ "RCPT after BDAT",          "EHLO x|MAIL FROM:<a@b>|RCPT TO:<a@b>|BDAT 1|RCPT TO:<a@b>", &SMTP_SAY_BDAT_OPEN },
	{ "MAIL after BDAT",          "EHLO x|MAIL FROM:<a@b>|RCPT TO:<a@b>|BDAT 1|MAIL FROM:<a@b>", &SMTP_SAY_BDAT_OPEN },
	{ "RSET after BDAT",          "EHLO x|MAIL FROM:<a@b>|RCPT TO:<a@b>|BDAT 1|RSET|MAIL FROM:<a@b>", NULL },
	{ "DATA of binary",           "EHLO x|MAIL FROM:<a@b> BODY=BINARYMIME|RCPT TO:<a@b>|DATA", &SMTP_SAY_NEEDS_BDAT },
	{ "binary is forgotten",      "EHLO x|MAIL FROM:<a@b> BODY=BINARYMIME|RSET|MAIL FROM:<a@b>|RCPT TO:<a@b>|DATA", NULL },
	{ "SIZE at the limit",        "EHLO x|MAIL FROM:<a@b> SIZE=1000", NULL },
	{ "SIZE above the limit",     "EHLO x|MAIL FROM:<a@b> SIZE=1001", &SMTP_SAY_TOO_BIG },
	{ "SIZE beyond measure",      "EHLO x|MAIL FROM:<a@b> SIZE=99999999999999999999", &SMTP_SAY_TOO_BIG },
	{ "8-bit sender",             "EHLO x|MAIL FROM:<\xc3\xa9@b>", &SMTP_SAY_NEEDS_UTF8 },
	{ "8-bit sender, announced",  "EHLO x|MAIL FROM:<\xc3\xa9@b> SMTPUTF8", NULL },
	{ "8-bit recipient",          "EHLO x|MAIL FROM:<a@b>|RCPT TO:<\xc3\xa9@b>", &SMTP_SAY_NEEDS_UTF8 },
	{ "8-bit recipient, announced", "EHLO x|MAIL FROM:<a@b> SMTPUTF8|RCPT TO:<\xc3\xa9@b>", NULL },
	{ "SMTPUTF8 is forgotten",    "EHLO x|MAIL FROM:<a@b> SMTPUTF8|RSET|MAIL FROM:<a@b>|RCPT TO:<\xc3\xa9@b>", &SMTP_SAY_NEEDS_UTF8 },
	{ "8-bit ORCPT",              "EHLO x|MAIL FROM:<a@b>|RCPT TO:<a@b> ORCPT=utf-8;\xc3\xa9", &SMTP_SAY_NEEDS_UTF8 },
	{ "HELO, then SIZE",          "HELO x|MAIL FROM:<a@b> SIZE=1", &SMTP_SAY_UNKNOWN_PARAM },
	{ "HELO, then NOTIFY",        "HELO x|MAIL FROM:<a@b>|RCPT TO:<a@b> NOTIFY=NEVER", &SMTP_SAY_UNKNOWN_PARAM },
	{ "HELO after EHLO",          "EHLO x|HELO x|MAIL FROM:<a@b> SIZE=1", &SMTP_SAY_UNKNOWN_PARAM },
	{ "HELO, then BDAT",          "HELO x|MAIL FROM:<a@b>|RCPT TO:<a@b>|BDAT 1", &SMTP_SAY_NOT_OFFERED },
	{ "HELO, then STARTTLS",      "HELO x|STARTTLS", &SMTP_SAY_NOT_OFFERED },
	{ "AUTH",                     "EHLO x|AUTH PLAIN", &SMTP_SAY_NOT_OFFERED },
	{ "EXPN",                     "EHLO x|EXPN l", &SMTP_SAY_NOT_OFFERED },
	{ "STARTTLS",                 "EHLO x|STARTTLS", NULL },
	{ "STARTTLS under TLS",       "EHLO x|STARTTLS|(tls)|EHLO x|STARTTLS", &SMTP_SAY_TLS_ON },
};

static void test_smtp_server_order(void **state)
{
	struct smtp_caps offer = { .have = ALL_CAPS, .size = 1000 };

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct smtp_server s;

		smtp_server_init(&s, "gw.example");
		want_same(rows[i].name, play(&s, offer, rows[i].commands), rows[i].answer);
		smtp_server_free(&s);
	}
}

/* With AUTH on offer. */
static const struct {
	const char *name, *commands;
	const struct smtp_answer *answer;
} auths[] = {
	{ "AUTH",                     "EHLO x|AUTH PLAIN", NULL },
	{ "AUTH before EHLO",         "AUTH PLAIN", &SMTP_SAY_NOT_OFFERED },
	{ "AUTH after HELO",          "HELO x|AUTH PLAIN", &SMTP_SAY_NOT_OFFERED },
	{ "HELO after EHLO",          "EHLO x|HELO x|AUTH PLAIN", &SMTP_SAY_NOT_OFFERED },
	{ "in a transaction",         "EHLO x|MAIL FROM:<a@b>|AUTH PLAIN", &SMTP_SAY_AUTH_NOT_NOW },
	{ "after a transaction",      "EHLO x|MAIL FROM:<a@b>|RSET|AUTH PLAIN", NULL },
	{ "a second time",            "EHLO x|(login)|AUTH PLAIN", &SMTP_SAY_AUTH_NOT_NOW },
	{ "a second time, EHLO between", "EHLO x|(login)|EHLO x|AUTH PLAIN", &SMTP_SAY_AUTH_NOT_NOW },
	{ "TLS forgets the login",    "EHLO x|(login)|STARTTLS|(tls)|EHLO x|AUTH PLAIN", NULL },
	{ "TLS forgets the offer",    "EHLO x|STARTTLS|(tls)|AUTH PLAIN", &SMTP_SAY_NOT_OFFERED },
	{ "MAIL needs no login",      "EHLO x|MAIL FROM:<a@b>", NULL },
};

static void test_MC_9_auth(void **state)
{
	struct smtp_caps offer = { .have = ALL_CAPS | SMTP_CAP_AUTH, .auth = "PLAIN" };

	(void)state;
	for (size_t i = 0; i < ROWS(auths); i++) {
		struct smtp_server s;

		smtp_server_init(&s, "gw.example");
		want_same(auths[i].name, play(&s, offer, auths[i].commands), auths[i].answer);
		smtp_server_free(&s);
	}
}

/* FAULTS 21: what would be offered under TLS is refused by another code than what never is. */
static const struct {
	const char *name, *commands;
	const struct smtp_answer *answer;
} hidden[] = {
	{ "in clear",                 "EHLO x|(hidden)|AUTH PLAIN AGEAYg==", &SMTP_SAY_AUTH_CLEAR },
	{ "the next EHLO may offer it", "EHLO x|(hidden)|EHLO x|AUTH PLAIN", &SMTP_SAY_NOT_OFFERED },
	{ "HELO",                     "EHLO x|(hidden)|HELO x|AUTH PLAIN", &SMTP_SAY_NOT_OFFERED },
	{ "under TLS",                "EHLO x|(hidden)|STARTTLS|(tls)|AUTH PLAIN", &SMTP_SAY_NOT_OFFERED },
};

static void test_FAULTS_21_auth_before_tls(void **state)
{
	struct smtp_caps offer = { .have = ALL_CAPS };

	(void)state;
	for (size_t i = 0; i < ROWS(hidden); i++) {
		struct smtp_server s;

		smtp_server_init(&s, "gw.example");
		want_same(hidden[i].name, play(&s, offer, hidden[i].commands), hidden[i].answer);
		smtp_server_free(&s);
	}
}

static const struct {
	const char *name, *commands;
	const struct smtp_answer *answer;
} clear[] = {
	{ "EHLO",           "EHLO x", NULL },
	{ "NOOP",           "NOOP", NULL },
	{ "QUIT",           "QUIT", NULL },
	{ "STARTTLS",       "EHLO x|STARTTLS", NULL },
	{ "HELO",           "HELO x", &SMTP_SAY_TLS_FIRST },
	{ "MAIL",           "EHLO x|MAIL FROM:<a@b>", &SMTP_SAY_TLS_FIRST },
	{ "RCPT",           "EHLO x|RCPT TO:<a@b>", &SMTP_SAY_TLS_FIRST },
	{ "DATA",           "EHLO x|DATA", &SMTP_SAY_TLS_FIRST },
	{ "BDAT",           "EHLO x|BDAT 5 LAST", &SMTP_SAY_TLS_FIRST },
	{ "RSET",           "EHLO x|RSET", &SMTP_SAY_TLS_FIRST },
	{ "VRFY",           "EHLO x|VRFY x", &SMTP_SAY_TLS_FIRST },
	{ "HELP",           "EHLO x|HELP", &SMTP_SAY_TLS_FIRST },
	{ "AUTH",           "EHLO x|AUTH PLAIN AGEAYg==", &SMTP_SAY_TLS_FIRST },
	{ "no EHLO after TLS",   "EHLO x|STARTTLS|(tls)|MAIL FROM:<a@b>", &SMTP_SAY_HELLO_FIRST },
	{ "EHLO after TLS",      "EHLO x|STARTTLS|(tls)|EHLO x|MAIL FROM:<a@b>", NULL },
	{ "HELO after TLS",      "EHLO x|STARTTLS|(tls)|HELO x|MAIL FROM:<a@b>", NULL },
};

static void test_SUB_1_tls_first(void **state)
{
	struct smtp_caps offer = { .have = ALL_CAPS };

	(void)state;
	for (size_t i = 0; i < ROWS(clear); i++) {
		struct smtp_server s;

		smtp_server_init(&s, "gw.example");
		s.need_tls = true;
		want_same(clear[i].name, play(&s, offer, clear[i].commands), clear[i].answer);
		smtp_server_free(&s);
	}
}

/* RFC 3207 section 4.2: what was said in clear is forgotten, transaction and all. */
static void test_NEW_12_tls_forgets(void **state)
{
	struct smtp_caps offer = { .have = ALL_CAPS };
	struct smtp_server s;

	(void)state;
	smtp_server_init(&s, "gw.example");
	play(&s, offer, "EHLO liar.example|MAIL FROM:<a@b> BODY=BINARYMIME SMTPUTF8|RCPT TO:<a@b>|BDAT 0");
	assert_true(s.mail && s.binary && s.utf8 && s.chunks && s.rcpts == 1);
	smtp_server_tls(&s);
	assert_true(s.tls && !s.hello && !s.esmtp && !s.mail && !s.binary && !s.utf8 && !s.chunks);
	assert_int_equal(s.rcpts, 0);
	assert_int_equal(s.offer.have, 0);
	assert_int_equal(buf_used(&s.helo), 0);
	want_same("RCPT", play(&s, offer, "RCPT TO:<a@b>"), &SMTP_SAY_HELLO_FIRST);
	smtp_server_free(&s);
}

static const struct {
	const char *name, *commands;
	uint32_t cap; /* the one that is missing */
	const struct smtp_answer *answer;
} missing[] = {
	{ "SIZE",       "EHLO x|MAIL FROM:<a@b> SIZE=1", SMTP_CAP_SIZE, &SMTP_SAY_UNKNOWN_PARAM },
	{ "8BITMIME",   "EHLO x|MAIL FROM:<a@b> BODY=8BITMIME", SMTP_CAP_8BITMIME, &SMTP_SAY_UNKNOWN_PARAM },
	{ "7BIT needs one of them", "EHLO x|MAIL FROM:<a@b> BODY=7BIT", SMTP_CAP_8BITMIME | SMTP_CAP_BINARYMIME, &SMTP_SAY_UNKNOWN_PARAM },
	{ "BINARYMIME", "EHLO x|MAIL FROM:<a@b> BODY=BINARYMIME", SMTP_CAP_BINARYMIME, &SMTP_SAY_UNKNOWN_PARAM },
	{ "SMTPUTF8",   "EHLO x|MAIL FROM:<a@b> SMTPUTF8", SMTP_CAP_SMTPUTF8, &SMTP_SAY_UNKNOWN_PARAM },
	{ "RET",        "EHLO x|MAIL FROM:<a@b> RET=FULL", SMTP_CAP_DSN, &SMTP_SAY_UNKNOWN_PARAM },
	{ "ENVID",      "EHLO x|MAIL FROM:<a@b> ENVID=x", SMTP_CAP_DSN, &SMTP_SAY_UNKNOWN_PARAM },
	{ "NOTIFY",     "EHLO x|MAIL FROM:<a@b>|RCPT TO:<a@b> NOTIFY=NEVER", SMTP_CAP_DSN, &SMTP_SAY_UNKNOWN_PARAM },
	{ "ORCPT",      "EHLO x|MAIL FROM:<a@b>|RCPT TO:<a@b> ORCPT=rfc822;x", SMTP_CAP_DSN, &SMTP_SAY_UNKNOWN_PARAM },
	{ "CHUNKING",   "EHLO x|MAIL FROM:<a@b>|RCPT TO:<a@b>|BDAT 1", SMTP_CAP_CHUNKING, &SMTP_SAY_NOT_OFFERED },
	{ "CHUNKING, no mail", "EHLO x|BDAT 1", SMTP_CAP_CHUNKING, &SMTP_SAY_NOT_OFFERED },
	{ "STARTTLS",   "EHLO x|STARTTLS", SMTP_CAP_STARTTLS, &SMTP_SAY_NOT_OFFERED },
};

/* What was not in the EHLO reply is refused, and only that. */
static void test_WG_19_not_offered(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(missing); i++) {
		struct smtp_caps offer = { .have = ALL_CAPS & ~missing[i].cap };
		struct smtp_server s;

		smtp_server_init(&s, "gw.example");
		want_same(missing[i].name, play(&s, offer, missing[i].commands), missing[i].answer);
		smtp_server_free(&s);

		offer.have = ALL_CAPS;
		smtp_server_init(&s, "gw.example");
		if (play(&s, offer, missing[i].commands) == missing[i].answer)
			fail_msg("%s: refused though it was offered", missing[i].name);
		smtp_server_free(&s);
	}
}

static void test_MC_2_blind_starttls_is_harmless(void **state)
{
	struct smtp_caps offer = { .have = ALL_CAPS & ~(uint32_t)SMTP_CAP_STARTTLS };
	struct smtp_server s;

	(void)state;
	smtp_server_init(&s, "gw.example");
	want_same("refused", play(&s, offer, "EHLO x|STARTTLS"), &SMTP_SAY_NOT_OFFERED);
	want_same("usable", play(&s, offer, "MAIL FROM:<a@b>|RCPT TO:<a@b>|DATA"), NULL);
	smtp_server_free(&s);
}

static const struct {
	const char *name, *commands, *with;
} withs[] = {
	{ "HELO",           "HELO x|MAIL FROM:<a@b>", "SMTP" },
	{ "EHLO",           "EHLO x|MAIL FROM:<a@b>", "ESMTP" },
	{ "EHLO, TLS",      "EHLO x|(tls)|EHLO x|MAIL FROM:<a@b>", "ESMTPS" },
	{ "HELO, TLS",      "EHLO x|(tls)|HELO x|MAIL FROM:<a@b>", "SMTP" },
	{ "SMTPUTF8",       "EHLO x|MAIL FROM:<a@b> SMTPUTF8", "UTF8SMTP" },
	{ "SMTPUTF8, TLS",  "EHLO x|(tls)|EHLO x|MAIL FROM:<a@b> SMTPUTF8", "UTF8SMTPS" },
	{ "the next mail",  "EHLO x|MAIL FROM:<a@b> SMTPUTF8|RSET|MAIL FROM:<a@b>", "ESMTP" },
};

static void test_NEW_21_with(void **state)
{
	struct smtp_caps offer = { .have = ALL_CAPS };

	(void)state;
	for (size_t i = 0; i < ROWS(withs); i++) {
		struct smtp_server s;

		smtp_server_init(&s, "gw.example");
		assert_null(play(&s, offer, withs[i].commands));
		want_text(withs[i].name, span_str(smtp_server_with(&s)), span_str(withs[i].with));
		smtp_server_free(&s);
	}
}

static void test_smtp_server_greet(void **state)
{
	struct smtp_caps offer = { .have = ALL_CAPS };
	struct smtp_server s;
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	smtp_server_init(&s, "gw.example");
	assert_true(smtp_server_greet(&s, &out));
	want_text("greeting", buf_peek(&out), SPAN("220 gw.example ESMTP\r\n"));
	buf_free(&out);
	play(&s, offer, "EHLO one.example|EHLO two.example.");
	want_text("helo", buf_peek(&s.helo), SPAN("two.example."));
	smtp_server_rcpt_refused(&s);
	assert_int_equal(s.rcpts, 0);
	smtp_server_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smtp_server_order),
		cmocka_unit_test(test_MC_9_auth),
		cmocka_unit_test(test_FAULTS_21_auth_before_tls),
		cmocka_unit_test(test_SUB_1_tls_first),
		cmocka_unit_test(test_NEW_12_tls_forgets),
		cmocka_unit_test(test_WG_19_not_offered),
		cmocka_unit_test(test_MC_2_blind_starttls_is_harmless),
		cmocka_unit_test(test_NEW_21_with),
		cmocka_unit_test(test_smtp_server_greet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
