#include "route/route_addr.h"

#include "base/must.h"

#include <arpa/inet.h>
#include <string.h>

struct net {
	unsigned char octets[16];
	unsigned bits;
};

static const struct net private_v4[] = {
	{ { 0 }, 8 },             /* "this network" */
	{ { 10 }, 8 },
	{ { 100, 64 }, 10 },      /* RFC 6598 */
	{ { 127 }, 8 },
	{ { 169, 254 }, 16 },
	{ { 172, 16 }, 12 },
	{ { 192, 0, 0 }, 24 },    /* RFC 6890 */
	{ { 192, 168 }, 16 },
	{ { 198, 18 }, 15 },      /* RFC 2544 */
	{ { 224 }, 3 },           /* multicast, reserved, broadcast */
};

static const struct net private_v6[] = {
	{ { 0 }, 96 },                               /* ::, ::1, IPv4-compatible */
	{ { [10] = 0xff, [11] = 0xff }, 96 },        /* IPv4-mapped: whoever means IPv4 has an A record */
	{ { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48 }, /* RFC 8215: translation within a network */
	{ { 0x01 }, 64 },                            /* RFC 6666: discard */
	{ { 0xfc }, 7 },                             /* RFC 4193 */
	{ { 0xfe, 0x80 }, 10 },
	{ { 0xfe, 0xc0 }, 10 },                      /* site-local, as it once was */
	{ { 0xff }, 8 },
};

/* NAT64 (RFC 6052) and 6to4 (RFC 3056): prefixes behind which an IPv4 address stands. */
static const struct {
	struct net net;
	unsigned at;
} carriers[] = {
	{ { { 0x00, 0x64, 0xff, 0x9b }, 96 }, 12 },
	{ { { 0x20, 0x02 }, 16 }, 2 },
};

static bool inside(const unsigned char *octets, const struct net *n)
{
	unsigned whole = n->bits / 8, rest = n->bits % 8;

	if (memcmp(octets, n->octets, whole) != 0)
		return false;
	return rest == 0 || (octets[whole] ^ n->octets[whole]) >> (8 - rest) == 0;
}

static bool inside_any(const unsigned char *octets, const struct net *nets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (inside(octets, &nets[i]))
			return true;
	}
	return false;
}

static bool is_private_v4(const unsigned char *octets)
{
	return inside_any(octets, private_v4, sizeof(private_v4) / sizeof(private_v4[0]));
}

bool route_addr_private(const struct evidence_addr *a)
{
	if (!a->v6)
		return is_private_v4(a->octets);
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
		if (inside(a->octets, &carriers[i].net))
			return is_private_v4(&a->octets[carriers[i].at]);
	}
	return inside_any(a->octets, private_v6, sizeof(private_v6) / sizeof(private_v6[0]));
}

bool route_addr_read(struct span data, bool v6, struct evidence_addr *a)
{
	if (data.len != (v6 ? 16 : 4))
		return false;
	*a = (struct evidence_addr){ .v6 = v6 };
	memcpy(a->octets, data.at, data.len);
	return true;
}

void route_addr_print(const struct evidence_addr *a, char text[ROUTE_ADDR_TEXT_MOST])
{
	must(inet_ntop(a->v6 ? AF_INET6 : AF_INET, a->octets, text, ROUTE_ADDR_TEXT_MOST) != NULL);
}
