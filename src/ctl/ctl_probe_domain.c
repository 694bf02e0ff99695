/* What `probe` finds out about one domain. */
#include "ctl/ctl_probe_inside.h"

#include "base/must.h"
#include "ctl/ctl_evidence.h"
#include "ctl/tlsrpt_send.h"
#include "plan/plan.h"
#include "policy/policy_name.h"
#include "policy/policy_sts.h"
#include "route/route.h"
#include "route/route_dns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define CONNECT_MSEC 10000
#define REPLY_MSEC 30000

/* --- one address --- */

struct target {
	const struct probe_tools *tools;
	const struct policy_evidence *evidence;
	unsigned host;
	struct addr at;
};

static const struct evidence_host *host_of(const struct target *t)
{
	return &t->evidence->hosts[t->host];
}

static void converse(const struct target *t, struct tls_client *tls, const struct tls_expect *expect, const char *sni,
		     struct ctl_probe_found *found)
{
	const struct ctl_probe_ask ask = {
		.at = t->at, .hostname = t->tools->hostname, .want_tls = true, .tls = tls, .sni = sni, .expect = expect,
		.names = { host_of(t)->name, t->evidence->domain }, .connect = CONNECT_MSEC, .patience = REPLY_MSEC,
	};

	ctl_probe_host(&ask, found);
}

static void probe_webpki(const struct target *t, struct probe_addr *a)
{
	const char *names[] = { host_of(t)->name, t->evidence->domain };
	const struct tls_expect expect = { .names = names, .name_count = 2 };
	bool good;

	converse(t, t->tools->tls, &expect, host_of(t)->name, &a->found);
	good = a->found.facts.verified == TLS_VERIFIED_OK;
	a->for_host = good && a->found.has_name[0];
	a->for_domain = good && a->found.has_name[1];
}

static void probe_dane(const struct target *t, struct probe_addr *a)
{
	const struct policy_decision d = {
		.host_count = 1, .hosts = { { .index = t->host, .names = POLICY_NAMES_HOST, .dane = true } },
	};
	const struct tls_need dane = { .level = NEED_DANE };
	struct ctl_probe_found *found;
	struct plan_expect expect;

	if (host_of(t)->tlsa_state != EVIDENCE_TLSA_USABLE)
		return;
	found = mem_new(sizeof(*found));
	plan_expect(&d, t->evidence, 0, &expect);
	converse(t, t->tools->tls, &expect.tls, expect.sni, found);
	a->dane_tried = true;
	a->dane_met = found->end == CTL_PROBE_READY && need_met(&dane, &found->facts, &a->dane);
	if (found->end != CTL_PROBE_READY)
		a->dane = found->why;
	else if (a->dane_met)
		why_set(&a->dane, FAULT_NONE, "%s", found->facts.verify_text);
	free(found);
}

/* A refusal is told from other trouble, which tells nothing. */
static void probe_old(const struct target *t, struct probe_addr *a)
{
	static const char *const versions[PROBE_OLD_VERSIONS] = { "TLSv1", "TLSv1.1", "TLSv1.2" };
	struct ctl_probe_found *found = mem_new(sizeof(*found));
	const char *lowest = a->found.facts.version;

	for (unsigned i = 0; i < PROBE_OLD_VERSIONS && strcmp(versions[i], a->found.facts.version) != 0; i++) {
		converse(t, t->tools->old[i], NULL, host_of(t)->name, found);
		if (found->end == CTL_PROBE_TLS_FAILED)
			continue;
		lowest = found->end == CTL_PROBE_READY ? found->facts.version : "";
		break;
	}
	snprintf(a->lowest, sizeof(a->lowest), "%s", lowest);
	free(found);
}

/* --- the weakest of them --- */

static enum probe_link rate_tls(const struct evidence_host *host, const struct probe_addr *a, char words[WHY_MOST])
{
	const struct tls_facts *f = &a->found.facts;

	if (host->tlsa_state == EVIDENCE_TLSA_FAILED) {
		snprintf(words, WHY_MOST, "has TLSA records that can't be looked up: %s", host->trouble);
		return PROBE_UNVERIFIED;
	}
	if (a->dane_tried ? !a->dane_met : !a->for_host) {
		snprintf(words, WHY_MOST, "is not verified: %.200s", a->dane_tried ? a->dane.text : f->verify_text);
		return PROBE_UNVERIFIED;
	}
	if (strcmp(a->lowest, "TLSv1") == 0 || strcmp(a->lowest, "TLSv1.1") == 0) {
		snprintf(words, WHY_MOST, "takes TLS 1.%c", a->lowest[5] == '\0' ? '0' : '1');
		return PROBE_OLD;
	}
	snprintf(words, WHY_MOST, "has %s with %u bits, verified by %s", f->version, f->bits, a->dane_tried ? "DANE" : "WebPKI");
	return PROBE_GOOD;
}

static enum probe_link rate(const struct evidence_host *host, const struct probe_addr *a, char words[WHY_MOST])
{
	const struct ctl_probe_found *f = &a->found;

	switch (f->end) {
	case CTL_PROBE_READY:
		break;
	case CTL_PROBE_UNREACHABLE:
	case CTL_PROBE_LOST:
		snprintf(words, WHY_MOST, "can't be spoken to: %.200s", f->why.text);
		return PROBE_UNREACHABLE;
	case CTL_PROBE_TLS_FAILED:
	case CTL_PROBE_TLS_DIRTY:
		snprintf(words, WHY_MOST, "fails at TLS: %.200s", f->why.text);
		return PROBE_TLS_FAILED;
	}
	if (f->facts.on)
		return rate_tls(host, a, words);
	snprintf(words, WHY_MOST, f->facts.absent == TLS_ABSENT_REFUSED ? "refuses STARTTLS" : "offers no STARTTLS");
	return PROBE_NO_TLS;
}

/* Of two that are as good the fewer bits. An address that is down weakens nothing where another answers; there may be no way to it
 * from here (IPv6). */
static void rate_host(struct probe_host *h)
{
	bool any = false;

	h->link = PROBE_UNREACHABLE;
	snprintf(h->words, sizeof(h->words), "has no address%s%.160s", h->host->failed ? " that could be had: " : "",
		 h->host->failed ? h->host->trouble : "");
	for (unsigned i = 0; i < h->addr_count; i++) {
		char words[WHY_MOST];
		enum probe_link link = rate(h->host, &h->addrs[i], words);
		unsigned bits = h->addrs[i].found.facts.bits;
		bool down = link == PROBE_UNREACHABLE;

		if (any && (down || link > h->link || (link == h->link && bits >= h->bits)))
			continue;
		any |= !down;
		h->link = link;
		h->bits = bits;
		memcpy(h->words, words, sizeof(words));
	}
}

static bool is_weaker(const struct probe_host *a, const struct probe_host *b)
{
	return a->link != b->link ? a->link < b->link : a->bits < b->bits;
}

/* --- the domain --- */

static bool is_in_sts(const struct policy_evidence *e, const char *host)
{
	for (unsigned i = 0; i < e->sts_mx_count; i++) {
		if (policy_sts_matches(e->sts_mx[i], host))
			return true;
	}
	return false;
}

static void probe_host(const struct probe_tools *tools, const struct policy_evidence *e, unsigned i, struct probe_host *h)
{
	bool old = false; /* once is enough */

	h->host = &e->hosts[i];
	h->sts = is_in_sts(e, h->host->name);
	h->addr_count = h->host->addr_count;
	h->addrs = mem_new((h->addr_count + 1) * sizeof(*h->addrs));
	for (unsigned k = 0; k < h->addr_count; k++) {
		struct target t = { .tools = tools, .evidence = e, .host = i };
		struct probe_addr *a = &h->addrs[k];

		ctl_evidence_addr(&h->host->addrs[k], tools->port, &t.at);
		addr_print(&t.at, a->address);
		probe_webpki(&t, a);
		if (a->found.end != CTL_PROBE_READY || !a->found.facts.on)
			continue;
		probe_dane(&t, a);
		if (!old)
			probe_old(&t, a);
		old = true;
	}
	rate_host(h);
}

struct txt {
	struct loop *loop;
	struct probe_domain *to;
};

static void on_txt(void *arg, const struct route_dns_answer *a)
{
	struct txt *t = arg;
	const char *trouble = a->trouble;

	t->to->tlsrpt_failed = a->end == ROUTE_DNS_FAILED;
	if (!t->to->tlsrpt_failed)
		t->to->wants_reports = tlsrpt_send_record(a, &t->to->tlsrpt, &trouble);
	snprintf(t->to->tlsrpt_trouble, sizeof(t->to->tlsrpt_trouble), "%s", trouble);
	loop_stop(t->loop);
}

static bool probe_tlsrpt(const struct probe_tools *tools, const char *domain, struct probe_domain *d, struct why *why)
{
	struct txt t = { .loop = loop_new(), .to = d };
	struct route_dns *dns = route_dns_new(t.loop, tools->route, why);
	char name[POLICY_NAME_MOST + 16];

	snprintf(name, sizeof(name), "_smtp._tls.%s", domain);
	if (dns != NULL && policy_name_ok(span_str(name))) {
		(void)route_dns_ask(dns, name, ROUTE_DNS_TXT, tools->route->timeout, on_txt, &t);
		loop_run(t.loop, NULL, NULL);
	}
	if (dns != NULL)
		route_dns_free(dns);
	loop_free(t.loop);
	return dns != NULL;
}

static int status_of(const struct probe_domain *d)
{
	const struct policy_evidence *e = d->evidence;

	if (e->dns == EVIDENCE_DNS_FAILED)
		return EX_TEMPFAIL;
	for (unsigned i = 0; i < e->host_count; i++) {
		if (e->hosts[i].failed || e->hosts[i].tlsa_state == EVIDENCE_TLSA_FAILED)
			return EX_TEMPFAIL;
	}
	return d->weakest != NULL && d->weakest->link >= PROBE_OLD ? EX_OK : 1;
}

struct probe_domain *probe_domain(const struct probe_tools *tools, const char *domain, struct why *why)
{
	struct probe_domain *d = mem_new(sizeof(*d));

	d->evidence = route_look_up_now(tools->route, NULL, domain, why);
	if (d->evidence == NULL || !probe_tlsrpt(tools, domain, d, why)) {
		probe_domain_free(d);
		return NULL;
	}
	d->hosts = mem_new((d->evidence->host_count + 1) * sizeof(*d->hosts));
	for (unsigned i = 0; i < d->evidence->host_count; i++) {
		probe_host(tools, d->evidence, i, &d->hosts[i]);
		d->host_count++;
		if (d->weakest == NULL || is_weaker(&d->hosts[i], d->weakest))
			d->weakest = &d->hosts[i];
	}
	d->status = status_of(d);
	return d;
}

void probe_domain_free(struct probe_domain *d)
{
	for (unsigned i = 0; i < d->host_count; i++)
		free(d->hosts[i].addrs);
	free(d->hosts);
	policy_evidence_free(d->evidence);
	free(d);
}

void probe_domain_weakest(const struct probe_domain *d, char *text, size_t size)
{
	const struct policy_evidence *e = d->evidence;

	if (d->weakest != NULL)
		snprintf(text, size, "%s %s", d->weakest->host->name, d->weakest->words);
	else if (e->dns == EVIDENCE_DNS_FAILED)
		snprintf(text, size, "DNS failed: %s", e->trouble);
	else
		snprintf(text, size, "%s %s", e->domain,
			 e->dns == EVIDENCE_NULL_MX ? "takes no mail (null MX)" : "has no mail host");
}

const char *probe_link_name(enum probe_link link)
{
	static const char *const names[] = {
		[PROBE_NO_TLS] = "no-tls",           [PROBE_TLS_FAILED] = "tls-failed", [PROBE_UNREACHABLE] = "unreachable",
		[PROBE_UNVERIFIED] = "unverified",   [PROBE_OLD] = "old-version",       [PROBE_GOOD] = "good",
	};

	return names[link];
}
