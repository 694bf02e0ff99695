#include "io/loop.h"

#include "base/must.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Events of streams that are taken at once. */
#define BATCH 64

/* Streams stand in an epoll of their own, which libevent watches as a single descriptor: it tells a reset (EPOLLERR)
 * as it tells octets, so that each read would have to be followed by one that finds nothing (a quarter of all system
 * calls of a message of 4 KB), and who can't read for want of room would not learn of it at all. */
struct streams {
	int epoll;
	unsigned count;
	struct event *ready; /* watched while there is a stream: else the loop would never be without work */
	struct epoll_event batch[BATCH];
	int batch_at, batch_count;
	bool more;           /* not all have been told, it may be, and of those there will be no edge */
};

struct loop {
	struct event_base *base;
	struct streams streams;
	msec now;
	bool timed;   /* `now` was read in this batch */
	bool again;
	bool stopped;
};

struct loop_watch {
	struct event *event; /* NULL: a stream */
	int fd;
	struct loop *loop;
	void (*on)(void *arg, unsigned what);
	void *arg;
};

struct loop_timer {
	struct event event;
	struct loop *loop;
	void (*on)(void *arg);
	void *arg;
	msec at;
	msec armed; /* when libevent will ring; never after `at` */
};

struct loop_signal {
	struct event event;
	struct loop *loop;
	void (*on)(void *arg);
	void *arg;
};

static void streams_ready(evutil_socket_t fd, short events, void *arg);

struct loop *loop_new(void)
{
	struct loop *l = mem_new(sizeof(*l));
	struct event_config *config = event_config_new();

	must(config != NULL);
	must(event_config_require_features(config, EV_FEATURE_ET) == 0);
	must(event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) == 0);
	l->base = event_base_new_with_config(config);
	event_config_free(config);
	must(l->base != NULL);
	l->streams.epoll = epoll_create1(EPOLL_CLOEXEC);
	must(l->streams.epoll >= 0);
	l->streams.ready = event_new(l->base, l->streams.epoll, EV_READ | EV_ET | EV_PERSIST, streams_ready, l);
	must(l->streams.ready != NULL);
	return l;
}

void loop_free(struct loop *l)
{
	event_free(l->streams.ready);
	close(l->streams.epoll);
	event_base_free(l->base);
	free(l);
}

/* The clock is read once a batch, by whoever comes first. */
static void read_clock(struct loop *l)
{
	if (l->timed)
		return;
	l->now = clock_now();
	l->timed = true;
}

/* What is left of a batch has its turn in the next one: libevent runs what is made active while it works before it comes back, so
 * that streams that are always busy would keep timers, doors and `after` waiting for ever. */
static void go_on_with_streams(struct streams *all)
{
	if (all->more && all->count > 0)
		event_active(all->ready, EV_READ, 0);
	all->more = false;
}

void loop_run(struct loop *l, void (*after)(void *arg), void *arg)
{
	while (!l->stopped) {
		int flags = EVLOOP_ONCE | (l->again ? EVLOOP_NONBLOCK : 0);
		int left;

		l->again = false;
		go_on_with_streams(&l->streams);
		left = event_base_loop(l->base, flags);
		must(left >= 0);
		read_clock(l);
		if (after != NULL)
			after(arg);
		l->timed = false;
		/* 1: libevent has nothing to wait for, so that no event will ever come. */
		if (left == 1 && !l->again &&
		    event_base_get_num_events(l->base, EVENT_BASE_COUNT_ADDED) == 0)
			break;
	}
	l->stopped = false;
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
}

void loop_again(struct loop *l)
{
	l->again = true;
}

void *loop_base(struct loop *l)
{
	return l->base;
}

msec loop_now(const struct loop *l)
{
	return l->timed ? l->now : clock_now();
}

/* libevent has copied all it needs before it calls: `on` may free the watch. */
static void watch_event(evutil_socket_t fd, short events, void *arg)
{
	struct loop_watch *w = arg;
	unsigned what = 0;

	(void)fd;
	read_clock(w->loop);
	if (events & EV_READ)
		what |= LOOP_READ;
	if (events & EV_WRITE)
		what |= LOOP_WRITE;
	w->on(w->arg, what);
}

static struct loop_watch *watch(struct loop *l, int fd, short events,
				void (*on)(void *arg, unsigned what), void *arg)
{
	struct loop_watch *w = mem_new(sizeof(*w));

	w->loop = l;
	w->fd = fd;
	w->on = on;
	w->arg = arg;
	w->event = event_new(l->base, fd, events, watch_event, w);
	must(w->event != NULL && event_add(w->event, NULL) == 0);
	return w;
}

static unsigned what_of(uint32_t events)
{
	unsigned what = 0;

	if (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		what |= LOOP_READ;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		what |= LOOP_WRITE;
	if (events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		what |= LOOP_BEHIND;
	return what;
}

static void streams_ready(evutil_socket_t fd, short events, void *arg)
{
	struct loop *l = arg;
	struct streams *all = &l->streams;

	(void)fd;
	(void)events;
	read_clock(l);
	all->batch_count = epoll_wait(all->epoll, all->batch, BATCH, 0);
	must(all->batch_count >= 0 || errno == EINTR);
	for (all->batch_at = 0; all->batch_at < all->batch_count; all->batch_at++) {
		const struct epoll_event *one = &all->batch[all->batch_at];
		struct loop_watch *w = one->data.ptr;

		if (w != NULL)
			w->on(w->arg, what_of(one->events));
	}
	/* An interrupted call has told nobody. */
	all->more = all->batch_count == BATCH || all->batch_count < 0;
	all->batch_count = 0;
}

struct loop_watch *loop_watch_stream(struct loop *l, int fd,
				     void (*on)(void *arg, unsigned what), void *arg)
{
	struct loop_watch *w = mem_new(sizeof(*w));
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET,
		.data.ptr = w,
	};

	w->loop = l;
	w->fd = fd;
	w->on = on;
	w->arg = arg;
	must(epoll_ctl(l->streams.epoll, EPOLL_CTL_ADD, fd, &event) == 0);
	if (l->streams.count++ == 0)
		must(event_add(l->streams.ready, NULL) == 0);
	return w;
}

static void unwatch_stream(struct loop_watch *w)
{
	struct streams *all = &w->loop->streams;

	must(epoll_ctl(all->epoll, EPOLL_CTL_DEL, w->fd, NULL) == 0);
	for (int i = all->batch_at; i < all->batch_count; i++) {
		if (all->batch[i].data.ptr == w)
			all->batch[i].data.ptr = NULL;
	}
	if (--all->count == 0)
		must(event_del(all->ready) == 0);
}

struct loop_watch *loop_watch_read(struct loop *l, int fd,
				   void (*on)(void *arg, unsigned what), void *arg)
{
	return watch(l, fd, EV_READ | EV_PERSIST, on, arg);
}

struct loop_watch *loop_watch_level(struct loop *l, int fd, unsigned what,
				    void (*on)(void *arg, unsigned what), void *arg)
{
	short events = EV_PERSIST;

	if (what & LOOP_READ)
		events |= EV_READ;
	if (what & LOOP_WRITE)
		events |= EV_WRITE;
	return watch(l, fd, events, on, arg);
}

void loop_unwatch(struct loop_watch *w)
{
	if (w->event != NULL)
		event_free(w->event);
	else
		unwatch_stream(w);
	free(w);
}

static void arm(struct loop_timer *t)
{
	msec now = clock_now(); /* that of the batch is old by now: it would make us late */
	msec wait = t->at > now ? t->at - now : 0;
	struct timeval tv = { .tv_sec = (time_t)(wait / 1000), .tv_usec = (wait % 1000) * 1000 };

	t->armed = t->at;
	must(event_add(&t->event, &tv) == 0);
}

/* libevent's clock is a coarse one and may ring a little early; and a timer that was put off
 * rings at its old time. Both are armed anew. */
static void timer_event(evutil_socket_t fd, short events, void *arg)
{
	struct loop_timer *t = arg;

	(void)fd;
	(void)events;
	read_clock(t->loop);
	t->armed = MSEC_NEVER;
	if (t->at == MSEC_NEVER)
		return;
	if (t->at > t->loop->now) {
		arm(t);
		return;
	}
	t->at = MSEC_NEVER;
	t->on(t->arg);
}

struct loop_timer *loop_timer_new(struct loop *l, void (*on)(void *arg), void *arg)
{
	struct loop_timer *t = mem_new(sizeof(*t));

	t->loop = l;
	t->on = on;
	t->arg = arg;
	t->at = t->armed = MSEC_NEVER;
	must(event_assign(&t->event, l->base, -1, 0, timer_event, t) == 0);
	return t;
}

/* A session moves its limit with every step it takes, nearly always to a later time: then
 * libevent's heap is left alone, and one early ring puts it right. */
void loop_timer_set(struct loop_timer *t, msec at)
{
	t->at = at;
	if (at < t->armed)
		arm(t);
}

void loop_timer_free(struct loop_timer *t)
{
	must(event_del(&t->event) == 0);
	free(t);
}

static void signal_event(evutil_socket_t fd, short events, void *arg)
{
	struct loop_signal *s = arg;

	(void)fd;
	(void)events;
	read_clock(s->loop);
	s->on(s->arg);
}

struct loop_signal *loop_signal_new(struct loop *l, int signo, void (*on)(void *arg), void *arg)
{
	struct loop_signal *s = mem_new(sizeof(*s));

	s->loop = l;
	s->on = on;
	s->arg = arg;
	must(event_assign(&s->event, l->base, signo, EV_SIGNAL | EV_PERSIST, signal_event, s) == 0);
	must(event_add(&s->event, NULL) == 0);
	return s;
}

void loop_signal_free(struct loop_signal *s)
{
	must(event_del(&s->event) == 0);
	free(s);
}
