/* The reader along: any cut of what both sides say gives the same octets out; passed through, nothing is
 * changed or invented; and strip takes out nothing but lines that offer STARTTLS. The first octet of the input is
 * 's' for strip; the rest is cut at each '~' into what the server and the client say in turn. */
#include "base/must.h"
#include "cuts.h"
#include "smtp/smtp_watch.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST (1024 * 1024)

struct run {
	struct smtp_watch w;
	struct buf in[2], out[2];   /* of the queues; [1]: the client's */
	struct buf to[2], said[2];  /* all that was passed on to, all that was said by */
	enum smtp_watch_found last; /* STILL: it goes on */
	const struct smtp_answer *answer;
	bool lost;
};

static void begin(struct run *r, bool strip)
{
	*r = (struct run){ .last = SMTP_WATCH_STILL };
	smtp_watch_init(&r->w, strip, NULL);
	for (int i = 0; i < 2; i++) {
		buf_init(&r->in[i], MOST);
		buf_init(&r->out[i], 64 * 1024);
		buf_init(&r->to[i], MOST);
		buf_init(&r->said[i], MOST);
	}
}

static void end(struct run *r)
{
	smtp_watch_free(&r->w);
	for (int i = 0; i < 2; i++) {
		buf_free(&r->in[i]);
		buf_free(&r->out[i]);
		buf_free(&r->to[i]);
		buf_free(&r->said[i]);
	}
}

static bool is_over(const struct run *r)
{
	return r->last == SMTP_WATCH_TLS || r->last == SMTP_WATCH_FAULT;
}

static bool step(struct run *r, bool client)
{
	const struct smtp_watch_io io = { &r->in[1], &r->out[1], &r->in[0], &r->out[0] };
	struct why why = { .fault = FAULT_NONE };
	enum smtp_watch_found found;

	if (is_over(r) || (r->lost && !client))
		return false;
	found = client ? smtp_watch_client(&r->w, &io, &why) : smtp_watch_server(&r->w, &io, &why);
	for (int i = 0; i < 2; i++) {
		must(buf_put(&r->to[i], buf_peek(&r->out[i])));
		buf_free(&r->out[i]);
	}
	must(r->w.await_count <= SMTP_WATCH_AWAITS && r->w.reply_lines <= SMTP_REPLY_LINES);
	must((found == SMTP_WATCH_FAULT || found == SMTP_WATCH_SPOILT) == (why.fault == FAULT_PEER));
	must(found != SMTP_WATCH_TLS || (!r->w.strip && buf_used(&r->in[0]) == 0 && buf_used(&r->in[1]) == 0));
	must(found != SMTP_WATCH_FAULT || r->w.answer != NULL);
	r->lost |= found == SMTP_WATCH_SPOILT;
	if (found != SMTP_WATCH_STILL && found != SMTP_WATCH_MOVED)
		r->last = found;
	r->answer = r->w.answer;
	return found != SMTP_WATCH_STILL;
}

/* As mode_watch does it. */
static void settle(struct run *r)
{
	do {
		while (step(r, true))
			;
	} while (step(r, false));
}

static void play(struct run *r, struct span script, unsigned cut)
{
	unsigned turn = 0;

	for (bool client = false; script.len > 0; client = !client) {
		struct span part = span_cut(&script, '~');

		while (part.len > 0 && !is_over(r)) {
			size_t some = cut_step(cut, turn++, part.len);

			must(buf_put(&r->in[client], span_first(part, some)));
			must(buf_put(&r->said[client], span_first(part, some)));
			part = span_from(part, some);
			settle(r);
		}
	}
}

static bool is_prefix(struct span a, struct span b)
{
	return a.len <= b.len && span_eq(a, span_first(b, a.len));
}

static bool has_ended(const struct run *r)
{
	return is_over(r) || r->lost;
}

/* Where it ends for an octet at the wrong time or place, a cut decides what has been passed on before, and which
 * of two faults comes first; it may also let TLS begin before what is glued to its edge has come. */
static void check_same(const struct run *a, const struct run *b)
{
	/* A fault of the client's that waits for its turn has decided already. */
	bool ended = has_ended(a) || has_ended(b) || buf_used(&a->in[1]) > 0 || buf_used(&b->in[1]) > 0;
	bool dirty = a->answer == &SMTP_SAY_TLS_DIRTY || b->answer == &SMTP_SAY_TLS_DIRTY;

	if (!dirty)
		must(has_ended(a) == has_ended(b) &&
		     (a->last == SMTP_WATCH_TLS) == (b->last == SMTP_WATCH_TLS));
	if (!ended)
		must(a->w.part == b->w.part && a->w.messages == b->w.messages &&
		     a->w.await_count == b->w.await_count);
	for (int i = 0; i < 2; i++) {
		struct span x = buf_peek(&a->to[i]), y = buf_peek(&b->to[i]);

		must(ended ? is_prefix(x, y) || is_prefix(y, x) : span_eq(x, y));
	}
}

/* The keyword alone: "STARTTLSX" and "starttlsPLAIN" are other words (SPEC MC-2). */
static bool offers_tls(struct span line)
{
	struct span rest = line.len > 4 ? span_trim(span_from(line, 4)) : SPAN("");
	size_t end = 0;

	while (end < rest.len && rest.at[end] != ' ' && rest.at[end] != '\t' && rest.at[end] != '\r')
		end++;
	return span_eq_nocase(span_first(rest, end), SPAN("STARTTLS"));
}

/* What strip passed on against what stood there: lines are missing that offered STARTTLS, and the one
 * that is the last for that reason says so; our own refusals of STARTTLS are not among what was said. */
static void check_stripped(struct span got, struct span said)
{
	bool first = true, open = false; /* at the first line of a reply; it was made the last too early */

	while (got.len > 0) {
		struct span line = span_cut(&got, '\n'), from;

		if (span_starts_nocase(line, SPAN("502 5.5.1 Command not offered here")))
			continue;
		for (;;) {
			must(said.len > 0);
			from = span_cut(&said, '\n');
			if (first || !offers_tls(from) || (span_eq(line, from) && !open))
				break;
			/* Taken out; where it was the last, what stood before it is. */
			if (from.at[3] != '-') {
				must(open);
				open = false;
				first = true;
			}
		}
		must(line.len == from.len && !open);
		if (!span_eq(line, from)) {
			must(line.at[3] == ' ' && from.at[3] == '-');
			must(span_eq(span_first(line, 3), span_first(from, 3)) &&
			     span_eq(span_from(line, 4), span_from(from, 4)));
			open = true;
		}
		first = from.len < 4 || from.at[3] != '-';
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span script = span_from(span_of(data, size), 1);
	bool strip = size > 0 && data[0] == 's';
	struct run whole, other;

	begin(&whole, strip);
	play(&whole, script, 0);
	for (unsigned cut = 1; cut < CUTS; cut++) {
		begin(&other, strip);
		play(&other, script, cut);
		check_same(&whole, &other);
		end(&other);
	}
	if (strip) {
		check_stripped(buf_peek(&whole.to[1]), buf_peek(&whole.said[0]));
	} else {
		must(is_prefix(buf_peek(&whole.to[0]), buf_peek(&whole.said[1])));
		must(is_prefix(buf_peek(&whole.to[1]), buf_peek(&whole.said[0])));
	}
	end(&whole);
	return 0;
}
