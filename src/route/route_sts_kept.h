/* route/route_sts_kept.h
 * How long a policy of the store still holds. Pure. */
#ifndef ROUTE_STS_KEPT_H
#define ROUTE_STS_KEPT_H

#include "policy/policy_sts.h"
#include "store/store_route.h"

/* Seconds left at `now`; 0: none, or the dates make no sense. Never more than the policy's own max_age, nor than it was
 * given when it was fetched, whatever the clock said then. */
int64_t route_sts_kept_left(const struct store_sts *kept, const struct policy_sts *policy, int64_t now);
/* Whether half of that is over. */
bool route_sts_kept_old(const struct store_sts *kept, int64_t left);

#endif
