/* ctl/ctl_evidence.h
 * Evidence for people and programs: what `explain` and `probe` both print of it. */
#ifndef CTL_EVIDENCE_H
#define CTL_EVIDENCE_H

#include "ctl/ctl_json.h"
#include "io/addr.h"
#include "policy/policy_evidence.h"

const char *ctl_evidence_dns_name(enum evidence_dns dns);     /* "found", "null-mx" */
const char *ctl_evidence_sts_name(enum evidence_sts sts);     /* "none", "testing", "enforce" */
const char *ctl_evidence_tlsa_name(enum evidence_tlsa state); /* "none", "usable" */

void ctl_evidence_addr(const struct evidence_addr *from, uint16_t port, struct addr *to);

/* "3 1 1 0a1b..." */
#define CTL_EVIDENCE_TLSA_MOST (2 * EVIDENCE_TLSA_DATA + 16)
const char *ctl_evidence_tlsa(const struct tls_tlsa *r, char text[CTL_EVIDENCE_TLSA_MOST]);

/* `dns`, `trouble`, `mx_secure`, `no_mx`, `mta_sts` ...; without the hosts. */
json_t *ctl_evidence_json(const struct policy_evidence *e);
/* `name`, `preference`, `secure`, `addresses`, `tlsa` ... */
json_t *ctl_evidence_host_json(const struct evidence_host *h);

#endif
