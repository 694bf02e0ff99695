/* route/route_report.h
 * Results of the edges are counted for TLS reports (RFC 8460), with the policies that were in force. */
#ifndef ROUTE_REPORT_H
#define ROUTE_REPORT_H

#include "policy/policy_evidence.h"
#include "store/store_route.h"

/* `found`: what the result's domain was found to be; NULL: that is not known any more. Besides the result itself it is counted where an
 * MTA-STS policy could not be had, so that its owner hears of it (section 4.3.2.2). */
void route_report_count(struct store_route *store, const struct policy_evidence *found, const struct policy_result *result,
			int64_t now);

/* Pure: the policy that holds for the result, as a report tells it; `body`: of its MTA-STS policy. Whole lines; where it is too long
 * the last ones are left out. False where there is none. */
MUST_CHECK bool route_report_policy(const struct policy_evidence *found, const struct policy_result *result, struct span body,
				    struct store_policy *p);

#endif
