#include "base/must.h"
#include "conf/conf_value.h"
#include "plan/plan_build.h"

#include <stdlib.h>
#include <string.h>

#define PEM_MOST 16384

static char *copy(const char *text)
{
	return text != NULL ? mem_text(text) : NULL;
}

/* What an upstream of the file would look like that is set as the action says. */
static struct conf_upstream *make_conf(const struct conf_action *a)
{
	const struct conf_setting *upstreams = conf_schema_find(&conf_schema, "upstreams");
	struct conf_upstream *u = mem_new(sizeof(*u));

	conf_value_preset(upstreams->section, u);
	free(u->tls_profile);
	u->tls_profile = mem_text(a->upstream_tls_profile);
	u->name = mem_text(a->name);
	u->tls = a->upstream_tls;
	u->min_bits = a->min_bits;
	u->ca = copy(a->ca);
	u->crl = copy(a->crl);
	return u;
}

static void make_template(const struct plan_build *b, struct plan_action *a)
{
	/* A minted leaf has the names of the upstream's certificate, and the client checks those. */
	const struct plan_upstream_from from = { "actions", &a->conf->name, &a->conf->ca, &a->conf->crl,
						 a->conf->authority != NULL };
	struct plan_upstream *u = mem_new(sizeof(*u));
	struct conf_upstream *c = make_conf(a->conf);

	u->conf = c;
	u->index = b->plan->upstream_count + a->index;
	plan_upstream_set_up(b, u, &from);
	a->template = u;
	a->mirror = u->mirror;
}

static void free_template(struct plan_upstream *u)
{
	/* It was made by make_conf, for this one alone. */
	struct conf_upstream *c = (struct conf_upstream *)u->conf;

	if (u->tls != NULL)
		tls_client_free(u->tls);
	free(c->name);
	free(c->ca);
	free(c->crl);
	free(c->tls_profile);
	free(c);
	free(u);
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
static bool is_shown(const struct conf *c, const struct conf_action *a, bool (*listens)(const struct conf_service *s))
{
	for (size_t i = 0; i < c->service_count; i++) {
		const struct conf_service *s = &c->services[i];

		if (s->mode == CONF_MODE_TRANSPARENT && conf_service_uses(s, a->name) && listens(s))
			return true;
	}
	return false;
}

/* A service must not lose its TLS in silence: see make_sure in plan_service.c. */
static void make_terminate(const struct plan_build *b, struct plan_action *a)
{
	const struct conf *c = b->plan->conf;
	bool implicit = is_shown(c, a->conf, conf_service_listens_tls);

	a->esmtp = a->conf->esmtp;
	a->need_tls = a->conf->client_tls == CONF_CLIENT_TLS_ENCRYPT;
	a->offer_tls = a->conf->client_tls != CONF_CLIENT_TLS_NONE && !plan_partner_offers_none(b->plan) &&
		       is_shown(c, a->conf, conf_service_listens_clear);
	if (!a->offer_tls && !implicit)
		return;
	make_tls(b, a);
	if (a->tls == NULL && b->report->errors == 0)
		conf_error(b->report, conf_place_of(c, &a->conf->name), "actions.%s has no certificate to offer TLS "
			   "with", a->conf->name);
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
			free_template(p->actions[i].template);
	}
	free(p->actions);
}
