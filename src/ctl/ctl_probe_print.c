/* What `probe` prints: a text for people, JSON for programs. */
#include "ctl/ctl_probe_inside.h"

#include "ctl/ctl_evidence.h"

#include <stdio.h>

#define LINE_MOST 600

/* --- text --- */

static const char *semicolon(const char *text)
{
	return text[0] != '\0' ? "; " : "";
}

static void print_head(const struct probe_domain *d)
{
	const struct policy_evidence *e = d->evidence;
	char date[CTL_JSON_DATE_MOST];

	printf("%s\n  MX       %s%s%s%s%s\n", e->domain, ctl_evidence_dns_name(e->dns), e->no_mx ? ", no MX: the domain itself" : "",
	       e->mx_secure ? ", vouched for by DNSSEC" : ", without DNSSEC", semicolon(e->trouble), e->trouble);
	printf("  MTA-STS  %s", ctl_evidence_sts_name(e->sts));
	if (e->sts != EVIDENCE_STS_NONE)
		printf(", id %s, until %s", e->sts_id, ctl_json_date(e->sts_until, date));
	printf("%s%s\n  TLSRPT   %s", semicolon(e->sts_trouble), e->sts_trouble, d->wants_reports ? "" : "none");
	for (unsigned i = 0; d->wants_reports && i < d->tlsrpt.uri_count; i++)
		printf("%s%s", i > 0 ? ", " : "", d->tlsrpt.uri[i]);
	printf("%s%s\n", semicolon(d->tlsrpt_trouble), d->tlsrpt_trouble);
}

static void print_cert(const struct tls_chain_cert *c)
{
	char date[CTL_JSON_DATE_MOST];

	printf("               %s, by %s, %s, until %s", c->subject, c->issuer, c->key, ctl_json_date(c->until, date));
	for (unsigned n = 0; n < c->name_count && n < TLS_CHAIN_NAMES_MOST; n++)
		printf("%s%s", n > 0 ? " " : "; for ", c->names[n]);
	if (c->name_count > TLS_CHAIN_NAMES_MOST)
		printf(" and %u more", c->name_count - TLS_CHAIN_NAMES_MOST);
	putchar('\n');
}

static void print_tls(const struct probe_addr *a)
{
	const struct tls_facts *f = &a->found.facts;

	printf("%s %s, %u bits", f->version, f->cipher, f->bits);
	if (f->group[0] != '\0')
		printf(", %s", f->group);
	if (a->lowest[0] != '\0')
		printf(", from %s on", a->lowest);
	printf("\n             WebPKI: %s", f->verify_text);
	if (a->for_host && a->for_domain)
		printf(", and for the domain");
	if (a->dane_tried)
		printf("\n             DANE: %s", a->dane.text);
	putchar('\n');
	for (unsigned i = 0; i < a->found.chain_count; i++)
		print_cert(&a->found.chain[i]);
}

static void print_addr(const struct probe_addr *a)
{
	printf("    %s  ", a->address);
	if (a->found.end != CTL_PROBE_READY)
		printf("%s%s\n", a->found.offers_tls ? "STARTTLS: " : "", a->found.why.text);
	else if (!a->found.facts.on)
		printf("%s\n", a->found.facts.absent == TLS_ABSENT_REFUSED ? "refuses STARTTLS" : "no STARTTLS");
	else
		print_tls(a);
}

static void print_host(const struct probe_domain *d, const struct probe_host *h)
{
	printf("  %5u %s%s, TLSA %s", h->host->preference, h->host->name, h->host->secure ? ", vouched for by DNSSEC" : "",
	       ctl_evidence_tlsa_name(h->host->tlsa_state));
	if (d->evidence->sts != EVIDENCE_STS_NONE)
		printf(", %s in the MTA-STS policy", h->sts ? "is" : "is not");
	printf("%s%s\n", semicolon(h->host->trouble), h->host->trouble);
	for (unsigned i = 0; i < h->addr_count; i++)
		print_addr(&h->addrs[i]);
}

void probe_domain_print(const struct probe_domain *d)
{
	char line[LINE_MOST];

	print_head(d);
	for (unsigned i = 0; i < d->host_count; i++)
		print_host(d, &d->hosts[i]);
	probe_domain_weakest(d, line, sizeof(line));
	printf("  weakest: %s\n", line);
}

/* --- JSON --- */

static json_t *json_of_cert(const struct tls_chain_cert *c)
{
	json_t *o = ctl_json_made(json_object()), *names = ctl_json_made(json_array());

	for (unsigned n = 0; n < c->name_count && n < TLS_CHAIN_NAMES_MOST; n++)
		ctl_json_add(names, json_string(c->names[n]));
	ctl_json_set(o, "subject", json_string(c->subject));
	ctl_json_set(o, "issuer", json_string(c->issuer));
	ctl_json_set(o, "names", names);
	ctl_json_set(o, "key", ctl_json_text(c->key));
	ctl_json_set(o, "from", ctl_json_time(c->from));
	ctl_json_set(o, "until", ctl_json_time(c->until));
	ctl_json_set(o, "sha256", json_string(c->sha256));
	return o;
}

static json_t *json_of_chain(const struct ctl_probe_found *f)
{
	json_t *list = ctl_json_made(json_array());

	for (unsigned i = 0; i < f->chain_count; i++)
		ctl_json_add(list, json_of_cert(&f->chain[i]));
	return list;
}

static json_t *json_of_tls(const struct probe_addr *a)
{
	const struct tls_facts *f = &a->found.facts;
	json_t *o = ctl_json_made(json_object());

	ctl_json_set(o, "version", ctl_json_text(f->version));
	ctl_json_set(o, "cipher", ctl_json_text(f->cipher));
	ctl_json_set(o, "bits", json_integer(f->bits));
	ctl_json_set(o, "group", ctl_json_text(f->group));
	ctl_json_set(o, "lowest", ctl_json_text(a->lowest));
	ctl_json_set(o, "verified_host", json_boolean(a->for_host));
	ctl_json_set(o, "verified_domain", json_boolean(a->for_domain));
	ctl_json_set(o, "verify_text", ctl_json_text(f->verify_text));
	ctl_json_set(o, "dane", a->dane_tried ? json_boolean(a->dane_met) : json_null());
	ctl_json_set(o, "dane_text", ctl_json_text(a->dane_tried ? a->dane.text : ""));
	return o;
}

static json_t *json_of_addr(const struct probe_addr *a)
{
	const struct ctl_probe_found *f = &a->found;
	bool tls = f->end == CTL_PROBE_READY && f->facts.on;
	json_t *o = ctl_json_made(json_object());

	ctl_json_set(o, "address", json_string(a->address));
	ctl_json_set(o, "reachable", json_boolean(f->end != CTL_PROBE_UNREACHABLE));
	ctl_json_set(o, "starttls", json_boolean(f->offers_tls));
	ctl_json_set(o, "why", ctl_json_text(f->why.text));
	ctl_json_set(o, "tls", tls ? json_of_tls(a) : json_null());
	ctl_json_set(o, "chain", json_of_chain(f));
	return o;
}

static json_t *json_of_host(const struct probe_domain *d, const struct probe_host *h)
{
	json_t *o = ctl_evidence_host_json(h->host), *list = ctl_json_made(json_array());

	for (unsigned i = 0; i < h->addr_count; i++)
		ctl_json_add(list, json_of_addr(&h->addrs[i]));
	ctl_json_set(o, "addresses", list);
	ctl_json_set(o, "mta_sts", d->evidence->sts != EVIDENCE_STS_NONE ? json_boolean(h->sts) : json_null());
	ctl_json_set(o, "link", json_string(probe_link_name(h->link)));
	ctl_json_set(o, "words", json_string(h->words));
	return o;
}

static json_t *json_of_tlsrpt(const struct probe_domain *d)
{
	json_t *o = ctl_json_made(json_object()), *list = ctl_json_made(json_array());

	for (unsigned i = 0; d->wants_reports && i < d->tlsrpt.uri_count; i++)
		ctl_json_add(list, json_string(d->tlsrpt.uri[i]));
	ctl_json_set(o, "rua", list);
	ctl_json_set(o, "trouble", ctl_json_text(d->tlsrpt_trouble));
	return o;
}

struct json_t *probe_domain_json(const struct probe_domain *d)
{
	json_t *o = ctl_evidence_json(d->evidence), *list = ctl_json_made(json_array());
	char line[LINE_MOST];

	for (unsigned i = 0; i < d->host_count; i++)
		ctl_json_add(list, json_of_host(d, &d->hosts[i]));
	ctl_json_set(o, "tlsrpt", json_of_tlsrpt(d));
	ctl_json_set(o, "hosts", list);
	probe_domain_weakest(d, line, sizeof(line));
	ctl_json_set(o, "weakest", ctl_json_text(line));
	ctl_json_set(o, "link", ctl_json_text(d->weakest != NULL ? probe_link_name(d->weakest->link) : ""));
	ctl_json_set(o, "status", json_integer(d->status));
	return o;
}
