#include "edge/mode_terminate.h"

#include "base/must.h"
#include "edge/outbound.h"
#include "edge/pool.h"

#include <stdio.h>

static struct smtp_reply *reply_of(struct session *s)
{
	return &s->leg->reader.reply;
}

static void relay(struct session *s)
{
	must(smtp_reply_put(&s->client.out, reply_of(s)));
}

static void remember(struct session *s)
{
	if (s->txn != NULL)
		smtp_reply_brief(reply_of(s), s->txn->reply, sizeof(s->txn->reply));
}

/* --- the upstream is lost --- */

/* The chunk that is being read is answered when it has been read; all others now. One whose octets the
 * upstream gets no more of (terminate_stop) is none of those that it owes a reply to. */
static bool chunk_is_open(const struct session *s)
{
	return s->phase == PHASE_BODY && s->txn->out == TXN_OUT_BDAT && s->leg->await_count == 1;
}

/* The message was whole and the upstream has it, or has not: nobody knows (RFC 1047). It
 * is not tried again here; the client's own retry may double it. */
static void lose_final(struct session *s, const struct why *why)
{
	struct txn *t = s->txn;
	bool doubt = t->dot_sent && s->leg->all_left;

	t->why = *why;
	if (doubt)
		edge_count(s->edge, COUNT_IN_DOUBT, 1);
	if (chunk_is_open(s)) {
		txn_judge(t, TXN_LOST, &SMTP_SAY_LOST_UPSTREAM);
		return;
	}
	session_say(s, &SMTP_SAY_LOST_UPSTREAM);
	session_end_txn(s, doubt ? TXN_IN_DOUBT : TXN_LOST);
	session_enter(s, PHASE_COMMAND);
}

static void lose(struct session *s, enum await what, const struct why *why)
{
	switch (what) {
	case AWAIT_AUTH:
		session_say(s, &SMTP_SAY_LOST_UPSTREAM);
		break;
	case AWAIT_MAIL:
		s->txn->mail_failed = true;
		session_say(s, &SMTP_SAY_LOST_UPSTREAM);
		break;
	case AWAIT_OUR_MAIL:
		break;
	case AWAIT_RCPT:
		smtp_server_rcpt_refused(&s->server);
		if (s->outbound != NULL)
			outbound_on_rcpt(s, false);
		session_say(s, &SMTP_SAY_LOST_UPSTREAM);
		break;
	case AWAIT_DATA:
		s->txn->out = TXN_OUT_NONE;
		session_say(s, &SMTP_SAY_LOST_UPSTREAM);
		break;
	case AWAIT_CHUNK_DATA:
		txn_judge(s->txn, TXN_LOST, &SMTP_SAY_LOST_UPSTREAM);
		break;
	case AWAIT_CHUNK:
		if (chunk_is_open(s))
			txn_judge(s->txn, TXN_LOST, &SMTP_SAY_LOST_UPSTREAM);
		else
			session_say(s, &SMTP_SAY_LOST_UPSTREAM);
		break;
	case AWAIT_FINAL:
		lose_final(s, why);
		break;
	case AWAIT_RSET:
		break;
	}
}

/* A server that hangs up as soon as it is ready is not called again and again by the command that waits for it. */
static bool was_never_used(const struct session *s)
{
	/* With commands owed an answer it was used, whether or not they could be said again. */
	return s->leg->await_count == 0 && (s->command_waits && !s->leg->used && s->leg->reused == 0);
}

void terminate_lost(struct session *s, const struct why *why)
{
	struct leg *l = s->leg;
	bool body;

	if (was_never_used(s)) {
		leg_unreachable(l, why);
		return;
	}
	while (l->await_count > 0) {
		enum await what = leg_awaited(l);

		lose(s, what, why);
		leg_answered(l);
	}
	leg_abort(l);
	if (s->txn == NULL || outbound_lost(s, why))
		return;
	s->txn->why = *why;
	body = s->txn->go && s->txn->out != TXN_OUT_NONE;
	txn_conclude(s->txn, TXN_LOST);
	if (body)
		txn_judge(s->txn, TXN_LOST, &SMTP_SAY_LOST_UPSTREAM);
	else
		s->txn->lost = true;
}

void terminate_reset_upstream(struct session *s)
{
	struct leg *l = s->leg;
	size_t mark;

	if (l == NULL || l->state != LEG_READY || !l->transaction)
		return;
	/* Part of a message is there: only the end of the connection makes sure that it is
	 * never taken for a whole one. */
	if (s->txn != NULL && (s->txn->out != TXN_OUT_NONE || s->txn->doomed)) {
		leg_abort(l);
		return;
	}
	mark = buf_used(&l->stream.out);
	if (!leg_can_await(l) || !buf_put(&l->stream.out, SPAN("RSET\r\n"))) {
		leg_abort(l);
		return;
	}
	leg_sent(l, mark, AWAIT_RSET);
	l->transaction = false;
}

/* --- replies --- */

static bool is_refusal(int code)
{
	return code >= 400 && code <= 599;
}

static bool is_fine(int code)
{
	return code >= 200 && code <= 299;
}

static bool in_body(const struct session *s)
{
	return s->txn != NULL && s->txn->out != TXN_OUT_NONE && s->txn->go;
}

/* A reply to the message before the message is whole (FAULTS 7). A refusal stops the
 * body and is handed on when the client has sent its last; anything else is nonsense. */
static void early(struct session *s)
{
	struct why why;

	if (!is_refusal(reply_of(s)->code)) {
		why_set(&why, FAULT_PEER, "reply %d to a message that was not whole",
			reply_of(s)->code);
		terminate_lost(s, &why);
		return;
	}
	remember(s);
	/* In mode outbound that host's connection ends, and not the client's (close_one_way). */
	if (s->outbound != NULL && reply_of(s)->code == 421)
		reply_of(s)->code = 451;
	txn_judge_theirs(s->txn, TXN_REFUSED_EARLY, reply_of(s));
	leg_abort(s->leg);
	if (s->phase == PHASE_FINAL)
		terminate_verdict(s);
}

static void on_auth(struct session *s)
{
	s->sasl_line = reply_of(s)->code == 334;
	s->server.auth = is_fine(reply_of(s)->code);
	relay(s);
}

static void on_mail(struct session *s)
{
	s->txn->mail_ok = is_fine(reply_of(s)->code);
	s->txn->mail_failed = !s->txn->mail_ok;
	relay(s);
}

/* Where our MAIL was refused, that is what the recipient's refusal is about. */
static void on_rcpt(struct session *s)
{
	bool fine = is_fine(reply_of(s)->code);
	struct span refused = outbound_mail_refusal(s);

	if (fine && refused.len == 0)
		s->txn->rcpt_ok++;
	else
		smtp_server_rcpt_refused(&s->server);
	if (s->outbound != NULL)
		outbound_on_rcpt(s, fine && refused.len == 0);
	if (refused.len > 0)
		must(buf_put(&s->client.out, refused));
	else
		relay(s);
}

/* An upstream that wants a message without having accepted a recipient gets none, and the
 * client is not asked for one. */
static void no_recipients(struct session *s)
{
	bool chunked = s->txn->chunked;

	leg_abort(s->leg);
	if (chunked) {
		txn_judge(s->txn, TXN_NO_RECIPIENTS, &SMTP_SAY_NO_RECIPIENTS);
		return;
	}
	session_say(s, &SMTP_SAY_NO_RECIPIENTS);
	session_end_txn(s, TXN_NO_RECIPIENTS);
}

static void on_data(struct session *s, enum await what)
{
	struct txn *t = s->txn;

	if (reply_of(s)->code == 354 && (!t->mail_ok || t->rcpt_ok == 0)) {
		no_recipients(s);
	} else if (reply_of(s)->code == 354) {
		t->go = true;
		if (what == AWAIT_DATA)
			relay(s);
		terminate_begin_body(s);
	} else if (what == AWAIT_DATA) {
		t->out = TXN_OUT_NONE;
		relay(s);
	} else {
		t->out = TXN_OUT_NONE;
		txn_judge_theirs(t, TXN_REFUSED, reply_of(s));
	}
}

static void on_final(struct session *s)
{
	bool delivered = is_fine(reply_of(s)->code);

	if (delivered) {
		edge_count(s->edge, COUNT_MESSAGES, 1);
		s->messages++;
	}
	relay(s);
	s->leg->transaction = false;
	session_end_txn(s, delivered ? TXN_DELIVERED : TXN_REFUSED);
	session_enter(s, PHASE_COMMAND);
	/* Until this client's next message the connection may serve another's. */
	if (pool_put(s->leg))
		s->leg = NULL;
}

/* After a refusal the client's next chunks go nowhere. The upstream may have been told of one already, and would
 * wait for the rest of it. */
static void on_chunk(struct session *s)
{
	relay(s);
	if (is_fine(reply_of(s)->code))
		return;
	txn_judge_theirs(s->txn, TXN_REFUSED, reply_of(s));
	if (s->phase == PHASE_BODY && s->txn->chunk_left > 0)
		terminate_stop(s, true);
}

/* A server that goes on with the transaction before has understood nothing that was said since. */
static void on_rset(struct session *s)
{
	struct why why;

	if (is_fine(reply_of(s)->code))
		return;
	why_set(&why, FAULT_PEER, "reply %d to RSET", reply_of(s)->code);
	terminate_lost(s, &why);
}

static bool makes_sense(enum await what, int code)
{
	if (what == AWAIT_DATA || what == AWAIT_CHUNK_DATA)
		return code == 354 || is_refusal(code);
	if (what == AWAIT_AUTH && code == 334)
		return true;
	return is_fine(code) || is_refusal(code);
}

/* The final reply counts only where the whole message had left before it came, that to a
 * chunk only where the client has sent all of it. */
static bool is_early(const struct session *s, enum await what)
{
	if (what == AWAIT_CHUNK)
		return chunk_is_open(s);
	return what == AWAIT_FINAL && (!s->txn->dot_sent || !s->leg->all_left);
}

static void dispatch(struct session *s, enum await what)
{
	switch (what) {
	case AWAIT_AUTH:
		on_auth(s);
		break;
	case AWAIT_MAIL:
		on_mail(s);
		break;
	case AWAIT_OUR_MAIL:
		outbound_on_mail(s, reply_of(s));
		break;
	case AWAIT_RCPT:
		on_rcpt(s);
		break;
	case AWAIT_DATA:
	case AWAIT_CHUNK_DATA:
		on_data(s, what);
		break;
	case AWAIT_CHUNK:
		on_chunk(s);
		break;
	case AWAIT_FINAL:
		on_final(s);
		break;
	case AWAIT_RSET:
		on_rset(s);
		break;
	}
}

static void nonsense(struct session *s, enum await what)
{
	struct why why;

	why_set(&why, FAULT_PEER, "reply %d makes no sense %s", reply_of(s)->code,
		what == AWAIT_DATA || what == AWAIT_CHUNK_DATA ? "to DATA" : "here");
	terminate_lost(s, &why);
}

/* Other recipients' hosts have nothing to do with it: to the client it is a refusal like others, and temporary. */
static void close_one_way(struct session *s, enum await what)
{
	struct why why;

	why_set(&why, FAULT_PEER, "the next hop said 421");
	reply_of(s)->code = 451;
	leg_settle(s->leg);
	s->leg->closing = true;
	leg_answered(s->leg);
	dispatch(s, what);
	if (s->leg != NULL && s->leg->closing)
		terminate_lost(s, &why);
}

/* 421 to a command ends the upstream's connection, and so ours: the client is told in the
 * upstream's words and will come again. */
static void closing_reply(struct session *s, enum await what)
{
	if (what == AWAIT_RSET) {
		on_rset(s);
		return;
	}
	if (s->outbound != NULL) {
		close_one_way(s, what);
		return;
	}
	relay(s);
	why_set(&s->why, FAULT_PEER, "the upstream said 421");
	if (s->txn != NULL)
		txn_conclude(s->txn, TXN_REFUSED);
	leg_abort(s->leg);
	session_finish(s, OUTCOME_UPSTREAM_421, NULL);
}

static void answered(struct session *s)
{
	enum await what = leg_awaited(s->leg);
	int code = reply_of(s)->code;

	if (!makes_sense(what, code)) {
		nonsense(s, what);
		return;
	}
	if (is_early(s, what)) {
		early(s);
		return;
	}
	/* Of what went well only the last word is worth a place in the log. */
	if (is_refusal(code) || what == AWAIT_FINAL)
		remember(s);
	if (code == 421 && (what != AWAIT_CHUNK_DATA || s->outbound != NULL)) {
		closing_reply(s, what);
		return;
	}
	/* First the books, then the deed: what follows may let go of the leg. */
	leg_answered(s->leg);
	dispatch(s, what);
	if (s->txn != NULL && s->txn->doomed && s->leg != NULL && s->leg->await_count == 0)
		leg_abort(s->leg);
}

static void unasked(struct session *s)
{
	struct why why;

	if (in_body(s)) {
		early(s);
		return;
	}
	/* Between commands a server says 421 before it hangs up; either way this
	 * connection is of no more use. */
	why_set(&why, FAULT_PEER, "the upstream said %d unasked", reply_of(s)->code);
	terminate_lost(s, &why);
}

static void say_again(struct session *s, const char *what)
{
	struct log_line line;

	log_begin(&line, "upstream-again");
	log_text(&line, "sid", s->sid);
	log_text(&line, "why", what);
	log_end(&line);
	s->leg = leg_again(s->leg);
}

bool terminate_replay(struct session *s)
{
	struct leg *l = s->leg;
	struct why why;

	if (l == NULL || !l->replaying)
		return false;
	if (l->state == LEG_FAILED) {
		l->replaying = false;
		why = l->why;
		terminate_lost(s, &why);
		return true;
	}
	if (l->state != LEG_READY)
		return false;
	if (leg_replay(l))
		return true;
	why_set(&why, FAULT_PEER, "another connection to the upstream does not offer what this one did");
	terminate_lost(s, &why);
	return true;
}

static bool ended(struct session *s)
{
	struct why why = s->leg->stream.why;

	if (s->leg->stream.end == STREAM_OPEN)
		return false;
	if (s->leg->kept && s->leg->await_count > 0) {
		say_again(s, "the connection that was kept is dead");
		return true;
	}
	if (s->leg->stream.end == STREAM_CLOSED)
		why_set(&why, FAULT_PEER, "the upstream closed the connection");
	terminate_lost(s, &why);
	return true;
}

static bool one_reply(struct session *s)
{
	struct leg *l = s->leg;
	struct why why;

	if (l == NULL || l->state != LEG_READY || s->phase == PHASE_CLOSING ||
	    buf_space(&s->client.out) < TERMINATE_REPLY_ROOM)
		return false;
	switch (smtp_reply_next(&l->reader, &l->stream.in, &why)) {
	case SMTP_REPLY_MORE:
		return ended(s);
	case SMTP_REPLY_BAD:
		terminate_lost(s, &why);
		return true;
	case SMTP_REPLY_WHOLE:
		break;
	}
	if (l->kept && l->await_count > 0 && reply_of(s)->code == 421) {
		say_again(s, "the upstream closes the connection that was kept");
		return true;
	}
	leg_settle(l);
	if (l->await_count == 0)
		unasked(s);
	else
		answered(s);
	return true;
}

bool terminate_replies(struct session *s)
{
	bool moved = false;

	while (one_reply(s))
		moved = true;
	return moved;
}
