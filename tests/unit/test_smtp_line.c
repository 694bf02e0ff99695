#include "smtp/smtp_line.h"
#include "unit.h"

/* What the framer says of `text`, a letter a finding, lines in brackets. The first `cut`
 * octets come first, then all others; cut 0: octet by octet. */
static void frame(struct span text, size_t cut, size_t room_most, struct buf *said)
{
	struct smtp_line l = { 0 };
	size_t sent = 0;
	struct buf in;

	buf_init(&in, room_most);
	while (sent < text.len) {
		size_t room = buf_space(&in);
		size_t step = cut == 0 ? 1 : sent < cut ? cut - sent : text.len - sent;
		enum smtp_line_found found;
		struct span line, again;

		step = step < room ? step : room;
		assert_true(step > 0);
		must(buf_put(&in, span_of(text.at + sent, step)));
		sent += step;
		while ((found = smtp_line_next(&l, &in, &line)) != SMTP_LINE_MORE) {
			if (found == SMTP_LINE_LONG) {
				must(buf_put(said, SPAN("long ")));
				continue;
			}
			assert_int_equal(smtp_line_next(&l, &in, &again), found);
			if (found == SMTP_LINE_BARE) {
				must(buf_put(said, SPAN("bare")));
				buf_free(&in);
				return;
			}
			want_text("asked twice", again, line);
			if (line.len < 20)
				must(buf_printf(said, "[%.*s] ", SPAN_ARG(line)));
			else
				must(buf_printf(said, "[%zu] ", line.len));
			smtp_line_drop(&l, &in, line);
		}
	}
	must(buf_printf(said, "more"));
	buf_free(&in);
}

static const struct {
	const char *name;
	struct span text;
	const char *said;
} rows[] = {
	{ "one line",                 SPAN("NOOP\r\n"), "[NOOP] more" },
	{ "two lines",                SPAN("NOOP\r\nQUIT\r\n"), "[NOOP] [QUIT] more" },
	{ "an empty line",            SPAN("\r\n\r\n"), "[] [] more" },
	{ "no end",                   SPAN("NOOP"), "more" },
	{ "a CR, and no more",        SPAN("NOOP\r"), "more" },
	{ "a bare LF",                SPAN("NOOP\nQUIT\r\n"), "bare" },
	{ "a bare LF at first",       SPAN("\nQUIT\r\n"), "bare" },
	{ "a bare CR",                SPAN("NOOP\rQUIT\r\n"), "bare" },
	{ "CR CR LF",                 SPAN("NOOP\r\r\nQUIT\r\n"), "bare" },
	{ "a NUL",                    SPAN("NO\0OP\r\n"), "bare" },
	{ "CR NUL",                   SPAN("NOOP\r\0\n"), "bare" },
	{ "a NUL at first",           SPAN("\0\r\n"), "bare" },
	{ "a line, then a bare LF",   SPAN("NOOP\r\n\nQUIT\r\n"), "[NOOP] bare" },
	{ "8-bit and control",        SPAN("\xff\t\x01\r\n"), "[\xff\t\x01] more" },
};

static void test_FAULTS_22_line_any_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		for (size_t cut = 0; cut <= rows[i].text.len; cut++) {
			struct buf said;

			buf_init(&said, 1000);
			frame(rows[i].text, cut, SMTP_LINE_MOST, &said);
			want_text(rows[i].name, buf_peek(&said), span_str(rows[i].said));
			buf_free(&said);
		}
	}
}

static const struct {
	const char *name;
	size_t len;       /* octets before `end` */
	struct span end;
	const char *said;
} lengths[] = {
	{ "the longest",              2046, SPAN("\r\nNOOP\r\n"), "[2046] [NOOP] more" },
	{ "one more",                 2047, SPAN("\r\nNOOP\r\n"), "long [NOOP] more" },
	{ "two more",                 2048, SPAN("\r\nNOOP\r\n"), "long [NOOP] more" },
	{ "many more",                9000, SPAN("\r\nNOOP\r\n"), "long [NOOP] more" },
	{ "a bare LF in a long one",  5000, SPAN("\nNOOP\r\n"), "bare" },
	{ "a bare CR in a long one",  5000, SPAN("\rNOOP\r\n"), "bare" },
	{ "a NUL in a long one",      5000, SPAN("\0NOOP\r\n"), "bare" },
	{ "long without an end",      5000, SPAN(""), "more" },
};

static void test_FAULTS_22_over_long_command(void **state)
{
	static char text[9100];

	(void)state;
	for (size_t i = 0; i < ROWS(lengths); i++) {
		size_t len = lengths[i].len + lengths[i].end.len;
		/* Cuts around the places where something happens. */
		const size_t at[] = { 0, 1, 2000, 2045, 2046, 2047, 2048, lengths[i].len - 1,
				      lengths[i].len, lengths[i].len + 1, lengths[i].len + 2 };

		memset(text, 'x', lengths[i].len);
		memcpy(text + lengths[i].len, lengths[i].end.at, lengths[i].end.len);
		for (size_t c = 0; c < 2 * ROWS(at); c++) {
			/* With room for one line, and with room for all of it. */
			size_t room = c % 2 == 0 ? SMTP_LINE_MOST : sizeof(text);
			struct buf said;

			if (at[c / 2] > len)
				continue;
			buf_init(&said, 1000);
			frame(span_of(text, len), at[c / 2], room, &said);
			want_text(lengths[i].name, buf_peek(&said), span_str(lengths[i].said));
			buf_free(&said);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_FAULTS_22_line_any_cut),
		cmocka_unit_test(test_FAULTS_22_over_long_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
