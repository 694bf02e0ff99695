#include "conf/conf_checks.h"
#include "conf/conf_near.h"

#include <string.h>

void conf_check_action_name(const struct conf *c, struct conf_report *r, char *const *field)
{
	struct conf_place at = conf_place_of(c, field);
	struct conf_near near;

	if (*field == NULL || conf_action_find(c, *field) != NULL)
		return;
	conf_near_begin(&near, *field);
	for (size_t i = 0; i < c->action_count; i++)
		conf_near_try(&near, c->actions[i].name);
	for (size_t i = 0; i < CONF_BUILTIN_ACTIONS; i++)
		conf_near_try(&near, conf_builtin_actions[i].name);
	if (near.best != NULL)
		conf_error(r, at, "there is no action %s; did you mean %s?", *field, near.best);
	else
		conf_error(r, at, "there is no action %s; it has to be one of actions", *field);
}

static bool same_text(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* The log tells rules apart by name. */
static void check_rule_name(const struct conf *c, struct conf_report *r, const struct conf_service *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!same_text(s->rules[i].name, s->rules[n].name))
			continue;
		conf_error(r, conf_place_of(c, &s->rules[n].name), "services.%s has two rules called %s, the first in "
			   "line %u; give one another name", s->name, s->rules[n].name,
			   conf_place_of(c, &s->rules[i].name).line);
		return;
	}
}

static bool is_for_all(const struct conf_rule *rule)
{
	return rule->client.count == 0 && rule->destination.count == 0 && rule->sni.count == 0;
}

static void check_rule(const struct conf *c, struct conf_report *r, const struct conf_service *s, size_t n)
{
	const struct conf_rule *rule = &s->rules[n];
	bool set = conf_check_is_set(c, &rule->client) || conf_check_is_set(c, &rule->destination) ||
		   conf_check_is_set(c, &rule->sni);

	check_rule_name(c, r, s, n);
	conf_check_action_name(c, r, &rule->action);
	if (rule->sni.count > 0 && !conf_service_listens_tls(s))
		conf_error(r, conf_place_of(c, &rule->sni), "services.%s has a rule by sni and does not listen on "
			   "listen_tls; only there the name comes first", s->name);
	/* Conditions that were refused are no reason to say that there are none. */
	if (!set && is_for_all(rule) && n + 1 < s->rule_count)
		conf_warning(r, conf_place_of(c, &rule->name), "services.%s: the rule %s is for all connections, so "
			     "those behind it are never asked", s->name, rule->name != NULL ? rule->name : "");
}

void conf_check_transparent(const struct conf *c, struct conf_report *r, const struct conf_service *s)
{
	conf_check_action_name(c, r, &s->action);
	for (size_t i = 0; i < s->rule_count; i++)
		check_rule(c, r, s, i);
}
