#include "smtp/smtp_reply.h"
#include "unit.h"

/* Reads replies from `text`, which comes in two parts, or octet by octet (cut 0), and writes
 * them anew, one after the other; "BAD" where the reader gives up. */
static void read_all(struct span text, size_t cut, struct buf *out)
{
	struct smtp_reply_reader r;
	struct why why = { 0 };
	size_t sent = 0;
	struct buf in;

	buf_init(&in, 65536);
	smtp_reply_reader_init(&r);
	while (sent < text.len) {
		size_t step = cut == 0 ? 1 : sent < cut ? cut - sent : text.len - sent;
		enum smtp_reply_found found;

		must(buf_put(&in, span_of(text.at + sent, step)));
		sent += step;
		while ((found = smtp_reply_next(&r, &in, &why)) == SMTP_REPLY_WHOLE)
			must(smtp_reply_put(out, &r.reply));
		if (found == SMTP_REPLY_BAD) {
			assert_int_equal(why.fault, FAULT_PEER);
			must(buf_put(out, SPAN("BAD")));
			break;
		}
	}
	smtp_reply_reader_free(&r);
	buf_free(&in);
}

static const struct {
	const char *name;
	struct span text, out;
} rows[] = {
	{ "one line",               SPAN("250 2.0.0 OK\r\n"), SPAN("250 2.0.0 OK\r\n") },
	{ "three lines",            SPAN("550-5.1.1 No such user\r\n550-ask\r\n550 me\r\n"),
				    SPAN("550-5.1.1 No such user\r\n550-ask\r\n550 me\r\n") },
	{ "two replies",            SPAN("250 a\r\n354 b\r\n"), SPAN("250 a\r\n354 b\r\n") },
	{ "a bare code",            SPAN("250\r\n"), SPAN("250 \r\n") },
	{ "a bare code ends it",    SPAN("250-a\r\n250\r\n"), SPAN("250-a\r\n250 \r\n") },
	{ "empty lines of text",    SPAN("250-\r\n250-\r\n250 \r\n"), SPAN("250-\r\n250-\r\n250 \r\n") },
	{ "a TAB stays",            SPAN("250 a\tb\r\n"), SPAN("250 a\tb\r\n") },
	{ "control characters",     SPAN("250 \x1b[2J\x7f\r\n"), SPAN("250 ?[2J?\r\n") },
	{ "8-bit stays",            SPAN("550 caf\xc3\xa9\r\n"), SPAN("550 caf\xc3\xa9\r\n") },
	{ "599 is the last",        SPAN("599 x\r\n"), SPAN("599 x\r\n") },
	{ "no end yet",             SPAN("250 OK"), SPAN("") },
	{ "the last line lacks",    SPAN("250-OK\r\n"), SPAN("") },
	{ "1xx",                    SPAN("150 x\r\n"), SPAN("BAD") },
	{ "6xx",                    SPAN("600 x\r\n"), SPAN("BAD") },
	{ "000",                    SPAN("000 x\r\n"), SPAN("BAD") },
	{ "two digits",             SPAN("25 x\r\n"), SPAN("BAD") },
	{ "four digits",            SPAN("2500 x\r\n"), SPAN("BAD") },
	{ "a TAB after the code",   SPAN("250\tx\r\n"), SPAN("BAD") },
	{ "a letter in the code",   SPAN("2x0 x\r\n"), SPAN("BAD") },
	{ "a blank before",         SPAN(" 250 x\r\n"), SPAN("BAD") },
	{ "an empty line",          SPAN("\r\n"), SPAN("BAD") },
	{ "HTTP",                   SPAN("HTTP/1.1 400 Bad Request\r\n"), SPAN("BAD") },
	{ "the code changes",       SPAN("250-a\r\n251 b\r\n"), SPAN("BAD") },
	{ "class changes",          SPAN("250-a\r\n550 b\r\n"), SPAN("BAD") },
	{ "a line without code",    SPAN("250-a\r\nb\r\n250 c\r\n"), SPAN("BAD") },
	{ "a bare LF",              SPAN("250-a\n250 b\r\n"), SPAN("BAD") },
	{ "a bare CR",              SPAN("250 a\rb\r\n"), SPAN("BAD") },
	{ "a NUL",                  SPAN("250 a\0b\r\n"), SPAN("BAD") },
	{ "good, then bad",         SPAN("250 a\r\nx\r\n"), SPAN("250 a\r\nBAD") },
};

static void test_FAULTS_10_garbage_any_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		for (size_t cut = 0; cut <= rows[i].text.len; cut++) {
			struct buf out;

			buf_init(&out, 4096);
			read_all(rows[i].text, cut, &out);
			want_text(rows[i].name, buf_peek(&out), rows[i].out);
			buf_free(&out);
		}
	}
}

static const struct {
	const char *name;
	unsigned lines;   /* "250-xxx" */
	unsigned len;     /* of the text of each */
	bool good;
} sizes[] = {
	{ "as many lines as may be",   SMTP_REPLY_LINES - 1, 20, true },
	{ "one line too many",         SMTP_REPLY_LINES, 20, false },
	{ "endless",                   5000, 20, false },
	{ "the longest line",          1, SMTP_LINE_MOST - 6, true },
	{ "a line too long",           1, SMTP_LINE_MOST - 5, false },
	{ "an endless line",           1, 60000, false },
	{ "as much text as may be",    16, 1022, true },
	{ "too much text",             17, 1022, false },
};

static void test_FAULTS_10_over_long_reply(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(sizes); i++) {
		struct buf text, out;

		buf_init(&text, 1 << 20);
		for (unsigned n = 0; n < sizes[i].lines; n++)
			must(buf_printf(&text, "250-%0*u\r\n", (int)sizes[i].len, n));
		must(buf_put(&text, SPAN("250 ok\r\n")));
		buf_init(&out, 1 << 20);
		read_all(buf_peek(&text), 0, &out);
		want_number(sizes[i].name, "good",
			    !span_ends_nocase(buf_peek(&out), SPAN("BAD")), sizes[i].good);
		if (sizes[i].good)
			want_text(sizes[i].name, buf_peek(&out), buf_peek(&text));
		buf_free(&out);
		buf_free(&text);
	}
}

static void take(struct smtp_reply_reader *r, struct buf *in, const char *text)
{
	struct why why;

	must(buf_put(in, span_str(text)));
	must(smtp_reply_next(r, in, &why) == SMTP_REPLY_WHOLE);
}

static void test_smtp_reply_parts(void **state)
{
	struct smtp_reply_reader r;
	struct buf in, out;
	char brief[64];

	(void)state;
	buf_init(&in, 4096);
	smtp_reply_reader_init(&r);
	take(&r, &in, "550-5.1.1 No\tsuch user\r\n550-\r\n550 try \x1b later\r\n250 next\r\n");
	assert_int_equal(r.reply.code, 550);
	assert_int_equal(r.reply.lines, 3);
	want_text("line 0", smtp_reply_line(&r.reply, 0), SPAN("5.1.1 No\tsuch user"));
	want_text("line 1", smtp_reply_line(&r.reply, 1), SPAN(""));
	want_text("line 2", smtp_reply_line(&r.reply, 2), SPAN("try \x1b later"));
	want_text("line 3", smtp_reply_line(&r.reply, 3), SPAN(""));
	smtp_reply_brief(&r.reply, brief, sizeof(brief));
	assert_string_equal(brief, "550 5.1.1 No?such user /  / try ? later");
	for (size_t size = 1; size < 45; size++) {
		char whole[64];

		memcpy(whole, brief, sizeof(whole));
		smtp_reply_brief(&r.reply, brief, size);
		assert_int_equal(strlen(brief), size - 1 < 39 ? size - 1 : 39);
		assert_memory_equal(brief, whole, strlen(brief));
		memcpy(brief, whole, sizeof(whole));
	}
	/* What follows it has been left where it was. */
	want_text("behind it", buf_peek(&in), SPAN("250 next\r\n"));
	take(&r, &in, "");
	assert_int_equal(r.reply.lines, 1);
	buf_init(&out, 9);
	assert_false(smtp_reply_put(&out, &r.reply));
	assert_int_equal(buf_used(&out), 0);
	out.most = 10;
	assert_true(smtp_reply_put(&out, &r.reply));
	buf_free(&out);
	take(&r, &in, "250\r\n");
	smtp_reply_brief(&r.reply, brief, sizeof(brief));
	assert_string_equal(brief, "250");
	smtp_reply_reader_free(&r);
	buf_free(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_FAULTS_10_garbage_any_cut),
		cmocka_unit_test(test_FAULTS_10_over_long_reply),
		cmocka_unit_test(test_smtp_reply_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
