#include "base/must.h"
#include "plan/plan_build.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a. It tells settings of the same service apart from generation to generation; nobody who could
 * look for a collision writes them. */
static uint64_t hash(uint64_t h, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < len; i++)
		h = (h ^ at[i]) * 0x100000001b3;
	return h;
}

static uint64_t hash_text(uint64_t h, const char *text)
{
	return hash(h, text, strlen(text) + 1);
}

void plan_service_label(const struct conf_service *c, const struct tls_profile *p,
			char label[PLAN_LABEL_MOST])
{
	const unsigned rest[] = { p->min, p->max, p->tickets, p->need_ems, c->client_tls };
	uint64_t h = 0xcbf29ce484222325;

	h = hash_text(h, p->ciphers);
	h = hash_text(h, p->ciphersuites);
	h = hash_text(h, p->groups);
	h = hash(h, rest, sizeof(rest));
	snprintf(label, PLAN_LABEL_MOST, "%s/%016" PRIx64, c->name, h);
}

/* Those of the service, else all, in the file's order. */
static size_t list_certs(const struct plan_build *b, const struct conf_service *c,
			 struct tls_cert **list)
{
	const struct plan *p = b->plan;
	size_t count = 0;

	for (size_t i = 0; i < c->certificates.count; i++) {
		struct tls_cert *cert = plan_cert_find(b, c->certificates.at[i]);

		if (cert != NULL)
			list[count++] = cert;
	}
	for (size_t i = 0; c->certificates.count == 0 && i < p->conf->cert_count; i++) {
		if (p->certs[i] != NULL)
			list[count++] = p->certs[i];
	}
	return count;
}

static bool listens_clear(const struct conf_service *c)
{
	return c->tls_support != CONF_TLS_SUPPORT_REQUIRED && c->listen.count > 0;
}

static bool listens_tls(const struct conf_service *c)
{
	return c->tls_support != CONF_TLS_SUPPORT_DISABLED && c->listen_tls.count > 0;
}

static void make_tls(const struct plan_build *b, struct plan_service *s)
{
	const struct conf_service *c = s->conf;
	size_t most = b->plan->conf->cert_count + c->certificates.count + 1;
	struct tls_cert **certs = mem_new(most * sizeof(struct tls_cert *));
	char label[PLAN_LABEL_MOST];
	struct tls_profile profile;
	struct tls_server_conf conf = {
		.profile = &profile, .certs = certs, .cert_count = list_certs(b, c, certs),
		.label = label, .tickets = b->tickets,
	};
	struct why why;

	if (conf.cert_count > 0 && plan_profile_get(b, c->tls_profile, &profile)) {
		plan_service_label(c, &profile, label);
		s->tls = tls_server_new(&conf, &why);
		if (s->tls == NULL)
			conf_error(b->report, conf_place_of(b->plan->conf, &c->name), "services.%s: "
				   "TLS can't be set up: %s", c->name, why.text);
	}
	free(certs);
}

/* No certificate, or none that is fit, where TLS is to be offered: conf or plan_cert has said so. Said
 * here once more for the case that neither did: a service must not lose its TLS in silence. */
static void make_sure(const struct plan_build *b, const struct plan_service *s)
{
	bool wants = s->offer_tls || listens_tls(s->conf);

	if (wants && s->tls == NULL && b->report->errors == 0)
		conf_error(b->report, conf_place_of(b->plan->conf, &s->conf->name), "services.%s has "
			   "no certificate to offer TLS with; name one in certificates",
			   s->conf->name);
}

static struct plan_upstream *find_upstream(const struct plan *p, const char *name)
{
	for (size_t i = 0; name != NULL && i < p->upstream_count; i++) {
		if (strcmp(p->upstreams[i].conf->name, name) == 0)
			return &p->upstreams[i];
	}
	return NULL;
}

static void make_service(const struct plan_build *b, struct plan_service *s)
{
	const struct conf_service *c = s->conf;

	s->hostname = c->hostname != NULL ? c->hostname : b->plan->conf->hostname;
	s->offer_tls = listens_clear(c) && c->client_tls != CONF_CLIENT_TLS_NONE;
	s->need_tls = c->client_tls == CONF_CLIENT_TLS_ENCRYPT;
	s->upstream = find_upstream(b->plan, c->upstream);
	must(s->upstream != NULL || b->report->errors > 0);
	if (s->offer_tls || listens_tls(c))
		make_tls(b, s);
	make_sure(b, s);
}

static void add_listens(const struct plan_build *b, const struct plan_service *s,
			const struct conf_strings *list, bool implicit)
{
	struct plan *p = b->plan;

	for (size_t i = 0; i < list->count; i++) {
		struct plan_listen *l = &p->listens[p->listen_count];

		if (!addr_read(span_str(list->at[i]), &l->at)) {
			conf_error(b->report, plan_place(b, &list->at[i], &s->conf->name),
				   "services.%s: %s is no address to listen on", s->conf->name,
				   list->at[i]);
			continue;
		}
		l->implicit = implicit;
		l->service = s->index;
		p->listen_count++;
	}
}

void plan_service_make(struct plan_build *b)
{
	struct plan *p = b->plan;
	size_t listens = 1;

	for (size_t i = 0; i < p->conf->service_count; i++)
		listens += p->conf->services[i].listen.count + p->conf->services[i].listen_tls.count;
	p->listens = mem_new(listens * sizeof(*p->listens));
	p->services = mem_new((p->conf->service_count + 1) * sizeof(*p->services));
	for (size_t i = 0; i < p->conf->service_count; i++) {
		struct plan_service *s = &p->services[p->service_count++];

		s->conf = &p->conf->services[i];
		s->index = i;
		make_service(b, s);
		if (listens_clear(s->conf))
			add_listens(b, s, &s->conf->listen, false);
		if (listens_tls(s->conf))
			add_listens(b, s, &s->conf->listen_tls, true);
	}
}

void plan_service_free(struct plan *p)
{
	for (size_t i = 0; i < p->service_count; i++) {
		if (p->services[i].tls != NULL)
			tls_server_free(p->services[i].tls);
	}
	free(p->services);
	free(p->listens);
}
