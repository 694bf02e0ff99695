#include "plan/plan.h"

#define SENDER_MOST 512

bool plan_is_report(const struct plan *p, struct span sender)
{
	char from[SENDER_MOST];

	return conf_tlsrpt_from(p->conf, from, sizeof(from)) && span_eq_nocase(sender, span_str(from));
}

struct policy_question plan_question(const struct plan_service *s, struct span sender, struct span recipient,
				     const struct policy_rule *rule, bool client_tls, int64_t now)
{
	const struct conf_service *c = s->conf;

	return (struct policy_question){
		.recipient = recipient,
		.service = c->name,
		.rule = rule,
		.least = s->next_hop->need,
		.mirror = s->next_hop->mirror,
		.client_tls = client_tls,
		.tls_required_no = plan_is_report(s->plan, sender),
		.dane = c->dane,
		.sts = c->mta_sts,
		.remember = c->remember,
		.remember_defers = c->remember_defers,
		.now = now,
	};
}
