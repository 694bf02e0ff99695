#include "base/must.h"
#include "plan/plan_build.h"

#include <stdlib.h>
#include <string.h>

/* Longer than any address that SMTP has (RFC 5321 section 4.5.3.1.3), and than a name of the file. */
#define KEY_MOST 512

/* Of a partner's name or a recipient; false where it is longer than any partner's. */
static bool make_key(struct span name, char key[KEY_MOST])
{
	if (name.len > 1 && name.at[name.len - 1] == '.')
		name.len--;
	if (name.len >= KEY_MOST)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (name.at[i] == '\0')
			return false;
		key[i] = ascii_lower(name.at[i]);
	}
	key[name.len] = '\0';
	return true;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct plan_partner *)a)->key, ((const struct plan_partner *)b)->key);
}

void plan_partner_make(struct plan_build *b)
{
	struct plan *p = b->plan;

	p->partners = mem_new((p->conf->partner_count + 1) * sizeof(*p->partners));
	for (size_t i = 0; i < p->conf->partner_count; i++) {
		const struct conf_partner *c = &p->conf->partners[i];
		char key[KEY_MOST];

		if (!make_key(span_str(c->name), key)) {
			conf_error(b->report, conf_place_of(p->conf, &c->name), "partners.%.40s... is too long",
				   c->name);
			continue;
		}
		p->partners[p->partner_count++] = (struct plan_partner){ .conf = c, .key = mem_text(key) };
	}
	qsort(p->partners, p->partner_count, sizeof(*p->partners), by_key);
}

static const struct plan_partner *look_up(const struct plan *p, const char *key)
{
	struct plan_partner wanted = { .key = (char *)key };

	if (p->partner_count == 0)
		return NULL;
	return bsearch(&wanted, p->partners, p->partner_count, sizeof(*p->partners), by_key);
}

const struct plan_partner *plan_partner_find(const struct plan *p, struct span recipient)
{
	const struct plan_partner *found = NULL;
	char key[KEY_MOST];
	const char *at;

	if (!make_key(recipient, key) || key[0] == '\0')
		return look_up(p, "*");
	/* A quoted local part may have an at sign of its own. */
	at = strrchr(key, '@');
	if (at != NULL)
		found = look_up(p, key);
	at = at != NULL ? at + 1 : key;
	/* An address literal has dots too, and nothing above it. */
	if (at[0] == '[')
		return found != NULL || (found = look_up(p, at)) != NULL ? found : look_up(p, "*");
	while (found == NULL && at != NULL && at[0] != '\0') {
		found = look_up(p, at);
		at = strchr(at, '.');
		at = at != NULL ? at + 1 : NULL;
	}
	return found != NULL ? found : look_up(p, "*");
}

bool plan_partner_offers_none(const struct plan *p)
{
	const struct plan_partner *star = look_up(p, "*");

	return star != NULL && star->conf->client == CONF_PARTNER_CLIENT_NONE;
}

void plan_partner_free(struct plan *p)
{
	for (size_t i = 0; i < p->partner_count; i++)
		free(p->partners[i].key);
	free(p->partners);
}
