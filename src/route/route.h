/* route/route.h
 * The process that looks up: where mail for a domain goes and what TLS it must have there, by DNS (validating), MTA-STS and
 * what is remembered. It has no mail and no keys. An edge asks over its line (policy/policy_message.h); the commands look up
 * in their own process, by the same code. */
#ifndef ROUTE_H
#define ROUTE_H

#include "conf/conf.h"
#include "io/loop.h"
#include "policy/policy_evidence.h"

/* The role: main loop of the process. Exit status. */
int route_main(const char *path);

struct route; /* a resolver, a policy fetcher, a cache */

/* `conf`: borrowed, outlives it. Trust anchor and CA are read here (before the sandbox). `store` is what is remembered
 * over restarts (store/store_route.h), borrowed; NULL: nothing is. NULL with `why`. */
struct store_route;
MUST_CHECK struct route *route_new(struct loop *loop, const struct conf_route *conf, struct store_route *store,
				   struct why *why);
void route_free(struct route *r);

/* Looks up `domain` (folded, policy_name_ok; an address literal is nothing to look up). `done` is called once, from the
 * loop or at once where the cache has it, within conf->timeout and a little; it must not free the route. The evidence is borrowed: valid
 * until it returns. One look-up is shared by all that ask for the same domain meanwhile.
 *
 * TLSA records are those of port 25, whatever port the next hop is then spoken to on. They are looked up for each host whose
 * addresses DNSSEC vouches for, also where it does not vouch for the MX records (RFC 7672 section 2.2.1 leaves that to us; what
 * is proved then is the host, not that it is the domain's: `mx_secure` says so).
 *
 * An MTA-STS policy that has to be fetched is waited for until conf->timeout. If it is not there by then the evidence
 * has none, and `sts_trouble` says so (RFC 8461 section 3.3 lets mail go); the fetch goes on, up to 60 seconds in all, and the next
 * look-up has it. A policy that was fetched once never depends on that: it is in the store. */
typedef void route_done(void *arg, const struct policy_evidence *e);
void route_look_up(struct route *r, const char *domain, route_done *done, void *arg);

/* What was found out about the domain and is still good; NULL: nothing. Borrowed, until the next look-up. */
const struct policy_evidence *route_known(struct route *r, const char *domain);

/* Its parts, for what else the process asks: OCSP, reports. They live as long as it. */
struct route_fetcher *route_fetcher_of(struct route *r);
struct route_dns *route_dns_of(struct route *r);

/* For commands: asks and waits, on a loop of its own. The caller frees it. `store` as above. NULL with `why` where resolver,
 * trust anchor or CA can't be used; all else is in the evidence. */
MUST_CHECK struct policy_evidence *route_look_up_now(const struct conf_route *conf, struct store_route *store,
						     const char *domain, struct why *why);

#endif
