#include "edge/hold.h"

#include "base/must.h"
#include "edge/mode_terminate.h"
#include "edge/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIECE (32 * 1024)
/* MAIL, and the recipients of all ways. */
#define ENVELOPE_MOST (2 * SMTP_LINE_MOST + OUTBOUND_WAYS_MOST * OUTBOUND_RCPTS_MOST)

enum stage {
	STAGE_NEXT,     /* which way is next? */
	STAGE_CONNECT,  /* the fallback, and a way on condition: all others are connected, and their envelope has been said */
	STAGE_ENVELOPE, /* the same */
	STAGE_DATA,     /* DATA is to be said, or has been */
	STAGE_BODY,
	STAGE_FINAL,
};

struct hold {
	int fd;
	uint64_t size;
	bool delivering;
	msec began;
	enum stage stage;
	enum hold_end ends[OUTBOUND_WAYS_MOST + 1]; /* of the ways */
	bool to_fallback;
	uint64_t sent;        /* of the body, to the way that is open */
	struct smtp_data_writer writer;
	struct buf reply;     /* the last 2xx */
	struct buf refusal;   /* the first that was none, or the first temporary one */
	struct buf envelope;  /* commands that are still to be said */
	bool refused;         /* one of them was */
};

static struct hold *hold_of(const struct session *s)
{
	return s->outbound != NULL ? s->outbound->hold : NULL;
}

bool hold_begin(struct session *s)
{
	int fd = s->edge->held < HOLD_TOTAL_MOST ? memfd_create("message", MFD_CLOEXEC) : -1;
	struct hold *h;

	if (fd < 0)
		return false;
	h = mem_new(sizeof(*h));
	h->fd = fd;
	buf_init(&h->reply, TXN_THEIRS_MOST);
	buf_init(&h->refusal, TXN_THEIRS_MOST);
	buf_init(&h->envelope, ENVELOPE_MOST);
	s->outbound->hold = h;
	return true;
}

void hold_free(struct session *s)
{
	struct hold *h = hold_of(s);

	if (h == NULL)
		return;
	s->edge->held -= h->size;
	close(h->fd);
	buf_free(&h->reply);
	buf_free(&h->refusal);
	buf_free(&h->envelope);
	free(h);
	s->outbound->hold = NULL;
}

bool hold_put(struct session *s, struct span content)
{
	struct hold *h = hold_of(s);

	while (content.len > 0) {
		ssize_t n = -1;

		if (s->edge->held + content.len <= HOLD_TOTAL_MOST)
			n = write(h->fd, content.at, content.len);
		if (n <= 0)
			return false;
		h->size += (uint64_t)n;
		s->edge->held += (uint64_t)n;
		content = span_from(content, (size_t)n);
	}
	return true;
}

bool hold_is_there(const struct session *s)
{
	return hold_of(s) != NULL;
}

/* --- how a way ended --- */

static const char *end_name(enum hold_end end)
{
	static const char *const names[] = {
		[HOLD_OPEN] = "open", [HOLD_DELIVERED] = "delivered", [HOLD_REFUSED] = "refused",
		[HOLD_LOST] = "lost", [HOLD_IN_DOUBT] = "in-doubt",
	};

	return names[end];
}

static struct outbound_way *way_of(const struct session *s)
{
	return s->outbound->ways[s->outbound->way_now];
}

static void log_way(const struct session *s, enum hold_end end, const char *text)
{
	const struct outbound_way *w = way_of(s);
	struct log_line line;

	log_begin(&line, "delivery");
	log_text(&line, "sid", s->sid);
	log_int(&line, "n", s->txn->number);
	log_text(&line, "way", w->hop != NULL ? w->hop->found->all->domain : "fallback");
	if (s->leg != NULL)
		session_log_leg(&line, s->leg);
	log_int(&line, "tls_required_no", w->condition != NULL && mail_trace_wants_no_tls(&s->txn->trace));
	log_int(&line, "rcpts", w->rcpt_ok);
	log_text(&line, "outcome", end_name(end));
	log_text(&line, "reply", text);
	log_end(&line);
}

static bool is_temporary(const struct buf *reply)
{
	return buf_used(reply) > 0 && reply->mem[reply->head] == '4';
}

static void keep_refusal(struct hold *h, const struct smtp_reply *reply)
{
	bool better = buf_used(&h->refusal) == 0 || (!is_temporary(&h->refusal) && reply->code / 100 == 4);

	if (!better)
		return;
	buf_free(&h->refusal);
	must(smtp_reply_put(&h->refusal, reply));
}

/* Words of our own. */
static void keep_answer(struct session *s, const struct smtp_answer *a, const char *text)
{
	struct hold *h = hold_of(s);
	bool better = buf_used(&h->refusal) == 0 || (!is_temporary(&h->refusal) && a->code / 100 == 4);

	if (!better)
		return;
	buf_free(&h->refusal);
	must(smtp_answer_say(&h->refusal, a, s->sid, text));
}

/* The leg may serve another message where this one is through in it; else only the end of the connection makes sure that
 * what it has of it never becomes a whole one. */
static void end_way(struct session *s, enum hold_end end, const char *text)
{
	struct hold *h = hold_of(s);
	bool clean = h->stage != STAGE_BODY && (end == HOLD_DELIVERED || end == HOLD_REFUSED);

	log_way(s, end, text);
	h->ends[s->outbound->way_now] = end;
	h->stage = STAGE_NEXT;
	if (end == HOLD_IN_DOUBT)
		edge_count(s->edge, COUNT_IN_DOUBT, 1);
	if (s->leg == NULL)
		return;
	if (!clean)
		leg_abort(s->leg);
	pool_dismiss(s->leg);
	s->leg = NULL;
}

/* 421: that host's connection ends; the client's does not. */
static void hear_421(struct leg *l)
{
	if (l->reader.reply.code != 421)
		return;
	l->closing = true;
	l->reader.reply.code = 451;
}

static void end_by_reply(struct session *s)
{
	struct hold *h = hold_of(s);
	struct smtp_reply *reply = &s->leg->reader.reply;
	bool delivered = reply->code / 100 == 2;

	smtp_reply_brief(reply, s->txn->reply, sizeof(s->txn->reply));
	hear_421(s->leg);
	if (delivered) {
		buf_free(&h->reply);
		must(smtp_reply_put(&h->reply, reply));
	} else {
		keep_refusal(h, reply);
	}
	/* A refused DATA leaves its transaction open (RFC 5321 section 4.1.1.4): that leg says QUIT. */
	s->leg->transaction = h->stage != STAGE_FINAL;
	end_way(s, delivered ? HOLD_DELIVERED : HOLD_REFUSED, s->txn->reply);
}

static void end_lost(struct session *s, const struct why *why)
{
	bool doubt = hold_of(s)->stage == STAGE_FINAL && s->leg->all_left;

	s->txn->why = *why;
	keep_answer(s, &SMTP_SAY_LOST_UPSTREAM, SMTP_SAY_LOST_UPSTREAM.text);
	end_way(s, doubt ? HOLD_IN_DOUBT : HOLD_LOST, why->text);
}

static void end_lost_for(struct session *s, const char *text)
{
	struct why why;

	why_set(&why, FAULT_PEER, "%s", text);
	end_lost(s, &why);
}

/* --- the end of all --- */

static unsigned count_ways(const struct session *s, bool delivered)
{
	const struct hold *h = hold_of(s);
	unsigned n = 0;

	for (unsigned i = 0; i < s->outbound->way_count; i++)
		n += (h->ends[i] == HOLD_DELIVERED) == delivered;
	return n;
}

static bool any_in_doubt(const struct session *s)
{
	const struct hold *h = hold_of(s);

	for (unsigned i = 0; i < s->outbound->way_count; i++) {
		if (h->ends[i] == HOLD_IN_DOUBT)
			return true;
	}
	return false;
}

/* The last word, for the log, whoever said it. */
static void note_reply(struct txn *t, struct span reply)
{
	struct span line = span_trim(span_cut(&reply, '\n'));

	snprintf(t->reply, sizeof(t->reply), "%.*s", SPAN_ARG(span_first(line, sizeof(t->reply) - 1)));
}

static void answer(struct session *s, enum txn_outcome outcome, struct span reply)
{
	must(buf_put(&s->client.out, reply));
	note_reply(s->txn, reply);
	if (outcome == TXN_DELIVERED || outcome == TXN_FALLBACK) {
		edge_count(s->edge, COUNT_MESSAGES, 1);
		s->messages++;
	}
	session_end_txn(s, outcome);
	session_enter(s, PHASE_COMMAND);
}

/* The recipients of the way, as they were said there, or would have been. */
static unsigned add_envelope(struct hold *h, const struct outbound_way *w)
{
	struct span lines = buf_peek(&w->rcpts);
	unsigned n = 0;

	while (lines.len > 0) {
		struct span line = span_cut(&lines, '\n');

		if (line.at[0] != '+')
			continue;
		must(buf_put(&h->envelope, span_from(line, 1)) && buf_put(&h->envelope, SPAN("\n")));
		n++;
	}
	return n;
}

/* Of the ways that failed. */
static void make_envelope(struct session *s)
{
	struct outbound *o = s->outbound;
	struct outbound_way *to = way_of(s);

	for (unsigned i = 0; i + 1 < o->way_count; i++) {
		if (o->hold->ends[i] != HOLD_DELIVERED)
			to->rcpt_ok += add_envelope(o->hold, o->ways[i]);
	}
}

static void begin_fallback(struct session *s)
{
	struct hold *h = hold_of(s);

	edge_count(s->edge, COUNT_FALLBACKS, 1);
	h->to_fallback = true;
	h->refused = false;
	outbound_begin_fallback(s);
	make_envelope(s);
	h->stage = STAGE_CONNECT;
}

static enum txn_outcome outcome_of(const struct session *s, unsigned delivered)
{
	const struct hold *h = hold_of(s);

	if (delivered == 0)
		return any_in_doubt(s) ? TXN_IN_DOUBT : TXN_REFUSED;
	if (delivered == s->outbound->way_count)
		return TXN_DELIVERED;
	return h->ends[s->outbound->way_count - 1] == HOLD_DELIVERED ? TXN_FALLBACK : TXN_IN_DOUBT;
}

/* Some took the message, and nobody the rest. */
static void answer_in_doubt(struct session *s, unsigned delivered)
{
	struct hold *h = hold_of(s);

	why_set(&s->txn->why, FAULT_PEER, "the fallback did not take what %u of %u ways had not taken: "
		"the others will have it twice", s->outbound->way_count - 1 - delivered, s->outbound->way_count - 1);
	buf_free(&h->refusal);
	must(smtp_answer_put(&h->refusal, &SMTP_SAY_LOST_UPSTREAM, s->sid));
	edge_count(s->edge, COUNT_IN_DOUBT, 1);
	answer(s, TXN_IN_DOUBT, buf_peek(&h->refusal));
}

/* All ways are through. False: the client has left no room for its answer. */
static bool finish(struct session *s)
{
	struct hold *h = hold_of(s);
	unsigned delivered = count_ways(s, true);

	if (delivered > 0 && delivered < s->outbound->way_count && !h->to_fallback) {
		begin_fallback(s);
		return true;
	}
	/* That is so, whether or not the client will ever read it. */
	txn_conclude(s->txn, outcome_of(s, delivered));
	if (buf_space(&s->client.out) < TERMINATE_REPLY_ROOM)
		return false;
	if (delivered == 0)
		answer(s, s->txn->outcome, buf_peek(&h->refusal));
	else if (s->txn->outcome == TXN_IN_DOUBT)
		answer_in_doubt(s, delivered);
	else
		answer(s, s->txn->outcome, buf_peek(&h->reply));
	return true;
}

/* --- one way --- */

static void begin_on_condition(struct session *s, struct outbound_way *w)
{
	struct upstream *up = &s->edge->upstreams[s->service->next_hop->index];
	struct hold *h = hold_of(s);

	/* What the transaction before this one has left. */
	if (s->leg != NULL)
		pool_dismiss(s->leg);
	s->leg = NULL;
	if (!mail_trace_wants_no_tls(&s->txn->trace)) {
		keep_answer(s, &w->condition->answer, w->condition->text);
		end_way(s, HOLD_REFUSED, w->condition->text);
		return;
	}
	s->leg = pool_take_hop(s, up, w->hop);
	if (s->leg == NULL)
		s->leg = leg_new_hop(s, up, w->hop);
	h->refused = false;
	buf_free(&h->envelope);
	add_envelope(h, w);
	h->stage = STAGE_CONNECT;
}

static void begin_way(struct session *s, unsigned i)
{
	struct hold *h = hold_of(s);

	outbound_open_way(s, i);
	if (way_of(s)->condition != NULL) {
		begin_on_condition(s, way_of(s));
		return;
	}
	h->stage = STAGE_DATA;
	h->sent = 0;
	smtp_data_writer_init(&h->writer);
	if (!outbound_way_is_sound(s))
		end_lost_for(s, "the next hop has hung up, or spoken unasked");
	else if (s->edge->now - h->began >= HOLD_BEGIN_MOST_MSEC)
		end_lost_for(s, "the ways before it took too long");
}

static bool next_way(struct session *s)
{
	const struct hold *h = hold_of(s);

	for (unsigned i = 0; i < s->outbound->way_count; i++) {
		if (h->ends[i] == HOLD_OPEN) {
			begin_way(s, i);
			return true;
		}
	}
	finish(s);
	return true;
}

static void end_unreached(struct session *s)
{
	const struct smtp_answer *a = s->leg->state == LEG_FAILED ? leg_refusal(s->leg) : &SMTP_SAY_LOST_UPSTREAM;

	s->txn->why = s->leg->why;
	keep_answer(s, a, a == &SMTP_SAY_NO_UPSTREAM || s->leg->why.text[0] == '\0' ? a->text : s->leg->why.text);
	end_way(s, HOLD_LOST, s->txn->why.text);
}

/* The fallback's, or that of a way on condition. */
static bool step_connect(struct session *s)
{
	struct hold *h = hold_of(s);
	struct smtp_cmd mail;
	struct buf whole;

	if (s->leg->state == LEG_FAILED || s->leg->state == LEG_CLOSED) {
		end_unreached(s);
		return true;
	}
	if (s->leg->state != LEG_READY)
		return false;
	must(smtp_cmd_read(buf_peek(&s->outbound->mail), &mail) == NULL);
	if (!smtp_client_can_mail(&s->leg->client.caps, &mail)) {
		end_lost_for(s, "the host does not offer what the message needs");
		return true;
	}
	buf_init(&whole, ENVELOPE_MOST);
	must(smtp_client_put_mail(&whole, &s->leg->client.caps, &mail));
	must(buf_put(&whole, buf_peek(&h->envelope)));
	buf_free(&h->envelope);
	h->envelope = whole;
	h->sent = 0;
	smtp_data_writer_init(&h->writer);
	h->stage = STAGE_ENVELOPE;
	return true;
}

static bool may_send(const struct leg *l)
{
	bool room = leg_can_await(l) && buf_space(&l->stream.out) >= 2 * SMTP_LINE_MOST;

	return room && (l->await_count == 0 || (l->client.caps.have & SMTP_CAP_PIPELINING) != 0);
}

static bool step_envelope(struct session *s)
{
	struct hold *h = hold_of(s);
	struct leg *l = s->leg;
	bool moved = false;

	while (buf_used(&h->envelope) > 0 && may_send(l)) {
		struct span line = buf_peek(&h->envelope);

		line.len = span_find(line, '\n') + 1;
		must(buf_put(&l->stream.out, line));
		leg_settle(l);
		leg_sent(l, buf_used(&l->stream.out), AWAIT_RCPT);
		l->transaction = true;
		buf_consume(&h->envelope, line.len);
		moved = true;
	}
	if (buf_used(&h->envelope) > 0 || l->await_count > 0)
		return moved;
	/* Not for a part of them: the client could not be told which. */
	if (h->refused)
		end_way(s, HOLD_REFUSED, "a recipient was refused");
	else
		h->stage = STAGE_DATA;
	return true;
}

static bool step_data(struct session *s)
{
	struct leg *l = s->leg;

	if (l->await_count > 0)
		return false;
	if (buf_space(&l->stream.out) < SMTP_LINE_MOST)
		return false;
	must(buf_put(&l->stream.out, SPAN("DATA\r\n")));
	leg_settle(l);
	leg_sent(l, buf_used(&l->stream.out), AWAIT_DATA);
	return true;
}

/* Stuffing adds a dot for each three octets at the most. */
static bool move_piece(struct session *s)
{
	struct hold *h = hold_of(s);
	size_t room = buf_space(&s->leg->stream.out) / 4 * 3;
	char piece[PIECE];
	ssize_t n;

	if (room == 0 || h->sent == h->size)
		return false;
	n = pread(h->fd, piece, room < PIECE ? room : PIECE, (off_t)h->sent);
	must(n > 0);
	must(smtp_data_put(&h->writer, &s->leg->stream.out, span_of(piece, (size_t)n)) == (size_t)n);
	h->sent += (uint64_t)n;
	return true;
}

static bool step_body(struct session *s)
{
	struct hold *h = hold_of(s);
	bool moved = false;

	while (move_piece(s))
		moved = true;
	if (h->sent < h->size || !smtp_data_end(&h->writer, &s->leg->stream.out))
		return moved;
	leg_sent(s->leg, buf_used(&s->leg->stream.out), AWAIT_FINAL);
	h->stage = STAGE_FINAL;
	return true;
}

/* --- replies --- */

static void on_envelope(struct session *s)
{
	struct hold *h = hold_of(s);
	struct smtp_reply *reply = &s->leg->reader.reply;

	if (reply->code / 100 == 2)
		return;
	h->refused = true;
	hear_421(s->leg);
	keep_refusal(h, reply);
}

static void on_reply(struct session *s)
{
	struct hold *h = hold_of(s);
	int code = s->leg->reader.reply.code;
	bool fine = code / 100 == 2, refusal = code / 100 == 4 || code / 100 == 5;

	if (s->leg->await_count == 0 && h->stage != STAGE_BODY) {
		end_lost_for(s, "the next hop spoke unasked");
		return;
	}
	if (s->leg->await_count > 0)
		leg_answered(s->leg);
	if (h->stage == STAGE_ENVELOPE && (fine || refusal)) {
		on_envelope(s);
	} else if (h->stage == STAGE_DATA && code == 354) {
		h->stage = STAGE_BODY;
	} else if (refusal || (h->stage == STAGE_FINAL && fine && s->leg->all_left)) {
		end_by_reply(s);
	} else {
		end_lost_for(s, "a reply of the next hop makes no sense here");
	}
}

static bool one_reply(struct session *s)
{
	struct leg *l = s->leg;
	struct why why;

	if (l == NULL || l->state != LEG_READY)
		return false;
	switch (smtp_reply_next(&l->reader, &l->stream.in, &why)) {
	case SMTP_REPLY_WHOLE:
		on_reply(s);
		return true;
	case SMTP_REPLY_BAD:
		end_lost(s, &why);
		return true;
	case SMTP_REPLY_MORE:
		break;
	}
	if (l->stream.end == STREAM_OPEN)
		return false;
	end_lost_for(s, "the next hop closed the connection");
	return true;
}

/* The ways are through, and the client does not read what it was told before. */
msec hold_deadline(const struct session *s)
{
	const struct hold *h = hold_of(s);
	msec moved;

	if (h == NULL || !h->delivering || s->leg != NULL)
		return MSEC_NEVER;
	moved = s->client.moved_at > h->began ? s->client.moved_at : h->began;
	return moved + s->service->conf->timeout_data;
}

void hold_late(struct session *s)
{
	end_lost_for(s, stream_flushed(&s->leg->stream) ? "the next hop did not reply in time" :
							  "the next hop did not read in time");
}

/* --- all of it --- */

void hold_deliver(struct session *s)
{
	struct hold *h = hold_of(s);

	h->delivering = true;
	h->began = s->edge->now;
	h->stage = STAGE_NEXT;
	session_enter(s, PHASE_FINAL);
}

static bool step(struct session *s)
{
	switch (hold_of(s)->stage) {
	case STAGE_NEXT:
		return next_way(s);
	case STAGE_CONNECT:
		return step_connect(s);
	case STAGE_ENVELOPE:
		return step_envelope(s);
	case STAGE_DATA:
		return step_data(s);
	case STAGE_BODY:
		return step_body(s);
	case STAGE_FINAL:
		break;
	}
	return false;
}

bool hold_step(struct session *s)
{
	bool moved = false;

	while (hold_of(s) != NULL && hold_of(s)->delivering && (one_reply(s) || (hold_of(s) != NULL && step(s))))
		moved = true;
	return moved;
}
