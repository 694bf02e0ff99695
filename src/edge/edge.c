#include "edge/edge.h"

#include "base/must.h"
#include "edge/edge_route.h"
#include "edge/pool.h"
#include "edge/session.h"

#include <stdlib.h>
#include <time.h>

/* Kept connections are looked through so often while there are any. */
#define POOL_LOOK_MSEC 500

void edge_init(struct edge *e, struct plan *plan, struct shared *shared, int slot, uint64_t sid_seed)
{
	*e = (struct edge){
		.plan = plan_hold(plan), .shared = shared, .slot = slot, .sid_seed = sid_seed,
	};
	splice_pool_init(&e->pipes, SPLICE_PIPES);
	e->route = edge_route_new(e);
	e->upstream_count = plan->upstream_count + plan->action_count + plan->next_hop_count;
	e->upstreams = mem_new(e->upstream_count * sizeof(*e->upstreams));
	for (size_t i = 0; i < plan->upstream_count; i++)
		upstream_init(&e->upstreams[i], &plan->upstreams[i]);
	for (size_t i = 0; i < plan->action_count; i++)
		upstream_init(&e->upstreams[plan->upstream_count + i], plan->actions[i].template);
	for (size_t i = 0; i < plan->service_count; i++) {
		const struct plan_upstream *hop = plan->services[i].next_hop;

		if (hop != NULL)
			upstream_init(&e->upstreams[hop->index], hop);
	}
}

void edge_free(struct edge *e)
{
	must(e->sessions == NULL);
	pool_sweep(e, true);
	splice_pool_free(&e->pipes);
	edge_route_free(e->route);
	for (size_t i = 0; i < e->upstream_count; i++)
		upstream_free(&e->upstreams[i]);
	free(e->upstreams);
	plan_release(e->plan);
}

void edge_read_clock(struct edge *e)
{
	e->now = loop_now(e->loop);
	e->wall = time(NULL);
}

bool edge_run_again(struct edge *e)
{
	struct session *list = e->again;

	e->again = NULL;
	while (list != NULL) {
		struct session *s = list;

		list = s->next_again;
		s->in_again = false;
		session_run(s);
	}
	return e->again != NULL;
}

void edge_reap(struct edge *e)
{
	/* A session on the list of those to run again is reaped after that run. */
	edge_run_again(e);
	while (e->ended != NULL) {
		struct session *s = e->ended;

		e->ended = s->next_ended;
		session_free(s);
	}
}

void edge_drain(struct edge *e)
{
	e->draining = true;
	pool_sweep(e, true);
	for (struct session *s = e->sessions; s != NULL; s = s->next)
		session_run(s);
}

void edge_pool_changed(struct edge *e)
{
	/* One that rings too early looks again; that costs less than looking at each change. */
	if (e->pool == NULL || e->pool_at <= e->now + POOL_LOOK_MSEC)
		return;
	e->pool_at = e->now + POOL_LOOK_MSEC;
	loop_timer_set(e->pool, e->pool_at);
}

void edge_count(struct edge *e, enum shared_count c, uint64_t n)
{
	shared_add(e->shared, e->slot, c, n);
}
