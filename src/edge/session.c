#include "edge/session.h"

#include "base/must.h"
#include "edge/mode.h"
#include "edge/outbound.h"
#include "edge/partner.h"
#include "edge/pass.h"
#include "edge/pool.h"
#include "edge/transparent.h"

#include <stdio.h>
#include <stdlib.h>

/* After our last words the peer has so long to read them and to close. A close with
 * unread bytes would reset the connection and take our last reply with it. */
#define LINGER_MSEC 5000

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static void link_in(struct session *s)
{
	struct edge *e = s->edge;

	s->next = e->sessions;
	s->self = &e->sessions;
	if (e->sessions != NULL)
		e->sessions->self = &s->next;
	e->sessions = s;
	e->session_count++;
}

static void link_out(struct session *s)
{
	*s->self = s->next;
	if (s->next != NULL)
		s->next->self = s->self;
	s->edge->session_count--;
}

static void use_service(struct session *s)
{
	const struct plan_service *service = s->service;

	s->up = &s->edge->upstreams[service->next_hop != NULL ? service->next_hop->index : service->upstream->index];
	if (service->next_hop != NULL)
		s->outbound = outbound_new();
	s->tls = s->service->tls;
	s->offer_tls = s->service->offer_tls;
	s->esmtp = s->service->esmtp;
	s->server.need_tls = s->service->need_tls;
}

void session_use_action(struct session *s, const struct plan_action *action, const char *rule)
{
	s->action = action;
	s->rule = rule;
	s->up = &s->edge->upstreams[action->template->index];
	s->tls = action->tls;
	s->offer_tls = action->offer_tls;
	s->esmtp = action->esmtp;
	s->server.need_tls = action->need_tls;
}

void session_make_id(struct edge *e, char sid[SESSION_SID + 1])
{
	snprintf(sid, SESSION_SID + 1, "%012llx", (unsigned long long)(mix(e->sid_seed++) >> 16));
}

struct session *session_new(struct edge *e, const struct plan_service *service, bool implicit,
			    const struct addr *peer, const struct addr *local)
{
	struct session *s = mem_new(sizeof(*s));

	s->edge = e;
	s->mode = &mode_terminate;
	s->service = service;
	s->plan = plan_hold(e->plan);
	s->implicit = implicit;
	s->peer = *peer;
	s->local = *local;
	s->born = s->phase_since = e->now;
	s->timer_at = MSEC_NEVER;
	session_make_id(e, s->sid);
	stream_init(&s->client);
	smtp_server_init(&s->server, service->hostname);
	if (service->upstream != NULL || service->next_hop != NULL)
		use_service(s);
	link_in(s);
	return s;
}

static void drop_watch(struct session *s)
{
	if (s->watch != NULL)
		loop_unwatch(s->watch);
	s->watch = NULL;
}

static void close_client(struct session *s)
{
	drop_watch(s);
	stream_close(&s->client);
}

void session_free(struct session *s)
{
	struct edge *e = s->edge;

	must(s->phase == PHASE_ENDED && !s->in_again);
	must(s->txn == NULL);
	if (s->counted)
		shared_leave(e->shared, e->slot, s->service->index,
			     addr_client_key(&s->peer, shared_seed(e->shared)));
	close_client(s);
	leg_free(s->leg);
	outbound_free(s);
	pass_free(s);
	smtp_server_free(&s->server);
	free(s->sni);
	free(s->leaf_label);
	free(s->sasl);
	if (s->timer != NULL)
		loop_timer_free(s->timer);
	link_out(s);
	plan_release(s->plan);
	free(s);
}

void session_wait_anew(struct session *s)
{
	s->spent[s->phase] += s->edge->now - s->phase_since;
	s->phase_since = s->edge->now;
}

void session_enter(struct session *s, enum phase phase)
{
	must(phase_may_follow(s->phase, phase));
	session_wait_anew(s);
	s->phase = phase;
	if (phase == PHASE_ENDED) {
		s->next_ended = s->edge->ended;
		s->edge->ended = s;
	}
}

void session_client_facts(const struct session *s, struct tls_facts *facts)
{
	*facts = (struct tls_facts){ .absent = TLS_ABSENT_UNWANTED };
	if (s->client.tls != NULL && !s->client.handshaking)
		tls_conn_facts(s->client.tls, facts);
}

static void count_answer(struct session *s, int code)
{
	if (code >= 500)
		edge_count(s->edge, COUNT_REFUSALS_5XX, 1);
	else if (code >= 400)
		edge_count(s->edge, COUNT_REFUSALS_4XX, 1);
}

void session_say(struct session *s, const struct smtp_answer *a)
{
	count_answer(s, a->code);
	/* The client's queue of replies always has room for a line: commands wait
	 * in its input while it does not (terminate_commands). */
	must(smtp_answer_put(&s->client.out, a, s->sid));
}

void session_say_text(struct session *s, const struct smtp_answer *a, const char *text)
{
	count_answer(s, a->code);
	must(smtp_answer_say(&s->client.out, a, s->sid, text));
}

void session_end_txn(struct session *s, enum txn_outcome outcome)
{
	if (s->txn == NULL)
		return;
	txn_conclude(s->txn, outcome);
	session_log_txn(s);
	txn_free(s->txn);
	s->txn = NULL;
	outbound_reset(s);
	partner_end(s);
	smtp_server_reset(&s->server);
}

static bool body_under_way(const struct session *s)
{
	return s->txn != NULL && (s->txn->out != TXN_OUT_NONE || s->txn->doomed);
}

void session_drop_leg(struct session *s)
{
	struct leg *l = s->leg;

	if (l == NULL)
		return;
	/* What two others say to each other is nothing that a word of ours may end; nor is a password. */
	if (l->state == LEG_READY && !l->bare && l->await_count == 0 && !body_under_way(s) && !s->sasl_line) {
		if (pool_put(l))
			s->leg = NULL;
		else
			leg_bye(l);
	} else if (l->state != LEG_BYE) {
		leg_abort(l);
	}
}

/* What becomes of a transaction that is open when the session ends so. */
static enum txn_outcome txn_outcome_by(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_QUIT:
		return TXN_RESET;
	case OUTCOME_CLIENT_CLOSED:
	case OUTCOME_CLIENT_CUT:
	case OUTCOME_CLIENT_RESET:
	case OUTCOME_TLS_FAILED:
		return TXN_CLIENT_GONE;
	default:
		return TXN_CUT_OFF;
	}
}

/* The upstream has the whole message, and its answer is not waited for (FAULTS 9). */
static bool is_in_doubt(const struct session *s)
{
	return s->txn != NULL && s->txn->outcome == TXN_OPEN && s->txn->dot_sent && s->leg != NULL &&
	       s->leg->all_left;
}

static void conclude(struct session *s, enum outcome outcome)
{
	bool doubt = is_in_doubt(s);

	must(s->outcome == OUTCOME_OPEN);
	s->outcome = outcome;
	if (doubt)
		edge_count(s->edge, COUNT_IN_DOUBT, 1);
	session_drop_leg(s);
	session_end_txn(s, doubt ? TXN_IN_DOUBT : txn_outcome_by(outcome));
	session_enter(s, PHASE_CLOSING);
	session_log_end(s);
}

void session_finish(struct session *s, enum outcome outcome, const struct smtp_answer *a)
{
	if (a != NULL && !s->client.close_when_flushed && buf_space(&s->client.out) >= SMTP_LINE_MOST)
		session_say(s, a);
	stream_finish(&s->client);
	stream_flush(&s->client, s->edge->now);
	conclude(s, outcome);
}

void session_end(struct session *s, enum outcome outcome, const struct why *why)
{
	if (why != NULL)
		s->why = *why;
	conclude(s, outcome);
	close_client(s);
}

void session_abort(struct session *s, enum outcome outcome, const struct why *why)
{
	if (why != NULL)
		s->why = *why;
	conclude(s, outcome);
	drop_watch(s);
	stream_abort(&s->client);
}

/* --- steps that belong to no mode --- */

void session_begin_tls(struct session *s, bool peeked)
{
	/* Minted anew, from the authority's memory as a rule: since it was asked for, before our 220, others have
	 * had their turn. */
	const struct smtp_answer *refusal = transparent_leaf(s);
	struct tls_conn *tls;
	bool begun;

	if (refusal != NULL) {
		why_set(&s->why, FAULT_POLICY, "no TLS for the client: %s", refusal->text);
		session_finish(s, OUTCOME_TLS_FAILED, NULL);
		return;
	}
	tls = tls_conn_accept(s->tls);
	if (s->leaf != NULL)
		tls_conn_use_cert(tls, s->leaf, s->leaf_label);
	begun = peeked ? stream_start_tls_peeked(&s->client, tls, &s->why) :
			 stream_start_tls(&s->client, tls, &s->why);
	if (!begun) {
		tls_conn_free(tls);
		session_finish(s, OUTCOME_TLS_DIRTY, NULL);
		return;
	}
	session_enter(s, PHASE_TLS);
}

static void greet(struct session *s)
{
	must(smtp_server_greet(&s->server, &s->client.out));
	s->greeted = true;
	session_enter(s, PHASE_COMMAND);
}

void session_begin(struct session *s)
{
	edge_count(s->edge, COUNT_CONNECTIONS, 1);
	if (s->implicit)
		session_begin_tls(s, false);
	else
		greet(s);
	session_run(s);
}

/* Nothing is read from the client in this phase (stream_hold): what comes next is the
 * handshake. */
static bool step_starttls(struct session *s)
{
	stream_flush(&s->client, s->edge->now);
	if (s->client.end != STREAM_OPEN) {
		session_end(s, OUTCOME_CLIENT_RESET, &s->client.why);
		return true;
	}
	if (!stream_flushed(&s->client))
		return false;
	session_begin_tls(s, false);
	return true;
}

static bool step_tls(struct session *s)
{
	struct tls_facts facts;

	if (s->client.end != STREAM_OPEN) {
		s->why = s->client.why;
		edge_count(s->edge, COUNT_CLIENT_TLS_FAILED, 1);
		if (s->client.failure == TLS_FAILURE_VERSION)
			edge_count(s->edge, COUNT_CLIENT_TLS_OLD, 1);
		session_finish(s, OUTCOME_TLS_FAILED, NULL);
		return true;
	}
	if (s->client.handshaking)
		return false;
	session_client_facts(s, &facts);
	edge_count(s->edge, COUNT_CLIENT_TLS, 1);
	if (facts.resumed)
		edge_count(s->edge, COUNT_CLIENT_TLS_RESUMED, 1);
	smtp_server_tls(&s->server);
	if (s->target.len > 0 && !s->greeted)
		session_enter(s, PHASE_UPSTREAM);
	else if (s->implicit)
		greet(s);
	else
		session_enter(s, PHASE_COMMAND);
	return true;
}

static bool leg_is_gone(const struct session *s)
{
	return s->leg == NULL || s->leg->state == LEG_CLOSED || s->leg->state == LEG_FAILED;
}

static bool client_is_gone(const struct session *s)
{
	return !s->client.open || s->client.end == STREAM_RESET ||
	       s->client.end == STREAM_TLS_BROKEN ||
	       (s->client.end != STREAM_OPEN && s->client.shut_out);
}

static bool step_closing(struct session *s)
{
	bool moved = s->leg != NULL && leg_step(s->leg);

	buf_free(&s->client.in);
	/* A broken TLS connection still has its alert to send. */
	if (!leg_is_gone(s) || !client_is_gone(s) ||
	    (s->client.end == STREAM_TLS_BROKEN && !stream_flushed(&s->client)))
		return moved;
	close_client(s);
	session_enter(s, PHASE_ENDED);
	return true;
}

static bool step(struct session *s)
{
	switch (s->phase) {
	case PHASE_STARTTLS:
		return step_starttls(s);
	case PHASE_TLS:
		return step_tls(s);
	case PHASE_CLOSING:
		return step_closing(s);
	case PHASE_COMMAND:
	case PHASE_UPSTREAM:
	case PHASE_BODY:
	case PHASE_DISCARD:
	case PHASE_FINAL:
	case PHASE_WATCH:
	case PHASE_TUNNEL:
		return s->mode->step(s);
	case PHASE_START:
		return transparent_step(s);
	case PHASE_ENDED:
	case PHASE_MOST:
		break;
	}
	return false;
}

static bool fill(struct session *s)
{
	bool moved = s->client.open && stream_fill(&s->client, s->edge->now);

	if (s->leg != NULL)
		moved |= leg_fill(s->leg);
	return moved;
}

static bool flush(struct session *s)
{
	bool moved = s->client.open && stream_flush(&s->client, s->edge->now);

	if (s->leg != NULL)
		moved |= leg_flush(s->leg);
	return moved;
}

/* To rest, so that what follows from what has come leaves in one write: the ticket and the reply to
 * EHLO, 221 and close_notify (FIGURES section 6.6). */
static bool steps(struct session *s)
{
	int turns = SESSION_TURNS;
	bool moved = false;

	while (s->phase != PHASE_ENDED && turns-- > 0 && step(s))
		moved = true;
	return moved;
}

static void run_again_later(struct session *s)
{
	if (s->in_again)
		return;
	s->in_again = true;
	s->next_again = s->edge->again;
	s->edge->again = s;
}

/* Sets the timer where the next limit is nearer than what it is set to. One
 * that has moved away costs nothing: the timer finds out when it goes off. */
static void arm(struct session *s)
{
	msec at;

	if (s->phase == PHASE_ENDED)
		return;
	stream_rest(&s->client);
	if (s->leg != NULL)
		stream_rest(&s->leg->stream);
	at = session_deadline(s);
	if (s->timer == NULL || at >= s->timer_at)
		return;
	s->timer_at = at;
	loop_timer_set(s->timer, at);
}

void session_run(struct session *s)
{
	int turns = SESSION_TURNS;
	bool moved;

	if (s->phase == PHASE_ENDED)
		return;
	do {
		moved = fill(s);
		moved |= steps(s);
		moved |= flush(s);
	} while (moved && s->phase != PHASE_ENDED && --turns > 0);
	if (moved && s->phase != PHASE_ENDED)
		run_again_later(s);
	arm(s);
}

/* --- limits --- */

static bool blocked_by_upstream(const struct session *s)
{
	return s->leg != NULL && s->leg->state == LEG_READY && !stream_flushed(&s->leg->stream);
}

static msec later(msec a, msec b)
{
	return a > b ? a : b;
}

static msec data_deadline(const struct session *s)
{
	msec moved = later(s->client.moved_at, s->phase_since);

	/* What the upstream has taken at last the client could not send on before. */
	if (s->leg != NULL)
		moved = later(moved, s->leg->stream.moved_at);
	/* Who keeps whom waiting? A body that the upstream does not take is its fault. */
	return blocked_by_upstream(s) ? MSEC_NEVER : moved + s->service->conf->timeout_data;
}

static msec idle_deadline(const struct session *s)
{
	msec moved = later(s->client.moved_at, s->phase_since);

	if (s->leg != NULL)
		moved = later(moved, s->leg->stream.moved_at);
	return moved + s->service->conf->timeout_command;
}

static msec phase_deadline(const struct session *s)
{
	switch (phase_limit(s->phase)) {
	case PHASE_LIMIT_COMMAND:
		return s->phase_since + s->service->conf->timeout_command;
	case PHASE_LIMIT_DATA:
		return data_deadline(s);
	case PHASE_LIMIT_IDLE:
		return idle_deadline(s);
	case PHASE_LIMIT_LINGER:
		return s->phase_since + LINGER_MSEC;
	case PHASE_LIMIT_NONE:
		break;
	}
	return MSEC_NEVER;
}

/* A message that the upstream may be committing is not cut off by our own limit. */
static msec whole_deadline(const struct session *s)
{
	if (s->phase == PHASE_FINAL || s->phase == PHASE_UPSTREAM || s->phase >= PHASE_CLOSING)
		return MSEC_NEVER;
	return s->born + s->service->conf->timeout_session;
}

static msec earlier(msec a, msec b)
{
	return a < b ? a : b;
}

msec session_deadline(const struct session *s)
{
	msec at = earlier(phase_deadline(s), whole_deadline(s));

	at = earlier(at, outbound_deadline(s));
	return s->leg != NULL ? earlier(at, leg_deadline(s->leg)) : at;
}

static void client_too_slow(struct session *s, enum outcome outcome)
{
	bool stuck = !stream_flushed(&s->client);

	if (s->pass != NULL) {
		pass_too_slow(s, outcome == OUTCOME_CLIENT_TIMEOUT ? OUTCOME_IDLE : outcome);
		return;
	}
	why_set(&s->why, FAULT_PEER, "%s in phase %s",
		outcome == OUTCOME_SESSION_LIMIT ? "the session's time was over" :
		stuck ? "the client does not read our replies" : "nothing came in time",
		phase_name(s->phase));
	if (s->phase == PHASE_START || s->phase == PHASE_STARTTLS || s->phase == PHASE_TLS || stuck)
		session_end(s, outcome, NULL);
	else
		session_finish(s, outcome, &SMTP_SAY_SLOW);
}

void session_tick(struct session *s)
{
	msec now = s->edge->now;

	outbound_tick(s);
	if (s->leg != NULL && now >= leg_deadline(s->leg)) {
		if (s->leg->state == LEG_READY)
			s->mode->late(s);
		else
			leg_timeout(s->leg);
	}
	if (s->phase == PHASE_CLOSING && now >= phase_deadline(s)) {
		leg_free(s->leg);
		s->leg = NULL;
		close_client(s);
		session_enter(s, PHASE_ENDED);
	} else if (now >= phase_deadline(s)) {
		client_too_slow(s, OUTCOME_CLIENT_TIMEOUT);
	} else if (now >= whole_deadline(s)) {
		client_too_slow(s, OUTCOME_SESSION_LIMIT);
	}
	session_run(s);
}
