/* policy/policy_sts.h
 * MTA-STS (RFC 8461): the TXT record that announces a policy, the policy itself, and whether an MX host is one of its. Pure
 * and total: whatever the web server sent. */
#ifndef POLICY_STS_H
#define POLICY_STS_H

#include "base/why.h"

#define POLICY_STS_BODY_MOST (64 * 1024) /* octets; a longer policy is none */
#define POLICY_STS_AGE_MOST 31557600     /* seconds (section 3.2); a greater max_age is cut to it */
#define POLICY_STS_MX_MOST 64            /* patterns; a policy with more is taken as invalid */

/* One TXT record (its strings joined) into the id. False where it is no MTA-STS record: it does not begin with "v=STSv1;", or its id
 * is not 1 to 32 letters and digits. More than one such record is as if there were none (section 3.1): the caller counts. */
MUST_CHECK bool policy_sts_record(struct span txt, char id[33]);

enum policy_sts_mode { POLICY_STS_MODE_NONE, POLICY_STS_MODE_TESTING, POLICY_STS_MODE_ENFORCE };

struct policy_sts {
	enum policy_sts_mode mode;
	int64_t max_age;        /* seconds */
	unsigned mx_count;
	char mx[POLICY_STS_MX_MOST][256]; /* lower case A-labels, a "*." at the front may stand */
};

/* The policy as it was served. Lines end with LF or CRLF; unknown fields are passed over; of a field that stands
 * twice the first counts (section 3.2), but for `mx`. False with `why` where version, mode or max_age is missing or wrong, or an
 * `mx` is, or there is none although the mode is testing or enforce. */
MUST_CHECK bool policy_sts_read(struct span body, struct policy_sts *p, struct why *why);

/* Whether the host is what the pattern says: the asterisk stands for one label, the left-most, whole (section 4.1). Both folded. */
bool policy_sts_matches(const char *pattern, const char *host);

#endif
