#include "base/must.h"
#include "plan/plan_build.h"

#include <stdlib.h>
#include <string.h>

struct conf_net *plan_net_read(const struct conf_strings *list, size_t *count)
{
	struct conf_net *nets = mem_new((list->count + 1) * sizeof(*nets));
	struct why why;

	*count = 0;
	for (size_t i = 0; i < list->count; i++) {
		if (conf_addr_net(span_str(list->at[i]), &nets[*count], &why))
			(*count)++;
	}
	return nets;
}

static bool is_within(const struct conf_net *net, const struct addr *a)
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;
	bool v6 = a->sa.sa_family == AF_INET6;
	const unsigned char *ip = v6 ? a->in6.sin6_addr.s6_addr : (const unsigned char *)&a->in.sin_addr;

	if (a->len == 0 || v6 != net->v6 || memcmp(ip, net->ip, whole) != 0)
		return false;
	return rest == 0 || ((ip[whole] ^ net->ip[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

bool plan_net_has(const struct conf_net *nets, size_t count, const struct addr *a)
{
	for (size_t i = 0; i < count; i++) {
		if (is_within(&nets[i], a))
			return true;
	}
	return false;
}

/* Whom a service that sends to everybody serves unless it is told: no other machine (SPEC SUB-5). */
static const struct conf_net loopback[] = {
	{ .v6 = false, .ip = { 127 }, .bits = 8 },
	{ .v6 = true, .ip = { [15] = 1 }, .bits = 128 },
};
#define LOOPBACK_COUNT (sizeof(loopback) / sizeof(loopback[0]))

bool plan_service_admits(const struct plan_service *s, const struct addr *client)
{
	struct addr plain = *client;

	addr_unmap(&plain);
	if (s->conf->clients.count > 0)
		return plan_net_has(s->networks, s->network_count, &plain);
	return s->conf->mode != CONF_MODE_OUTBOUND || plan_net_has(loopback, LOOPBACK_COUNT, &plain);
}
