#include "smtp/smtp_answer.h"
#include "unit.h"

static const struct {
	const char *name;
	const struct smtp_answer *answer;
	const char *sid, *line;
} rows[] = {
	{ "a refusal",         &SMTP_SAY_TLS_FIRST, "6f2a91",
	  "530 5.7.0 Must issue a STARTTLS command first [TLS-REQ] 6f2a91\r\n" },
	{ "without a session", &SMTP_SAY_TLS_DIRTY, NULL,
	  "554 5.5.1 Data was sent before the TLS handshake [TLS-DIRTY]\r\n" },
	{ "a yes has no tag",  &SMTP_SAY_OK, "6f2a91", "250 2.0.0 OK\r\n" },
	{ "no enhanced code",  &SMTP_SAY_DATA_GO, "6f2a91", "354 End data with <CR><LF>.<CR><LF>\r\n" },
};

static void test_smtp_answer_put(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct span want = span_str(rows[i].line);
		struct buf out;

		buf_init(&out, want.len - 1);
		assert_false(smtp_answer_put(&out, rows[i].answer, rows[i].sid));
		assert_int_equal(buf_used(&out), 0);
		out.most++;
		assert_true(smtp_answer_put(&out, rows[i].answer, rows[i].sid));
		want_text(rows[i].name, buf_peek(&out), want);
		buf_free(&out);
	}
}

/* Whatever the text, the line is one line of at most 512 octets, and its tail is whole. */
static void test_smtp_answer_say(void **state)
{
	static char text[1000];
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	for (size_t len = 400; len < sizeof(text); len++) {
		memset(text, 'x', len);
		text[len] = '\0';
		assert_true(smtp_answer_say(&out, &SMTP_SAY_TLS_NOT_NOW, "6f2a91", text));
		assert_true(buf_used(&out) <= 512);
		assert_true(buf_used(&out) == 512 || len < 487);
		assert_true(span_ends_nocase(buf_peek(&out), SPAN("x [TLS] 6f2a91\r\n")));
		buf_consume(&out, buf_used(&out));
	}
	assert_true(smtp_answer_say(&out, &SMTP_SAY_TLS_NOT_NOW, NULL, "a\r\n250 b\x1b\xe9\t"));
	want_text("octets", buf_peek(&out), SPAN("454 4.7.0 a??250 b??? [TLS]\r\n"));
	buf_free(&out);
}

static const struct smtp_answer *const all[] = {
	&SMTP_SAY_OK, &SMTP_SAY_MAIL_OK, &SMTP_SAY_RCPT_OK, &SMTP_SAY_BYE, &SMTP_SAY_HELP,
	&SMTP_SAY_VRFY, &SMTP_SAY_TLS_READY, &SMTP_SAY_DATA_GO, &SMTP_SAY_CHUNK_OK, &SMTP_SAY_BARE,
	&SMTP_SAY_LONG, &SMTP_SAY_UNKNOWN, &SMTP_SAY_NOT_OFFERED, &SMTP_SAY_BAD_DOMAIN,
	&SMTP_SAY_BAD_SYNTAX, &SMTP_SAY_BAD_SENDER, &SMTP_SAY_BAD_RECIPIENT,
	&SMTP_SAY_SENDER_ROUTE, &SMTP_SAY_SOURCE_ROUTE, &SMTP_SAY_BAD_PARAM,
	&SMTP_SAY_UNKNOWN_PARAM, &SMTP_SAY_NEEDS_UTF8, &SMTP_SAY_HELLO_FIRST,
	&SMTP_SAY_MAIL_FIRST, &SMTP_SAY_RCPT_FIRST, &SMTP_SAY_NESTED_MAIL, &SMTP_SAY_BDAT_OPEN,
	&SMTP_SAY_NEEDS_BDAT, &SMTP_SAY_TLS_ON, &SMTP_SAY_NO_RECIPIENTS, &SMTP_SAY_TLS_FIRST,
	&SMTP_SAY_AUTH_CLEAR, &SMTP_SAY_TLS_DIRTY, &SMTP_SAY_TLS_NOT_NOW,
	&SMTP_SAY_TOO_MANY_RCPT, &SMTP_SAY_TOO_BIG,
	&SMTP_SAY_TOO_MANY_ERRORS, &SMTP_SAY_TOO_MANY_CONN, &SMTP_SAY_TOO_MANY_FROM,
	&SMTP_SAY_SLOW, &SMTP_SAY_DRAIN, &SMTP_SAY_BAD_BODY, &SMTP_SAY_LOOP,
	&SMTP_SAY_NO_UPSTREAM, &SMTP_SAY_NO_SERVICE, &SMTP_SAY_LOST_UPSTREAM,
	&SMTP_SAY_LOST_SESSION, &SMTP_SAY_CAPS_LOST, &SMTP_SAY_SELF,
};

/* RFC 2034: the first digit of both codes is the same; a refusal has a tag, a yes has none. */
static void test_smtp_answer_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(all); i++) {
		const struct smtp_answer *a = all[i];

		assert_in_range(a->code, 200, 599);
		want_number(a->text, "tag", a->tag != NULL, a->code >= 400);
		want_number(a->text, "enhanced", a->enhanced != NULL, a->code != 354);
		if (a->enhanced != NULL)
			want_number(a->text, "class", (unsigned)(a->enhanced[0] - '0'),
				    (unsigned)a->code / 100);
		assert_true(strlen(a->text) < 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smtp_answer_put),
		cmocka_unit_test(test_smtp_answer_say),
		cmocka_unit_test(test_smtp_answer_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
