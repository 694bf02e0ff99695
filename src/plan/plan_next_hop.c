#include "base/must.h"
#include "plan/plan_build.h"

#include <stdlib.h>
#include <string.h>

struct client {
	char *certificate; /* name */
	struct tls_client *tls;
};

/* A rule of the database may name any certificate, long after the files were read. */
struct plan_clients {
	struct tls_profile profile;
	char *ca, *crl; /* PEM; empty: as in struct tls_client_conf */
	struct client *made;
	size_t count;   /* at most as many as there are certificates */
};

static char *text_of(struct span s)
{
	char *text = mem_new(s.len + 1);

	if (s.len > 0)
		memcpy(text, s.at, s.len);
	return text;
}

static struct plan_clients *make_clients(const struct plan_build *b, const struct plan_upstream *u,
					 const struct plan_upstream_from *from)
{
	struct plan_clients *clients = mem_new(sizeof(*clients));
	struct span ca = SPAN(""), crl = SPAN("");

	/* What is wrong with them was said when the template was set up. */
	if (u->tls == NULL || !plan_profile_get(b, u->conf->tls_profile, &clients->profile) ||
	    !plan_upstream_pem(b, from, from->ca, "ca", &ca) || !plan_upstream_pem(b, from, from->crl, "crl", &crl))
		must(b->report->errors > 0);
	clients->ca = text_of(ca);
	clients->crl = text_of(crl);
	return clients;
}

void plan_next_hop_make(struct plan_build *b, struct plan_service *s)
{
	const struct conf_service *c = s->conf;
	const struct plan_upstream_from from = { "services", &c->name, &c->ca, &c->crl, false };
	const struct plan_template template = {
		.name = c->name, .tls_profile = c->next_hop_tls_profile, .ca = c->ca, .crl = c->crl,
		.certificate = c->client_certificate, .tls = c->next_hop_tls, .min_bits = c->min_bits, .service = c,
	};
	struct plan *p = b->plan;

	s->next_hop = plan_template_new(&template, p->upstream_count + p->action_count + p->next_hop_count++);
	plan_upstream_set_up(b, s->next_hop, &from);
	s->clients = make_clients(b, s->next_hop, &from);
}

void plan_next_hop_free(struct plan_service *s)
{
	struct plan_clients *clients = s->clients;

	if (s->next_hop == NULL)
		return;
	plan_template_free(s->next_hop);
	for (size_t i = 0; i < clients->count; i++) {
		free(clients->made[i].certificate);
		tls_client_free(clients->made[i].tls);
	}
	free(clients->made);
	free(clients->ca);
	free(clients->crl);
	free(clients);
}

static struct tls_client *make_client(const struct plan_service *s, const char *certificate, struct why *why)
{
	struct plan_clients *clients = s->clients;
	const struct tls_client_conf conf = {
		.profile = &clients->profile, .ca = span_str(clients->ca), .crl = span_str(clients->crl),
		.cert = plan_cert_find(s->plan, certificate),
	};
	struct tls_client *tls;

	if (conf.cert == NULL) {
		why_set(why, FAULT_POLICY, "there is no certificate %.60s in the configuration", certificate);
		return NULL;
	}
	tls = tls_client_new(&conf, why);
	if (tls == NULL)
		return NULL;
	clients->made = mem_grow(clients->made, (clients->count + 1) * sizeof(*clients->made));
	clients->made[clients->count++] = (struct client){ mem_text(certificate), tls };
	return tls;
}

struct tls_client *plan_next_hop_client(const struct plan_service *s, const char *certificate, struct why *why)
{
	const struct plan_clients *clients = s->clients;
	const char *own = s->conf->client_certificate;

	if (certificate == NULL || (own != NULL && strcmp(own, certificate) == 0))
		return s->next_hop->tls;
	for (size_t i = 0; i < clients->count; i++) {
		if (strcmp(clients->made[i].certificate, certificate) == 0)
			return clients->made[i].tls;
	}
	return make_client(s, certificate, why);
}
