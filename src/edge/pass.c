#include "edge/pass.h"

#include "base/must.h"
#include "edge/mode.h"

#include <stdlib.h>

static void init_way(struct pass_way *w, struct splice_pool *pipes)
{
	splice_init(&w->splice, pipes);
	buf_init(&w->peek, TLS_HELLO_MOST);
}

void pass_begin(struct session *s, struct upstream *up, enum phase phase)
{
	must(s->pass == NULL && s->target.len > 0);
	s->pass = mem_new(sizeof(*s->pass));
	init_way(&s->pass->up, &s->edge->pipes);
	init_way(&s->pass->down, &s->edge->pipes);
	session_enter(s, phase);
	s->leg = leg_new_bare(s, up);
}

static void free_way(struct pass_way *w)
{
	splice_free(&w->splice);
	buf_free(&w->peek);
}

void pass_free(struct session *s)
{
	if (s->pass == NULL)
		return;
	if (s->pass->watched)
		smtp_watch_free(&s->pass->watch);
	free_way(&s->pass->up);
	free_way(&s->pass->down);
	free(s->pass);
	s->pass = NULL;
}

static bool is_smtp(const struct session *s)
{
	return s->mode == &mode_watch;
}

/* Whoever ends first decides; QUIT is an end that both wanted. */
static enum outcome outcome_of(struct session *s, enum outcome left)
{
	const struct smtp_watch *w = &s->pass->watch;
	bool client = left == OUTCOME_CLIENT_CLOSED || left == OUTCOME_CLIENT_RESET;

	if (!is_smtp(s))
		return left;
	if (smtp_watch_missed_tls(w) && (client || w->quit)) {
		shared_stripped(s->edge->shared, s->edge->slot, &s->target, s->edge->now);
		return OUTCOME_STRIPPED;
	}
	return w->quit ? OUTCOME_QUIT : left;
}

static enum outcome client_closed(const struct session *s)
{
	enum smtp_watch_part part = s->pass->watch.part;
	bool inside = part == SMTP_WATCH_BODY || part == SMTP_WATCH_CHUNK || part == SMTP_WATCH_SASL;

	return is_smtp(s) && inside ? OUTCOME_CLIENT_CUT : OUTCOME_CLIENT_CLOSED;
}

/* What was said before the reset may still be had by the other side; it is not waited for. */
static void pass_reset(struct session *s, struct stream *to, enum outcome outcome,
		       const struct why *why)
{
	struct why said = *why;

	if (s->pass->left == OUTCOME_OPEN)
		s->pass->left = outcome;
	stream_flush(to, s->edge->now);
	leg_abort(s->leg);
	outcome = outcome_of(s, s->pass->left);
	/* A client that leaves because STARTTLS was taken away does no wrong, whichever way it leaves. */
	said.fault = outcome_fault(outcome);
	session_abort(s, outcome, &said);
}

static bool pass_fin(struct session *s, const struct stream *from, struct stream *to,
		     enum outcome outcome)
{
	if (from->end != STREAM_CLOSED || to->close_when_flushed)
		return false;
	if (s->pass->left == OUTCOME_OPEN)
		s->pass->left = outcome;
	stream_finish(to);
	return true;
}

/* Who reads nothing more must not keep a peer that has gone: what is held for it would be lost by the reset in
 * any case. */
static void look_behind(const struct pass_way *w, struct stream *from, const struct stream *to)
{
	if (w->splice.inside > 0 || !stream_flushed(to))
		(void)stream_look_behind(from);
}

bool pass_ends(struct session *s, bool client_all, bool server_all)
{
	struct stream *client = &s->client, *server = &s->leg->stream;
	bool moved = false;

	look_behind(&s->pass->up, client, server);
	look_behind(&s->pass->down, server, client);
	if (client->end == STREAM_RESET) {
		pass_reset(s, server, OUTCOME_CLIENT_RESET, &client->why);
		return true;
	}
	if (server->end == STREAM_RESET) {
		pass_reset(s, client, OUTCOME_SERVER_RESET, &server->why);
		return true;
	}
	if (client_all)
		moved |= pass_fin(s, client, server, client_closed(s));
	if (server_all)
		moved |= pass_fin(s, server, client, OUTCOME_SERVER_CLOSED);
	if (!client->shut_out || !server->shut_out)
		return moved;
	leg_close(s->leg);
	session_end(s, outcome_of(s, s->pass->left), NULL);
	return true;
}

static void unreachable(struct session *s)
{
	s->why = s->leg->why;
	if (is_smtp(s))
		session_finish(s, OUTCOME_UNREACHABLE, &SMTP_SAY_UNREACHABLE);
	else
		session_abort(s, OUTCOME_UNREACHABLE, NULL);
}

bool pass_connect(struct session *s)
{
	if (s->client.end == STREAM_RESET) {
		leg_abort(s->leg);
		session_abort(s, OUTCOME_CLIENT_RESET, &s->client.why);
		return true;
	}
	if (s->leg->state == LEG_FAILED) {
		unreachable(s);
		return true;
	}
	return leg_step(s->leg);
}

static const char *who_waits(const struct session *s)
{
	if (!stream_flushed(&s->client))
		return "the client does not read";
	if (!stream_flushed(&s->leg->stream))
		return "the server does not read";
	return "nothing came from either side";
}

void pass_too_slow(struct session *s, enum outcome outcome)
{
	if (outcome == OUTCOME_SESSION_LIMIT)
		why_set(&s->why, FAULT_PEER, "the session's time was over");
	else
		why_set(&s->why, FAULT_PEER, "%s for too long", who_waits(s));
	leg_abort(s->leg);
	if (is_smtp(s) && stream_flushed(&s->client))
		session_finish(s, outcome, &SMTP_SAY_SLOW);
	else
		session_abort(s, outcome, NULL);
}

/* --- the log --- */

static const char *absence(const struct smtp_watch *w)
{
	if (w->stripped > 0)
		return "stripped";
	if (w->refused_tls)
		return "refused";
	return w->offered_tls ? "unwanted" : "not-offered";
}

/* What the two have said to each other in clear; the rest is theirs. */
static void log_tunnel(struct log_line *l, const struct pass *p)
{
	const struct tls_hello *client = &p->up.hello, *server = &p->down.hello;

	log_text(l, "client_tls", "tunnel");
	log_text(l, "tunnel_sni", client->sni);
	log_text(l, "tunnel_offered", tls_hello_version_name(client->version));
	log_text(l, "tunnel_alpn", server->alpn[0] != '\0' ? server->alpn : client->alpn);
	log_int(l, "tunnel_resuming", client->resuming);
	log_text(l, "tunnel_version", tls_hello_version_name(server->version));
	if (server->cipher != 0)
		log_fmt(l, "tunnel_cipher", "0x%04x", server->cipher);
	log_int(l, "tunnel_spliced", (int64_t)(p->up.splice.moved + p->down.splice.moved));
}

void pass_log(struct log_line *l, const struct session *s)
{
	const struct pass *p = s->pass;

	log_text(l, "mode", s->mode->name);
	log_int(l, "ms_connect", s->leg->ms_connect);
	if (p->watched)
		log_span(l, "helo", buf_peek(&p->watch.helo));
	if (!is_smtp(s)) {
		log_tunnel(l, p);
		return;
	}
	log_text(l, "client_tls", "none");
	log_text(l, "client_tls_absent", absence(&p->watch));
}
