#include "smtp/smtp_data.h"
#include "smtp/smtp_scan.h"
#include "unit.h"

/* Decodes `raw`, which comes in two parts, or octet by octet (cut 0). What is left behind the
 * final dot is counted in `left`. */
static void decode(struct smtp_data_reader *r, struct span raw, size_t cut, struct buf *content,
		   size_t *left)
{
	size_t from = 0, to = 0;

	smtp_data_reader_init(r);
	while (to < raw.len) {
		struct span piece;
		size_t took;

		to = cut == 0 ? to + 1 : to < cut ? cut : raw.len;
		while ((took = smtp_data_read(r, span_of(raw.at + from, to - from), &piece)) > 0) {
			must(buf_put(content, piece));
			from += took;
		}
	}
	*left = raw.len - from;
}

static const struct {
	const char *name;
	struct span raw, content;
	size_t left;
	bool done, faulty;
} rows[] = {
	{ "a line",                  SPAN("a\r\n.\r\n"), SPAN("a\r\n"), 0, true, false },
	{ "nothing",                 SPAN(".\r\n"), SPAN(""), 0, true, false },
	{ "an empty line",           SPAN("\r\n.\r\n"), SPAN("\r\n"), 0, true, false },
	{ "a command behind it",     SPAN("a\r\n.\r\nQUIT\r\n"), SPAN("a\r\n"), 6, true, false },
	{ "a second dot behind it",  SPAN(".\r\n.\r\n"), SPAN(""), 3, true, false },
	{ "a stuffed dot",           SPAN("..\r\n.\r\n"), SPAN(".\r\n"), 0, true, false },
	{ "two stuffed dots",        SPAN("...\r\n..\r\n.\r\n"), SPAN("..\r\n.\r\n"), 0, true, false },
	{ "a dot that no one stuffed", SPAN(".a\r\n.\r\n"), SPAN("a\r\n"), 0, true, false },
	{ "dots inside a line",      SPAN("a.\r\nb..c\r\n.\r\n"), SPAN("a.\r\nb..c\r\n"), 0, true, false },
	{ "no dot yet",              SPAN("a\r\n"), SPAN("a\r\n"), 0, false, false },
	{ "a dot alone",             SPAN("a\r\n."), SPAN("a\r\n"), 1, false, false },
	{ "a dot and a CR",          SPAN("a\r\n.\r"), SPAN("a\r\n"), 2, false, false },
	{ "a CR alone",              SPAN("a\r"), SPAN("a"), 1, false, false },
	/* What smugglers send: none of it ends the message, all of it is told. */
	{ "LF . LF",                 SPAN("a\n.\nb\r\n.\r\n"), SPAN("a\n.\nb\r\n"), 0, true, true },
	{ "LF . CR LF",              SPAN("a\n.\r\nb\r\n.\r\n"), SPAN("a\n.\r\nb\r\n"), 0, true, true },
	{ "CR LF . LF",              SPAN("a\r\n.\nb\r\n.\r\n"), SPAN("a\r\n\nb\r\n"), 0, true, true },
	{ "CR . CR",                 SPAN("a\r.\rb\r\n.\r\n"), SPAN("a\r.\rb\r\n"), 0, true, true },
	{ "CR . CR LF",              SPAN("a\r.\r\nb\r\n.\r\n"), SPAN("a\r.\r\nb\r\n"), 0, true, true },
	{ "CR LF . CR",              SPAN("a\r\n.\rb\r\n.\r\n"), SPAN("a\r\n\rb\r\n"), 0, true, true },
	{ "CR LF NUL . CR LF",       SPAN("a\r\n\0.\r\n.\r\n"), SPAN("a\r\n\0.\r\n"), 0, true, true },
	{ "CR LF . NUL CR LF",       SPAN("a\r\n.\0\r\n.\r\n"), SPAN("a\r\n\0\r\n"), 0, true, true },
	{ "CR LF . CR CR LF",        SPAN("a\r\n.\r\r\nb\r\n.\r\n"), SPAN("a\r\n\r\r\nb\r\n"), 0, true, true },
	{ "CR CR LF . CR LF",        SPAN("a\r\r\n.\r\n"), SPAN("a\r\r\n"), 0, true, true },
	{ "CR LF . CR NUL LF",       SPAN("a\r\n.\r\0\nb\r\n.\r\n"), SPAN("a\r\n\r\0\nb\r\n"), 0, true, true },
	{ "a bare LF",               SPAN("a\nb\r\n.\r\n"), SPAN("a\nb\r\n"), 0, true, true },
	{ "a bare CR",               SPAN("a\rb\r\n.\r\n"), SPAN("a\rb\r\n"), 0, true, true },
	{ "a NUL",                   SPAN("a\0b\r\n.\r\n"), SPAN("a\0b\r\n"), 0, true, true },
	{ "LF CR",                   SPAN("a\n\rb\r\n.\r\n"), SPAN("a\n\rb\r\n"), 0, true, true },
	{ "8-bit, VT, FF, NEL",      SPAN("\x0b.\x0c\x85.\r\n.\r\n"), SPAN("\x0b.\x0c\x85.\r\n"), 0, true, false },
};

static void test_NEW_13_data_any_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		for (size_t cut = 0; cut <= rows[i].raw.len; cut++) {
			struct smtp_data_reader r;
			struct buf content;
			size_t left;

			buf_init(&content, 1000);
			decode(&r, rows[i].raw, cut, &content, &left);
			want_text(rows[i].name, buf_peek(&content), rows[i].content);
			want_number(rows[i].name, "left", left, rows[i].left);
			want_number(rows[i].name, "done", r.done, rows[i].done);
			want_number(rows[i].name, "faulty", r.faulty, rows[i].faulty);
			want_number(rows[i].name, "octets", r.octets, rows[i].content.len);
			buf_free(&content);
		}
	}
}

/* A body without leading dots is one run, whatever its lines; so is a line of any length. */
static void test_FAULTS_23_long_lines_one_run(void **state)
{
	static char body[200000];
	struct smtp_data_reader r;
	struct span content;
	size_t took;

	(void)state;
	for (size_t line = 1; line < sizeof(body); line = line * 3 + 1) {
		memset(body, 'x', sizeof(body));
		for (size_t at = line; at + 2 <= sizeof(body) - 5; at += line + 2)
			memcpy(body + at, "\r\n", 2);
		memcpy(body + sizeof(body) - 5, "\r\n.\r\n", 5);
		if (body[sizeof(body) - 6] == '\r')
			body[sizeof(body) - 6] = 'x';
		smtp_data_reader_init(&r);
		took = smtp_data_read(&r, span_of(body, sizeof(body)), &content);
		assert_int_equal(took, sizeof(body) - 3);
		assert_ptr_equal(content.at, body);
		assert_int_equal(content.len, sizeof(body) - 3);
		assert_false(r.faulty);
	}
}

static const struct {
	const char *name;
	struct span content;
	bool clean;
} checks[] = {
	{ "nothing",              SPAN(""), true },
	{ "lines",                SPAN("a\r\n.\r\nb\r\n"), true },
	{ "no line end",          SPAN("a"), true },
	{ "a bare LF",            SPAN("a\nb"), false },
	{ "a bare CR",            SPAN("a\rb"), false },
	{ "a CR at the end",      SPAN("a\r"), false },
	{ "CR CR LF",             SPAN("a\r\r\n"), false },
	{ "LF at first",          SPAN("\n"), false },
	{ "CR LF LF",             SPAN("\r\n\n"), false },
	{ "a NUL",                SPAN("a\0"), false },
	{ "CR NUL LF",            SPAN("a\r\0\n"), false },
};

static void test_NEW_13_bdat_any_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(checks); i++) {
		struct span all = checks[i].content;

		for (size_t one = 0; one <= all.len; one++) {
			for (size_t two = one; two <= all.len; two++) {
				struct smtp_body_check c = { 0 };

				smtp_body_check(&c, span_first(all, one));
				smtp_body_check(&c, span_of(all.at + one, two - one));
				smtp_body_check(&c, span_from(all, two));
				want_number(checks[i].name, "clean", smtp_body_check_end(&c),
					    checks[i].clean);
			}
		}
	}
}

static const struct {
	const char *name;
	struct span content, wire; /* no wire: must be refused */
} writes[] = {
	{ "nothing",                   SPAN(""), SPAN(".\r\n") },
	{ "a line",                    SPAN("a\r\n"), SPAN("a\r\n.\r\n") },
	{ "no line end",               SPAN("a"), SPAN("a\r\n.\r\n") },
	{ "an empty line",             SPAN("\r\n"), SPAN("\r\n.\r\n") },
	{ "a dot",                     SPAN("."), SPAN("..\r\n.\r\n") },
	{ "a line of a dot",           SPAN(".\r\n"), SPAN("..\r\n.\r\n") },
	{ "an end of data inside",     SPAN("a\r\n.\r\nMAIL\r\n"), SPAN("a\r\n..\r\nMAIL\r\n.\r\n") },
	{ "dots",                      SPAN("...\r\n..a.\r\n"), SPAN("....\r\n...a.\r\n.\r\n") },
	{ "a bare LF",                 SPAN("a\n.\r\n"), { NULL, 0 } },
	{ "a bare CR",                 SPAN("a\rb"), { NULL, 0 } },
	{ "a CR at the end",           SPAN("a\r"), { NULL, 0 } },
	{ "CR CR LF",                  SPAN("a\r\r\n"), { NULL, 0 } },
	{ "a NUL",                     SPAN("a\0\r\n"), { NULL, 0 } },
};

/* Encodes in pieces of `step` octets into a buf that holds no more than `room`, drained each time. */
static bool encode(struct span content, size_t step, size_t room, struct buf *wire)
{
	struct smtp_data_writer w;
	bool ended = false;
	struct buf out;
	int turns = 0;

	buf_init(&out, room);
	smtp_data_writer_init(&w);
	while (!ended && ++turns < 100) {
		size_t took = smtp_data_put(&w, &out, span_first(content, step));

		content = span_from(content, took);
		ended = content.len == 0 && smtp_data_end(&w, &out);
		must(buf_put(wire, buf_peek(&out)));
		buf_consume(&out, buf_used(&out));
	}
	assert_int_equal(w.faulty, !ended);
	buf_free(&out);
	return ended;
}

static void test_NEW_13_encoder_any_cut_any_room(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(writes); i++) {
		for (size_t step = 1; step <= writes[i].content.len + 1; step++) {
			for (size_t room = 5; room < 30; room++) {
				struct buf wire;
				bool ended;

				buf_init(&wire, 1000);
				ended = encode(writes[i].content, step, room, &wire);
				want_number(writes[i].name, "ended", ended, writes[i].wire.at != NULL);
				if (ended)
					want_text(writes[i].name, buf_peek(&wire), writes[i].wire);
				/* What leaves has no bare LF in any case. */
				for (size_t k = 0; k < buf_used(&wire); k++) {
					if (buf_peek(&wire).at[k] == '\n')
						assert_true(k > 0 && buf_peek(&wire).at[k - 1] == '\r');
				}
				buf_free(&wire);
			}
		}
	}
}

static void test_smtp_scan(void **state)
{
	static const char marks[] = { '\r', '\n', '\0' };
	char text[80];

	(void)state;
	for (size_t m = 0; m < sizeof(marks); m++) {
		for (size_t from = 0; from < 18; from++) {
			for (size_t at = from; at < sizeof(text); at++) {
				/* Neighbours of the three, and the three with their highest bit. */
				static const char others[] = "\x01\x09\x0b\x0c\x0e\x80\x8a\x8d\xff";

				for (size_t i = 0; i < sizeof(text); i++)
					text[i] = others[i % (sizeof(others) - 1)];
				assert_int_equal(smtp_scan(span_of(text + from, at - from)), at - from);
				text[at] = marks[m];
				for (size_t i = at + 1; i < sizeof(text); i += 3)
					text[i] = marks[(m + i) % 3];
				assert_int_equal(smtp_scan(span_of(text + from, sizeof(text) - from)),
						 at - from);
			}
		}
	}
}

/* 300 octets of lines of 40, with a line of one octet and an empty one among them. */
static void make_lines(char text[300])
{
	for (size_t i = 0; i < 300; i++)
		text[i] = i % 40 == 38 ? '\r' : i % 40 == 39 ? '\n' : (char)('a' + i % 26);
	memcpy(text + 120, "x\r\n\r\n", 5);
	memcpy(text + 295, "\r\n.\r\n", 5);
}

/* As simply as can be said. */
static bool is_clean(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\0' || (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) ||
		    (text[i] == '\r' && (i + 1 == len || text[i + 1] != '\n')))
			return false;
	}
	return true;
}

/* Blocks of lines are looked at as a whole: nothing may slip through anywhere in one, in the reader, in the check of
 * chunks or in the writer. */
static void test_NEW_13_one_octet_amiss_anywhere(void **state)
{
	static const char amiss[] = { '\r', '\n', '\0' };

	(void)state;
	for (size_t from = 0; from < 3 * 295; from++) {
		struct smtp_data_reader r;
		struct smtp_data_writer w;
		struct smtp_body_check c = { 0 };
		struct span content;
		char text[300];
		struct buf out;
		bool clean;

		make_lines(text);
		text[from / 3] = amiss[from % 3];
		clean = is_clean(text, sizeof(text));
		smtp_data_reader_init(&r);
		while (smtp_data_read(&r, span_of(text + r.octets, sizeof(text) - r.octets), &content) > 0 && !r.done)
			;
		assert_int_equal(!r.faulty, clean);
		smtp_body_check(&c, span_of(text, sizeof(text)));
		assert_int_equal(smtp_body_check_end(&c), clean);
		buf_init(&out, 1000);
		smtp_data_writer_init(&w);
		assert_int_equal(smtp_data_put(&w, &out, span_of(text, sizeof(text))), sizeof(text));
		assert_int_equal(!w.faulty && !w.cr, clean);
		buf_free(&out);
	}
}

/* A dot before any line, and any cut: what the reader gives and the writer takes unseen is what came. */
static void test_NEW_13_relayed_as_it_came(void **state)
{
	(void)state;
	for (size_t line = 0; line < 295; line++) {
		struct smtp_data_reader r;
		char text[302];
		size_t len;

		make_lines(text);
		if (line > 0 && text[line - 1] != '\n')
			continue;
		memmove(text + line + 2, text + line, 300 - line);
		memcpy(text + line, "..", 2);
		len = 302;
		for (size_t cut = 0; cut <= len; cut++) {
			struct smtp_data_writer w;
			struct span content;
			size_t from = 0, to = cut, took;
			struct buf out;

			buf_init(&out, 1000);
			smtp_data_reader_init(&r);
			smtp_data_writer_init(&w);
			for (int part = 0; part < 2; part++, to = len) {
				while ((took = smtp_data_read(&r, span_of(text + from, to - from), &content)) > 0) {
					assert_true(smtp_data_relay(&w, &out, &r));
					from += took;
				}
			}
			assert_true(r.done && !r.faulty && smtp_data_end(&w, &out));
			want_text("relayed", buf_peek(&out), span_of(text, len));
			buf_free(&out);
		}
	}
}

static void test_relay_needs_room_for_all(void **state)
{
	struct smtp_data_reader r;
	struct smtp_data_writer w;
	struct span content;
	struct buf out;

	(void)state;
	buf_init(&out, 5);
	smtp_data_reader_init(&r);
	smtp_data_writer_init(&w);
	assert_int_equal(smtp_data_read(&r, SPAN("..abc"), &content), 5);
	out.most = 4;
	assert_false(smtp_data_relay(&w, &out, &r));
	assert_int_equal(buf_used(&out), 0);
	out.most = 5;
	assert_true(smtp_data_relay(&w, &out, &r));
	want_text("with its dot", buf_peek(&out), SPAN("..abc"));
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_NEW_13_data_any_cut),
		cmocka_unit_test(test_FAULTS_23_long_lines_one_run),
		cmocka_unit_test(test_NEW_13_bdat_any_cut),
		cmocka_unit_test(test_NEW_13_encoder_any_cut_any_room),
		cmocka_unit_test(test_smtp_scan),
		cmocka_unit_test(test_NEW_13_one_octet_amiss_anywhere),
		cmocka_unit_test(test_NEW_13_relayed_as_it_came),
		cmocka_unit_test(test_relay_needs_room_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
