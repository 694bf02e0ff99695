/* The reply reader: any cut gives the same replies and the same end; a reply is bounded; and what
 * we write of it is read as the same reply, in lines that no octet of a peer has ended. */
#include "base/must.h"
#include "cuts.h"
#include "smtp/smtp_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Above this the single cuts are left out: there are too many. */
#define SMALL 300

static void check_again(struct span written, const struct smtp_reply *reply)
{
	struct smtp_reply_reader r;
	struct buf in, out;
	struct why why;

	buf_init(&in, 65536);
	buf_init(&out, 65536);
	smtp_reply_reader_init(&r);
	must(buf_put(&in, written));
	must(smtp_reply_next(&r, &in, &why) == SMTP_REPLY_WHOLE && buf_used(&in) == 0);
	must(r.reply.code == reply->code && r.reply.lines == reply->lines);
	must(smtp_reply_put(&out, &r.reply));
	must(span_eq(buf_peek(&out), written));
	smtp_reply_reader_free(&r);
	buf_free(&in);
	buf_free(&out);
}

static void check_reply(const struct smtp_reply *reply)
{
	size_t text = 0;
	char brief[100];
	struct buf out;

	must(reply->code >= 200 && reply->code <= 599);
	must(reply->lines >= 1 && reply->lines <= SMTP_REPLY_LINES);
	must(buf_used(&reply->text) <= SMTP_REPLY_MOST);
	for (unsigned n = 0; n < reply->lines; n++)
		text += smtp_reply_line(reply, n).len + 1;
	must(text == buf_used(&reply->text));
	smtp_reply_brief(reply, brief, sizeof(brief));
	for (const char *c = brief; *c != '\0'; c++)
		must((unsigned char)*c >= 0x20 && *c != 0x7f);
	buf_init(&out, 65536);
	must(smtp_reply_put(&out, reply));
	check_again(buf_peek(&out), reply);
	buf_free(&out);
}

/* All replies, one behind the other, and how it ended. `cut` is a way, or, from CUTS on, a place. */
static void read_all(struct span raw, size_t cut, struct buf *said)
{
	enum smtp_reply_found found = SMTP_REPLY_MORE;
	struct smtp_reply_reader r;
	unsigned turn = 0;
	size_t sent = 0;
	struct why why;
	struct buf in;

	buf_init(&in, raw.len + SMTP_LINE_MOST);
	smtp_reply_reader_init(&r);
	while (sent < raw.len && found != SMTP_REPLY_BAD) {
		size_t step = raw.len - sent;

		if (cut < CUTS)
			step = cut_step((unsigned)cut, turn++, step);
		else if (turn++ == 0 && cut - CUTS < raw.len)
			step = cut - CUTS;
		must(buf_put(&in, span_of(raw.at + sent, step)));
		sent += step;
		while ((found = smtp_reply_next(&r, &in, &why)) == SMTP_REPLY_WHOLE) {
			check_reply(&r.reply);
			must(smtp_reply_put(said, &r.reply));
		}
	}
	must(buf_put(said, found == SMTP_REPLY_BAD ? SPAN("bad") : SPAN("more")));
	smtp_reply_reader_free(&r);
	buf_free(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span raw = span_of(data, size);
	size_t cuts = CUTS + (size <= SMALL ? size : 0);
	struct buf first, other;

	buf_init(&first, 4 * size + 100);
	read_all(raw, 0, &first);
	for (size_t cut = 1; cut < cuts; cut++) {
		buf_init(&other, 4 * size + 100);
		read_all(raw, cut, &other);
		must(span_eq(buf_peek(&first), buf_peek(&other)));
		buf_free(&other);
	}
	buf_free(&first);
	return 0;
}
