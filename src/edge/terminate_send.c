/* Commands that go on to the upstream: MAIL, RCPT, DATA, BDAT, AUTH. In mode outbound the recipient comes first (outbound.c). */
#include "edge/mode_terminate.h"

#include "base/must.h"
#include "edge/edge_route.h"
#include "edge/hold.h"
#include "edge/outbound.h"
#include "edge/partner.h"

static unsigned owed(const struct session *s)
{
	return s->leg != NULL ? s->leg->owed : 0;
}

static bool is_outbound(const struct session *s)
{
	return s->outbound != NULL;
}

static enum txn_outcome leg_failure(const struct leg *l)
{
	return l->refusal == &SMTP_SAY_NO_UPSTREAM ? TXN_NO_UPSTREAM : TXN_TLS_POLICY;
}

/* In policy's case the client learns what is wrong; who could not be reached, and why, is
 * for the log alone. */
static void say_failure(struct session *s, const struct leg *l)
{
	if (l->refusal == &SMTP_SAY_NO_UPSTREAM)
		session_say(s, l->refusal);
	else
		session_say_text(s, partner_leg_refusal(s), l->why.text);
}

/* A command may go to the upstream now: at once where it pipelines, else one at a time. */
static bool may_send(const struct leg *l)
{
	bool room = leg_can_await(l) && buf_space(&l->stream.out) >= 2 * SMTP_LINE_MOST;

	return room && (l->await_count == 0 || (l->client.caps.have & SMTP_CAP_PIPELINING) != 0);
}

/* The upstream can't carry this transaction: answered, logged, over. */
static void fail_mail(struct session *s, const struct smtp_cmd *cmd, enum txn_outcome outcome,
		      const struct why *why)
{
	s->txn = txn_new(++s->txns, s->edge->now);
	(void)!buf_put(&s->txn->from, cmd->path.text);
	if (why != NULL)
		s->txn->why = *why;
	session_end_txn(s, outcome);
}

/* Our own answer: who the next hop is, the recipients will tell. */
static enum terminate_taken do_outbound_mail(struct session *s, const struct smtp_cmd *cmd, struct span line)
{
	partner_begin(s);
	outbound_mail(s, cmd, line);
	s->txn = txn_new(++s->txns, s->edge->now);
	(void)!buf_put(&s->txn->from, cmd->path.text);
	smtp_server_mail(&s->server, cmd);
	session_say(s, &SMTP_SAY_MAIL_OK);
	return TERMINATE_TAKEN;
}

enum terminate_taken terminate_mail(struct session *s, const struct smtp_cmd *cmd, struct span line)
{
	struct leg *l;
	size_t mark;

	if (!edge_route_knows_rules(s->edge)) {
		session_say(s, &SMTP_SAY_POLICY);
		fail_mail(s, cmd, TXN_NO_RULES, NULL);
		return TERMINATE_TAKEN;
	}
	if (is_outbound(s))
		return do_outbound_mail(s, cmd, line);
	switch (terminate_want_leg(s, buf_peek(&s->server.helo))) {
	case LEG_READY:
		break;
	case LEG_FAILED:
		say_failure(s, s->leg);
		fail_mail(s, cmd, leg_failure(s->leg), &s->leg->why);
		terminate_let_go(s);
		return TERMINATE_TAKEN;
	default:
		return TERMINATE_WAIT;
	}
	l = s->leg;
	if (!smtp_client_can_mail(&l->client.caps, cmd)) {
		session_say(s, &SMTP_SAY_CAPS_LOST);
		fail_mail(s, cmd, TXN_CAPS_LOST, NULL);
		return TERMINATE_TAKEN;
	}
	if (!may_send(l))
		return TERMINATE_WAIT;
	mark = buf_used(&l->stream.out);
	must(smtp_client_put_mail(&l->stream.out, &l->client.caps, cmd));
	leg_sent(l, mark, AWAIT_MAIL);
	l->transaction = true;
	partner_begin(s);
	s->txn = txn_new(++s->txns, s->edge->now);
	s->txn->binary = cmd->body == SMTP_BODY_BINARYMIME;
	(void)!buf_put(&s->txn->from, cmd->path.text);
	smtp_server_mail(&s->server, cmd);
	return TERMINATE_TAKEN;
}

/* Sent on as it is, opaque to us but for the name (SPEC MC-9). */
enum terminate_taken terminate_send_sasl(struct session *s, const char *lead, struct span text)
{
	struct leg *l = s->leg;
	size_t mark;

	if (l == NULL || l->state != LEG_READY) {
		s->sasl_line = false;
		session_say(s, &SMTP_SAY_LOST_UPSTREAM);
		return TERMINATE_TAKEN;
	}
	if (!may_send(l) || buf_space(&l->stream.out) < text.len + SMTP_LINE_MOST)
		return TERMINATE_WAIT;
	mark = buf_used(&l->stream.out);
	must(buf_printf(&l->stream.out, "%s", lead) && buf_put(&l->stream.out, text) &&
	     buf_put(&l->stream.out, SPAN("\r\n")));
	leg_sent(l, mark, AWAIT_AUTH);
	s->sasl_line = false;
	return TERMINATE_TAKEN;
}

enum terminate_taken terminate_auth(struct session *s, const struct smtp_cmd *cmd)
{
	enum terminate_taken taken = terminate_send_sasl(s, "AUTH ", cmd->arg);

	if (taken != TERMINATE_TAKEN)
		return taken;
	if (s->sasl == NULL)
		s->sasl = mem_new(sizeof(*s->sasl));
	smtp_sasl_begin(s->sasl, cmd->arg);
	return taken;
}

/* What is no base64 cancels the exchange: the server's word on that is the client's answer. */
enum terminate_taken terminate_sasl_line(struct session *s, struct span line)
{
	bool fine = smtp_sasl_line_ok(line);
	enum terminate_taken taken = terminate_send_sasl(s, "", fine ? line : SPAN("*"));

	if (taken == TERMINATE_TAKEN && fine)
		smtp_sasl_line(s->sasl, line);
	return taken;
}

static bool txn_is_lost(const struct session *s)
{
	return s->txn != NULL && (s->txn->lost || s->leg == NULL || s->leg->state != LEG_READY);
}

enum terminate_taken terminate_rcpt(struct session *s, const struct smtp_cmd *cmd)
{
	const struct smtp_answer *refusal;
	struct tls_need need;
	struct why why;
	struct leg *l = s->leg;
	size_t mark;

	if (is_outbound(s) ? s->txn->lost : txn_is_lost(s)) {
		session_say(s, &SMTP_SAY_LOST_UPSTREAM);
		return TERMINATE_TAKEN;
	}
	if (s->server.rcpts >= s->service->conf->max_recipients) {
		if (owed(s) > 0)
			return TERMINATE_WAIT;
		session_say(s, &SMTP_SAY_TOO_MANY_RCPT);
		return TERMINATE_TAKEN;
	}
	if (partner_wants_client_tls(s, cmd->path.text)) {
		if (owed(s) > 0)
			return TERMINATE_WAIT;
		session_say(s, &SMTP_SAY_TLS_FIRST);
		return TERMINATE_TAKEN;
	}
	if (is_outbound(s))
		return outbound_rcpt(s, cmd) == OUTBOUND_TAKEN ? TERMINATE_TAKEN : TERMINATE_WAIT;
	refusal = partner_refusal(s, cmd->path.text, &need, &why);
	if (refusal != NULL) {
		if (owed(s) > 0)
			return TERMINATE_WAIT;
		session_say_text(s, refusal, why.text);
		return TERMINATE_TAKEN;
	}
	if (!smtp_client_can_rcpt(&l->client.caps, cmd)) {
		if (owed(s) > 0)
			return TERMINATE_WAIT;
		session_say(s, &SMTP_SAY_CAPS_LOST);
		return TERMINATE_TAKEN;
	}
	if (!may_send(l))
		return TERMINATE_WAIT;
	mark = buf_used(&l->stream.out);
	must(smtp_client_put_rcpt(&l->stream.out, &l->client.caps, cmd));
	leg_promise(l, &need);
	partner_report(s, cmd->path.text);
	leg_sent(l, mark, AWAIT_RCPT);
	txn_log_rcpt(s->txn, cmd->path.text);
	smtp_server_rcpt(&s->server);
	return TERMINATE_TAKEN;
}

/* 354 is our own word: the hosts are asked for theirs when the message is whole. */
static enum terminate_taken hold_data(struct session *s)
{
	if (!hold_begin(s)) {
		session_say(s, &SMTP_SAY_NO_ROOM);
		return TERMINATE_TAKEN;
	}
	s->txn->out = TXN_OUT_HOLD;
	s->txn->go = true;
	session_say(s, &SMTP_SAY_DATA_GO);
	terminate_begin_body(s);
	return TERMINATE_TAKEN;
}

enum terminate_taken terminate_data(struct session *s)
{
	struct leg *l;
	size_t mark;

	if (!outbound_settle(s))
		return TERMINATE_WAIT;
	l = s->leg;
	if (!s->txn->lost && outbound_is_split(s))
		return hold_data(s);
	if (txn_is_lost(s)) {
		session_say(s, &SMTP_SAY_LOST_UPSTREAM);
		session_end_txn(s, TXN_LOST);
		return TERMINATE_TAKEN;
	}
	if (!may_send(l))
		return TERMINATE_WAIT;
	mark = buf_used(&l->stream.out);
	must(buf_put(&l->stream.out, SPAN("DATA\r\n")));
	leg_sent(l, mark, AWAIT_DATA);
	s->txn->out = TXN_OUT_DATA;
	return TERMINATE_TAKEN;
}

/* A message that goes several ways is held from now on; where it can't be, that is the verdict. */
static void hold_chunks(struct session *s)
{
	struct txn *t = s->txn;

	if (t->lost || txn_has_verdict(t) || t->out != TXN_OUT_NONE || !outbound_is_split(s))
		return;
	if (!hold_begin(s)) {
		txn_judge(t, TXN_CUT_OFF, &SMTP_SAY_NO_ROOM);
		return;
	}
	t->body_began = s->edge->now;
	t->received_due = true;
	t->out = TXN_OUT_HOLD;
	t->go = true;
}

enum terminate_taken terminate_bdat(struct session *s, const struct smtp_cmd *cmd)
{
	if (!hold_is_there(s) && !outbound_settle(s))
		return TERMINATE_WAIT;
	hold_chunks(s);
	if (hold_is_there(s))
		return terminate_begin_chunk(s, cmd) ? TERMINATE_TAKEN : TERMINATE_WAIT;
	if (txn_is_lost(s) && !txn_has_verdict(s->txn))
		txn_judge(s->txn, TXN_LOST, &SMTP_SAY_LOST_UPSTREAM);
	return terminate_begin_chunk(s, cmd) ? TERMINATE_TAKEN : TERMINATE_WAIT;
}
