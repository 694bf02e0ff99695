#include "route/route_sts_kept.h"

static int64_t life(const struct store_sts *kept)
{
	if (kept->fetched_at < 0 || kept->until < kept->fetched_at ||
	    kept->until - kept->fetched_at > POLICY_STS_AGE_MOST)
		return 0;
	return kept->until - kept->fetched_at;
}

int64_t route_sts_kept_left(const struct store_sts *kept, const struct policy_sts *policy, int64_t now)
{
	int64_t most = life(kept), left;

	if (most > policy->max_age)
		most = policy->max_age;
	if (most == 0 || now >= kept->until)
		return 0;
	left = kept->until - now;
	return left < most ? left : most;
}

bool route_sts_kept_old(const struct store_sts *kept, int64_t left)
{
	return left <= life(kept) / 2;
}
