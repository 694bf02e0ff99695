#include "base/must.h"
#include "plan/plan_build.h"

#include <stdlib.h>
#include <string.h>

static void make_tls(const struct plan_build *b, struct plan_service *s)
{
	const struct conf_service *c = s->conf;
	const struct plan_server from = {
		.section = "services", .name = &c->name, .certificates = &c->certificates,
		.tls_profile = c->tls_profile, .client_tls = c->client_tls,
	};

	s->tls = plan_server_make(b, &from);
}

/* No certificate, or none that is fit, where TLS is to be offered: conf or plan_cert has said so. Said
 * here once more for the case that neither did: a service must not lose its TLS in silence. */
static void make_sure(const struct plan_build *b, const struct plan_service *s)
{
	bool wants = s->offer_tls || conf_service_listens_tls(s->conf);

	if (wants && s->tls == NULL && b->report->errors == 0)
		conf_error(b->report, conf_place_of(b->plan->conf, &s->conf->name), "services.%s has "
			   "no certificate to offer TLS with; name one in certificates",
			   s->conf->name);
}

static struct plan_upstream *find_upstream(const struct plan *p, const char *name)
{
	for (size_t i = 0; name != NULL && i < p->upstream_count; i++) {
		if (strcmp(p->upstreams[i].conf->name, name) == 0)
			return &p->upstreams[i];
	}
	return NULL;
}

/* TLS towards clients, where the service itself has it. */
static void make_client_side(const struct plan_build *b, struct plan_service *s)
{
	const struct conf_service *c = s->conf;

	s->offer_tls = conf_service_listens_clear(c) && c->client_tls != CONF_CLIENT_TLS_NONE &&
		       !plan_rules_offer_none(b->plan, s->direction);
	s->need_tls = c->client_tls == CONF_CLIENT_TLS_ENCRYPT;
	if (s->offer_tls || conf_service_listens_tls(c))
		make_tls(b, s);
	make_sure(b, s);
}

static void make_relay(const struct plan_build *b, struct plan_service *s)
{
	const struct plan_action *shared = plan_action_find(b->plan, s->conf->action);

	s->esmtp = shared == NULL || shared->esmtp;
	s->upstream = find_upstream(b->plan, s->conf->upstream);
	must(s->upstream != NULL || b->report->errors > 0);
	make_client_side(b, s);
}

static void make_outbound(struct plan_build *b, struct plan_service *s)
{
	s->esmtp = true;
	s->fallback = find_upstream(b->plan, s->conf->fallback);
	must(s->fallback != NULL || s->conf->fallback == NULL || b->report->errors > 0);
	plan_next_hop_make(b, s);
	make_client_side(b, s);
}

static void make_transparent(struct plan_build *b, struct plan_service *s)
{
	s->action = plan_action_find(b->plan, s->conf->action);
	must(s->action != NULL || b->report->errors > 0);
	plan_rule_make(b, s);
}

static void make_service(struct plan_build *b, struct plan_service *s)
{
	const struct conf_service *c = s->conf;

	s->plan = b->plan;
	s->hostname = c->hostname != NULL ? c->hostname : b->plan->conf->hostname;
	s->direction = (enum policy_direction)c->direction;
	s->networks = plan_net_read(&c->clients, &s->network_count);
	switch (c->mode) {
	case CONF_MODE_RELAY:
		make_relay(b, s);
		break;
	case CONF_MODE_OUTBOUND:
		make_outbound(b, s);
		break;
	case CONF_MODE_TRANSPARENT:
		make_transparent(b, s);
		break;
	}
}

static void add_listens(const struct plan_build *b, const struct plan_service *s,
			const struct conf_strings *list, bool implicit)
{
	struct plan *p = b->plan;

	for (size_t i = 0; i < list->count; i++) {
		struct plan_listen *l = &p->listens[p->listen_count];

		if (!addr_read(span_str(list->at[i]), &l->at)) {
			conf_error(b->report, plan_place(b, &list->at[i], &s->conf->name),
				   "services.%s: %s is no address to listen on", s->conf->name,
				   list->at[i]);
			continue;
		}
		l->implicit = implicit;
		l->tproxy = s->conf->mode == CONF_MODE_TRANSPARENT &&
			    s->conf->intercept == CONF_INTERCEPT_TPROXY;
		l->service = s->index;
		p->listen_count++;
	}
}

void plan_service_make(struct plan_build *b)
{
	struct plan *p = b->plan;
	size_t listens = 1;

	for (size_t i = 0; i < p->conf->service_count; i++)
		listens += p->conf->services[i].listen.count + p->conf->services[i].listen_tls.count;
	p->listens = mem_new(listens * sizeof(*p->listens));
	p->services = mem_new((p->conf->service_count + 1) * sizeof(*p->services));
	for (size_t i = 0; i < p->conf->service_count; i++) {
		struct plan_service *s = &p->services[p->service_count++];

		s->conf = &p->conf->services[i];
		s->index = i;
		make_service(b, s);
		if (conf_service_listens_clear(s->conf))
			add_listens(b, s, &s->conf->listen, false);
		if (conf_service_listens_tls(s->conf))
			add_listens(b, s, &s->conf->listen_tls, true);
	}
}

static bool covers(const struct addr *listen, const struct home *home, const struct addr *to)
{
	if (addr_port(listen) != addr_port(to))
		return false;
	if (!addr_is_any(listen))
		return addr_eq(listen, to);
	return (listen->sa.sa_family == AF_UNSPEC || listen->sa.sa_family == to->sa.sa_family) && home_has(home, to);
}

bool plan_listens_at(const struct plan *p, const struct home *home, const struct addr *to)
{
	struct addr plain = *to;

	addr_unmap(&plain);
	for (size_t i = 0; i < p->listen_count; i++) {
		const struct plan_service *s = &p->services[p->listens[i].service];

		if (s->next_hop != NULL && covers(&p->listens[i].at, home, &plain))
			return true;
	}
	return false;
}

void plan_service_free(struct plan *p)
{
	for (size_t i = 0; i < p->service_count; i++) {
		if (p->services[i].tls != NULL)
			tls_server_free(p->services[i].tls);
		free(p->services[i].networks);
		plan_rule_free(&p->services[i]);
		plan_next_hop_free(&p->services[i]);
	}
	plan_rule_free_names(p);
	free(p->services);
	free(p->listens);
}
