/* A recipient whose way is open: the leg, MAIL before its first recipient, RCPT. */
#include "edge/outbound_inside.h"

#include "base/must.h"
#include "edge/pool.h"

#include <stdio.h>

static unsigned owed(const struct session *s)
{
	return s->leg != NULL ? s->leg->owed : 0;
}

static enum outbound_rcpt way_failed(struct session *s, const struct smtp_cmd *cmd, const struct smtp_answer *a,
				     const char *text)
{
	struct outbound *o = s->outbound;
	/* refuse_for_policy may lead another way. */
	struct outbound_condition told = { .answer = *a };

	if (owed(s) > 0)
		return OUTBOUND_WAIT;
	snprintf(told.text, sizeof(told.text), "%s", text);
	outbound_remember_failed(o, o->hop, a, told.text);
	outbound_drop_way(s, (unsigned)o->way_now);
	return outbound_refuse_for_policy(s, cmd, &told.answer, told.text);
}

/* The leg that the last transaction left, where it is the right one. */
static bool leg_serves(const struct session *s)
{
	const struct leg *l = s->leg;

	return l->hop != NULL && next_hop_is_same(l->hop, s->outbound->hop) &&
	       (l->state != LEG_READY || l->stream.end == STREAM_OPEN) && l->state != LEG_CLOSED && l->state != LEG_BYE;
}

static enum outbound_rcpt want_leg(struct session *s, const struct smtp_cmd *cmd)
{
	struct upstream *up = &s->edge->upstreams[s->service->next_hop->index];

	/* What is still to be said to the last transaction must not be taken for an answer to this one. */
	if (outbound_is_awaited(s))
		return OUTBOUND_WAIT;
	if (s->leg != NULL && !leg_serves(s)) {
		pool_dismiss(s->leg);
		s->leg = NULL;
	}
	if (s->leg == NULL)
		s->leg = pool_take_hop(s, up, s->outbound->hop);
	if (s->leg == NULL)
		s->leg = leg_new_hop(s, up, s->outbound->hop);
	leg_serve_hop(s->leg, s->outbound->hop);
	if (s->leg->state == LEG_READY)
		return OUTBOUND_TAKEN;
	if (s->leg->state != LEG_FAILED)
		return OUTBOUND_WAIT;
	return way_failed(s, cmd, leg_refusal(s->leg),
			  s->leg->refusal == &SMTP_SAY_NO_UPSTREAM ? SMTP_SAY_NO_UPSTREAM.text : s->leg->why.text);
}

/* A command may go to the next hop now: at once where it pipelines, else one at a time. */
static bool may_send(const struct leg *l)
{
	bool room = leg_can_await(l) && buf_space(&l->stream.out) >= 2 * SMTP_LINE_MOST;

	return room && (l->await_count == 0 || (l->client.caps.have & SMTP_CAP_PIPELINING) != 0);
}

/* What the message needs and this host does not have it never will: the sender has to send it otherwise. */
static const struct smtp_answer *caps_refusal(const struct leg *l, const struct smtp_cmd *mail)
{
	if (smtp_client_can_mail(&l->client.caps, mail))
		return NULL;
	return (mail->params & SMTP_PARAM_SMTPUTF8) != 0 && (l->client.caps.have & SMTP_CAP_SMTPUTF8) == 0 ?
	       &SMTP_SAY_NEXT_HOP_UTF8 : &SMTP_SAY_NEXT_HOP_8BIT;
}

static enum outbound_rcpt send_mail(struct session *s, const struct smtp_cmd *cmd)
{
	const struct smtp_answer *refusal;
	struct leg *l = s->leg;
	struct smtp_cmd mail;
	size_t mark;

	must(smtp_cmd_read(buf_peek(&s->outbound->mail), &mail) == NULL);
	refusal = caps_refusal(l, &mail);
	if (refusal != NULL)
		return way_failed(s, cmd, refusal, refusal->text);
	if (!may_send(l))
		return OUTBOUND_WAIT;
	mark = buf_used(&l->stream.out);
	must(smtp_client_put_mail(&l->stream.out, &l->client.caps, &mail));
	leg_sent(l, mark, AWAIT_OUR_MAIL);
	l->transaction = true;
	outbound_way_now(s)->mail_sent = true;
	return OUTBOUND_TAKEN;
}

static enum outbound_rcpt send_rcpt(struct session *s, const struct smtp_cmd *cmd)
{
	struct outbound_way *w = outbound_way_now(s);
	struct leg *l = s->leg;
	size_t mark;

	if (!smtp_client_can_rcpt(&l->client.caps, cmd))
		return outbound_refuse(s, cmd, &SMTP_SAY_NEXT_HOP_UTF8, SMTP_SAY_NEXT_HOP_UTF8.text);
	if (buf_space(&w->rcpts) < 2 * SMTP_LINE_MOST)
		return outbound_refuse(s, cmd, &SMTP_SAY_TOO_MANY_RCPT, SMTP_SAY_TOO_MANY_RCPT.text);
	if (!may_send(l))
		return OUTBOUND_WAIT;
	mark = buf_used(&l->stream.out);
	must(smtp_client_put_rcpt(&l->stream.out, &l->client.caps, cmd));
	must(buf_put(&w->rcpts, SPAN("?")) &&
	     buf_put(&w->rcpts, span_from(buf_peek(&l->stream.out), mark)));
	w->rcpt_sent++;
	leg_sent(l, mark, AWAIT_RCPT);
	txn_log_rcpt(s->txn, cmd->path.text);
	smtp_server_rcpt(&s->server);
	outbound_leave_front(s);
	return OUTBOUND_TAKEN;
}

/* What the next hop said to MAIL is what each of its recipients is told. */
static enum outbound_rcpt tell_refusal_of_mail(struct session *s)
{
	if (owed(s) > 0)
		return OUTBOUND_WAIT;
	must(buf_put(&s->client.out, buf_peek(&outbound_way_now(s)->refused)));
	outbound_leave_front(s);
	return OUTBOUND_TAKEN;
}

enum outbound_rcpt outbound_say_it(struct session *s, const struct smtp_cmd *cmd)
{
	struct outbound_way *w = outbound_way_now(s);

	if (w->mail_sent && (s->leg == NULL || s->leg->state != LEG_READY))
		return outbound_refuse(s, cmd, &SMTP_SAY_LOST_UPSTREAM, SMTP_SAY_LOST_UPSTREAM.text);
	if (!w->mail_sent) {
		enum outbound_rcpt taken = want_leg(s, cmd);

		/* It may have been answered, and then there is nothing left at the front. */
		if (taken == OUTBOUND_WAIT || s->outbound->hop == NULL)
			return taken;
		taken = send_mail(s, cmd);
		if (taken == OUTBOUND_WAIT || s->outbound->hop == NULL)
			return taken;
	}
	if (buf_used(&w->refused) > 0)
		return tell_refusal_of_mail(s);
	return send_rcpt(s, cmd);
}
