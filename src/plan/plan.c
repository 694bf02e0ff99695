#include "plan/plan.h"

#include "base/must.h"
#include "plan/plan_build.h"

#include <stdlib.h>

struct conf_place plan_place(const struct plan_build *b, const void *field, const void *name)
{
	struct conf_place at = conf_place_of(b->plan->conf, field);

	return at.line != 0 ? at : conf_place_of(b->plan->conf, name);
}

static void free_plan(struct plan *p)
{
	plan_service_free(p);
	plan_action_free(p);
	plan_authority_free(p);
	plan_partner_free(p);
	plan_upstream_free(p);
	for (size_t i = 0; p->certs != NULL && i < p->conf->cert_count; i++)
		tls_cert_free(p->certs[i]);
	free(p->certs);
	conf_free(p->conf);
	free(p);
}

struct plan *plan_build(struct conf *conf, struct conf_source *source,
			const struct tls_ticket_ring *tickets, int64_t now, uint32_t generation,
			struct conf_report *report)
{
	struct plan_build b = {
		.plan = mem_new(sizeof(struct plan)),
		.source = source, .tickets = tickets, .now = now, .report = report,
	};

	b.plan->refs = 1;
	b.plan->generation = generation;
	b.plan->conf = conf;
	plan_profile_check(&b);
	plan_cert_read(&b);
	plan_partner_make(&b);
	plan_upstream_make(&b);
	plan_authority_make(&b);
	plan_action_make(&b);
	plan_service_make(&b);
	if (report->errors == 0)
		return b.plan;
	free_plan(b.plan);
	return NULL;
}

struct plan *plan_hold(struct plan *p)
{
	p->refs++;
	return p;
}

void plan_release(struct plan *p)
{
	if (p == NULL)
		return;
	must(p->refs > 0);
	if (--p->refs == 0)
		free_plan(p);
}
