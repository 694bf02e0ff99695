#include "plan/plan.h"

/* SNI is the TLSA base domain for DANE (RFC 7672 section 8.1), else the name that the MX has (RFC 8461 section 7.1). */
static const char *sni_of(const struct evidence_host *host, bool dane)
{
	return dane && host->tlsa_base[0] != '\0' ? host->tlsa_base : host->name;
}

void plan_expect(const struct policy_decision *d, const struct policy_evidence *e, unsigned i, struct plan_expect *x)
{
	const struct evidence_host *host = &e->hosts[d->hosts[i].index];

	*x = (struct plan_expect){ .sni = sni_of(host, d->hosts[i].dane) };
	x->tls.names = x->names;
	x->tls.name_count = policy_decide_names(d, e, i, x->names);
	if (!d->hosts[i].dane)
		return;
	x->tls.tlsa = host->tlsa;
	x->tls.tlsa_count = host->tlsa_count;
}
