#include "route/route.h"

#include "base/log.h"
#include "base/must.h"
#include "policy/policy_name.h"
#include "route/route_cache.h"
#include "route/route_fetch.h"
#include "route/route_find.h"
#include "route/route_sts.h"
#include "store/store_route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define LOOK_UPS_MOST 1024 /* at once */
#define ASKERS_MOST 4096   /* of one look-up */

struct asker {
	route_done *done;
	void *arg;
};

/* DNS and MTA-STS side by side, for all that ask meanwhile. */
struct look_up {
	struct route *route;
	struct look_up *next;
	char domain[EVIDENCE_NAME_MOST];
	struct route_find *find;            /* under way */
	struct route_sts_ask *sts;          /* under way */
	struct policy_evidence *evidence;   /* once DNS is done */
	uint32_t ttl;
	struct route_sts_found found;
	struct policy_sts *policy;          /* a copy; NULL */
	char id[33], trouble[EVIDENCE_TEXT_MOST];
	struct asker *askers;
	unsigned asker_count;
};

struct route {
	struct loop *loop;
	const struct conf_route *conf;
	struct store_route *store;
	struct route_dns *dns;
	struct route_fetcher *fetcher;
	struct route_sts *sts;
	struct route_cache *cache;
	struct look_up *all;
	unsigned count;
};

static void free_look_up(struct look_up *l)
{
	struct look_up **at = &l->route->all;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	l->route->count--;
	if (l->find != NULL)
		route_find_cancel(l->find);
	if (l->sts != NULL)
		route_sts_cancel(l->sts);
	policy_evidence_free(l->evidence);
	free(l->policy);
	free(l->askers);
	free(l);
}

static void on_changed(void *arg, const char *domain)
{
	struct route *r = arg;

	route_cache_drop(r->cache, domain);
}

struct route *route_new(struct loop *loop, const struct conf_route *conf, struct store_route *store, struct why *why)
{
	struct route *r = mem_new(sizeof(*r));

	*r = (struct route){ .loop = loop, .conf = conf, .store = store };
	r->cache = route_cache_new(ROUTE_CACHE_MOST);
	r->dns = route_dns_new(loop, conf, why);
	if (r->dns != NULL)
		r->fetcher = route_fetcher_new(loop, r->dns, conf, why);
	if (r->fetcher == NULL) {
		route_free(r);
		return NULL;
	}
	r->sts = route_sts_new(loop, r->dns, r->fetcher, conf, store, on_changed, r);
	return r;
}

void route_free(struct route *r)
{
	if (r == NULL)
		return;
	while (r->all != NULL)
		free_look_up(r->all);
	route_sts_free(r->sts);
	route_fetcher_free(r->fetcher);
	route_dns_free(r->dns);
	route_cache_free(r->cache);
	free(r);
}

struct route_fetcher *route_fetcher_of(struct route *r)
{
	return r->fetcher;
}

struct route_dns *route_dns_of(struct route *r)
{
	return r->dns;
}

/* DNS has made the evidence without places for patterns. */
static void add_sts(struct look_up *l, int64_t now)
{
	struct policy_evidence *e = l->evidence;
	const struct policy_sts *p = l->policy;

	e->sts = l->found.mode;
	snprintf(e->sts_id, sizeof(e->sts_id), "%s", l->id);
	snprintf(e->sts_trouble, sizeof(e->sts_trouble), "%s", l->trouble);
	if (p == NULL)
		return;
	e->sts_until = now + l->found.left;
	e->sts_mx_count = p->mx_count;
	if (p->mx_count > 0)
		e->sts_mx = mem_new(p->mx_count * sizeof(*e->sts_mx));
	for (unsigned i = 0; i < p->mx_count; i++)
		snprintf(e->sts_mx[i], sizeof(e->sts_mx[i]), "%s", p->mx[i]);
}

static void add_memory(struct route *r, struct policy_evidence *e, int64_t now)
{
	for (unsigned i = 0; r->store != NULL && i < e->host_count; i++)
		e->hosts[i].seen_tls = store_route_seen(r->store, e->hosts[i].name, now);
}

/* The policy must not lapse while the evidence is still believed. A fetch that may yet succeed is soon asked about
 * again; when it does, the evidence goes at once. */
static unsigned good_for(const struct look_up *l)
{
	unsigned seconds = route_cache_seconds(l->evidence, l->ttl < l->found.ttl ? l->ttl : l->found.ttl);

	if (l->policy != NULL && l->found.left < (int64_t)seconds)
		seconds = (unsigned)l->found.left;
	if (l->policy == NULL && l->trouble[0] != '\0' && seconds > ROUTE_CACHE_NEGATIVE_SECONDS)
		seconds = ROUTE_CACHE_NEGATIVE_SECONDS;
	return seconds;
}

static void finish(struct look_up *l)
{
	struct route *r = l->route;
	struct policy_evidence *e = l->evidence;
	struct asker *askers = l->askers;
	unsigned count = l->asker_count, seconds;
	int64_t now = (int64_t)time(NULL);

	add_sts(l, now);
	add_memory(r, e, now);
	seconds = good_for(l);
	e->found_at = now;
	e->good_until = now + seconds;
	l->evidence = NULL;
	l->askers = NULL;
	free_look_up(l);
	route_cache_put_take(r->cache, e, loop_now(r->loop) + (msec)seconds * 1000);
	/* Whoever is told may look up again: that changes nothing in the cache before the loop has run. */
	for (unsigned i = 0; i < count; i++)
		askers[i].done(askers[i].arg, e);
	free(askers);
}

static void on_found(void *arg, struct policy_evidence *e, uint32_t ttl)
{
	struct look_up *l = arg;

	l->find = NULL;
	l->evidence = e;
	l->ttl = ttl;
	/* Where no mail can go no policy matters. */
	if (l->sts == NULL || e->dns != EVIDENCE_FOUND)
		finish(l);
}

static void on_sts(void *arg, const struct route_sts_found *found)
{
	struct look_up *l = arg;

	l->sts = NULL;
	l->found = *found;
	l->found.policy = NULL; /* it is copied, with the texts */
	l->found.id = l->found.trouble = NULL;
	snprintf(l->id, sizeof(l->id), "%s", found->id);
	snprintf(l->trouble, sizeof(l->trouble), "%s", found->trouble);
	if (found->policy != NULL) {
		l->policy = mem_new(sizeof(*l->policy));
		*l->policy = *found->policy;
	}
	if (l->evidence != NULL)
		finish(l);
}

static struct look_up *start(struct route *r, const char *domain)
{
	struct look_up *l = mem_new(sizeof(*l));
	msec until = loop_now(r->loop) + r->conf->timeout;
	uint64_t seed;

	must(getrandom(&seed, sizeof(seed), 0) == sizeof(seed));
	*l = (struct look_up){ .route = r, .next = r->all, .found = { .ttl = UINT32_MAX } };
	snprintf(l->domain, sizeof(l->domain), "%s", domain);
	r->all = l;
	r->count++;
	l->find = route_find(r->loop, r->dns, domain, r->conf->private_addresses, until, seed, on_found, l);
	l->sts = route_sts_ask(r->sts, domain, until, on_sts, l);
	return l;
}

static struct look_up *find_look_up(struct route *r, const char *domain)
{
	struct look_up *l;

	for (l = r->all; l != NULL; l = l->next) {
		if (strcmp(l->domain, domain) == 0)
			return l;
	}
	return r->count < LOOK_UPS_MOST ? start(r, domain) : NULL;
}

static void refuse(const char *domain, route_done *done, void *arg)
{
	struct policy_evidence *e = policy_evidence_new(0, 0);

	snprintf(e->domain, sizeof(e->domain), "%s", domain);
	e->dns = EVIDENCE_DNS_FAILED;
	snprintf(e->trouble, sizeof(e->trouble), "too many look-ups at once");
	e->found_at = e->good_until = (int64_t)time(NULL);
	done(arg, e);
	policy_evidence_free(e);
}

const struct policy_evidence *route_known(struct route *r, const char *domain)
{
	return route_cache_get(r->cache, domain, loop_now(r->loop));
}

/* By the clock on the wall its MTA-STS policy would be over: that clock has jumped, for evidence never outlives its policy, and whoever is
 * told would set the policy aside (FAULTS 36). */
static bool has_lapsed(const struct policy_evidence *e)
{
	return e->sts != EVIDENCE_STS_NONE && (int64_t)time(NULL) >= e->sts_until;
}

void route_look_up(struct route *r, const char *domain, route_done *done, void *arg)
{
	const struct policy_evidence *known;
	struct look_up *l;

	must(policy_name_ok(span_str(domain)));
	known = route_cache_get(r->cache, domain, loop_now(r->loop));
	if (known != NULL && !has_lapsed(known)) {
		done(arg, known);
		return;
	}
	l = find_look_up(r, domain);
	if (l == NULL || l->asker_count == ASKERS_MOST) {
		refuse(domain, done, arg);
		return;
	}
	l->askers = mem_grow(l->askers, (l->asker_count + 1) * sizeof(*l->askers));
	l->askers[l->asker_count++] = (struct asker){ done, arg };
}

static void on_now(void *arg, const struct policy_evidence *e)
{
	(void)e;
	loop_stop(arg);
}

struct policy_evidence *route_look_up_now(const struct conf_route *conf, struct store_route *store, const char *domain,
					  struct why *why)
{
	struct loop *loop = loop_new();
	struct policy_evidence *e = NULL;
	struct route *r = route_new(loop, conf, store, why);

	if (r != NULL) {
		route_look_up(r, domain, on_now, loop);
		loop_run(loop, NULL, NULL);
		e = route_cache_remove(r->cache, domain);
		must(e != NULL);
		route_free(r);
	}
	loop_free(loop);
	return e;
}
