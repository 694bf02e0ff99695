/* route/route_find.h
 * Asks DNS all that has to be known about where the mail for a domain goes: MX, then for all hosts at once their addresses, then
 * their TLSA records. What the answers mean is route_mx's. */
#ifndef ROUTE_FIND_H
#define ROUTE_FIND_H

#include "route/route_dns.h"

struct route_find;

/* `e` has DNS and hosts, and nothing of MTA-STS; whoever is called owns it. `ttl`: seconds that it is good for by DNS alone. */
typedef void route_find_done(void *arg, struct policy_evidence *e, uint32_t ttl);

/* Ends by `until` (of loop_now), whatever is missing by then: what was not answered has failed. `done` is called once, from
 * the loop, never before this returns. */
struct route_find *route_find(struct loop *loop, struct route_dns *dns, const char *domain, bool private_addresses, msec until,
			      uint64_t seed, route_find_done *done, void *arg);
/* Before `done` was called, or not at all. */
void route_find_cancel(struct route_find *f);

#endif
