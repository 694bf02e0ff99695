#include "edge/partner.h"

#include "edge/edge_route.h"

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

/* `inbound` is about mail that comes in: to a domain of ours, or from one that has a rule of its own, whichever way it then
 * goes on. That everybody's mail must come under TLS ("*") says nothing of the mail that our own servers send out. */
static bool wants_of_sender(const struct session *s)
{
	const struct policy_rule *rule = policy_table_find(partner_rules(s), buf_peek(&s->txn->from), POLICY_INBOUND,
							   s->edge->wall);

	if (rule == NULL || rule->inbound != POLICY_LEVEL_ENCRYPT)
		return false;
	return s->service->direction == POLICY_INBOUND || !span_eq(span_str(rule->key), SPAN("*"));
}

static bool wants_of_recipient(const struct session *s, struct span recipient)
{
	const struct policy_rule *rule = partner_find(s, recipient);

	if (rule == NULL)
		return false;
	return rule->client == POLICY_CLIENT_REQUIRED ||
	       (s->service->direction == POLICY_INBOUND && rule->inbound == POLICY_LEVEL_ENCRYPT);
}

bool partner_wants_client_tls(const struct session *s, struct span recipient)
{
	if (s->server.tls || policy_table_count(partner_rules(s)) == 0)
		return false;
	return wants_of_sender(s) || wants_of_recipient(s, recipient);
}
