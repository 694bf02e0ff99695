#include "proc/listeners.h"

#include "base/must.h"
#include "io/sock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define PROBE_TRIES 20
#define PROBE_PAUSE 100 /* ms */

static const struct listener *find(const struct listeners *l, const struct addr *at, unsigned index)
{
	for (size_t i = 0; i < l->count; i++) {
		if (l->all[i].index == index && addr_eq(&l->all[i].at, at))
			return &l->all[i];
	}
	return NULL;
}

static bool have_port(const struct listeners *l, uint16_t port)
{
	for (size_t i = 0; i < l->count; i++) {
		if (addr_port(&l->all[i].at) == port)
			return true;
	}
	return false;
}

/* Whether somebody listens there: a bind without SO_REUSEPORT tells. Any other trouble is left for
 * sock_listen to report. */
static bool is_taken(const struct addr *at)
{
	struct addr a = *at;
	bool wildcard = a.sa.sa_family == AF_UNSPEC;
	int fd, on = 1, v6only = !wildcard;
	bool taken;

	if (wildcard)
		a.sa.sa_family = AF_INET6;
	fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a.sa.sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
	taken = bind(fd, &a.sa, a.len) != 0 && errno == EADDRINUSE;
	close(fd);
	return taken;
}

/* With SO_REUSEPORT a second master of the same user would quietly take half of the connections.
 * The edges of one that was killed give their sockets up at once, so a little patience is enough. Where we
 * have a socket of that port ourselves, it can't be told whose the address is. */
static bool is_free(const struct listeners *l, const struct addr *at, struct why *why)
{
	char text[ADDR_TEXT_MOST];

	if (have_port(l, addr_port(at)))
		return true;
	for (int i = 0; i < PROBE_TRIES; i++) {
		if (!is_taken(at))
			return true;
		poll(NULL, 0, PROBE_PAUSE);
	}
	addr_print(at, text);
	why_set(why, FAULT_SYSTEM, "listen on %s: another program listens there", text);
	return false;
}

/* How many sockets of this address there are. */
static unsigned count_of(const struct listeners *l, const struct addr *at)
{
	unsigned n = 0;

	while (find(l, at, n) != NULL)
		n++;
	return n;
}

static bool open_one(struct listeners *l, const struct addr *at, unsigned index, struct why *why)
{
	int fd = sock_listen(at, why);

	if (fd < 0)
		return false;
	l->all = mem_grow(l->all, (l->count + 1) * sizeof(*l->all));
	l->all[l->count++] = (struct listener){ .at = *at, .index = index, .fd = fd };
	return true;
}

static bool open_all(struct listeners *l, const struct plan *plan, unsigned edges, struct why *why)
{
	/* Before the first is opened: our own sockets of the same port would hide others'. */
	for (size_t i = 0; i < plan->listen_count; i++) {
		if (!is_free(l, &plan->listens[i].at, why))
			return false;
	}
	for (size_t i = 0; i < plan->listen_count; i++) {
		for (unsigned n = count_of(l, &plan->listens[i].at); n < edges; n++) {
			if (!open_one(l, &plan->listens[i].at, n, why))
				return false;
		}
	}
	return true;
}

static bool is_bounded(const struct listeners *l, const struct plan *plan, unsigned edges,
		       struct why *why)
{
	size_t most = 0;

	for (size_t i = 0; i < plan->listen_count; i++)
		most += (count_of(l, &plan->listens[i].at) + edges - 1) / edges;
	if (most <= IPC_LISTENS_MOST)
		return true;
	why_set(why, FAULT_POLICY, "%zu listening sockets for an edge, at most %d: "
		"fewer addresses, more edges, or a restart", most, IPC_LISTENS_MOST);
	return false;
}

/* A socket that an earlier generation listens on may have to change: it is the same address still. */
static bool intercept(const struct listeners *l, const struct plan_listen *listen, struct why *why)
{
	char text[ADDR_TEXT_MOST];
	struct why cause;

	for (size_t i = 0; i < l->count; i++) {
		if (!addr_eq(&l->all[i].at, &listen->at) ||
		    l->all[i].transparent == listen->tproxy)
			continue;
		if (!sock_transparent(l->all[i].fd, listen->tproxy, &cause)) {
			addr_print(&listen->at, text);
			why_set(why, FAULT_SYSTEM, "listen on %s with intercept: tproxy, which the master needs to be "
				"root for, or to have CAP_NET_ADMIN: %s", text, cause.text);
			return false;
		}
		l->all[i].transparent = listen->tproxy;
	}
	return true;
}

static bool intercept_all(const struct listeners *l, const struct plan *plan, struct why *why)
{
	for (size_t i = 0; i < plan->listen_count; i++) {
		if (!intercept(l, &plan->listens[i], why))
			return false;
	}
	return true;
}

bool listeners_open(struct listeners *l, const struct plan *plan, unsigned edges, struct why *why)
{
	size_t before = l->count;

	if (open_all(l, plan, edges, why) && is_bounded(l, plan, edges, why) && intercept_all(l, plan, why))
		return true;
	while (l->count > before)
		close(l->all[--l->count].fd);
	return false;
}

static bool is_wanted(const struct plan *plan, const struct addr *at)
{
	for (size_t i = 0; plan != NULL && i < plan->listen_count; i++) {
		if (addr_eq(&plan->listens[i].at, at))
			return true;
	}
	return false;
}

void listeners_keep(struct listeners *l, const struct plan *plan)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++) {
		if (is_wanted(plan, &l->all[i].at))
			l->all[kept++] = l->all[i];
		else
			close(l->all[i].fd);
	}
	l->count = kept;
	if (kept == 0) {
		free(l->all);
		l->all = NULL;
	}
}

size_t listeners_share(const struct listeners *l, const struct plan *plan, unsigned edges,
		       unsigned index, struct ipc_listen out[IPC_LISTENS_MOST])
{
	const struct listener *found;
	size_t count = 0;

	for (size_t i = 0; i < plan->listen_count; i++) {
		for (unsigned n = index; (found = find(l, &plan->listens[i].at, n)) != NULL; n += edges) {
			must(count < IPC_LISTENS_MOST);
			out[count++] = (struct ipc_listen){ (uint32_t)found->fd, (uint32_t)i };
		}
	}
	return count;
}
