/* policy/policy_weigh.h
 * Inside the decision: what was weighed, for policy_because.c to put into words. Nobody else's. */
#ifndef POLICY_WEIGH_H
#define POLICY_WEIGH_H

#include "policy/policy_decide.h"

struct policy_weighed {
	const struct policy_question *q;
	bool exempt;         /* the rule is an exemption */
	bool relaxed;        /* "TLS-Required: No" counts */
	bool dane, sts;      /* count: honoured, not set aside; `sts`: and there is a policy that still holds */
	bool sts_stale;      /* there is one, and it does not hold any more */
	bool enforce;        /* `sts`, and not only testing */
	struct tls_need rule, shadow; /* what the rule demands, and what it would without `report` */
	struct tls_need least;        /* what the service demands */
	struct {
		const char *pattern; /* of MTA-STS, that matches it; NULL: none */
		bool dane;           /* its TLSA records are what it is held to */
		bool remembered;     /* its memory demands TLS, or would */
	} hosts[EVIDENCE_HOSTS_MOST];
};

/* Fills d->because. All else has been decided. */
void policy_weigh_because(const struct policy_weighed *w, struct policy_decision *d);

#endif
