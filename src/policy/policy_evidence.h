/* policy/policy_evidence.h
 * What `route` has found out about the domain of a recipient: where its mail goes (MX and addresses), what
 * of that DNSSEC vouches for, TLSA records, MTA-STS, and what is remembered of its hosts. Facts without a judgement:
 * that is policy_decide's. It travels between the processes as octets (policy_message.h); `sallyport explain` prints it.
 *
 * Names are lower case A-labels without a dot at the end, checked letter for letter (policy_name_ok) before they
 * get here: nothing that DNS says is printed, logged or sent anywhere unseen. */
#ifndef POLICY_EVIDENCE_H
#define POLICY_EVIDENCE_H

#include "base/span.h"
#include "tls/tls_need.h"

#define EVIDENCE_HOSTS_MOST 16  /* MX hosts; those of the worst preference are left out */
#define EVIDENCE_ADDRS_MOST 8   /* addresses of one host */
#define EVIDENCE_TLSA_MOST 16   /* usable TLSA records of one host */
#define EVIDENCE_TLSA_DATA 4096 /* octets of one record's data; longer ones are unusable */
#define EVIDENCE_TLSA_SUM 6144  /* octets of the data of all records of one host: so that all evidence fits into POLICY_MESSAGE_MOST */
#define EVIDENCE_MX_MOST 64     /* `mx` lines of an MTA-STS policy */
#define EVIDENCE_NAME_MOST 256  /* with NUL */
#define EVIDENCE_TEXT_MOST 160

enum evidence_dns {
	EVIDENCE_FOUND,      /* `hosts` are where the mail goes */
	EVIDENCE_NO_DOMAIN,  /* no such domain, or one without MX and address: 550 5.1.2 */
	EVIDENCE_NULL_MX,    /* "MX 0 .": 556 5.1.10 (RFC 7505) */
	EVIDENCE_DNS_FAILED, /* SERVFAIL, bogus, timeout, nonsense: 451 4.4.3, and never "no policy" */
};

enum evidence_tlsa {
	EVIDENCE_TLSA_NONE,     /* there are none, or DNSSEC does not vouch for where they would be */
	EVIDENCE_TLSA_USABLE,   /* `tlsa` has them */
	EVIDENCE_TLSA_UNUSABLE, /* there are some, and none that could be used: TLS without authentication (RFC 7672 section 2.2) */
	EVIDENCE_TLSA_FAILED,   /* the lookup failed or is bogus: this host must not be used now (section 2.1.2) */
};

struct evidence_addr {
	bool v6;
	unsigned char octets[16]; /* network order; IPv4: the first four */
};

struct evidence_host {
	char name[EVIDENCE_NAME_MOST];
	char tlsa_base[EVIDENCE_NAME_MOST]; /* where TLSA records were found, SNI for DANE (RFC 7672 section 2.2.2, 8.1); "" without */
	uint16_t preference;
	bool secure;             /* DNSSEC vouches for its addresses (of the name, or of what its CNAME leads to) */
	bool failed;             /* its addresses could not be looked up: `trouble` */
	unsigned addr_count;
	struct evidence_addr addrs[EVIDENCE_ADDRS_MOST];
	enum evidence_tlsa tlsa_state;
	unsigned tlsa_count;
	struct tls_tlsa *tlsa;   /* owned by the evidence, data and all */
	unsigned seen_tls;       /* deliveries with TLS in a row, as remembered (decayed); SPEC NEW-33 */
	char trouble[EVIDENCE_TEXT_MOST];
};

enum evidence_sts {
	EVIDENCE_STS_NONE,    /* no policy, or none could be had and none is cached */
	EVIDENCE_STS_TESTING,
	EVIDENCE_STS_ENFORCE,
};

struct policy_evidence {
	char domain[EVIDENCE_NAME_MOST];
	enum evidence_dns dns;
	char trouble[EVIDENCE_TEXT_MOST]; /* with DNS_FAILED: what, in words: "MX of example.net: SERVFAIL" */
	bool mx_secure;                   /* DNSSEC vouches for the MX records (or for there being none) */
	char mx_owner[EVIDENCE_NAME_MOST]; /* where CNAMEs lead from the domain: the MX records stand there; "": at the domain itself */
	bool no_mx;                       /* there is none: the one host is the domain itself (RFC 5321 section 5.1) */
	unsigned host_count;
	struct evidence_host *hosts;      /* by preference, as many as were found up to the ceiling; equal ones in random order */

	enum evidence_sts sts;
	char sts_id[40];
	char sts_trouble[EVIDENCE_TEXT_MOST]; /* why there is none although DNS announces one; "" */
	int64_t sts_until;                    /* the cached policy holds until then, wall clock */
	unsigned sts_mx_count;
	char (*sts_mx)[EVIDENCE_NAME_MOST];   /* patterns: "mx.example.net", "*.example.net" */

	int64_t found_at, good_until;         /* wall clock: by the TTLs, within bounds */
};

/* All on the heap, to be freed together. `host_count`, `sts_mx_count` places are made, empty. */
struct policy_evidence *policy_evidence_new(unsigned host_count, unsigned sts_mx_count);
void policy_evidence_free(struct policy_evidence *e);
/* Adds a copy of the record to a host; false where there are EVIDENCE_TLSA_MOST, or its data is too long, alone or with that of the
 * others. `tlsa_state` is the caller's to set: USABLE where there is at least one, and only there. */
MUST_CHECK bool policy_evidence_add_tlsa(struct evidence_host *h, const struct tls_tlsa *record);

#endif
