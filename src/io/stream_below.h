/* io/stream_below.h
 * What a stream stands on: a socket, or one end of a pipe in memory. Private to io/stream.c. Octets
 * here are sealed or plain, it does not matter. */
#ifndef IO_STREAM_BELOW_H
#define IO_STREAM_BELOW_H

#include "io/stream.h"

/* One read into `to`, or one write from `from`; true where octets moved. Both set s->below when the
 * transport has ended, reading also s->dry when nothing more can come. A failed write leaves
 * what the peer had sent before still to be read: an upstream that refuses a message and
 * closes is heard (FAULTS 7). */
bool stream_below_read(struct stream *s, struct buf *to);
bool stream_below_write(struct stream *s, struct buf *from);

/* The transport has failed: an error of the socket. The first one stands. */
void stream_below_lost(struct stream *s, const char *what, int error);

/* Whether the transport has failed behind octets that nobody reads; sets s->below. */
bool stream_below_look(struct stream *s);

/* Our FIN. */
void stream_below_shut(struct stream *s);
void stream_below_close(struct stream *s, bool reset);

#endif
