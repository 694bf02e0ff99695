/* route/route_addr.h
 * Which addresses that DNS names are not to be connected to: a stranger's MX or web server that lies within our own network
 * would make us his tool for reaching it. */
#ifndef ROUTE_ADDR_H
#define ROUTE_ADDR_H

#include "policy/policy_evidence.h"

#define ROUTE_ADDR_TEXT_MOST 48

/* Loopback, link-local, private (RFC 1918, 6598, 4193), unspecified, multicast, reserved; and IPv6 addresses that have
 * such an IPv4 one in them (NAT64, 6to4), or any at all by mapping (::ffff:0:0/96). */
bool route_addr_private(const struct evidence_addr *a);

/* False where the data of an A or AAAA record has not the length of one. */
MUST_CHECK bool route_addr_read(struct span data, bool v6, struct evidence_addr *a);
void route_addr_print(const struct evidence_addr *a, char text[ROUTE_ADDR_TEXT_MOST]);

#endif
