#include "io/stream.h"

#include "base/must.h"
#include "io/loop.h"
#include "io/stream_below.h"

/* Reads in one stream_fill, so that a peer who sends faster than we read, or nothing but
 * records without content, can't keep the others waiting. */
#define FILL_READS 8

void stream_pipe_init(struct stream_pipe *p, size_t a_window, size_t b_window)
{
	*p = (struct stream_pipe){ .a_window = a_window, .b_window = b_window };
	buf_init(&p->a_to_b, STREAM_PIPE_MOST);
	buf_init(&p->b_to_a, STREAM_PIPE_MOST);
}

void stream_pipe_free(struct stream_pipe *p)
{
	buf_free(&p->a_to_b);
	buf_free(&p->b_to_a);
}

void stream_init(struct stream *s)
{
	*s = (struct stream){ .fd = -1 };
	buf_init(&s->in, STREAM_IN_MOST);
	buf_init(&s->out, STREAM_OUT_MOST);
}

void stream_open_fd_take(struct stream *s, int fd)
{
	must(!s->open && fd >= 0);
	stream_init(s);
	s->fd = fd;
	s->open = true;
	/* Nobody has told us yet: trying is the way to know. */
	s->ready_in = s->ready_out = true;
}

void stream_open_pipe(struct stream *s, struct stream_pipe *pipe, bool is_a)
{
	must(!s->open);
	stream_init(s);
	s->pipe = pipe;
	s->pipe_is_a = is_a;
	s->open = true;
}

static void close_with(struct stream *s, bool reset)
{
	if (!s->open)
		return;
	stream_below_close(s, reset);
	if (s->tls != NULL)
		tls_conn_free(s->tls);
	s->tls = NULL;
	buf_free(&s->in);
	buf_free(&s->out);
	s->open = false;
	s->handshaking = false;
}

void stream_close(struct stream *s)
{
	close_with(s, false);
}

void stream_abort(struct stream *s)
{
	close_with(s, true);
}

void stream_ready(struct stream *s, unsigned what)
{
	if (what & LOOP_READ)
		s->ready_in = true;
	if (what & LOOP_WRITE)
		s->ready_out = true;
	if (what & LOOP_BEHIND)
		s->behind = true;
}

void stream_hold(struct stream *s)
{
	must(s->tls == NULL);
	s->held = true;
}

static void empty(struct buf *b)
{
	buf_consume(b, buf_used(b));
}

bool stream_start_tls(struct stream *s, struct tls_conn *tls, struct why *why)
{
	must(s->open && s->tls == NULL && !s->close_when_flushed);
	if (buf_used(&s->in) > 0) {
		why_set(why, FAULT_PEER, "%zu bytes came in the clear after STARTTLS",
			buf_used(&s->in));
		return false;
	}
	if (buf_used(&s->out) > 0) {
		why_set(why, FAULT_SELF, "%zu plain bytes not sent before TLS",
			buf_used(&s->out));
		return false;
	}
	if (s->end != STREAM_OPEN) {
		why_set(why, FAULT_PEER, "the connection ended before TLS began");
		return false;
	}
	s->tls = tls;
	s->in.most = STREAM_IN_TLS_MOST;
	s->handshaking = true;
	s->held = false;
	return true;
}

bool stream_start_tls_peeked(struct stream *s, struct tls_conn *tls, struct why *why)
{
	struct span peeked = buf_peek(&s->in);

	if (s->bytes_out > 0 || s->bytes_in != peeked.len) {
		why_set(why, FAULT_SELF, "clear octets were taken before TLS began");
		return false;
	}
	if (!buf_put(&tls->raw_in, peeked)) {
		why_set(why, FAULT_SELF, "more octets before TLS than a hello can have");
		return false;
	}
	empty(&s->in);
	s->bytes_in = 0;
	return stream_start_tls(s, tls, why);
}

bool stream_is_secure(const struct stream *s)
{
	return s->tls != NULL && !s->handshaking;
}

static void tls_broken(struct stream *s)
{
	s->end = STREAM_TLS_BROKEN;
	if (s->handshaking && s->failure == TLS_FAILURE_NONE)
		s->failure = TLS_FAILURE_OTHER;
}

/* The transport is dry, and nothing is left above it. */
static void end_as_below(struct stream *s)
{
	if (s->handshaking) {
		why_set(&s->why, FAULT_PEER, "connection %s during the TLS handshake",
			s->below == STREAM_RESET ? "reset" : "closed");
		tls_broken(s);
	} else if (s->tls != NULL && s->below == STREAM_CLOSED) {
		why_set(&s->why, FAULT_PEER, "connection closed without close_notify");
		s->end = STREAM_CUT;
	} else {
		s->end = s->below;
	}
}

/* A step of the handshake, or plain octets out of those that came; `*moved` where anything
 * changed. The buffers tell that better than the answer does: a part of a record is taken in and
 * gives nothing yet. */
static enum tls_io open_sealed(struct stream *s, bool *moved)
{
	size_t raw_in = buf_used(&s->tls->raw_in), raw_out = buf_used(&s->tls->raw_out);
	size_t in = buf_used(&s->in);
	enum tls_io io;

	if (s->handshaking) {
		io = tls_conn_handshake(s->tls, &s->failure, &s->why);
		if (io == TLS_IO_OK) {
			s->handshaking = false;
			*moved = true;
		}
	} else {
		io = tls_conn_read(s->tls, &s->in, &s->why);
	}
	if (io == TLS_IO_BROKEN)
		tls_broken(s);
	else if (io == TLS_IO_CLOSED && s->handshaking)
		end_as_below(s);
	else if (io == TLS_IO_CLOSED)
		s->end = STREAM_CLOSED;
	*moved |= buf_used(&s->tls->raw_in) != raw_in || buf_used(&s->tls->raw_out) != raw_out ||
		  buf_used(&s->in) != in || s->end != STREAM_OPEN;
	return io;
}

static bool fill_sealed(struct stream *s)
{
	int reads = FILL_READS;
	bool moved = false, step;
	enum tls_io io;

	do {
		step = stream_below_read(s, &s->tls->raw_in);
		io = open_sealed(s, &step);
		moved |= step;
	} while (step && s->end == STREAM_OPEN && --reads > 0);
	/* MORE, not FULL: plain octets that wait for room in `in` come before the end. */
	if (!step && s->dry && io == TLS_IO_MORE && s->end == STREAM_OPEN) {
		end_as_below(s);
		moved = true;
	}
	return moved;
}

static bool fill_plain(struct stream *s)
{
	bool moved = false;

	while (stream_below_read(s, &s->in))
		moved = true;
	if (s->dry) {
		end_as_below(s);
		moved = true;
	}
	return moved;
}

bool stream_fill(struct stream *s, msec now)
{
	size_t before = buf_used(&s->in);
	bool moved;

	if (!s->open || s->end != STREAM_OPEN)
		return false;
	/* A stream that is lost is held no longer: its end must come to light. */
	if ((s->held || s->bypassed) && s->below == STREAM_OPEN)
		return false;
	moved = s->tls != NULL ? fill_sealed(s) : fill_plain(s);
	s->bytes_in += buf_used(&s->in) - before;
	if (moved)
		s->moved_at = now;
	return moved;
}

bool stream_look_behind(struct stream *s)
{
	bool blocked = s->bypassed || buf_space(&s->in) == 0;

	if (!s->open || s->end != STREAM_OPEN || s->tls != NULL || !blocked || !stream_below_look(s))
		return false;
	s->dry = true;
	s->end = STREAM_RESET;
	return true;
}

/* Nobody will ever get what waits; who waits for room behind it shall not wait for ever. */
static bool drop_all(struct stream *s)
{
	bool any = !stream_flushed(s) || (s->close_when_flushed && !s->shut_out);

	empty(&s->out);
	if (s->tls != NULL)
		empty(&s->tls->raw_out);
	s->shut_out |= s->close_when_flushed;
	return any;
}

static bool flush_plain(struct stream *s)
{
	bool moved = false;

	while (stream_below_write(s, &s->out))
		moved = true;
	return moved;
}

/* Plain octets into records. */
static bool seal(struct stream *s)
{
	size_t out = buf_used(&s->out), raw_out = buf_used(&s->tls->raw_out);
	struct why why;

	if (out == 0 || s->handshaking || s->end == STREAM_TLS_BROKEN)
		return false;
	if (tls_conn_write(s->tls, &s->out, &why) == TLS_IO_BROKEN) {
		s->why = why;
		tls_broken(s);
		return true;
	}
	return buf_used(&s->out) != out || buf_used(&s->tls->raw_out) != raw_out;
}

/* Behind the last octets, so that it leaves together with them: a send of its own is 5 µs of a session's 420. */
static bool seal_end(struct stream *s)
{
	size_t raw_out = buf_used(&s->tls->raw_out);

	if (s->close_when_flushed && buf_used(&s->out) == 0 && stream_is_secure(s) && !s->tls->broken)
		tls_conn_close(s->tls);
	return buf_used(&s->tls->raw_out) != raw_out;
}

static bool flush_sealed(struct stream *s)
{
	bool moved = false, step;

	/* The first step of a handshake of ours needs nothing from the peer. */
	if (s->handshaking && s->end == STREAM_OPEN)
		open_sealed(s, &moved);
	do {
		step = seal(s);
		step |= seal_end(s);
		step |= stream_below_write(s, &s->tls->raw_out);
		moved |= step;
	} while (step);
	if (s->end == STREAM_TLS_BROKEN && buf_used(&s->out) > 0) {
		empty(&s->out);
		moved = true;
	}
	return moved;
}

static bool finish(struct stream *s)
{
	if (!s->close_when_flushed || s->shut_out || !stream_flushed(s) || s->below == STREAM_RESET)
		return false;
	stream_below_shut(s);
	s->shut_out = true;
	return true;
}

bool stream_flush(struct stream *s, msec now)
{
	enum stream_end below = s->below;
	uint64_t before = buf_used(&s->out);
	bool moved;

	if (!s->open)
		return false;
	if (s->below == STREAM_RESET)
		return drop_all(s);
	/* What is put in after our FIN could never be sent. */
	must(!s->shut_out || before == 0);
	moved = s->tls != NULL ? flush_sealed(s) : flush_plain(s);
	if (s->end != STREAM_TLS_BROKEN)
		s->bytes_out += before - buf_used(&s->out);
	moved |= finish(s);
	if (moved)
		s->moved_at = now;
	if (s->below == below)
		return moved;
	/* Lost on the way. Where the peer has not ended, reading will end the stream: what it sent
	 * before is still to be had. */
	if (s->end == STREAM_CLOSED || s->end == STREAM_CUT)
		s->end = STREAM_RESET;
	drop_all(s);
	return true;
}

bool stream_flushed(const struct stream *s)
{
	return buf_used(&s->out) == 0 && (s->tls == NULL || buf_used(&s->tls->raw_out) == 0);
}

void stream_finish(struct stream *s)
{
	s->close_when_flushed = true;
}

void stream_rest(struct stream *s)
{
	buf_shrink(&s->in);
	buf_shrink(&s->out);
	if (s->tls == NULL)
		return;
	buf_shrink(&s->tls->raw_in);
	buf_shrink(&s->tls->raw_out);
}
