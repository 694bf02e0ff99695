/* policy/policy_tlsa.h
 * Which TLSA records can be used for SMTP (RFC 7672 section 3.1, RFC 7671). */
#ifndef POLICY_TLSA_H
#define POLICY_TLSA_H

#include "base/span.h"
#include "tls/tls_need.h"

/* From the raw RDATA (RFC 6698 section 2.1). False where the record is unusable: shorter than its three numbers and one octet of
 * data, a usage that is not DANE-TA(2) or DANE-EE(3), an unknown selector or matching type, a digest that is not as long
 * as its kind is, data of more than EVIDENCE_TLSA_DATA. `r->data` points into `rdata`, and is not to be written to. */
MUST_CHECK bool policy_tlsa_read(struct span rdata, struct tls_tlsa *r);

#endif
