#include "policy/policy_decide.h"

#include "base/must.h"
#include "policy/policy_sts.h"
#include "policy/policy_weigh.h"

#include <string.h>

static bool has_why(const struct policy_rule *r)
{
	return r->why != NULL && r->why[0] != '\0';
}

static struct tls_need rule_need(const struct policy_rule *r, bool client_tls)
{
	static const enum need_level levels[] = {
		[POLICY_LEVEL_UNSET] = NEED_NONE,
		[POLICY_LEVEL_NONE] = NEED_NONE,
		[POLICY_LEVEL_MAY] = NEED_MAY,
		[POLICY_LEVEL_ENCRYPT] = NEED_ENCRYPT,
		[POLICY_LEVEL_VERIFY] = NEED_VERIFY,
		[POLICY_LEVEL_DANE] = NEED_DANE,
		[POLICY_LEVEL_MIRROR] = NEED_NONE,
	};
	struct tls_need need = { levels[r->outbound], r->min_bits };

	/* A strength alone asks for encryption, as sendmail's ENCR does (SPEC GC-2). */
	if ((r->outbound == POLICY_LEVEL_MIRROR && client_tls) ||
	    (r->outbound == POLICY_LEVEL_UNSET && r->min_bits > 0))
		need.level = NEED_ENCRYPT;
	return need;
}

static void weigh_rule(struct policy_weighed *w)
{
	const struct policy_rule *r = w->q->rule;

	if (r == NULL)
		return;
	w->exempt = has_why(r) && r->outbound != POLICY_LEVEL_UNSET;
	w->shadow = w->rule = rule_need(r, w->q->client_tls);
	if (!r->report)
		return;
	w->rule.min_bits = 0;
	/* An exemption has set all else aside, and still must not be what stops the mail. */
	if (!w->exempt)
		w->rule.level = NEED_NONE;
	else if (w->rule.level > NEED_MAY)
		w->rule.level = NEED_MAY;
}

static void weigh_service(struct policy_weighed *w)
{
	if (w->exempt)
		return;
	w->least = w->q->least;
	if (w->q->mirror && w->q->client_tls && w->least.level < NEED_ENCRYPT)
		w->least.level = NEED_ENCRYPT;
}

static void weigh_all(struct policy_weighed *w)
{
	const struct policy_question *q = w->q;
	bool announced = q->sts && q->evidence->sts != EVIDENCE_STS_NONE;

	weigh_rule(w);
	weigh_service(w);
	/* Who asks for both has asked for REQUIRETLS (RFC 8689 section 4.1). */
	w->relaxed = q->tls_required_no && !q->requiretls;
	w->dane = q->dane && !w->exempt && !w->relaxed;
	w->sts_stale = announced && q->now >= q->evidence->sts_until;
	w->sts = announced && !w->sts_stale && !w->exempt && !w->relaxed;
	w->enforce = w->sts && q->evidence->sts == EVIDENCE_STS_ENFORCE;
}

/* Also where MTA-STS has been set aside: that it knows a host's name is no demand. */
static const char *find_pattern(const struct policy_weighed *w, const struct evidence_host *host)
{
	const struct policy_evidence *e = w->q->evidence;

	if (!w->q->sts || e->sts == EVIDENCE_STS_NONE || w->sts_stale)
		return NULL;
	for (unsigned i = 0; i < e->sts_mx_count; i++) {
		if (policy_sts_matches(e->sts_mx[i], host->name))
			return e->sts_mx[i];
	}
	return NULL;
}

static void raise_to(struct policy_host *h, enum need_level level, enum policy_source source, bool enforced)
{
	if (level > h->wanted.level)
		h->wanted.level = level;
	if (!enforced || level <= h->need.level)
		return;
	h->need.level = level;
	h->source = source;
}

static bool mx_is_theirs(const struct policy_evidence *e)
{
	/* Without MX the host is the recipient's domain itself. */
	return e->mx_secure || e->no_mx;
}

/* Of the host's own name: whoever could change it could bring a certificate for it (SPEC PP-8). */
static bool vouched(const struct policy_weighed *w, unsigned i)
{
	return mx_is_theirs(w->q->evidence) || w->hosts[i].pattern != NULL;
}

/* Whether somebody but DANE wants to know who the host is. */
static bool identity_demanded(const struct policy_weighed *w)
{
	return w->rule.level >= NEED_VERIFY || w->enforce || w->least.level >= NEED_VERIFY || w->q->requiretls;
}

static bool dane_counts(const struct policy_weighed *w, unsigned i)
{
	if (w->q->evidence->hosts[i].tlsa_state != EVIDENCE_TLSA_USABLE)
		return false;
	if (w->rule.level == NEED_DANE)
		return mx_is_theirs(w->q->evidence);
	return w->dane && (vouched(w, i) || !identity_demanded(w));
}

static enum need_level dane_level(const struct policy_weighed *w, unsigned i)
{
	switch (w->q->evidence->hosts[i].tlsa_state) {
	case EVIDENCE_TLSA_USABLE:
		return w->hosts[i].dane ? NEED_DANE : NEED_NONE;
	case EVIDENCE_TLSA_UNUSABLE:
		return NEED_ENCRYPT;
	case EVIDENCE_TLSA_NONE:
	case EVIDENCE_TLSA_FAILED: /* it is taken out */
		break;
	}
	return NEED_NONE;
}

static unsigned more(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

/* Each source only raises; of two that say the same the first one counts. */
static void weigh_need(struct policy_weighed *w, unsigned i, struct policy_host *h)
{
	const struct policy_question *q = w->q;
	const struct evidence_host *host = &q->evidence->hosts[i];

	h->source = w->exempt ? POLICY_BY_RULE : POLICY_BY_DEFAULT;
	raise_to(h, w->rule.level, POLICY_BY_RULE, true);
	raise_to(h, w->shadow.level, POLICY_BY_RULE, false);
	if (w->sts)
		raise_to(h, NEED_VERIFY, POLICY_BY_STS, w->enforce);
	if (w->dane)
		raise_to(h, dane_level(w, i), POLICY_BY_DANE, true);
	if (!w->exempt && q->remember > 0 && host->seen_tls >= q->remember && h->need.level < NEED_ENCRYPT &&
	    w->least.level < NEED_ENCRYPT) {
		w->hosts[i].remembered = true;
		raise_to(h, NEED_ENCRYPT, POLICY_BY_MEMORY, q->remember_defers);
	}
	raise_to(h, w->least.level, POLICY_BY_DEFAULT, true);
	if (q->requiretls)
		raise_to(h, NEED_VERIFY, POLICY_BY_REQUIRETLS, true);
	h->need.min_bits = more(w->rule.min_bits, w->least.min_bits);
	h->wanted.min_bits = more(w->shadow.min_bits, w->least.min_bits);
}

/* A rule in shadow mode must not change whose certificate is good enough for another's demand. */
static bool rule_has_names(const struct policy_weighed *w, const struct policy_host *h)
{
	const struct policy_rule *r = w->q->rule;

	if (r == NULL || r->name_count == 0)
		return false;
	if (r->report)
		return w->shadow.level >= NEED_VERIFY && h->need.level < NEED_VERIFY;
	return w->rule.level >= NEED_VERIFY || h->source == POLICY_BY_REQUIRETLS;
}

static void weigh_names(const struct policy_weighed *w, unsigned i, struct policy_host *h)
{
	/* Where no name is demanded, the host's is looked for and logged, so that domains with the same hosts can share a leg. */
	if (h->wanted.level < NEED_VERIFY)
		h->names = POLICY_NAMES_HOST;
	else if (!h->dane && rule_has_names(w, h))
		h->names = POLICY_NAMES_RULE;
	else if (h->dane || vouched(w, i))
		h->names = POLICY_NAMES_HOST;
	else
		h->names = POLICY_NAMES_DOMAIN;
}

static enum policy_out weigh_out(const struct policy_weighed *w, unsigned i, const struct policy_host *h)
{
	const struct evidence_host *host = &w->q->evidence->hosts[i];

	if (host->addr_count == 0)
		return host->failed ? POLICY_OUT_ADDRESS_FAILED : POLICY_OUT_ADDRESS;
	if (host->tlsa_state == EVIDENCE_TLSA_FAILED && (w->dane || h->need.level == NEED_DANE))
		return POLICY_OUT_TLSA_FAILED;
	if (w->enforce && w->hosts[i].pattern == NULL && !h->dane)
		return POLICY_OUT_STS;
	if (h->need.level == NEED_DANE && !h->dane)
		return host->tlsa_state == EVIDENCE_TLSA_USABLE ? POLICY_OUT_MX_INSECURE : POLICY_OUT_TLSA_NONE;
	if (w->q->requiretls && h->names == POLICY_NAMES_DOMAIN)
		return POLICY_OUT_REQUIRETLS;
	return POLICY_IN;
}

static void weigh_host(struct policy_weighed *w, unsigned i, struct policy_decision *d)
{
	struct policy_host h = { .index = i };

	w->hosts[i].pattern = find_pattern(w, &w->q->evidence->hosts[i]);
	h.sts = w->hosts[i].pattern != NULL;
	h.dane = w->hosts[i].dane = dane_counts(w, i);
	weigh_need(w, i, &h);
	weigh_names(w, i, &h);
	d->out[i] = weigh_out(w, i, &h);
	if (d->out[i] == POLICY_IN)
		d->hosts[d->host_count++] = h;
}

/* With no host left: what may pass goes before what will not, so that mail is rather tried again than given up. */
static enum policy_refusal refusal_of(const struct policy_weighed *w, const struct policy_decision *d, bool *permanent)
{
	static const struct {
		enum policy_out out;
		enum policy_refusal refusal;
		bool permanent;
	} order[] = {
		{ POLICY_OUT_TLSA_FAILED, POLICY_DANE_FAILED, false },
		{ POLICY_OUT_ADDRESS_FAILED, POLICY_NO_ADDRESS, false },
		{ POLICY_OUT_STS, POLICY_STS_NO_HOST, false },
		{ POLICY_OUT_TLSA_NONE, POLICY_DANE_FAILED, false },
		{ POLICY_OUT_MX_INSECURE, POLICY_DANE_FAILED, false },
		{ POLICY_OUT_REQUIRETLS, POLICY_NO_REQUIRETLS, true },
		{ POLICY_OUT_ADDRESS, POLICY_NO_ADDRESS, true },
	};

	for (size_t o = 0; o < sizeof(order) / sizeof(order[0]); o++) {
		for (unsigned i = 0; i < w->q->evidence->host_count; i++) {
			if (d->out[i] != order[o].out)
				continue;
			*permanent = order[o].permanent;
			return order[o].refusal;
		}
	}
	/* Found, and yet no host: nothing to conclude from. */
	*permanent = false;
	return POLICY_NO_ADDRESS;
}

static enum policy_refusal dns_refusal(enum evidence_dns dns)
{
	switch (dns) {
	case EVIDENCE_FOUND:
		return POLICY_DELIVER;
	case EVIDENCE_NO_DOMAIN:
		return POLICY_NO_DOMAIN;
	case EVIDENCE_NULL_MX:
		return POLICY_NULL_MX;
	case EVIDENCE_DNS_FAILED:
		break;
	}
	return POLICY_DNS_FAILED;
}

/* The weakest of the hosts' needs, and the class of a failure. */
static void sum_up(struct policy_decision *d, bool requiretls)
{
	d->need = d->hosts[0].need;
	d->source = d->hosts[0].source;
	for (unsigned i = 1; i < d->host_count; i++) {
		if (d->hosts[i].need.level >= d->need.level)
			continue;
		d->need = d->hosts[i].need;
		d->source = d->hosts[i].source;
	}
	/* What DANE and MTA-STS find wrong may be right in an hour (SPEC "Conflicts and traps"); the rule speaks for itself alone. */
	d->permanent = requiretls || (d->source == POLICY_BY_RULE && d->rule->permanent);
}

void policy_decide(const struct policy_question *q, struct policy_decision *d)
{
	struct policy_weighed w = { .q = q };

	must(q->evidence != NULL && q->evidence->host_count <= EVIDENCE_HOSTS_MOST);
	*d = (struct policy_decision){ .rule = q->rule, .report = q->rule != NULL && q->rule->report };
	weigh_all(&w);
	d->refusal = dns_refusal(q->evidence->dns);
	d->permanent = d->refusal == POLICY_NO_DOMAIN || d->refusal == POLICY_NULL_MX;
	if (d->refusal == POLICY_DELIVER) {
		for (unsigned i = 0; i < q->evidence->host_count; i++)
			weigh_host(&w, i, d);
		if (d->host_count > 0)
			sum_up(d, q->requiretls);
		else
			d->refusal = refusal_of(&w, d, &d->permanent);
	}
	policy_weigh_because(&w, d);
}

const char *policy_source_name(enum policy_source s)
{
	static const char *const names[] = {
		[POLICY_BY_DEFAULT] = "default",
		[POLICY_BY_RULE] = "rule",
		[POLICY_BY_STS] = "mta-sts",
		[POLICY_BY_DANE] = "dane",
		[POLICY_BY_MEMORY] = "memory",
		[POLICY_BY_REQUIRETLS] = "requiretls",
	};

	return names[s];
}

const char *policy_refusal_name(enum policy_refusal r)
{
	static const char *const names[] = {
		[POLICY_DELIVER] = "deliver",
		[POLICY_NO_DOMAIN] = "no-domain",
		[POLICY_NULL_MX] = "null-mx",
		[POLICY_DNS_FAILED] = "dns-failed",
		[POLICY_STS_NO_HOST] = "sts-no-host",
		[POLICY_DANE_FAILED] = "dane-failed",
		[POLICY_NO_ADDRESS] = "no-address",
		[POLICY_NO_REQUIRETLS] = "no-requiretls",
	};

	return names[r];
}

const char *policy_out_text(enum policy_out out)
{
	static const char *const texts[] = {
		[POLICY_IN] = "",
		[POLICY_OUT_ADDRESS] = "it has no address",
		[POLICY_OUT_ADDRESS_FAILED] = "its addresses could not be looked up",
		[POLICY_OUT_TLSA_FAILED] = "its TLSA records could not be looked up",
		[POLICY_OUT_TLSA_NONE] = "it has no usable TLSA records, and DANE is demanded",
		[POLICY_OUT_MX_INSECURE] = "DNSSEC does not vouch for the MX records, and DANE is demanded",
		[POLICY_OUT_STS] = "it is not in the MTA-STS policy",
		[POLICY_OUT_REQUIRETLS] = "nobody vouches for its name, and REQUIRETLS demands that",
	};

	return texts[out];
}
