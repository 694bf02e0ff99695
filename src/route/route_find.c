#include "route/route_find.h"

#include "base/must.h"
#include "route/route_mx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct host {
	struct route_find *find;
	struct evidence_host *to;
	struct route_dns_ask *a, *aaaa; /* under way */
	struct route_dns_ask *more;     /* CNAME, then TLSA, one after the other */
	struct route_family v4, v6;
	struct route_bases bases;
	unsigned base; /* that is asked for */
};

struct route_find {
	struct loop *loop;
	struct route_dns *dns;
	bool private_addresses;
	msec until;
	uint64_t seed;
	char domain[EVIDENCE_NAME_MOST];
	struct route_dns_ask *mx;
	struct policy_evidence *evidence; /* once MX is answered */
	struct host *hosts;
	unsigned waiting; /* hosts that are not done */
	uint32_t ttl;
	route_find_done *done;
	void *arg;
};

static void free_find(struct route_find *f)
{
	free(f->hosts);
	free(f);
}

void route_find_cancel(struct route_find *f)
{
	if (f->mx != NULL)
		route_dns_cancel(f->mx);
	for (unsigned i = 0; f->hosts != NULL && i < f->evidence->host_count; i++) {
		struct route_dns_ask *asks[] = { f->hosts[i].a, f->hosts[i].aaaa, f->hosts[i].more };

		for (unsigned k = 0; k < 3; k++) {
			if (asks[k] != NULL)
				route_dns_cancel(asks[k]);
		}
	}
	policy_evidence_free(f->evidence);
	free_find(f);
}

static void note_ttl(struct route_find *f, const struct route_dns_answer *a)
{
	if (a->end != ROUTE_DNS_FAILED && a->ttl < f->ttl)
		f->ttl = a->ttl;
}

/* RFC 5321 section 5.1: without MX and without any address there is nothing of that name for mail. One that has
 * addresses which we don't go to is another matter. */
static void judge_implicit(struct route_find *f)
{
	struct policy_evidence *e = f->evidence;
	const struct host *h = &f->hosts[0];

	if (h->to->addr_count > 0 || h->v4.left_out + h->v6.left_out > 0)
		return;
	e->dns = EVIDENCE_NO_DOMAIN;
	if (h->to->failed) {
		e->dns = EVIDENCE_DNS_FAILED;
		snprintf(e->trouble, sizeof(e->trouble), "no MX of %.70s, and %.70s", e->domain, h->to->trouble);
	}
	e->host_count = 0; /* it has no TLSA records that would be lost: none are asked for without an address */
}

static void finish(struct route_find *f)
{
	if (f->evidence->no_mx)
		judge_implicit(f);
	f->done(f->arg, f->evidence, f->ttl);
	free_find(f);
}

static void host_done(struct host *h)
{
	if (--h->find->waiting == 0)
		finish(h->find);
}

static msec left(const struct route_find *f)
{
	return f->until - loop_now(f->loop);
}

static void on_tlsa(void *arg, const struct route_dns_answer *a);

static void ask_tlsa(struct host *h)
{
	char name[EVIDENCE_NAME_MOST];

	while (h->base < h->bases.count && !route_tlsa_name(h->bases.names[h->base], name))
		h->base++;
	if (h->base == h->bases.count) {
		host_done(h);
		return;
	}
	h->more = route_dns_ask(h->find->dns, name, ROUTE_DNS_TLSA, left(h->find), on_tlsa, h);
}

static void on_tlsa(void *arg, const struct route_dns_answer *a)
{
	struct host *h = arg;

	h->more = NULL;
	note_ttl(h->find, a);
	if (route_tlsa_take(h->to, h->bases.names[h->base], a)) {
		host_done(h);
		return;
	}
	h->base++;
	ask_tlsa(h);
}

static void on_alias(void *arg, const struct route_dns_answer *a)
{
	struct host *h = arg;

	h->more = NULL;
	note_ttl(h->find, a);
	route_bases_alias(&h->bases, h->to, a);
	ask_tlsa(h);
}

static void take_addresses(struct host *h)
{
	if (h->a != NULL || h->aaaa != NULL)
		return;
	route_host_join(h->to, &h->v6, &h->v4);
	route_bases_of(&h->bases, h->to, &h->v6, &h->v4);
	if (h->bases.ask_alias)
		h->more = route_dns_ask(h->find->dns, h->to->name, ROUTE_DNS_CNAME, left(h->find), on_alias, h);
	else
		ask_tlsa(h);
}

static void on_a(void *arg, const struct route_dns_answer *a)
{
	struct host *h = arg;

	h->a = NULL;
	note_ttl(h->find, a);
	route_family_read(&h->v4, a, false, h->find->private_addresses);
	take_addresses(h);
}

static void on_aaaa(void *arg, const struct route_dns_answer *a)
{
	struct host *h = arg;

	h->aaaa = NULL;
	note_ttl(h->find, a);
	route_family_read(&h->v6, a, true, h->find->private_addresses);
	take_addresses(h);
}

static void ask_hosts(struct route_find *f)
{
	unsigned count = f->evidence->host_count;

	f->hosts = mem_new(count * sizeof(*f->hosts));
	f->waiting = count;
	for (unsigned i = 0; i < count; i++) {
		struct host *h = &f->hosts[i];

		h->find = f;
		h->to = &f->evidence->hosts[i];
		h->a = route_dns_ask(f->dns, h->to->name, ROUTE_DNS_A, left(f), on_a, h);
		h->aaaa = route_dns_ask(f->dns, h->to->name, ROUTE_DNS_AAAA, left(f), on_aaaa, h);
	}
}

static void on_mx(void *arg, const struct route_dns_answer *a)
{
	struct route_find *f = arg;
	struct policy_evidence *e;
	struct route_mx mx;

	f->mx = NULL;
	note_ttl(f, a);
	route_mx_read(&mx, f->domain, a, f->seed);
	e = f->evidence = policy_evidence_new(mx.dns == EVIDENCE_FOUND ? mx.count : 0, 0);
	snprintf(e->domain, sizeof(e->domain), "%s", f->domain);
	e->dns = mx.dns;
	e->mx_secure = mx.secure;
	memcpy(e->mx_owner, mx.owner, sizeof(e->mx_owner));
	e->no_mx = mx.no_mx;
	memcpy(e->trouble, mx.trouble, sizeof(e->trouble));
	for (unsigned i = 0; i < e->host_count; i++) {
		e->hosts[i].preference = mx.hosts[i].preference;
		memcpy(e->hosts[i].name, mx.hosts[i].name, sizeof(e->hosts[i].name));
	}
	if (e->host_count > 0)
		ask_hosts(f);
	else
		finish(f);
}

struct route_find *route_find(struct loop *loop, struct route_dns *dns, const char *domain, bool private_addresses, msec until,
			      uint64_t seed, route_find_done *done, void *arg)
{
	struct route_find *f = mem_new(sizeof(*f));

	*f = (struct route_find){ .loop = loop, .dns = dns, .private_addresses = private_addresses, .until = until,
				  .seed = seed, .ttl = UINT32_MAX, .done = done, .arg = arg };
	snprintf(f->domain, sizeof(f->domain), "%s", domain);
	f->mx = route_dns_ask(dns, domain, ROUTE_DNS_MX, left(f), on_mx, f);
	return f;
}
