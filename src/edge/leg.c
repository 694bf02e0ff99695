#include "edge/leg.h"

#include "base/must.h"
#include "edge/session.h"
#include "io/sock.h"
#include "smtp/smtp_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void begin_try(struct leg *l);
static void leave_line(struct leg *l);

static const struct conf_upstream *settings(const struct leg *l)
{
	return l->up->plan->conf;
}

static const struct upstream_try *here(const struct leg *l)
{
	return &l->tries[l->try_now];
}

static bool is_transparent(const struct leg *l)
{
	return l->session->target.len > 0;
}

/* TLS from the first byte: as configured, or as the client began. */
static bool is_implicit(const struct leg *l)
{
	return is_transparent(l) ? l->session->implicit : settings(l)->implicit;
}

static void enter(struct leg *l, enum leg_state state)
{
	l->state = state;
	l->since = l->edge->now;
}

static void let_go_of_socket(struct leg *l)
{
	if (l->watch != NULL)
		loop_unwatch(l->watch);
	l->watch = NULL;
	if (l->own_key != 0)
		shared_own_remove(l->edge->shared, l->edge->slot, l->own_key);
	l->own_key = 0;
}

static void hang_up(struct leg *l)
{
	leave_line(l);
	let_go_of_socket(l);
	stream_close(&l->stream);
}

void leg_where(const struct leg *l, char text[ADDR_TEXT_MOST])
{
	text[0] = '\0';
	if (l->try_count > 0)
		addr_print(&here(l)->addr, text);
}

const char *leg_host(const struct leg *l)
{
	return l->try_count > 0 && here(l)->host != NULL ? here(l)->host->name : "";
}

static void log_try(const struct leg *l, const char *event, const struct why *why)
{
	char where[ADDR_TEXT_MOST];
	struct log_line line;

	leg_where(l, where);
	log_begin(&line, event);
	log_text(&line, "sid", l->session->sid);
	log_text(&line, "upstream", settings(l)->name);
	log_text(&line, "host", leg_host(l));
	log_text(&line, "addr", where);
	log_text(&line, "need", need_level_name(l->need.level));
	log_text(&line, "fault", fault_name(why->fault));
	log_text(&line, "why", why->text);
	log_end(&line);
}

static void give_up(struct leg *l)
{
	if (l->refusal == NULL) {
		l->refusal = &SMTP_SAY_NO_UPSTREAM;
		if (l->why.fault == FAULT_NONE)
			why_set(&l->why, FAULT_SYSTEM, "no address is known for upstream %s",
				settings(l)->name);
	}
	enter(l, LEG_FAILED);
}

/* This host will not do: on to the next one, under the same need. What policy says of a
 * host is worth more to the client than that another could not be reached. */
static void try_failed(struct leg *l, const struct smtp_answer *policy, const struct why *why)
{
	log_try(l, "upstream-failed", why);
	edge_count(l->edge, COUNT_UPSTREAM_FAILED, 1);
	upstream_failed(l->up, &here(l)->addr, l->edge->now);
	hang_up(l);
	if (policy != NULL || l->refusal == NULL)
		l->why = *why;
	if (policy != NULL)
		l->refusal = policy;
	l->clear = false;
	if (l->try_now + 1 == l->try_count) {
		give_up(l);
		return;
	}
	l->try_now++;
	begin_try(l);
}

static void try_failed_for(struct leg *l, enum fault fault, const char *text)
{
	struct why why;

	why_set(&why, fault, "%s", text);
	try_failed(l, NULL, &why);
}

/* `may` goes on in clear, but never on a connection that has seen a handshake fail. */
static void tls_failed(struct leg *l, const struct why *why)
{
	struct why said = *why;

	edge_count(l->edge, COUNT_UPSTREAM_TLS_FAILED, 1);
	if (l->need.level == NEED_MAY && !is_implicit(l)) {
		log_try(l, "upstream-fallback", why);
		hang_up(l);
		l->clear = true;
		begin_try(l);
		return;
	}
	why_set(&said, why->fault, "TLS handshake failed: %.180s", why->text);
	try_failed(l, &SMTP_SAY_TLS_FAILED, &said);
}

/* The name for SNI: the host's, or where that is an address the first that its certificate may have;
 * in transparent mode what the client has asked for, where it has. */
static const char *tls_host(const struct leg *l, char text[ADDR_TEXT_MOST])
{
	if (!is_transparent(l) && here(l)->host->literal && settings(l)->names.count > 0)
		return settings(l)->names.at[0];
	if (!is_transparent(l))
		return leg_host(l);
	if (l->session->sni[0] != '\0')
		return l->session->sni;
	addr_print_host(&here(l)->addr, text);
	return text;
}

static void begin_tls(struct leg *l)
{
	char key[ADDR_TEXT_MOST + 32];
	char where[ADDR_TEXT_MOST], host[ADDR_TEXT_MOST];
	struct tls_conn *tls;
	struct why why;

	leg_where(l, where);
	snprintf(key, sizeof(key), "%s %s %u", where, need_level_name(l->need.level),
		 l->need.min_bits);
	tls = tls_conn_connect(l->up->plan->tls, tls_host(l, host), key);
	if (!stream_start_tls(&l->stream, tls, &why)) {
		tls_conn_free(tls);
		if (l->stream.end != STREAM_OPEN) {
			tls_failed(l, &why);
			return;
		}
		/* Bytes behind the 220 are an attack or a broken server: no level goes on with it. */
		try_failed(l, &SMTP_SAY_TLS_FAILED, &why);
		return;
	}
	enter(l, LEG_TLS);
}

/* In transparent mode the server hears the client's own name, once that is known. */
static const char *ehlo_name(const struct leg *l)
{
	if (!is_transparent(l))
		return l->session->service->hostname;
	return l->name[0] != '\0' ? l->name : NULL;
}

static void connected(struct leg *l)
{
	l->ms_connect = l->edge->now - l->began;
	edge_count(l->edge, COUNT_UPSTREAM_CONNECTS, 1);
	if (l->bare) {
		l->ms_ready = l->ms_connect;
		enter(l, LEG_READY);
		return;
	}
	smtp_reply_reader_free(&l->reader);
	smtp_reply_reader_init(&l->reader);
	smtp_client_init(&l->client, ehlo_name(l), is_implicit(l));
	l->client.want_tls = l->need.level != NEED_NONE && !l->clear;
	if (is_implicit(l))
		begin_tls(l);
	else
		enter(l, LEG_HELLO);
}

static void wait_in_line(struct leg *l)
{
	struct edge *e = l->edge;

	l->next_waiting = e->waiting;
	l->self_waiting = &e->waiting;
	if (e->waiting != NULL)
		e->waiting->self_waiting = &l->next_waiting;
	e->waiting = l;
}

static void leave_line(struct leg *l)
{
	if (l->self_waiting == NULL)
		return;
	*l->self_waiting = l->next_waiting;
	if (l->next_waiting != NULL)
		l->next_waiting->self_waiting = l->self_waiting;
	l->next_waiting = NULL;
	l->self_waiting = NULL;
}

void leg_dial_again(struct leg *l)
{
	struct session *s = l->session;

	leave_line(l);
	begin_try(l);
	session_run(s);
}

static void begin_try(struct leg *l)
{
	struct why why;

	enter(l, LEG_CONNECT);
	switch (l->edge->dial(l->edge, l, &here(l)->addr, &why)) {
	case DIAL_NOW:
		connected(l);
		break;
	case DIAL_WAIT:
		wait_in_line(l);
		break;
	case DIAL_LATER:
		break;
	case DIAL_FAILED:
		try_failed(l, NULL, &why);
		break;
	}
}

/* Who is called: in transparent mode the one that the client called, and nobody else. */
static unsigned find_tries(struct leg *l)
{
	const struct session *s = l->session;

	if (s->target.len == 0)
		return upstream_order(l->up, s->edge->now, l->tries);
	l->tries[0] = (struct upstream_try){ .host = NULL, .addr = s->target };
	return 1;
}

static struct leg *new_leg(struct session *s, struct upstream *up, struct tls_need need, bool bare)
{
	struct leg *l = mem_new(sizeof(*l));

	l->edge = s->edge;
	l->session = s;
	l->up = up;
	l->need = need;
	l->bare = bare;
	l->began = s->edge->now;
	stream_init(&l->stream);
	buf_init(&l->replay, LEG_REPLAY_MOST);
	smtp_reply_reader_init(&l->reader);
	l->try_count = find_tries(l);
	if (l->try_count == 0)
		give_up(l);
	else
		begin_try(l);
	return l;
}

struct leg *leg_new(struct session *s, struct upstream *up, struct tls_need need)
{
	return new_leg(s, up, need, false);
}

struct leg *leg_new_bare(struct session *s, struct upstream *up)
{
	return new_leg(s, up, (struct tls_need){ .level = NEED_NONE }, true);
}

void leg_free(struct leg *l)
{
	if (l == NULL)
		return;
	hang_up(l);
	smtp_reply_reader_free(&l->reader);
	buf_free(&l->replay);
	free(l);
}

void leg_name(struct leg *l, struct span name)
{
	must(name.len < sizeof(l->name));
	memcpy(l->name, name.at, name.len);
	l->name[name.len] = '\0';
	if (l->state != LEG_GREETED)
		return;
	if (smtp_client_name(&l->client, l->name, &l->stream.out))
		enter(l, LEG_HELLO);
	else
		try_failed_for(l, FAULT_SELF, "no room for EHLO");
}

bool leg_fill(struct leg *l)
{
	return l->stream.open && l->state != LEG_CONNECT && stream_fill(&l->stream, l->edge->now);
}

bool leg_flush(struct leg *l)
{
	bool waits = !stream_flushed(&l->stream);
	bool moved;

	if (!l->stream.open || l->state == LEG_CONNECT)
		return false;
	moved = stream_flush(&l->stream, l->edge->now);
	/* What is dropped when the connection breaks has not left, and an alert is not ours to count. */
	if (waits && l->stream.end != STREAM_TLS_BROKEN)
		l->all_left = stream_flushed(&l->stream) && l->stream.below != STREAM_RESET;
	return moved;
}

static bool step_connect(struct leg *l)
{
	struct why why;

	if (!l->stream.open || l->stream.fd < 0 || !l->stream.ready_out)
		return false;
	switch (sock_connected(l->stream.fd, &why)) {
	case SOCK_PENDING:
		l->stream.ready_out = false;
		return false;
	case SOCK_CONNECTED:
		connected(l);
		return true;
	case SOCK_FAILED:
		try_failed(l, NULL, &why);
		return true;
	}
	return false; /* not reached: all cases are above */
}

static bool step_tls(struct leg *l)
{
	if (l->stream.end != STREAM_OPEN) {
		struct why why = l->stream.why;

		tls_failed(l, &why);
		return true;
	}
	if (l->stream.handshaking)
		return false;
	edge_count(l->edge, COUNT_UPSTREAM_TLS, 1);
	if (is_implicit(l)) {
		l->client.tls = true;
	} else if (!smtp_client_tls_on(&l->client, &l->stream.out)) {
		try_failed_for(l, FAULT_SELF, "no room for EHLO");
		return true;
	}
	enter(l, LEG_HELLO);
	return true;
}

const struct smtp_answer *leg_policy_answer(const struct tls_need *need, const struct tls_facts *facts)
{
	if (facts->absent == TLS_ABSENT_FAILED)
		return &SMTP_SAY_TLS_FAILED;
	if (need->min_bits > 0 && facts->bits < need->min_bits)
		return &SMTP_SAY_TLS_WEAK;
	return facts->on ? &SMTP_SAY_TLS_UNVERIFIED : &SMTP_SAY_TLS_MISSING;
}

static void note_server_name(struct leg *l)
{
	struct span line = smtp_reply_line(&l->reader.reply, 0);
	struct span name = span_cut(&line, ' ');

	if (name.len == 0 || name.len >= sizeof(l->server_name) || !smtp_domain_ok(name))
		name = span_str(l->session->service->hostname);
	memcpy(l->server_name, name.at, name.len);
	l->server_name[name.len] = '\0';
}

/* The greeting, EHLO and TLS are done: hold what was found against the need (law 6). */
static void judge(struct leg *l)
{
	struct tls_facts facts;
	struct why why;

	leg_facts(l, &facts);
	if (!need_met(&l->need, &facts, &why)) {
		try_failed(l, leg_policy_answer(&l->need, &facts), &why);
		return;
	}
	if (facts.resumed)
		edge_count(l->edge, COUNT_UPSTREAM_TLS_RESUMED, 1);
	if (!facts.on && l->need.level != NEED_NONE)
		edge_count(l->edge, COUNT_UPSTREAM_CLEAR, 1);
	note_server_name(l);
	if (!is_transparent(l)) {
		upstream_worked(l->up, &here(l)->addr);
		upstream_learn(l->up, &l->client.caps, is_implicit(l) || l->client.offers_tls,
			       l->edge->now);
	}
	l->ms_ready = l->edge->now - l->began;
	enter(l, LEG_READY);
}

static void take_reply(struct leg *l)
{
	struct why why = { .fault = FAULT_NONE };

	switch (smtp_client_reply(&l->client, &l->reader.reply, &l->stream.out, &why)) {
	case SMTP_CLIENT_WAIT:
		l->since = l->edge->now;
		break;
	case SMTP_CLIENT_NAME:
		enter(l, LEG_GREETED);
		break;
	case SMTP_CLIENT_START_TLS:
		begin_tls(l);
		break;
	case SMTP_CLIENT_GO:
		judge(l);
		break;
	case SMTP_CLIENT_FAIL:
		try_failed(l, NULL, &why);
		break;
	}
}

static bool step_hello(struct leg *l)
{
	struct why why;

	switch (smtp_reply_next(&l->reader, &l->stream.in, &why)) {
	case SMTP_REPLY_WHOLE:
		take_reply(l);
		return true;
	case SMTP_REPLY_BAD:
		try_failed(l, NULL, &why);
		return true;
	case SMTP_REPLY_MORE:
		break;
	}
	if (l->stream.end == STREAM_OPEN)
		return false;
	why = l->stream.why;
	if (l->stream.end == STREAM_CLOSED)
		why_set(&why, FAULT_PEER, "the upstream closed the connection before it was ready");
	try_failed(l, NULL, &why);
	return true;
}

/* What the upstream says to QUIT is nobody's business. */
static bool step_bye(struct leg *l)
{
	buf_free(&l->stream.in);
	if (l->stream.end == STREAM_OPEN)
		return false;
	hang_up(l);
	enter(l, LEG_CLOSED);
	return true;
}

bool leg_step(struct leg *l)
{
	switch (l->state) {
	case LEG_CONNECT:
		return step_connect(l);
	case LEG_HELLO:
		return step_hello(l);
	case LEG_GREETED:
		/* The greeting stays in the reader until the client has had it. */
		return l->session->greeted && step_hello(l);
	case LEG_TLS:
		return step_tls(l);
	case LEG_BYE:
		return step_bye(l);
	case LEG_READY:
	case LEG_FAILED:
	case LEG_CLOSED:
		break;
	}
	return false;
}

#define LEG_BYE_MSEC 3000

static msec greeting_or_command(const struct leg *l)
{
	bool greeting = l->client.state == SMTP_CLIENT_GREETING;

	return greeting ? settings(l)->timeout_greeting : settings(l)->timeout_command;
}

static msec ready_deadline(const struct leg *l)
{
	if (!stream_flushed(&l->stream)) {
		msec moved = l->stream.moved_at > l->since ? l->stream.moved_at : l->since;

		return moved + settings(l)->timeout_data;
	}
	if (l->await_count == 0)
		return MSEC_NEVER;
	if (leg_awaited(l) == AWAIT_FINAL)
		return l->since + settings(l)->timeout_final;
	return l->since + settings(l)->timeout_command;
}

msec leg_deadline(const struct leg *l)
{
	switch (l->state) {
	case LEG_CONNECT:
		return l->since + settings(l)->timeout_connect;
	case LEG_HELLO:
		return l->since + greeting_or_command(l);
	case LEG_TLS:
		return l->since + settings(l)->timeout_command;
	case LEG_READY:
		return ready_deadline(l);
	case LEG_BYE:
		return l->since + LEG_BYE_MSEC;
	case LEG_GREETED:
	case LEG_FAILED:
	case LEG_CLOSED:
		break;
	}
	return MSEC_NEVER;
}

void leg_unreachable(struct leg *l, const struct why *why)
{
	struct why said = *why;

	try_failed(l, NULL, &said);
}

void leg_timeout(struct leg *l)
{
	struct why why;

	switch (l->state) {
	case LEG_CONNECT:
		try_failed_for(l, FAULT_PEER, "no answer to our connection in time");
		break;
	case LEG_HELLO:
		try_failed_for(l, FAULT_PEER, "no reply to greeting, EHLO or STARTTLS in time");
		break;
	case LEG_TLS:
		why_set(&why, FAULT_PEER, "the handshake did not end in time");
		tls_failed(l, &why);
		break;
	case LEG_BYE:
		hang_up(l);
		enter(l, LEG_CLOSED);
		break;
	case LEG_GREETED:
	case LEG_READY:
	case LEG_FAILED:
	case LEG_CLOSED:
		break;
	}
}

bool leg_can_await(const struct leg *l)
{
	return l->await_count < LEG_AWAIT_MOST;
}

static void await(struct leg *l, enum await what)
{
	must(leg_can_await(l));
	l->used = true;
	if (l->await_count == 0)
		l->since = l->edge->now;
	l->awaits[(l->await_head + l->await_count) % LEG_AWAIT_MOST] = (unsigned char)what;
	l->await_count++;
	if (what != AWAIT_RSET)
		l->owed++;
}

void leg_settle(struct leg *l)
{
	l->kept = false;
	l->replay_need = (struct tls_need){ .level = NEED_NONE };
	buf_free(&l->replay);
}

void leg_promise(struct leg *l, const struct tls_need *need)
{
	struct tls_need *all = &l->replay_need;

	if (!l->kept)
		return;
	if (need->level > all->level)
		all->level = need->level;
	if (need->min_bits > all->min_bits)
		all->min_bits = need->min_bits;
}

void leg_sent(struct leg *l, size_t mark, enum await what)
{
	if (l->kept && !buf_put(&l->replay, span_from(buf_peek(&l->stream.out), mark)))
		leg_settle(l);
	await(l, what);
}

struct leg *leg_again(struct leg *old)
{
	struct leg *l = leg_new(old->session, old->up, old->need);

	memcpy(l->awaits, old->awaits, sizeof(l->awaits));
	l->await_head = old->await_head;
	l->await_count = old->await_count;
	l->owed = old->owed;
	l->transaction = old->transaction;
	l->replaying = true;
	l->replay_caps = old->client.caps.have;
	l->replay_need = old->replay_need;
	must(buf_put(&l->replay, buf_peek(&old->replay)));
	leg_abort(old);
	leg_free(old);
	return l;
}

/* True where it could be said again. What the commands made use of must be on offer here too, and so must be the TLS
 * that the recipients were let through for: under `may` this connection may have none. */
bool leg_replay(struct leg *l)
{
	bool fits = (l->replay_caps & ~l->client.caps.have) == 0;
	struct tls_facts facts;
	struct why why;

	must(l->state == LEG_READY && l->replaying);
	leg_facts(l, &facts);
	fits = fits && need_met(&l->replay_need, &facts, &why);
	l->replaying = false;
	fits = fits && buf_put(&l->stream.out, buf_peek(&l->replay));
	buf_free(&l->replay);
	l->since = l->edge->now;
	return fits;
}

enum await leg_awaited(const struct leg *l)
{
	must(l->await_count > 0);
	return (enum await)l->awaits[l->await_head];
}

void leg_answered(struct leg *l)
{
	if (leg_awaited(l) != AWAIT_RSET)
		l->owed--;
	l->await_head = (l->await_head + 1) % LEG_AWAIT_MOST;
	l->await_count--;
	l->since = l->edge->now;
}

void leg_forget_newest(struct leg *l)
{
	must(l->await_count > 0);
	l->await_count--;
	l->owed--;
}

void leg_bye(struct leg *l)
{
	if (l->state != LEG_READY || l->stream.end != STREAM_OPEN ||
	    !buf_put(&l->stream.out, SPAN("QUIT\r\n"))) {
		leg_abort(l);
		return;
	}
	stream_finish(&l->stream);
	enter(l, LEG_BYE);
}

void leg_close(struct leg *l)
{
	hang_up(l);
	enter(l, LEG_CLOSED);
}

void leg_abort(struct leg *l)
{
	leave_line(l);
	let_go_of_socket(l);
	if (l->stream.open)
		stream_abort(&l->stream);
	l->await_count = 0;
	l->owed = 0;
	enter(l, LEG_CLOSED);
}

static enum tls_absent absent(const struct leg *l)
{
	if (l->clear)
		return TLS_ABSENT_FAILED;
	switch (l->client.no_tls) {
	case SMTP_NO_TLS_OFFERED:
		return TLS_ABSENT_NOT_OFFERED;
	case SMTP_NO_TLS_REFUSED:
		return TLS_ABSENT_REFUSED;
	case SMTP_NO_TLS_ASKED:
		break;
	}
	return TLS_ABSENT_UNWANTED;
}

void leg_facts(const struct leg *l, struct tls_facts *facts)
{
	*facts = (struct tls_facts){ .absent = absent(l) };
	if (l->stream.tls != NULL && !l->stream.handshaking)
		tls_conn_facts(l->stream.tls, facts);
}
