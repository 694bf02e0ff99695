#include "proc/crew.h"

#include "base/must.h"
#include "ipc/ipc_channel.h"
#include "ipc/ipc_line.h"
#include "proc/sockets.h"
#include "proc/spawn.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of one child, before the others have their turn. */
#define MESSAGES_A_TURN 64

enum post kid_post(const struct kid *k)
{
	return generation_post(k->gen, k->post);
}

static bool is_edge(const struct kid *k)
{
	return kid_post(k) == POST_EDGE;
}

static struct kid *free_place(struct crew *c)
{
	for (size_t i = 0; i < CREW_MOST; i++) {
		if (c->kids[i].pid == 0)
			return &c->kids[i];
	}
	return NULL;
}

static void hang_up(struct kid *k)
{
	if (k->watch != NULL)
		loop_unwatch(k->watch);
	k->watch = NULL;
	if (k->channel >= 0)
		close(k->channel);
	k->channel = -1;
}

/* A channel that is full or broken is closed: the child sees its end, and drains. */
static void tell(struct kid *k, const struct ipc_message *m)
{
	struct why why;

	if (k->channel < 0)
		return;
	if (!ipc_channel_send(k->channel, m, &why)) {
		log_event("channel-lost", "pid %d: %s", (int)k->pid, why.text);
		hang_up(k);
	}
}

/* Where an edge does not read, it misses these: the resolver sends them again within a minute. */
static void tell_addrs(struct kid *k, const struct ipc_addrs *addrs)
{
	struct ipc_message m = { .kind = IPC_ADDRS, .addrs = *addrs };
	struct why why;

	if (k->channel >= 0 && addrs->count > 0 && !ipc_channel_send(k->channel, &m, &why))
		log_event("addresses-missed", "pid %d: %s", (int)k->pid, why.text);
}

static void spread(struct crew *c, const struct generation *g, const struct ipc_addrs *addrs)
{
	for (size_t i = 0; i < CREW_MOST; i++) {
		if (c->kids[i].pid != 0 && c->kids[i].gen == g && is_edge(&c->kids[i]))
			tell_addrs(&c->kids[i], addrs);
	}
}

/* Fewer than were wanted, or none, is an answer too: the edge asks again when it needs some. */
static bool give_sockets(struct kid *k, const struct ipc_sockets *want)
{
	struct ipc_message m = { .kind = IPC_SOCKETS, .sockets = *want };
	int fds[IPC_SOCKETS_MOST];
	struct why why;

	if (!sockets_may(k->gen->plan, want))
		return false;
	m.sockets.count = (uint32_t)sockets_make(k->gen->plan, want, fds, &why);
	if (m.sockets.count < want->count)
		log_event("sockets-failed", "pid %d: %u of %u: %s", (int)k->pid, m.sockets.count, want->count,
			  why.text);
	if (!ipc_channel_send_fds(k->channel, &m, fds, m.sockets.count, &why)) {
		log_event("channel-lost", "pid %d: %s", (int)k->pid, why.text);
		hang_up(k);
	}
	for (uint32_t i = 0; i < m.sockets.count; i++)
		close(fds[i]);
	return true;
}

/* What a child may say depends on its role. */
static bool take_message(struct kid *k, const struct ipc_message *m)
{
	const struct ipc_addrs *known;

	if (m->kind == IPC_READY) {
		k->ready = true;
		return true;
	}
	if (m->kind == IPC_WANT && is_edge(k))
		return give_sockets(k, &m->want);
	if (m->kind != IPC_ADDRS || kid_post(k) != POST_RESOLVER)
		return false;
	known = generation_learn(k->gen, &m->addrs);
	if (known == NULL)
		return false;
	spread(k->crew, k->gen, known);
	return true;
}

/* A child that talks nonsense is broken or taken over: it ends, and only it. One whose channel has ended
 * is dead already, or can no longer be told anything. */
static void give_up(struct kid *k, const char *text)
{
	if (text != NULL)
		log_event("channel-bad", "pid %d: %s", (int)k->pid, text);
	hang_up(k);
	if (!k->draining)
		kill(k->pid, SIGKILL);
}

static void on_channel(void *arg, unsigned what)
{
	struct kid *k = arg;
	struct ipc_message m;
	struct why why;

	(void)what;
	for (int i = 0; i < MESSAGES_A_TURN && k->channel >= 0; i++) {
		switch (ipc_channel_receive(k->channel, &m, &why)) {
		case IPC_GOT_NOTHING:
			return;
		case IPC_GOT_MESSAGE:
			if (!take_message(k, &m))
				give_up(k, "a message that its role may not send");
			break;
		case IPC_GOT_END:
			give_up(k, NULL);
			break;
		case IPC_GOT_BAD:
			give_up(k, why.text);
			break;
		}
	}
}

static void brief_resolver(struct kid *k)
{
	for (size_t i = 0; i < k->gen->known_count; i++) {
		const struct ipc_addrs *known = &k->gen->known[i];
		const struct plan_host *host = generation_host(k->gen, known);
		struct ipc_message m = { .kind = IPC_ASK };

		m.ask.upstream = known->upstream;
		m.ask.host = known->host;
		m.ask.port = host->port;
		must(strlen(host->name) < sizeof(m.ask.name));
		memcpy(m.ask.name, host->name, strlen(host->name) + 1);
		tell(k, &m);
	}
}

static void give_end(struct kid *k, int end, unsigned edge)
{
	struct ipc_message m = { .kind = IPC_LINE, .line = { .edge = edge } };
	struct why why;

	if (k->channel < 0 || ipc_channel_send_fds(k->channel, &m, &end, 1, &why))
		return;
	log_event("channel-lost", "pid %d: %s", (int)k->pid, why.text);
	hang_up(k);
}

/* An edge that has no line defers what it would have to ask for, and goes on. */
static void connect_line(struct kid *edge, struct kid *route)
{
	struct why why;
	int ends[2];

	if (!ipc_line_pair(ends, &why)) {
		log_event("no-line", "edge %u: %s", edge->post, why.text);
		return;
	}
	give_end(edge, ends[0], edge->post);
	give_end(route, ends[1], edge->post);
	close(ends[0]);
	close(ends[1]);
}

/* Between a process that has just been started and those of its generation that were there before. */
static void connect_lines(struct kid *k)
{
	for (size_t i = 0; i < CREW_MOST; i++) {
		struct kid *other = &k->crew->kids[i];

		if (other->pid == 0 || other == k || other->gen != k->gen)
			continue;
		if (is_edge(k) && kid_post(other) == POST_ROUTE)
			connect_line(k, other);
		else if (kid_post(k) == POST_ROUTE && is_edge(other))
			connect_line(other, k);
	}
}

/* `m` is the START message with the sockets by the places they have in the child. */
static void brief(struct kid *k, const struct ipc_message *m)
{
	tell(k, m);
	if (kid_post(k) == POST_RESOLVER) {
		brief_resolver(k);
		return;
	}
	connect_lines(k);
	for (size_t i = 0; is_edge(k) && i < k->gen->known_count; i++)
		tell_addrs(k, &k->gen->known[i]);
}

static size_t pack_route(const struct kid *k, struct ipc_start *s, int *fds, size_t count)
{
	fds[count++] = k->gen->route_fd;
	if (k->gen->map_fd < 0)
		return count;
	s->listen_count = 1;
	s->listens[0].fd = (uint32_t)(SPAWN_FD_FIRST + count);
	fds[count++] = k->gen->map_fd;
	return count;
}

static size_t pack_edge(const struct kid *k, struct ipc_start *s, int *fds, size_t count)
{
	fds[count++] = k->gen->conf_fd;
	fds[count++] = k->crew->shared_fd;
	s->listen_count = (uint32_t)listeners_share(k->crew->listeners, k->gen->plan, k->gen->edges,
						    k->post, s->listens);
	for (uint32_t i = 0; i < s->listen_count; i++) {
		fds[count] = (int)s->listens[i].fd;
		s->listens[i].fd = (uint32_t)(SPAWN_FD_FIRST + count++);
	}
	return count;
}

/* The descriptors that the child inherits, in their order, and the START message that tells of them. */
static size_t pack(struct kid *k, int channel, struct ipc_message *m, int *fds)
{
	struct ipc_start *s = &m->start;
	size_t count = 0;

	memset(m, 0, sizeof(*m));
	m->kind = IPC_START;
	s->generation = k->gen->number;
	s->slot = k->slot > 0 ? (uint32_t)k->slot : 0;
	s->index = k->post;
	s->uid = k->gen->uid;
	s->gid = k->gen->gid;
	s->checked_at = k->gen->checked_at;
	fds[count++] = channel;
	switch (kid_post(k)) {
	case POST_EDGE:
		return pack_edge(k, s, fds, count);
	case POST_ROUTE:
		return pack_route(k, s, fds, count);
	case POST_RESOLVER:
		break;
	}
	return count;
}

static const char *role_of(const struct kid *k)
{
	static const char *const roles[] = {
		[POST_EDGE] = "edge", [POST_RESOLVER] = "resolve", [POST_ROUTE] = "route",
	};

	return roles[kid_post(k)];
}

static bool launch(struct kid *k, struct why *why)
{
	int fds[3 + IPC_LISTENS_MOST], ends[2];
	struct ipc_message m;
	size_t count;

	if (!ipc_channel_pair(ends, why))
		return false;
	count = pack(k, ends[1], &m, fds);
	k->pid = spawn_role(role_of(k), k->crew->path, fds, count, why);
	close(ends[1]);
	if (k->pid < 0) {
		close(ends[0]);
		return false;
	}
	k->channel = ends[0];
	k->watch = loop_watch_read(k->crew->loop, k->channel, on_channel, k);
	brief(k, &m);
	return true;
}

bool crew_start(struct crew *c, struct generation *g, unsigned post, struct why *why)
{
	struct kid *k = free_place(c);

	if (k == NULL) {
		why_set(why, FAULT_SYSTEM, "%d processes are alive", CREW_MOST);
		return false;
	}
	*k = (struct kid){ .crew = c, .gen = g, .post = post, .slot = -1, .channel = -1 };
	if (is_edge(k)) {
		k->slot = shared_slot_take(c->shared);
		if (k->slot < 0) {
			why_set(why, FAULT_SYSTEM, "no slot of shared memory is free");
			return false;
		}
	}
	k->ready_by = clock_now() + CREW_READY_MS;
	if (!launch(k, why)) {
		k->pid = 0;
		if (k->slot >= 0)
			shared_slot_clear(c->shared, k->slot);
		return false;
	}
	g->kids++;
	c->alive++;
	return true;
}

void crew_drain(struct crew *c, const struct generation *g, bool stop)
{
	struct ipc_message m = { .kind = IPC_DRAIN, .drain = { .stop = stop } };

	for (size_t i = 0; i < CREW_MOST; i++) {
		struct kid *k = &c->kids[i];

		if (k->pid == 0 || (g != NULL && k->gen != g))
			continue;
		k->draining = true;
		if ((is_edge(k) && k->ready) || kid_post(k) == POST_ROUTE)
			tell(k, &m);
		else
			kill(k->pid, SIGKILL);
	}
}

void crew_kill(struct crew *c)
{
	for (size_t i = 0; i < CREW_MOST; i++) {
		if (c->kids[i].pid != 0)
			kill(c->kids[i].pid, SIGKILL);
	}
}

msec crew_kill_late(struct crew *c, msec now)
{
	msec next = MSEC_NEVER;

	for (size_t i = 0; i < CREW_MOST; i++) {
		struct kid *k = &c->kids[i];

		if (k->pid == 0 || k->ready || k->ready_by == MSEC_NEVER)
			continue;
		if (k->ready_by > now) {
			next = k->ready_by < next ? k->ready_by : next;
			continue;
		}
		log_event("not-ready", "pid %d is not ready after %d ms, killed", (int)k->pid, CREW_READY_MS);
		kill(k->pid, SIGKILL);
		k->ready_by = MSEC_NEVER;
	}
	return next;
}

bool crew_is_ready(const struct crew *c, const struct generation *g)
{
	unsigned ready = 0;

	for (size_t i = 0; i < CREW_MOST; i++) {
		const struct kid *k = &c->kids[i];

		ready += k->pid != 0 && k->gen == g && kid_post(k) != POST_RESOLVER && k->ready;
	}
	return ready == g->edges + (g->route_fd >= 0);
}

static struct kid *kid_by_pid(struct crew *c, pid_t pid)
{
	for (size_t i = 0; i < CREW_MOST; i++) {
		if (c->kids[i].pid == pid)
			return &c->kids[i];
	}
	return NULL;
}

bool crew_reap(struct crew *c, struct crew_end *end)
{
	struct kid *k = NULL;
	int status;
	pid_t pid;

	/* A process that we did not start may have become our child (we are PID 1 in a container). */
	while (k == NULL) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid <= 0)
			return false;
		k = kid_by_pid(c, pid);
	}
	hang_up(k);
	if (k->slot >= 0)
		shared_slot_clear(c->shared, k->slot);
	*end = (struct crew_end){ pid, k->gen, k->post, k->ready, k->draining, status };
	k->pid = 0;
	k->gen->kids--;
	c->alive--;
	return true;
}
