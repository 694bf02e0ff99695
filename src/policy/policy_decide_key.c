#include "base/must.h"
#include "policy/policy_decide.h"

#include <string.h>

static unsigned add(const char *names[POLICY_NAMES_MOST + 1], unsigned count, const char *name)
{
	if (name[0] == '\0')
		return count;
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return count;
	}
	names[count] = name;
	return count + 1;
}

unsigned policy_decide_names(const struct policy_decision *d, const struct policy_evidence *e, unsigned i,
			     const char *names[POLICY_NAMES_MOST + 1])
{
	const struct policy_host *h = &d->hosts[i];
	const struct evidence_host *host = &e->hosts[h->index];
	unsigned count = 0;

	must(i < d->host_count);
	switch (h->names) {
	case POLICY_NAMES_RULE:
		for (unsigned n = 0; n < d->rule->name_count; n++)
			count = add(names, count, d->rule->names[n]);
		return count;
	case POLICY_NAMES_HOST:
		/* RFC 7672 section 3.2.2: the TLSA base domain, the host's name before it was one, and, where the way from it to the host
		 * is secure, the domain and what it is an alias of. */
		if (h->dane)
			count = add(names, count, host->tlsa_base);
		count = add(names, count, host->name);
		if (h->dane && e->mx_secure)
			count = add(names, add(names, count, e->domain), e->mx_owner);
		return count;
	case POLICY_NAMES_DOMAIN:
		break;
	}
	return add(names, count, e->domain);
}

/* Behind its length, so that no text can be taken for two. */
static bool put_text(struct buf *out, const char *text)
{
	return buf_printf(out, " %zu:%s", strlen(text), text);
}

static bool put_tlsa(struct buf *out, const struct evidence_host *host)
{
	for (unsigned i = 0; i < host->tlsa_count; i++) {
		const struct tls_tlsa *r = &host->tlsa[i];

		if (!buf_printf(out, " tlsa %u %u %u ", r->usage, r->selector, r->matching))
			return false;
		for (unsigned at = 0; at < r->len; at++) {
			if (!buf_printf(out, "%02x", r->data[at]))
				return false;
		}
	}
	return true;
}

static bool put_host(struct buf *out, const struct policy_decision *d, const struct policy_evidence *e, unsigned i)
{
	const struct policy_host *h = &d->hosts[i];
	const struct evidence_host *host = &e->hosts[h->index];
	const char *names[POLICY_NAMES_MOST + 1];
	unsigned count = policy_decide_names(d, e, i, names);

	if (!buf_printf(out, "%shost", i > 0 ? " " : "") || !put_text(out, host->name) ||
	    !buf_printf(out, " need %s %u wanted %s %u", need_level_name(h->need.level), h->need.min_bits,
			need_level_name(h->wanted.level), h->wanted.min_bits) ||
	    !buf_printf(out, " names %u", count))
		return false;
	for (unsigned n = 0; n < count; n++) {
		if (!put_text(out, names[n]))
			return false;
	}
	if (!h->dane)
		return true;
	return buf_printf(out, " base") && put_text(out, host->tlsa_base) && put_tlsa(out, host);
}

bool policy_decide_key(const struct policy_decision *d, const struct policy_evidence *e, struct buf *out)
{
	const char *certificate = d->rule != NULL ? d->rule->certificate : NULL;

	for (unsigned i = 0; i < d->host_count; i++) {
		if (!put_host(out, d, e, i))
			return false;
	}
	if (!buf_printf(out, "%s%s", d->permanent ? " permanent" : "", d->report ? " report" : ""))
		return false;
	return certificate == NULL || (buf_printf(out, " certificate") && put_text(out, certificate));
}
