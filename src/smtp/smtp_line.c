#include "smtp/smtp_line.h"

#include "base/must.h"
#include "smtp/smtp_scan.h"

static size_t text_most(const struct smtp_line *l)
{
	return (l->most > 0 ? l->most : SMTP_LINE_MOST) - 2;
}

enum smtp_line_found smtp_line_find(struct span in, size_t *seen)
{
	must(*seen <= in.len);
	*seen += smtp_scan(span_from(in, *seen));
	if (*seen == in.len || (*seen + 1 == in.len && in.at[*seen] == '\r'))
		return SMTP_LINE_MORE;
	if (in.at[*seen] != '\r' || in.at[*seen + 1] != '\n')
		return SMTP_LINE_BARE;
	return SMTP_LINE_WHOLE;
}

/* What is known to hold no line end is already more than a line may be: it goes, and
 * so does the rest of the line as it comes. */
static void skip_long(struct smtp_line *l, struct buf *in)
{
	if (!l->skipping && l->seen <= text_most(l))
		return;
	l->skipping = true;
	buf_consume(in, l->seen);
	l->seen = 0;
}

enum smtp_line_found smtp_line_next(struct smtp_line *l, struct buf *in, struct span *line)
{
	struct span all = buf_peek(in);
	bool is_long;

	/* A buf that can't hold a whole line would wait for its end for ever. */
	must(in->most >= text_most(l) + 2);
	*line = span_first(all, 0);
	switch (smtp_line_find(all, &l->seen)) {
	case SMTP_LINE_MORE:
		skip_long(l, in);
		return SMTP_LINE_MORE;
	case SMTP_LINE_BARE:
		return SMTP_LINE_BARE;
	case SMTP_LINE_WHOLE:
	case SMTP_LINE_LONG:
		break;
	}
	is_long = l->skipping || l->seen > text_most(l);
	if (!is_long) {
		*line = span_first(all, l->seen);
		return SMTP_LINE_WHOLE;
	}
	buf_consume(in, l->seen + 2);
	*l = (struct smtp_line){ 0 };
	return SMTP_LINE_LONG;
}

void smtp_line_drop(struct smtp_line *l, struct buf *in, struct span line)
{
	must(!l->skipping && l->seen == line.len);
	buf_consume(in, line.len + 2);
	l->seen = 0;
}
