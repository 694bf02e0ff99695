#include "edge/mode_watch.h"

#include "base/must.h"
#include "edge/mode_tunnel.h"
#include "edge/pass.h"

void mode_watch_begin(struct session *s, struct upstream *up, bool strip)
{
	s->mode = &mode_watch;
	pass_begin(s, up, PHASE_WATCH);
	s->pass->watched = true;
	smtp_watch_init(&s->pass->watch, strip, s->sid);
}

static enum outcome outcome_of_fault(const struct smtp_answer *a)
{
	if (a == &SMTP_SAY_TLS_DIRTY)
		return OUTCOME_TLS_DIRTY;
	if (a == &SMTP_SAY_BARE)
		return OUTCOME_BAD_LINE;
	if (a == &SMTP_SAY_BAD_SYNTAX)
		return OUTCOME_BAD_CHUNK;
	return OUTCOME_FAULT;
}

static void end_by_fault(struct session *s)
{
	const struct smtp_answer *a = s->pass->watch.answer;

	leg_abort(s->leg);
	session_finish(s, outcome_of_fault(a), a);
}

/* What is more than that something moved or not; true where this mode has nothing more to do now. */
static bool act(struct session *s, enum smtp_watch_found found)
{
	switch (found) {
	case SMTP_WATCH_TLS:
		mode_tunnel_take_over(s);
		return true;
	case SMTP_WATCH_SPOILT:
		/* Not FIN: what the server has of the message must not count as one. */
		leg_abort(s->leg);
		return true;
	case SMTP_WATCH_FAULT:
		end_by_fault(s);
		return true;
	case SMTP_WATCH_STILL:
	case SMTP_WATCH_MOVED:
		break;
	}
	return false;
}

static enum smtp_watch_found client_speaks(struct session *s, const struct smtp_watch_io *io, bool *moved)
{
	enum smtp_watch_found found = smtp_watch_client(&s->pass->watch, io, &s->why);

	while (found == SMTP_WATCH_MOVED) {
		*moved = true;
		found = smtp_watch_client(&s->pass->watch, io, &s->why);
	}
	return found;
}

static enum smtp_watch_found server_speaks(struct session *s, const struct smtp_watch_io *io, bool *moved)
{
	enum smtp_watch_found found = smtp_watch_server(&s->pass->watch, io, &s->why);

	*moved |= found == SMTP_WATCH_MOVED;
	if (s->pass->watch.messages > s->messages) {
		s->messages++;
		edge_count(s->edge, COUNT_MESSAGES, 1);
	}
	return found;
}

/* True where the mode has nothing more to do now. */
static bool converse(struct session *s, bool *moved)
{
	const struct smtp_watch_io io = {
		&s->client.in, &s->client.out, &s->leg->stream.in, &s->leg->stream.out,
	};
	enum smtp_watch_found found;

	s->pass->watch.mute = s->client.close_when_flushed;
	do {
		if (act(s, client_speaks(s, &io, moved)))
			return true;
		found = server_speaks(s, &io, moved);
		if (act(s, found))
			return true;
	} while (found == SMTP_WATCH_MOVED);
	return false;
}

/* A command without its end goes no further, whoever sent it; but it may be that it waits for its turn. */
static bool client_is_through(const struct session *s)
{
	return buf_used(&s->client.in) == 0 ||
	       (s->pass->watch.await_count == 0 && stream_flushed(&s->leg->stream));
}

static bool server_is_through(const struct session *s)
{
	return buf_space(&s->client.out) >= SMTP_WATCH_ROOM;
}

static bool drains(const struct session *s)
{
	return s->edge->draining && smtp_watch_idle(&s->pass->watch) && buf_used(&s->client.in) == 0 &&
	       buf_used(&s->leg->stream.in) == 0;
}

/* The server's connection is gone. */
static bool discard(struct session *s)
{
	const struct smtp_watch_io io = {
		&s->client.in, &s->client.out, &s->leg->stream.in, &s->leg->stream.out,
	};
	bool moved = false;

	if (client_speaks(s, &io, &moved) == SMTP_WATCH_FAULT) {
		end_by_fault(s);
		return true;
	}
	if (s->client.end == STREAM_OPEN)
		return moved;
	if (s->client.end == STREAM_RESET)
		session_abort(s, OUTCOME_FAULT, NULL);
	else
		session_finish(s, OUTCOME_FAULT, &SMTP_SAY_BAD_BODY);
	return true;
}

static bool step(struct session *s)
{
	bool moved = false;

	if (s->leg->state == LEG_CLOSED)
		return discard(s);
	if (s->leg->state != LEG_READY)
		return pass_connect(s);
	if (converse(s, &moved))
		return true;
	if (drains(s)) {
		leg_abort(s->leg);
		session_finish(s, OUTCOME_DRAINED, &SMTP_SAY_DRAIN);
		return true;
	}
	return pass_ends(s, client_is_through(s), server_is_through(s)) || moved;
}

static void late(struct session *s)
{
	pass_too_slow(s, OUTCOME_IDLE);
}

const struct mode mode_watch = { "watch", step, late };
