#include "base/must.h"
#include "conf/conf_checks.h"

#include <stdlib.h>
#include <string.h>

static bool is_star(const struct conf_partner *p)
{
	return strcmp(p->name, "*") == 0;
}

static struct span key_of(const struct conf_partner *p)
{
	struct span key = span_str(p->name);

	if (key.len > 1 && key.at[key.len - 1] == '.')
		key.len--;
	return key;
}

static int compare(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < len; i++) {
		int d = (unsigned char)ascii_lower(a.at[i]) - (unsigned char)ascii_lower(b.at[i]);

		if (d != 0)
			return d;
	}
	return (a.len > b.len) - (a.len < b.len);
}

/* Those of the same key in the order of the file, which is that of the array. */
static int by_key(const void *a, const void *b)
{
	const struct conf_partner *const *x = a;
	const struct conf_partner *const *y = b;
	int d = compare(key_of(*x), key_of(*y));

	return d != 0 ? d : (*x > *y) - (*x < *y);
}

/* The tree tells apart what is written differently; mail does not. */
static void check_twice(const struct conf *c, struct conf_report *r)
{
	const struct conf_partner **all = mem_new((c->partner_count + 1) * sizeof(*all));

	for (size_t i = 0; i < c->partner_count; i++)
		all[i] = &c->partners[i];
	qsort(all, c->partner_count, sizeof(*all), by_key);
	for (size_t i = 1; i < c->partner_count; i++) {
		if (compare(key_of(all[i - 1]), key_of(all[i])) == 0)
			conf_error(r, conf_place_of(c, &all[i]->name), "partners.%s is the same as %s in line %u; "
				   "keep one of them", all[i]->name, all[i - 1]->name,
				   conf_place_of(c, &all[i - 1]->name).line);
	}
	free(all);
}

/* Services, or actions of them, that speak SMTP with clients and refuse mail in clear altogether. */
static void check_all_none(const struct conf *c, struct conf_report *r, const struct conf_partner *star)
{
	for (size_t i = 0; i < c->service_count; i++) {
		const struct conf_service *s = &c->services[i];

		if (s->mode == CONF_MODE_RELAY && s->client_tls == CONF_CLIENT_TLS_ENCRYPT &&
		    conf_service_listens_clear(s))
			conf_error(r, conf_place_of(c, &star->client), "partners.*.client is none, so STARTTLS is not "
				   "offered, and services.%s.client_tls is encrypt; one of them has to go", s->name);
	}
	for (size_t i = 0; i < c->action_count; i++) {
		const struct conf_action *a = &c->actions[i];

		if (a->tls == CONF_METHOD_TERMINATE && a->client_tls == CONF_CLIENT_TLS_ENCRYPT)
			conf_error(r, conf_place_of(c, &star->client), "partners.*.client is none, so STARTTLS is not "
				   "offered, and actions.%s.client_tls is encrypt; one of them has to go", a->name);
	}
}

static bool is_used_in_clear(const struct conf *c, const struct conf_action *a)
{
	for (size_t i = 0; i < c->service_count; i++) {
		if (conf_service_uses(&c->services[i], a->name) && conf_service_listens_clear(&c->services[i]))
			return true;
	}
	return false;
}

/* SPEC WG-10: without ESMTP a client can't do what is required. */
static void check_esmtp(const struct conf *c, struct conf_report *r, const struct conf_partner *p)
{
	for (size_t i = 0; i < c->action_count; i++) {
		const struct conf_action *a = &c->actions[i];

		if (a->tls == CONF_METHOD_TERMINATE && !a->esmtp && is_used_in_clear(c, a))
			conf_error(r, conf_place_of(c, &p->client), "partners.%s.client is required, and actions.%s has "
				   "esmtp: no, which takes STARTTLS away; one of them has to go", p->name, a->name);
	}
}

/* Mail to it is refused at such a service, which may be what was meant: a service for others. */
static void check_offered(const struct conf *c, struct conf_report *r, const struct conf_partner *p,
			  bool none_offered)
{
	char names[CONF_CHECK_NAMES] = "";

	for (size_t i = 0; i < c->service_count; i++) {
		const struct conf_service *s = &c->services[i];
		bool clear = s->client_tls == CONF_CLIENT_TLS_NONE || none_offered;

		if (s->mode == CONF_MODE_RELAY && clear && !conf_service_listens_tls(s))
			conf_check_add_name(names, "%s", s->name);
	}
	if (names[0] != '\0')
		conf_warning(r, conf_place_of(c, &p->client), "partners.%s.client is required, and there are services "
			     "that offer no TLS (%s): there all mail to it is refused", p->name, names);
}

/* Upstreams with TLS from the first byte have it, whatever a partner says. */
static void check_implicit(const struct conf *c, struct conf_report *r, const struct conf_partner *p)
{
	for (size_t i = 0; i < c->upstream_count; i++) {
		const struct conf_upstream *u = &c->upstreams[i];

		if (!u->implicit)
			continue;
		conf_warning(r, conf_place_of(c, &p->upstream), "partners.%s.upstream is none, and upstreams.%s has TLS "
			     "from the first byte: mail that goes there has TLS all the same", p->name, u->name);
		return;
	}
}

static const struct conf_partner *find_star(const struct conf *c)
{
	for (size_t i = 0; i < c->partner_count; i++) {
		if (is_star(&c->partners[i]))
			return &c->partners[i];
	}
	return NULL;
}

static void check_partner(const struct conf *c, struct conf_report *r, const struct conf_partner *p,
			  bool none_offered)
{
	if (p->client == CONF_PARTNER_CLIENT_NONE && is_star(p))
		check_all_none(c, r, p);
	else if (p->client == CONF_PARTNER_CLIENT_NONE)
		conf_warning(r, conf_place_of(c, &p->client), "partners.%s.client is none, and STARTTLS is offered "
			     "before the recipient is known; only for partners.* it can be left out", p->name);
	if (p->client == CONF_PARTNER_CLIENT_REQUIRED) {
		check_esmtp(c, r, p);
		check_offered(c, r, p, none_offered);
	}
	if (p->upstream == CONF_PARTNER_UPSTREAM_NONE)
		check_implicit(c, r, p);
	if (p->client == CONF_PARTNER_CLIENT_UNSET && p->upstream == CONF_PARTNER_UPSTREAM_UNSET &&
	    !conf_check_is_set(c, &p->client) && !conf_check_is_set(c, &p->upstream))
		conf_warning(r, conf_place_of(c, &p->name), "partners.%s says nothing; set client or upstream",
			     p->name);
}

void conf_check_partners(const struct conf *c, struct conf_report *r)
{
	const struct conf_partner *star = find_star(c);
	bool none_offered = star != NULL && star->client == CONF_PARTNER_CLIENT_NONE;

	check_twice(c, r);
	for (size_t i = 0; i < c->partner_count; i++)
		check_partner(c, r, &c->partners[i], none_offered);
}
