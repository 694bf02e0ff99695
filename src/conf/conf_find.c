#include "conf/conf.h"

#include <stdio.h>
#include <string.h>

const struct conf_action *conf_action_find(const struct conf *c, const char *name)
{
	for (size_t i = 0; name != NULL && i < c->action_count; i++) {
		if (strcmp(c->actions[i].name, name) == 0)
			return &c->actions[i];
	}
	return NULL;
}

bool conf_service_listens_clear(const struct conf_service *s)
{
	return s->tls_support != CONF_TLS_SUPPORT_REQUIRED && s->listen.count > 0;
}

bool conf_service_listens_tls(const struct conf_service *s)
{
	return s->tls_support != CONF_TLS_SUPPORT_DISABLED && s->listen_tls.count > 0;
}

/* The nearest that says something; a circle ends after as many steps as there are profiles. */
static bool asks_responders(const struct conf *c, const char *name)
{
	const struct conf_profile *p = conf_profile_find(c, name);

	for (size_t steps = 0; p != NULL && steps < c->profile_count; steps++) {
		if (p->ocsp != CONF_OCSP_UNSET)
			return p->ocsp != CONF_OCSP_OFF;
		p = conf_profile_find(c, p->inherit);
	}
	return false;
}

static bool upstreams_are_asked_about(const struct conf *c)
{
	for (size_t i = 0; i < c->upstream_count; i++) {
		if (asks_responders(c, c->upstreams[i].tls_profile))
			return true;
	}
	for (size_t i = 0; i < c->action_count; i++) {
		if (c->actions[i].tls == CONF_METHOD_TERMINATE && asks_responders(c, c->actions[i].upstream_tls_profile))
			return true;
	}
	return false;
}

bool conf_has_database(const struct conf *c)
{
	for (size_t i = 0; i < c->service_count; i++) {
		if (c->services[i].mode == CONF_MODE_OUTBOUND)
			return true;
	}
	return c->route_count > 0;
}

bool conf_needs_route(const struct conf *c)
{
	return conf_has_database(c) || upstreams_are_asked_about(c);
}

bool conf_tlsrpt_from(const struct conf *c, char *text, size_t size)
{
	const char *set = c->route.tlsrpt_from;
	int len = snprintf(text, size, "%s%s", set != NULL ? set : "tlsrpt@", set != NULL ? "" : c->hostname);

	return len >= 0 && (size_t)len < size;
}

bool conf_service_uses(const struct conf_service *s, const char *action)
{
	if (s->action != NULL && strcmp(s->action, action) == 0)
		return true;
	for (size_t i = 0; i < s->rule_count; i++) {
		if (s->rules[i].action != NULL && strcmp(s->rules[i].action, action) == 0)
			return true;
	}
	return false;
}

const struct conf_profile *conf_profile_find(const struct conf *c, const char *name)
{
	for (size_t i = 0; name != NULL && i < c->profile_count; i++) {
		if (strcmp(c->profiles[i].name, name) == 0)
			return &c->profiles[i];
	}
	return NULL;
}

/* The nearest that says something; a circle ends after as many steps as there are profiles. */
bool conf_profile_verifies(const struct conf *c, const char *name)
{
	const struct conf_profile *p = conf_profile_find(c, name);

	for (size_t steps = 0; p != NULL && steps < c->profile_count; steps++) {
		if (p->verify != CONF_SWITCH_UNSET)
			return p->verify == CONF_SWITCH_ON;
		p = conf_profile_find(c, p->inherit);
	}
	return false;
}

const char *conf_method_name(enum conf_method method)
{
	static const char *const names[] = {
		[CONF_METHOD_TERMINATE] = "terminate",
		[CONF_METHOD_PASSTHROUGH] = "passthrough",
		[CONF_METHOD_STRIP] = "strip",
	};

	return names[method];
}

const char *conf_support_name(enum conf_tls_support support)
{
	static const char *const names[] = {
		[CONF_TLS_SUPPORT_DISABLED] = "disabled",
		[CONF_TLS_SUPPORT_ENABLED] = "enabled",
		[CONF_TLS_SUPPORT_REQUIRED] = "required",
	};

	return names[support];
}
