#include "conf/conf_check.h"

#include "base/must.h"
#include "conf/conf_addr.h"
#include "conf/conf_checks.h"
#include "conf/conf_near.h"
#include "conf/conf_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMTP_PORT 25

static const char *const builtin[] = { "modern", "intermediate", "legacy" };
#define BUILTINS (sizeof(builtin) / sizeof(builtin[0]))

/* Names that no profile of the file may have. */
static bool is_builtin(const char *profile)
{
	for (size_t i = 0; i < BUILTINS; i++) {
		if (strcmp(builtin[i], profile) == 0)
			return true;
	}
	return false;
}

bool conf_check_is_set(const struct conf *c, const void *field)
{
	return conf_place_of(c, field).line != 0;
}

struct conf_place conf_check_place(const struct conf *c, const void *field, const void *name)
{
	return conf_place_of(c, conf_check_is_set(c, field) ? field : name);
}

void conf_check_add_name(char names[CONF_CHECK_NAMES], const char *fmt, ...)
{
	static const char more[] = ", ...";
	size_t len = strlen(names);
	char name[CONF_CHECK_NAMES / 2];
	va_list args;

	va_start(args, fmt);
	vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	if (len + strlen(name) + 2 * sizeof(more) < CONF_CHECK_NAMES)
		snprintf(names + len, CONF_CHECK_NAMES - len, "%s%s", len > 0 ? ", " : "", name);
	else if (!span_ends_nocase(span_str(names), span_str(more)))
		snprintf(names + len, CONF_CHECK_NAMES - len, "%s", more);
}

static struct conf_cert *find_cert(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->cert_count; i++) {
		if (strcmp(c->certs[i].name, name) == 0)
			return &c->certs[i];
	}
	return NULL;
}

const struct conf_upstream *conf_check_upstream_find(const struct conf *c, const char *name)
{
	for (size_t i = 0; name != NULL && i < c->upstream_count; i++) {
		if (strcmp(c->upstreams[i].name, name) == 0)
			return &c->upstreams[i];
	}
	return NULL;
}

void conf_check_profile(const struct conf *c, struct conf_report *r, char *const *field)
{
	struct conf_near near;

	if (is_builtin(*field) || conf_profile_find(c, *field) != NULL)
		return;
	conf_near_begin(&near, *field);
	for (size_t i = 0; i < BUILTINS; i++)
		conf_near_try(&near, builtin[i]);
	for (size_t i = 0; i < c->profile_count; i++)
		conf_near_try(&near, c->profiles[i].name);
	if (near.best != NULL)
		conf_error(r, conf_place_of(c, field), "there is no TLS profile %s; did you mean "
			   "%s?", *field, near.best);
	else
		conf_error(r, conf_place_of(c, field), "there is no TLS profile %s; it can be modern, "
			   "intermediate, legacy or one of tls_profiles", *field);
}

void conf_check_cert(const struct conf *c, struct conf_report *r, char *const *field)
{
	struct conf_near near;

	if (find_cert(c, *field) != NULL)
		return;
	conf_near_begin(&near, *field);
	for (size_t i = 0; i < c->cert_count; i++)
		conf_near_try(&near, c->certs[i].name);
	if (near.best != NULL)
		conf_error(r, conf_place_of(c, field), "there is no certificate %s; did you mean "
			   "%s?", *field, near.best);
	else
		conf_error(r, conf_place_of(c, field), "there is no certificate %s; it has to be one "
			   "of certificates", *field);
}

/* Whether following `inherit` comes back to where it began. */
static bool inherits_itself(const struct conf *c, const struct conf_profile *p)
{
	const struct conf_profile *at = p;

	for (size_t steps = 0; steps < c->profile_count; steps++) {
		at = conf_profile_find(c, at->inherit);
		if (at == NULL)
			return false;
		if (at == p)
			return true;
	}
	return false; /* a circle further up: reported for those that are on it */
}

/* SPEC WG-14: the built-in ones are what their name says, everywhere. */
static void check_profiles(const struct conf *c, struct conf_report *r)
{
	for (size_t i = 0; i < c->profile_count; i++) {
		const struct conf_profile *p = &c->profiles[i];

		if (is_builtin(p->name)) {
			conf_error(r, conf_place_of(c, &p->name), "tls_profiles.%s is built in and "
				   "can't be changed; give yours another name and write inherit: %s",
				   p->name, p->name);
			continue;
		}
		conf_check_profile(c, r, &p->inherit);
		if (inherits_itself(c, p))
			conf_error(r, conf_check_place(c, &p->inherit, &p->name),
				   "tls_profiles.%s inherits from itself; it has to lead to modern, "
				   "intermediate or legacy", p->name);
	}
}

static const char *need_name(enum conf_need need)
{
	static const char *const names[] = { "none", "may", "encrypt", "verify", "mirror" };

	return names[need];
}

void conf_check_verify(const struct conf *c, struct conf_report *r, char *const *profile,
		       enum conf_need tls, const char *what)
{
	if (tls == CONF_NEED_ENCRYPT || tls == CONF_NEED_VERIFY || !conf_profile_verifies(c, *profile))
		return;
	conf_error(r, conf_place_of(c, profile), "tls_profiles.%s has verify: yes, and %s is %s, where mail may go "
		   "without TLS; set that to encrypt or verify", *profile, what, need_name(tls));
}

/* Settings that need TLS, where there is none. */
static void check_clear_upstream(const struct conf *c, struct conf_report *r,
				 const struct conf_upstream *u)
{
	const struct { const void *field; const char *name; } idle[] = {
		{ &u->names, "names" }, { &u->ca, "ca" }, { &u->crl, "crl" }, { &u->certificate, "certificate" },
		{ &u->tls_profile, "tls_profile" },
	};

	for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++) {
		if (conf_check_is_set(c, idle[i].field))
			conf_warning(r, conf_place_of(c, idle[i].field), "upstreams.%s.%s is without "
				     "effect, because tls is none", u->name, idle[i].name);
	}
	if (u->min_bits > 0)
		conf_error(r, conf_place_of(c, &u->min_bits), "upstreams.%s.min_bits asks for "
			   "encryption and tls is none; set tls to encrypt, or leave min_bits out",
			   u->name);
	if (u->implicit)
		conf_error(r, conf_place_of(c, &u->implicit), "upstreams.%s.implicit asks for TLS and "
			   "tls is none; set tls to encrypt, or leave implicit out", u->name);
}

static void check_upstream(const struct conf *c, struct conf_report *r,
			   const struct conf_upstream *u)
{
	const msec client_waits = 10 * 60 * 1000; /* RFC 5321 section 4.5.3.2.6 */

	if (u->tls == CONF_NEED_NONE)
		check_clear_upstream(c, r, u);
	else if (u->tls != CONF_NEED_VERIFY && u->names.count > 0)
		conf_warning(r, conf_place_of(c, &u->names), "upstreams.%s.names is not enforced, "
			     "because tls is %s; with verify it is", u->name, need_name(u->tls));
	if (u->implicit && u->tls == CONF_NEED_MIRROR)
		conf_error(r, conf_place_of(c, &u->implicit), "upstreams.%s.implicit always has TLS "
			   "and tls is mirror; set tls to encrypt or verify", u->name);
	if (u->timeout_final >= client_waits)
		conf_warning(r, conf_place_of(c, &u->timeout_final), "upstreams.%s.timeout_final is "
			     "not below the 10m that clients wait for our reply; such mail may be "
			     "delivered twice", u->name);
	conf_check_profile(c, r, &u->tls_profile);
	conf_check_verify(c, r, &u->tls_profile, u->tls, "tls");
	if (u->certificate != NULL)
		conf_check_cert(c, r, &u->certificate);
}

static void add_brief(struct conf *c, const char *host)
{
	const struct conf_setting *upstreams = conf_schema_find(&conf_schema, "upstreams");
	struct conf_upstream *u = &c->upstreams[c->upstream_count++];

	conf_value_preset(upstreams->section, u);
	u->name = mem_text(host);
	u->brief = true;
	u->hosts.at = mem_new(sizeof(*u->hosts.at));
	u->hosts.at[0] = mem_text(host);
	u->hosts.count = 1;
}

/* A name of an upstream, or the short form: a host that has a dot or a port. */
static void check_upstream_name(struct conf *c, struct conf_report *r, const struct conf_service *s, char *const *field,
				const char *what)
{
	struct conf_place at = conf_place_of(c, field);
	const char *name = *field;
	struct conf_near near;
	struct why why;

	if (name == NULL || conf_check_upstream_find(c, name) != NULL)
		return;
	conf_near_begin(&near, name);
	for (size_t i = 0; i < c->upstream_count; i++) {
		if (!c->upstreams[i].brief)
			conf_near_try(&near, c->upstreams[i].name);
	}
	if (strchr(name, ':') == NULL && near.best != NULL)
		conf_error(r, at, "there is no upstream %s; did you mean %s?", name, near.best);
	else if (strpbrk(name, ".:") == NULL)
		conf_error(r, at, "there is no upstream %s; it has to be one of upstreams, or a host "
			   "with its port such as 10.0.0.5:25", name);
	else if (!conf_addr_host(span_str(name), &why))
		conf_error(r, at, "services.%s.%s is \"%s\" (%s); it wants the name of one of "
			   "upstreams, or a host such as 10.0.0.5:25", s->name, what, name, why.text);
	else
		add_brief(c, name);
}

static bool listens_on_smtp_port(const struct conf_strings *list, size_t *which)
{
	struct conf_addr a;
	struct why why;

	for (size_t i = 0; i < list->count; i++) {
		if (conf_addr_listen(span_str(list->at[i]), &a, &why) && a.port == SMTP_PORT) {
			*which = i;
			return true;
		}
	}
	return false;
}

/* SPEC WG-2: what is listened on, and whether a public MX stays reachable (RFC 3207 section 4: a server
 * that the Internet sends mail to must not require TLS). */
static void check_listen(const struct conf *c, struct conf_report *r, const struct conf_service *s)
{
	struct conf_place name = conf_place_of(c, &s->name);
	bool clear = conf_check_is_set(c, &s->listen);
	bool tls = conf_check_is_set(c, &s->listen_tls);
	size_t i;

	if (s->tls_support == CONF_TLS_SUPPORT_DISABLED && !clear)
		conf_error(r, name, "services.%s.listen is missing; with tls_support: disabled it is "
			   "all that is listened on", s->name);
	else if (s->tls_support == CONF_TLS_SUPPORT_REQUIRED && !tls)
		conf_error(r, name, "services.%s.listen_tls is missing; with tls_support: required it "
			   "is all that is listened on", s->name);
	else if (!clear && !tls)
		conf_error(r, name, "services.%s.listen is missing; listen or listen_tls is needed, "
			   "such as listen: \"*:25\"", s->name);
	else if (conf_check_is_set(c, &s->tls_support) && s->tls_support == CONF_TLS_SUPPORT_ENABLED &&
		 !(clear && tls))
		conf_warning(r, conf_place_of(c, &s->tls_support), "services.%s.tls_support is "
			     "enabled, which means listen and listen_tls, and %s is missing", s->name,
			     clear ? "listen_tls" : "listen");
	if (s->tls_support == CONF_TLS_SUPPORT_DISABLED && tls)
		conf_warning(r, conf_place_of(c, &s->listen_tls), "services.%s.listen_tls is not "
			     "listened on, because tls_support is disabled", s->name);
	if (s->tls_support != CONF_TLS_SUPPORT_DISABLED &&
	    listens_on_smtp_port(&s->listen_tls, &i))
		conf_warning(r, conf_place_of(c, &s->listen_tls.at[i]), "services.%s.listen_tls has "
			     "port 25, where other servers begin in clear; TLS from the first byte "
			     "has port 465", s->name);
	if (s->tls_support != CONF_TLS_SUPPORT_REQUIRED)
		return;
	if (listens_on_smtp_port(&s->listen, &i))
		conf_warning(r, conf_place_of(c, &s->listen.at[i]), "services.%s.listen has port 25 "
			     "and is not listened on, because tls_support is required; a public MX "
			     "has to be reachable there (RFC 3207)", s->name);
	else if (clear)
		conf_warning(r, conf_place_of(c, &s->listen), "services.%s.listen is not listened "
			     "on, because tls_support is required", s->name);
}

/* Those that the service has from its action were looked at there. */
static void check_names(const struct conf *c, struct conf_report *r, const struct conf_service *s)
{
	for (size_t i = 0; i < s->certificates.count; i++) {
		if (conf_check_is_set(c, &s->certificates.at[i]))
			conf_check_cert(c, r, &s->certificates.at[i]);
	}
	if (conf_check_is_set(c, &s->tls_profile))
		conf_check_profile(c, r, &s->tls_profile);
}

/* TLS towards clients needs a certificate. Where nobody asked for TLS, its lack is no error. */
static void check_client_tls(struct conf *c, struct conf_report *r, struct conf_service *s)
{
	const struct conf_action *a = conf_action_find(c, s->action);
	bool asked = conf_check_is_set(c, &s->client_tls) || (a != NULL && conf_check_is_set(c, &a->client_tls));
	bool implicit = conf_service_listens_tls(s);
	size_t i;

	if (s->client_tls == CONF_CLIENT_TLS_ENCRYPT &&
	    s->tls_support != CONF_TLS_SUPPORT_REQUIRED && listens_on_smtp_port(&s->listen, &i))
		conf_warning(r, conf_check_place(c, &s->client_tls, &s->name), "services.%s refuses mail without "
			     "TLS on port 25; a public MX must not (RFC 3207), an inner one may",
			     s->name);
	if (c->cert_count > 0)
		return;
	if (implicit)
		conf_error(r, conf_place_of(c, &s->listen_tls), "services.%s.listen_tls needs a "
			   "certificate; there is none in certificates", s->name);
	if (asked && s->client_tls != CONF_CLIENT_TLS_NONE)
		conf_error(r, conf_check_place(c, &s->client_tls, &s->name), "services.%s.client_tls needs a "
			   "certificate; there is none in certificates", s->name);
	if (asked || s->client_tls == CONF_CLIENT_TLS_NONE)
		return;
	s->client_tls = CONF_CLIENT_TLS_NONE;
	conf_check_action_without_tls(c, s);
	if (!implicit)
		conf_warning(r, conf_place_of(c, &s->name), "services.%s offers no TLS to its "
			     "clients, because there is no certificate; add one to certificates, or "
			     "write client_tls: none", s->name);
}

struct claim {
	struct conf_addr addr;
	const struct conf_service *service;
	char *const *text;
};

/* An address that is claimed but, by tls_support, not listened on counts as well: what is written twice is
 * a mistake either way. */
static void claim(const struct conf *c, struct conf_report *r, struct claim *claims, size_t *count,
		  struct claim new)
{
	struct why why;

	if (!conf_addr_listen(span_str(*new.text), &new.addr, &why))
		return;
	for (size_t i = 0; i < *count; i++) {
		const struct claim *old = &claims[i];

		if (!conf_addr_clash(&old->addr, &new.addr))
			continue;
		conf_error(r, conf_place_of(c, new.text), "%s of services.%s is the same address as "
			   "%s of services.%s in line %u; each has to be there once", *new.text,
			   new.service->name, *old->text, old->service->name,
			   conf_place_of(c, old->text).line);
		return;
	}
	claims[(*count)++] = new;
}

static void check_claims(const struct conf *c, struct conf_report *r)
{
	struct claim *claims;
	size_t count = 0;
	size_t most = 1;

	for (size_t i = 0; i < c->service_count; i++)
		most += c->services[i].listen.count + c->services[i].listen_tls.count;
	claims = mem_new(most * sizeof(*claims));
	for (size_t i = 0; i < c->service_count; i++) {
		const struct conf_service *s = &c->services[i];

		for (size_t j = 0; j < s->listen.count; j++)
			claim(c, r, claims, &count,
			      (struct claim){ .service = s, .text = &s->listen.at[j] });
		for (size_t j = 0; j < s->listen_tls.count; j++)
			claim(c, r, claims, &count,
			      (struct claim){ .service = s, .text = &s->listen_tls.at[j] });
	}
	free(claims);
}

static void check_hostname(const struct conf *c, struct conf_report *r)
{
	if (strchr(c->hostname, '.') != NULL)
		return;
	if (conf_check_is_set(c, &c->hostname))
		conf_warning(r, conf_place_of(c, &c->hostname), "hostname is %s, which has no dot; "
			     "servers refuse such a name, write it in full", c->hostname);
	else
		conf_warning(r, conf_place_of(c, &c->hostname), "hostname is not set, and the machine "
			     "is called %s, without a dot; write hostname: gw.example.net",
			     c->hostname);
}

static void check_service(struct conf *c, struct conf_report *r, struct conf_service *s)
{
	const unsigned least_recipients = 100; /* RFC 5321 section 4.5.3.1.8 */

	check_listen(c, r, s);
	conf_check_transparent(c, r, s);
	if (s->mode == CONF_MODE_RELAY) {
		conf_check_action_apply(c, r, s);
		check_upstream_name(c, r, s, &s->upstream, "upstream");
	}
	if (s->mode == CONF_MODE_OUTBOUND) {
		conf_check_outbound(c, r, s);
		check_upstream_name(c, r, s, &s->fallback, "fallback");
	}
	if (s->mode != CONF_MODE_TRANSPARENT) {
		check_names(c, r, s);
		check_client_tls(c, r, s);
	}
	if (s->max_recipients < least_recipients)
		conf_warning(r, conf_place_of(c, &s->max_recipients), "services.%s.max_recipients is "
			     "%u; a server has to take 100 (RFC 5321)", s->name, s->max_recipients);
}

/* What is set although there is no such setting where the section is `by` something else. */
static void check_idle_of(const struct conf *c, struct conf_report *r, const char *sections,
			  const struct conf_section *section, const char *element)
{
	const struct conf_setting *by = conf_schema_find(section, section->by);
	const char *name = *(char *const *)(const void *)element;
	char text[CONF_VALUE_MOST];

	for (size_t i = 0; i < section->count; i++) {
		const struct conf_setting *s = &section->settings[i];
		const void *member = conf_schema_at_const(element, s);

		if (conf_schema_applies(section, s, element) || !conf_check_is_set(c, member))
			continue;
		conf_error(r, conf_place_of(c, member), "%s.%s.%s can't be set, because %s is %s; leave it out",
			   sections, name, s->name, by->name,
			   conf_value_print(by, conf_schema_at_const(element, by), text));
	}
}

static void check_idle(const struct conf *c, struct conf_report *r, const char *sections)
{
	const struct conf_setting *s = conf_schema_find(&conf_schema, sections);
	const char *array = *(char *const *)conf_schema_at_const(c, s);
	size_t count = *(const size_t *)(const void *)((const char *)c + s->count_at);

	for (size_t i = 0; i < count; i++)
		check_idle_of(c, r, sections, s->section, array + i * s->section->size);
}

void conf_check(struct conf *c, struct conf_report *r)
{
	conf_check_inherit(c, r);
	check_hostname(c, r);
	check_profiles(c, r);
	for (size_t i = 0; i < c->upstream_count; i++)
		check_upstream(c, r, &c->upstreams[i]);
	check_idle(c, r, "services");
	check_idle(c, r, "actions");
	conf_check_actions(c, r);
	for (size_t i = 0; i < c->service_count; i++)
		check_service(c, r, &c->services[i]);
	conf_check_action_uses(c, r);
	conf_check_fallbacks(c, r);
	conf_check_partners(c, r);
	conf_check_route(c, r);
	check_claims(c, r);
}
