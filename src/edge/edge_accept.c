#include "edge/edge_accept.h"

#include "base/must.h"
#include "edge/session.h"
#include "edge/transparent.h"
#include "io/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Connections taken from one socket before the sessions have their turn again. */
#define ACCEPT_BATCH 8
/* Without descriptors left, accept is tried again after so long. */
#define ACCEPT_PAUSE_MSEC 200

struct door {
	struct edge_accept *accept;
	int fd;
	const struct plan_listen *listen;
	struct loop_watch *watch; /* NULL while paused or stopped */
};

struct edge_accept {
	struct edge *edge;
	struct door *doors;
	size_t count;
	struct loop_timer *pause;
	bool stopped;
	int spare; /* kept so that one more connection can be told why it is not taken */
};

static void on_client(void *arg, unsigned what)
{
	struct session *s = arg;

	edge_read_clock(s->edge);
	stream_ready(&s->client, what);
	session_run(s);
}

static void on_timer(void *arg)
{
	struct session *s = arg;

	edge_read_clock(s->edge);
	s->timer_at = MSEC_NEVER;
	session_tick(s);
}

/* On a port with TLS from the first byte there are no words before TLS: the connection
 * just closes. The answer is short enough for any socket buffer. */
static void turn_away(int fd, bool implicit, const struct smtp_answer *a, const char *sid)
{
	struct buf text;

	buf_init(&text, SMTP_LINE_MOST);
	if (!implicit && smtp_answer_put(&text, a, sid)) {
		struct span say = buf_peek(&text);

		if (write(fd, say.at, say.len) != (ssize_t)say.len)
			log_event("accept", "a connection was turned away without a word");
	}
	buf_free(&text);
	shutdown(fd, SHUT_WR);
	close(fd);
}

static void refuse(const struct door *d, int fd, const struct addr *peer, enum outcome outcome,
		   const struct smtp_answer *a, const char *why)
{
	struct edge *e = d->accept->edge;
	char text[ADDR_TEXT_MOST], sid[SESSION_SID + 1];
	struct log_line line;

	session_make_id(e, sid);
	addr_print(peer, text);
	log_begin(&line, "session-refused");
	log_text(&line, "sid", sid);
	log_text(&line, "service", e->plan->services[d->listen->service].conf->name);
	log_text(&line, "client", text);
	log_text(&line, "outcome", outcome_name(outcome));
	log_text(&line, "why", why);
	log_end(&line);
	turn_away(fd, d->listen->implicit, a, sid);
}

/* Before a word is said, and before what a handshake costs (SPEC SUB-9, SUB-11). */
static bool admit(struct door *d, int fd, const struct addr *peer)
{
	struct edge *e = d->accept->edge;
	const struct plan_service *service = &e->plan->services[d->listen->service];
	uint64_t key = addr_client_key(peer, shared_seed(e->shared));
	bool by_addr;

	if (!plan_service_admits(service, peer)) {
		edge_count(e, COUNT_REFUSED, 1);
		refuse(d, fd, peer, OUTCOME_ACCESS, &SMTP_SAY_ACCESS, "it is in none of the service's networks (clients)");
		return false;
	}
	if (shared_enter(e->shared, e->slot, service->index, service->conf->max_connections, key,
			 service->conf->max_connections_per_address, &by_addr))
		return true;
	edge_count(e, COUNT_REFUSED, 1);
	refuse(d, fd, peer, OUTCOME_LIMIT, by_addr ? &SMTP_SAY_TOO_MANY_FROM : &SMTP_SAY_TOO_MANY_CONN,
	       by_addr ? "max_connections_per_address is reached" : "max_connections is reached");
	return false;
}

/* Who calls our own port has not been brought here by the kernel's rules. */
static bool is_own_port(const struct door *d, const struct addr *target)
{
	const struct addr *at = &d->listen->at;
	struct addr plain = *target;

	addr_unmap(&plain);
	if (addr_port(&plain) != addr_port(at))
		return false;
	return addr_is_any(at) || addr_eq(&plain, at);
}

static void begin_transparent(struct door *d, struct session *s, int fd)
{
	struct edge *e = d->accept->edge;
	bool known = d->listen->tproxy || sock_original(fd, &s->target);
	bool ourselves;

	if (d->listen->tproxy)
		s->target = s->local;
	ourselves = shared_own_has(e->shared, addr_endpoint_key(&s->peer, shared_seed(e->shared)));
	if (!known)
		s->target = s->local;
	transparent_begin(s, !known || ourselves || is_own_port(d, &s->target));
}

static void begin(struct door *d, int fd, const struct addr *peer, const struct addr *local)
{
	struct edge *e = d->accept->edge;
	const struct plan_service *service = &e->plan->services[d->listen->service];
	struct session *s;

	if (e->draining) {
		refuse(d, fd, peer, OUTCOME_LIMIT, &SMTP_SAY_DRAIN, "the service ends");
		return;
	}
	if (!admit(d, fd, peer))
		return;
	s = session_new(e, service, d->listen->implicit, peer, local);
	s->counted = true;
	stream_open_fd_take(&s->client, fd);
	s->timer = loop_timer_new(e->loop, on_timer, s);
	s->watch = loop_watch_stream(e->loop, fd, on_client, s);
	if (service->conf->mode == CONF_MODE_TRANSPARENT)
		begin_transparent(d, s, fd);
	else
		session_begin(s);
}

static void on_connection(void *arg, unsigned what);

static void watch_all(struct edge_accept *a)
{
	for (size_t i = 0; i < a->count; i++) {
		struct door *d = &a->doors[i];

		if (d->watch == NULL)
			d->watch = loop_watch_read(a->edge->loop, d->fd, on_connection, d);
	}
}

static void unwatch_all(struct edge_accept *a)
{
	for (size_t i = 0; i < a->count; i++) {
		if (a->doors[i].watch != NULL)
			loop_unwatch(a->doors[i].watch);
		a->doors[i].watch = NULL;
	}
}

static void on_pause_over(void *arg)
{
	struct edge_accept *a = arg;

	if (a->stopped)
		return;
	if (a->spare < 0)
		a->spare = fcntl(a->doors[0].fd, F_DUPFD_CLOEXEC, 0);
	watch_all(a);
}

/* No descriptor is left (FAULTS 25). With the spare one the client at the head of the
 * queue is told to come back; then all doors rest a moment, lest the loop spin on them. */
static void out_of_descriptors(struct door *d)
{
	struct edge_accept *a = d->accept;
	struct addr peer, local;
	int fd;

	log_event("accept", "no descriptor is left: connections wait");
	if (a->spare >= 0)
		close(a->spare);
	fd = sock_accept(d->fd, &peer, &local);
	if (fd >= 0) {
		edge_count(a->edge, COUNT_REFUSED, 1);
		turn_away(fd, d->listen->implicit, &SMTP_SAY_TOO_MANY_CONN, NULL);
	}
	a->spare = fcntl(d->fd, F_DUPFD_CLOEXEC, 0);
	unwatch_all(a);
	loop_timer_set(a->pause, loop_now(a->edge->loop) + ACCEPT_PAUSE_MSEC);
}

static bool take_one(struct door *d)
{
	struct addr peer, local;
	int fd = sock_accept(d->fd, &peer, &local);

	if (fd >= 0) {
		begin(d, fd, &peer, &local);
		return true;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		out_of_descriptors(d);
	/* What else accept(2) reports is about a connection that has already gone. */
	return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
}

static void on_connection(void *arg, unsigned what)
{
	struct door *d = arg;

	(void)what;
	edge_read_clock(d->accept->edge);
	for (int i = 0; i < ACCEPT_BATCH && take_one(d); i++)
		;
}

struct edge_accept *edge_accept_start(struct edge *e, const struct edge_listen *listens, size_t count)
{
	struct edge_accept *a = mem_new(sizeof(*a));

	must(count > 0);
	a->edge = e;
	a->count = count;
	a->doors = mem_new(count * sizeof(*a->doors));
	for (size_t i = 0; i < count; i++) {
		a->doors[i].accept = a;
		a->doors[i].fd = listens[i].fd;
		a->doors[i].listen = &e->plan->listens[listens[i].listen];
	}
	a->spare = fcntl(a->doors[0].fd, F_DUPFD_CLOEXEC, 0);
	a->pause = loop_timer_new(e->loop, on_pause_over, a);
	watch_all(a);
	return a;
}

void edge_accept_stop(struct edge_accept *a)
{
	if (a->stopped)
		return;
	a->stopped = true;
	unwatch_all(a);
	loop_timer_set(a->pause, MSEC_NEVER);
	/* A socket that is closed while connections wait in its queue would reset them. */
	for (size_t i = 0; i < a->count; i++) {
		for (int n = 0; n < SOMAXCONN && take_one(&a->doors[i]); n++)
			;
		close(a->doors[i].fd);
	}
	/* It is a copy of one of them, and would hold its queue open with nobody to serve it. */
	if (a->spare >= 0)
		close(a->spare);
	a->spare = -1;
}

void edge_accept_free(struct edge_accept *a)
{
	edge_accept_stop(a);
	loop_timer_free(a->pause);
	free(a->doors);
	free(a);
}
