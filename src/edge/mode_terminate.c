#include "edge/mode_terminate.h"

#include "base/must.h"
#include "edge/edge_route.h"
#include "edge/hold.h"
#include "edge/outbound.h"
#include "edge/partner.h"
#include "edge/pool.h"
#include "edge/transparent.h"

static unsigned owed(const struct session *s)
{
	return s->leg != NULL ? s->leg->owed : 0;
}

/* --- the leg --- */

/* TLS state is never shared across needs (law 7): a leg made under another one serves on only where what
 * it has meets this one too. */
static bool leg_is_usable(struct session *s)
{
	struct tls_need need = partner_first_need(s, s->server.tls);
	struct tls_facts facts;
	struct why why;

	if (s->leg == NULL || s->leg->state == LEG_BYE || s->leg->state == LEG_CLOSED)
		return false;
	if (s->leg->need.level == need.level && s->leg->need.min_bits == need.min_bits)
		return true;
	if (s->target.len == 0 || s->leg->state != LEG_READY)
		return s->target.len > 0 && s->leg->state != LEG_FAILED;
	leg_facts(s->leg, &facts);
	return need_met(&need, &facts, &why);
}

void terminate_let_go(struct session *s)
{
	leg_free(s->leg);
	s->leg = NULL;
}

/* Sees to it that there is a leg, on its way at least. `name`: what the client calls itself. */
enum leg_state terminate_want_leg(struct session *s, struct span name)
{
	struct tls_need need;

	if (!leg_is_usable(s)) {
		terminate_let_go(s);
		need = partner_first_need(s, s->server.tls);
		s->leg = pool_take(s, s->up, &need);
		if (s->leg == NULL)
			s->leg = leg_new(s, s->up, need);
	}
	if (s->target.len > 0 && s->leg->state != LEG_READY)
		leg_name(s->leg, name);
	return s->leg->state;
}

static bool is_transparent(const struct session *s)
{
	return s->target.len > 0;
}

static bool is_outbound(const struct session *s)
{
	return s->outbound != NULL;
}

/* --- commands that we answer --- */

/* One more; true where that has ended the session. */
static bool too_many_errors(struct session *s)
{
	s->server.errors++;
	if (s->server.errors <= s->service->conf->max_errors)
		return false;
	why_set(&s->why, FAULT_PEER, "%u commands were refused", s->server.errors);
	session_finish(s, OUTCOME_TOO_MANY_ERRORS, &SMTP_SAY_TOO_MANY_ERRORS);
	return true;
}

static enum terminate_taken refuse(struct session *s, const struct smtp_answer *a)
{
	if (too_many_errors(s))
		return TERMINATE_ENDED;
	session_say(s, a);
	return TERMINATE_TAKEN;
}

/* Nothing is known of the upstream, so there is nothing that could honestly be offered. */
static enum terminate_taken no_service(struct session *s)
{
	const struct leg *l = s->leg;
	struct smtp_answer a = *partner_leg_refusal(s);

	/* Nobody's mail will do: RFC 5321 section 4.3.2 has 550 for this, and 421 would be tried again for days. */
	if (a.code >= 500) {
		if (too_many_errors(s))
			return TERMINATE_ENDED;
		session_say_text(s, &a, l->why.text);
		return TERMINATE_TAKEN;
	}
	s->why = l->why;
	if (l->refusal == &SMTP_SAY_NO_UPSTREAM) {
		session_finish(s, OUTCOME_NO_UPSTREAM, &SMTP_SAY_NO_SERVICE);
		return TERMINATE_ENDED;
	}
	a.code = SMTP_SAY_NO_SERVICE.code;
	session_say_text(s, &a, l->why.text);
	session_finish(s, OUTCOME_NO_UPSTREAM, NULL);
	return TERMINATE_ENDED;
}

static bool leg_has_failed(const struct session *s)
{
	return s->leg != NULL && s->leg->state == LEG_FAILED;
}

static bool leg_is_coming(const struct session *s)
{
	return s->leg != NULL && (s->leg->state == LEG_CONNECT || s->leg->state == LEG_HELLO ||
				  s->leg->state == LEG_TLS || s->leg->state == LEG_CHECK);
}

/* The EHLO reply needs the upstream's own, from memory where that is fresh. Once this session
 * has gone to ask for it, it waits for its own answer: what another one learns meanwhile
 * would wake nobody here. */
static enum terminate_taken do_ehlo(struct session *s, const struct smtp_cmd *cmd)
{
	struct upstream *up = s->up;

	if (!s->esmtp)
		return refuse(s, &SMTP_SAY_NOT_OFFERED);
	if (!is_outbound(s) && (is_transparent(s) || leg_is_coming(s) || leg_has_failed(s) ||
				!upstream_is_fresh(up, s->edge->now))) {
		switch (terminate_want_leg(s, cmd->arg)) {
		case LEG_READY:
			break;
		case LEG_FAILED:
			if (is_transparent(s) || !up->known)
				return no_service(s);
			terminate_let_go(s);
			break;
		default:
			return TERMINATE_WAIT;
		}
	}
	terminate_reset_upstream(s);
	session_end_txn(s, TXN_RESET);
	terminate_say_ehlo(s, cmd);
	return TERMINATE_TAKEN;
}

static enum terminate_taken do_helo(struct session *s, const struct smtp_cmd *cmd)
{
	if (is_transparent(s)) {
		enum leg_state state = terminate_want_leg(s, cmd->arg);

		if (state == LEG_FAILED)
			return no_service(s);
		if (state != LEG_READY)
			return TERMINATE_WAIT;
	}
	terminate_reset_upstream(s);
	session_end_txn(s, TXN_RESET);
	s->server.offer = (struct smtp_caps){ 0 };
	smtp_server_hello(&s->server, cmd);
	must(buf_printf(&s->client.out, "250 %s\r\n", terminate_our_name(s)));
	return TERMINATE_TAKEN;
}

static enum terminate_taken do_rset(struct session *s)
{
	terminate_reset_upstream(s);
	session_end_txn(s, TXN_RESET);
	session_say(s, &SMTP_SAY_OK);
	return TERMINATE_TAKEN;
}

static enum terminate_taken do_starttls(struct session *s, size_t line_octets)
{
	const struct smtp_answer *refusal;

	if (buf_used(&s->client.in) > line_octets) {
		why_set(&s->why, FAULT_PEER, "%zu bytes came in the clear after STARTTLS",
			buf_used(&s->client.in) - line_octets);
		session_finish(s, OUTCOME_TLS_DIRTY, &SMTP_SAY_TLS_DIRTY);
		return TERMINATE_ENDED;
	}
	refusal = transparent_leaf(s);
	if (refusal != NULL) {
		session_say(s, refusal);
		return TERMINATE_TAKEN;
	}
	terminate_reset_upstream(s);
	session_end_txn(s, TXN_RESET);
	session_say(s, &SMTP_SAY_TLS_READY);
	stream_hold(&s->client);
	session_enter(s, PHASE_STARTTLS);
	return TERMINATE_TAKEN;
}

/* --- which is which --- */

/* Goes to the upstream in one piece with what is before it. */
static bool is_sent_on(enum smtp_verb verb)
{
	return verb == SMTP_RCPT || verb == SMTP_DATA || verb == SMTP_BDAT;
}

static enum terminate_taken act(struct session *s, const struct smtp_cmd *cmd, struct span line)
{
	switch (cmd->verb) {
	case SMTP_EHLO:
		return do_ehlo(s, cmd);
	case SMTP_HELO:
		return do_helo(s, cmd);
	case SMTP_MAIL:
		return terminate_mail(s, cmd, line);
	case SMTP_RCPT:
		return terminate_rcpt(s, cmd);
	case SMTP_DATA:
		return terminate_data(s);
	case SMTP_BDAT:
		return terminate_bdat(s, cmd);
	case SMTP_RSET:
		return do_rset(s);
	case SMTP_NOOP:
		session_say(s, &SMTP_SAY_OK);
		return TERMINATE_TAKEN;
	case SMTP_HELP:
		session_say(s, &SMTP_SAY_HELP);
		return TERMINATE_TAKEN;
	case SMTP_VRFY:
		session_say(s, &SMTP_SAY_VRFY);
		return TERMINATE_TAKEN;
	case SMTP_STARTTLS:
		return do_starttls(s, line.len + 2);
	case SMTP_QUIT:
		session_finish(s, OUTCOME_QUIT, &SMTP_SAY_BYE);
		return TERMINATE_ENDED;
	case SMTP_AUTH:
		return terminate_auth(s, cmd);
	case SMTP_EXPN:
	case SMTP_UNKNOWN:
		break;
	}
	return refuse(s, &SMTP_SAY_NOT_OFFERED);
}

static void discard_chunk(struct session *s, const struct smtp_cmd *cmd, const struct smtp_answer *a)
{
	s->discard_left = cmd->chunk;
	s->discard_answer = a;
	session_enter(s, PHASE_DISCARD);
}

static enum terminate_taken refuse_bdat(struct session *s, const struct smtp_cmd *cmd,
			      const struct smtp_answer *refusal)
{
	if (cmd->chunk == UINT64_MAX) {
		why_set(&s->why, FAULT_PEER, "a BDAT command whose size can't be read");
		session_finish(s, OUTCOME_BAD_CHUNK, refusal);
		return TERMINATE_ENDED;
	}
	if (too_many_errors(s))
		return TERMINATE_ENDED;
	if (smtp_server_admit(&s->server, cmd) != NULL) {
		discard_chunk(s, cmd, refusal);
		return TERMINATE_TAKEN;
	}
	/* But for its words it might have come: what follows it would be a message with a hole. */
	txn_judge(s->txn, TXN_BAD_BODY, refusal);
	return terminate_begin_chunk(s, cmd) ? TERMINATE_TAKEN : TERMINATE_WAIT;
}

static bool wants_leg(enum smtp_verb verb)
{
	return verb == SMTP_EHLO || verb == SMTP_HELO || verb == SMTP_MAIL;
}

/* Another connection to the server would not know who has logged in, and what is sent there would be
 * somebody else's mail. */
static enum terminate_taken lose_login(struct session *s)
{
	why_set(&s->why, FAULT_PEER, "the server that the client had logged in to is gone");
	session_finish(s, OUTCOME_SERVER_CLOSED, &SMTP_SAY_LOST_SESSION);
	return TERMINATE_ENDED;
}

static enum terminate_taken handle(struct session *s, struct span line)
{
	const struct smtp_answer *refusal;
	struct smtp_cmd cmd;

	/* What was said before has to be said again first. */
	if (s->leg != NULL && s->leg->replaying)
		return TERMINATE_WAIT;
	refusal = smtp_cmd_read(line, &cmd);
	/* What the loss of the upstream left open is over when the next message begins. */
	if (cmd.verb == SMTP_MAIL && s->txn != NULL && s->txn->lost && owed(s) == 0)
		session_end_txn(s, TXN_LOST);
	if (refusal == NULL)
		refusal = smtp_server_admit(&s->server, &cmd);
	/* Without ESMTP there is no order of commands in which it could be right (SPEC WG-10). */
	if (cmd.verb == SMTP_STARTTLS && !s->esmtp)
		refusal = &SMTP_SAY_NOT_OFFERED;
	if (owed(s) > 0 && (refusal != NULL || !is_sent_on(cmd.verb)))
		return TERMINATE_WAIT;
	if (refusal == NULL && wants_leg(cmd.verb) && s->server.auth && !leg_is_usable(s))
		return lose_login(s);
	if (refusal != NULL && cmd.verb == SMTP_BDAT)
		return refuse_bdat(s, &cmd, refusal);
	if (refusal != NULL)
		return refuse(s, refusal);
	return act(s, &cmd, line);
}

static bool finish_bad_line(struct session *s)
{
	why_set(&s->why, FAULT_PEER, "a command line with a bare CR or LF, or a NUL");
	session_finish(s, OUTCOME_BAD_LINE, &SMTP_SAY_BARE);
	return true;
}

static bool client_has_ended(struct session *s)
{
	enum outcome outcome = s->client.end == STREAM_CLOSED ? OUTCOME_CLIENT_CLOSED :
			       s->client.end == STREAM_RESET ? OUTCOME_CLIENT_RESET :
			       s->client.end == STREAM_TLS_BROKEN ? OUTCOME_TLS_FAILED :
			       OUTCOME_CLIENT_CUT;

	if (s->client.end == STREAM_OPEN || owed(s) > 0)
		return false;
	if (s->txn != NULL && outcome == OUTCOME_CLIENT_CLOSED)
		outcome = OUTCOME_CLIENT_CUT;
	s->why = s->client.why;
	/* It may have closed its half alone: what we have said must still reach it. */
	session_finish(s, outcome, NULL);
	return true;
}

/* In an exchange it is answered as what is no base64 is. */
static bool say_long_line(struct session *s)
{
	bool cancels = s->sasl_line;

	if (owed(s) > 0 || (cancels && terminate_send_sasl(s, "", SPAN("*")) == TERMINATE_WAIT))
		return false;
	s->long_line = false;
	if (!cancels)
		refuse(s, &SMTP_SAY_LONG);
	return true;
}

/* RFC 4954 section 4.5.1: the lines of an exchange may be longer, and where AUTH is offered so may
 * its first. */
static size_t line_most(const struct session *s)
{
	bool auth = (s->server.offer.have & SMTP_CAP_AUTH) != 0 &&
		    span_starts_nocase(buf_peek(&s->client.in), SPAN("AUTH "));

	return auth || s->sasl_line ? SMTP_SASL_LINE_MOST : SMTP_LINE_MOST;
}

static bool one_command(struct session *s)
{
	struct span line;
	enum terminate_taken taken;

	s->command_waits = false;
	if (s->long_line)
		return say_long_line(s);
	if (buf_space(&s->client.out) < TERMINATE_REPLY_ROOM)
		return false;
	s->framing.most = line_most(s);
	switch (smtp_line_next(&s->framing, &s->client.in, &line)) {
	case SMTP_LINE_MORE:
		return client_has_ended(s);
	case SMTP_LINE_LONG:
		s->long_line = true;
		return true;
	case SMTP_LINE_BARE:
		return owed(s) == 0 && finish_bad_line(s);
	case SMTP_LINE_WHOLE:
		break;
	}
	taken = s->sasl_line ? terminate_sasl_line(s, line) : handle(s, line);
	s->command_waits = taken == TERMINATE_WAIT;
	if (taken != TERMINATE_TAKEN)
		return taken == TERMINATE_ENDED;
	/* Nothing above has touched the client's input: `line` still stands at its front. */
	smtp_line_drop(&s->framing, &s->client.in, line);
	session_wait_anew(s);
	return true;
}

/* The client's DATA is with the upstream: what comes next is the message or another command,
 * and only the reply tells which. */
static bool awaits_go(const struct session *s)
{
	if (owed(s) > 0 && leg_awaited(s->leg) == AWAIT_AUTH)
		return true;
	return s->txn != NULL && s->txn->out == TXN_OUT_DATA && !s->txn->go && !s->txn->chunked;
}

/* Whose turn is it? */
static void settle(struct session *s)
{
	bool upstream = owed(s) > 0 || leg_is_coming(s) || s->command_waits || !s->greeted;

	if (s->phase == PHASE_COMMAND && upstream)
		session_enter(s, PHASE_UPSTREAM);
	else if (s->phase == PHASE_UPSTREAM && !upstream)
		session_enter(s, PHASE_COMMAND);
}

static bool between_messages(const struct session *s)
{
	return s->phase == PHASE_COMMAND || s->phase == PHASE_UPSTREAM;
}

static bool terminate_commands(struct session *s)
{
	bool moved = false;

	while (s->greeted && between_messages(s) && !awaits_go(s) && one_command(s))
		moved = true;
	return moved;
}

/* The upstream refused MAIL, and all that was sent along with it has been answered. */
static bool close_failed_mail(struct session *s)
{
	if (s->txn == NULL || !s->txn->mail_failed || owed(s) > 0)
		return false;
	if (s->leg != NULL)
		s->leg->transaction = false;
	session_end_txn(s, TXN_REFUSED);
	return true;
}

static bool drain(struct session *s)
{
	if (!s->edge->draining || !between_messages(s) || owed(s) > 0)
		return false;
	if (s->txn != NULL && s->txn->out != TXN_OUT_NONE)
		return false;
	session_finish(s, OUTCOME_DRAINED, &SMTP_SAY_DRAIN);
	return true;
}

/* Nobody is left to answer, and nothing is with the upstream that it may be committing. */
static bool client_was_cut(struct session *s)
{
	enum stream_end end = s->client.end;

	if (s->phase == PHASE_FINAL || (end != STREAM_RESET && end != STREAM_TLS_BROKEN))
		return false;
	session_end(s, end == STREAM_RESET ? OUTCOME_CLIENT_RESET : OUTCOME_TLS_FAILED,
		    &s->client.why);
	return true;
}

static bool step(struct session *s)
{
	bool moved;

	if (client_was_cut(s))
		return true;
	moved = s->leg != NULL && leg_step(s->leg);
	moved |= outbound_step(s);
	moved |= terminate_replay(s);
	moved |= transparent_greet(s);
	moved |= hold_is_there(s) ? hold_step(s) : terminate_replies(s);
	moved |= close_failed_mail(s);
	if (s->phase == PHASE_BODY)
		moved |= terminate_body(s);
	if (s->phase == PHASE_DISCARD)
		moved |= terminate_discard(s);
	moved |= drain(s);
	moved |= terminate_commands(s);
	settle(s);
	return moved;
}

static void late(struct session *s)
{
	struct why why;

	if (hold_is_there(s)) {
		hold_late(s);
		return;
	}
	/* It may have replied: where the client leaves no room for replies they are not looked at, and
	 * none of ours would have any. */
	if (buf_space(&s->client.out) < TERMINATE_REPLY_ROOM) {
		why_set(&why, FAULT_PEER, "the client does not read our replies");
		session_end(s, OUTCOME_CLIENT_TIMEOUT, &why);
		return;
	}
	leg_settle(s->leg);
	why_set(&why, FAULT_PEER, stream_flushed(&s->leg->stream) ?
		"the upstream did not reply in time" : "the upstream did not read in time");
	terminate_lost(s, &why);
	/* The client was kept waiting; its own time begins now. */
	session_wait_anew(s);
}

const struct mode mode_terminate = { "terminate", step, late };
