#include "base/must.h"
#include "plan/plan_build.h"

#include <stdlib.h>
#include <string.h>

#define PEM_MOST 16384

static void make_template(const struct plan_build *b, struct plan_action *a)
{
	/* A minted leaf has the names of the upstream's certificate, and the client checks those. */
	const struct plan_upstream_from from = { "actions", &a->conf->name, &a->conf->ca, &a->conf->crl,
						 a->conf->authority != NULL };
	const struct conf_action *c = a->conf;
	const struct plan_template template = {
		.name = c->name, .tls_profile = c->upstream_tls_profile, .ca = c->ca, .crl = c->crl,
		.tls = c->upstream_tls, .min_bits = c->min_bits,
	};
	struct plan_upstream *u = plan_template_new(&template, b->plan->upstream_count + a->index);

	plan_upstream_set_up(b, u, &from);
	a->template = u;
	a->mirror = u->mirror;
}

/* For a context whose connections are each given another one: a certificate that nobody trusts and nobody
 * has seen, so that a connection which is not given one shows nothing of ours. NULL with `why`. */
static struct tls_cert *make_blank(int64_t now, struct why *why)
{
	struct tls_cert *cert = NULL;
	struct buf chain, key;

	buf_init(&chain, PEM_MOST);
	buf_init(&key, PEM_MOST);
	if (tls_authority_make("no certificate", 1, now, &chain, &key, why))
		cert = tls_cert_read(buf_peek(&chain), buf_peek(&key), why);
	buf_free(&chain);
	buf_free(&key);
	return cert;
}

static void make_tls(const struct plan_build *b, struct plan_action *a)
{
	const struct conf_action *c = a->conf;
	struct plan_server from = {
		.section = "actions", .name = &c->name, .certificates = &c->certificates,
		.tls_profile = c->tls_profile, .client_tls = c->client_tls,
	};
	struct why why;

	if (c->authority != NULL) {
		a->authority = plan_authority_find(b, c->authority);
		if (a->authority == NULL)
			return;
		from.own = make_blank(b->now, &why);
		if (from.own == NULL) {
			conf_error(b->report, conf_place_of(b->plan->conf, &c->name), "actions.%s: TLS can't be set "
				   "up: %s", c->name, why.text);
			return;
		}
	}
	a->tls = plan_server_make(b, &from);
	tls_cert_free(from.own);
}

/* Services that show clients what this action says; a relay has a context of its own. */
static bool is_shown(const struct conf_service *s, const struct conf_action *a)
{
	return s->mode == CONF_MODE_TRANSPARENT && conf_service_uses(s, a->name);
}

static bool shows_implicit(const struct conf *c, const struct conf_action *a)
{
	for (size_t i = 0; i < c->service_count; i++) {
		if (is_shown(&c->services[i], a) && conf_service_listens_tls(&c->services[i]))
			return true;
	}
	return false;
}

static bool shows_starttls(const struct plan *p, const struct conf_action *a)
{
	for (size_t i = 0; i < p->conf->service_count; i++) {
		const struct conf_service *s = &p->conf->services[i];

		if (is_shown(s, a) && conf_service_listens_clear(s) &&
		    !plan_rules_offer_none(p, (enum policy_direction)s->direction))
			return true;
	}
	return false;
}

/* A service must not lose its TLS in silence: see make_sure in plan_service.c. */
static void make_terminate(const struct plan_build *b, struct plan_action *a)
{
	const struct conf *c = b->plan->conf;
	bool implicit = shows_implicit(c, a->conf);

	a->esmtp = a->conf->esmtp;
	a->need_tls = a->conf->client_tls == CONF_CLIENT_TLS_ENCRYPT;
	a->offer_tls = a->conf->client_tls != CONF_CLIENT_TLS_NONE && shows_starttls(b->plan, a->conf);
	if (!a->offer_tls && !implicit)
		return;
	make_tls(b, a);
	if (a->tls == NULL && b->report->errors == 0)
		conf_error(b->report, conf_place_of(c, &a->conf->name), "actions.%s has no certificate to offer TLS "
			   "with", a->conf->name);
}

static void make_passthrough(const struct plan_build *b, struct plan_action *a)
{
	struct tls_profile client, upstream;

	if (!plan_profile_get(b, a->conf->tls_profile, &client) ||
	    !plan_profile_get(b, a->conf->upstream_tls_profile, &upstream))
		return;
	a->client_complies = client.compliance;
	a->upstream_complies = upstream.compliance;
}

void plan_action_make(struct plan_build *b)
{
	struct plan *p = b->plan;

	p->actions = mem_new((p->conf->action_count + 1) * sizeof(*p->actions));
	for (size_t i = 0; i < p->conf->action_count; i++) {
		struct plan_action *a = &p->actions[p->action_count++];

		a->conf = &p->conf->actions[i];
		a->index = i;
		a->method = a->conf->tls;
		make_template(b, a);
		if (a->method == CONF_METHOD_TERMINATE)
			make_terminate(b, a);
		if (a->method == CONF_METHOD_PASSTHROUGH)
			make_passthrough(b, a);
	}
}

struct plan_action *plan_action_find(const struct plan *p, const char *name)
{
	for (size_t i = 0; name != NULL && i < p->action_count; i++) {
		if (strcmp(p->actions[i].conf->name, name) == 0)
			return &p->actions[i];
	}
	return NULL;
}

void plan_action_free(struct plan *p)
{
	for (size_t i = 0; i < p->action_count; i++) {
		if (p->actions[i].tls != NULL)
			tls_server_free(p->actions[i].tls);
		if (p->actions[i].template != NULL)
			plan_template_free(p->actions[i].template);
	}
	free(p->actions);
}
