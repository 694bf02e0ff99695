/* route/route_mx.h
 * From answers of DNS to where the mail for a domain goes: MX records, addresses, TLSA records (RFC 5321 section 5.1, 7505,
 * 7672 section 2). Pure: what has been asked, and what is to be asked next, is route_find's. */
#ifndef ROUTE_MX_H
#define ROUTE_MX_H

#include "policy/policy_evidence.h"
#include "route/route_dns.h"

struct route_mx_host {
	uint16_t preference;
	char name[EVIDENCE_NAME_MOST];
};

struct route_mx {
	enum evidence_dns dns;
	bool secure, no_mx;
	char owner[EVIDENCE_NAME_MOST]; /* where CNAMEs lead; "": there are none */
	uint32_t ttl;
	unsigned count;
	struct route_mx_host hosts[EVIDENCE_HOSTS_MOST];
	char trouble[EVIDENCE_TEXT_MOST]; /* why DNS_FAILED; or, where FOUND, what was left out */
};

/* The answer to MX of `domain`. Hosts by preference; `seed` orders the equal ones (RFC 5321 section 5.1).
 *
 * A host that is "." beside others is passed over (RFC 7505 section 3), and so is one that is no host name, or an
 * address. Where nothing else is left the answer is nonsense, DNS_FAILED: it does say that the domain has MX
 * records, so that the domain's own address must not be tried, and it may be a mistake that somebody is about to mend. */
void route_mx_read(struct route_mx *mx, const char *domain, const struct route_dns_answer *a, uint64_t seed);

/* Addresses of one family of a host. */
struct route_family {
	enum route_dns_end end;
	bool secure, alias;
	char name[EVIDENCE_NAME_MOST]; /* where the aliases lead */
	uint32_t ttl;
	unsigned count;
	struct evidence_addr addrs[EVIDENCE_ADDRS_MOST];
	unsigned left_out; /* private ones */
	char trouble[96];
};

void route_family_read(struct route_family *f, const struct route_dns_answer *a, bool v6, bool private_addresses);

/* Puts both families into `h` (its name and preference are set): addresses of each in turn, IPv6 first (RFC 8305
 * section 4), so that the ceiling takes from both. One family that could not be looked up is overlooked where the other has
 * addresses: what is known of them is not changed by it. */
void route_host_join(struct evidence_host *h, const struct route_family *v6, const struct route_family *v4);

/* Where TLSA records are looked for (RFC 7672 section 2.2.2), in this order. */
struct route_bases {
	bool ask_alias;   /* it depends on whether the CNAME of the host itself is vouched for: ask, then route_bases_alias */
	unsigned count;
	char names[2][EVIDENCE_NAME_MOST];
};

void route_bases_of(struct route_bases *b, const struct evidence_host *h, const struct route_family *v6,
		    const struct route_family *v4);
/* The answer to CNAME of the host's name. A failure takes the host out (section 2.1.2). */
void route_bases_alias(struct route_bases *b, struct evidence_host *h, const struct route_dns_answer *a);

/* "_25._tcp." and the base; false where that is too long to be a name: it can have no records then. */
MUST_CHECK bool route_tlsa_name(const char *base, char name[EVIDENCE_NAME_MOST]);
/* The answer for a base. True where that is the end of it, whatever the end; false: the next base. */
MUST_CHECK bool route_tlsa_take(struct evidence_host *h, const char *base, const struct route_dns_answer *a);

#endif
