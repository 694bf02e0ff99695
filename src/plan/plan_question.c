#include "plan/plan.h"

struct policy_question plan_question(const struct plan_service *s, struct span recipient, const struct policy_rule *rule,
				     bool client_tls, int64_t now)
{
	const struct conf_service *c = s->conf;

	return (struct policy_question){
		.recipient = recipient,
		.service = c->name,
		.rule = rule,
		.least = s->next_hop->need,
		.mirror = s->next_hop->mirror,
		.client_tls = client_tls,
		.dane = c->dane,
		.sts = c->mta_sts,
		.remember = c->remember,
		.remember_defers = c->remember_defers,
		.now = now,
	};
}
