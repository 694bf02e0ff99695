#include "edge/partner.h"

#include "edge/edge_route.h"
#include "policy/policy_answer.h"

#include <stdio.h>

struct policy_table *partner_rules(const struct session *s)
{
	return s->rules != NULL ? s->rules : edge_route_rules(s->edge);
}

void partner_begin(struct session *s)
{
	partner_end(s);
	s->rules = policy_table_hold(edge_route_rules(s->edge));
}

void partner_end(struct session *s)
{
	policy_table_release(s->rules);
	s->rules = NULL;
}

const struct policy_rule *partner_find(const struct session *s, struct span address)
{
	return policy_table_find(partner_rules(s), address, s->service->direction, s->edge->wall);
}

struct tls_need partner_first_need(const struct session *s, bool client_tls)
{
	return plan_need_first(partner_rules(s), s->up->plan, s->service->direction, client_tls, s->edge->wall);
}

const struct smtp_answer *partner_leg_refusal(const struct session *s)
{
	const struct leg *l = s->leg;
	bool final = plan_need_is_final(partner_rules(s), s->up->plan, s->service->direction, s->server.tls,
					s->edge->wall, &l->need);

	return final ? policy_answer_final(l->refusal) : l->refusal;
}

const struct smtp_answer *partner_refusal(const struct session *s, struct span recipient, struct tls_need *need,
					  struct why *why)
{
	const struct policy_rule *rule;
	const struct smtp_answer *a;
	struct tls_facts facts;
	struct tls_need final;
	struct why said;

	*need = (struct tls_need){ .level = NEED_NONE };
	if (policy_table_count(partner_rules(s)) == 0)
		return NULL;
	rule = partner_find(s, recipient);
	*need = plan_need(s->up->plan, rule, s->service->direction, s->server.tls);
	leg_facts(s->leg, &facts);
	if (need_met(need, &facts, why))
		return NULL;
	a = policy_answer_unmet(need, &facts);
	final = plan_need_final(s->up->plan, rule, s->service->direction, s->server.tls);
	return need_met(&final, &facts, &said) ? a : policy_answer_final(a);
}

void partner_report(struct session *s, struct span recipient)
{
	const struct policy_rule *rule = partner_find(s, recipient);
	char domain[SMTP_DOMAIN_MOST + 1], because[POLICY_TEXT_MOST];
	struct span at = recipient;
	struct tls_facts facts;
	struct tls_need wanted;
	struct why why;

	if (rule == NULL || !rule->report || rule == s->txn->reported)
		return;
	wanted = plan_need_wanted(s->up->plan, rule, s->service->direction, s->server.tls);
	leg_facts(s->leg, &facts);
	if (need_met(&wanted, &facts, &why))
		return;
	s->txn->reported = rule;
	while (span_find(at, '@') < at.len)
		(void)span_cut(&at, '@');
	snprintf(domain, sizeof(domain), "%.*s", (int)at.len, at.at);
	snprintf(because, sizeof(because), "rule %s (%s): only reported", rule->key, rule->origin);
	leg_report_shadow(s->leg, domain, &wanted, rule, because, &why);
}

bool partner_wants_client_tls(const struct session *s, struct span recipient)
{
	return !s->server.tls && plan_wants_client_tls(s->service, partner_rules(s), buf_peek(&s->txn->from), recipient,
						       s->edge->wall);
}
