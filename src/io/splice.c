#include "io/splice.h"

#include "base/must.h"
#include "io/stream_below.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* A pipe that the system makes smaller than this does not pay: an unprivileged user may have so many pages of them. */
#define PIPE_LEAST (64 * 1024)
#define LITTLE (16 * 1024)
/* The socket's buffer runs dry now and then, however large the flow is. */
#define MEAGRE_MOST 8

void splice_pool_init(struct splice_pool *pool, unsigned most)
{
	must(most <= SPLICE_PIPES);
	*pool = (struct splice_pool){ .most = most };
}

static void close_pipe(struct splice_pool *pool, const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
	pool->made--;
}

void splice_pool_free(struct splice_pool *pool)
{
	while (pool->idle_count > 0)
		close_pipe(pool, pool->idle[--pool->idle_count]);
	must(pool->made == 0);
}

static bool make_pipe(struct splice_pool *pool, int fds[2])
{
	if (pool->made == pool->most || pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
		return false;
	pool->made++;
	(void)fcntl(fds[1], F_SETPIPE_SZ, SPLICE_PIPE_MOST); /* what it has is good enough too */
	if (fcntl(fds[1], F_GETPIPE_SZ) >= PIPE_LEAST)
		return true;
	close_pipe(pool, fds);
	return false;
}

static bool take_pipe(struct splice *p)
{
	struct splice_pool *pool = p->pool;

	if (p->pipe[0] >= 0)
		return true;
	if (pool->idle_count > 0) {
		pool->idle_count--;
		p->pipe[0] = pool->idle[pool->idle_count][0];
		p->pipe[1] = pool->idle[pool->idle_count][1];
		return true;
	}
	if (make_pipe(pool, p->pipe))
		return true;
	p->pipe[0] = p->pipe[1] = -1;
	return false;
}

static void give_pipe(struct splice *p)
{
	if (p->pipe[0] < 0)
		return;
	if (p->inside > 0) {
		close_pipe(p->pool, p->pipe);
	} else {
		p->pool->idle[p->pool->idle_count][0] = p->pipe[0];
		p->pool->idle[p->pool->idle_count][1] = p->pipe[1];
		p->pool->idle_count++;
	}
	p->pipe[0] = p->pipe[1] = -1;
	p->inside = 0;
}

void splice_init(struct splice *p, struct splice_pool *pool)
{
	*p = (struct splice){ .pool = pool, .pipe = { -1, -1 } };
}

void splice_free(struct splice *p)
{
	give_pipe(p);
}

void splice_note(struct splice *p, struct stream *from, const struct stream *to)
{
	if (from->fd < 0 || to->fd < 0 || p->pool->most == 0 || from->bytes_in == p->noted)
		return;
	p->noted = from->bytes_in;
	p->full = buf_space(&from->in) == 0 ? p->full + 1 : 0;
	if (p->full < SPLICE_AFTER || from->end != STREAM_OPEN)
		return;
	p->full = 0;
	p->meagre = 0;
	from->bypassed = true;
}

static void stop(struct splice *p, struct stream *from)
{
	give_pipe(p);
	from->bypassed = false;
}

static ssize_t move(int from, int to, size_t most)
{
	ssize_t moved;

	do {
		moved = splice(from, NULL, to, NULL, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	} while (moved < 0 && errno == EINTR);
	return moved;
}

/* As stream_flush does it: where the peer has not ended, reading will end the stream. */
static void lose(struct stream *to, int error)
{
	stream_below_lost(to, "sending", error);
	if (to->end == STREAM_CLOSED)
		to->end = STREAM_RESET;
}

/* Out of the pipe; true where anything moved, or came to its end. */
static bool drain(struct splice *p, struct stream *to, msec now)
{
	ssize_t put;

	if (p->inside == 0 || !to->ready_out || to->below == STREAM_RESET)
		return false;
	put = move(p->pipe[0], to->fd, p->inside);
	if (put > 0) {
		p->inside -= (size_t)put;
		p->moved += (uint64_t)put;
		to->bytes_out += (uint64_t)put;
		to->moved_at = now;
		return true;
	}
	to->ready_out = false;
	if (put == 0 || errno == EAGAIN)
		return false;
	lose(to, errno);
	return true;
}

/* Into the empty pipe; true where octets moved, or where this can't go on. An end of the stream is
 * left for stream_fill to find, but for the error, which the socket tells only once. */
static bool fill(struct splice *p, struct stream *from, msec now)
{
	ssize_t got;

	if (!from->ready_in && from->below == STREAM_OPEN)
		return false;
	if (from->below != STREAM_OPEN || p->meagre >= MEAGRE_MOST || !take_pipe(p)) {
		stop(p, from);
		return true;
	}
	got = move(from->fd, p->pipe[1], SPLICE_PIPE_MOST);
	if (got > 0) {
		p->meagre = got < LITTLE ? p->meagre + 1 : 0;
		p->inside = (size_t)got;
		from->bytes_in += (uint64_t)got;
		from->moved_at = now;
		return true;
	}
	if (got < 0 && errno == EAGAIN) {
		from->ready_in = false;
		give_pipe(p);
		return false;
	}
	if (got < 0)
		stream_below_lost(from, "receiving", errno);
	stop(p, from);
	return true;
}

bool splice_move(struct splice *p, struct stream *from, struct stream *to, msec now)
{
	bool moved = false;

	if (buf_used(&to->out) > 0 || (p->inside == 0 && (!from->bypassed || buf_used(&from->in) > 0)))
		return false;
	if (p->inside == 0)
		moved = fill(p, from, now);
	while (drain(p, to, now))
		moved = true;
	if (p->inside == 0)
		give_pipe(p);
	return moved;
}
