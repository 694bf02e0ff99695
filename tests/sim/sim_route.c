/* Mode outbound: domains, where their mail goes, and which TLS it must have there. Which domain a host serves can be seen
 * from its address: 192.0.2.21 and .22 are those of the domains of kind 2; 192.0.2.9 is the fallback. */
#include "sim/sim.h"

#include "talk/talk_route.h"

#include <stdio.h>
#include <string.h>

static const struct sim_domain {
	unsigned kind;
	const char *said;   /* as in a talk */
	bool tls, verified; /* no MAIL without */
} domains[SIM_DOMAINS] = {
	{ 1, "mx1.example=192.0.2.11,192.0.2.12", false, false },
	{ 1, "mx1.example=192.0.2.11,192.0.2.12", false, false },
	{ 2, "secure mx2.example=192.0.2.21 tlsa=mx mx2b.example=192.0.2.22 tlsa=mx", true, true },
	{ 3, "mx3.example=192.0.2.31 mx3b.example=192.0.2.32", true, false }, /* by a rule of the plan */
	{ 4, "mx.example=192.0.2.41,192.0.2.42 sts-enforce=mx.example", true, true },
	{ 5, "mx5.example=192.0.2.51", false, false },
};

static unsigned kind_of(const struct world_peer *p)
{
	return p->at.sa.sa_family == AF_INET ? (ntohl(p->at.in.sin_addr.s_addr) & 0xff) / 10 : 0;
}

bool sim_route_ask(struct world *w, uint32_t id, const char *domain)
{
	struct sim *s = (struct sim *)w;
	unsigned n;

	if (sscanf(domain, "d%u.example", &n) != 1 || n >= SIM_DOMAINS || s->ask_count == SIM_ASKS)
		return false;
	sim_trace(s, "route is asked for %s", domain);
	s->asks[s->ask_count++] = (struct sim_ask){
		.id = id, .domain = n,
		.at = w->edge.now + (sim_chance(&s->rand, 30) ? (msec)sim_rand(&s->rand, 30000) : 0),
	};
	return true;
}

/* What goes wrong with a lookup goes wrong by chance, and may be right the next time. */
static const char *answer_for(struct sim *s, unsigned domain)
{
	static const char *const wrong[] = { "dns-failed", "no-domain", "null-mx" };
	unsigned percent = domain == SIM_DOMAINS - 1 ? 50 : 3;

	return sim_chance(&s->rand, percent) ? wrong[sim_rand(&s->rand, 3)] : domains[domain].said;
}

bool sim_route_run(struct sim *s)
{
	for (unsigned i = 0; i < s->ask_count; i++) {
		struct sim_ask a = s->asks[i];
		char name[32];

		if (a.at > s->world.edge.now)
			continue;
		s->asks[i] = s->asks[--s->ask_count];
		snprintf(name, sizeof(name), "d%u.example", a.domain);
		/* Now and then nobody answers at all. */
		if (!sim_chance(&s->rand, 2))
			world_evidence(&s->world, a.id, talk_route_evidence(name, answer_for(s, a.domain)));
		return true;
	}
	return false;
}

msec sim_route_next(const struct sim *s)
{
	msec at = MSEC_NEVER;

	for (unsigned i = 0; i < s->ask_count; i++) {
		if (s->asks[i].at < at)
			at = s->asks[i].at;
	}
	return at;
}

bool sim_route_is_fallback(const struct sim *s, const struct world_peer *p)
{
	return sim_plans[s->plan].outbound && kind_of(p) == 0;
}

void sim_route_check_mail(struct sim *s, const struct world_peer *p, bool tls, const char *cert)
{
	for (unsigned i = 0; i < SIM_DOMAINS; i++) {
		if (domains[i].kind != kind_of(p))
			continue;
		if (domains[i].tls && !tls)
			sim_break(s, "law 6: MAIL came in clear to a host of d%u.example", i);
		if (domains[i].verified && strcmp(cert, "mx") != 0)
			sim_break(s, "law 6: MAIL came to a host of d%u.example whose certificate is %s", i, cert);
	}
}

void sim_route_check_rcpt(struct sim *s, const struct world_peer *p, unsigned domain)
{
	if (domain >= SIM_DOMAINS || (kind_of(p) != 0 && kind_of(p) != domains[domain].kind))
		sim_break(s, "a recipient of d%u.example came to a host of another domain", domain);
}
