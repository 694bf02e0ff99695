/* policy/policy_decide.h
 * The decision: what TLS the mail for one recipient must have, to which hosts, and because of what. A pure
 * function (DESIGN law 5): no I/O, no clock. The live session, the log, the reply, the socketmap and `sallyport explain` all
 * print the same because[].
 *
 * How the sources are put together, from the one that says most:
 *   1. A rule with `why` and a level is an exemption: its level and strength are all, whatever DANE, MTA-STS, the memory and
 *      the service say.
 *   2. DANE, for each host: usable TLSA records make it `dane` for that host, and outrank MTA-STS (RFC 8461 section 2). Where neither
 *      DNSSEC vouches for the MX records nor MTA-STS for the host they prove a host that anybody could have named: then they count
 *      where no identity is demanded otherwise (3 to 6), and else for nothing (RFC 7672 section 2.2.1).
 *      Unusable ones make it `encrypt` at least. A failed TLSA lookup takes the host out (temporary), whatever MTA-STS says of it.
 *   3. MTA-STS enforce: hosts that no pattern matches are taken out, but for those of 2; the others need `verify` for their own name.
 *      testing: nothing is demanded, what would have failed is reported.
 *   4. A rule without `why` only raises: the level of each host is the greater of both. A strength without a level is `encrypt`. Where
 *      it is `dane`, hosts without usable TLSA records are taken out, and all of them where DNSSEC does not vouch for the MX records.
 *   5. The service's own level (`tls`, `min_bits`), which also only raises.
 *   6. REQUIRETLS (RFC 8689): at least `verify` with a name that DNSSEC, MTA-STS or a rule's `names` vouches for, or the domain's
 *      own where it has no MX (section 4.2.1); no exemption and no `report` relaxes it.
 * `TLS-Required: No` takes 2 and 3 away, never a rule and never the service's level (RFC 8689 section 4.2.2, SPEC NEW-5). It counts
 * for nothing beside REQUIRETLS (section 4.1). */
#ifndef POLICY_DECIDE_H
#define POLICY_DECIDE_H

#include "base/buf.h"
#include "policy/policy_evidence.h"
#include "policy/policy_rule.h"

#define POLICY_BECAUSE_MOST 24
#define POLICY_BECAUSE_TEXT 200

struct policy_question {
	struct span recipient;                   /* user@domain */
	const struct policy_rule *rule;          /* what policy_table_find said; NULL: none */
	const struct policy_evidence *evidence;  /* never NULL */
	const char *service;                     /* its name, for because[]; NULL: none */
	struct tls_need least;                   /* of the service: its level and strength. NEED_NONE: TLS is not tried without another reason */
	bool mirror;                             /* of the service: at least as the client did */
	bool client_tls;
	bool dane, sts;                          /* are honoured */
	bool requiretls;                         /* MAIL ... REQUIRETLS */
	bool tls_required_no;                    /* the header of RFC 8689 section 3 */
	unsigned remember;                       /* a host seen with TLS so often in a row must have it again; 0: never */
	bool remember_defers;                    /* ... else it is only said */
	int64_t now;                             /* wall clock: for sts_until */
};

enum policy_source { POLICY_BY_DEFAULT, POLICY_BY_RULE, POLICY_BY_STS, POLICY_BY_DANE, POLICY_BY_MEMORY, POLICY_BY_REQUIRETLS };

/* Which names the host's certificate may have, where the need is `verify` (SPEC PP-8). */
enum policy_names {
	POLICY_NAMES_HOST,   /* the host's own: MTA-STS or DNSSEC vouches for it, or nothing is demanded and it is only logged */
	POLICY_NAMES_DOMAIN, /* the recipient's domain */
	POLICY_NAMES_RULE,   /* those that the rule lists */
};

struct policy_host {
	unsigned index;          /* of the evidence's hosts */
	struct tls_need need;    /* enforced: what the session holds the facts against. `report` rules don't raise it */
	struct tls_need wanted;  /* what it would be without `report` and with testing enforced; where the facts don't meet it that is logged and counted */
	enum policy_names names; /* of `need` and `wanted` both */
	enum policy_source source; /* of the level of `need` */
	bool dane;               /* the host's TLSA records are what its certificate is held to, whatever the level */
	bool sts;                /* an MTA-STS pattern matches it */
};

/* Why there is nowhere to go; the words for the peer are in because[0], `permanent` says which class. */
enum policy_refusal {
	POLICY_DELIVER,
	POLICY_NO_DOMAIN,    /* 550 5.1.2 */
	POLICY_NULL_MX,      /* 556 5.1.10 */
	POLICY_DNS_FAILED,   /* 451 4.4.3 */
	POLICY_STS_NO_HOST,  /* MTA-STS: no MX host matches: 451 4.7.5 */
	POLICY_DANE_FAILED,  /* no host is left whose TLSA records could be had, or that has any where the rule is `dane`: 451 4.4.3 */
	POLICY_NO_ADDRESS,   /* no host has an address: 451 4.4.3 where a lookup failed, else 550 5.4.4 (permanent) */
	POLICY_NO_REQUIRETLS,/* no host could meet REQUIRETLS: 550 5.7.30 */
};

/* Why a host of the evidence may not be used. */
enum policy_out {
	POLICY_IN,
	POLICY_OUT_ADDRESS,        /* it has no address */
	POLICY_OUT_ADDRESS_FAILED, /* its addresses could not be looked up */
	POLICY_OUT_TLSA_FAILED,
	POLICY_OUT_TLSA_NONE,      /* the rule demands DANE, and it has no usable record */
	POLICY_OUT_MX_INSECURE,    /* the same, and DNSSEC does not vouch for the MX records (RFC 7672 section 2.2.1) */
	POLICY_OUT_STS,            /* no pattern matches it */
	POLICY_OUT_REQUIRETLS,     /* nobody vouches for its name */
};

struct policy_decision {
	enum policy_refusal refusal;
	bool permanent;                /* of a TLS failure at any of the hosts (of a rule with on_failure: permanent, where the rule is
	                                * `source`; with REQUIRETLS always), or of the refusal */
	bool report;                   /* the rule is in shadow mode */
	unsigned host_count;           /* those that may be tried, in order */
	struct policy_host hosts[EVIDENCE_HOSTS_MOST];
	enum policy_out out[EVIDENCE_HOSTS_MOST]; /* of each host of the evidence; POLICY_IN: it is one of `hosts` */
	const struct policy_rule *rule; /* borrowed: as long as the table lives */
	struct tls_need need;          /* the weakest of `hosts`' needs: in one word, for log and explain; with a refusal nothing */
	enum policy_source source;     /* of that */
	unsigned because_count;
	char because[POLICY_BECAUSE_MOST][POLICY_BECAUSE_TEXT]; /* printable ASCII. In order: the refusal where there is one, rule, MTA-STS, DANE, memory, REQUIRETLS, default */
};

void policy_decide(const struct policy_question *q, struct policy_decision *d);

/* The names that the certificate of d->hosts[i] may have; how many, at most POLICY_NAMES_MOST + 1. They live as long as rule and evidence. */
unsigned policy_decide_names(const struct policy_decision *d, const struct policy_evidence *e, unsigned i,
			     const char *names[POLICY_NAMES_MOST + 1]);

/* All that a connection depends on, as a text: two recipients whose keys are equal may share a leg, and a kept connection
 * serves another message under an equal key alone (law 7). Host names in order, needs, names, TLSA records,
 * class of failure, client certificate: at most some 230 KB, printable. Appends to `out`; false where that is full. */
MUST_CHECK bool policy_decide_key(const struct policy_decision *d, const struct policy_evidence *e, struct buf *out);

const char *policy_source_name(enum policy_source s);   /* "dane", "mta-sts", "rule", "default", "memory", "requiretls" */
const char *policy_refusal_name(enum policy_refusal r); /* "null-mx" */
const char *policy_out_text(enum policy_out out);       /* "it has no address"; of POLICY_IN "" */

#endif
