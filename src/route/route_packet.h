/* route/route_packet.h
 * An answer of DNS, as octets (RFC 1035 section 4), taken apart. libunbound has looked at it before, but what stands in the records is
 * still what a stranger put there. Pure and total. */
#ifndef ROUTE_PACKET_H
#define ROUTE_PACKET_H

#include "route/route_dns.h"

/* What `packet` says to a question for `name` (policy_name_ok). Fills all of `a` but `secure`; its spans point into
 * `packet`. Where the packet is malformed, cut short or an error of the server's that is ROUTE_DNS_FAILED: there is no other
 * way out. */
void route_packet_read(struct span packet, const char *name, enum route_dns_type type, struct route_dns_answer *a);

/* The strings of a TXT record (RFC 1035 section 3.3.14), joined into `out`; how many octets. Of a longer one the front, `size` octets of it:
 * so whoever gets `size` has not got it all. */
size_t route_packet_txt(struct span data, char *out, size_t size);

#endif
