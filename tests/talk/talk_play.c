#include "talk_play.h"

#include "base/must.h"
#include "edge/session.h"
#include "harness/world_tls.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN 300

void talk_play_fail(struct play *p, const struct talk_step *s, const char *fmt, ...)
{
	char *wrong = p->played->wrong;
	size_t size = sizeof(p->played->wrong);
	va_list args;
	int at;

	if (wrong[0] != '\0')
		return;
	at = snprintf(wrong, size, "%s:%u: ", p->talk->path, s->line);
	va_start(args, fmt);
	vsnprintf(wrong + at, size - (size_t)at, fmt, args);
	va_end(args);
}

static bool failed(const struct play *p)
{
	return p->played->wrong[0] != '\0';
}

static void name_of(const struct talk_who *who, char name[16])
{
	snprintf(name, 16, who->number == 1 ? "%c" : "%c%u", who->client ? 'C' : 'U', who->number);
}

static void print(const struct play *p, const struct world_peer *peer, char mark, struct span text)
{
	char shown[SHOWN];

	if (!p->way->print || text.len == 0)
		return;
	talk_text_show(text, shown, sizeof(shown));
	fprintf(stderr, "  %8lld %c%u%c %s\n", (long long)(p->world.edge.now - 1000000),
		peer->client ? 'C' : 'U', peer->number, mark, shown);
}

/* --- peers --- */

/* "[HOST OR CERTIFICATE [PROFILE]]"; false: there is no such thing. */
static bool start_tls(struct play *p, struct world_peer *peer, struct span rest)
{
	static unsigned long number;
	struct span word = span_cut(&rest, ' ');
	char name[64], profile[32], key[64];
	struct tls_server *server;
	struct tls_client *client;

	rest = span_trim(rest);
	snprintf(name, sizeof(name), "%.*s", SPAN_ARG(word));
	snprintf(profile, sizeof(profile), "%.*s", SPAN_ARG(rest));
	/* Another key each time: nothing is resumed. */
	snprintf(key, sizeof(key), "%lu", ++number);
	p->played->used_tls = true;
	if (peer->client) {
		client = world_tls_client(profile);
		if (client != NULL)
			world_start_tls(peer, tls_conn_connect(client, name[0] != '\0' ? name :
							       "gw.example", key));
		return client != NULL;
	}
	server = world_tls_server(name[0] != '\0' ? name : "mx", profile);
	if (server != NULL)
		world_start_tls(peer, tls_conn_accept(server));
	return server != NULL;
}

static enum world_fate on_dial(struct world *w, struct world_peer *upstream)
{
	struct play *p = w->user;

	if (upstream->number > TALK_PEERS)
		return WORLD_REFUSED;
	if (p->talk->sealed[upstream->number] != NULL &&
	    !start_tls(p, upstream, span_str(p->talk->sealed[upstream->number])))
		return WORLD_REFUSED;
	return p->talk->fates[upstream->number];
}

/* Clients call when they are first spoken of. NULL: an upstream that was not called yet. */
static struct world_peer *peer_of(struct play *p, const struct talk_who *who)
{
	struct world_peer *peer = world_find(&p->world, who->client, who->number);

	if (peer != NULL)
		return peer->fate == WORLD_ACCEPTED ? peer : NULL;
	while (who->client && p->world.client_count < who->number) {
		bool implicit = p->talk->implicit[p->world.client_count + 1];

		peer = world_call(&p->world, 0, implicit);
	}
	return who->client ? peer : NULL;
}

static void take(struct play *p, struct world_peer *peer, size_t used)
{
	struct span some = span_first(buf_peek(&peer->got), used);

	print(p, peer, '<', some);
	must(buf_put(&p->said[peer->client], some));
	buf_consume(&peer->got, used);
}

/* --- what is to be seen --- */

enum seen { SEEN, SEEN_NOT_YET, SEEN_WRONG };

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

static enum seen see_text(struct play *p, const struct talk_step *s, struct world_peer *peer)
{
	enum seen seen = SEEN_WRONG;
	char want[SHOWN];

	for (unsigned i = 0; i < (p->way->whole ? s->whole_count : s->text_count); i++) {
		size_t used;

		switch (talk_text_match(&s->texts[i], buf_peek(&peer->got), peer->sid, &used)) {
		case TALK_SAME:
			take(p, peer, used);
			return SEEN;
		case TALK_MORE:
			seen = SEEN_NOT_YET;
			break;
		case TALK_OTHER:
			break;
		}
	}
	if (seen == SEEN_WRONG) {
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

static enum seen see_reply(struct play *p, const struct talk_step *s, struct world_peer *peer)
{
	size_t used = 0;

	for (;;) {
		struct span line = line_at(buf_peek(&peer->got), used);

		if (line.len == 0)
			return SEEN_NOT_YET;
		used += line.len;
		if (line.len < 6 || !span_eq(span_first(line, 3), span_str(s->arg)))
			break;
		if (line.at[3] != '-') {
			take(p, peer, used);
			return SEEN;
		}
	}
	fail_seen(p, s, peer, s->arg);
	return SEEN_WRONG;
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

static enum seen see_received(struct play *p, const struct talk_step *s, struct world_peer *peer)
{
	struct span all = buf_peek(&peer->got);
	size_t used = received_field(all);

	if (used == 0 && all.len >= 10) {
		fail_seen(p, s, peer, "Received: ...");
		return SEEN_WRONG;
	}
	if (used == 0)
		return SEEN_NOT_YET;
	take(p, peer, used);
	return SEEN;
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

static enum seen see_bdat(struct play *p, const struct talk_step *s, struct world_peer *peer)
{
	struct span all = buf_peek(&peer->got), want = buf_peek(&s->texts[0].octets), chunk;
	struct span line = line_at(all, 0);
	char shown[SHOWN];
	uint64_t size;
	bool last;

	if (line.len == 0)
		return SEEN_NOT_YET;
	if (read_bdat(line, &size, &last) && last == s->last) {
		if (all.len < line.len + size)
			return SEEN_NOT_YET;
		chunk = span_of(all.at + line.len, (size_t)size);
		if (span_eq(span_from(chunk, received_field(chunk)), want)) {
			take(p, peer, line.len + (size_t)size);
			return SEEN;
		}
	}
	talk_text_show(want, shown, sizeof(shown));
	fail_seen(p, s, peer, shown);
	return SEEN_WRONG;
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
static enum seen see_end(struct play *p, const struct talk_step *s, struct world_peer *peer)
{
	struct span rest = span_str(s->arg);
	struct span want = span_cut(&rest, ' ');
	struct span why = span_str(peer->stream.why.text);
	char name[16];

	if (buf_used(&peer->got) > 0) {
		fail_seen(p, s, peer, "nothing more");
		return SEEN_WRONG;
	}
	if (span_eq(want, span_str(end_of(peer))) && (rest.len == 0 || talk_text_glob(rest, why)))
		return SEEN;
	if (peer->stream.end == STREAM_OPEN)
		return SEEN_NOT_YET;
	name_of(&s->who, name);
	talk_play_fail(p, s, "%s's connection should be %s, and is %s (%s)", name, s->arg, end_of(peer),
		       why.at);
	return SEEN_WRONG;
}

static enum seen see(struct play *p, const struct talk_step *s, struct world_peer *peer)
{
	switch (s->kind) {
	case TALK_SEE:
		return see_text(p, s, peer);
	case TALK_SEE_REPLY:
		return see_reply(p, s, peer);
	case TALK_SEE_RECEIVED:
		return see_received(p, s, peer);
	case TALK_SEE_BDAT:
		return see_bdat(p, s, peer);
	case TALK_SEE_END:
		return see_end(p, s, peer);
	case TALK_SEE_ANY:
		p->any[peer->client][peer->number] = true;
		take(p, peer, buf_used(&peer->got));
		return SEEN;
	default:
		must(false);
		return SEEN_WRONG;
	}
}

/* --- what is done --- */

static bool is_done_by_peer(const struct talk_step *s)
{
	return s->kind == TALK_SAY || s->kind == TALK_ACT;
}

static void say_raw(struct play *p, const struct talk_step *s, struct world_peer *peer,
		    struct span octets)
{
	struct talk_text text;
	char why[128];

	if (!talk_text_read(octets, false, &text, why, sizeof(why)))
		talk_play_fail(p, s, "%s", why);
	else
		world_say_raw(peer, buf_peek(&text.octets));
	talk_text_free(&text);
}

static void act(struct play *p, const struct talk_step *s, struct world_peer *peer)
{
	static const struct {
		const char *name;
		enum world_bye bye;
	} byes[] = {
		{ "fin", WORLD_FIN }, { "cut", WORLD_FIN }, { "close_notify", WORLD_CLOSE_NOTIFY },
		{ "rst", WORLD_RESET }, { "gone", WORLD_GONE },
	};
	struct span rest = span_str(s->arg);
	struct span word = span_cut(&rest, ' ');

	print(p, peer, '!', span_str(s->arg));
	for (size_t i = 0; i < sizeof(byes) / sizeof(byes[0]); i++) {
		if (span_eq(word, span_str(byes[i].name))) {
			world_bye(peer, byes[i].bye);
			return;
		}
	}
	if (span_eq(word, SPAN("tls"))) {
		if (!start_tls(p, peer, rest))
			talk_play_fail(p, s, "there is no such certificate or TLS profile: %s", s->arg);
	} else if (span_eq(word, SPAN("raw"))) {
		say_raw(p, s, peer, rest);
	} else if (span_eq(word, SPAN("deaf"))) {
		peer->deaf = true;
	} else if (span_eq(word, SPAN("reads"))) {
		peer->deaf = false;
	} else if (!span_eq(word, SPAN("call"))) {
		talk_play_fail(p, s, "what is ! %s?", s->arg);
	}
}

static void do_step(struct play *p, const struct talk_step *s, struct world_peer *peer)
{
	if (!peer->stream.open) {
		talk_play_fail(p, s, "this peer has hung up");
		return;
	}
	if (s->kind == TALK_ACT) {
		act(p, s, peer);
		return;
	}
	print(p, peer, '>', buf_peek(&s->texts[0].octets));
	world_say(peer, buf_peek(&s->texts[0].octets));
}

/* Nobody speaks while something has come that was not told: replies that come too early are found so. */
static void check_silence(struct play *p, const struct talk_step *s, const struct world_peer *only)
{
	for (struct world_peer *peer = p->world.peers; peer != NULL; peer = peer->next) {
		char got[SHOWN];

		if (p->any[peer->client][peer->number])
			take(p, peer, buf_used(&peer->got));
		if (buf_used(&peer->got) == 0 || (only != NULL && peer != only))
			continue;
		talk_text_show(buf_peek(&peer->got), got, sizeof(got));
		talk_play_fail(p, s, "before this, %c%u sees \"%s\", which was not told",
			       peer->client ? 'C' : 'U', peer->number, got);
	}
}

/* --- upstreams that the talk is ahead of --- */

static bool has_backlog(const struct play *p, const struct talk_who *who)
{
	return !who->client && p->upstreams[who->number].count > 0;
}

static void put_off(struct play *p, unsigned step)
{
	struct talk_backlog *b = &p->upstreams[p->talk->steps[step].who.number];

	must(b->count < sizeof(b->steps) / sizeof(b->steps[0]));
	b->steps[b->count++] = step;
}

static bool work_off(struct play *p, unsigned number)
{
	struct talk_backlog *b = &p->upstreams[number];
	struct world_peer *peer = world_find(&p->world, false, number);
	bool moved = false, spoken = false;

	if (peer == NULL || peer->fate != WORLD_ACCEPTED)
		return false;
	while (b->first < b->count && !failed(p)) {
		const struct talk_step *s = &p->talk->steps[b->steps[b->first]];

		if (is_done_by_peer(s)) {
			if (!spoken)
				check_silence(p, s, peer);
			do_step(p, s, peer);
			spoken = true;
		} else if (spoken || see(p, s, peer) != SEEN) {
			break;
		}
		b->first++;
		moved = true;
	}
	if (b->first == b->count)
		b->first = b->count = 0;
	return moved;
}

static void settle(struct play *p)
{
	bool moved;

	do {
		world_settle(&p->world);
		moved = false;
		for (unsigned n = 1; n <= TALK_PEERS; n++)
			moved |= p->upstreams[n].count > 0 && work_off(p, n);
	} while (moved && !failed(p));
}

static void pass_time(struct play *p, msec duration)
{
	msec until = p->world.edge.now + duration;

	settle(p);
	while (world_deadline(&p->world) <= until && !failed(p) && p->world.wrong[0] == '\0') {
		world_tick(&p->world, world_deadline(&p->world));
		settle(p);
	}
	world_tick(&p->world, until);
	settle(p);
}

/* --- the whole --- */

/* All that one peer does without waiting for anything leaves together. */
static unsigned do_group(struct play *p, unsigned i, struct world_peer *peer)
{
	const struct talk_who who = p->talk->steps[i].who;

	check_silence(p, &p->talk->steps[i], NULL);
	for (; i < p->talk->count && !failed(p); i++) {
		const struct talk_step *s = &p->talk->steps[i];

		if (!is_done_by_peer(s) || s->who.client != who.client || s->who.number != who.number)
			break;
		do_step(p, s, peer);
	}
	settle(p);
	return i;
}

static void see_now(struct play *p, const struct talk_step *s, struct world_peer *peer)
{
	if (see(p, s, peer) == SEEN_NOT_YET)
		fail_seen(p, s, peer, s->kind == TALK_SEE_END || s->kind == TALK_SEE_REPLY ? s->arg :
			  s->text_count > 0 ? buf_peek(&s->texts[0].octets).at : "a header");
}

static unsigned do_peer_step(struct play *p, unsigned i)
{
	const struct talk_step *s = &p->talk->steps[i];
	struct world_peer *peer = peer_of(p, &s->who);

	if (peer == NULL || has_backlog(p, &s->who)) {
		put_off(p, i);
		return i + 1;
	}
	if (is_done_by_peer(s))
		return do_group(p, i, peer);
	settle(p);
	see_now(p, s, peer);
	return i + 1;
}

static unsigned do_any_step(struct play *p, unsigned i)
{
	const struct talk_step *s = &p->talk->steps[i];

	switch (s->kind) {
	case TALK_PAUSE:
		return i + 1;
	case TALK_WAIT:
		pass_time(p, s->wait);
		return i + 1;
	case TALK_DRAIN:
		edge_drain(&p->world.edge);
		settle(p);
		return i + 1;
	case TALK_FACT:
		talk_fact_check(p, s);
		return i + 1;
	default:
		return do_peer_step(p, i);
	}
}

static void check_world(struct play *p, const struct talk_step *s)
{
	if (p->world.wrong[0] != '\0')
		talk_play_fail(p, s, "%s", p->world.wrong);
}

/* That an upstream with nothing to do is told QUIT need not be told in a talk. */
static void forgive_quit(struct play *p)
{
	for (struct world_peer *peer = p->world.peers; peer != NULL; peer = peer->next) {
		if (!peer->client && span_eq(buf_peek(&peer->got), SPAN("QUIT\r\n")))
			take(p, peer, buf_used(&peer->got));
	}
}

static void check_backlogs(struct play *p)
{
	for (unsigned n = 1; n <= TALK_PEERS; n++) {
		const struct talk_backlog *b = &p->upstreams[n];

		if (b->count > b->first)
			talk_play_fail(p, &p->talk->steps[b->steps[b->first]],
				       "it never came to this");
	}
}

/* STYLE rule 7: exactly one closing line. */
static void check_closing_lines(struct play *p, const struct talk_step *s)
{
	struct span rest = buf_peek(&p->world.log);
	unsigned ends = 0;

	while (rest.len > 0)
		ends += talk_text_glob(SPAN("*event=session-end *"), span_cut(&rest, '\n'));
	if (ends != p->world.client_count)
		talk_play_fail(p, s, "%u sessions, and %u session-end lines", p->world.client_count, ends);
}

/* All hang up: then every session must end, whatever state it was left in. */
static void end_world(struct play *p)
{
	const struct talk_step *last = &p->talk->steps[p->talk->count - 1];

	for (struct world_peer *peer = p->world.peers; peer != NULL; peer = peer->next) {
		peer->deaf = false;
		if (peer->stream.open)
			world_bye(peer, WORLD_GONE);
	}
	p->world.cut_at = UINT64_MAX;
	world_wait(&p->world, 3600 * 1000);
	if (p->world.edge.sessions != NULL)
		talk_play_fail(p, last, "all peers have gone for an hour, and a session has not ended");
	else
		check_closing_lines(p, last);
	check_world(p, last);
}

static void begin(struct play *p, struct plan *plan, struct shared *shared)
{
	world_init(&p->world, plan, shared, 1);
	p->world.user = p;
	p->world.on_dial = on_dial;
	p->world.tape = p->played->tape;
	p->world.piece = p->way->piece;
	p->world.cut_at = p->way->cut_at;
	p->world.window_in = p->talk->window_in;
	p->world.window_out = p->way->window_out != 0 ? p->way->window_out : p->talk->window_out;
	for (int i = 0; i < 2; i++)
		buf_init(&p->said[i], WORLD_GOT_MOST);
}

static void run(struct play *p)
{
	const struct talk *t = p->talk;
	const struct talk_who first = { .client = true, .number = 1 };

	peer_of(p, &first);
	settle(p);
	for (unsigned i = 0; i < t->count && !failed(p);) {
		const struct talk_step *s = &t->steps[i];

		i = do_any_step(p, i);
		check_world(p, s);
	}
	if (failed(p))
		return;
	forgive_quit(p);
	check_silence(p, &t->steps[t->count - 1], NULL);
	check_backlogs(p);
	p->played->sent = p->world.sent;
	p->world.tape = NULL;
	if (!failed(p))
		end_world(p);
}

void talk_play(const struct talk *t, struct plan *plan, const struct talk_way *way,
	       struct talk_played *played)
{
	struct shared *shared = shared_private();
	struct play *p = mem_new(sizeof(*p));

	p->talk = t;
	p->way = way;
	p->played = played;
	begin(p, plan, shared);
	run(p);
	if (way->print)
		fprintf(stderr, "%.*s", SPAN_ARG(buf_peek(&p->world.log)));
	world_free(&p->world);
	for (int i = 0; i < 2; i++)
		buf_free(&p->said[i]);
	shared_unmap(shared);
	free(p);
}
