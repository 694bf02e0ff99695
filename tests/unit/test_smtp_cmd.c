#include "smtp/smtp_cmd.h"
#include "unit.h"

static const struct {
	const char *name;
	struct span line;
	enum smtp_verb verb;
	const struct smtp_answer *refusal;
	struct span arg;
} rows[] = {
	{ "EHLO",                     SPAN("EHLO a.example"), SMTP_EHLO, NULL, SPAN("a.example") },
	{ "in lower case",            SPAN("ehlo a.example"), SMTP_EHLO, NULL, SPAN("a.example") },
	{ "HELO",                     SPAN("Helo a.example"), SMTP_HELO, NULL, SPAN("a.example") },
	{ "a literal",                SPAN("EHLO [192.0.2.1]"), SMTP_EHLO, NULL, SPAN("[192.0.2.1]") },
	{ "an IPv6 literal",          SPAN("EHLO [IPv6:::1]"), SMTP_EHLO, NULL, SPAN("[IPv6:::1]") },
	{ "a bare address",           SPAN("EHLO 192.0.2.1"), SMTP_EHLO, NULL, SPAN("192.0.2.1") },
	{ "an underscore",            SPAN("EHLO my_pc"), SMTP_EHLO, NULL, SPAN("my_pc") },
	{ "the root dot",             SPAN("EHLO a.example."), SMTP_EHLO, NULL, SPAN("a.example.") },
	{ "a blank behind",           SPAN("EHLO a.example "), SMTP_EHLO, NULL, SPAN("a.example") },
	{ "two blanks",               SPAN("EHLO  a.example"), SMTP_EHLO, NULL, SPAN("a.example") },
	{ "no argument",              SPAN("EHLO"), SMTP_EHLO, &SMTP_SAY_BAD_DOMAIN, SPAN("") },
	{ "HELO alone",               SPAN("HELO "), SMTP_HELO, &SMTP_SAY_BAD_DOMAIN, SPAN("") },
	{ "a dot alone",              SPAN("EHLO ."), SMTP_EHLO, &SMTP_SAY_BAD_DOMAIN, SPAN(".") },
	{ "two root dots",            SPAN("EHLO a.."), SMTP_EHLO, &SMTP_SAY_BAD_DOMAIN, SPAN("a..") },
	{ "two words",                SPAN("EHLO a b"), SMTP_EHLO, &SMTP_SAY_BAD_DOMAIN, SPAN("a b") },
	{ "a tag",                    SPAN("EHLO <a>"), SMTP_EHLO, &SMTP_SAY_BAD_DOMAIN, SPAN("<a>") },
	{ "8-bit",                    SPAN("EHLO b\xc3\xbc.example"), SMTP_EHLO, &SMTP_SAY_BAD_DOMAIN, SPAN("b\xc3\xbc.example") },
	{ "a NUL",                    SPAN("EHLO a\0b"), SMTP_EHLO, &SMTP_SAY_BAD_DOMAIN, SPAN("a\0b") },
	{ "DATA",                     SPAN("DATA"), SMTP_DATA, NULL, SPAN("") },
	{ "DATA and a blank",         SPAN("DATA "), SMTP_DATA, NULL, SPAN("") },
	{ "DATA with more",           SPAN("DATA x"), SMTP_DATA, &SMTP_SAY_BAD_SYNTAX, SPAN("x") },
	{ "RSET",                     SPAN("rset"), SMTP_RSET, NULL, SPAN("") },
	{ "RSET with more",           SPAN("RSET x"), SMTP_RSET, &SMTP_SAY_BAD_SYNTAX, SPAN("x") },
	{ "QUIT",                     SPAN("QUIT"), SMTP_QUIT, NULL, SPAN("") },
	{ "QUIT with more",           SPAN("QUIT now"), SMTP_QUIT, &SMTP_SAY_BAD_SYNTAX, SPAN("now") },
	{ "STARTTLS",                 SPAN("STARTTLS"), SMTP_STARTTLS, NULL, SPAN("") },
	{ "STARTTLS with more",       SPAN("STARTTLS x"), SMTP_STARTTLS, &SMTP_SAY_BAD_SYNTAX, SPAN("x") },
	{ "STARTTLSX",                SPAN("STARTTLSX"), SMTP_UNKNOWN, &SMTP_SAY_UNKNOWN, SPAN("") },
	{ "NOOP",                     SPAN("NOOP"), SMTP_NOOP, NULL, SPAN("") },
	{ "NOOP with more",           SPAN("NOOP zzz"), SMTP_NOOP, NULL, SPAN("zzz") },
	{ "HELP",                     SPAN("HELP"), SMTP_HELP, NULL, SPAN("") },
	{ "VRFY",                     SPAN("VRFY joe"), SMTP_VRFY, NULL, SPAN("joe") },
	{ "VRFY of no one",           SPAN("VRFY"), SMTP_VRFY, &SMTP_SAY_BAD_SYNTAX, SPAN("") },
	{ "EXPN",                     SPAN("EXPN list"), SMTP_EXPN, NULL, SPAN("list") },
	{ "EXPN of nothing",          SPAN("EXPN"), SMTP_EXPN, &SMTP_SAY_BAD_SYNTAX, SPAN("") },
	{ "AUTH",                     SPAN("AUTH PLAIN AGEAYg=="), SMTP_AUTH, NULL, SPAN("PLAIN AGEAYg==") },
	{ "AUTH without a response",  SPAN("auth login"), SMTP_AUTH, NULL, SPAN("login") },
	{ "AUTH and an empty one",    SPAN("AUTH EXTERNAL ="), SMTP_AUTH, NULL, SPAN("EXTERNAL =") },
	{ "AUTH and a blank",         SPAN("AUTH PLAIN "), SMTP_AUTH, NULL, SPAN("PLAIN") },
	{ "AUTH alone",               SPAN("AUTH"), SMTP_AUTH, &SMTP_SAY_BAD_SYNTAX, SPAN("") },
	{ "AUTH of two",              SPAN("AUTH PLAIN AA BB"), SMTP_AUTH, &SMTP_SAY_BAD_SYNTAX, SPAN("PLAIN AA BB") },
	{ "AUTH, no base64",          SPAN("AUTH PLAIN a:b"), SMTP_AUTH, &SMTP_SAY_BAD_SYNTAX, SPAN("PLAIN a:b") },
	{ "AUTH, cancelled",          SPAN("AUTH PLAIN *"), SMTP_AUTH, &SMTP_SAY_BAD_SYNTAX, SPAN("PLAIN *") },
	{ "AUTH of no mechanism",     SPAN("AUTH <x>"), SMTP_AUTH, &SMTP_SAY_BAD_SYNTAX, SPAN("<x>") },
	{ "nothing",                  SPAN(""), SMTP_UNKNOWN, &SMTP_SAY_UNKNOWN, SPAN("") },
	{ "a blank",                  SPAN(" "), SMTP_UNKNOWN, &SMTP_SAY_UNKNOWN, SPAN("") },
	{ "a blank before",           SPAN(" QUIT"), SMTP_UNKNOWN, &SMTP_SAY_UNKNOWN, SPAN("QUIT") },
	{ "a TAB behind the verb",    SPAN("NOOP\tx"), SMTP_UNKNOWN, &SMTP_SAY_UNKNOWN, SPAN("") },
	{ "a NUL behind the verb",    SPAN("QUIT\0"), SMTP_UNKNOWN, &SMTP_SAY_UNKNOWN, SPAN("") },
	{ "a colon behind the verb",  SPAN("MAIL:"), SMTP_UNKNOWN, &SMTP_SAY_UNKNOWN, SPAN("") },
	{ "a start of a verb",        SPAN("QUI"), SMTP_UNKNOWN, &SMTP_SAY_UNKNOWN, SPAN("") },
	{ "ETRN",                     SPAN("ETRN a.example"), SMTP_UNKNOWN, &SMTP_SAY_UNKNOWN, SPAN("a.example") },
	{ "TURN",                     SPAN("TURN"), SMTP_UNKNOWN, &SMTP_SAY_UNKNOWN, SPAN("") },
	{ "SEND",                     SPAN("SEND FROM:<a@b>"), SMTP_UNKNOWN, &SMTP_SAY_UNKNOWN, SPAN("FROM:<a@b>") },
	{ "XCLIENT",                  SPAN("XCLIENT ADDR=127.0.0.1"), SMTP_UNKNOWN, &SMTP_SAY_UNKNOWN, SPAN("ADDR=127.0.0.1") },
	{ "XFORWARD",                 SPAN("XFORWARD NAME=x"), SMTP_UNKNOWN, &SMTP_SAY_UNKNOWN, SPAN("NAME=x") },
	{ "HTTP",                     SPAN("GET / HTTP/1.1"), SMTP_UNKNOWN, &SMTP_SAY_UNKNOWN, SPAN("/ HTTP/1.1") },
};

static void test_WG_18_commands(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct smtp_cmd cmd;

		want_same(rows[i].name, smtp_cmd_read(rows[i].line, &cmd), rows[i].refusal);
		want_number(rows[i].name, "verb", cmd.verb, rows[i].verb);
		want_text(rows[i].name, cmd.arg, rows[i].arg);
	}
}

static void test_WG_18_greeting_length(void **state)
{
	char line[300];
	struct smtp_cmd cmd;

	(void)state;
	for (size_t len = 250; len < 260; len++) {
		memset(line, 'a', sizeof(line));
		memcpy(line, "EHLO ", 5);
		for (size_t at = 60; at < len; at += 60)
			line[5 + at] = '.';
		want_same("letters", smtp_cmd_read(span_of(line, 5 + len), &cmd),
			  len <= 255 ? NULL : &SMTP_SAY_BAD_DOMAIN);
		line[5 + len - 1] = '.';
		want_same("root dot", smtp_cmd_read(span_of(line, 5 + len), &cmd),
			  len <= 255 ? NULL : &SMTP_SAY_BAD_DOMAIN);
	}
}

static const struct {
	const char *name, *line;
	const struct smtp_answer *refusal;
	const char *text; /* of the path */
	uint32_t params;
} envelopes[] = {
	{ "a sender",              "MAIL FROM:<a@b>", NULL, "a@b", 0 },
	{ "in lower case",         "mail from:<a@b>", NULL, "a@b", 0 },
	{ "blanks after the colon", "MAIL FROM:  <a@b>", NULL, "a@b", 0 },
	{ "blanks at the end",     "MAIL FROM:<a@b>  ", NULL, "a@b", 0 },
	{ "null",                  "MAIL FROM:<>", NULL, "", 0 },
	{ "no colon",              "MAIL FROM <a@b>", &SMTP_SAY_BAD_SENDER, "", 0 },
	{ "no FROM",               "MAIL <a@b>", &SMTP_SAY_BAD_SENDER, "", 0 },
	{ "TO for FROM",           "MAIL TO:<a@b>", &SMTP_SAY_BAD_SENDER, "", 0 },
	{ "nothing",               "MAIL", &SMTP_SAY_BAD_SENDER, "", 0 },
	{ "no path",               "MAIL FROM:", &SMTP_SAY_BAD_SENDER, "", 0 },
	{ "no blank behind it",    "MAIL FROM:<a@b>SIZE=1", &SMTP_SAY_BAD_SENDER, "", 0 },
	{ "a second path",         "MAIL FROM:<a@b> <c@d>", &SMTP_SAY_UNKNOWN_PARAM, "", 0 },
	{ "a routed sender",       "MAIL FROM:<@a:b@c>", &SMTP_SAY_SENDER_ROUTE, "", 0 },
	{ "a recipient",           "RCPT TO:<a@b>", NULL, "a@b", 0 },
	{ "Postmaster",            "RCPT TO:<postmaster>", NULL, "postmaster", 0 },
	{ "no recipient",          "RCPT TO:<>", &SMTP_SAY_BAD_RECIPIENT, "", 0 },
	{ "a routed recipient",    "RCPT TO:<@a:b@c>", &SMTP_SAY_SOURCE_ROUTE, "", 0 },
	{ "FROM for TO",           "RCPT FROM:<a@b>", &SMTP_SAY_BAD_RECIPIENT, "", 0 },

	{ "SIZE",                  "MAIL FROM:<a@b> SIZE=1", NULL, "a@b", SMTP_PARAM_SIZE },
	{ "SIZE of 20 digits",     "MAIL FROM:<a@b> SIZE=99999999999999999999", NULL, "a@b", SMTP_PARAM_SIZE },
	{ "SIZE of 21 digits",     "MAIL FROM:<a@b> SIZE=100000000000000000000", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "SIZE of nothing",       "MAIL FROM:<a@b> SIZE=", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "SIZE alone",            "MAIL FROM:<a@b> SIZE", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "SIZE negative",         "MAIL FROM:<a@b> SIZE=-1", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "SIZE twice",            "MAIL FROM:<a@b> SIZE=1 size=1", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "SIZE of a recipient",   "RCPT TO:<a@b> SIZE=1", &SMTP_SAY_UNKNOWN_PARAM, "", 0 },
	{ "BODY",                  "MAIL FROM:<a@b> body=8bitmime", NULL, "a@b", SMTP_PARAM_BODY },
	{ "BODY of another kind",  "MAIL FROM:<a@b> BODY=9BIT", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "SMTPUTF8",              "MAIL FROM:<a@b> SMTPUTF8", NULL, "a@b", SMTP_PARAM_SMTPUTF8 },
	{ "SMTPUTF8 of something", "MAIL FROM:<a@b> SMTPUTF8=1", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "SMTPUTF8 of nothing",   "MAIL FROM:<a@b> SMTPUTF8=", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "all of MAIL",           "MAIL FROM:<a@b> SIZE=1 BODY=7BIT SMTPUTF8 RET=hdrs ENVID=x+3D", NULL, "a@b",
	  SMTP_PARAM_SIZE | SMTP_PARAM_BODY | SMTP_PARAM_SMTPUTF8 | SMTP_PARAM_RET | SMTP_PARAM_ENVID },
	{ "RET of another kind",   "MAIL FROM:<a@b> RET=ALL", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "ENVID not xtext",       "MAIL FROM:<a@b> ENVID=x+3d", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "ENVID with a +",        "MAIL FROM:<a@b> ENVID=x+3", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "ENVID with a =",        "MAIL FROM:<a@b> ENVID=x=y", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "ENVID 8-bit",           "MAIL FROM:<a@b> ENVID=\xc3\xa9", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "AUTH of MAIL",          "MAIL FROM:<a@b> AUTH=<>", &SMTP_SAY_UNKNOWN_PARAM, "", 0 },
	{ "an unknown one",        "MAIL FROM:<a@b> X-FOO=1", &SMTP_SAY_UNKNOWN_PARAM, "", 0 },
	{ "a start of one",        "MAIL FROM:<a@b> SIZ=1", &SMTP_SAY_UNKNOWN_PARAM, "", 0 },
	{ "an equals sign alone",  "MAIL FROM:<a@b> =", &SMTP_SAY_UNKNOWN_PARAM, "", 0 },
	{ "NOTIFY never",          "RCPT TO:<a@b> NOTIFY=never", NULL, "a@b", SMTP_PARAM_NOTIFY },
	{ "NOTIFY of three",       "RCPT TO:<a@b> NOTIFY=SUCCESS,FAILURE,DELAY", NULL, "a@b", SMTP_PARAM_NOTIFY },
	{ "NOTIFY never and more", "RCPT TO:<a@b> NOTIFY=NEVER,DELAY", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "NOTIFY and a comma",    "RCPT TO:<a@b> NOTIFY=DELAY,", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "NOTIFY of nothing",     "RCPT TO:<a@b> NOTIFY=", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "ORCPT",                 "RCPT TO:<a@b> ORCPT=rfc822;a+2Bb@c", NULL, "a@b", SMTP_PARAM_ORCPT },
	{ "ORCPT without a type",  "RCPT TO:<a@b> ORCPT=a@c", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "ORCPT of an empty type", "RCPT TO:<a@b> ORCPT=;a@c", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "ORCPT 8-bit",           "RCPT TO:<a@b> ORCPT=rfc822;\xc3\xa9@c", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "ORCPT UTF-8",           "RCPT TO:<a@b> ORCPT=utf-8;\xc3\xa9@c", NULL, "a@b", SMTP_PARAM_ORCPT },
	{ "ORCPT bad UTF-8",       "RCPT TO:<a@b> ORCPT=utf-8;\xe9@c", &SMTP_SAY_BAD_PARAM, "", 0 },
	{ "ORCPT escaped UTF-8",   "RCPT TO:<a@b> ORCPT=UTF-8;\\x{E9}@c", NULL, "a@b", SMTP_PARAM_ORCPT },
	{ "RET of a recipient",    "RCPT TO:<a@b> RET=FULL", &SMTP_SAY_UNKNOWN_PARAM, "", 0 },
};

static void test_NEW_22_envelopes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(envelopes); i++) {
		struct smtp_cmd cmd;

		want_same(envelopes[i].name, smtp_cmd_read(span_str(envelopes[i].line), &cmd),
			  envelopes[i].refusal);
		if (envelopes[i].refusal != NULL)
			continue;
		want_text(envelopes[i].name, cmd.path.text, span_str(envelopes[i].text));
		want_number(envelopes[i].name, "params", cmd.params, envelopes[i].params);
	}
}

static void test_NEW_22_values(void **state)
{
	struct smtp_cmd cmd;

	(void)state;
	assert_null(smtp_cmd_read(SPAN("MAIL FROM:<a@b> SIZE=0012 BODY=BINARYMIME RET=FULL ENVID=q"), &cmd));
	assert_int_equal(cmd.size, 12);
	assert_int_equal(cmd.body, SMTP_BODY_BINARYMIME);
	want_text("ret", cmd.ret, SPAN("FULL"));
	want_text("envid", cmd.envid, SPAN("q"));
	assert_null(smtp_cmd_read(SPAN("MAIL FROM:<a@b> SIZE=18446744073709551616"), &cmd));
	assert_true(cmd.size == UINT64_MAX);
	assert_null(smtp_cmd_read(SPAN("RCPT TO:<a@b> NOTIFY=DELAY ORCPT=rfc822;x"), &cmd));
	want_text("notify", cmd.notify, SPAN("DELAY"));
	want_text("orcpt", cmd.orcpt, SPAN("rfc822;x"));
}

static void test_NEW_22_value_lengths(void **state)
{
	char line[700];
	struct smtp_cmd cmd;

	(void)state;
	for (int len = 90; len < 110; len++) {
		snprintf(line, sizeof(line), "MAIL FROM:<a@b> ENVID=%0*d", len, 0);
		want_same("ENVID", smtp_cmd_read(span_str(line), &cmd),
			  len <= 100 ? NULL : &SMTP_SAY_BAD_PARAM);
	}
	for (int len = 490; len < 510; len++) {
		snprintf(line, sizeof(line), "RCPT TO:<a@b> ORCPT=rfc822;%0*d", len - 7, 0);
		want_same("ORCPT", smtp_cmd_read(span_str(line), &cmd),
			  len <= 500 ? NULL : &SMTP_SAY_BAD_PARAM);
	}
}

static const struct {
	const char *name, *line;
	const struct smtp_answer *refusal;
	uint64_t chunk;
	bool last;
} chunks[] = {
	{ "a chunk",                "BDAT 100", NULL, 100, false },
	{ "the last",               "BDAT 100 LAST", NULL, 100, true },
	{ "last in lower case",     "bdat 0 last", NULL, 0, true },
	{ "blanks",                 "BDAT  7  LAST ", NULL, 7, true },
	{ "a word",                 "BDAT 100 FIRST", &SMTP_SAY_BAD_SYNTAX, 100, false },
	{ "last and more",          "BDAT 100 LAST x", &SMTP_SAY_BAD_SYNTAX, 100, false },
	{ "the biggest",            "BDAT 18446744073709551614", NULL, UINT64_MAX - 1, false },
	{ "no end known",           "BDAT 18446744073709551615", &SMTP_SAY_BAD_SYNTAX, UINT64_MAX, false },
	{ "too big",                "BDAT 99999999999999999999", &SMTP_SAY_BAD_SYNTAX, UINT64_MAX, false },
	{ "none",                   "BDAT", &SMTP_SAY_BAD_SYNTAX, UINT64_MAX, false },
	{ "LAST alone",             "BDAT LAST", &SMTP_SAY_BAD_SYNTAX, UINT64_MAX, false },
	{ "negative",               "BDAT -1 LAST", &SMTP_SAY_BAD_SYNTAX, UINT64_MAX, false },
	{ "a sign",                 "BDAT +1 LAST", &SMTP_SAY_BAD_SYNTAX, UINT64_MAX, false },
	{ "hexadecimal",            "BDAT 0x10", &SMTP_SAY_BAD_SYNTAX, UINT64_MAX, false },
	{ "a TAB",                  "BDAT 1\tLAST", &SMTP_SAY_BAD_SYNTAX, UINT64_MAX, false },
};

static void test_WG_19_bdat(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(chunks); i++) {
		struct smtp_cmd cmd;

		want_same(chunks[i].name, smtp_cmd_read(span_str(chunks[i].line), &cmd),
			  chunks[i].refusal);
		want_number(chunks[i].name, "verb", cmd.verb, SMTP_BDAT);
		want_number(chunks[i].name, "chunk", cmd.chunk, chunks[i].chunk);
		want_number(chunks[i].name, "last", cmd.last, chunks[i].last);
	}
}

static void test_smtp_verb_names(void **state)
{
	(void)state;
	for (int v = SMTP_EHLO; v <= SMTP_UNKNOWN; v++) {
		struct smtp_cmd cmd;

		smtp_cmd_read(span_str(smtp_verb_name((enum smtp_verb)v)), &cmd);
		assert_int_equal(cmd.verb, v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_WG_18_commands),
		cmocka_unit_test(test_WG_18_greeting_length),
		cmocka_unit_test(test_NEW_22_envelopes),
		cmocka_unit_test(test_NEW_22_values),
		cmocka_unit_test(test_NEW_22_value_lengths),
		cmocka_unit_test(test_WG_19_bdat),
		cmocka_unit_test(test_smtp_verb_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
