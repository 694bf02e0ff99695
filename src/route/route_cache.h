/* route/route_cache.h
 * What has been found out, by domain, for as long as it is good. At most so many; the least recently used goes. */
#ifndef ROUTE_CACHE_H
#define ROUTE_CACHE_H

#include "base/clock.h"
#include "policy/policy_evidence.h"

#define ROUTE_CACHE_MOST 2048
#define ROUTE_CACHE_LEAST_SECONDS 30      /* also what a failure is good for */
#define ROUTE_CACHE_NEGATIVE_SECONDS 300  /* at most, of: no such domain, null MX */
#define ROUTE_CACHE_MOST_SECONDS 3600

struct route_cache;

struct route_cache *route_cache_new(unsigned most);
void route_cache_free(struct route_cache *c);

/* Takes `e`, in the place of what was there for its domain. `until`: of the monotonic clock. */
void route_cache_put_take(struct route_cache *c, struct policy_evidence *e, msec until);
/* NULL where there is none, or its time is over. Valid until the next call that changes the cache. */
const struct policy_evidence *route_cache_get(struct route_cache *c, const char *domain, msec now);
void route_cache_drop(struct route_cache *c, const char *domain);
/* Out of the cache, into the hands of the caller; NULL where there is none, however old. */
struct policy_evidence *route_cache_remove(struct route_cache *c, const char *domain);

/* Pure: how long it is good for, by the TTLs and within the bounds above. Where anything failed (DNS, an address, a TLSA
 * record): the least. */
unsigned route_cache_seconds(const struct policy_evidence *e, uint32_t ttl);

#endif
