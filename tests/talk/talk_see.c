#include "talk_play.h"

#include "base/must.h"

#include <stdio.h>

#define SHOWN 300

static void name_of(const struct talk_who *who, char name[16])
{
	snprintf(name, 16, who->number == 1 ? "%c" : "%c%u", who->client ? 'C' : 'U', who->number);
}

static void fail_seen(struct play *p, const struct talk_step *s, const struct world_peer *peer,
		      const char *want)
{
	char got[SHOWN], name[16];

	name_of(&s->who, name);
	talk_text_show(buf_peek(&peer->got), got, sizeof(got));
	talk_play_fail(p, s, "%s should see \"%s\", and sees %s%s%s%s%s", name, want,
		       got[0] != '\0' ? "\"" : "nothing", got, got[0] != '\0' ? "\"" : "",
		       peer->stream.why.text[0] != '\0' ? "; " : "", peer->stream.why.text);
}

static enum talk_seen see_text(struct play *p, const struct talk_step *s, struct world_peer *peer)
{
	enum talk_seen seen = TALK_SEEN_WRONG;
	char want[SHOWN];

	for (unsigned i = 0; i < (p->way->whole ? s->whole_count : s->text_count); i++) {
		size_t used;

		switch (talk_text_match(&s->texts[i], buf_peek(&peer->got), peer->sid, &used)) {
		case TALK_SAME:
			talk_play_take(p, peer, used);
			return TALK_SEEN;
		case TALK_MORE:
			seen = TALK_SEEN_NOT_YET;
			break;
		case TALK_OTHER:
			break;
		}
	}
	if (seen == TALK_SEEN_WRONG) {
		talk_text_show(buf_peek(&s->texts[0].octets), want, sizeof(want));
		fail_seen(p, s, peer, want);
	}
	return seen;
}

/* A line with its CRLF; empty: none is whole. */
static struct span line_at(struct span all, size_t from)
{
	for (size_t i = from; i + 1 < all.len; i++) {
		if (all.at[i] == '\r' && all.at[i + 1] == '\n')
			return span_of(all.at + from, i + 2 - from);
	}
	return span_of(all.at, 0);
}

static enum talk_seen see_reply(struct play *p, const struct talk_step *s, struct world_peer *peer)
{
	size_t used = 0;

	for (;;) {
		struct span line = line_at(buf_peek(&peer->got), used);

		if (line.len == 0)
			return TALK_SEEN_NOT_YET;
		used += line.len;
		if (line.len < 6 || !span_eq(span_first(line, 3), span_str(s->arg)))
			break;
		if (line.at[3] != '-') {
			talk_play_take(p, peer, used);
			return TALK_SEEN;
		}
	}
	fail_seen(p, s, peer, s->arg);
	return TALK_SEEN_WRONG;
}

/* Octets of the field with its folded lines; 0: there is none. A fold that may yet come is not waited for:
 * what follows is there when the field is. */
static size_t received_field(struct span all)
{
	size_t used = 0;

	if (!span_starts_nocase(all, SPAN("Received: ")))
		return 0;
	do {
		struct span line = line_at(all, used);

		if (line.len == 0)
			return 0;
		used += line.len;
	} while (used < all.len && all.at[used] == '\t');
	return used;
}

/* The gateway holds its own field back until the first octets of the message come: what is seen next
 * from this peer must stand behind it. */
static enum talk_seen take_received(struct play *p, const struct talk_step *s, struct world_peer *peer)
{
	struct span all = buf_peek(&peer->got);
	size_t used = received_field(all);

	if (!p->header_due[peer->number] || peer->client)
		return TALK_SEEN;
	if (all.len == 0 || span_find(all, '\n') == all.len)
		return TALK_SEEN_NOT_YET;
	if (used == 0) {
		fail_seen(p, s, peer, "Received: ...");
		return TALK_SEEN_WRONG;
	}
	p->header_due[peer->number] = false;
	talk_play_take(p, peer, used);
	return TALK_SEEN;
}

static bool read_bdat(struct span line, uint64_t *size, bool *last)
{
	struct span word;

	line.len -= 2;
	word = span_cut(&line, ' ');
	if (!span_eq(word, SPAN("BDAT")))
		return false;
	word = span_cut(&line, ' ');
	*last = span_eq(line, SPAN("LAST"));
	return span_number(word, WORLD_GOT_MOST, size) && (*last || line.len == 0);
}

static enum talk_seen see_bdat(struct play *p, const struct talk_step *s, struct world_peer *peer)
{
	struct span all = buf_peek(&peer->got), want = buf_peek(&s->texts[0].octets), chunk;
	struct span line = line_at(all, 0);
	char shown[SHOWN];
	uint64_t size;
	bool last;

	if (line.len == 0)
		return TALK_SEEN_NOT_YET;
	if (read_bdat(line, &size, &last) && last == s->last) {
		if (all.len < line.len + size)
			return TALK_SEEN_NOT_YET;
		chunk = span_of(all.at + line.len, (size_t)size);
		if (span_eq(span_from(chunk, received_field(chunk)), want)) {
			talk_play_take(p, peer, line.len + (size_t)size);
			return TALK_SEEN;
		}
	}
	talk_text_show(want, shown, sizeof(shown));
	fail_seen(p, s, peer, shown);
	return TALK_SEEN_WRONG;
}

static const char *end_of(const struct world_peer *peer)
{
	if (peer->pipe.reset)
		return "reset";
	switch (peer->stream.end) {
	case STREAM_OPEN:
		break;
	case STREAM_CLOSED:
		return peer->stream.tls != NULL ? "close_notify" : "fin";
	case STREAM_CUT:
		return "cut";
	case STREAM_RESET:
		return "reset";
	case STREAM_TLS_BROKEN:
		return "broken";
	}
	return "open";
}

/* "fin", "reset", "open"; "broken *version*" also looks at what TLS said. */
static enum talk_seen see_end(struct play *p, const struct talk_step *s, struct world_peer *peer)
{
	struct span rest = span_str(s->arg);
	struct span want = span_cut(&rest, ' ');
	struct span why = span_str(peer->stream.why.text);
	char name[16];

	if (buf_used(&peer->got) > 0) {
		fail_seen(p, s, peer, "nothing more");
		return TALK_SEEN_WRONG;
	}
	if (span_eq(want, span_str(end_of(peer))) && (rest.len == 0 || talk_text_glob(rest, why)))
		return TALK_SEEN;
	if (peer->stream.end == STREAM_OPEN)
		return TALK_SEEN_NOT_YET;
	name_of(&s->who, name);
	talk_play_fail(p, s, "%s's connection should be %s, and is %s (%s)", name, s->arg, end_of(peer),
		       why.at);
	return TALK_SEEN_WRONG;
}

enum talk_seen talk_see(struct play *p, const struct talk_step *s, struct world_peer *peer)
{
	enum talk_seen header;

	if (s->kind == TALK_SEE || s->kind == TALK_SEE_REPLY) {
		header = take_received(p, s, peer);
		if (header != TALK_SEEN)
			return header;
	}
	switch (s->kind) {
	case TALK_SEE:
		return see_text(p, s, peer);
	case TALK_SEE_REPLY:
		return see_reply(p, s, peer);
	case TALK_SEE_RECEIVED:
		p->header_due[peer->number] = true;
		return TALK_SEEN;
	case TALK_SEE_BDAT:
		return see_bdat(p, s, peer);
	case TALK_SEE_END:
		return see_end(p, s, peer);
	case TALK_SEE_ANY:
		p->any[peer->client][peer->number] = true;
		talk_play_take(p, peer, buf_used(&peer->got));
		return TALK_SEEN;
	default:
		must(false);
		return TALK_SEEN_WRONG;
	}
}

void talk_see_now(struct play *p, const struct talk_step *s, struct world_peer *peer)
{
	char shown[SHOWN];

	if (talk_see(p, s, peer) != TALK_SEEN_NOT_YET)
		return;
	if (s->text_count > 0)
		talk_text_show(buf_peek(&s->texts[0].octets), shown, sizeof(shown));
	fail_seen(p, s, peer, s->text_count > 0 ? shown : s->arg != NULL ? s->arg : "a header");
}
