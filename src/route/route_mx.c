#include "route/route_mx.h"

#include "base/must.h"
#include "policy/policy_name.h"
#include "policy/policy_tlsa.h"
#include "tls/tls_dane.h"
#include "route/route_addr.h"

#include <stdio.h>
#include <string.h>

/* A name whose last label is all digits is none of a host, but looks like an address (RFC 1123 section 2.1). */
static bool is_host_name(const char *name)
{
	const char *dot = strrchr(name, '.');
	const char *last = dot != NULL ? dot + 1 : name;

	return name[0] != '\0' && strspn(last, "0123456789") != strlen(last);
}

static uint64_t next_random(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15u; /* splitmix64: nobody gains by guessing it */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* All records, before the ceiling: the best ones are to be kept. */
struct hosts {
	unsigned count;
	struct {
		const struct route_dns_record *record;
		uint64_t lot;
	} at[ROUTE_DNS_RECORDS_MOST];
};

static void add_host(struct hosts *all, const struct route_dns_record *r, uint64_t lot)
{
	unsigned i;

	for (i = 0; i < all->count; i++) {
		if (strcmp(all->at[i].record->name, r->name) != 0)
			continue;
		if (r->preference < all->at[i].record->preference)
			all->at[i].record = r;
		return;
	}
	all->at[i].record = r;
	all->at[i].lot = lot;
	all->count++;
}

static bool comes_before(const struct hosts *all, unsigned a, unsigned b)
{
	uint16_t pa = all->at[a].record->preference, pb = all->at[b].record->preference;

	return pa != pb ? pa < pb : all->at[a].lot < all->at[b].lot;
}

static void take_best(struct hosts *all, struct route_mx *mx)
{
	while (all->count > 0 && mx->count < EVIDENCE_HOSTS_MOST) {
		struct route_mx_host *to = &mx->hosts[mx->count++];
		unsigned best = 0;

		for (unsigned i = 1; i < all->count; i++) {
			if (comes_before(all, i, best))
				best = i;
		}
		to->preference = all->at[best].record->preference;
		memcpy(to->name, all->at[best].record->name, sizeof(to->name));
		all->at[best] = all->at[--all->count];
	}
}

static void read_hosts(struct route_mx *mx, const char *domain, const struct route_dns_answer *a, uint64_t seed)
{
	struct hosts all = { 0 };
	unsigned nulls = 0, bad = 0;

	for (unsigned i = 0; i < a->count; i++) {
		const struct route_dns_record *r = &a->records[i];

		if (r->root)
			nulls++;
		else if (!is_host_name(r->name))
			bad++;
		else
			add_host(&all, r, next_random(&seed));
	}
	mx->dns = all.count > 0 ? EVIDENCE_FOUND : bad > 0 ? EVIDENCE_DNS_FAILED : EVIDENCE_NULL_MX;
	if (bad > 0)
		snprintf(mx->trouble, sizeof(mx->trouble), "MX of %.80s: %s%u that %s no host name", domain,
			 all.count > 0 ? "left out " : "nothing but ", bad, bad == 1 ? "is" : "are");
	else if (all.count > 0 && nulls > 0)
		snprintf(mx->trouble, sizeof(mx->trouble), "MX of %.80s: a null MX beside others is overlooked", domain);
	else if (all.count > EVIDENCE_HOSTS_MOST || a->more)
		snprintf(mx->trouble, sizeof(mx->trouble), "MX of %.80s: too many, the first %d count", domain,
			 EVIDENCE_HOSTS_MOST);
	take_best(&all, mx);
}

void route_mx_read(struct route_mx *mx, const char *domain, const struct route_dns_answer *a, uint64_t seed)
{
	*mx = (struct route_mx){ .secure = a->secure, .ttl = a->ttl };
	if (a->alias)
		memcpy(mx->owner, a->name, sizeof(mx->owner));
	switch (a->end) {
	case ROUTE_DNS_FOUND:
		read_hosts(mx, domain, a, seed);
		return;
	case ROUTE_DNS_NODATA: /* RFC 5321 section 5.1: as if it had an MX record that points to itself */
		mx->dns = EVIDENCE_FOUND;
		mx->no_mx = true;
		mx->count = 1;
		snprintf(mx->hosts[0].name, sizeof(mx->hosts[0].name), "%s", domain);
		return;
	case ROUTE_DNS_NXDOMAIN:
		mx->dns = EVIDENCE_NO_DOMAIN;
		return;
	case ROUTE_DNS_FAILED:
		break;
	}
	mx->dns = EVIDENCE_DNS_FAILED;
	snprintf(mx->trouble, sizeof(mx->trouble), "MX of %.80s: %.60s", domain, a->trouble);
}

void route_family_read(struct route_family *f, const struct route_dns_answer *a, bool v6, bool private_addresses)
{
	struct evidence_addr addr;

	*f = (struct route_family){ .end = a->end, .secure = a->secure, .alias = a->alias, .ttl = a->ttl };
	memcpy(f->name, a->name, sizeof(f->name));
	memcpy(f->trouble, a->trouble, sizeof(f->trouble));
	for (unsigned i = 0; i < a->count && f->count < EVIDENCE_ADDRS_MOST; i++) {
		if (!route_addr_read(a->records[i].data, v6, &addr))
			continue;
		if (!private_addresses && route_addr_private(&addr))
			f->left_out++;
		else
			f->addrs[f->count++] = addr;
	}
	/* Nothing in it that is an address, though it says so. */
	if (a->count > 0 && f->count + f->left_out == 0) {
		f->end = ROUTE_DNS_FAILED;
		f->secure = false;
		snprintf(f->trouble, sizeof(f->trouble), "a malformed answer");
	}
}

static void say_trouble(struct evidence_host *h, const struct route_family *v6, const struct route_family *v4)
{
	const struct route_family *bad = v4->end == ROUTE_DNS_FAILED ? v4 : v6;
	unsigned left_out = v4->left_out + v6->left_out;

	if (bad->end == ROUTE_DNS_FAILED)
		snprintf(h->trouble, sizeof(h->trouble), "%s of it: %.80s", bad == v4 ? "A" : "AAAA", bad->trouble);
	else if (left_out > 0)
		snprintf(h->trouble, sizeof(h->trouble), "%u private %s of it left out", left_out,
			 left_out == 1 ? "address" : "addresses");
	else if (h->addr_count == 0)
		snprintf(h->trouble, sizeof(h->trouble), "it has no address");
}

void route_host_join(struct evidence_host *h, const struct route_family *v6, const struct route_family *v4)
{
	const struct route_family *both[2] = { v6, v4 };
	bool secure = true;

	for (unsigned i = 0; i < 2 * EVIDENCE_ADDRS_MOST && h->addr_count < EVIDENCE_ADDRS_MOST; i++) {
		if (i / 2 < both[i % 2]->count)
			h->addrs[h->addr_count++] = both[i % 2]->addrs[i / 2];
	}
	/* RFC 7672 section 2.2.2: all that was answered must be vouched for, the absence of a family too. One that failed was not
	 * answered; if its addresses are not used, nothing hangs on it. */
	for (unsigned i = 0; i < 2; i++)
		secure &= both[i]->end == ROUTE_DNS_FAILED || both[i]->secure;
	h->failed = h->addr_count == 0 && (v6->end == ROUTE_DNS_FAILED || v4->end == ROUTE_DNS_FAILED);
	h->secure = secure && !h->failed;
	say_trouble(h, v6, v4);
}

static void add_base(struct route_bases *b, const char *name)
{
	if (name[0] != '\0' && (b->count == 0 || strcmp(b->names[0], name) != 0))
		snprintf(b->names[b->count++], sizeof(b->names[0]), "%s", name);
}

/* RFC 7672 section 2.2.2. A host whose addresses DNSSEC does not vouch for has none, and is not even asked for
 * (many a name server of such zones answers to TLSA with errors); unless it is an alias, whose own zone may be signed though
 * that of the target is not. */
void route_bases_of(struct route_bases *b, const struct evidence_host *h, const struct route_family *v6,
		    const struct route_family *v4)
{
	const struct route_family *f = v4->end != ROUTE_DNS_FAILED ? v4 : v6;

	*b = (struct route_bases){ 0 };
	if (h->failed || h->addr_count == 0)
		return;
	if (!h->secure) {
		b->ask_alias = f->alias;
		return;
	}
	if (f->alias)
		add_base(b, f->name);
	add_base(b, h->name);
}

void route_bases_alias(struct route_bases *b, struct evidence_host *h, const struct route_dns_answer *a)
{
	b->ask_alias = false;
	if (a->end == ROUTE_DNS_FAILED) {
		h->tlsa_state = EVIDENCE_TLSA_FAILED;
		snprintf(h->trouble, sizeof(h->trouble), "CNAME of it: %.80s", a->trouble);
	} else if (a->end == ROUTE_DNS_FOUND && a->secure) {
		add_base(b, h->name);
	}
}

bool route_tlsa_name(const char *base, char name[EVIDENCE_NAME_MOST])
{
	return snprintf(name, EVIDENCE_NAME_MOST, "_25._tcp.%s", base) < EVIDENCE_NAME_MOST &&
	       policy_name_ok(span_str(name));
}

/* Usable ones are kept; that there are others does not matter then (RFC 6698 section 4.1). */
static void take_records(struct evidence_host *h, const struct route_dns_answer *a)
{
	unsigned left_out = 0;

	for (unsigned i = 0; i < a->count; i++) {
		struct tls_tlsa record;

		/* A full certificate or key has to be one. */
		if (policy_tlsa_read(a->records[i].data, &record) && tls_dane_usable(&record) &&
		    !policy_evidence_add_tlsa(h, &record))
			left_out++;
	}
	h->tlsa_state = h->tlsa_count > 0 ? EVIDENCE_TLSA_USABLE : EVIDENCE_TLSA_UNUSABLE;
	if (h->tlsa_count == 0)
		snprintf(h->trouble, sizeof(h->trouble), "none of its %u TLSA records can be used", a->count);
	else if (left_out > 0 || a->more)
		snprintf(h->trouble, sizeof(h->trouble), "too many TLSA records, the first %u count", h->tlsa_count);
}

bool route_tlsa_take(struct evidence_host *h, const char *base, const struct route_dns_answer *a)
{
	/* Section 2.1.2: not to know whether there are any is not the same as none. */
	if (a->end == ROUTE_DNS_FAILED) {
		h->tlsa_state = EVIDENCE_TLSA_FAILED;
		snprintf(h->trouble, sizeof(h->trouble), "TLSA of it: %.80s", a->trouble);
		return true;
	}
	/* Section 2.2: insecure ones are as if there were none. */
	if (a->end != ROUTE_DNS_FOUND || !a->secure)
		return false;
	snprintf(h->tlsa_base, sizeof(h->tlsa_base), "%s", base);
	take_records(h, a);
	return true;
}
