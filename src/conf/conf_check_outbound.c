#include "conf/conf_addr.h"
#include "conf/conf_checks.h"

#include <stdio.h>
#include <string.h>

#define SMTP_PORT 25
#define SMTPS_PORT 465

/* --- addresses --- */

static bool is_zero(const unsigned char *ip, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (ip[i] != 0)
			return false;
	}
	return true;
}

static bool is_any(const struct conf_addr *a)
{
	return a->both || is_zero(a->ip, sizeof(a->ip));
}

static bool is_loopback(const struct conf_addr *a)
{
	return !a->both && (a->v6 ? is_zero(a->ip, 15) && a->ip[15] == 1 : a->ip[0] == 127);
}

/* --- fallback --- */

/* A host that is an address, or localhost. */
static bool read_host(const char *text, unsigned port, struct conf_addr *a)
{
	static const char local[] = "localhost";
	bool named = span_starts_nocase(span_str(text), span_str(local));
	const char *rest = named ? text + strlen(local) : text;
	char whole[300];
	struct why why;

	snprintf(whole, sizeof(whole), "%s%s", named ? "127.0.0.1" : "", rest);
	if (conf_addr_listen(span_str(whole), a, &why))
		return true;
	snprintf(whole, sizeof(whole), "%s%s:%u", named ? "127.0.0.1" : "", rest, port);
	return conf_addr_listen(span_str(whole), a, &why);
}

/* Whether what is sent to `to` may be what is listened on at `at`; of a name, or another machine's address, it can't be told. */
static bool leads_to(const struct conf_addr *to, const struct conf_addr *at)
{
	if (to->port != at->port)
		return false;
	if (is_any(at))
		return is_loopback(to) && (at->both || at->v6 == to->v6);
	return at->v6 == to->v6 && memcmp(at->ip, to->ip, sizeof(at->ip)) == 0;
}

static bool listens_at(const struct conf_strings *list, const struct conf_addr *to)
{
	struct conf_addr at;
	struct why why;

	for (size_t i = 0; i < list->count; i++) {
		if (conf_addr_listen(span_str(list->at[i]), &at, &why) && leads_to(to, &at))
			return true;
	}
	return false;
}

/* The service with a fallback that the host leads to; NULL: none that could be told. */
static const struct conf_service *circle(const struct conf *c, const struct conf_addr *to)
{
	for (size_t i = 0; i < c->service_count; i++) {
		const struct conf_service *s = &c->services[i];

		if (s->mode == CONF_MODE_OUTBOUND && s->fallback != NULL &&
		    (listens_at(&s->listen, to) || listens_at(&s->listen_tls, to)))
			return s;
	}
	return NULL;
}

/* Mail that can't be delivered would go round until it has too many Received fields. */
static void check_fallback(const struct conf *c, struct conf_report *r, const struct conf_service *s)
{
	const struct conf_upstream *u = conf_check_upstream_find(c, s->fallback);
	const struct conf_service *back;
	struct conf_addr to;

	for (size_t i = 0; u != NULL && i < u->hosts.count; i++) {
		if (!read_host(u->hosts.at[i], u->implicit ? SMTPS_PORT : SMTP_PORT, &to))
			continue;
		back = circle(c, &to);
		if (back == NULL)
			continue;
		conf_error(r, conf_place_of(c, &s->fallback), "services.%s.fallback leads to services.%s, which has a "
			   "fallback itself, so mail would go in a circle; it has to be an MTA that sends by a service "
			   "without one", s->name, back->name);
		return;
	}
}

void conf_check_fallbacks(const struct conf *c, struct conf_report *r)
{
	for (size_t i = 0; i < c->service_count; i++) {
		if (c->services[i].mode == CONF_MODE_OUTBOUND && c->services[i].fallback != NULL)
			check_fallback(c, r, &c->services[i]);
	}
}

/* --- the service --- */

/* Without `clients` no other machine may connect. */
static void check_reach(const struct conf *c, struct conf_report *r, const struct conf_service *s,
			const struct conf_strings *list)
{
	struct conf_addr at;
	struct why why;

	for (size_t i = 0; i < list->count; i++) {
		if (conf_addr_listen(span_str(list->at[i]), &at, &why) && !is_loopback(&at))
			conf_warning(r, conf_place_of(c, &list->at[i]), "services.%s listens on %s and takes connections of "
				     "this machine alone, because clients is not set; name your mail servers there",
				     s->name, list->at[i]);
	}
}

/* Who can connect can send to everybody (SPEC SUB-5). */
static void check_clients(const struct conf *c, struct conf_report *r, const struct conf_service *s)
{
	struct conf_net net;
	struct why why;

	for (size_t i = 0; i < s->clients.count; i++) {
		if (conf_addr_net(span_str(s->clients.at[i]), &net, &why) && net.bits == 0)
			conf_warning(r, conf_place_of(c, &s->clients.at[i]), "services.%s passes on mail of everybody in the "
				     "world to anybody, because clients has %s; name the networks of your own mail servers",
				     s->name, s->clients.at[i]);
	}
}

void conf_check_outbound(const struct conf *c, struct conf_report *r, struct conf_service *s)
{
	s->direction = CONF_DIRECTION_OUTBOUND;
	conf_check_profile(c, r, &s->next_hop_tls_profile);
	conf_check_verify(c, r, &s->next_hop_tls_profile, s->next_hop_tls, "next_hop_tls");
	if (s->client_certificate != NULL)
		conf_check_cert(c, r, &s->client_certificate);
	if (s->next_hop_tls == CONF_NEED_NONE && s->min_bits > 0)
		conf_error(r, conf_place_of(c, &s->min_bits), "services.%s.min_bits asks for encryption and next_hop_tls is "
			   "none; set that to encrypt, or leave min_bits out", s->name);
	if (s->remember_defers && s->remember == 0)
		conf_warning(r, conf_place_of(c, &s->remember_defers), "services.%s.remember_defers is without effect, "
			     "because remember is 0", s->name);
	check_clients(c, r, s);
	if (conf_check_is_set(c, &s->clients))
		return;
	check_reach(c, r, s, &s->listen);
	check_reach(c, r, s, &s->listen_tls);
}

/* --- route --- */

void conf_check_route(const struct conf *c, struct conf_report *r)
{
	const struct conf_route *route = &c->route;
	struct conf_addr at, listen;
	struct why why;

	if (route->socketmap == NULL || !conf_addr_listen(span_str(route->socketmap), &at, &why))
		return;
	for (size_t i = 0; i < c->service_count; i++) {
		const struct conf_service *s = &c->services[i];

		for (size_t j = 0; j < s->listen.count + s->listen_tls.count; j++) {
			const char *text = j < s->listen.count ? s->listen.at[j] : s->listen_tls.at[j - s->listen.count];

			if (conf_addr_listen(span_str(text), &listen, &why) &&
			    (conf_addr_clash(&listen, &at) || leads_to(&at, &listen)))
				conf_error(r, conf_place_of(c, &route->socketmap), "route.socketmap is the same address as "
					   "%s of services.%s; each has to be there once", text, s->name);
		}
	}
}
