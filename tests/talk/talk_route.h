/* What `route` would say of a domain, out of a line of a talk. */
#ifndef TALK_ROUTE_H
#define TALK_ROUTE_H

#include "policy/policy_evidence.h"

/* `said`: "secure mx.b.example=192.0.2.1,2001:db8::1 tlsa=mx seen=7 sts-enforce=*.b.example", "null-mx", "no-domain",
 * "dns-failed". "secure" comes first; what is said of a host follows it; "tlsa=CERT" is a record 3 1 1 of a certificate of
 * harness/world_tls.h, "tlsa=wrong" one of none. */
struct policy_evidence *talk_route_evidence(const char *domain, const char *said);

#endif
