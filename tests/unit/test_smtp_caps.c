#include "smtp/smtp_caps.h"
#include "unit.h"

static void read_caps(struct span words, struct smtp_caps *caps)
{
	struct smtp_reply_reader r;
	struct why why;
	struct buf in;

	buf_init(&in, 65536);
	smtp_reply_reader_init(&r);
	must(buf_put(&in, words));
	must(smtp_reply_next(&r, &in, &why) == SMTP_REPLY_WHOLE);
	smtp_caps_read(&r.reply, caps);
	smtp_reply_reader_free(&r);
	buf_free(&in);
}

static const struct {
	const char *name, *word; /* the one keyword of the reply */
	uint32_t have;
	uint64_t size;
	unsigned unknown;
} words[] = {
	{ "PIPELINING",                "PIPELINING", SMTP_CAP_PIPELINING, 0, 0 },
	{ "in lower case",             "starttls", SMTP_CAP_STARTTLS, 0, 0 },
	{ "8BITMIME",                  "8BITMIME", SMTP_CAP_8BITMIME, 0, 0 },
	{ "SMTPUTF8",                  "SMTPUTF8", SMTP_CAP_SMTPUTF8, 0, 0 },
	{ "DSN",                       "DSN", SMTP_CAP_DSN, 0, 0 },
	{ "ENHANCEDSTATUSCODES",       "ENHANCEDSTATUSCODES", SMTP_CAP_ENHANCED, 0, 0 },
	{ "CHUNKING",                  "CHUNKING", SMTP_CAP_CHUNKING, 0, 0 },
	{ "BINARYMIME goes alone",     "BINARYMIME", 0, 0, 0 },
	{ "a limit",                   "SIZE 10240", SMTP_CAP_SIZE, 10240, 0 },
	{ "no limit",                  "SIZE", SMTP_CAP_SIZE, 0, 0 },
	{ "limit 0 is none",           "SIZE 0", SMTP_CAP_SIZE, 0, 0 },
	{ "a limit that overflows",    "SIZE 99999999999999999999", SMTP_CAP_SIZE, 0, 0 },
	{ "a limit that is none",      "SIZE lots", SMTP_CAP_SIZE, 0, 0 },
	{ "two limits",                "SIZE 10 20", SMTP_CAP_SIZE, 0, 0 },
	{ "blanks",                    "  SIZE  10  ", SMTP_CAP_SIZE, 10, 0 },
	{ "a prefix is another word",  "STARTTLSX", 0, 0, 1 },
	{ "a start is another word",   "START", 0, 0, 1 },
	{ "more behind STARTTLS",      "STARTTLS REQUIRED", SMTP_CAP_STARTTLS, 0, 0 },
	{ "more behind SMTPUTF8",      "SMTPUTF8 x", SMTP_CAP_SMTPUTF8, 0, 0 },
	{ "more behind PIPELINING",    "PIPELINING x", 0, 0, 1 },
	{ "a word that we don't know", "XEXCH50", 0, 0, 1 },
	{ "AUTH",                      "AUTH PLAIN LOGIN", SMTP_CAP_AUTH, 0, 0 },
	{ "AUTH of one",               "auth plain", SMTP_CAP_AUTH, 0, 0 },
	{ "AUTH of nothing",           "AUTH", 0, 0, 0 },
	{ "AUTH with what binds alone", "AUTH SCRAM-SHA-256-PLUS", 0, 0, 0 },
	{ "AUTH as it was once",       "AUTH=LOGIN", 0, 0, 1 },
	{ "an equals sign",            "SIZE=10", 0, 0, 1 },
	{ "an empty line",             "", 0, 0, 0 },
	{ "a TAB between",             "SIZE\t10", 0, 0, 1 },
};

static void test_NEW_22_keywords(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(words); i++) {
		struct smtp_caps caps;
		char reply[200];

		snprintf(reply, sizeof(reply), "250-mx.example\r\n250 %s\r\n", words[i].word);
		read_caps(span_str(reply), &caps);
		want_number(words[i].name, "have", caps.have, words[i].have);
		want_number(words[i].name, "size", caps.size, words[i].size);
		want_number(words[i].name, "unknown", caps.unknown, words[i].unknown);
	}
}

static const struct {
	const char *name, *reply;
	uint32_t have;
	unsigned unknown;
} replies[] = {
	{ "the greeting is no keyword",   "250-STARTTLS\r\n250 DSN\r\n", SMTP_CAP_DSN, 0 },
	{ "the greeting alone",           "250 STARTTLS\r\n", 0, 0 },
	{ "STARTTLS first",               "250-mx\r\n250-STARTTLS\r\n250 DSN\r\n",
	  SMTP_CAP_STARTTLS | SMTP_CAP_DSN, 0 },
	{ "STARTTLS last",                "250-mx\r\n250-DSN\r\n250 STARTTLS\r\n",
	  SMTP_CAP_STARTTLS | SMTP_CAP_DSN, 0 },
	{ "BINARYMIME before CHUNKING",   "250-mx\r\n250-BINARYMIME\r\n250 CHUNKING\r\n",
	  SMTP_CAP_BINARYMIME | SMTP_CAP_CHUNKING, 0 },
	{ "twice",                        "250-mx\r\n250-DSN\r\n250 DSN\r\n", SMTP_CAP_DSN, 0 },
	{ "unknown ones are counted",     "250-mx\r\n250-X-A\r\n250-DSN\r\n250 X-B\r\n", SMTP_CAP_DSN, 2 },
};

static void test_MC_2_greeting_is_no_keyword(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(replies); i++) {
		struct smtp_caps caps;

		read_caps(span_str(replies[i].reply), &caps);
		want_number(replies[i].name, "have", caps.have, replies[i].have);
		want_number(replies[i].name, "unknown", caps.unknown, replies[i].unknown);
	}
}

static const struct {
	const char *name, *lines, *auth;
} mechanisms[] = {
	{ "one",                       "250 AUTH PLAIN\r\n", "PLAIN" },
	{ "some",                      "250 AUTH PLAIN LOGIN XOAUTH2\r\n", "PLAIN LOGIN XOAUTH2" },
	{ "as they are spelled",       "250 auth Plain\r\n", "Plain" },
	{ "many blanks",               "250 AUTH   PLAIN    LOGIN  \r\n", "PLAIN LOGIN" },
	{ "what binds to the channel", "250 AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN SCRAM-SHA-1-plus\r\n",
	  "SCRAM-SHA-256 PLAIN" },
	{ "PLUS without a hyphen",     "250 AUTH XPLUS PLUS\r\n", "XPLUS PLUS" },
	{ "two lines",                 "250-AUTH PLAIN\r\n250-DSN\r\n250 AUTH LOGIN\r\n", "PLAIN LOGIN" },
	{ "one line is empty",         "250-AUTH PLAIN\r\n250 AUTH\r\n", "PLAIN" },
	{ "the other is",              "250-AUTH\r\n250 AUTH PLAIN\r\n", "PLAIN" },
	{ "what is no name",           "250 AUTH PL.AIN <LOGIN> GSS\xc3\xa4PI A=B CRAM-MD5\r\n", "CRAM-MD5" },
	{ "20 letters",                "250 AUTH ABCDEFGHIJKLMNOPQRST ABCDEFGHIJKLMNOPQRSTU\r\n", "ABCDEFGHIJKLMNOPQRST" },
	{ "more than there is room for",
	  "250 AUTH A123456789012345678 B123456789012345678 C123456789012345678 D123456789012345678 "
	  "E123456789012345678 F123456789012345678 G123456789012345678 H1234567890123456789 I\r\n",
	  "A123456789012345678 B123456789012345678 C123456789012345678 D123456789012345678 "
	  "E123456789012345678 F123456789012345678 G123456789012345678 I" },
};

static void test_MC_9_mechanisms(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(mechanisms); i++) {
		struct smtp_caps ours = { .have = SMTP_CAP_AUTH }, caps, both;
		char reply[512], want[256];
		struct buf out;

		snprintf(reply, sizeof(reply), "250-mx.example\r\n%s", mechanisms[i].lines);
		snprintf(want, sizeof(want), "250-gw\r\n250 AUTH %s\r\n", mechanisms[i].auth);
		read_caps(span_str(reply), &caps);
		want_text(mechanisms[i].name, span_str(caps.auth), span_str(mechanisms[i].auth));
		both = smtp_caps_both(ours, caps);
		buf_init(&out, 512);
		assert_true(smtp_caps_put(&out, "gw", &both));
		want_text(mechanisms[i].name, buf_peek(&out), span_str(want));
		buf_free(&out);
	}
}

/* Where we don't offer AUTH, the upstream's list goes nowhere. */
static void test_MC_9_not_offered(void **state)
{
	struct smtp_caps ours = { .have = SMTP_CAP_DSN }, theirs = { .have = SMTP_CAP_AUTH | SMTP_CAP_DSN, .auth = "PLAIN" };
	struct smtp_caps both = smtp_caps_both(ours, theirs);

	(void)state;
	assert_int_equal(both.have, SMTP_CAP_DSN);
	assert_string_equal(both.auth, "");
}

#define LONG "X234567890123456789012345678901234567890"

static const struct {
	const char *name, *lines, *names;
	unsigned count;
} removed[] = {
	{ "none",                      "250-DSN\r\n250 SIZE 1\r\n", "", 0 },
	{ "as they are spelled",       "250-XExch50\r\n250-DSN\r\n250 x-b\r\n", "XExch50 x-b", 2 },
	{ "their parameters are not told", "250 X-A secret=1\r\n", "X-A", 1 },
	{ "known, with what is not",   "250 DSN x\r\n", "DSN", 1 },
	{ "not for the log's eyes",    "250-X\x1b[2J\r\n250 \xc3\xa9\r\n", "X?[2J ??", 2 },
	{ "more than there is room for", "250-" LONG "\r\n250-" LONG "\r\n250-" LONG "\r\n250 X-SHORT\r\n",
	  LONG " " LONG " X-SHORT", 4 },
};

static void test_WG_19_what_is_removed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(removed); i++) {
		struct smtp_caps ours = { .have = SMTP_CAP_DSN }, caps, both;
		char reply[512];

		snprintf(reply, sizeof(reply), "250-mx.example\r\n%s", removed[i].lines);
		read_caps(span_str(reply), &caps);
		both = smtp_caps_both(ours, caps);
		want_number(removed[i].name, "count", both.unknown, removed[i].count);
		want_text(removed[i].name, span_str(both.unknown_names), span_str(removed[i].names));
	}
}

#define CAPS(have_, size_, unknown_) { .have = (have_), .size = (size_), .unknown = (unknown_) }

static const struct {
	const char *name;
	struct smtp_caps a, b, both;
} pairs[] = {
	{ "what both have",            CAPS(SMTP_CAP_DSN | SMTP_CAP_PIPELINING, 0, 3),
	  CAPS(SMTP_CAP_DSN | SMTP_CAP_8BITMIME, 0, 1), CAPS(SMTP_CAP_DSN, 0, 0) },
	{ "each hop has its own TLS",  CAPS(SMTP_CAP_STARTTLS, 0, 0), CAPS(SMTP_CAP_STARTTLS, 0, 0), CAPS(0, 0, 0) },
	{ "the smaller limit",         CAPS(SMTP_CAP_SIZE, 10, 0), CAPS(SMTP_CAP_SIZE, 20, 0),
	  CAPS(SMTP_CAP_SIZE, 10, 0) },
	{ "the other is smaller",      CAPS(SMTP_CAP_SIZE, 20, 0), CAPS(SMTP_CAP_SIZE, 10, 0),
	  CAPS(SMTP_CAP_SIZE, 10, 0) },
	{ "one has no limit",          CAPS(SMTP_CAP_SIZE, 0, 0), CAPS(SMTP_CAP_SIZE, 10, 0),
	  CAPS(SMTP_CAP_SIZE, 10, 0) },
	{ "the other has no limit",    CAPS(SMTP_CAP_SIZE, 10, 0), CAPS(SMTP_CAP_SIZE, 0, 0),
	  CAPS(SMTP_CAP_SIZE, 10, 0) },
	{ "none has a limit",          CAPS(SMTP_CAP_SIZE, 0, 0), CAPS(SMTP_CAP_SIZE, 0, 0),
	  CAPS(SMTP_CAP_SIZE, 0, 0) },
	{ "one has no SIZE",           CAPS(SMTP_CAP_SIZE, 10, 0), CAPS(0, 0, 0), CAPS(0, 0, 0) },
	{ "no CHUNKING, no BINARYMIME", CAPS(SMTP_CAP_BINARYMIME | SMTP_CAP_CHUNKING, 0, 0),
	  CAPS(SMTP_CAP_BINARYMIME, 0, 0), CAPS(0, 0, 0) },
};

static void test_WG_19_intersection(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(pairs); i++) {
		struct smtp_caps both = smtp_caps_both(pairs[i].a, pairs[i].b);

		want_number(pairs[i].name, "have", both.have, pairs[i].both.have);
		want_number(pairs[i].name, "size", both.size, pairs[i].both.size);
		want_number(pairs[i].name, "unknown", both.unknown, pairs[i].b.unknown);
	}
}

static const struct {
	const char *name;
	struct smtp_caps caps;
	const char *reply;
} offers[] = {
	{ "nothing",       CAPS(0, 0, 0), "250 gw.example\r\n" },
	{ "one",           CAPS(SMTP_CAP_STARTTLS, 0, 0), "250-gw.example\r\n250 STARTTLS\r\n" },
	{ "SIZE bare",     CAPS(SMTP_CAP_SIZE, 0, 0), "250-gw.example\r\n250 SIZE\r\n" },
	{ "SIZE is last",  CAPS(SMTP_CAP_SIZE, 7, 0), "250-gw.example\r\n250 SIZE 7\r\n" },
	{ "all",           CAPS((SMTP_CAP_STARTTLS << 1) - 1, UINT64_MAX, 0),
	  "250-gw.example\r\n250-PIPELINING\r\n250-SIZE 18446744073709551615\r\n250-STARTTLS\r\n"
	  "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n"
	  "250 BINARYMIME\r\n" },
};

static void test_NEW_22_ehlo_reply(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(offers); i++) {
		struct span want = span_str(offers[i].reply);
		struct smtp_caps again;
		struct buf out;

		buf_init(&out, want.len - 1);
		assert_false(smtp_caps_put(&out, "gw.example", &offers[i].caps));
		assert_int_equal(buf_used(&out), 0);
		out.most++;
		assert_true(smtp_caps_put(&out, "gw.example", &offers[i].caps));
		want_text(offers[i].name, buf_peek(&out), want);
		read_caps(buf_peek(&out), &again);
		want_number(offers[i].name, "have", again.have, offers[i].caps.have);
		want_number(offers[i].name, "size", again.size, offers[i].caps.size);
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_NEW_22_keywords),
		cmocka_unit_test(test_MC_2_greeting_is_no_keyword),
		cmocka_unit_test(test_MC_9_mechanisms),
		cmocka_unit_test(test_MC_9_not_offered),
		cmocka_unit_test(test_WG_19_what_is_removed),
		cmocka_unit_test(test_WG_19_intersection),
		cmocka_unit_test(test_NEW_22_ehlo_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
