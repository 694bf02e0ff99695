/* The decoder of DATA against one that is too simple to be wrong; any cut gives the same; what
 * it lets through comes out of the encoder and the decoder as it went in; what goes from the one to the other without a
 * second look is the same on the wire; and what the decoder calls faulty never leaves the encoder whole. */
#include "base/must.h"
#include "cuts.h"
#include "smtp/smtp_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct decoded {
	struct buf content;
	struct buf relayed; /* by smtp_data_relay, as it came */
	size_t taken;
	bool done, faulty;
};

static void begin(struct decoded *d, size_t most)
{
	*d = (struct decoded){ 0 };
	buf_init(&d->content, most + 1);
	buf_init(&d->relayed, 2 * most + 5);
}

static void end(struct decoded *d)
{
	buf_free(&d->content);
	buf_free(&d->relayed);
}

static void keep(struct decoded *d, const char *at, size_t len)
{
	must(buf_put(&d->content, span_of(at, len)));
}

static bool is_at(struct span s, size_t i, const char *text)
{
	return span_starts_nocase(span_from(s, i), span_str(text));
}

static void decode_simply(struct span raw, struct decoded *d)
{
	bool line_start = true;
	size_t i = 0;

	begin(d, raw.len);
	while (i < raw.len) {
		struct span rest = span_from(raw, i);

		if (line_start && is_at(raw, i, ".\r\n")) {
			d->done = true;
			i += 3;
			break;
		}
		if (span_eq(rest, SPAN("\r")) ||
		    (line_start && (span_eq(rest, SPAN(".")) || span_eq(rest, SPAN(".\r")))))
			break;
		if (line_start && raw.at[i] == '.')
			i++;
		line_start = is_at(raw, i, "\r\n");
		if (line_start) {
			keep(d, "\r\n", 2);
			i += 2;
			continue;
		}
		if (i == raw.len || (i + 1 == raw.len && raw.at[i] == '\r'))
			break;
		d->faulty |= raw.at[i] == '\r' || raw.at[i] == '\n' || raw.at[i] == '\0';
		keep(d, raw.at + i, 1);
		i++;
	}
	d->taken = i;
}

static void decode(struct span raw, unsigned cut, struct decoded *d)
{
	struct smtp_data_reader r;
	struct smtp_data_writer w;
	size_t seen = 0;
	unsigned turn = 0;

	begin(d, raw.len);
	smtp_data_reader_init(&r);
	smtp_data_writer_init(&w);
	while (seen < raw.len) {
		struct span piece;
		size_t took;

		seen += cut_step(cut, turn++, raw.len - seen);
		while ((took = smtp_data_read(&r, span_of(raw.at + d->taken, seen - d->taken),
					      &piece)) > 0) {
			must(took <= seen - d->taken && piece.len <= took);
			d->taken += took;
			keep(d, piece.at, piece.len);
			must(r.faulty || smtp_data_relay(&w, &d->relayed, &r));
		}
	}
	must(r.faulty || smtp_data_end(&w, &d->relayed));
	d->done = r.done;
	d->faulty = r.faulty;
	must(r.octets == buf_used(&d->content));
}

static bool encode(struct span content, unsigned cut, struct buf *wire)
{
	struct smtp_data_writer w;
	unsigned turn = 0;
	struct buf out;
	bool ended;

	buf_init(&out, 5 + cut * 13);
	smtp_data_writer_init(&w);
	do {
		struct span piece = span_first(content, cut_step(cut, turn++, content.len));

		content = span_from(content, smtp_data_put(&w, &out, piece));
		ended = content.len == 0 && smtp_data_end(&w, &out);
		must(buf_put(wire, buf_peek(&out)));
		buf_consume(&out, buf_used(&out));
	} while (!ended && !w.faulty);
	buf_free(&out);
	return ended;
}

static void check_round_trip(const struct decoded *d, unsigned cut)
{
	struct decoded again;
	struct buf wire;
	bool ended;

	buf_init(&wire, 2 * buf_used(&d->content) + 5);
	ended = encode(buf_peek(&d->content), cut, &wire);
	must(ended == !d->faulty);
	if (ended) {
		must(span_eq(buf_peek(&wire), buf_peek(&d->relayed)));
		decode(buf_peek(&wire), cut, &again);
		must(again.done && !again.faulty && again.taken == buf_used(&wire));
		must(span_eq(buf_peek(&again.content), buf_peek(&d->content)));
		end(&again);
	}
	buf_free(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span raw = span_of(data, size);
	struct decoded simple, real;

	decode_simply(raw, &simple);
	for (unsigned cut = 0; cut < CUTS; cut++) {
		decode(raw, cut, &real);
		must(real.done == simple.done && real.faulty == simple.faulty);
		must(span_eq(buf_peek(&real.content), buf_peek(&simple.content)));
		must(!real.done || real.taken == simple.taken);
		if (real.done)
			check_round_trip(&real, cut);
		end(&real);
	}
	end(&simple);
	return 0;
}
