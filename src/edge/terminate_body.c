#include "edge/mode_terminate.h"
#include "edge/hold.h"

#include "base/must.h"
#include "base/text.h"

/* Left free towards the upstream while the body goes there: for a dot before a line, and for the last one. */
#define BODY_LEAST_ROOM 64

static struct buf *towards_upstream(struct session *s)
{
	return &s->leg->stream.out;
}

static void print_id(const struct session *s, char id[32])
{
	struct text t;

	text_begin(&t, id, 32);
	text_add(&t, s->sid);
	text_put(&t, SPAN("."));
	text_number(&t, s->txn->number);
}

static void print_tls(const struct tls_facts *facts, char tls[64])
{
	struct text t;

	text_begin(&t, tls, 64);
	text_add(&t, facts->version);
	text_put(&t, SPAN(" "));
	text_add(&t, facts->cipher);
}

/* The Received field that this hop adds (RFC 5321 section 4.4). In other people's way we are no hop:
 * there the message stays as it is. */
static void put_received(const struct session *s, struct buf *field)
{
	char client[ADDR_TEXT_MOST], id[32], tls[64];
	struct tls_facts facts;

	if (s->target.len > 0)
		return;
	addr_print_host(&s->peer, client);
	print_id(s, id);
	session_client_facts(s, &facts);
	print_tls(&facts, tls);
	must(mail_received_put(field, &(struct mail_received){
		.helo = buf_peek(&s->server.helo),
		.client = client,
		.hostname = s->service->hostname,
		.with = smtp_server_with(&s->server),
		.tls = facts.on ? tls : NULL,
		.id = id,
		.when = s->edge->wall,
	}));
}

/* --- the way out --- */

/* All content passes here, in order, before the upstream may have it. */
static void inspect_piece(struct session *s, struct span piece)
{
	struct txn *t = s->txn;

	t->octets += piece.len;
	mail_trace_see(&t->trace, piece);
	if (t->octets > s->service->conf->max_message_size)
		txn_judge(t, TXN_TOO_BIG, &SMTP_SAY_TOO_BIG);
	if (t->trace.received >= MAIL_TRACE_MOST)
		txn_judge(t, TXN_LOOP, &SMTP_SAY_LOOP);
}

void terminate_stop(struct session *s, bool announced)
{
	if (s->txn->out == TXN_OUT_NONE)
		return;
	if (s->txn->out == TXN_OUT_HOLD) {
		s->txn->out = TXN_OUT_NONE;
		return;
	}
	if (s->txn->out == TXN_OUT_BDAT && announced)
		leg_forget_newest(s->leg);
	s->txn->out = TXN_OUT_NONE;
	s->txn->doomed = true;
	if (s->leg->await_count == 0)
		leg_abort(s->leg);
}

static void hold_piece(struct session *s, struct span piece)
{
	if (txn_has_verdict(s->txn) || hold_put(s, piece))
		return;
	txn_judge(s->txn, TXN_CUT_OFF, &SMTP_SAY_NO_ROOM);
	terminate_stop(s, true);
}

/* It waits for the first octets behind it: alone it would be a packet of its own. */
static void put_received_due(struct session *s)
{
	struct txn *t = s->txn;
	struct buf field;

	if (!t->received_due)
		return;
	t->received_due = false;
	buf_init(&field, MAIL_RECEIVED_MOST);
	put_received(s, &field);
	if (t->out == TXN_OUT_HOLD)
		hold_piece(s, buf_peek(&field));
	else
		must(smtp_data_put(&t->writer, towards_upstream(s), buf_peek(&field)) == buf_used(&field));
	buf_free(&field);
}

static void pass_on(struct session *s, struct span piece)
{
	struct txn *t = s->txn;

	put_received_due(s);
	if (t->out == TXN_OUT_HOLD || txn_has_verdict(t))
		hold_piece(s, piece);
	else if (t->out == TXN_OUT_BDAT)
		must(buf_put(towards_upstream(s), piece));
	else if (t->chunked)
		must(smtp_data_put(&t->writer, towards_upstream(s), piece) == piece.len);
	else
		must(smtp_data_relay(&t->writer, towards_upstream(s), &t->reader));
}

static void deal_with(struct session *s, struct span piece, bool faulty)
{
	if (txn_has_verdict(s->txn))
		return;
	inspect_piece(s, piece);
	if (faulty)
		txn_judge(s->txn, TXN_BAD_BODY, &SMTP_SAY_BAD_BODY);
	if (txn_has_verdict(s->txn))
		terminate_stop(s, true);
	else
		pass_on(s, piece);
}

/* The Received field alone may have been too much: then there is a verdict. */
static bool finish_hold(struct session *s)
{
	put_received_due(s);
	if (txn_has_verdict(s->txn))
		terminate_verdict(s);
	else
		hold_deliver(s);
	return true;
}

/* What our own words take of the room towards the upstream. */
static size_t kept_room(const struct session *s)
{
	return BODY_LEAST_ROOM + (s->txn->received_due ? MAIL_RECEIVED_MOST : 0);
}

/* As much of the client's input as may be dealt with now. What comes by BDAT and goes out by DATA can grow by a dot for each
 * three octets; in DATA as it came all dots but one are there already. */
static struct span piece_that_fits(struct session *s)
{
	struct span raw = buf_peek(&s->client.in);
	size_t room, kept = kept_room(s);

	if (txn_has_verdict(s->txn) || s->txn->out == TXN_OUT_HOLD)
		return raw;
	room = buf_space(towards_upstream(s));
	room = room > kept ? room - kept : 0;
	return span_first(raw, s->txn->chunked ? room / 4 * 3 : room);
}

/* --- the end --- */

void terminate_verdict(struct session *s)
{
	struct txn *t = s->txn;
	bool closing = buf_used(&t->theirs) > 0 && t->theirs.mem[t->theirs.head] == '4' &&
		       span_starts_nocase(buf_peek(&t->theirs), SPAN("421"));
	bool over = !t->chunked || t->chunk_last;

	if (t->doomed && s->leg != NULL)
		leg_abort(s->leg);
	if (t->ours != NULL)
		session_say(s, t->ours);
	else
		must(buf_put(&s->client.out, buf_peek(&t->theirs)));
	if (closing) {
		session_finish(s, OUTCOME_UPSTREAM_421, NULL);
		return;
	}
	if (over) {
		terminate_reset_upstream(s);
		session_end_txn(s, TXN_CUT_OFF);
	}
	session_enter(s, PHASE_COMMAND);
}

static bool finish_data_out(struct session *s)
{
	if (s->txn->out == TXN_OUT_HOLD)
		return finish_hold(s);
	if (buf_space(towards_upstream(s)) < kept_room(s))
		return false;
	put_received_due(s);
	if (!smtp_data_end(&s->txn->writer, towards_upstream(s)))
		return false;
	s->txn->dot_sent = true;
	leg_sent(s->leg, buf_used(towards_upstream(s)), AWAIT_FINAL);
	session_enter(s, PHASE_FINAL);
	return true;
}

/* The client vanished before the end: no dot for the upstream, no message (FAULTS 1). */
static bool client_vanished(struct session *s)
{
	if (s->client.end == STREAM_OPEN)
		return false;
	if (s->txn->out != TXN_OUT_NONE && s->txn->out != TXN_OUT_HOLD)
		leg_abort(s->leg);
	s->txn->out = TXN_OUT_NONE;
	s->txn->outcome = txn_has_verdict(s->txn) ? s->txn->outcome : TXN_CLIENT_GONE;
	why_set(&s->why, FAULT_PEER, "the client went away in the middle of a message");
	session_finish(s, OUTCOME_CLIENT_CUT, NULL);
	return true;
}

/* --- DATA --- */

void terminate_begin_body(struct session *s)
{
	struct txn *t = s->txn;

	t->body_began = s->edge->now;
	t->received_due = true;
	if (!t->chunked)
		session_enter(s, PHASE_BODY);
}

/* What is left ("." or ".\r") could not be told apart, and not for want of room. */
static bool all_was_offered(struct session *s)
{
	return piece_that_fits(s).len == buf_used(&s->client.in);
}

static bool step_data(struct session *s)
{
	struct txn *t = s->txn;
	bool moved = false;
	struct span content;
	size_t taken;

	do {
		taken = smtp_data_read(&t->reader, piece_that_fits(s), &content);
		if (taken == 0)
			break;
		deal_with(s, content, t->reader.faulty);
		buf_consume(&s->client.in, taken);
		moved = true;
	} while (!t->reader.done);
	if (!t->reader.done)
		return moved || (all_was_offered(s) && client_vanished(s));
	if (!txn_has_verdict(t))
		return finish_data_out(s) || moved;
	terminate_verdict(s);
	return true;
}

/* --- BDAT --- */

/* The first chunk carries the Received field as well. */
static void send_bdat(struct session *s, const struct smtp_cmd *cmd, bool first)
{
	struct buf field;

	buf_init(&field, MAIL_RECEIVED_MOST);
	if (first)
		put_received(s, &field);
	must(buf_printf(towards_upstream(s), "BDAT %llu%s\r\n",
			(unsigned long long)(cmd->chunk + buf_used(&field)),
			cmd->last ? " LAST" : ""));
	must(buf_put(towards_upstream(s), buf_peek(&field)));
	buf_free(&field);
	/* Its octets follow, and are not kept. */
	leg_settle(s->leg);
	leg_sent(s->leg, buf_used(towards_upstream(s)), cmd->last ? AWAIT_FINAL : AWAIT_CHUNK);
}

static bool leg_has_room(const struct leg *l)
{
	bool room = leg_can_await(l) &&
		    buf_space(&l->stream.out) >= SMTP_LINE_MOST + MAIL_RECEIVED_MOST;

	return room && (l->await_count == 0 || (l->client.caps.have & SMTP_CAP_PIPELINING) != 0);
}

/* How the body goes out is decided by the first chunk: what the upstream offered on
 * this connection, not what the client was told earlier. */
static void send_chunk(struct session *s, const struct smtp_cmd *cmd)
{
	struct txn *t = s->txn;
	bool first = t->out == TXN_OUT_NONE;
	size_t mark;

	if (first && (s->leg->client.caps.have & SMTP_CAP_CHUNKING) == 0) {
		mark = buf_used(towards_upstream(s));
		must(buf_put(towards_upstream(s), SPAN("DATA\r\n")));
		leg_sent(s->leg, mark, AWAIT_CHUNK_DATA);
		t->out = TXN_OUT_DATA;
		return;
	}
	if (t->out == TXN_OUT_DATA || t->out == TXN_OUT_HOLD)
		return;
	if (first) {
		t->body_began = s->edge->now;
		t->out = TXN_OUT_BDAT;
		t->go = true;
	}
	send_bdat(s, cmd, first);
}

bool terminate_begin_chunk(struct session *s, const struct smtp_cmd *cmd)
{
	struct txn *t = s->txn;

	if (!txn_has_verdict(t) && t->out != TXN_OUT_HOLD && !leg_has_room(s->leg))
		return false;
	t->chunked = true;
	s->server.chunks = true;
	t->chunk_left = cmd->chunk;
	t->chunk_last = cmd->last;
	if (cmd->chunk > s->service->conf->max_message_size - t->octets)
		txn_judge(t, TXN_TOO_BIG, &SMTP_SAY_TOO_BIG);
	/* "BDAT 0 LAST" has no piece whose end could be looked at. */
	if (cmd->chunk == 0 && cmd->last && !t->binary && !smtp_body_check_end(&t->check))
		txn_judge(t, TXN_BAD_BODY, &SMTP_SAY_BAD_BODY);
	if (txn_has_verdict(t))
		terminate_stop(s, false);
	else
		send_chunk(s, cmd);
	session_enter(s, PHASE_BODY);
	return true;
}

static bool chunk_piece_is_faulty(struct txn *t, struct span piece)
{
	if (t->binary)
		return false;
	smtp_body_check(&t->check, piece);
	return t->check.faulty ||
	       (t->chunk_last && t->chunk_left == piece.len && !smtp_body_check_end(&t->check));
}

static bool move_chunk(struct session *s)
{
	struct txn *t = s->txn;
	bool moved = false;

	while (t->chunk_left > 0) {
		struct span piece = piece_that_fits(s);

		if (piece.len > t->chunk_left)
			piece.len = (size_t)t->chunk_left;
		if (piece.len == 0)
			break;
		deal_with(s, piece, chunk_piece_is_faulty(t, piece));
		t->chunk_left -= piece.len;
		buf_consume(&s->client.in, piece.len);
		moved = true;
	}
	return moved;
}

/* Chunks before the last, where the upstream gets DATA: our own word, and only for the chunk. */
static bool end_chunk_for_data(struct session *s)
{
	if (s->txn->chunk_last)
		return finish_data_out(s);
	session_say(s, &SMTP_SAY_CHUNK_OK);
	session_enter(s, PHASE_COMMAND);
	return true;
}

static bool end_chunk(struct session *s)
{
	struct txn *t = s->txn;

	/* What came before must have been answered before this is. */
	if (txn_has_verdict(t)) {
		if (s->leg != NULL && s->leg->owed > 0)
			return false;
		/* Those answers may have left no room for this one. */
		if (buf_space(&s->client.out) < TERMINATE_REPLY_ROOM)
			return false;
		terminate_verdict(s);
		return true;
	}
	if (t->out == TXN_OUT_DATA || t->out == TXN_OUT_HOLD)
		return end_chunk_for_data(s);
	if (t->chunk_last) {
		t->dot_sent = true;
		session_enter(s, PHASE_FINAL);
	} else {
		session_enter(s, PHASE_UPSTREAM);
	}
	return true;
}

static bool step_chunk(struct session *s)
{
	bool moved;

	/* Our DATA has not been answered: the chunk waits in the client's stream. */
	if (!s->txn->go && !txn_has_verdict(s->txn))
		return false;
	moved = move_chunk(s);
	if (s->txn->chunk_left > 0)
		return moved || (buf_used(&s->client.in) == 0 && client_vanished(s));
	return end_chunk(s) || moved;
}

bool terminate_body(struct session *s)
{
	return s->txn->chunked ? step_chunk(s) : step_data(s);
}

/* The octets of a BDAT that was refused: counted off, so that none of them is ever read as
 * a command. */
bool terminate_discard(struct session *s)
{
	size_t here = buf_used(&s->client.in);

	if (here > s->discard_left)
		here = (size_t)s->discard_left;
	buf_consume(&s->client.in, here);
	s->discard_left -= here;
	if (s->discard_left > 0) {
		if (here == 0 && s->client.end != STREAM_OPEN) {
			session_finish(s, OUTCOME_CLIENT_CUT, NULL);
			return true;
		}
		return here > 0;
	}
	session_say(s, s->discard_answer);
	session_enter(s, PHASE_COMMAND);
	return true;
}
