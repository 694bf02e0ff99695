#include "base/must.h"
#include "conf/conf_value.h"
#include "plan/plan_build.h"

#include <stdlib.h>

static char *copy(const char *text)
{
	return text != NULL ? mem_text(text) : NULL;
}

static void set_service(struct conf_upstream *c, const struct conf_service *s)
{
	c->on_tls_failure = s->next_hop_on_tls_failure;
	c->pool = s->next_hop_pool;
	c->pool_idle = s->next_hop_pool_idle;
	c->timeout_connect = s->next_hop_timeout_connect;
	c->timeout_greeting = s->next_hop_timeout_greeting;
	c->timeout_command = s->next_hop_timeout_command;
	c->timeout_data = s->next_hop_timeout_data;
	c->timeout_final = s->next_hop_timeout_final;
}

struct plan_upstream *plan_template_new(const struct plan_template *from, size_t index)
{
	const struct conf_setting *upstreams = conf_schema_find(&conf_schema, "upstreams");
	struct plan_upstream *u = mem_new(sizeof(*u));
	struct conf_upstream *c = mem_new(sizeof(*c));

	conf_value_preset(upstreams->section, c);
	free(c->tls_profile);
	c->tls_profile = mem_text(from->tls_profile);
	c->name = mem_text(from->name);
	c->tls = from->tls;
	c->min_bits = from->min_bits;
	c->ca = copy(from->ca);
	c->crl = copy(from->crl);
	c->certificate = copy(from->certificate);
	if (from->service != NULL)
		set_service(c, from->service);
	u->conf = c;
	u->index = index;
	return u;
}

void plan_template_free(struct plan_upstream *u)
{
	/* It was made above, for this one alone. */
	struct conf_upstream *c = (struct conf_upstream *)u->conf;

	if (u->tls != NULL)
		tls_client_free(u->tls);
	free(c->name);
	free(c->ca);
	free(c->crl);
	free(c->certificate);
	free(c->tls_profile);
	free(c);
	free(u);
}
