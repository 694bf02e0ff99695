#include "smtp/smtp_reply.h"

#include "base/must.h"
#include "base/text.h"

#define CODE_DIGITS 3

void smtp_reply_reader_init(struct smtp_reply_reader *r)
{
	*r = (struct smtp_reply_reader){ 0 };
	buf_init(&r->reply.text, SMTP_REPLY_MOST);
}

void smtp_reply_reader_free(struct smtp_reply_reader *r)
{
	buf_free(&r->reply.text);
}

static void forget(struct smtp_reply_reader *r)
{
	buf_free(&r->reply.text);
	r->reply.code = 0;
	r->reply.lines = 0;
	r->whole = false;
}

/* 0 where the line does not begin with a code. */
static int code_of(struct span line)
{
	uint64_t code;

	if (!span_number(span_first(line, CODE_DIGITS), 599, &code) || code < 200)
		return 0;
	return (int)code;
}

/* A space, a hyphen, or (section 4.2.1) nothing at all. */
static bool has_separator(struct span line)
{
	return line.len == CODE_DIGITS || line.at[CODE_DIGITS] == ' ' ||
	       line.at[CODE_DIGITS] == '-';
}

static bool refuse(struct why *why, const char *what)
{
	why_set(why, FAULT_PEER, "%s", what);
	return false;
}

static bool take_line(struct smtp_reply_reader *r, struct span line, struct why *why)
{
	struct smtp_reply *reply = &r->reply;
	int code = code_of(line);

	if (code == 0 || !has_separator(line))
		return refuse(why, "what came is not an SMTP reply");
	if (reply->lines > 0 && code != reply->code) {
		why_set(why, FAULT_PEER, "a reply changes its code from %d to %d",
			reply->code, code);
		return false;
	}
	if (reply->lines == SMTP_REPLY_LINES)
		return refuse(why, "a reply has too many lines");
	if (!buf_put(&reply->text, span_from(line, CODE_DIGITS + 1)) ||
	    !buf_put(&reply->text, SPAN("\n")))
		return refuse(why, "a reply is too long");
	reply->code = code;
	reply->lines++;
	r->whole = line.len == CODE_DIGITS || line.at[CODE_DIGITS] == ' ';
	return true;
}

enum smtp_reply_found smtp_reply_next(struct smtp_reply_reader *r, struct buf *in,
				      struct why *why)
{
	struct span line;

	if (r->whole)
		forget(r);
	while (!r->whole) {
		switch (smtp_line_next(&r->framing, in, &line)) {
		case SMTP_LINE_MORE:
			if (!r->framing.skipping)
				return SMTP_REPLY_MORE;
			/* A line without end is not waited for (FAULTS 10). */
			refuse(why, "a reply line is too long");
			return SMTP_REPLY_BAD;
		case SMTP_LINE_LONG:
			refuse(why, "a reply line is too long");
			return SMTP_REPLY_BAD;
		case SMTP_LINE_BARE:
			refuse(why, "a reply holds a bare CR or LF, or a NUL");
			return SMTP_REPLY_BAD;
		case SMTP_LINE_WHOLE:
			if (!take_line(r, line, why))
				return SMTP_REPLY_BAD;
			smtp_line_drop(&r->framing, in, line);
		}
	}
	return SMTP_REPLY_WHOLE;
}

struct span smtp_reply_line(const struct smtp_reply *reply, unsigned n)
{
	struct span rest = buf_peek(&reply->text);

	if (n >= reply->lines)
		return span_first(rest, 0);
	while (n-- > 0)
		span_cut(&rest, '\n');
	return span_cut(&rest, '\n');
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

static void put_line(struct buf *out, const struct smtp_reply *reply, struct span line,
		     bool last)
{
	char mem[TEXT_NUMBER_MOST];
	struct text code;
	size_t got;
	char *to;

	text_begin(&code, mem, sizeof(mem));
	text_digits(&code, (unsigned)reply->code, CODE_DIGITS);
	text_put(&code, last ? SPAN(" ") : SPAN("-"));
	must(buf_put(out, span_of(mem, code.len)));
	if (line.len > 0) {
		to = buf_reserve(out, line.len, &got);
		must(got == line.len);
		for (size_t i = 0; i < line.len; i++)
			to[i] = is_control(line.at[i]) && line.at[i] != '\t' ? '?' : line.at[i];
		buf_commit(out, got);
	}
	must(buf_put(out, SPAN("\r\n")));
}

bool smtp_reply_put(struct buf *out, const struct smtp_reply *reply)
{
	struct span rest = buf_peek(&reply->text);

	must(reply->lines > 0);
	/* Each line of the text ends with one octet; on the wire it has a code, a
	 * separator and two. */
	if (buf_space(out) < rest.len + reply->lines * (CODE_DIGITS + 1 + 1))
		return false;
	for (unsigned n = 1; n <= reply->lines; n++)
		put_line(out, reply, span_cut(&rest, '\n'), n == reply->lines);
	return true;
}

static size_t put_octet(char *text, size_t size, size_t at, char c)
{
	if (at + 1 < size)
		text[at++] = c;
	return at;
}

void smtp_reply_brief(const struct smtp_reply *reply, char *text, size_t size)
{
	struct span rest = buf_peek(&reply->text);
	char code[TEXT_NUMBER_MOST];
	struct text t;
	size_t at = 0;

	must(size > 0);
	text_begin(&t, code, sizeof(code));
	text_digits(&t, (unsigned)reply->code, CODE_DIGITS);
	if (rest.len > 1)
		text_put(&t, SPAN(" "));
	for (size_t i = 0; i < t.len; i++)
		at = put_octet(text, size, at, code[i]);
	/* The last octet is the end of the last line. */
	for (size_t i = 0; i + 1 < rest.len; i++) {
		char c = rest.at[i];

		if (c == '\n') {
			at = put_octet(text, size, at, ' ');
			at = put_octet(text, size, at, '/');
			c = ' ';
		}
		at = put_octet(text, size, at, is_control(c) ? '?' : c);
	}
	text[at] = '\0';
}
