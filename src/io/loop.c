#include "io/loop.h"

#include "base/must.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

struct loop {
	struct event_base *base;
	msec now;
	bool timed;   /* `now` was read in this batch */
	bool again;
	bool stopped;
};

struct loop_watch {
	struct event event;
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

struct loop *loop_new(void)
{
	struct loop *l = mem_new(sizeof(*l));
	struct event_config *config = event_config_new();

	must(config != NULL);
	must(event_config_require_features(config, EV_FEATURE_ET) == 0); /* streams are built on it */
	must(event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) == 0);
	l->base = event_base_new_with_config(config);
	event_config_free(config);
	must(l->base != NULL);
	return l;
}

void loop_free(struct loop *l)
{
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

void loop_run(struct loop *l, void (*after)(void *arg), void *arg)
{
	while (!l->stopped) {
		int flags = EVLOOP_ONCE | (l->again ? EVLOOP_NONBLOCK : 0);
		int left;

		l->again = false;
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
	w->on = on;
	w->arg = arg;
	must(event_assign(&w->event, l->base, fd, events, watch_event, w) == 0);
	must(event_add(&w->event, NULL) == 0);
	return w;
}

struct loop_watch *loop_watch_stream(struct loop *l, int fd,
				     void (*on)(void *arg, unsigned what), void *arg)
{
	return watch(l, fd, EV_READ | EV_WRITE | EV_ET | EV_PERSIST, on, arg);
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
	must(event_del(&w->event) == 0);
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
