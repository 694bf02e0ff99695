/* How a leg finds an open connection: the addresses in order, and where one does not answer at once another one of the
 * same host beside it (RFC 8305). */
#include "edge/leg_inside.h"

#include "base/must.h"
#include "edge/session.h"
#include "io/sock.h"
#include "smtp/smtp_answer.h"

#include <stdlib.h>
#include <string.h>

/* RFC 8305 section 5: the delay after which the next attempt begins beside the first. */
#define RACE_MSEC 250
/* A host that does not answer must not cost the client its patience (RFC 5321 section 4.5.3.2): of many addresses
 * those that come too late are not tried. */
#define FIND_MOST_MSEC (4 * 60 * 1000)

static const struct conf_upstream *settings(const struct leg *l)
{
	return l->up->plan->conf;
}

const struct upstream_try *leg_here(const struct leg *l)
{
	return &l->tries[l->try_now];
}

static void unlink_waiting(struct leg *l)
{
	if (l->self_waiting == NULL)
		return;
	*l->self_waiting = l->next_waiting;
	if (l->next_waiting != NULL)
		l->next_waiting->self_waiting = l->self_waiting;
	l->next_waiting = NULL;
	l->self_waiting = NULL;
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

void leg_dial_again(struct leg *l)
{
	struct session *s = l->session;

	unlink_waiting(l);
	leg_begin_try(l);
	session_run(s);
}

/* --- the rival --- */

static void drop_rival(struct leg *l)
{
	if (l->rival.watch != NULL)
		loop_unwatch(l->rival.watch);
	l->rival.watch = NULL;
	if (l->rival.on)
		stream_abort(&l->rival.stream);
	l->rival.on = false;
}

void leg_let_go_of_socket(struct leg *l)
{
	unlink_waiting(l);
	drop_rival(l);
	if (l->watch != NULL)
		loop_unwatch(l->watch);
	l->watch = NULL;
	if (l->own_key != 0)
		shared_own_remove(l->edge->shared, l->edge->slot, l->own_key);
	l->own_key = 0;
}

/* Another address of the host that is being called, not tried yet. */
static bool has_rival(const struct leg *l)
{
	const struct upstream_try *a = leg_here(l), *b = &l->tries[l->try_next];

	if (l->try_next >= l->try_count || l->session->target.len > 0)
		return false;
	return l->hop != NULL ? a->hop_host == b->hop_host : a->host == b->host;
}

/* It takes the place of the one that has not answered, or has failed. */
static void take_over(struct leg *l)
{
	struct leg_rival *r = &l->rival;

	if (l->watch != NULL)
		loop_unwatch(l->watch);
	if (l->stream.open)
		stream_abort(&l->stream);
	l->stream = r->stream;
	l->try_now = r->try;
	l->watch = r->watch;
	r->watch = NULL;
	r->on = false;
	stream_init(&r->stream);
	/* Its watch tells by `on` whose events it brings: no other rival until the next attempt. */
	l->race_at = MSEC_NEVER;
}

static void rival_failed(struct leg *l, const struct why *why)
{
	unsigned main_try = l->try_now;

	l->try_now = l->rival.try;
	leg_log_try(l, "upstream-failed", why);
	upstream_failed(l->up, &leg_here(l)->addr, l->edge->now);
	l->try_now = main_try;
	drop_rival(l);
}

static void begin_rival(struct leg *l)
{
	struct leg_rival *r = &l->rival;
	struct why why;

	r->try = l->try_next++;
	r->began = l->edge->now;
	switch (l->edge->dial(l->edge, l, &l->tries[r->try].addr, &r->stream, &r->watch, &why)) {
	case DIAL_NOW:
		r->on = true;
		take_over(l);
		leg_connected(l);
		break;
	case DIAL_LATER:
		r->on = true;
		break;
	case DIAL_FAILED:
		rival_failed(l, &why);
		break;
	case DIAL_WAIT:
		/* For transparent sessions alone, which have no rivals. */
		must(!"a rival has to wait for a socket");
	}
}

static msec race_at(const struct leg *l)
{
	return !l->rival.on && has_rival(l) ? l->race_at : MSEC_NEVER;
}

/* --- the attempts --- */

void leg_begin_try(struct leg *l)
{
	struct why why;

	leg_enter(l, LEG_CONNECT);
	l->race_at = l->edge->now + RACE_MSEC;
	leg_use_need(l);
	switch (l->edge->dial(l->edge, l, &leg_here(l)->addr, &l->stream, &l->watch, &why)) {
	case DIAL_NOW:
		leg_connected(l);
		break;
	case DIAL_WAIT:
		wait_in_line(l);
		break;
	case DIAL_LATER:
		break;
	case DIAL_FAILED:
		leg_try_failed(l, NULL, &why);
		break;
	}
}

/* Called in a row with those that have failed before it. */
bool leg_next_try(struct leg *l)
{
	if (l->try_next >= l->try_count ||
	    (l->hop != NULL && l->edge->now - l->began >= FIND_MOST_MSEC))
		return false;
	l->try_now = l->try_next++;
	leg_begin_try(l);
	return true;
}

/* Mail must not go round (RFC 5321 section 5.1). Where nobody else is left there is nobody to try later. */
static unsigned leave_own(struct leg *l, struct upstream_try *tries, unsigned n)
{
	unsigned left = next_hop_leave_own(l->hop, l->session->plan, &l->edge->home, tries, n, &l->why);
	struct log_line line;

	if (left == n)
		return n;
	log_begin(&line, "next-hop-ourselves");
	log_text(&line, "sid", l->session->sid);
	log_text(&line, "domain", l->hop->found->all->domain);
	log_int(&line, "left", left);
	log_text(&line, "why", l->why.text);
	log_end(&line);
	if (left == 0)
		l->refusal = &SMTP_SAY_LOOP;
	else
		l->why = (struct why){ .fault = FAULT_NONE };
	return left;
}

/* Who is called: in transparent mode the one that the client called, and nobody else. */
void leg_find_tries(struct leg *l)
{
	const struct session *s = l->session;
	struct upstream_try tries[UPSTREAM_TRIES];
	unsigned n = 1;

	if (l->hop != NULL)
		n = leave_own(l, tries, next_hop_tries(l->hop, s->service->conf->port, tries, UPSTREAM_TRIES));
	else if (s->target.len > 0)
		tries[0] = (struct upstream_try){ .host = NULL, .addr = s->target };
	else
		n = upstream_order(l->up, s->edge->now, tries);
	l->tries = mem_new(n * sizeof(*l->tries) + 1);
	memcpy(l->tries, tries, n * sizeof(*l->tries));
	l->try_count = n;
	l->try_next = 1;
}

static bool step_rival(struct leg *l)
{
	struct leg_rival *r = &l->rival;
	struct why why;

	if (!r->on || r->stream.fd < 0 || !r->stream.ready_out)
		return false;
	switch (sock_connected(r->stream.fd, &why)) {
	case SOCK_PENDING:
		r->stream.ready_out = false;
		return false;
	case SOCK_CONNECTED:
		take_over(l);
		leg_connected(l);
		return true;
	case SOCK_FAILED:
		rival_failed(l, &why);
		return true;
	}
	return false; /* not reached: all cases are above */
}

/* The rival goes on alone. */
static void yield_to_rival(struct leg *l, const struct why *why)
{
	leg_log_try(l, "upstream-failed", why);
	edge_count(l->edge, COUNT_UPSTREAM_FAILED, 1);
	upstream_failed(l->up, &leg_here(l)->addr, l->edge->now);
	l->why = *why;
	l->since = l->rival.began;
	take_over(l);
}

static void attempt_failed(struct leg *l, const struct why *why)
{
	if (l->rival.on)
		yield_to_rival(l, why);
	else
		leg_try_failed(l, NULL, why);
}

bool leg_step_connect(struct leg *l)
{
	struct why why;

	if (!l->stream.open || l->stream.fd < 0 || !l->stream.ready_out)
		return step_rival(l);
	switch (sock_connected(l->stream.fd, &why)) {
	case SOCK_PENDING:
		l->stream.ready_out = false;
		return step_rival(l);
	case SOCK_CONNECTED:
		drop_rival(l);
		leg_connected(l);
		return true;
	case SOCK_FAILED:
		attempt_failed(l, &why);
		return true;
	}
	return false; /* not reached: all cases are above */
}

msec leg_connect_deadline(const struct leg *l)
{
	msec end = l->since + settings(l)->timeout_connect;

	return race_at(l) < end ? race_at(l) : end;
}

void leg_connect_timeout(struct leg *l)
{
	struct why why;

	if (l->edge->now < l->since + settings(l)->timeout_connect) {
		begin_rival(l);
		return;
	}
	why_set(&why, FAULT_PEER, "no answer to our connection in time");
	attempt_failed(l, &why);
}
