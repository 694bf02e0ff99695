#include "io/stream_below.h"

#include "base/must.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* FIGURES section 6.4: never less than 64 KB at a time. */
#define READ_MOST (64 * 1024)

void stream_below_lost(struct stream *s, const char *what, int error)
{
	if (s->below == STREAM_RESET)
		return;
	s->below = STREAM_RESET;
	if (s->why.fault == FAULT_NONE)
		why_set(&s->why, FAULT_PEER, "%s: %s", what, strerror(error));
}

/* A read that brings less than was asked for has emptied the socket: what comes later has an edge of its own. But for
 * what stood behind the octets already when theirs was told, and was told with it; then only EAGAIN, or the end, is
 * the end. */
static bool sock_read(struct stream *s, struct buf *to)
{
	size_t room;
	char *at;
	ssize_t got;

	if (!s->ready_in && s->below == STREAM_OPEN)
		return false;
	at = buf_reserve(to, READ_MOST, &room);
	do {
		got = recv(s->fd, at, room, 0);
	} while (got < 0 && errno == EINTR);
	if (got > 0) {
		buf_commit(to, (size_t)got);
		s->ready_in = (size_t)got == room || s->behind;
		return true;
	}
	/* Before the buffer is given back: that may change errno. */
	if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
		stream_below_lost(s, "receiving", errno);
	else if (got == 0 && s->below == STREAM_OPEN)
		s->below = STREAM_CLOSED;
	buf_commit(to, 0);
	s->ready_in = s->behind = false;
	s->dry = s->below != STREAM_OPEN;
	return false;
}

static bool sock_write(struct stream *s, struct buf *from)
{
	struct span all = buf_peek(from);
	ssize_t put;

	if (!s->ready_out)
		return false;
	do {
		put = send(s->fd, all.at, all.len, MSG_NOSIGNAL);
	} while (put < 0 && errno == EINTR);
	if (put >= 0) {
		buf_consume(from, (size_t)put);
		return put > 0;
	}
	s->ready_out = false;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		stream_below_lost(s, "sending", errno);
	return false;
}

static bool pipe_read(struct stream *s, struct buf *to)
{
	struct stream_pipe *p = s->pipe;
	struct buf *from = s->pipe_is_a ? &p->b_to_a : &p->a_to_b;
	size_t space = buf_space(to);
	struct span some = span_first(buf_peek(from), space < READ_MOST ? space : READ_MOST);

	if (some.len > 0) {
		must(buf_put(to, some));
		buf_consume(from, some.len);
		return true;
	}
	if (p->reset)
		stream_below_lost(s, "receiving", ECONNRESET);
	else if ((s->pipe_is_a ? p->b_closed : p->a_closed) && s->below == STREAM_OPEN)
		s->below = STREAM_CLOSED;
	s->dry = s->below != STREAM_OPEN;
	return false;
}

static bool pipe_write(struct stream *s, struct buf *from)
{
	struct stream_pipe *p = s->pipe;
	struct buf *to = s->pipe_is_a ? &p->a_to_b : &p->b_to_a;
	size_t window = s->pipe_is_a ? p->b_window : p->a_window;
	struct span some;

	p->reset |= s->pipe_is_a ? p->b_gone : p->a_gone;
	if (p->reset) {
		stream_below_lost(s, "sending", EPIPE);
		return false;
	}
	if (window > to->most)
		window = to->most;
	some = span_first(buf_peek(from), window > buf_used(to) ? window - buf_used(to) : 0);
	must(buf_put(to, some));
	buf_consume(from, some.len);
	return some.len > 0;
}

bool stream_below_read(struct stream *s, struct buf *to)
{
	if (s->dry || buf_space(to) == 0)
		return false;
	return s->pipe != NULL ? pipe_read(s, to) : sock_read(s, to);
}

bool stream_below_write(struct stream *s, struct buf *from)
{
	if (s->below == STREAM_RESET || buf_used(from) == 0)
		return false;
	return s->pipe != NULL ? pipe_write(s, from) : sock_write(s, from);
}

static int pending_error(const struct stream *s)
{
	socklen_t size = sizeof(int);
	int error = 0;

	if (s->pipe != NULL)
		return s->pipe->reset ? ECONNRESET : 0;
	/* A socket that is broken has been told as such. */
	if (s->behind && getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	return error;
}

bool stream_below_look(struct stream *s)
{
	int error = pending_error(s);

	if (error != 0)
		stream_below_lost(s, "receiving", error);
	return error != 0;
}

void stream_below_shut(struct stream *s)
{
	if (s->pipe != NULL) {
		if (s->pipe_is_a)
			s->pipe->a_closed = true;
		else
			s->pipe->b_closed = true;
		return;
	}
	/* Fails only where the peer is gone already, which reading will tell. */
	shutdown(s->fd, SHUT_WR);
}

/* As a socket does it: who closes with octets unread sends a reset. */
static void pipe_close(struct stream *s, bool reset)
{
	struct stream_pipe *p = s->pipe;

	p->reset |= reset || buf_used(s->pipe_is_a ? &p->b_to_a : &p->a_to_b) > 0;
	if (s->pipe_is_a)
		p->a_closed = p->a_gone = true;
	else
		p->b_closed = p->b_gone = true;
	s->pipe = NULL;
}

void stream_below_close(struct stream *s, bool reset)
{
	const struct linger none = { .l_onoff = 1, .l_linger = 0 };

	if (s->pipe != NULL) {
		pipe_close(s, reset);
		return;
	}
	/* Where it fails the peer sees a FIN in the middle of a message: still no end of data. */
	if (reset)
		(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(s->fd);
	s->fd = -1;
}
