#include "route/route_map.h"

#include "base/must.h"

#include <string.h>

/* Names that the certificate may have, of all hosts together. */
#define NAMES_MOST (EVIDENCE_HOSTS_MOST * (POLICY_NAMES_MOST + 1))

struct names {
	const char *at[NAMES_MOST];
	unsigned count;
};

enum route_map_kind route_map_read(struct span request, struct span *key)
{
	struct span map = span_cut(&request, ' ');

	*key = request;
	if (span_eq_nocase(map, SPAN("QUERY")))
		return ROUTE_MAP_QUERY;
	return span_eq_nocase(map, SPAN("QUERYwithTLSRPT")) ? ROUTE_MAP_WITH_TLSRPT : ROUTE_MAP_UNKNOWN;
}

static void add_name(struct names *all, const char *name)
{
	for (unsigned i = 0; i < all->count; i++) {
		if (strcmp(all->at[i], name) == 0)
			return;
	}
	must(all->count < NAMES_MOST);
	all->at[all->count++] = name;
}

static void collect(const struct policy_decision *d, const struct policy_evidence *e, struct names *all)
{
	const char *names[POLICY_NAMES_MOST + 1];

	all->count = 0;
	for (unsigned i = 0; i < d->host_count; i++) {
		unsigned count = policy_decide_names(d, e, i, names);

		for (unsigned n = 0; n < count; n++)
			add_name(all, names[n]);
	}
}

/* What Postfix calls "*.example.net" is ".example.net"; it lets that stand for more than one label. */
static bool put_match(const struct policy_decision *d, const struct policy_evidence *e, struct buf *out)
{
	struct names all;

	collect(d, e, &all);
	for (unsigned i = 0; i < all.count; i++) {
		const char *name = strncmp(all.at[i], "*.", 2) == 0 ? all.at[i] + 1 : all.at[i];

		if (!buf_printf(out, "%s%s", i == 0 ? " match=" : ":", name))
			return false;
	}
	return buf_put(out, SPAN(" servername=hostname"));
}

/* What Postfix puts into its own TLS reports. DANE it knows by itself. */
static bool put_tlsrpt(const struct policy_evidence *e, struct buf *out)
{
	if (!buf_printf(out, " policy_type=sts policy_domain=%s", e->domain))
		return false;
	for (unsigned i = 0; i < e->sts_mx_count; i++) {
		if (!buf_printf(out, " mx_host_pattern=%s", e->sts_mx[i]))
			return false;
	}
	if (!buf_put(out, SPAN(" { policy_string = version: STSv1 } { policy_string = mode: enforce }")))
		return false;
	for (unsigned i = 0; i < e->sts_mx_count; i++) {
		if (!buf_printf(out, " { policy_string = mx: %s }", e->sts_mx[i]))
			return false;
	}
	return true;
}

static bool refused(const struct policy_decision *d, struct buf *out)
{
	switch (d->refusal) {
	case POLICY_NO_DOMAIN:
	case POLICY_NULL_MX:
		return buf_put(out, SPAN("NOTFOUND ")); /* there is nowhere to go, and Postfix has better words for it */
	case POLICY_NO_ADDRESS:
		if (d->permanent)
			return buf_put(out, SPAN("NOTFOUND "));
		break;
	case POLICY_DELIVER:
	case POLICY_DNS_FAILED:
	case POLICY_STS_NO_HOST:
	case POLICY_DANE_FAILED:
	case POLICY_NO_REQUIRETLS:
		break;
	}
	return buf_printf(out, "TEMP %s", d->because_count > 0 ? d->because[0] : policy_refusal_name(d->refusal));
}

struct levels {
	enum need_level least, most;
	bool any_sts;
	unsigned min_bits;
};

static struct levels levels_of(const struct policy_decision *d)
{
	struct levels l = { .least = d->hosts[0].need.level, .most = d->hosts[0].need.level };

	for (unsigned i = 0; i < d->host_count; i++) {
		const struct policy_host *h = &d->hosts[i];

		if (h->need.level < l.least)
			l.least = h->need.level;
		if (h->need.level > l.most)
			l.most = h->need.level;
		if (h->need.min_bits > l.min_bits)
			l.min_bits = h->need.min_bits;
		l.any_sts |= h->source == POLICY_BY_STS;
	}
	return l;
}

static bool put_ciphers(const struct levels *l, struct buf *out)
{
	return l->min_bits == 0 || buf_put(out, SPAN(" ciphers=high"));
}

static bool put_verify(const struct policy_decision *d, const struct policy_evidence *e, const struct levels *l,
		       enum route_map_kind kind, struct buf *out)
{
	if (!buf_put(out, l->any_sts ? SPAN("OK secure") : SPAN("OK verify")) || !put_match(d, e, out) ||
	    !put_ciphers(l, out))
		return false;
	return !l->any_sts || kind != ROUTE_MAP_WITH_TLSRPT || put_tlsrpt(e, out);
}

/* `dane` is DANE for the hosts that have records, and TLS where it is offered for the others; `dane-only` wants signed
 * MX records, too. */
static bool put_dane(const struct levels *l, bool signed_mx, struct buf *out)
{
	if (!signed_mx && l->least == NEED_ENCRYPT)
		return buf_put(out, SPAN("OK encrypt")) && put_ciphers(l, out);
	return buf_put(out, l->least <= NEED_MAY || !signed_mx ? SPAN("OK dane") : SPAN("OK dane-only")) && put_ciphers(l, out);
}

bool route_map_answer(const struct policy_decision *d, const struct policy_evidence *e, enum route_map_kind kind,
		      struct buf *out)
{
	struct levels l;
	bool signed_mx;

	if (d->refusal != POLICY_DELIVER || d->host_count == 0)
		return refused(d, out);
	l = levels_of(d);
	signed_mx = e->mx_secure || e->no_mx;
	/* Postfix looks for the hosts by itself: that MTA-STS knows the host is what it has to be told. */
	if (l.most == NEED_DANE && !signed_mx && e->sts == EVIDENCE_STS_ENFORCE && d->hosts[0].sts) {
		l.any_sts = true;
		l.most = NEED_VERIFY;
	}
	switch (l.most) {
	case NEED_DANE:
		return put_dane(&l, signed_mx, out);
	case NEED_VERIFY:
		return put_verify(d, e, &l, kind, out);
	case NEED_ENCRYPT:
		return buf_put(out, SPAN("OK encrypt")) && put_ciphers(&l, out);
	case NEED_MAY:
	case NEED_NONE:
		break;
	}
	if (d->source != POLICY_BY_RULE)
		return buf_put(out, SPAN("NOTFOUND "));
	return buf_put(out, l.most == NEED_MAY ? SPAN("OK may") : SPAN("OK none"));
}
