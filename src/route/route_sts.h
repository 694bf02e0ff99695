/* route/route_sts.h
 * The MTA-STS policy of a domain (RFC 8461): announced in DNS, fetched over HTTPS, kept in the store until its max_age is
 * over, whatever DNS and HTTPS say meanwhile (section 3.3).
 *
 * A policy that is kept under the id that DNS announces is used at once; it is fetched again in the background when half its life is over.
 * Otherwise whoever asks waits for the fetch, up to his limit, and is then answered with what there is: the policy that is kept, or
 * none and the reason. Without one at hand RFC 8461 section 3.3 lets mail go on; the fetch goes on too, for the
 * mails that follow. A fetch that failed is not tried again for five minutes (the same).
 *
 * Ages are measured on a clock that begins with the wall clock when the process does and then ticks with the monotonic one:
 * a jump of the wall clock ends no policy, and prolongs none (FAULTS 36). Beyond a restart a policy holds for at most its own
 * max_age, counted from the restart where its dates lie in the future. */
#ifndef ROUTE_STS_H
#define ROUTE_STS_H

#include "policy/policy_message.h"
#include "policy/policy_sts.h"
#include "route/route_fetch.h"

struct route_sts;
struct store_route;

/* `changed` is called when a policy has come or changed outside an answer: what was known of the domain is outdated. All
 * are borrowed; `store` may be NULL: nothing is kept then. */
struct route_sts *route_sts_new(struct loop *loop, struct route_dns *dns, struct route_fetcher *fetcher,
				const struct conf_route *conf, struct store_route *store,
				void (*changed)(void *arg, const char *domain), void *arg);
void route_sts_free(struct route_sts *s);

struct route_sts_found {
	enum evidence_sts mode;
	const struct policy_sts *policy; /* NULL with EVIDENCE_STS_NONE */
	const char *id;                  /* "" */
	int64_t left;                    /* seconds that the policy still holds */
	uint32_t ttl;                    /* of what DNS said */
	const char *trouble;             /* "" */
};

typedef void route_sts_done(void *arg, const struct route_sts_found *found);

/* `done` is called once, from the loop, never before this returns, by `until` (of loop_now); `found` is valid until it
 * returns. */
struct route_sts_ask *route_sts_ask(struct route_sts *s, const char *domain, msec until, route_sts_done *done, void *arg);
/* Before `done` was called, or not at all. */
void route_sts_cancel(struct route_sts_ask *ask);

/* Pure: the one record that announces a policy. False with `trouble` (static; "" where there simply is none) where there is
 * not exactly one that begins with "v=STSv1;", or it is malformed (section 3.1). */
MUST_CHECK bool route_sts_announced(const struct route_dns_answer *a, char id[33], const char **trouble);

/* Pure: which failure of RFC 8460 section 4.3.2.2 a `trouble` is. False where it is none: DNS did not announce a policy, or not in a way
 * that could be read. */
MUST_CHECK bool route_sts_failure(const char *trouble, enum policy_result_type *type);

#endif
