#include "base/must.h"
#include "plan/plan_build.h"

#include <stdlib.h>
#include <string.h>

/* One of the two CAs of an authority. */
struct pair {
	char *const *certificate, *const *key;
	const char *certificate_name, *key_name;
};

static bool read_file(const struct plan_build *b, const struct conf_authority *c, char *const *path,
		      const char *what, struct span *bytes)
{
	struct why why;

	if (*path == NULL)
		return false; /* missing: reported by conf */
	if (conf_source_read(b->source, *path, bytes, &why))
		return true;
	conf_error(b->report, plan_place(b, path, &c->name), "authorities.%s.%s: %s can't be read: %s", c->name,
		   what, *path, why.text);
	return false;
}

static struct tls_authority *read_pair(const struct plan_build *b, const struct conf_authority *c,
				       const struct pair *p)
{
	struct span certificate, key;
	struct tls_authority *a;
	struct why why;
	bool have_certificate = read_file(b, c, p->certificate, p->certificate_name, &certificate);
	bool have_key = read_file(b, c, p->key, p->key_name, &key);

	if (!have_certificate || !have_key)
		return NULL;
	a = tls_authority_new(certificate, key, b->now, &why);
	if (a == NULL)
		conf_error(b->report, plan_place(b, p->certificate, &c->name), "authorities.%s: %s with %s: %s",
			   c->name, *p->certificate, *p->key, why.text);
	return a;
}

/* With one CA for both, what nobody should trust would be trusted. */
static void check_apart(const struct plan_build *b, const struct conf_authority *c)
{
	struct span trusted, untrusted;
	struct why why;

	if (c->certificate == NULL || c->untrusted_certificate == NULL ||
	    !conf_source_read(b->source, c->certificate, &trusted, &why) ||
	    !conf_source_read(b->source, c->untrusted_certificate, &untrusted, &why) ||
	    !span_eq(trusted, untrusted))
		return;
	conf_error(b->report, plan_place(b, &c->untrusted_certificate, &c->name), "authorities.%s: "
		   "untrusted_certificate is the same as certificate; it has to be one that nobody trusts",
		   c->name);
}

void plan_authority_make(struct plan_build *b)
{
	struct plan *p = b->plan;

	p->authorities = mem_new((p->conf->authority_count + 1) * sizeof(*p->authorities));
	for (size_t i = 0; i < p->conf->authority_count; i++) {
		const struct conf_authority *c = &p->conf->authorities[i];
		const struct pair trusted = { &c->certificate, &c->key, "certificate", "key" };
		const struct pair untrusted = { &c->untrusted_certificate, &c->untrusted_key,
						"untrusted_certificate", "untrusted_key" };
		struct plan_authority *a = &p->authorities[p->authority_count++];

		a->conf = c;
		a->trusted = read_pair(b, c, &trusted);
		a->untrusted = read_pair(b, c, &untrusted);
		check_apart(b, c);
	}
}

struct plan_authority *plan_authority_find(const struct plan_build *b, const char *name)
{
	for (size_t i = 0; i < b->plan->authority_count; i++) {
		struct plan_authority *a = &b->plan->authorities[i];

		if (strcmp(a->conf->name, name) == 0)
			return a->trusted != NULL ? a : NULL;
	}
	return NULL;
}

void plan_authority_free(struct plan *p)
{
	for (size_t i = 0; i < p->authority_count; i++) {
		if (p->authorities[i].trusted != NULL)
			tls_authority_free(p->authorities[i].trusted);
		if (p->authorities[i].untrusted != NULL)
			tls_authority_free(p->authorities[i].untrusted);
	}
	free(p->authorities);
}
