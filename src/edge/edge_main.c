#include "edge/edge_main.h"

#include "base/must.h"
#include "edge/edge_accept.h"
#include "edge/edge_route.h"
#include "edge/pool.h"
#include "edge/session.h"
#include "edge/stock.h"
#include "io/sock.h"
#include "ipc/ipc_channel.h"
#include "ipc/ipc_line.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>
#include <unistd.h>

/* So long an edge waits for the rules of the partners' database before it takes connections. */
#define RULES_MSEC 3000

struct process {
	struct edge edge;           /* first: tell_route finds the process by it */
	struct loop *loop;
	struct edge_accept *accept; /* NULL: not yet at work */
	const struct edge_start *start;
	struct loop_timer *rules;   /* of the wait for them */
	bool waited;                /* long enough */
	int channel_fd;
	struct loop_watch *channel; /* NULL: the master is gone */
	bool leaving;               /* ends with the last session */
	struct loop_timer *limit;   /* of a stop */
	int line_fd;                /* to `route`; -1: there is none */
	struct loop_watch *line;
	struct buf line_in;
};

static void on_leg(void *arg, unsigned what)
{
	struct leg *l = arg;

	edge_read_clock(l->edge);
	stream_ready(&l->stream, what);
	if (l->session == NULL)
		pool_event(l);
	else
		session_run(l->session);
}

/* In other people's way: with a socket that the kernel's rules let pass, and where so configured from the
 * client's own address. */
static int connect_for_client(struct edge *e, struct leg *leg, int fd, const struct addr *to,
			      struct why *why)
{
	bool as_client = leg->session->service->conf->source == CONF_SOURCE_CLIENT;
	struct addr local;

	fd = sock_connect_take(fd, as_client ? &leg->session->peer : NULL, to, why);
	if (fd >= 0 && sock_local(fd, &local)) {
		leg->own_key = addr_endpoint_key(&local, shared_seed(e->shared));
		shared_own_add(e->shared, e->slot, leg->own_key);
	}
	return fd;
}

/* The watch stays when the rival takes the place of the stream that it was beside (leg_dial.c). */
static void on_rival(void *arg, unsigned what)
{
	struct leg *l = arg;

	edge_read_clock(l->edge);
	stream_ready(l->rival.on ? &l->rival.stream : &l->stream, what);
	if (l->session == NULL)
		pool_event(l);
	else
		session_run(l->session);
}

static enum dial dial_socket(struct edge *e, struct leg *leg, const struct addr *to, struct stream *into,
			     struct loop_watch **watch, struct why *why)
{
	bool transparent = leg->session->target.len > 0;
	bool as_client = leg->session->service->conf->source == CONF_SOURCE_CLIENT;
	int fd = transparent ? stock_take(e->stock, to->sa.sa_family == AF_INET6, as_client) : -1;

	if (transparent && fd < 0)
		return DIAL_WAIT;
	fd = transparent ? connect_for_client(e, leg, fd, to, why) : sock_connect(to, why);
	if (fd < 0)
		return DIAL_FAILED;
	stream_open_fd_take(into, fd);
	*watch = loop_watch_stream(e->loop, fd, into == &leg->stream ? on_leg : on_rival, leg);
	return DIAL_LATER;
}

static void on_pool(void *arg)
{
	struct edge *e = arg;

	edge_read_clock(e);
	e->pool_at = MSEC_NEVER;
	if (pool_sweep(e, false) != MSEC_NEVER)
		edge_pool_changed(e);
}

/* Sessions that would go on are cut: the master kills what is left soon after. */
static void on_limit(void *arg)
{
	struct process *p = arg;

	log_event("drain", "%u sessions were cut off", p->edge.session_count);
	loop_stop(p->loop);
}

static void leave(struct process *p, bool stop)
{
	p->leaving = true;
	if (stop && !p->edge.draining) {
		loop_timer_set(p->limit, p->edge.now + p->edge.plan->conf->drain_timeout);
		edge_drain(&p->edge);
	}
	if (p->accept != NULL)
		edge_accept_stop(p->accept);
}

static void take_addrs(struct process *p, const struct ipc_addrs *m)
{
	struct edge *e = &p->edge;

	if (m->upstream == PLAN_NAMES) {
		if (!plan_name_learn(e->plan, m->host, m->addrs, m->count))
			log_event("resolve", "addresses for a name that this generation does not have");
		return;
	}
	if (m->upstream >= e->plan->upstream_count ||
	    m->host >= e->plan->upstreams[m->upstream].host_count) {
		log_event("resolve", "addresses for a host that this generation does not have");
		return;
	}
	upstream_set_addrs(&e->upstreams[m->upstream], m->host, m->addrs, m->count);
}

/* --- the line to `route` --- */

static void drop_line(struct process *p)
{
	if (p->line != NULL)
		loop_unwatch(p->line);
	p->line = NULL;
	if (p->line_fd >= 0)
		close(p->line_fd);
	p->line_fd = -1;
}

static void on_line(void *arg, unsigned what)
{
	struct process *p = arg;
	enum ipc_line_got got;
	int fd = -1;

	(void)what;
	edge_read_clock(&p->edge);
	do {
		got = ipc_line_receive(p->line_fd, &p->line_in, &fd);
		if (got == IPC_LINE_MESSAGE && !edge_route_message(&p->edge, buf_peek(&p->line_in), fd))
			got = IPC_LINE_END;
		buf_free(&p->line_in);
	} while (got == IPC_LINE_MESSAGE);
	if (got == IPC_LINE_NOTHING)
		return;
	drop_line(p);
	edge_route_lost(&p->edge);
}

static bool tell_route(struct edge *e, struct span octets)
{
	struct process *p = (struct process *)e;
	struct why why;

	return p->line_fd >= 0 && ipc_line_send(p->line_fd, octets, -1, &why);
}

static void take_line(struct process *p, int fd)
{
	drop_line(p);
	edge_route_lost(&p->edge);
	p->line_fd = fd;
	p->line = loop_watch_read(p->loop, fd, on_line, p);
}

static void lose_master(struct process *p)
{
	loop_unwatch(p->channel);
	p->channel = NULL;
	if (!p->leaving)
		log_event("drain", "the master is gone");
	leave(p, true);
}

/* As many as there are sockets for; the others go on waiting, and have asked again. */
static void dial_again(struct edge *e, size_t count)
{
	struct leg *line = e->waiting, *next;

	for (; line != NULL && count > 0; line = next, count--) {
		next = line->next_waiting;
		leg_dial_again(line);
	}
}

static void take_message(struct process *p, const struct ipc_message *m, const int *fds, size_t count)
{
	switch (m->kind) {
	case IPC_DRAIN:
		leave(p, m->drain.stop);
		break;
	case IPC_ADDRS:
		take_addrs(p, &m->addrs);
		break;
	case IPC_SOCKETS:
		stock_take_in(p->edge.stock, &m->sockets, fds, count);
		dial_again(&p->edge, count);
		break;
	case IPC_LINE:
		if (count == 1)
			take_line(p, fds[0]);
		break;
	case IPC_START:
	case IPC_READY:
	case IPC_ASK:
	case IPC_WANT:
		log_event("ipc", "the master sent message %d, which is not for an edge", m->kind);
		break;
	}
}

static void on_channel(void *arg, unsigned what)
{
	struct process *p = arg;
	int fds[IPC_SOCKETS_MOST];
	struct ipc_message m;
	size_t count = 0;
	struct why why;

	(void)what;
	edge_read_clock(&p->edge);
	switch (ipc_channel_receive_fds(p->channel_fd, &m, fds, &count, &why)) {
	case IPC_GOT_MESSAGE:
		take_message(p, &m, fds, count);
		break;
	case IPC_GOT_NOTHING:
		break;
	case IPC_GOT_BAD:
		log_event("ipc", "%s", why.text);
		lose_master(p);
		break;
	case IPC_GOT_END:
		lose_master(p);
		break;
	}
}

static bool say_ready(struct process *p)
{
	struct ipc_message ready = { .kind = IPC_READY };
	struct why why;

	if (ipc_channel_send(p->channel_fd, &ready, &why))
		return true;
	log_event("ipc", "%s", why.text);
	return false;
}

static void on_rules(void *arg)
{
	struct process *p = arg;

	p->waited = true;
}

/* Without the rules of the database all mail would be refused: they are here in a moment, as a rule. Where they can't be
 * read, that is what the clients are to be told. */
static void begin_work(struct process *p)
{
	if (p->accept != NULL || p->leaving || (!p->waited && !edge_route_knows_rules(&p->edge)))
		return;
	p->accept = edge_accept_start(&p->edge, p->start->listens, p->start->listen_count);
	if (!say_ready(p))
		lose_master(p);
}

static void after_batch(void *arg)
{
	struct process *p = arg;

	edge_read_clock(&p->edge);
	begin_work(p);
	edge_reap(&p->edge);
	if (p->edge.again != NULL || p->edge.ended != NULL)
		loop_again(p->loop);
	if (p->leaving && p->edge.session_count == 0)
		loop_stop(p->loop);
}

static void cut_off_the_rest(struct edge *e)
{
	for (struct session *s = e->sessions; s != NULL; s = s->next) {
		if (s->outcome == OUTCOME_OPEN)
			session_end(s, OUTCOME_DRAINED, NULL);
		if (s->phase != PHASE_ENDED)
			session_enter(s, PHASE_ENDED);
	}
	edge_reap(e);
}

static void leave_clean(struct process *p)
{
	if (p->accept != NULL)
		edge_accept_free(p->accept);
	loop_timer_free(p->limit);
	loop_timer_free(p->rules);
	if (p->channel != NULL)
		loop_unwatch(p->channel);
	drop_line(p);
	edge_free(&p->edge);
	stock_free(p->edge.stock);
	loop_timer_free(p->edge.pool);
	loop_free(p->loop);
}

int edge_main(const struct edge_start *start)
{
	struct process p = { .channel_fd = start->channel_fd, .line_fd = -1, .start = start };
	uint64_t seed;

	/* A burst's memory is soon wanted again: giving it back at once costs more than it brings. */
	mallopt(M_TRIM_THRESHOLD, 512 * 1024);
	mallopt(M_TOP_PAD, 512 * 1024);
	must(getrandom(&seed, sizeof(seed), 0) == sizeof(seed));
	edge_init(&p.edge, start->plan, start->shared, start->slot, seed);
	plan_release(start->plan);
	p.edge.home = start->home;
	p.loop = p.edge.loop = loop_new();
	p.edge.dial = dial_socket;
	p.edge.tell_route = tell_route;
	buf_init(&p.line_in, POLICY_MESSAGE_MOST);
	p.edge.pool = loop_timer_new(p.loop, on_pool, &p.edge);
	p.edge.pool_at = MSEC_NEVER;
	edge_read_clock(&p.edge);
	p.rules = loop_timer_new(p.loop, on_rules, &p);
	loop_timer_set(p.rules, p.edge.now + RULES_MSEC);
	p.limit = loop_timer_new(p.loop, on_limit, &p);
	p.channel = loop_watch_read(p.loop, p.channel_fd, on_channel, &p);
	p.edge.stock = stock_new(p.channel_fd, p.edge.plan);
	begin_work(&p);
	loop_run(p.loop, after_batch, &p);
	/* What still waits at the doors is told to come again, and makes no session. */
	p.edge.draining = true;
	cut_off_the_rest(&p.edge);
	leave_clean(&p);
	free(start->listens);
	return EX_OK;
}
