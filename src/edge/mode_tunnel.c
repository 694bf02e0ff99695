#include "edge/mode_tunnel.h"

#include "base/must.h"
#include "edge/pass.h"

#define RECORD_HEAD 5
#define RECORD_ALERT 21
#define RECORD_HANDSHAKE 22
#define VERSION_MAJOR 3

typedef enum tls_hello_found hello_reader(struct span bytes, struct tls_hello *hello);

static void set_rules(struct session *s)
{
	if (s->action == NULL)
		return;
	s->pass->up.complies = s->action->client_complies;
	s->pass->down.complies = s->action->upstream_complies;
}

void mode_tunnel_begin(struct session *s, struct upstream *up)
{
	s->mode = &mode_tunnel;
	pass_begin(s, up, PHASE_TUNNEL);
	set_rules(s);
}

void mode_tunnel_take_over(struct session *s)
{
	s->mode = &mode_tunnel;
	session_enter(s, PHASE_TUNNEL);
	set_rules(s);
}

/* --- a look at the hellos --- */

/* Whether a look is worth it: a record more is whole, or what came is none. */
static bool more_to_see(struct pass_way *w)
{
	struct span all = buf_peek(&w->peek);
	size_t before = w->records;

	if (all.at[0] != RECORD_HANDSHAKE && all.at[0] != RECORD_ALERT)
		return true;
	while (all.len - w->records >= RECORD_HEAD) {
		const unsigned char *head = (const unsigned char *)all.at + w->records;
		size_t whole = RECORD_HEAD + (size_t)head[3] * 256 + head[4];

		if (all.len - w->records < whole)
			break;
		w->records += whole;
	}
	return w->records > before || buf_space(&w->peek) == 0;
}

/* The head of a record of the handshake, or an alert in its place. A hello that we can't make sense of is another
 * matter: the two may understand each other. */
static bool begins_like_tls(struct span all)
{
	return (all.at[0] == RECORD_HANDSHAKE || all.at[0] == RECORD_ALERT) &&
	       (all.len < 2 || all.at[1] == VERSION_MAJOR);
}

static void look(struct pass_way *w, struct span some, hello_reader *read)
{
	if (w->peeked)
		return;
	must(buf_put(&w->peek, span_first(some, buf_space(&w->peek))));
	w->alien = w->complies && !begins_like_tls(buf_peek(&w->peek));
	if (w->alien || !more_to_see(w))
		return;
	w->peeked = read(buf_peek(&w->peek), &w->hello) != TLS_HELLO_MORE || buf_space(&w->peek) == 0;
	if (w->peeked)
		buf_free(&w->peek);
}

/* --- moving --- */

static bool move_read(struct pass_way *w, struct stream *from, struct stream *to, hello_reader *read)
{
	struct span some = span_first(buf_peek(&from->in), buf_space(&to->out));

	/* What is in the pipe came before. */
	if (some.len == 0 || w->splice.inside > 0)
		return false;
	w->spoke = true;
	look(w, some, read);
	if (w->alien)
		return false;
	buf_move(&to->out, &from->in);
	return true;
}

static bool move(struct session *s, struct pass_way *w, struct stream *from, struct stream *to,
		 hello_reader *read)
{
	bool moved;

	splice_note(&w->splice, from, to);
	moved = move_read(w, from, to, read);
	return splice_move(&w->splice, from, to, s->edge->now) || moved;
}

/* In TLS it is the client who speaks first. What comes from the server before is in clear, and meant to be taken for
 * what came through TLS (law 2); or the server has given up. */
static bool server_spoke_first(const struct session *s)
{
	return s->pass->watched && !s->pass->up.spoke && buf_used(&s->leg->stream.in) > 0;
}

static bool end_dirty(struct session *s)
{
	why_set(&s->why, FAULT_PEER, "bytes came from the server after its 220, and before TLS");
	leg_abort(s->leg);
	session_abort(s, OUTCOME_TLS_DIRTY, NULL);
	return true;
}

/* SPEC WG-13 */
static bool end_alien(struct session *s, const char *who)
{
	edge_count(s->edge, COUNT_NOT_TLS, 1);
	why_set(&s->why, FAULT_PEER, "what the %s says where TLS has to begin is not TLS", who);
	leg_abort(s->leg);
	session_abort(s, OUTCOME_TLS_DIRTY, NULL);
	return true;
}

static bool is_through(const struct pass_way *w, const struct stream *from)
{
	return buf_used(&from->in) == 0 && w->splice.inside == 0;
}

static bool step(struct session *s)
{
	struct stream *client = &s->client, *server = &s->leg->stream;
	struct pass *p = s->pass;
	bool moved;

	if (s->leg->state != LEG_READY)
		return pass_connect(s);
	moved = move(s, &p->up, client, server, tls_hello_client);
	if (p->up.alien)
		return end_alien(s, "client");
	if (server_spoke_first(s))
		return end_dirty(s);
	moved |= move(s, &p->down, server, client, tls_hello_server);
	if (p->down.alien)
		return end_alien(s, "server");
	return pass_ends(s, is_through(&p->up, client), is_through(&p->down, server)) || moved;
}

static void late(struct session *s)
{
	pass_too_slow(s, OUTCOME_IDLE);
}

const struct mode mode_tunnel = { "tunnel", step, late };
