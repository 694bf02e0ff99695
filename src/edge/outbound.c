#include "edge/outbound_inside.h"

#include "base/must.h"
#include "edge/hold.h"
#include "edge/mode_terminate.h"
#include "edge/partner.h"
#include "edge/pool.h"
#include "edge/session.h"
#include "policy/policy_answer.h"
#include "policy/policy_name.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

struct outbound *outbound_new(void)
{
	struct outbound *o = mem_new(sizeof(*o));

	o->way_now = -1;
	buf_init(&o->mail, 2 * SMTP_LINE_MOST);
	return o;
}

static unsigned owed(const struct session *s)
{
	return s->leg != NULL ? s->leg->owed : 0;
}

/* --- those that were found wanting --- */

static const struct outbound_failed *find_failed(const struct outbound *o, const struct next_hop *hop)
{
	for (unsigned i = 0; i < o->failed_count; i++) {
		if (next_hop_is_same(o->failed[i].hop, hop))
			return &o->failed[i];
	}
	return NULL;
}

void outbound_remember_failed(struct outbound *o, struct next_hop *hop, const struct smtp_answer *a,
			    const char *text)
{
	struct outbound_failed *f;

	if (o->failed_count == OUTBOUND_FAILED_MOST)
		return;
	o->failed = mem_grow(o->failed, (o->failed_count + 1) * sizeof(*o->failed));
	f = &o->failed[o->failed_count++];
	f->hop = next_hop_hold(hop);
	f->told.answer = *a;
	snprintf(f->told.text, sizeof(f->told.text), "%s", text);
}

/* --- the recipient at the front --- */

static void log_refused(const struct session *s, const struct smtp_cmd *cmd, const struct next_hop *hop,
			const struct smtp_answer *a, const char *text)
{
	const struct policy_decision *d = hop != NULL ? &hop->decision : NULL;
	struct log_line line;

	log_begin(&line, "rcpt-refused");
	log_text(&line, "sid", s->sid);
	log_text(&line, "service", s->service->conf->name);
	session_log_address(&line, s, "to", cmd->path.text);
	log_int(&line, "code", a->code);
	log_text(&line, "tag", a->tag != NULL ? a->tag : "");
	if (d != NULL) {
		log_text(&line, "domain", hop->found->all->domain);
		log_text(&line, "need", need_level_name(d->need.level));
		log_text(&line, "policy", policy_source_name(d->source));
		log_text(&line, "rule", d->rule != NULL ? d->rule->key : "");
		log_text(&line, "because", d->because_count > 0 ? d->because[0] : "");
	}
	log_text(&line, "why", text);
	log_end(&line);
}

void outbound_leave_front(struct session *s)
{
	struct outbound *o = s->outbound;

	edge_route_forget(s->edge, &o->ask);
	next_hop_release(o->hop);
	o->hop = NULL;
	free(o->condition);
	o->condition = NULL;
}

enum outbound_rcpt outbound_refuse(struct session *s, const struct smtp_cmd *cmd, const struct smtp_answer *a,
				 const char *text)
{
	if (owed(s) > 0)
		return OUTBOUND_WAIT;
	log_refused(s, cmd, s->outbound->hop, a, text);
	if (a == &SMTP_SAY_SPLIT)
		edge_count(s->edge, COUNT_SPLITS, 1);
	session_say_text(s, a, text);
	outbound_leave_front(s);
	return OUTBOUND_TAKEN;
}

/* A policy that has run out since, or that a clock which jumped says has, must not be set aside unasked (law 6). */
static bool has_lapsed(const struct policy_evidence *e, int64_t now)
{
	return e->sts != EVIDENCE_STS_NONE && now >= e->sts_until;
}

static struct evidence_held *find_evidence(const struct session *s, const char *domain)
{
	const struct outbound *o = s->outbound;

	for (unsigned i = 0; i < o->found_count; i++) {
		const struct policy_evidence *e = o->found[i]->all;

		if (strcmp(e->domain, domain) == 0 && !has_lapsed(e, s->edge->wall))
			return o->found[i];
	}
	return NULL;
}

/* NULL: it has been asked for. */
static struct evidence_held *want_evidence(struct session *s, const char *domain)
{
	struct outbound *o = s->outbound;
	struct evidence_held *found = find_evidence(s, domain);

	if (found != NULL)
		return evidence_held_hold(found);
	if (o->ask.id == 0 && !edge_route_has_answer(&o->ask))
		edge_route_ask(s, &o->ask, domain);
	if (!edge_route_has_answer(&o->ask))
		return NULL;
	found = o->ask.answer;
	o->ask.answer = NULL;
	edge_route_forget(s->edge, &o->ask);
	/* What failed is asked again for the next one. */
	if (found->all->dns != EVIDENCE_DNS_FAILED && o->found_count < OUTBOUND_FOUND_MOST)
		o->found[o->found_count++] = evidence_held_hold(found);
	return found;
}

static struct next_hop *decide(struct session *s, const struct smtp_cmd *cmd, struct evidence_held *found,
			       struct why *why)
{
	struct outbound *o = s->outbound;
	const struct policy_rule *rule = partner_find(s, cmd->path.text);
	struct policy_question q = plan_question(s->service, buf_peek(&s->txn->from), cmd->path.text, rule,
						 s->server.tls, s->edge->wall);

	q.requiretls = o->requiretls;
	return next_hop_new(s->service, found, s->rules, q, why);
}

/* Sets o->hop, or answers. */
static enum outbound_rcpt look_up(struct session *s, const struct smtp_cmd *cmd)
{
	struct outbound *o = s->outbound;
	char domain[POLICY_NAME_MOST];
	struct evidence_held *found;
	struct why why;

	if (cmd->path.domain.len == 0 || cmd->path.domain.at[0] == '[' || !policy_name_fold(cmd->path.domain, domain))
		return outbound_refuse(s, cmd, &SMTP_SAY_NO_DOMAIN, POLICY_ANSWER_NO_ROUTE);
	found = want_evidence(s, domain);
	if (found == NULL)
		return OUTBOUND_WAIT;
	o->hop = decide(s, cmd, found, &why);
	evidence_held_release(found);
	if (o->hop == NULL)
		return outbound_refuse(s, cmd, &SMTP_SAY_SELF, why.text);
	return OUTBOUND_TAKEN;
}

/* --- the fallback --- */

/* What MAIL asks for the fallback has to promise too, or the message could not be handed to it. */
static bool fallback_takes_mail(const struct session *s, const struct leg *l)
{
	struct smtp_cmd mail;

	must(smtp_cmd_read(buf_peek(&s->outbound->mail), &mail) == NULL);
	if (s->outbound->requiretls && l->need.level < NEED_VERIFY)
		return false;
	return smtp_client_can_mail(&l->client.caps, &mail);
}

/* A second way needs somebody to take over what one of the ways does not get through (edge/hold.h): it must be there first. */
static bool fallback_is_ready(struct session *s, bool *wait)
{
	struct outbound *o = s->outbound;
	struct upstream *up;

	*wait = false;
	if (s->service->fallback == NULL || o->fallback_failed)
		return false;
	up = &s->edge->upstreams[s->service->fallback->index];
	if (o->fallback == NULL)
		o->fallback = pool_take(s, up, &up->plan->need);
	if (o->fallback == NULL)
		o->fallback = leg_new(s, up, up->plan->need);
	while (leg_step(o->fallback))
		;
	*wait = o->fallback->state != LEG_READY && o->fallback->state != LEG_FAILED &&
		o->fallback->state != LEG_CLOSED;
	if (*wait)
		return false;
	if (o->fallback->state == LEG_READY && fallback_takes_mail(s, o->fallback))
		return true;
	pool_dismiss(o->fallback);
	o->fallback = NULL;
	o->fallback_failed = true;
	return false;
}

/* --- the way of the recipient --- */

static enum outbound_rcpt split(struct session *s, const struct smtp_cmd *cmd)
{
	bool wait, ready;

	if (owed(s) > 0)
		return OUTBOUND_WAIT;
	ready = s->outbound->way_count < OUTBOUND_WAYS_MOST && fallback_is_ready(s, &wait);
	if (ready) {
		outbound_begin_way(s, s->outbound->hop);
		return OUTBOUND_TAKEN;
	}
	if (s->outbound->way_count < OUTBOUND_WAYS_MOST && wait)
		return OUTBOUND_WAIT;
	return outbound_refuse(s, cmd, &SMTP_SAY_SPLIT, SMTP_SAY_SPLIT.text);
}

/* What a way has said while it was parked nobody had asked for: it is no answer to what it would be told now. */
static enum outbound_rcpt open_again(struct session *s, const struct smtp_cmd *cmd, unsigned i)
{
	struct why why;

	outbound_open_way(s, i);
	if (s->leg == NULL || outbound_way_is_sound(s))
		return OUTBOUND_TAKEN;
	why_set(&why, FAULT_PEER, "the next hop hung up, or spoke unasked, while others were told their recipients");
	terminate_lost(s, &why);
	return outbound_refuse(s, cmd, &SMTP_SAY_LOST_UPSTREAM, SMTP_SAY_LOST_UPSTREAM.text);
}

/* Opens the way of o->hop. */
enum outbound_rcpt outbound_choose_way(struct session *s, const struct smtp_cmd *cmd)
{
	struct outbound *o = s->outbound;
	int i = outbound_find_way(o, o->hop);

	if (i >= 0 && i == o->way_now)
		return OUTBOUND_TAKEN;
	if (o->way_now >= 0 && outbound_is_awaited(s))
		return OUTBOUND_WAIT;
	if (i >= 0)
		return open_again(s, cmd, (unsigned)i);
	if (o->way_now >= 0 && !outbound_is_needed(outbound_way_now(s)))
		outbound_drop_way(s, (unsigned)o->way_now);
	if (o->way_count > 0)
		return split(s, cmd);
	outbound_begin_way(s, o->hop);
	return OUTBOUND_TAKEN;
}

enum outbound_rcpt outbound_rcpt(struct session *s, const struct smtp_cmd *cmd)
{
	struct outbound *o = s->outbound;
	const struct outbound_failed *failed;
	enum outbound_rcpt taken = OUTBOUND_TAKEN;

	if (o->hop == NULL)
		taken = look_up(s, cmd);
	if (taken == OUTBOUND_WAIT || o->hop == NULL)
		return taken;
	if (o->condition != NULL)
		return outbound_take_on_condition(s, cmd);
	if (o->hop->decision.refusal != POLICY_DELIVER) {
		if (owed(s) == 0)
			leg_report_refusal(s, o->hop);
		return outbound_refuse_for_policy(s, cmd, policy_answer_refusal(&o->hop->decision), o->hop->decision.because[0]);
	}
	failed = find_failed(o, o->hop);
	if (failed != NULL)
		return outbound_refuse_for_policy(s, cmd, &failed->told.answer, failed->told.text);
	taken = outbound_choose_way(s, cmd);
	if (taken == OUTBOUND_WAIT || o->hop == NULL)
		return taken;
	return outbound_say_it(s, cmd);
}

/* --- the transaction --- */

void outbound_mail(struct session *s, const struct smtp_cmd *cmd, struct span line)
{
	struct outbound *o = s->outbound;

	must(o->way_count == 0);
	buf_free(&o->mail);
	must(buf_put(&o->mail, line));
	o->requiretls = (cmd->params & SMTP_PARAM_REQUIRETLS) != 0;
}

void outbound_on_mail(struct session *s, const struct smtp_reply *reply)
{
	struct outbound_way *w = outbound_way_now(s);

	/* The transaction that it was said for may be over. */
	if (w == NULL || !w->mail_sent)
		return;
	if (reply->code / 100 == 2)
		s->txn->mail_ok = true;
	else
		must(smtp_reply_put(&w->refused, reply));
}

/* Marks the oldest RCPT that was not answered yet. */
void outbound_on_rcpt(struct session *s, bool fine)
{
	struct outbound_way *w = outbound_way_now(s);
	size_t at = 0;

	for (unsigned n = 0; n < w->rcpt_answered; n++)
		at += span_find(span_from(buf_peek(&w->rcpts), at), '\n') + 1;
	must(w->rcpts.mem[w->rcpts.head + at] == '?');
	w->rcpts.mem[w->rcpts.head + at] = fine ? '+' : '-';
	w->rcpt_answered++;
	w->rcpt_ok += fine;
}

struct span outbound_mail_refusal(const struct session *s)
{
	const struct outbound_way *w = s->outbound != NULL ? outbound_way_now(s) : NULL;

	return w != NULL ? buf_peek(&w->refused) : SPAN("");
}

bool outbound_lost(struct session *s, const struct why *why)
{
	struct outbound *o = s->outbound;
	struct outbound_way *w = o != NULL ? outbound_way_now(s) : NULL;

	if (o == NULL)
		return false;
	/* What the last transaction left is no loss for this one. */
	if (w == NULL || !w->mail_sent)
		return true;
	if (w->rcpt_ok > 0)
		return false;
	outbound_remember_failed(o, w->hop, &SMTP_SAY_LOST_UPSTREAM, SMTP_SAY_LOST_UPSTREAM.text);
	s->txn->why = *why;
	outbound_drop_way(s, (unsigned)o->way_now);
	return true;
}

void outbound_reset(struct session *s)
{
	struct outbound *o = s->outbound;

	if (o == NULL)
		return;
	outbound_leave_front(s);
	hold_free(s);
	for (unsigned i = 0; i < o->way_count; i++)
		outbound_free_way(o->ways[i]);
	o->way_count = 0;
	o->way_now = -1;
	for (unsigned i = 0; i < o->failed_count; i++)
		next_hop_release(o->failed[i].hop);
	free(o->failed);
	o->failed = NULL;
	o->failed_count = 0;
	for (unsigned i = 0; i < o->found_count; i++)
		evidence_held_release(o->found[i]);
	o->found_count = 0;
	if (o->fallback != NULL)
		pool_dismiss(o->fallback);
	o->fallback = NULL;
	o->fallback_failed = false;
}

void outbound_free(struct session *s)
{
	if (s->outbound == NULL)
		return;
	outbound_reset(s);
	buf_free(&s->outbound->mail);
	free(s->outbound);
	s->outbound = NULL;
}

/* --- waiting --- */

msec outbound_deadline(const struct session *s)
{
	const struct outbound *o = s->outbound;
	msec at = MSEC_NEVER;

	if (o == NULL)
		return at;
	if (o->ask.id != 0)
		at = o->ask.until;
	if (o->fallback != NULL && leg_deadline(o->fallback) < at)
		at = leg_deadline(o->fallback);
	return hold_deadline(s) < at ? hold_deadline(s) : at;
}

void outbound_tick(struct session *s)
{
	struct outbound *o = s->outbound;
	struct why why;

	if (o == NULL)
		return;
	if (o->ask.id != 0 && s->edge->now >= o->ask.until)
		edge_route_late(s->edge, &o->ask);
	if (o->fallback != NULL && s->edge->now >= leg_deadline(o->fallback))
		leg_timeout(o->fallback);
	if (s->edge->now >= hold_deadline(s)) {
		why_set(&why, FAULT_PEER, "the client does not read our replies");
		session_end(s, OUTCOME_CLIENT_TIMEOUT, &why);
	}
}

bool outbound_step(struct session *s)
{
	struct leg *l = s->outbound != NULL ? s->outbound->fallback : NULL;
	bool moved;

	if (l == NULL)
		return false;
	moved = leg_fill(l);
	if (l->state != LEG_READY)
		moved |= leg_step(l);
	return leg_flush(l) || moved;
}
