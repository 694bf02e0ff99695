/* policy/policy_name.h
 * Domain names from hostile places, and as they are compared. */
#ifndef POLICY_NAME_H
#define POLICY_NAME_H

#include "base/span.h"

#define POLICY_NAME_MOST 256 /* with NUL */

/* The form in which names are compared and looked up: lower case A-labels (IDNA 2008, libidn2), no dot at the end. An address
 * literal ("[192.0.2.1]") stays as it is, in lower case. False where it is no domain name that mail could go to:
 * too long, an empty label, a letter that host names don't have (underscore tolerated), bad UTF-8. */
MUST_CHECK bool policy_name_fold(struct span name, char out[POLICY_NAME_MOST]);

/* Already in that form: lower case letters, digits, hyphens, underscores, dots; 1 to 253 octets, labels of 1 to 63. What DNS
 * answers must pass here, folded first. */
bool policy_name_ok(struct span name);

/* The domain of user@domain (behind the last at sign, which may follow a quoted local part); the whole where there is none. */
struct span policy_name_domain(struct span address);

#endif
