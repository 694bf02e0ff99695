#include "route/route.h"

#include "base/log.h"
#include "base/must.h"
#include "ipc/ipc_channel.h"
#include "proc/child.h"
#include "proc/sandbox.h"
#include "route/route_lines.h"
#include "route/route_socketmap.h"

#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define SWEEP_EACH (60 * 60 * 1000)
#define OPEN_EACH (60 * 1000) /* where it can't be opened */

struct process {
	struct loop *loop;
	struct plan *plan;
	struct store_route *store;
	struct route *route;
	struct route_ocsp *ocsp;
	struct route_partners *partners;
	struct route_lines *lines;
	struct route_socketmap *map;     /* NULL: not wanted */
	int channel_fd;
	struct loop_watch *channel;      /* NULL: the master is gone */
	struct loop_timer *sweep;
	bool leaving;                    /* ends with the last line */
};

static void leave(struct process *p)
{
	p->leaving = true;
	if (p->map != NULL)
		route_socketmap_drain(p->map);
}

static void lose_master(struct process *p)
{
	loop_unwatch(p->channel);
	p->channel = NULL;
	leave(p);
}

static void take_message(struct process *p, const struct ipc_message *m, const int *fds, size_t count)
{
	switch (m->kind) {
	case IPC_LINE:
		if (count == 1)
			route_lines_take(p->lines, m->line.edge, fds[0]);
		else
			log_event("no-line", "edge %u: no descriptor is left", m->line.edge);
		return;
	case IPC_DRAIN:
		leave(p);
		return;
	case IPC_START:
	case IPC_READY:
	case IPC_ASK:
	case IPC_ADDRS:
	case IPC_WANT:
	case IPC_SOCKETS:
		break;
	}
	while (count > 0)
		close(fds[--count]);
	log_event("ipc", "the master sent message %d, which is not for route", m->kind);
}

static void on_channel(void *arg, unsigned what)
{
	struct process *p = arg;
	int fds[IPC_SOCKETS_MOST];
	struct ipc_message m;
	size_t count = 0;
	struct why why;

	(void)what;
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

static void on_sweep(void *arg)
{
	struct process *p = arg;
	struct why why;
	bool open = store_route_is_open(p->store);

	if (!open && store_route_open(p->store, p->plan->conf->route.state_dir, &why)) {
		log_event("store-again", "%s", p->plan->conf->route.state_dir);
		open = true;
	}
	store_route_sweep(p->store, (int64_t)time(NULL));
	loop_timer_set(p->sweep, loop_now(p->loop) + (open ? SWEEP_EACH : OPEN_EACH));
}

static void after_batch(void *arg)
{
	struct process *p = arg;

	if (route_partners_fresh(p->partners))
		route_lines_send_table(p->lines);
	route_lines_catch_up(p->lines);
	if (p->leaving && route_lines_count(p->lines) == 0 &&
	    (p->map == NULL || route_socketmap_count(p->map) == 0))
		loop_stop(p->loop);
}

/* Mail goes on without it (FAULTS 27). */
static void open_store(struct process *p)
{
	struct why why;

	if (!store_route_open(p->store, p->plan->conf->route.state_dir, &why))
		log_event("store-failed", "nothing is remembered: %s", why.text);
}

static void start_parts(struct process *p, int map_fd)
{
	struct route_lines_from from = {
		.loop = p->loop, .conf = &p->plan->conf->route, .route = p->route, .store = p->store,
	};

	from.ocsp = p->ocsp = route_ocsp_new(p->loop, route_fetcher_of(p->route));
	from.partners = p->partners = route_partners_new(p->loop, p->plan);
	p->lines = route_lines_new(&from);
	if (map_fd >= 0)
		p->map = route_socketmap_new(p->loop, map_fd, p->route, p->partners);
	p->sweep = loop_timer_new(p->loop, on_sweep, p);
	loop_timer_set(p->sweep, loop_now(p->loop) + OPEN_EACH);
	p->channel = loop_watch_read(p->loop, p->channel_fd, on_channel, p);
}

/* Those that are called back go last. */
static void free_parts(struct process *p)
{
	if (p->channel != NULL)
		loop_unwatch(p->channel);
	loop_timer_free(p->sweep);
	route_ocsp_free(p->ocsp);
	route_free(p->route);
	route_lines_free(p->lines);
	route_socketmap_free(p->map);
	route_partners_free(p->partners);
	store_route_free(p->store);
	loop_free(p->loop);
	plan_release(p->plan);
}

static bool begin(struct process *p, const struct route_start *start, struct why *why)
{
	struct ipc_message ready = { .kind = IPC_READY };

	p->plan = start->plan;
	p->channel_fd = start->channel_fd;
	p->loop = loop_new();
	p->store = store_route_new();
	p->route = route_new(p->loop, &p->plan->conf->route, p->store, why);
	if (p->route == NULL || !child_become(start, why))
		return false;
	open_store(p);
	if (!sandbox_route(p->plan->conf->route.state_dir, why))
		return false;
	start_parts(p, start->map_fd);
	return ipc_channel_send(p->channel_fd, &ready, why);
}

int route_main(const char *path)
{
	struct process p = { 0 };
	struct route_start start;
	struct why why;

	if (!child_enter_route(path, &start, &why) || !begin(&p, &start, &why)) {
		log_event("route-failed", "%s", why.text);
		return EX_OSERR;
	}
	loop_run(p.loop, after_batch, &p);
	free_parts(&p);
	return EX_OK;
}
