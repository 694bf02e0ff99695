/* io/splice.h
 * Moves octets from one socket to another without reading them: splice(2) through a pipe. It pays for large flows
 * alone (FIGURES section 5: 40 % less per MB in bulk, 10 % more for 4 KB), so each direction begins with read and
 * write, turns to splice after two full reads, and back when a pipe brings little. A direction owns a pipe only while
 * octets are in it; pipes come from a bounded pool, and where none is to be had reading and writing does as well.
 *
 * What it does not do: ends. As soon as a socket has ended, on either side, the stream is read in the usual way
 * again, and tells of its end itself, the same as if there were no splice. */
#ifndef IO_SPLICE_H
#define IO_SPLICE_H

#include "io/stream.h"

#define SPLICE_PIPES 64
/* Of a pipe, where the system allows it. */
#define SPLICE_PIPE_MOST (1024 * 1024)
/* Full reads of STREAM_IN_MOST before splice begins. */
#define SPLICE_AFTER 2

/* One a process. */
struct splice_pool {
	int idle[SPLICE_PIPES][2]; /* pipes with nothing in them */
	unsigned idle_count, made;
	unsigned most;             /* 0: no splice at all */
};

void splice_pool_init(struct splice_pool *pool, unsigned most);
/* All pipes must have been given back. */
void splice_pool_free(struct splice_pool *pool);

/* One direction. */
struct splice {
	struct splice_pool *pool;
	int pipe[2];       /* -1: none */
	size_t inside;     /* octets in the pipe: they come before all that stands in from->in */
	uint64_t noted;    /* from->bytes_in as of the last splice_note */
	unsigned full;     /* full reads in a row */
	unsigned meagre;   /* pipes in a row that brought little */
	uint64_t moved;    /* octets that went this way */
};

void splice_init(struct splice *p, struct splice_pool *pool);
/* What is in the pipe is lost. */
void splice_free(struct splice *p);

/* To be called after stream_fill, before octets are taken out of `in`: the second full read is followed by splice. */
void splice_note(struct splice *p, struct stream *from, const struct stream *to);

/* Moves what can be moved past both buffers; true where anything was, or where reading goes on in the usual way.
 * Does nothing while from->in or to->out hold octets that come first. */
bool splice_move(struct splice *p, struct stream *from, struct stream *to, msec now);

#endif
