#include "base/must.h"
#include "plan/plan_build.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The resolver wants one, and says it again with each address; it counts for nothing here. */
#define NAME_PORT 25

/* The index of the name, which is added where it is new. */
static size_t name_index(struct plan *p, const char *name)
{
	struct plan_host *host;

	for (size_t i = 0; i < p->name_count; i++) {
		if (strcasecmp(p->names[i].name, name) == 0)
			return i;
	}
	p->names = mem_grow(p->names, (p->name_count + 1) * sizeof(*p->names));
	host = &p->names[p->name_count];
	memset(host, 0, sizeof(*host));
	host->name = mem_text(name);
	host->port = NAME_PORT;
	return p->name_count++;
}

/* What of the destinations is no network: conf has seen to it that it is a name then. */
static void read_names(struct plan *p, struct plan_rule *r)
{
	const struct conf_strings *list = &r->conf->destination;
	struct conf_net net;
	struct why why;

	r->names = mem_new((list->count + 1) * sizeof(*r->names));
	for (size_t i = 0; i < list->count; i++) {
		if (!conf_addr_net(span_str(list->at[i]), &net, &why))
			r->names[r->name_count++] = name_index(p, list->at[i]);
	}
}

void plan_rule_make(struct plan_build *b, struct plan_service *s)
{
	s->rules = mem_new((s->conf->rule_count + 1) * sizeof(*s->rules));
	for (size_t i = 0; i < s->conf->rule_count; i++) {
		struct plan_rule *r = &s->rules[s->rule_count++];

		r->conf = &s->conf->rules[i];
		r->clients = plan_net_read(&r->conf->client, &r->client_count);
		r->destinations = plan_net_read(&r->conf->destination, &r->destination_count);
		read_names(b->plan, r);
		r->action = plan_action_find(b->plan, r->conf->action);
		must(r->action != NULL || b->report->errors > 0);
	}
}

void plan_rule_free(struct plan_service *s)
{
	for (size_t i = 0; i < s->rule_count; i++) {
		free(s->rules[i].clients);
		free(s->rules[i].destinations);
		free(s->rules[i].names);
	}
	free(s->rules);
}

void plan_rule_free_names(struct plan *p)
{
	for (size_t i = 0; i < p->name_count; i++)
		free(p->names[i].name);
	free(p->names);
}

bool plan_name_learn(struct plan *p, size_t name, const struct addr *addrs, unsigned count)
{
	struct plan_host *host;

	if (name >= p->name_count || count > PLAN_HOST_ADDRS)
		return false;
	host = &p->names[name];
	if (count == 0)
		return true;
	memcpy(host->addrs, addrs, count * sizeof(*addrs));
	host->addr_count = count;
	return true;
}

/* --- the choice --- */

/* What rules are held against. */
struct call {
	const struct plan *plan;
	struct addr client, destination;
	const char *sni;
};

static const unsigned char *octets(const struct addr *a, bool *v6)
{
	*v6 = a->sa.sa_family == AF_INET6;
	return *v6 ? a->in6.sin6_addr.s6_addr : (const unsigned char *)&a->in.sin_addr;
}

static bool same_host(const struct addr *a, const struct addr *b)
{
	bool v6, other;
	const unsigned char *x = octets(a, &v6);
	const unsigned char *y = octets(b, &other);

	return v6 == other && memcmp(x, y, v6 ? 16 : 4) == 0;
}

static bool is_name_of(const struct plan_host *host, const struct addr *a)
{
	for (unsigned i = 0; i < host->addr_count; i++) {
		struct addr one = host->addrs[i];

		addr_unmap(&one);
		if (a->len > 0 && same_host(&one, a))
			return true;
	}
	return false;
}

/* A host name covers itself; "*.example.net" one label before example.net. */
static bool fits_pattern(const char *pattern, const char *name)
{
	struct span want = span_str(pattern);
	struct span have = span_str(name);

	if (have.len > 0 && have.at[have.len - 1] == '.')
		have.len--;
	if (pattern[0] == '*') {
		size_t label = span_find(have, '.');

		if (label == 0 || label == have.len)
			return false;
		want = span_from(want, 1);
		have = span_from(have, label);
	}
	return span_eq_nocase(want, have);
}

static bool fits_sni(const struct plan_rule *r, const char *sni)
{
	const struct conf_strings *list = &r->conf->sni;

	for (size_t i = 0; sni != NULL && i < list->count; i++) {
		if (fits_pattern(list->at[i], sni))
			return true;
	}
	return list->count == 0;
}

static bool fits_client(const struct plan_rule *r, const struct addr *client)
{
	return r->client_count == 0 || plan_net_has(r->clients, r->client_count, client);
}

enum fit { FIT_NO, FIT_YES, FIT_UNKNOWN };

static enum fit fits_destination(const struct plan_rule *r, const struct call *c)
{
	bool unknown = false;

	if (r->destination_count + r->name_count == 0 ||
	    plan_net_has(r->destinations, r->destination_count, &c->destination))
		return FIT_YES;
	for (size_t i = 0; i < r->name_count; i++) {
		const struct plan_host *host = &c->plan->names[r->names[i]];

		if (is_name_of(host, &c->destination))
			return FIT_YES;
		unknown |= host->addr_count == 0;
	}
	return unknown ? FIT_UNKNOWN : FIT_NO;
}

static struct call call_of(const struct plan_service *s, const struct addr *client,
			   const struct addr *destination, const char *sni)
{
	struct call c = { s->plan, *client, *destination, sni };

	addr_unmap(&c.client);
	addr_unmap(&c.destination);
	return c;
}

const struct plan_action *plan_choose(const struct plan_service *s, const struct addr *client,
				      const struct addr *destination, const char *sni, const char **rule)
{
	const struct call c = call_of(s, client, destination, sni);
	const struct plan_rule *found = NULL;
	const struct plan_action *action;
	enum fit fit = FIT_NO;
	size_t end = 0;

	for (; end < s->rule_count && fit != FIT_YES; end++) {
		const struct plan_rule *r = &s->rules[end];

		fit = fits_client(r, &c.client) && fits_sni(r, sni) ? fits_destination(r, &c) : FIT_NO;
		found = fit == FIT_YES ? r : NULL;
	}
	action = found != NULL ? found->action : s->action;
	*rule = found != NULL ? found->conf->name : NULL;
	/* Those before it that may be meant: nothing is lost where they would do the same. */
	for (size_t i = 0; i < end; i++) {
		const struct plan_rule *r = &s->rules[i];

		if (r == found || r->action == action || !fits_client(r, &c.client) || !fits_sni(r, sni) ||
		    fits_destination(r, &c) != FIT_UNKNOWN)
			continue;
		*rule = r->conf->name;
		return NULL;
	}
	return action;
}

const char *plan_destination_name(const struct plan_service *s, const char *rule, const struct addr *destination)
{
	struct addr at = *destination;

	addr_unmap(&at);
	for (size_t i = 0; i < s->rule_count; i++) {
		const struct plan_rule *r = &s->rules[i];

		for (size_t j = 0; r->conf->name == rule && j < r->name_count; j++) {
			const struct plan_host *host = &s->plan->names[r->names[j]];

			if (is_name_of(host, &at))
				return host->name;
		}
	}
	return NULL;
}

bool plan_needs_sni(const struct plan_service *s, const struct addr *client, const struct addr *destination)
{
	const struct call c = call_of(s, client, destination, NULL);

	for (size_t i = 0; i < s->rule_count; i++) {
		const struct plan_rule *r = &s->rules[i];
		enum fit fit = fits_client(r, &c.client) ? fits_destination(r, &c) : FIT_NO;

		if (fit != FIT_NO && r->conf->sni.count > 0)
			return true;
		if (fit == FIT_YES)
			return false;
	}
	return false;
}
