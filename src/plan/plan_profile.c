#include "base/must.h"
#include "plan/plan_build.h"

#include <stdio.h>
#include <string.h>

static enum tls_version version(enum conf_version v)
{
	static const enum tls_version versions[] = {
		[CONF_VERSION_1_0] = TLS_1_0,
		[CONF_VERSION_1_1] = TLS_1_1,
		[CONF_VERSION_1_2] = TLS_1_2,
		[CONF_VERSION_1_3] = TLS_1_3,
	};

	must(v != CONF_VERSION_UNSET);
	return versions[v];
}

static enum tls_ocsp revocation(int ocsp)
{
	static const enum tls_ocsp all[] = {
		[CONF_OCSP_OFF] = TLS_OCSP_OFF,
		[CONF_OCSP_SOFT] = TLS_OCSP_SOFT,
		[CONF_OCSP_HARD] = TLS_OCSP_HARD,
	};

	must(ocsp != CONF_OCSP_UNSET);
	return all[ocsp];
}

/* Items joined with colons, as OpenSSL reads them; the list of an inherited profile stays where there
 * are none. */
static bool join(char list[TLS_LIST_MOST], const struct conf_strings *items)
{
	size_t len = 0;

	for (size_t i = 0; i < items->count; i++) {
		len += (size_t)snprintf(list + len, TLS_LIST_MOST - len, "%s%s",
					i > 0 ? ":" : "", items->at[i]);
		if (len >= TLS_LIST_MOST)
			return false;
	}
	return true;
}

/* What `c` sets, over what it inherits. */
static bool apply(const struct conf_profile *c, struct tls_profile *p)
{
	if (c->min != CONF_VERSION_UNSET)
		p->min = version(c->min);
	if (c->max != CONF_VERSION_UNSET)
		p->max = version(c->max);
	if (c->tickets != CONF_SWITCH_UNSET)
		p->tickets = c->tickets == CONF_SWITCH_ON;
	if (c->pfs != CONF_PFS_UNSET)
		p->pfs_required = c->pfs == CONF_PFS_REQUIRED;
	if (c->ocsp != CONF_OCSP_UNSET)
		p->ocsp = revocation(c->ocsp);
	if (c->compliance != CONF_SWITCH_UNSET)
		p->compliance = c->compliance == CONF_SWITCH_ON;
	return join(p->ciphers, &c->ciphers) && join(p->ciphersuites, &c->ciphersuites) &&
	       join(p->groups, &c->groups);
}

/* `left`: steps until it must be a circle, which conf has reported. */
static bool resolve(const struct conf *c, const char *name, size_t left, struct tls_profile *p)
{
	const struct tls_profile *builtin = tls_profile_builtin(name);
	const struct conf_profile *own = conf_profile_find(c, name);

	if (builtin != NULL) {
		*p = *builtin;
		return true;
	}
	if (own == NULL || left == 0)
		return false;
	return resolve(c, own->inherit, left - 1, p) && apply(own, p);
}

bool plan_profile_get(const struct plan_build *b, const char *name, struct tls_profile *profile)
{
	const struct conf *c = b->plan->conf;

	return resolve(c, name, c->profile_count, profile);
}

static bool fits(const struct conf_strings *items)
{
	size_t len = 0;

	for (size_t i = 0; i < items->count; i++)
		len += strlen(items->at[i]) + 1;
	return len <= TLS_LIST_MOST;
}

static bool lists_fit(const struct plan_build *b, const struct conf_profile *c)
{
	const struct { const struct conf_strings *list; const char *name; } lists[] = {
		{ &c->ciphers, "ciphers" }, { &c->ciphersuites, "ciphersuites" },
		{ &c->groups, "groups" },
	};
	bool all = true;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (fits(lists[i].list))
			continue;
		conf_error(b->report, plan_place(b, lists[i].list, &c->name), "tls_profiles.%s.%s is "
			   "too long; together its names can have %d characters", c->name,
			   lists[i].name, TLS_LIST_MOST);
		all = false;
	}
	return all;
}

static void check(const struct plan_build *b, const struct conf_profile *c)
{
	struct conf_place name = conf_place_of(b->plan->conf, &c->name);
	struct tls_profile p;
	char skipped[200] = "";
	struct why why;

	/* A name that is built in: reported by conf, and not what would be looked up here. */
	if (tls_profile_builtin(c->name) != NULL || !lists_fit(b, c) ||
	    !plan_profile_get(b, c->name, &p))
		return;
	if (p.min > p.max) {
		conf_error(b->report, plan_place(b, c->min != CONF_VERSION_UNSET ? &c->min : &c->max,
						 &c->name),
			   "tls_profiles.%s allows no TLS version: min is above max, of which one may "
			   "be inherited from %s; set both", c->name, c->inherit);
		return;
	}
	if (!tls_profile_check(&p, skipped, sizeof(skipped), &why)) {
		conf_error(b->report, name, "tls_profiles.%s can't be used: %s; write names as "
			   "`openssl ciphers` lists them", c->name, why.text);
		return;
	}
	/* Only for those who chose: the built-in lists name groups of the future on purpose. */
	if (skipped[0] != '\0' && c->groups.count > 0)
		conf_warning(b->report, plan_place(b, &c->groups, &c->name), "tls_profiles.%s.groups: "
			     "this OpenSSL does not know %s; skipped", c->name, skipped);
}

void plan_profile_check(const struct plan_build *b)
{
	const struct conf *c = b->plan->conf;

	for (size_t i = 0; i < c->profile_count; i++)
		check(b, &c->profiles[i]);
}
