/* io/stream.h
 * Bytes to and from one peer: a socket or memory below, TLS in between where it was
 * started. It owns its descriptor, its TLS connection and its buffers.
 *
 * Readiness is remembered, not asked for: sockets are watched edge-triggered, an event
 * sets ready_in or ready_out (stream_ready); an EAGAIN takes it back, or a read that brought all. So after any
 * event the session runs as far as it goes and nothing need be armed again. Octets may also wait
 * above the socket, still sealed or inside OpenSSL, while `in` is full: no event tells of
 * them, so stream_fill is to be called whenever `in` has got room. */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include "base/buf.h"
#include "base/clock.h"
#include "io/addr.h"
#include "tls/tls_conn.h"

#define STREAM_IN_MOST (64 * 1024)
/* Under TLS: three full records. Of four, sealed anew for the other side, the last 2 KB would no longer fit into the packet
 * of 64 KB that the kernel makes of the others: a MB that is TLS on both sides takes 17 % less so. */
#define STREAM_IN_TLS_MOST (48 * 1024)
#define STREAM_OUT_MOST (64 * 1024)

/* How the peer's side of the stream ended. It shows only when no octet will ever be added to `in`
 * any more: what came before it is all there, and may still be read. */
enum stream_end {
	STREAM_OPEN,
	STREAM_CLOSED,    /* FIN in clear, or close_notify under TLS; we may still send */
	STREAM_CUT,       /* FIN under TLS without close_notify; we may still send */
	STREAM_RESET,     /* RST, or an error of the socket. CLOSED and CUT become RESET where sending fails later */
	STREAM_TLS_BROKEN /* an alert, a bad record; any end whatever during the handshake */
};

#define STREAM_PIPE_MOST (16 * 1024 * 1024)

/* Two ends of a connection in memory, for talks and the simulator. */
struct stream_pipe {
	struct buf a_to_b, b_to_a;
	bool a_closed, b_closed;   /* that end has sent its FIN */
	bool a_gone, b_gone;       /* that end reads no more: sending to it brings a reset */
	bool reset;                /* seen by either end when it has read what came before */
	size_t a_window, b_window; /* how many bytes a write may have waiting towards a, b */
};

void stream_pipe_init(struct stream_pipe *p, size_t a_window, size_t b_window);
void stream_pipe_free(struct stream_pipe *p);

struct stream {
	int fd;                    /* -1: memory, or not open */
	struct stream_pipe *pipe;  /* not owned; NULL: a socket */
	bool pipe_is_a;
	bool open;
	bool ready_in, ready_out;
	bool behind;               /* a read that brings little is followed by another (LOOP_BEHIND) */
	enum stream_end below;     /* of the transport alone: OPEN, CLOSED or RESET */
	bool dry;                  /* the transport will give no more */
	bool held;                 /* stream_hold was called */
	bool bypassed;             /* io/splice.h takes the octets, and `in` gets none */
	bool shut_out;             /* our FIN has been sent, or never can be */
	bool close_when_flushed;   /* stream_finish was called */
	enum stream_end end;
	struct tls_conn *tls;      /* NULL: clear */
	bool handshaking;
	enum tls_failure failure;  /* of the handshake */
	struct buf in, out;        /* plain octets */
	uint64_t bytes_in, bytes_out; /* plain octets moved so far */
	msec moved_at;             /* when bytes last moved, as told to fill and flush */
	struct why why;            /* of `end`, where it is not OPEN or CLOSED */
};

void stream_init(struct stream *s);
void stream_open_fd_take(struct stream *s, int fd);
void stream_open_pipe(struct stream *s, struct stream_pipe *pipe, bool is_a);
/* Closes at once, whatever waits. The stream may be opened again after it; until then `end`, `why`,
 * `failure` and the counts stay what they were, for the log. */
void stream_close(struct stream *s);
/* Closes so that the peer sees a reset: it must not take what it has for whole. */
void stream_abort(struct stream *s);

/* What the loop told of the socket (enum loop_what). */
void stream_ready(struct stream *s, unsigned what);

/* Nothing is read until stream_start_tls. To be called with the reply that asks for TLS or
 * grants it put into `out`: the peer's first TLS octets may follow on its heels, and must
 * not be read as if they were in clear. */
void stream_hold(struct stream *s);

/* Puts TLS under a stream that has been in the clear.
 *
 * Takes `tls` on success only. Fails where bytes are still waiting on either
 * side: a peer's plaintext must never be read as if it had come through TLS
 * (RFC 3207 section 4.2), and our last plain reply must have left first. There is
 * no other way to switch a stream, so no caller can forget the check. */
MUST_CHECK bool stream_start_tls(struct stream *s, struct tls_conn *tls, struct why *why);

/* The same for a stream that is TLS from its first octet, whose first octets have been looked at
 * (tls_hello_client) and still stand in `in`, all of them: they become the handshake's. Fails where
 * anything was ever said or taken in clear. */
MUST_CHECK bool stream_start_tls_peeked(struct stream *s, struct tls_conn *tls, struct why *why);

/* Under TLS and past the handshake. */
bool stream_is_secure(const struct stream *s);

/* Moves what can be moved; true where anything did, the end of the stream and steps of a handshake
 * included. `now` is only written down. False from both means: without an event, or room in `in`, or
 * octets in `out`, nothing more will happen. Neither runs for long, however fast the peer is: fill may
 * return true with more to come. */
bool stream_fill(struct stream *s, msec now);
/* After a reset, and when TLS is broken, what waits in `out` is dropped (an alert of ours is
 * still sent). */
bool stream_flush(struct stream *s, msec now);

/* Where nothing can be read for want of room: a reset that stands behind the octets that wait ends the stream now, and
 * they are lost. For who would have to let go of both ends then anyway. True where it did. */
bool stream_look_behind(struct stream *s);

/* Nothing waits to be sent, neither plain nor encrypted. */
bool stream_flushed(const struct stream *s);

/* No more will be put into `out`: when it is flushed, close_notify and FIN follow. Reading goes on. */
void stream_finish(struct stream *s);

/* Gives back memory of an idle stream. */
void stream_rest(struct stream *s);

#endif
