#include "conf/conf_checks.h"

#include <string.h>

/* A partner or a list of them, and where it stands: "partners", "partner_lists". */
struct subject {
	const struct conf *c;
	struct conf_report *r;
	const struct conf_partner *p;
	const char *section;
};

const struct conf_partner *conf_check_partner_at(const struct conf *c, size_t i, const char **section)
{
	*section = i < c->partner_count ? "partners" : "partner_lists";
	if (i < c->partner_count)
		return &c->partners[i];
	i -= c->partner_count;
	return i < c->list_count ? &c->lists[i] : NULL;
}

bool conf_check_partner_holds(const struct conf_partner *p, const struct conf_service *s)
{
	return p->direction == CONF_DIRECTION_BOTH || p->direction == s->direction;
}

static bool is_star(const struct conf_partner *p)
{
	return strcmp(p->name, "*") == 0;
}

/* Services that speak SMTP with clients themselves, whatever their action. */
static bool ends_tls(const struct conf_service *s)
{
	return s->mode == CONF_MODE_RELAY || s->mode == CONF_MODE_OUTBOUND;
}

static struct conf_place at_name(const struct subject *j)
{
	return conf_place_of(j->c, &j->p->name);
}

static bool is_set(const struct subject *j, const void *field)
{
	return conf_check_is_set(j->c, field);
}

/* --- what it says of clients and of fixed upstreams --- */

/* Services, or actions of them, that speak SMTP with clients and refuse mail in clear altogether. */
static void check_all_none(const struct subject *j)
{
	const struct conf *c = j->c;
	struct conf_place at = conf_place_of(c, &j->p->client);

	for (size_t i = 0; i < c->service_count; i++) {
		const struct conf_service *s = &c->services[i];

		if (ends_tls(s) && conf_check_partner_holds(j->p, s) && s->client_tls == CONF_CLIENT_TLS_ENCRYPT &&
		    conf_service_listens_clear(s))
			conf_error(j->r, at, "partners.*.client is none, so STARTTLS is not offered, and services.%s."
				   "client_tls is encrypt; one of them has to go", s->name);
	}
	for (size_t i = 0; i < c->action_count; i++) {
		const struct conf_action *a = &c->actions[i];

		if (a->tls == CONF_METHOD_TERMINATE && a->client_tls == CONF_CLIENT_TLS_ENCRYPT)
			conf_error(j->r, at, "partners.*.client is none, so STARTTLS is not offered, and actions.%s."
				   "client_tls is encrypt; one of them has to go", a->name);
	}
}

static bool is_used_in_clear(const struct subject *j, const struct conf_action *a)
{
	for (size_t i = 0; i < j->c->service_count; i++) {
		const struct conf_service *s = &j->c->services[i];

		if (conf_service_uses(s, a->name) && conf_service_listens_clear(s) && conf_check_partner_holds(j->p, s))
			return true;
	}
	return false;
}

/* SPEC WG-10: without ESMTP a client can't do what is required. */
static void check_esmtp(const struct subject *j)
{
	for (size_t i = 0; i < j->c->action_count; i++) {
		const struct conf_action *a = &j->c->actions[i];

		if (a->tls == CONF_METHOD_TERMINATE && !a->esmtp && is_used_in_clear(j, a))
			conf_error(j->r, conf_place_of(j->c, &j->p->client), "%s.%s.client is required, and actions.%s "
				   "has esmtp: no, which takes STARTTLS away; one of them has to go", j->section,
				   j->p->name, a->name);
	}
}

/* Mail to it is refused at such a service, which may be what was meant: a service for others. */
static void check_offered(const struct subject *j, bool none_offered)
{
	char names[CONF_CHECK_NAMES] = "";

	for (size_t i = 0; i < j->c->service_count; i++) {
		const struct conf_service *s = &j->c->services[i];
		bool clear = s->client_tls == CONF_CLIENT_TLS_NONE || none_offered;

		if (ends_tls(s) && conf_check_partner_holds(j->p, s) && clear && !conf_service_listens_tls(s))
			conf_check_add_name(names, "%s", s->name);
	}
	if (names[0] != '\0')
		conf_warning(j->r, conf_place_of(j->c, &j->p->client), "%s.%s.client is required, and there are "
			     "services that offer no TLS (%s): there all mail to it is refused", j->section, j->p->name,
			     names);
}

/* Upstreams with TLS from the first byte have it, whatever a partner says. */
static void check_implicit(const struct subject *j)
{
	for (size_t i = 0; i < j->c->upstream_count; i++) {
		const struct conf_upstream *u = &j->c->upstreams[i];

		if (!u->implicit)
			continue;
		conf_warning(j->r, conf_place_of(j->c, &j->p->upstream), "%s.%s.upstream is none, and upstreams.%s has "
			     "TLS from the first byte: mail that goes there has TLS all the same", j->section,
			     j->p->name, u->name);
		return;
	}
}

static const struct conf_upstream *upstream_of(const struct conf *c, const struct conf_service *s)
{
	return s->mode == CONF_MODE_RELAY ? conf_check_upstream_find(c, s->upstream) : NULL;
}

/* SPEC GC-9: "everybody" is also the server behind us. */
static void check_everybody(const struct subject *j)
{
	char names[CONF_CHECK_NAMES] = "";

	if (!is_star(j->p) || j->p->direction != CONF_DIRECTION_BOTH)
		return;
	for (size_t i = 0; i < j->c->service_count; i++) {
		const struct conf_service *s = &j->c->services[i];
		const struct conf_upstream *u = upstream_of(j->c, s);

		if (u != NULL && s->direction == CONF_DIRECTION_INBOUND && u->tls == CONF_NEED_NONE)
			conf_check_add_name(names, "%s", s->name);
	}
	if (names[0] != '\0')
		conf_warning(j->r, conf_place_of(j->c, &j->p->upstream), "partners.*.upstream is required, and there are "
			     "services whose upstream has tls: none (%s): mail there is refused where it has no TLS; "
			     "write direction: outbound, or give the domains behind them an entry of their own", names);
}

/* --- what it says of the servers of a domain --- */

static bool has_mode_outbound(const struct subject *j)
{
	for (size_t i = 0; i < j->c->service_count; i++) {
		if (j->c->services[i].mode == CONF_MODE_OUTBOUND && conf_check_partner_holds(j->p, &j->c->services[i]))
			return true;
	}
	return false;
}

static bool holds_in(const struct subject *j, enum conf_direction direction)
{
	for (size_t i = 0; i < j->c->service_count; i++) {
		const struct conf_service *s = &j->c->services[i];

		if (s->direction == direction && conf_check_partner_holds(j->p, s))
			return true;
	}
	return false;
}

/* Settings that no service looks at. */
static void check_idle(const struct subject *j)
{
	const struct conf_partner *p = j->p;
	/* Postfix is told of them too. */
	bool map = j->c->route.socketmap != NULL;
	bool outbound = map || holds_in(j, CONF_DIRECTION_OUTBOUND);
	const struct { const void *field; const char *name; bool used; const char *where; } idle[] = {
		{ &p->outbound, "outbound", outbound, "of direction outbound" },
		{ &p->min_bits, "min_bits", outbound, "of direction outbound" },
		{ &p->inbound, "inbound", holds_in(j, CONF_DIRECTION_INBOUND), "of direction inbound" },
		{ &p->names, "names", map || has_mode_outbound(j), "of mode outbound" },
		{ &p->certificate, "certificate", has_mode_outbound(j), "of mode outbound" },
		{ &p->report, "report", holds_in(j, CONF_DIRECTION_OUTBOUND), "of direction outbound" },
	};

	for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++) {
		if (is_set(j, idle[i].field) && !idle[i].used)
			conf_warning(j->r, conf_place_of(j->c, idle[i].field), "%s.%s.%s is without effect, because it "
				     "holds in no service %s", j->section, p->name, idle[i].name, idle[i].where);
	}
}

/* A relay knows its upstream's host, and no TLSA records. */
static void check_dane(const struct subject *j)
{
	char names[CONF_CHECK_NAMES] = "";

	for (size_t i = 0; j->p->outbound == CONF_LEVEL_DANE && i < j->c->service_count; i++) {
		const struct conf_service *s = &j->c->services[i];

		if (s->mode != CONF_MODE_OUTBOUND && s->direction == CONF_DIRECTION_OUTBOUND &&
		    conf_check_partner_holds(j->p, s))
			conf_check_add_name(names, "%s", s->name);
	}
	if (names[0] != '\0')
		conf_warning(j->r, conf_place_of(j->c, &j->p->outbound), "%s.%s.outbound is dane, and TLSA records are "
			     "looked up in mode outbound alone: at other services (%s) all mail to it is refused",
			     j->section, j->p->name, names);
}

static bool somewhere_verified(const struct subject *j)
{
	for (size_t i = 0; i < j->c->service_count; i++) {
		const struct conf_service *s = &j->c->services[i];

		if (s->mode == CONF_MODE_OUTBOUND && s->next_hop_tls == CONF_NEED_VERIFY)
			return true;
	}
	return false;
}

static void check_names(const struct subject *j)
{
	if (j->p->names.count > 0 && j->p->outbound != CONF_LEVEL_VERIFY && !somewhere_verified(j))
		conf_warning(j->r, conf_place_of(j->c, &j->p->names), "%s.%s.names is not enforced, because outbound is "
			     "not verify; with that it is", j->section, j->p->name);
}

static void check_outbound(const struct subject *j)
{
	const struct conf_partner *p = j->p;

	if (p->outbound == CONF_LEVEL_NONE && p->min_bits > 0)
		conf_error(j->r, conf_place_of(j->c, &p->min_bits), "%s.%s.min_bits asks for encryption and outbound is "
			   "none; set outbound to encrypt, or leave min_bits out", j->section, p->name);
	if (p->certificate != NULL)
		conf_check_cert(j->c, j->r, &p->certificate);
	check_names(j);
	check_dane(j);
}

/* An exemption is for a time: one without an end outlives its reason, and then nobody knows. */
static void check_exemption(const struct subject *j)
{
	const struct conf_partner *p = j->p;

	if (p->why == NULL)
		return;
	if (!is_set(j, &p->outbound))
		conf_warning(j->r, conf_place_of(j->c, &p->why), "%s.%s.why makes it an exemption, and nothing is "
			     "exempted; set outbound, or leave why out", j->section, p->name);
	else if (!is_set(j, &p->expires))
		conf_warning(j->r, conf_place_of(j->c, &p->why), "%s.%s is an exemption for ever; give it an end, such as "
			     "expires: \"2026-12-20\"", j->section, p->name);
}

static bool says_something(const struct subject *j)
{
	const struct conf_partner *p = j->p;

	return is_set(j, &p->client) || is_set(j, &p->upstream) || is_set(j, &p->outbound) || is_set(j, &p->inbound) ||
	       is_set(j, &p->min_bits) || is_set(j, &p->names) || is_set(j, &p->certificate);
}

static void check_partner(const struct subject *j, bool none_offered)
{
	const struct conf_partner *p = j->p;

	if (p->client == CONF_PARTNER_CLIENT_NONE && is_star(p))
		check_all_none(j);
	else if (p->client == CONF_PARTNER_CLIENT_NONE)
		conf_warning(j->r, conf_place_of(j->c, &p->client), "%s.%s.client is none, and STARTTLS is offered "
			     "before the recipient is known; only for partners.* it can be left out", j->section, p->name);
	if (p->client == CONF_PARTNER_CLIENT_REQUIRED) {
		check_esmtp(j);
		check_offered(j, none_offered);
	}
	if (p->upstream == CONF_PARTNER_UPSTREAM_NONE)
		check_implicit(j);
	if (p->upstream == CONF_PARTNER_UPSTREAM_REQUIRED)
		check_everybody(j);
	check_outbound(j);
	check_exemption(j);
	check_idle(j);
	/* Of a list its keys with bits of their own say something. */
	if (p->file == NULL && !is_set(j, &p->file) && !says_something(j))
		conf_warning(j->r, at_name(j), "%s.%s says nothing; set outbound, inbound, client or upstream",
			     j->section, p->name);
}

static bool none_is_offered(const struct conf *c)
{
	for (size_t i = 0; i < c->partner_count; i++) {
		if (is_star(&c->partners[i]))
			return c->partners[i].client == CONF_PARTNER_CLIENT_NONE;
	}
	return false;
}

void conf_check_partners(const struct conf *c, struct conf_report *r)
{
	bool none_offered = none_is_offered(c);
	struct subject j = { .c = c, .r = r };

	for (size_t i = 0; (j.p = conf_check_partner_at(c, i, &j.section)) != NULL; i++)
		check_partner(&j, none_offered);
}
