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
	policy_table_release(p->rules);
	plan_upstream_free(p);
	for (size_t i = 0; p->certs != NULL && i < p->conf->cert_count; i++)
		tls_cert_free(p->certs[i]);
	free(p->certs);
	conf_free(p->conf);
	free(p);
}

static struct plan_build begin(struct conf *conf, struct conf_source *source, int64_t now, uint32_t generation,
			       struct conf_report *report)
{
	struct plan_build b = {
		.plan = mem_new(sizeof(struct plan)), .source = source, .now = now, .report = report,
	};

	b.plan->refs = 1;
	b.plan->generation = generation;
	b.plan->conf = conf;
	return b;
}

static struct plan *finish(const struct plan_build *b)
{
	if (b->report->errors == 0)
		return b->plan;
	free_plan(b->plan);
	return NULL;
}

/* `route` reads them itself; what is wrong with them is to be said before it starts. */
static void check_route_files(const struct plan_build *b)
{
	const struct conf_route *r = &b->plan->conf->route;
	const struct { char *const *path; const char *name; } files[] = {
		{ &r->trust_anchor, "trust_anchor" }, { &r->sts_ca, "sts_ca" },
	};
	struct span bytes;
	struct why why;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (*files[i].path != NULL && !conf_source_read(b->source, *files[i].path, &bytes, &why))
			conf_error(b->report, conf_place_of(b->plan->conf, files[i].path), "route.%s: %s can't be read: "
				   "%s", files[i].name, *files[i].path, why.text);
	}
}

struct plan *plan_build(struct conf *conf, struct conf_source *source,
			const struct tls_ticket_ring *tickets, int64_t now, uint32_t generation,
			struct conf_report *report)
{
	struct plan_build b = begin(conf, source, now, generation, report);

	b.tickets = tickets;
	plan_profile_check(&b);
	plan_cert_read(&b);
	check_route_files(&b);
	plan_rules_make(&b);
	plan_upstream_make(&b);
	plan_authority_make(&b);
	plan_action_make(&b);
	plan_service_make(&b);
	return finish(&b);
}

struct plan *plan_build_rules(struct conf *conf, struct conf_source *source, int64_t now, uint32_t generation,
			      struct conf_report *report)
{
	struct plan_build b = begin(conf, source, now, generation, report);

	plan_rules_make(&b);
	return finish(&b);
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
