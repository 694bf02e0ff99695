#include "io/addr.h"

#include "base/must.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <string.h>

static void set_in(struct addr *a, struct in_addr ip, uint16_t port)
{
	*a = (struct addr){ .len = sizeof(a->in) };
	a->in.sin_family = AF_INET;
	a->in.sin_addr = ip;
	a->in.sin_port = htons(port);
}

static void set_in6(struct addr *a, int family, struct in6_addr ip, uint16_t port)
{
	*a = (struct addr){ .len = sizeof(a->in6) };
	a->in6.sin6_family = (sa_family_t)family;
	a->in6.sin6_addr = ip;
	a->in6.sin6_port = htons(port);
}

bool addr_read_host(struct span host, uint16_t port, struct addr *a)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr ip6;
	struct in_addr ip;

	/* inet_pton reads a C string: a NUL inside would hide what follows it. */
	if (host.len >= sizeof(text) || span_find(host, '\0') < host.len)
		return false;
	memcpy(text, host.at, host.len);
	text[host.len] = '\0';
	if (inet_pton(AF_INET, text, &ip) == 1) {
		set_in(a, ip, port);
		return true;
	}
	if (inet_pton(AF_INET6, text, &ip6) == 1) {
		set_in6(a, AF_INET6, ip6, port);
		return true;
	}
	return false;
}

/* Takes the host off the front and the colon behind it; `rest` is then the port. */
static bool cut_host(struct span *rest, struct span *host, bool *bracketed)
{
	*bracketed = rest->len > 0 && rest->at[0] == '[';
	if (!*bracketed) {
		if (span_find(*rest, ':') == rest->len)
			return false;
		*host = span_cut(rest, ':');
		return true;
	}
	*rest = span_from(*rest, 1);
	if (span_find(*rest, ']') == rest->len)
		return false;
	*host = span_cut(rest, ']');
	if (rest->len == 0 || rest->at[0] != ':')
		return false;
	*rest = span_from(*rest, 1);
	return true;
}

bool addr_read(struct span text, struct addr *a)
{
	struct span host;
	bool bracketed;
	uint64_t port;

	if (!cut_host(&text, &host, &bracketed) || !span_number(text, UINT16_MAX, &port))
		return false;
	if (!bracketed && span_eq(host, SPAN("*"))) {
		set_in6(a, AF_UNSPEC, in6addr_any, (uint16_t)port);
		return true;
	}
	/* "[192.0.2.7]:25" is no address, nor is "::1:25": which part were the port? */
	return addr_read_host(host, (uint16_t)port, a) &&
	       (a->sa.sa_family == AF_INET6) == bracketed;
}

static bool is_mapped(const struct addr *a)
{
	return a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr);
}

void addr_unmap(struct addr *a)
{
	struct in_addr ip;

	if (a->len == 0 || !is_mapped(a))
		return;
	memcpy(&ip, &a->in6.sin6_addr.s6_addr[12], sizeof(ip));
	set_in(a, ip, addr_port(a));
}

static void put_ipv4(struct text *t, const struct in_addr *ip)
{
	unsigned char octets[4];

	memcpy(octets, ip, sizeof(octets));
	for (size_t i = 0; i < sizeof(octets); i++) {
		if (i > 0)
			text_put(t, SPAN("."));
		text_number(t, octets[i]);
	}
}

static void put_ipv6(struct text *t, const struct in6_addr *ip, bool brackets)
{
	char host[INET6_ADDRSTRLEN];

	must(inet_ntop(AF_INET6, ip, host, sizeof(host)) != NULL);
	if (brackets)
		text_put(t, SPAN("["));
	text_add(t, host);
	if (brackets)
		text_put(t, SPAN("]"));
}

static void put_host(struct text *t, const struct addr *a, bool brackets)
{
	struct addr plain = *a;

	addr_unmap(&plain);
	if (plain.len == 0)
		text_put(t, SPAN("none"));
	else if (plain.sa.sa_family == AF_UNSPEC)
		text_put(t, SPAN("*"));
	else if (plain.sa.sa_family == AF_INET)
		put_ipv4(t, &plain.in.sin_addr);
	else
		put_ipv6(t, &plain.in6.sin6_addr, brackets);
}

void addr_print_host(const struct addr *a, char text[ADDR_TEXT_MOST])
{
	struct text t;

	text_begin(&t, text, ADDR_TEXT_MOST);
	put_host(&t, a, false);
}

void addr_print(const struct addr *a, char text[ADDR_TEXT_MOST])
{
	struct text t;

	text_begin(&t, text, ADDR_TEXT_MOST);
	put_host(&t, a, true);
	if (a->len == 0)
		return;
	text_put(&t, SPAN(":"));
	text_number(&t, addr_port(a));
}

uint16_t addr_port(const struct addr *a)
{
	if (a->len == 0)
		return 0;
	return ntohs(a->sa.sa_family == AF_INET ? a->in.sin_port : a->in6.sin6_port);
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	if (a->len == 0 || b->len == 0)
		return a->len == b->len;
	if (a->sa.sa_family != b->sa.sa_family || addr_port(a) != addr_port(b))
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr) &&
	       a->in6.sin6_scope_id == b->in6.sin6_scope_id;
}

/* A mixing that maps no two numbers to one (each step can be undone), so that no two
 * clients share a count. The constants are those of the splitmix64 generator. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

uint64_t addr_client_key(const struct addr *a, uint64_t seed)
{
	struct addr plain = *a;
	uint64_t id = 0, key;

	addr_unmap(&plain);
	if (plain.len > 0 && plain.sa.sa_family == AF_INET) {
		/* 0:ffff::/32 is nobody's IPv6 network. */
		id = (uint64_t)0xffff << 32 | ntohl(plain.in.sin_addr.s_addr);
	} else if (plain.len > 0) {
		for (int i = 0; i < 8; i++)
			id = id << 8 | plain.in6.sin6_addr.s6_addr[i];
	}
	key = mix(mix(id ^ seed) + seed);
	return key != 0 ? key : 1;
}

uint64_t addr_endpoint_key(const struct addr *a, uint64_t seed)
{
	struct addr plain = *a;
	uint64_t key = mix(seed ^ addr_port(a));

	addr_unmap(&plain);
	if (plain.len > 0 && plain.sa.sa_family == AF_INET) {
		key = mix(key ^ ntohl(plain.in.sin_addr.s_addr));
	} else if (plain.len > 0) {
		for (int i = 0; i < 16; i++)
			key = mix(key ^ plain.in6.sin6_addr.s6_addr[i]);
	}
	return key != 0 ? key : 1;
}

bool addr_is_any(const struct addr *a)
{
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == htonl(INADDR_ANY);
	return a->sa.sa_family != AF_INET6 || IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
}
