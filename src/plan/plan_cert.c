#include "base/must.h"
#include "plan/plan_build.h"

#include <string.h>

static bool read_file(const struct plan_build *b, const struct conf_cert *c, char *const *path,
		      const char *what, struct span *bytes)
{
	struct why why;

	if (*path == NULL)
		return false; /* missing: reported by conf */
	if (conf_source_read(b->source, *path, bytes, &why))
		return true;
	conf_error(b->report, plan_place(b, path, &c->name), "certificates.%s.%s: %s can't be read: "
		   "%s", c->name, what, *path, why.text);
	return false;
}

/* SPEC SUB-12: what clients would stumble over is said at load. */
static void check(const struct plan_build *b, const struct conf_cert *c,
		  const struct tls_cert *cert)
{
	struct conf_place at = plan_place(b, &c->chain, &c->name);
	struct tls_cert_note notes[TLS_CERT_NOTES];
	unsigned count = tls_cert_notes(cert, b->now, notes);

	for (unsigned i = 0; i < count; i++) {
		if (notes[i].error)
			conf_error(b->report, at, "certificates.%s: %s: %s", c->name, c->chain,
				   notes[i].text);
		else
			conf_warning(b->report, at, "certificates.%s: %s: %s", c->name, c->chain,
				     notes[i].text);
	}
}

static struct tls_cert *read_cert(const struct plan_build *b, const struct conf_cert *c)
{
	struct span chain, key;
	struct tls_cert *cert;
	struct why why;
	bool have_chain = read_file(b, c, &c->chain, "chain", &chain);
	bool have_key = read_file(b, c, &c->key, "key", &key);

	if (!have_chain || !have_key)
		return NULL;
	cert = tls_cert_read(chain, key, &why);
	if (cert != NULL)
		check(b, c, cert);
	else
		conf_error(b->report, plan_place(b, &c->chain, &c->name), "certificates.%s: %s with "
			   "%s: %s", c->name, c->chain, c->key, why.text);
	return cert;
}

void plan_cert_read(struct plan_build *b)
{
	const struct conf *c = b->plan->conf;

	b->plan->certs = mem_new((c->cert_count + 1) * sizeof(struct tls_cert *));
	for (size_t i = 0; i < c->cert_count; i++)
		b->plan->certs[i] = read_cert(b, &c->certs[i]);
}

struct tls_cert *plan_cert_find(const struct plan *p, const char *name)
{
	const struct conf *c = p->conf;

	for (size_t i = 0; i < c->cert_count; i++) {
		if (strcmp(c->certs[i].name, name) == 0)
			return p->certs[i];
	}
	return NULL;
}
