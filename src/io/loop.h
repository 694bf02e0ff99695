/* io/loop.h
 * The event loop of a process; libevent stands behind it and is seen nowhere else. One loop
 * a process, one thread a loop. */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include "base/clock.h"

#include <stdbool.h>

enum loop_what { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop;
struct loop_watch; /* a descriptor that is watched */
struct loop_timer;
struct loop_signal;

struct loop *loop_new(void);
void loop_free(struct loop *l);
/* Runs until loop_stop. After each batch of events, deferred work and then `after` are run. */
void loop_run(struct loop *l, void (*after)(void *arg), void *arg);
void loop_stop(struct loop *l);
/* The time of the current batch, from the monotonic clock. */
msec loop_now(const struct loop *l);

/* Edge-triggered, read and write: for streams. One epoll_ctl for the whole life. */
struct loop_watch *loop_watch_stream(struct loop *l, int fd,
				     void (*on)(void *arg, unsigned what), void *arg);
/* Level-triggered, read alone: for listening sockets and channels. */
struct loop_watch *loop_watch_read(struct loop *l, int fd,
				   void (*on)(void *arg, unsigned what), void *arg);
/* Must be called before the descriptor is closed. */
void loop_unwatch(struct loop_watch *w);

struct loop_timer *loop_timer_new(struct loop *l, void (*on)(void *arg), void *arg);
void loop_timer_set(struct loop_timer *t, msec at); /* MSEC_NEVER: not set */
void loop_timer_free(struct loop_timer *t);

struct loop_signal *loop_signal_new(struct loop *l, int signo, void (*on)(void *arg), void *arg);
void loop_signal_free(struct loop_signal *s);

#endif
