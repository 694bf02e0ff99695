#include "edge/leg_inside.h"

#include "base/must.h"
#include "edge/edge_route.h"
#include "edge/session.h"
#include "io/sock.h"
#include "policy/policy_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct conf_upstream *settings(const struct leg *l)
{
	return l->up->plan->conf;
}

static bool is_transparent(const struct leg *l)
{
	return l->session->target.len > 0;
}

/* TLS from the first byte: as configured, or as the client began. */
bool leg_is_implicit(const struct leg *l)
{
	return is_transparent(l) ? l->session->implicit : settings(l)->implicit;
}

void leg_enter(struct leg *l, enum leg_state state)
{
	l->state = state;
	l->since = l->edge->now;
}

void leg_hang_up(struct leg *l)
{
	leg_end_check(l);
	leg_let_go_of_socket(l);
	stream_close(&l->stream);
}

void leg_where(const struct leg *l, char text[ADDR_TEXT_MOST])
{
	text[0] = '\0';
	if (l->try_count > 0)
		addr_print(&leg_here(l)->addr, text);
}

const char *leg_host(const struct leg *l)
{
	if (l->try_count == 0)
		return "";
	if (l->hop != NULL)
		return next_hop_host(l->hop, leg_here(l)->hop_host)->name;
	return leg_here(l)->host != NULL ? leg_here(l)->host->name : "";
}

void leg_log_try(const struct leg *l, const char *event, const struct why *why)
{
	char where[ADDR_TEXT_MOST];
	struct log_line line;

	leg_where(l, where);
	log_begin(&line, event);
	log_text(&line, "sid", l->session->sid);
	log_text(&line, "upstream", settings(l)->name);
	if (l->hop != NULL)
		log_text(&line, "domain", l->hop->found->all->domain);
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
	leg_enter(l, LEG_FAILED);
}

/* This host will not do: on to the next one, under the same need. What policy says of a
 * host is worth more to the client than that another could not be reached. */
void leg_try_failed(struct leg *l, const struct smtp_answer *policy, const struct why *why)
{
	leg_log_try(l, "upstream-failed", why);
	edge_count(l->edge, COUNT_UPSTREAM_FAILED, 1);
	upstream_failed(l->up, &leg_here(l)->addr, l->edge->now);
	leg_hang_up(l);
	if (policy != NULL || l->refusal == NULL)
		l->why = *why;
	if (policy != NULL)
		l->refusal = policy;
	l->clear = false;
	if (!leg_next_try(l))
		give_up(l);
}

void leg_try_failed_for(struct leg *l, enum fault fault, const char *text)
{
	struct why why;

	why_set(&why, fault, "%s", text);
	leg_try_failed(l, NULL, &why);
}

/* In transparent mode the server hears the client's own name, once that is known. */
static const char *ehlo_name(const struct leg *l)
{
	if (!is_transparent(l))
		return l->session->service->hostname;
	return l->name[0] != '\0' ? l->name : NULL;
}

void leg_connected(struct leg *l)
{
	l->ms_connect = l->edge->now - l->began;
	edge_count(l->edge, COUNT_UPSTREAM_CONNECTS, 1);
	if (l->bare) {
		l->ms_ready = l->ms_connect;
		leg_enter(l, LEG_READY);
		return;
	}
	smtp_reply_reader_free(&l->reader);
	smtp_reply_reader_init(&l->reader);
	smtp_client_init(&l->client, ehlo_name(l), leg_is_implicit(l));
	l->client.want_tls = l->need.level != NEED_NONE && !l->clear;
	if (leg_is_implicit(l))
		leg_begin_tls(l);
	else
		leg_enter(l, LEG_HELLO);
}

void leg_use_need(struct leg *l)
{
	if (l->hop != NULL)
		l->need = l->hop->decision.hosts[leg_here(l)->hop_host].need;
}

static struct leg *make(struct session *s, struct upstream *up)
{
	struct leg *l = mem_new(sizeof(*l));

	l->edge = s->edge;
	l->session = s;
	l->up = up;
	l->began = s->edge->now;
	stream_init(&l->stream);
	stream_init(&l->rival.stream);
	buf_init(&l->replay, LEG_REPLAY_MOST);
	smtp_reply_reader_init(&l->reader);
	return l;
}

static struct leg *begin(struct leg *l)
{
	leg_find_tries(l);
	if (l->try_count == 0)
		give_up(l);
	else
		leg_begin_try(l);
	return l;
}

struct leg *leg_new(struct session *s, struct upstream *up, struct tls_need need)
{
	struct leg *l = make(s, up);

	l->need = need;
	return begin(l);
}

struct leg *leg_new_hop(struct session *s, struct upstream *up, struct next_hop *hop)
{
	struct leg *l = make(s, up);

	l->hop = next_hop_hold(hop);
	return begin(l);
}

void leg_serve_hop(struct leg *l, struct next_hop *hop)
{
	must(next_hop_is_same(l->hop, hop));
	next_hop_hold(hop);
	next_hop_release(l->hop);
	l->hop = hop;
}

struct leg *leg_new_bare(struct session *s, struct upstream *up)
{
	struct leg *l = make(s, up);

	l->bare = true;
	return begin(l);
}

void leg_free(struct leg *l)
{
	if (l == NULL)
		return;
	leg_hang_up(l);
	smtp_reply_reader_free(&l->reader);
	buf_free(&l->replay);
	next_hop_release(l->hop);
	free(l->tries);
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
		leg_enter(l, LEG_HELLO);
	else
		leg_try_failed_for(l, FAULT_SELF, "no room for EHLO");
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

const struct smtp_answer *leg_refusal(const struct leg *l)
{
	bool permanent = l->hop != NULL && l->hop->decision.permanent;

	return permanent ? policy_answer_final(l->refusal) : l->refusal;
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

/* It is policy that says no, and not the server's fault: it is left as one leaves (RFC 8689 section 4.2.1, RFC 5321
 * section 4.1.1.10), as far as that costs nothing. */
static void say_farewell(struct leg *l)
{
	if (l->stream.end != STREAM_OPEN || !buf_put(&l->stream.out, SPAN("QUIT\r\n")))
		return;
	stream_finish(&l->stream);
	stream_flush(&l->stream, l->edge->now);
}

/* The greeting, EHLO and TLS are done: hold what was found against the need (law 6). */
static void judge(struct leg *l)
{
	struct tls_facts facts;
	struct why why;

	leg_facts(l, &facts);
	leg_report_facts(l, &facts);
	if (!need_met(&l->need, &facts, &why)) {
		say_farewell(l);
		leg_try_failed(l, policy_answer_unmet(&l->need, &facts), &why);
		return;
	}
	if (l->hop != NULL && l->hop->requiretls && (l->client.caps.have & SMTP_CAP_REQUIRETLS) == 0) {
		why_set(&why, FAULT_POLICY, "%s", SMTP_SAY_REQUIRETLS.text);
		say_farewell(l);
		leg_try_failed(l, &SMTP_SAY_REQUIRETLS, &why);
		return;
	}
	if (facts.resumed)
		edge_count(l->edge, COUNT_UPSTREAM_TLS_RESUMED, 1);
	if (!facts.on && l->need.level != NEED_NONE)
		edge_count(l->edge, COUNT_UPSTREAM_CLEAR, 1);
	note_server_name(l);
	if (!is_transparent(l) && l->hop == NULL) {
		upstream_worked(l->up, &leg_here(l)->addr);
		upstream_learn(l->up, &l->client.caps, leg_is_implicit(l) || l->client.offers_tls,
			       l->edge->now);
	}
	l->ms_ready = l->edge->now - l->began;
	leg_enter(l, LEG_READY);
}

static void take_reply(struct leg *l)
{
	struct why why = { .fault = FAULT_NONE };

	switch (smtp_client_reply(&l->client, &l->reader.reply, &l->stream.out, &why)) {
	case SMTP_CLIENT_WAIT:
		l->since = l->edge->now;
		break;
	case SMTP_CLIENT_NAME:
		leg_enter(l, LEG_GREETED);
		break;
	case SMTP_CLIENT_START_TLS:
		leg_begin_tls(l);
		break;
	case SMTP_CLIENT_GO:
		judge(l);
		break;
	case SMTP_CLIENT_FAIL:
		leg_try_failed(l, NULL, &why);
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
		leg_try_failed(l, NULL, &why);
		return true;
	case SMTP_REPLY_MORE:
		break;
	}
	if (l->stream.end == STREAM_OPEN)
		return false;
	why = l->stream.why;
	if (l->stream.end == STREAM_CLOSED)
		why_set(&why, FAULT_PEER, "the upstream closed the connection before it was ready");
	leg_try_failed(l, NULL, &why);
	return true;
}

/* What the upstream says to QUIT is nobody's business. */
static bool step_bye(struct leg *l)
{
	buf_free(&l->stream.in);
	if (l->stream.end == STREAM_OPEN)
		return false;
	leg_hang_up(l);
	leg_enter(l, LEG_CLOSED);
	return true;
}

bool leg_step(struct leg *l)
{
	switch (l->state) {
	case LEG_CONNECT:
		return leg_step_connect(l);
	case LEG_HELLO:
		return step_hello(l);
	case LEG_GREETED:
		/* The greeting stays in the reader until the client has had it. */
		return l->session->greeted && step_hello(l);
	case LEG_TLS:
		return leg_step_tls(l);
	case LEG_CHECK:
		return leg_step_check(l);
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
		return leg_connect_deadline(l);
	case LEG_HELLO:
		return l->since + greeting_or_command(l);
	case LEG_TLS:
		return l->since + settings(l)->timeout_command;
	case LEG_CHECK:
		return edge_route_has_answer(l->ocsp) ? MSEC_NEVER : l->ocsp->until;
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

	leg_try_failed(l, NULL, &said);
}

void leg_timeout(struct leg *l)
{
	struct why why;

	switch (l->state) {
	case LEG_CONNECT:
		leg_connect_timeout(l);
		break;
	case LEG_HELLO:
		leg_try_failed_for(l, FAULT_PEER, "no reply to greeting, EHLO or STARTTLS in time");
		break;
	case LEG_TLS:
		why_set(&why, FAULT_PEER, "the handshake did not end in time");
		leg_tls_failed(l, &why);
		break;
	case LEG_CHECK:
		edge_route_late(l->edge, l->ocsp);
		break;
	case LEG_BYE:
		leg_hang_up(l);
		leg_enter(l, LEG_CLOSED);
		break;
	case LEG_GREETED:
	case LEG_READY:
	case LEG_FAILED:
	case LEG_CLOSED:
		break;
	}
}

void leg_bye(struct leg *l)
{
	if (l->state != LEG_READY || l->stream.end != STREAM_OPEN ||
	    !buf_put(&l->stream.out, SPAN("QUIT\r\n"))) {
		leg_abort(l);
		return;
	}
	stream_finish(&l->stream);
	leg_enter(l, LEG_BYE);
}

void leg_close(struct leg *l)
{
	leg_hang_up(l);
	leg_enter(l, LEG_CLOSED);
}

void leg_abort(struct leg *l)
{
	leg_let_go_of_socket(l);
	if (l->stream.open)
		stream_abort(&l->stream);
	l->await_count = 0;
	l->owed = 0;
	leg_enter(l, LEG_CLOSED);
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
