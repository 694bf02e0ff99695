/* What `explain` finds out, by the functions that the live session uses. */
#include "ctl/ctl_explain_inside.h"

#include "base/must.h"
#include "policy/policy_name.h"
#include "route/route.h"
#include "route/route_partners.h"
#include "store/store_partners.h"
#include "store/store_route.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define PATH_LEN 4096

static const char *state_dir(const struct explain *x)
{
	return x->plan->conf->route.state_dir;
}

/* Whoever only looks makes no database. */
static bool is_there(const struct explain *x, const char *file)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "%s/%s", state_dir(x), file);
	return access(path, F_OK) == 0;
}

static void warn(const char *what, const struct why *why)
{
	fprintf(stderr, "sallyport explain: %s: %s\n", what, why->text);
}

/* --- rules --- */

static bool add_database(const struct explain *x, struct buf *octets, struct why *why)
{
	struct store_partners *s;
	uint64_t generation;
	bool good;

	if (!is_there(x, STORE_PARTNERS_FILE))
		return true;
	s = store_partners_open(state_dir(x), why);
	good = s != NULL && store_partners_octets(s, octets, &generation, why);
	if (!good)
		buf_consume(octets, buf_used(octets));
	store_partners_free(s);
	return good;
}

static void find_rules(struct explain *x)
{
	struct buf octets;
	struct why why, spoilt;
	bool good;

	buf_init(&octets, ROUTE_PARTNERS_OCTETS_MOST);
	good = !conf_has_database(x->plan->conf) || add_database(x, &octets, &why);
	x->rules = plan_rules_with(x->plan, buf_peek(&octets), 1, &spoilt);
	if (good && spoilt.fault != FAULT_NONE) {
		good = false;
		why = spoilt;
	}
	buf_free(&octets);
	if (good)
		return;
	/* As a session is told that begins now (SPEC GC-8). */
	warn("the rules of the database can't be read", &why);
	explain_say(x, &SMTP_SAY_POLICY, SMTP_SAY_POLICY.text);
}

/* --- services of mode outbound --- */

static struct store_route *open_store(const struct explain *x)
{
	struct store_route *s = store_route_new();
	struct why why;

	if (is_there(x, STORE_ROUTE_FILE) && !store_route_open(s, state_dir(x), &why))
		warn("without what is remembered", &why);
	return s;
}

static bool look_up(struct explain *x, const char *domain, struct why *why)
{
	struct store_route *store = open_store(x);
	struct store_sts kept;

	x->evidence = route_look_up_now(&x->plan->conf->route, store, domain, why);
	if (store_route_is_open(store) && store_route_sts_get(store, domain, &kept))
		x->sts_fetched_at = kept.fetched_at;
	store_route_free(store);
	return x->evidence != NULL;
}

static void decide(struct explain *x)
{
	struct policy_question q = plan_question(x->service, x->sender.text, x->recipient.text, x->rule, x->client_tls,
						 x->now);
	const char *certificate = x->rule != NULL ? x->rule->certificate : NULL;
	struct why why;

	q.requiretls = x->requiretls;
	q.evidence = x->evidence;
	policy_decide(&q, &x->decision);
	if (x->decision.refusal != POLICY_DELIVER)
		explain_say(x, policy_answer_refusal(&x->decision), x->decision.because[0]);
	else if (plan_next_hop_client(x->service, certificate, &why) == NULL)
		explain_say(x, &SMTP_SAY_SELF, why.text);
	else if (x->connect && x->answer == NULL)
		explain_connect(x);
}

static int find_next_hop(struct explain *x)
{
	char domain[POLICY_NAME_MOST];
	struct span said = x->recipient.domain;
	struct why why;

	if (said.len == 0 || said.at[0] == '[' || !policy_name_fold(said, domain)) {
		explain_say(x, &SMTP_SAY_NO_DOMAIN, POLICY_ANSWER_NO_ROUTE);
		return EX_OK;
	}
	if (!look_up(x, domain, &why)) {
		warn("nothing can be looked up", &why);
		return EX_CONFIG;
	}
	decide(x);
	return EX_OK;
}

/* --- the others --- */

/* The host names that rules have as destinations, as the service's own resolver finds them. */
static void learn_names(struct plan *p)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;

	for (size_t i = 0; i < p->name_count; i++) {
		struct addr addrs[PLAN_HOST_ADDRS];
		unsigned count = 0;

		if (getaddrinfo(p->names[i].name, NULL, &hints, &list) != 0)
			continue;
		for (struct addrinfo *a = list; a != NULL && count < PLAN_HOST_ADDRS; a = a->ai_next) {
			if (a->ai_addrlen > sizeof(addrs[0].in6))
				continue;
			addrs[count].len = a->ai_addrlen;
			memcpy(&addrs[count++].sa, a->ai_addr, a->ai_addrlen);
		}
		freeaddrinfo(list);
		must(plan_name_learn(p, i, addrs, count));
	}
}

static void find_action(struct explain *x)
{
	learn_names(x->plan);
	x->action = plan_choose(x->service, &x->client_addr, &x->destination_addr, x->sni, &x->action_rule);
	if (x->action == NULL) {
		explain_say(x, &SMTP_SAY_UNREACHABLE, SMTP_SAY_UNREACHABLE.text);
		return;
	}
	if (x->action->method == CONF_METHOD_TERMINATE)
		x->upstream = x->action->template;
}

/* --- what is asked of the client --- */

static bool needs_client_tls(const struct explain *x)
{
	return x->action != NULL ? x->action->need_tls : x->service->need_tls;
}

static void look_at_client(struct explain *x)
{
	/* Where TLS is not ended here, rules are asked for nothing. */
	bool ours = x->service->conf->mode != CONF_MODE_TRANSPARENT || x->upstream != NULL;

	x->offers_client_tls = x->action != NULL ? x->action->offer_tls : x->service->offer_tls;
	x->wants_client_tls = ours && (needs_client_tls(x) || plan_wants_client_tls(x->service, x->rules, x->sender.text,
										    x->recipient.text, x->now));
	if (x->client != NULL && !plan_service_admits(x->service, &x->client_addr))
		explain_say(x, &SMTP_SAY_ACCESS, SMTP_SAY_ACCESS.text);
	else if (x->wants_client_tls && !x->client_tls)
		explain_say(x, &SMTP_SAY_TLS_FIRST, SMTP_SAY_TLS_FIRST.text);
}

int explain_find(struct explain *x)
{
	const struct conf_service *c = x->service->conf;

	find_rules(x);
	x->rule = policy_table_find(x->rules, x->recipient.text, x->service->direction, x->now);
	if (c->mode == CONF_MODE_TRANSPARENT)
		find_action(x);
	if (c->mode == CONF_MODE_RELAY)
		x->upstream = x->service->upstream;
	if (x->upstream != NULL)
		x->need = plan_need(x->upstream, x->rule, x->service->direction, x->client_tls);
	look_at_client(x);
	return c->mode == CONF_MODE_OUTBOUND ? find_next_hop(x) : EX_OK;
}
