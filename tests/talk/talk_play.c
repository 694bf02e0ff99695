#include "talk_play.h"

#include "base/must.h"
#include "edge/mode_tunnel.h"
#include "edge/mode_watch.h"
#include "edge/session.h"
#include "edge/transparent.h"
#include "harness/world_tls.h"
#include "talk_route.h"

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
							       "gw.example", NULL, key));
		return client != NULL;
	}
	server = world_tls_server(name[0] != '\0' ? name : "mx", profile);
	if (server != NULL)
		world_start_tls(peer, tls_conn_accept(server));
	return server != NULL;
}

/* In the modes that pass octets on, and in that which is in other people's way, the client has called the
 * upstream's first host. */
static void on_call(struct world *w, struct session *s)
{
	const struct play *p = w->user;
	struct upstream *up = &w->edge.upstreams[0];

	must(addr_read(span_str(p->talk->target != NULL ? p->talk->target : s->implicit ? "192.0.2.1:465" :
				"192.0.2.1:25"), &s->target));
	if (p->talk->mode == TALK_TRANSPARENT)
		transparent_begin(s, p->talk->ourselves);
	else if (p->talk->mode == TALK_TUNNEL)
		mode_tunnel_begin(s, up);
	else
		mode_watch_begin(s, up, p->talk->mode == TALK_STRIP);
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

static bool on_ask(struct world *w, uint32_t id, const char *domain)
{
	struct play *p = w->user;

	for (unsigned n = 0; n < p->talk->domain_count; n++) {
		const struct talk_domain *d = &p->talk->domains[n];

		if (strcmp(d->name, domain) != 0)
			continue;
		must(p->ask_count < TALK_DOMAINS);
		p->asks[p->ask_count].id = id;
		p->asks[p->ask_count++].domain = d;
		return true;
	}
	return false;
}

static bool answer_asks(struct play *p)
{
	bool moved = false;

	while (p->ask_count > 0) {
		const struct talk_domain *d = p->asks[--p->ask_count].domain;

		if (strcmp(d->said, "silent") == 0)
			continue;
		world_evidence(&p->world, p->asks[p->ask_count].id, talk_route_evidence(d->name, d->said));
		moved = true;
	}
	return moved;
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

void talk_play_take(struct play *p, struct world_peer *peer, size_t used)
{
	struct span some = span_first(buf_peek(&peer->got), used);

	print(p, peer, '<', some);
	must(buf_put(&p->said[peer->client], some));
	buf_consume(&peer->got, used);
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

bool talk_play_is_farewell(const struct world_peer *peer)
{
	struct span got = buf_peek(&peer->got);

	return !peer->client && (peer->pipe.a_closed || peer->pipe.a_gone) &&
	       span_starts_nocase(SPAN("QUIT\r\n"), got);
}

/* Nobody speaks while something has come that was not told: replies that come too early are found so. */
static void check_silence(struct play *p, const struct talk_step *s, const struct world_peer *only)
{
	for (struct world_peer *peer = p->world.peers; peer != NULL; peer = peer->next) {
		char got[SHOWN];

		if (p->any[peer->client][peer->number] || talk_play_is_farewell(peer))
			talk_play_take(p, peer, buf_used(&peer->got));
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
		} else if (spoken || talk_see(p, s, peer) != TALK_SEEN) {
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
		moved = answer_asks(p);
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
	talk_see_now(p, s, peer);
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
			talk_play_take(p, peer, buf_used(&peer->got));
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
	p->world.on_call = p->talk->mode != TALK_TERMINATE && p->talk->mode != TALK_OUTBOUND ? on_call : NULL;
	p->world.on_ask = on_ask;
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
