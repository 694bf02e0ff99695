/* io/loop.h
 * The event loop of a process; libevent stands behind it and is seen nowhere else. One loop
 * a process, one thread a loop. */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include "base/clock.h"

#include <stdbool.h>

enum loop_what {
	LOOP_READ = 1,
	LOOP_WRITE = 2,
	/* Of streams: behind the octets that have come stands something else (FIN, RST, urgent data), told together with
	 * them. Without it a read that brings less than was asked for has taken all, and what comes next is told anew. */
	LOOP_BEHIND = 4,
};

struct loop;
struct loop_watch; /* a descriptor that is watched */
struct loop_timer;
struct loop_signal;

struct loop *loop_new(void);
/* All watches, timers and signals must be gone. */
void loop_free(struct loop *l);
/* Runs until loop_stop, or until nothing is left to wait for. After each batch of events `after`
 * is run (may be NULL). */
void loop_run(struct loop *l, void (*after)(void *arg), void *arg);
/* The batch that runs is run to its end, and so is `after`. */
void loop_stop(struct loop *l);
/* The next turn of the loop looks for events but waits for none, and `after` is run in any case:
 * for who still has work that needs no event. Asked anew for each turn. */
void loop_again(struct loop *l);
/* The time of the current batch, from the monotonic clock. */
msec loop_now(const struct loop *l);

/* Edge-triggered, read and write: for streams. One epoll_ctl for the whole life. An end of the
 * connection comes as LOOP_READ or as both, and as LOOP_BEHIND. */
struct loop_watch *loop_watch_stream(struct loop *l, int fd,
				     void (*on)(void *arg, unsigned what), void *arg);
/* Level-triggered, read alone: for listening sockets and channels. */
struct loop_watch *loop_watch_read(struct loop *l, int fd,
				   void (*on)(void *arg, unsigned what), void *arg);
/* Level-triggered, for LOOP_READ, LOOP_WRITE or both: for libraries that say themselves what they wait for. */
struct loop_watch *loop_watch_level(struct loop *l, int fd, unsigned what,
				    void (*on)(void *arg, unsigned what), void *arg);
/* Must be called before the descriptor is closed. Whoever runs in a batch may take away any
 * watch, its own included: an event of it that was still to be told is told no more. So with
 * timers and signals. */
void loop_unwatch(struct loop_watch *w);

struct loop_timer *loop_timer_new(struct loop *l, void (*on)(void *arg), void *arg);
/* Rings once, never before loop_now is at least `at`. MSEC_NEVER: not set. */
void loop_timer_set(struct loop_timer *t, msec at);
void loop_timer_free(struct loop_timer *t);

/* The event base itself, for a library that can be given one (libunbound); nobody else needs it. */
void *loop_base(struct loop *l);

/* One loop of a process may have signals. */
struct loop_signal *loop_signal_new(struct loop *l, int signo, void (*on)(void *arg), void *arg);
void loop_signal_free(struct loop_signal *s);

#endif
