#include "base/must.h"
#include "plan/plan_build.h"

#include <stdlib.h>
#include <string.h>

#define SMTP_PORT 25
#define SMTPS_PORT 465

static char *text_of(struct span s)
{
	char *text = mem_new(s.len + 1);

	memcpy(text, s.at, s.len);
	return text;
}

/* "[::1]:25", "192.0.2.1", "mx.example.net:25" */
static bool read_host(struct span text, uint16_t port, struct plan_host *h)
{
	bool bracketed = text.len > 0 && text.at[0] == '[';
	struct span rest = bracketed ? span_from(text, 1) : text;
	struct span name = span_cut(&rest, bracketed ? ']' : ':');
	uint64_t number;

	if (bracketed)
		(void)span_cut(&rest, ':');
	if (rest.len > 0) {
		if (!span_number(rest, UINT16_MAX, &number) || number == 0)
			return false;
		port = (uint16_t)number;
	}
	h->port = port;
	h->literal = addr_read_host(name, port, &h->addrs[0]);
	h->addr_count = h->literal ? 1 : 0;
	if (name.len == 0 || (bracketed && !h->literal))
		return false;
	h->name = text_of(name);
	return true;
}

static void make_hosts(const struct plan_build *b, struct plan_upstream *u)
{
	const struct conf_strings *hosts = &u->conf->hosts;
	uint16_t port = u->conf->implicit ? SMTPS_PORT : SMTP_PORT;

	u->hosts = mem_new((hosts->count + 1) * sizeof(*u->hosts));
	for (size_t i = 0; i < hosts->count; i++) {
		if (read_host(span_str(hosts->at[i]), port, &u->hosts[u->host_count]))
			u->host_count++;
		else
			conf_error(b->report, plan_place(b, &hosts->at[i], &u->conf->name),
				   "upstreams.%s.hosts: %s is neither an address nor a name",
				   u->conf->name, hosts->at[i]);
	}
}

static void make_need(const struct plan_build *b, struct plan_upstream *u)
{
	static const enum need_level levels[] = {
		[CONF_NEED_NONE] = NEED_NONE,
		[CONF_NEED_MAY] = NEED_MAY,
		[CONF_NEED_ENCRYPT] = NEED_ENCRYPT,
		[CONF_NEED_VERIFY] = NEED_VERIFY,
		[CONF_NEED_MIRROR] = NEED_NONE, /* set per leg */
	};

	u->mirror = u->conf->tls == CONF_NEED_MIRROR;
	u->need.level = levels[u->conf->tls];
	u->need.min_bits = u->conf->min_bits;
	if (u->need.level == NEED_ENCRYPT && conf_profile_verifies(b->plan->conf, u->conf->tls_profile))
		u->need.level = NEED_VERIFY;
}

bool plan_upstream_pem(const struct plan_build *b, const struct plan_upstream_from *from, char *const *path,
		       const char *what, struct span *pem)
{
	struct conf_place at = plan_place(b, path, from->name);
	struct why why;

	*pem = SPAN("");
	if (*path == NULL)
		return true;
	if (!conf_source_read(b->source, *path, pem, &why))
		conf_error(b->report, at, "%s.%s.%s: %s can't be read: %s", from->section, *from->name, what,
			   *path, why.text);
	else if (pem->len == 0)
		conf_error(b->report, at, "%s.%s.%s: %s is empty; it has to hold %s", from->section,
			   *from->name, what, *path, strcmp(what, "ca") == 0 ? "certificates" : "CRLs");
	else
		return true;
	return false;
}

static void make_tls(const struct plan_build *b, struct plan_upstream *u, const struct plan_upstream_from *from)
{
	const struct conf_upstream *c = u->conf;
	struct tls_profile profile;
	struct tls_client_conf conf = {
		.profile = &profile,
		.names = (const char *const *)c->names.at, .name_count = c->names.count,
		.any_name = from->any_name && u->need.level != NEED_VERIFY, .any_unnamed = from->any_name,
	};
	struct why why;
	bool whole;

	if (c->certificate != NULL)
		conf.cert = plan_cert_find(b->plan, c->certificate);
	whole = plan_upstream_pem(b, from, from->ca, "ca", &conf.ca);
	whole &= plan_upstream_pem(b, from, from->crl, "crl", &conf.crl);
	whole = whole && plan_profile_get(b, c->tls_profile, &profile) &&
		(c->certificate == NULL || conf.cert != NULL);
	if (!whole)
		return;
	u->tls = tls_client_new(&conf, &why);
	if (u->tls == NULL)
		conf_error(b->report, plan_place(b, from->ca, from->name), "%s.%s: TLS can't be set "
			   "up: %s", from->section, *from->name, why.text);
}

void plan_upstream_set_up(const struct plan_build *b, struct plan_upstream *u,
			  const struct plan_upstream_from *from)
{
	make_need(b, u);
	make_tls(b, u, from);
}

void plan_upstream_make(struct plan_build *b)
{
	struct plan *p = b->plan;

	p->upstreams = mem_new((p->conf->upstream_count + 1) * sizeof(*p->upstreams));
	for (size_t i = 0; i < p->conf->upstream_count; i++) {
		struct plan_upstream *u = &p->upstreams[p->upstream_count++];
		const struct conf_upstream *c = &p->conf->upstreams[i];
		const struct plan_upstream_from from = { "upstreams", &c->name, &c->ca, &c->crl, false };

		u->conf = c;
		u->index = i;
		make_hosts(b, u);
		plan_upstream_set_up(b, u, &from);
	}
}

void plan_upstream_free(struct plan *p)
{
	for (size_t i = 0; i < p->upstream_count; i++) {
		struct plan_upstream *u = &p->upstreams[i];

		for (size_t j = 0; j < u->host_count; j++)
			free(u->hosts[j].name);
		free(u->hosts);
		if (u->tls != NULL)
			tls_client_free(u->tls);
	}
	free(p->upstreams);
}
