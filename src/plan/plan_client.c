#include "plan/plan.h"

/* `inbound` is about mail that comes in: to a domain of ours, or from one that has a rule of its own, whichever way it then
 * goes on. That everybody's mail must come under TLS ("*") says nothing of the mail that our own servers send out. */
static bool wants_of_sender(const struct plan_service *s, const struct policy_table *rules, struct span sender, int64_t now)
{
	const struct policy_rule *rule = policy_table_find(rules, sender, POLICY_INBOUND, now);

	if (rule == NULL || rule->inbound != POLICY_LEVEL_ENCRYPT)
		return false;
	return s->direction == POLICY_INBOUND || !span_eq(span_str(rule->key), SPAN("*"));
}

static bool wants_of_recipient(const struct plan_service *s, const struct policy_table *rules, struct span recipient,
			       int64_t now)
{
	const struct policy_rule *rule = policy_table_find(rules, recipient, s->direction, now);

	if (rule == NULL)
		return false;
	return rule->client == POLICY_CLIENT_REQUIRED ||
	       (s->direction == POLICY_INBOUND && rule->inbound == POLICY_LEVEL_ENCRYPT);
}

bool plan_wants_client_tls(const struct plan_service *s, const struct policy_table *rules, struct span sender,
			   struct span recipient, int64_t now)
{
	return wants_of_sender(s, rules, sender, now) || wants_of_recipient(s, rules, recipient, now);
}
