#include "smtp/smtp_data.h"

#include "base/must.h"
#include "smtp/smtp_scan.h"

#include <string.h>

enum stop {
	STOP_END,  /* all of it was seen, and it ended inside a line */
	STOP_LINE, /* behind a CRLF */
	STOP_CR,   /* at a CR that is the last octet: what follows it decides */
	STOP_BARE, /* at a CR or LF that stands alone, or at a NUL */
};

/* Goes on from `*i` to the next thing of note. */
static inline enum stop walk(struct span s, size_t *i)
{
	*i += smtp_scan(span_of(s.at + *i, s.len - *i));
	if (*i == s.len)
		return STOP_END;
	if (s.at[*i] != '\r')
		return STOP_BARE;
	if (*i + 1 == s.len)
		return STOP_CR;
	if (s.at[*i + 1] != '\n')
		return STOP_BARE;
	*i += 2;
	return STOP_LINE;
}

/* Whether the line that begins at `i` is there and goes on as it is. */
static inline bool is_plain_line(struct span s, size_t i)
{
	return i < s.len && s.at[i] != '.';
}

void smtp_data_reader_init(struct smtp_data_reader *r)
{
	*r = (struct smtp_data_reader){ .line_start = true };
}

/* From `i` to a line that begins with a dot, to a last CR, or to the end of `raw`. */
static size_t run_end(struct smtp_data_reader *r, struct span raw, size_t i)
{
	for (;;) {
		switch (walk(raw, &i)) {
		case STOP_LINE:
			if (!is_plain_line(raw, i))
				return i;
			i = smtp_scan_lines(raw, i);
			continue;
		case STOP_BARE:
			r->faulty = true;
			i++;
			continue;
		case STOP_CR:
		case STOP_END:
			return i;
		}
	}
}

size_t smtp_data_read(struct smtp_data_reader *r, struct span raw, struct span *content)
{
	static const struct span final = SPAN(".\r\n");
	size_t dot = 0, end;

	*content = r->run = span_first(raw, 0);
	if (r->done || raw.len == 0)
		return 0;
	if (r->line_start && raw.at[0] == '.') {
		size_t known = raw.len < final.len ? raw.len : final.len;

		if (memcmp(raw.at, final.at, known) == 0) {
			r->done = known == final.len;
			return r->done ? final.len : 0;
		}
		dot = 1;
	}
	end = run_end(r, raw, dot);
	if (end == 0)
		return 0;
	*content = r->run = span_of(raw.at + dot, end - dot);
	r->octets += content->len;
	/* A CR is only ever taken together with what follows it. */
	r->line_start = content->len >= 2 && memcmp(raw.at + end - 2, "\r\n", 2) == 0;
	return end;
}

void smtp_body_check(struct smtp_body_check *c, struct span content)
{
	enum stop stop = STOP_LINE;
	size_t i = 0;

	if (content.len == 0 || c->faulty)
		return;
	if (c->cr && content.at[0] != '\n') {
		c->faulty = true;
		return;
	}
	if (c->cr)
		i = 1;
	while (stop == STOP_LINE) {
		stop = walk(content, &i);
		if (stop == STOP_LINE && is_plain_line(content, i))
			i = smtp_scan_lines(content, i);
	}
	c->cr = stop == STOP_CR;
	c->faulty = stop == STOP_BARE;
}

bool smtp_body_check_end(const struct smtp_body_check *c)
{
	return !c->faulty && !c->cr;
}

void smtp_data_writer_init(struct smtp_data_writer *w)
{
	*w = (struct smtp_data_writer){ .line_start = true };
}

/* How much of `s` may be copied as it is: all, or up to a line that begins with a dot,
 * or up to an octet that must not be there. */
static size_t plain_run(struct smtp_data_writer *w, struct span s)
{
	enum stop stop;
	size_t i = 0;

	if (w->cr) {
		w->cr = false;
		w->line_start = s.at[0] == '\n';
		w->faulty = !w->line_start;
		return w->faulty ? 0 : 1;
	}
	while ((stop = walk(s, &i)) == STOP_LINE && is_plain_line(s, i))
		i = smtp_scan_lines(s, i);
	w->line_start = stop == STOP_LINE;
	w->cr = stop == STOP_CR;
	w->faulty = stop == STOP_BARE;
	return w->cr ? i + 1 : i;
}

size_t smtp_data_put(struct smtp_data_writer *w, struct buf *out, struct span content)
{
	size_t done = 0;

	while (done < content.len && !w->faulty) {
		struct span fits = span_first(span_from(content, done), buf_space(out));
		size_t run;

		if (fits.len == 0)
			return done;
		if (w->line_start && fits.at[0] == '.') {
			w->line_start = !buf_put(out, SPAN("."));
			continue;
		}
		run = plain_run(w, fits);
		must(buf_put(out, span_first(fits, run)));
		done += run;
	}
	return content.len;
}

bool smtp_data_relay(struct smtp_data_writer *w, struct buf *out, const struct smtp_data_reader *r)
{
	struct span run = r->run;
	bool dot = w->line_start && run.len > 0 && run.at[0] == '.';

	must(!r->faulty && !w->faulty && !w->cr);
	if (buf_space(out) < run.len + dot)
		return false;
	if (run.len == 0)
		return true;
	if (dot)
		must(buf_put(out, SPAN(".")));
	must(buf_put(out, run));
	w->line_start = run.at[run.len - 1] == '\n';
	return true;
}

bool smtp_data_end(struct smtp_data_writer *w, struct buf *out)
{
	w->faulty |= w->cr;
	if (w->faulty)
		return false;
	return buf_put(out, w->line_start ? SPAN(".\r\n") : SPAN("\r\n.\r\n"));
}
