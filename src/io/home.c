#include "io/home.h"

#include <ifaddrs.h>
#include <string.h>

static bool take(struct home *h, const struct sockaddr *from)
{
	struct addr a = { 0 };

	if (from == NULL || (from->sa_family != AF_INET && from->sa_family != AF_INET6))
		return true;
	a.len = from->sa_family == AF_INET ? sizeof(a.in) : sizeof(a.in6);
	memcpy(&a.sa, from, a.len);
	h->at[h->count++] = a;
	return h->count < HOME_MOST;
}

void home_read(struct home *h)
{
	struct ifaddrs *all;

	h->count = 0;
	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *one = all; one != NULL && take(h, one->ifa_addr); one = one->ifa_next)
		;
	freeifaddrs(all);
}

static bool same_host(const struct addr *a, const struct addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
}

/* What is sent to the unspecified address goes to this machine, too. */
static bool is_always(const struct addr *a)
{
	if (a->sa.sa_family == AF_INET)
		return ntohl(a->in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET || a->in.sin_addr.s_addr == INADDR_ANY;
	return IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr) || IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
}

bool home_has(const struct home *h, const struct addr *a)
{
	struct addr plain = *a;

	addr_unmap(&plain);
	if (is_always(&plain))
		return true;
	for (unsigned i = 0; i < h->count; i++) {
		if (same_host(&h->at[i], &plain))
			return true;
	}
	return false;
}
