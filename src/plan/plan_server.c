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

void plan_server_label(const struct plan_server *from, const struct tls_profile *p,
		       char label[PLAN_LABEL_MOST])
{
	const unsigned rest[] = { p->min, p->max, p->tickets, p->need_ems, p->pfs_required, p->compliance,
				  from->client_tls };
	uint64_t h = 0xcbf29ce484222325;

	h = hash_text(h, p->ciphers);
	h = hash_text(h, p->ciphersuites);
	h = hash_text(h, p->groups);
	h = hash(h, rest, sizeof(rest));
	/* A service has its name alone, which no action's begins like: a name has no slash. */
	snprintf(label, PLAN_LABEL_MOST, "%s%s/%016" PRIx64,
		 strcmp(from->section, "services") == 0 ? "" : "/", *from->name, h);
}

/* Those that are named, else all, in the file's order. */
static size_t list_certs(const struct plan_build *b, const struct conf_strings *names,
			 struct tls_cert **list)
{
	const struct plan *p = b->plan;
	size_t count = 0;

	for (size_t i = 0; i < names->count; i++) {
		struct tls_cert *cert = plan_cert_find(p, names->at[i]);

		if (cert != NULL)
			list[count++] = cert;
	}
	for (size_t i = 0; names->count == 0 && i < p->conf->cert_count; i++) {
		if (p->certs[i] != NULL)
			list[count++] = p->certs[i];
	}
	return count;
}

struct tls_server *plan_server_make(const struct plan_build *b, const struct plan_server *from)
{
	size_t most = b->plan->conf->cert_count + from->certificates->count + 1;
	struct tls_cert **certs = mem_new(most * sizeof(struct tls_cert *));
	char label[PLAN_LABEL_MOST];
	struct tls_profile profile;
	struct tls_server_conf conf = {
		.profile = &profile, .certs = certs, .label = label, .tickets = b->tickets,
	};
	struct tls_server *server = NULL;
	struct why why;

	if (from->own == NULL)
		conf.cert_count = list_certs(b, from->certificates, certs);
	else
		certs[conf.cert_count++] = from->own;
	if (conf.cert_count > 0 && plan_profile_get(b, from->tls_profile, &profile)) {
		plan_server_label(from, &profile, label);
		server = tls_server_new(&conf, &why);
		if (server == NULL)
			conf_error(b->report, conf_place_of(b->plan->conf, from->name), "%s.%s: TLS can't be set "
				   "up: %s", from->section, *from->name, why.text);
	}
	free(certs);
	return server;
}
