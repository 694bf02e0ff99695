#include "smtp/smtp_sasl.h"
#include "unit.h"

static const struct {
	const char *name;
	const char *begin, *lines[2]; /* what the client says */
	const char *mechanism, *user;
	bool unnamed;                 /* the mechanism is not one that shows a name */
} rows[] = {
	{ "PLAIN at once", "PLAIN AGpvZQBzZWNyZXQ=",
	  { NULL }, "PLAIN", "joe", false },
	{ "PLAIN in a line", "PLAIN",
	  { "AGpvZQBzZWNyZXQ=" }, "PLAIN", "joe", false },
	{ "PLAIN for somebody else", "PLAIN Ym9zcwBqb2UAc2VjcmV0",
	  { NULL }, "PLAIN", "joe", false },
	{ "in lower case", "plain AGpvZQBzZWNyZXQ=",
	  { NULL }, "PLAIN", "joe", false },
	{ "PLAIN without the first NUL", "PLAIN am9lAHNlY3JldA==",
	  { NULL }, "PLAIN", "", false },
	{ "PLAIN with the NULs behind", "PLAIN am9lAHNlY3JldAA=",
	  { NULL }, "PLAIN", "", false },
	{ "PLAIN without a NUL", "PLAIN c2VjcmV0",
	  { NULL }, "PLAIN", "", false },
	{ "PLAIN without a password", "PLAIN AGpvZQA=",
	  { NULL }, "PLAIN", "", false },
	{ "PLAIN of nothing", "PLAIN =",
	  { NULL }, "PLAIN", "", false },
	{ "a second PLAIN line is not looked at", "PLAIN am9lAHNlY3JldA==",
	  { "AG90aGVyAHg=" }, "PLAIN", "", false },
	{ "LOGIN", "LOGIN",
	  { "am9l", "c2VjcmV0" }, "LOGIN", "joe", false },
	{ "LOGIN at once", "LOGIN am9l",
	  { "c2VjcmV0" }, "LOGIN", "joe", false },
	{ "LOGIN of nobody", "LOGIN",
	  { "", "c2VjcmV0" }, "LOGIN", "", false },
	{ "LOGIN, cancelled", "LOGIN",
	  { "*" }, "LOGIN", "", false },
	{ "LOGIN that is no base64", "LOGIN",
	  { "!!!", "c2VjcmV0" }, "LOGIN", "", false },
	{ "XOAUTH2", "XOAUTH2 dXNlcj1qb2VAYS5leGFtcGxlAWF1dGg9QmVhcmVyIHNlY3JldAEB",
	  { "" }, "XOAUTH2", "joe@a.example", false },
	{ "XOAUTH2 without its separators", "XOAUTH2 dXNlcj1qb2UgYXV0aD1CZWFyZXIgc2VjcmV0",
	  { NULL }, "XOAUTH2", "", false },
	{ "XOAUTH2 without a user", "XOAUTH2 YXV0aD1CZWFyZXIgc2VjcmV0AQE=",
	  { NULL }, "XOAUTH2", "", false },
	{ "OAUTHBEARER", "OAUTHBEARER bixhPWpvZUBhLmV4YW1wbGUsAWhvc3Q9YQFwb3J0PTI1AWF1dGg9QmVhcmVyIHNlY3JldAEB",
	  { "AQ==" }, "OAUTHBEARER", "joe@a.example", false },
	{ "OAUTHBEARER without a name", "OAUTHBEARER biwsAWF1dGg9QmVhcmVyIHNlY3JldAEB",
	  { NULL }, "OAUTHBEARER", "", false },
	{ "OAUTHBEARER without its comma", "OAUTHBEARER bixhPWpvZQFhdXRoPUJlYXJlciBzZWNyZXQBAQ==",
	  { NULL }, "OAUTHBEARER", "", false },
	{ "OAUTHBEARER without separators", "OAUTHBEARER bixhPWpvZSBhdXRoPUJlYXJlciBzZWNyZXQs",
	  { NULL }, "OAUTHBEARER", "", false },
	{ "SCRAM-SHA-256", "SCRAM-SHA-256 biwsbj1qb2Uscj1ub25jZQ==",
	  { "Yz1iaXdzLHI9bm9uY2UscD1zZWNyZXQ=" }, "SCRAM-SHA-256", "joe", false },
	{ "SCRAM for somebody else", "SCRAM-SHA-1 bixhPWJvc3Msbj1qb2Uscj1ub25jZQ==",
	  { NULL }, "SCRAM-SHA-1", "joe", false },
	{ "SCRAM, the proof first", "SCRAM-SHA-1",
	  { "Yz1iaXdzLHI9bm9uY2UscD1zZWNyZXQs" }, "SCRAM-SHA-1", "", false },
	{ "CRAM-MD5", "CRAM-MD5",
	  { "am9lIDAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm" }, "CRAM-MD5", "joe", false },
	{ "CRAM-MD5, a blank in the name", "CRAM-MD5",
	  { "am9lIGRvZSAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==" }, "CRAM-MD5", "joe doe", false },
	{ "CRAM-MD5 without a name", "CRAM-MD5",
	  { "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=" }, "CRAM-MD5", "", false },
	{ "CRAM-MD5 with a blank behind", "CRAM-MD5",
	  { "am9lIDAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmIA==" }, "CRAM-MD5", "", false },
	{ "EXTERNAL", "EXTERNAL am9l",
	  { NULL }, "EXTERNAL", "joe", false },
	{ "GSSAPI shows nothing", "GSSAPI am9lIHNlY3JldA==",
	  { "c2VjcmV0" }, "GSSAPI", "", true },
	{ "a mechanism too long", "ABCDEFGHIJKLMNOPQRSTUVWXYZ am9l",
	  { "am9l" }, "", "", true },
	{ "a start of a mechanism", "PLAI AGpvZQBzZWNyZXQ=",
	  { NULL }, "PLAI", "", true },
};

static void test_MC_9_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct smtp_sasl s;

		memset(&s, 'x', sizeof(s));
		smtp_sasl_begin(&s, span_str(rows[i].begin));
		for (size_t n = 0; n < 2 && rows[i].lines[n] != NULL; n++)
			smtp_sasl_line(&s, span_str(rows[i].lines[n]));
		want_text(rows[i].name, span_str(s.mechanism), span_str(rows[i].mechanism));
		want_text(rows[i].name, span_str(s.user), span_str(rows[i].user));
		want_number(rows[i].name, "named", s.named, !rows[i].unnamed);
		/* Law 8: wherever it stood, it is not in what is kept. */
		for (size_t at = 0; at + 6 <= sizeof(s); at++) {
			if (memcmp((const char *)&s + at, "secret", 6) == 0)
				fail_msg("%s: a secret is kept", rows[i].name);
		}
	}
}

/* A name longer than is kept is cut; one that is longer than is decoded is none, where its end matters. */
static void test_MC_9_long_names(void **state)
{
	static char quad[SMTP_SASL_LINE_MOST];
	struct smtp_sasl s;

	(void)state;
	for (size_t i = 0; i < sizeof(quad); i++)
		quad[i] = "YWFh"[i % 4]; /* aaa */
	smtp_sasl_begin(&s, SPAN("LOGIN"));
	smtp_sasl_line(&s, span_of(quad, sizeof(quad)));
	want_number("LOGIN", "length", strlen(s.user), SMTP_SASL_USER_MOST);
	smtp_sasl_begin(&s, SPAN("XOAUTH2"));
	smtp_sasl_line(&s, span_of(quad, sizeof(quad)));
	want_number("XOAUTH2", "length", strlen(s.user), 0);
}

/* One attempt knows nothing of the one before it. */
static void test_MC_9_begins_anew(void **state)
{
	struct smtp_sasl s;

	(void)state;
	smtp_sasl_begin(&s, SPAN("LOGIN am9l"));
	smtp_sasl_begin(&s, SPAN("GSSAPI"));
	assert_false(s.named);
	assert_string_equal(s.user, "");
	assert_string_equal(s.mechanism, "GSSAPI");
}

static const struct {
	const char *name;
	struct span arg;
	bool fine;
} args[] = {
	{ "a mechanism",               SPAN("PLAIN"), true },
	{ "a response",                SPAN("PLAIN AGEAYg=="), true },
	{ "an empty response",         SPAN("EXTERNAL ="), true },
	{ "digits, hyphen, underscore", SPAN("X_SCRAM-SHA-256"), true },
	{ "20 letters",                SPAN("ABCDEFGHIJKLMNOPQRST"), true },
	{ "21 letters",                SPAN("ABCDEFGHIJKLMNOPQRSTU"), false },
	{ "nothing",                   SPAN(""), false },
	{ "a blank",                   SPAN(" PLAIN"), false },
	{ "two responses",             SPAN("PLAIN AAAA BBBB"), false },
	{ "two blanks",                SPAN("PLAIN  AAAA"), false },
	{ "no base64",                 SPAN("PLAIN A*A"), false },
	{ "cancelled at once",         SPAN("PLAIN *"), false },
	{ "a mechanism with a dot",    SPAN("PLAIN.X"), false },
	{ "a NUL in it",               SPAN("PLA\0IN"), false },
	{ "a NUL behind it",           SPAN("PLAIN \0"), false },
	{ "8-bit",                     SPAN("PL\xc3\xa4IN"), false },
	{ "a TAB",                     SPAN("PLAIN\tAAAA"), false },
};

static void test_MC_9_arguments(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(args); i++)
		want_number(args[i].name, "fine", smtp_sasl_arg_ok(args[i].arg), args[i].fine);
}

static const struct {
	const char *name;
	struct span line;
	bool fine;
} lines[] = {
	{ "nothing",        SPAN(""), true },
	{ "base64",         SPAN("am9l"), true },
	{ "padded",         SPAN("AQ=="), true },
	{ "a cancel",       SPAN("*"), true },
	{ "two stars",      SPAN("**"), false },
	{ "a blank",        SPAN("am9l "), false },
	{ "a command",      SPAN("MAIL FROM:<a@b>"), false },
	{ "a NUL",          SPAN("am\0l"), false },
	{ "8-bit",          SPAN("\xff"), false },
};

static void test_MC_9_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(lines); i++)
		want_number(lines[i].name, "fine", smtp_sasl_line_ok(lines[i].line), lines[i].fine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_MC_9_names),
		cmocka_unit_test(test_MC_9_long_names),
		cmocka_unit_test(test_MC_9_begins_anew),
		cmocka_unit_test(test_MC_9_arguments),
		cmocka_unit_test(test_MC_9_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
