#include "route/route_socketmap.h"

#include "base/log.h"
#include "base/must.h"
#include "io/sock.h"
#include "io/stream.h"
#include "policy/policy_name.h"
#include "route/route_map.h"
#include "route/route_netstring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Connections taken, and requests of one client answered, before the others have their turn. */
#define ACCEPT_BATCH 16
#define STEPS_A_TURN 64
#define ACCEPT_PAUSE_MS 200

struct client {
	struct route_socketmap *map;
	struct client *next;
	struct stream stream;
	struct loop_watch *watch;   /* NULL: closed; it waits for the answer that nobody wants any more */
	bool asking;
	enum route_map_kind kind;   /* of what it asks */
	bool running;               /* run() is at work on it */
	bool over;                  /* it is to go */
	bool again;                 /* it has had its turn, and has more to do */
};

struct route_socketmap {
	struct loop *loop;
	struct route *route;
	struct route_partners *partners;
	int fd;                     /* -1: drains */
	struct loop_watch *watch;   /* NULL: paused, or drains */
	struct loop_timer *pause;
	struct loop_timer *again;
	struct client *all;
	unsigned count;             /* of those that are open */
	bool draining;
};

static void run(struct client *c);

static void unlink_client(struct client *c)
{
	struct client **at = &c->map->all;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
}

static void hang_up(struct client *c)
{
	if (c->watch == NULL)
		return;
	loop_unwatch(c->watch);
	c->watch = NULL;
	stream_close(&c->stream);
	c->map->count--;
}

static void let_go(struct client *c)
{
	if (c->watch != NULL || c->asking)
		return;
	unlink_client(c);
	free(c);
}

/* One that does not read what it asks for goes. */
static void answer(struct client *c, struct span text)
{
	if (!route_netstring_put(&c->stream.out, text))
		c->over = true;
}

static void answer_decision(struct client *c, const struct policy_evidence *e)
{
	struct policy_table *table = route_partners_table(c->map->partners);
	int64_t now = (int64_t)time(NULL);
	struct policy_question q = {
		.recipient = span_str(e->domain), .evidence = e, .dane = true, .sts = true, .now = now,
	};
	struct policy_decision d;
	struct buf text;

	if (table == NULL) {
		answer(c, SPAN("TEMP the rules of the partners' database can't be read"));
		return;
	}
	q.rule = policy_table_find(table, span_str(e->domain), POLICY_OUTBOUND, now);
	policy_decide(&q, &d);
	buf_init(&text, ROUTE_MAP_ANSWER_MOST - 16);
	if (route_map_answer(&d, e, c->kind, &text))
		answer(c, buf_peek(&text));
	else
		answer(c, SPAN("TEMP the answer is too long"));
	buf_free(&text);
}

static void on_evidence(void *arg, const struct policy_evidence *e)
{
	struct client *c = arg;

	c->asking = false;
	if (c->watch == NULL) {
		let_go(c);
		return;
	}
	answer_decision(c, e);
	/* What the cache has comes while run() is still asking. */
	if (!c->running)
		run(c);
}

/* "[192.0.2.1]:25", ".example.net" and the like are not for us: Postfix asks for many things. */
static void ask(struct client *c, struct span request)
{
	char domain[POLICY_NAME_MOST];
	struct span key;

	c->kind = route_map_read(request, &key);
	if (c->kind == ROUTE_MAP_UNKNOWN) {
		answer(c, SPAN("PERM no such map; there are QUERY and QUERYwithTLSRPT"));
		return;
	}
	if (!policy_name_fold(key, domain) || !policy_name_ok(span_str(domain))) {
		answer(c, SPAN("NOTFOUND "));
		return;
	}
	c->asking = true;
	route_look_up(c->map->route, domain, on_evidence, c);
}

/* Takes the next request, where it is there: one after the other, in their order. */
static bool step(struct client *c)
{
	struct span request;
	size_t taken = 0;

	if (c->asking || buf_used(&c->stream.out) > 0)
		return false;
	switch (route_netstring_next(buf_peek(&c->stream.in), ROUTE_MAP_ASK_MOST, &request, &taken)) {
	case ROUTE_NETSTRING_PART:
		c->over |= c->stream.end != STREAM_OPEN || c->map->draining;
		return false;
	case ROUTE_NETSTRING_BAD:
		c->over = true;
		return false;
	case ROUTE_NETSTRING_WHOLE:
		break;
	}
	ask(c, request);
	buf_consume(&c->stream.in, taken);
	return true;
}

static void run(struct client *c)
{
	msec now = loop_now(c->map->loop);
	int steps = STEPS_A_TURN;
	bool moved = true;

	c->running = true;
	for (; moved && !c->over && steps > 0; steps--) {
		moved = stream_fill(&c->stream, now);
		moved |= step(c);
		moved |= stream_flush(&c->stream, now);
	}
	c->running = false;
	c->over |= c->stream.end == STREAM_RESET;
	if (c->over) {
		hang_up(c);
		let_go(c);
		return;
	}
	c->again = moved;
	if (moved)
		loop_timer_set(c->map->again, now);
}

static void on_client(void *arg, unsigned what)
{
	struct client *c = arg;

	stream_ready(&c->stream, what);
	run(c);
}

static void on_again(void *arg)
{
	struct route_socketmap *s = arg;
	struct client *next;

	for (struct client *c = s->all; c != NULL; c = next) {
		next = c->next;
		if (c->watch != NULL && c->again)
			run(c);
	}
}

static void make_room(struct route_socketmap *s)
{
	struct client *oldest = NULL;

	if (s->count < ROUTE_SOCKETMAP_CLIENTS_MOST)
		return;
	/* The newest stand in front. */
	for (struct client *c = s->all; c != NULL; c = c->next) {
		if (c->watch != NULL && (oldest == NULL || c->stream.moved_at <= oldest->stream.moved_at))
			oldest = c;
	}
	hang_up(oldest);
	let_go(oldest);
}

static void add(struct route_socketmap *s, int fd)
{
	struct client *c;

	make_room(s);
	c = mem_new(sizeof(*c));
	c->map = s;
	c->next = s->all;
	stream_init(&c->stream);
	stream_open_fd_take(&c->stream, fd);
	c->stream.moved_at = loop_now(s->loop);
	c->watch = loop_watch_stream(s->loop, fd, on_client, c);
	s->all = c;
	s->count++;
}

static void stop_accepting(struct route_socketmap *s)
{
	if (s->watch != NULL)
		loop_unwatch(s->watch);
	s->watch = NULL;
}

/* Without a descriptor to spare the listening socket would be ready for ever (FAULTS 25). */
static void on_door(void *arg, unsigned what)
{
	struct route_socketmap *s = arg;

	(void)what;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			add(s, fd);
			continue;
		}
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ECONNABORTED && errno != EINTR) {
			stop_accepting(s);
			loop_timer_set(s->pause, loop_now(s->loop) + ACCEPT_PAUSE_MS);
		}
		return;
	}
}

static void on_pause(void *arg)
{
	struct route_socketmap *s = arg;

	if (!s->draining && s->watch == NULL)
		s->watch = loop_watch_read(s->loop, s->fd, on_door, s);
}

struct route_socketmap *route_socketmap_new(struct loop *loop, int fd, struct route *route, struct route_partners *partners)
{
	struct route_socketmap *s = mem_new(sizeof(*s));

	*s = (struct route_socketmap){ .loop = loop, .route = route, .partners = partners, .fd = fd };
	s->pause = loop_timer_new(loop, on_pause, s);
	s->again = loop_timer_new(loop, on_again, s);
	s->watch = loop_watch_read(loop, fd, on_door, s);
	return s;
}

static void shut_door(struct route_socketmap *s)
{
	stop_accepting(s);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

void route_socketmap_drain(struct route_socketmap *s)
{
	struct client *next;

	s->draining = true;
	shut_door(s);
	for (struct client *c = s->all; c != NULL; c = next) {
		next = c->next;
		if (c->watch != NULL)
			run(c);
	}
}

unsigned route_socketmap_count(const struct route_socketmap *s)
{
	return s->count;
}

void route_socketmap_free(struct route_socketmap *s)
{
	if (s == NULL)
		return;
	while (s->all != NULL) {
		struct client *c = s->all;

		hang_up(c);
		s->all = c->next;
		free(c);
	}
	shut_door(s);
	loop_timer_free(s->pause);
	loop_timer_free(s->again);
	free(s);
}
