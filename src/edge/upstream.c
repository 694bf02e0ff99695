#include "edge/upstream.h"

#include "base/must.h"

#include <stdlib.h>

static void take_literals(struct upstream_host *h, const struct plan_host *plan)
{
	for (unsigned i = 0; i < plan->addr_count; i++)
		h->places[h->count++].addr = plan->addrs[i];
}

void upstream_init(struct upstream *u, const struct plan_upstream *plan)
{
	*u = (struct upstream){ .plan = plan };
	u->hosts = mem_new(plan->host_count * sizeof(*u->hosts));
	for (size_t i = 0; i < plan->host_count; i++)
		take_literals(&u->hosts[i], &plan->hosts[i]);
}

void upstream_free(struct upstream *u)
{
	free(u->hosts);
	u->hosts = NULL;
}

static struct upstream_place *find_in(struct upstream_host *h, const struct addr *addr)
{
	for (unsigned i = 0; i < h->count; i++) {
		if (addr_eq(&h->places[i].addr, addr))
			return &h->places[i];
	}
	return NULL;
}

void upstream_set_addrs(struct upstream *u, size_t host, const struct addr *addrs, unsigned count)
{
	struct upstream_host fresh = { 0 };

	must(host < u->plan->host_count);
	if (count == 0)
		return;
	for (unsigned i = 0; i < count && i < PLAN_HOST_ADDRS; i++) {
		struct upstream_place *old = find_in(&u->hosts[host], &addrs[i]);

		fresh.places[fresh.count++] =
			old != NULL ? *old : (struct upstream_place){ .addr = addrs[i] };
	}
	u->hosts[host] = fresh;
}

static unsigned add_tries(const struct upstream *u, msec now, bool down, unsigned n,
			  struct upstream_try tries[UPSTREAM_TRIES])
{
	for (size_t h = 0; h < u->plan->host_count; h++) {
		const struct upstream_host *host = &u->hosts[h];

		for (unsigned i = 0; i < host->count && n < UPSTREAM_TRIES; i++) {
			if ((host->places[i].down_until > now) != down)
				continue;
			tries[n++] = (struct upstream_try){ .host = &u->plan->hosts[h],
							    .addr = host->places[i].addr };
		}
	}
	return n;
}

unsigned upstream_order(const struct upstream *u, msec now,
			struct upstream_try tries[UPSTREAM_TRIES])
{
	unsigned n = add_tries(u, now, false, 0, tries);

	return add_tries(u, now, true, n, tries);
}

static void mark(struct upstream *u, const struct addr *addr, msec down_until)
{
	for (size_t h = 0; h < u->plan->host_count; h++) {
		struct upstream_place *p = find_in(&u->hosts[h], addr);

		if (p != NULL)
			p->down_until = down_until;
	}
}

void upstream_failed(struct upstream *u, const struct addr *addr, msec now)
{
	mark(u, addr, now + u->plan->conf->retry_after);
}

void upstream_worked(struct upstream *u, const struct addr *addr)
{
	mark(u, addr, 0);
}

void upstream_learn(struct upstream *u, const struct smtp_caps *caps, bool offers_tls, msec now)
{
	u->known = true;
	u->caps = *caps;
	u->offers_tls = offers_tls;
	u->learned = now;
}

bool upstream_is_fresh(const struct upstream *u, msec now)
{
	return u->known && now - u->learned < UPSTREAM_CAPS_MSEC;
}
