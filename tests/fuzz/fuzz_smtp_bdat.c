/* Content that came by BDAT: the check finds what a plain look finds, in any cut; what is clean
 * is the same after DATA, but for a line end at its end; what is not never leaves whole. */
#include "base/must.h"
#include "cuts.h"
#include "smtp/smtp_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool looks_clean(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		bool cr_before = i > 0 && s.at[i - 1] == '\r';
		bool lf_behind = i + 1 < s.len && s.at[i + 1] == '\n';

		if (s.at[i] == '\0' || (s.at[i] == '\n' && !cr_before) ||
		    (s.at[i] == '\r' && !lf_behind))
			return false;
	}
	return true;
}

static bool check(struct span content, unsigned cut)
{
	struct smtp_body_check c = { 0 };
	unsigned turn = 0;

	while (content.len > 0) {
		size_t step = cut_step(cut, turn++, content.len);

		smtp_body_check(&c, span_first(content, step));
		content = span_from(content, step);
	}
	return smtp_body_check_end(&c);
}

static bool encode(struct span content, unsigned cut, struct buf *wire)
{
	struct smtp_data_writer w;
	unsigned turn = 0;

	smtp_data_writer_init(&w);
	while (content.len > 0) {
		struct span piece = span_first(content, cut_step(cut, turn++, content.len));

		must(smtp_data_put(&w, wire, piece) == piece.len);
		content = span_from(content, piece.len);
	}
	return smtp_data_end(&w, wire);
}

static void check_wire(struct span wire, struct span content)
{
	struct smtp_data_reader r;
	struct span piece, rest = wire;
	struct buf back;
	size_t took;

	buf_init(&back, content.len + 2);
	smtp_data_reader_init(&r);
	while ((took = smtp_data_read(&r, rest, &piece)) > 0) {
		must(buf_put(&back, piece));
		rest = span_from(rest, took);
	}
	must(r.done && !r.faulty && rest.len == 0);
	must(span_eq(span_first(buf_peek(&back), content.len), content));
	if (content.len == 0 || span_ends_nocase(content, SPAN("\r\n")))
		must(buf_used(&back) == content.len);
	else
		must(span_eq(span_from(buf_peek(&back), content.len), SPAN("\r\n")));
	buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span content = span_of(data, size);
	bool clean = looks_clean(content);

	for (unsigned cut = 0; cut < CUTS; cut++) {
		struct buf wire;

		buf_init(&wire, 2 * size + 5);
		must(check(content, cut) == clean);
		must(encode(content, cut, &wire) == clean);
		if (clean)
			check_wire(buf_peek(&wire), content);
		buf_free(&wire);
	}
	return 0;
}
