#include "route/route_cache.h"

#include "base/must.h"

#include <stdlib.h>
#include <string.h>

struct entry {
	struct policy_evidence *evidence; /* NULL: free */
	msec until;
	uint64_t used; /* greater is later */
};

/* The hashes lie side by side: going through all of them takes a microsecond, so there is no table that a stranger
 * could fill with names of one bucket. */
struct route_cache {
	unsigned most, count;
	uint64_t uses;
	uint64_t *hashes;
	struct entry *entries;
};

static uint64_t hash(const char *domain)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */

	for (; *domain != '\0'; domain++)
		h = (h ^ (unsigned char)*domain) * 0x100000001b3u;
	return h;
}

struct route_cache *route_cache_new(unsigned most)
{
	struct route_cache *c = mem_new(sizeof(*c));

	must(most > 0);
	c->most = most;
	c->hashes = mem_new(most * sizeof(*c->hashes));
	c->entries = mem_new(most * sizeof(*c->entries));
	return c;
}

void route_cache_free(struct route_cache *c)
{
	if (c == NULL)
		return;
	for (unsigned i = 0; i < c->count; i++)
		policy_evidence_free(c->entries[i].evidence);
	free(c->hashes);
	free(c->entries);
	free(c);
}

static struct entry *find(struct route_cache *c, const char *domain)
{
	uint64_t h = hash(domain);

	for (unsigned i = 0; i < c->count; i++) {
		if (c->hashes[i] == h && strcmp(c->entries[i].evidence->domain, domain) == 0)
			return &c->entries[i];
	}
	return NULL;
}

static struct entry *least_used(struct route_cache *c)
{
	struct entry *least = &c->entries[0];

	for (unsigned i = 1; i < c->count; i++) {
		if (c->entries[i].used < least->used)
			least = &c->entries[i];
	}
	return least;
}

void route_cache_put_take(struct route_cache *c, struct policy_evidence *e, msec until)
{
	struct entry *to = find(c, e->domain);

	if (to == NULL)
		to = c->count < c->most ? &c->entries[c->count++] : least_used(c);
	policy_evidence_free(to->evidence);
	*to = (struct entry){ .evidence = e, .until = until, .used = ++c->uses };
	c->hashes[to - c->entries] = hash(e->domain);
}

const struct policy_evidence *route_cache_get(struct route_cache *c, const char *domain, msec now)
{
	struct entry *e = find(c, domain);

	if (e == NULL || e->until <= now)
		return NULL;
	e->used = ++c->uses;
	return e->evidence;
}

struct policy_evidence *route_cache_remove(struct route_cache *c, const char *domain)
{
	struct entry *e = find(c, domain);
	struct policy_evidence *evidence;

	if (e == NULL)
		return NULL;
	evidence = e->evidence;
	c->count--;
	c->hashes[e - c->entries] = c->hashes[c->count];
	*e = c->entries[c->count];
	c->entries[c->count].evidence = NULL;
	return evidence;
}

void route_cache_drop(struct route_cache *c, const char *domain)
{
	policy_evidence_free(route_cache_remove(c, domain));
}

static bool has_failed(const struct policy_evidence *e)
{
	if (e->dns == EVIDENCE_DNS_FAILED)
		return true;
	for (unsigned i = 0; i < e->host_count; i++) {
		if (e->hosts[i].failed || e->hosts[i].tlsa_state == EVIDENCE_TLSA_FAILED)
			return true;
	}
	return false;
}

unsigned route_cache_seconds(const struct policy_evidence *e, uint32_t ttl)
{
	unsigned most = e->dns == EVIDENCE_FOUND ? ROUTE_CACHE_MOST_SECONDS : ROUTE_CACHE_NEGATIVE_SECONDS;

	if (has_failed(e) || ttl < ROUTE_CACHE_LEAST_SECONDS)
		return ROUTE_CACHE_LEAST_SECONDS;
	return ttl < most ? ttl : most;
}
