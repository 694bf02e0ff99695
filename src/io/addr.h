/* io/addr.h
 * Socket addresses, IPv4 and IPv6. */
#ifndef IO_ADDR_H
#define IO_ADDR_H

#include "base/span.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct addr {
	socklen_t len; /* 0: none */
	union {
		struct sockaddr sa; /* AF_INET, AF_INET6, or AF_UNSPEC: "*", with its port in in6 */
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

#define ADDR_TEXT_MOST 64

/* "192.0.2.7:25", "[2001:db8::1]:25", "*:25" (any address, both families), "[::]:25" (any IPv6
 * address). The port must be there; 0 may stand for "any free one". */
MUST_CHECK bool addr_read(struct span text, struct addr *a);
MUST_CHECK bool addr_read_host(struct span host, uint16_t port, struct addr *a); /* a bare literal */
void addr_print(const struct addr *a, char text[ADDR_TEXT_MOST]);      /* with port, as addr_read takes it */
void addr_print_host(const struct addr *a, char text[ADDR_TEXT_MOST]); /* without; IPv4-mapped as IPv4 */
uint16_t addr_port(const struct addr *a);
bool addr_is_any(const struct addr *a); /* "*", 0.0.0.0 or :: */
bool addr_eq(const struct addr *a, const struct addr *b);

/* An IPv4 address that came in IPv6 clothes (::ffff:192.0.2.7) becomes IPv4. */
void addr_unmap(struct addr *a);

/* The key under which a client is counted: the IPv4 address, or the /64 of an IPv6 one. Never 0, and
 * different for different clients; without `seed` nobody can tell which keys lie close. */
/* A key for address and port. */
uint64_t addr_endpoint_key(const struct addr *a, uint64_t seed);
uint64_t addr_client_key(const struct addr *a, uint64_t seed);

#endif
