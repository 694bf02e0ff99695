/* route/route_dns.h
 * Questions to DNS, with DNSSEC: libunbound on our loop. It forwards to the configured resolvers or asks the name servers
 * itself, and in either case it validates by itself: what a resolver says about its own validation (AD) counts for nothing
 * (SPEC NEW-31). UDP, TCP after a truncated answer, retries and CNAME chains are libunbound's. */
#ifndef ROUTE_DNS_H
#define ROUTE_DNS_H

#include "conf/conf.h"
#include "io/loop.h"
#include "policy/policy_evidence.h"

#define ROUTE_DNS_RECORDS_MOST 64 /* of one answer, of MX the best; the rest is left out, and `more` says so */
#define ROUTE_DNS_ASKED_MOST 4096 /* questions under way at once; more fail */

enum route_dns_type {
	ROUTE_DNS_A = 1,
	ROUTE_DNS_CNAME = 5,
	ROUTE_DNS_MX = 15,
	ROUTE_DNS_TXT = 16,
	ROUTE_DNS_AAAA = 28,
	ROUTE_DNS_TLSA = 52,
};

enum route_dns_end {
	ROUTE_DNS_FOUND,     /* `records` has some */
	ROUTE_DNS_NODATA,    /* the name is there, such a record is not */
	ROUTE_DNS_NXDOMAIN,
	ROUTE_DNS_FAILED,    /* SERVFAIL, bogus, REFUSED, a malformed answer, no answer in time: `trouble` */
};

struct route_dns_record {
	struct span data;              /* as in the packet; names inside may be compressed, so MX and CNAME are read here: */
	uint16_t preference;           /* of an MX */
	bool root;                     /* its host is "." (RFC 7505) */
	char name[EVIDENCE_NAME_MOST]; /* where an MX or CNAME leads, folded; "" where policy_name_ok does not take it */
};

struct route_dns_answer {
	enum route_dns_end end;
	bool secure;               /* DNSSEC vouches for all of it: each CNAME, and the records or their absence */
	bool alias;                /* there was a CNAME at the name that was asked for (not where it was asked for itself) */
	bool more;                 /* records were left out */
	char name[EVIDENCE_NAME_MOST]; /* where the CNAMEs lead to, folded; "" where that is no name policy_name_ok takes */
	uint32_t ttl;              /* seconds: the least of all records; of a negative answer, of its SOA */
	unsigned count;
	struct route_dns_record records[ROUTE_DNS_RECORDS_MOST];
	char trouble[96];          /* printable ASCII: "SERVFAIL", "bogus: ..." */
};

struct route_dns;
struct route_dns_ask;

/* Reads the trust anchor (before a sandbox). Both are borrowed. NULL with `why`. */
MUST_CHECK struct route_dns *route_dns_new(struct loop *loop, const struct conf_route *conf, struct why *why);
void route_dns_free(struct route_dns *d); /* what is under way is dropped, its `done` not called */

typedef void route_dns_done(void *arg, const struct route_dns_answer *a);

/* `name`: policy_name_ok. `done` is called once, from the loop, never before this returns, within `patience`; the
 * answer is valid until it returns. */
struct route_dns_ask *route_dns_ask(struct route_dns *d, const char *name, enum route_dns_type type, msec patience,
				    route_dns_done *done, void *arg);
/* Before `done` was called, or not at all. */
void route_dns_cancel(struct route_dns_ask *q);

#endif
