/* policy/policy_rule.h
 * Rules for partners, and how the one for an address is found: most specific first. In the order of
 * preference: the address itself (user@domain), the domain itself, then, label by label upwards, what covers it
 * from above, then "*". The forms of a key (SPEC GC-3, PP-12 and "Conflicts and traps"):
 *
 *   user@example.net   that address alone
 *   example.net        the domain and all below it
 *   .example.net       all below it, not the domain itself
 *   *.example.net      the same as ".example.net"
 *   *@example.net      the domain itself, not what is below it
 *   *                  all others
 *
 * Only whole labels match; ASCII case and a dot at the end don't count; U-labels are compared as A-labels
 * (policy_name.h). A more specific rule can ask for less than the one above it. */
#ifndef POLICY_RULE_H
#define POLICY_RULE_H

#include "base/span.h"
#include "base/why.h"
#include "tls/tls_need.h"

#define POLICY_NAMES_MOST 16
#define POLICY_RULES_MOST 200000
#define POLICY_TEXT_MOST 1024 /* octets of key, origin, certificate, why */

/* On which way a rule holds (SPEC GC-9). */
enum policy_direction { POLICY_BOTH_WAYS, POLICY_OUTBOUND, POLICY_INBOUND };

/* SPEC WG-9: what is asked of the client's side for such a recipient, and of the upstream's. */
enum policy_client { POLICY_CLIENT_UNSET, POLICY_CLIENT_REQUIRED, POLICY_CLIENT_OPTIONAL, POLICY_CLIENT_NONE };
enum policy_upstream {
	POLICY_UPSTREAM_UNSET, POLICY_UPSTREAM_REQUIRED, POLICY_UPSTREAM_PREFERRED,
	POLICY_UPSTREAM_ALLOWED, /* as on the client's side */
	POLICY_UPSTREAM_NONE,
};

enum policy_level {
	POLICY_LEVEL_UNSET, POLICY_LEVEL_NONE, POLICY_LEVEL_MAY, POLICY_LEVEL_ENCRYPT, POLICY_LEVEL_VERIFY,
	POLICY_LEVEL_DANE, POLICY_LEVEL_MIRROR,
};

struct policy_rule {
	char *key;                    /* as written */
	char *origin;                 /* where it stands: "gw.yaml:14", "/etc/sallyport/tls.list:3", "partners.db" */
	enum policy_client client;
	enum policy_upstream upstream;
	enum policy_level outbound;   /* towards the domain: all seven */
	enum policy_level inbound;    /* mail from it, or to it where it is ours: unset, none, may, encrypt */
	unsigned min_bits;            /* of outbound; 0: any */
	char *names[POLICY_NAMES_MOST]; unsigned name_count; /* that the certificate may have; none: the domain, or a host that is vouched for */
	char *certificate;            /* name of our client certificate; NULL: none */
	bool permanent;               /* on_failure: 5xx instead of 4xx */
	bool report;                  /* shadow: what would have failed is logged and counted, and delivered all the same */
	enum policy_direction direction;
	int64_t expires;              /* wall clock, seconds; 0: never. After that it is as if it were not there */
	char *why;                    /* of an exemption: the only rule that can ask for less than DANE and MTA-STS do; NULL */
};

/* Whether the key is one of the forms above, `inbound` a level that it may have, and all texts are within their
 * bounds, not empty and without control characters (names: at most 255 octets); `why` (FAULT_POLICY) says what is wrong. No other rule gets into a table or travels. */
MUST_CHECK bool policy_rule_check(const struct policy_rule *r, struct why *why);

/* A set of rules to look up in. Owns copies. Immutable once built and counted, so that a transaction can hold the one it
 * began with (GC-10). */
struct policy_table;

struct policy_table_maker;
struct policy_table_maker *policy_table_begin(void);
/* Adds a copy. False with `why` (FAULT_POLICY) where policy_rule_check says so, or there is a rule with
 * an equal key already (the first stands; `why` names its origin), or there are POLICY_RULES_MOST. */
MUST_CHECK bool policy_table_add(struct policy_table_maker *m, const struct policy_rule *rule, struct why *why);
struct policy_table *policy_table_end(struct policy_table_maker *m, uint64_t generation); /* frees the maker; refs 1 */

struct policy_table *policy_table_hold(struct policy_table *t);
void policy_table_release(struct policy_table *t); /* NULL is fine */
uint64_t policy_table_generation(const struct policy_table *t);
size_t policy_table_count(const struct policy_table *t);
const struct policy_rule *policy_table_at(const struct policy_table *t, size_t i); /* sorted by key */
/* One rule of each kind: rules are of a kind that differ in key, origin, names, certificate, inbound, expires and the words of
 * an exemption alone. So what no recipient is known for yet can be told without a look at all of them. */
size_t policy_table_kinds(const struct policy_table *t);
const struct policy_rule *policy_table_kind(const struct policy_table *t, size_t i);

/* The rule for an address (user@domain, or a domain alone; an empty one, the null reverse-path, matches "*" alone) that
 * holds in this direction (POLICY_OUTBOUND or POLICY_INBOUND; a rule of the other is passed over) and has not expired by `now`;
 * NULL: none. An address literal as domain ("[192.0.2.1]") matches itself and "*". */
const struct policy_rule *policy_table_find(const struct policy_table *t, struct span address,
					    enum policy_direction direction, int64_t now);

/* Rules as octets, for the way between processes. Decoding is total and strict: what decodes is a rule that
 * policy_table_add takes, and encodes to the same octets again. */
struct buf;
/* False, with nothing appended, where `out` is full or policy_rule_check says no. */
MUST_CHECK bool policy_rule_encode(const struct policy_rule *r, struct buf *out);
/* Takes one rule off the front of `rest`. The strings of `r` are its own: policy_rule_free. False with `why` (FAULT_PEER): `rest`
 * is as it was, and there is nothing to free. */
MUST_CHECK bool policy_rule_decode(struct span *rest, struct policy_rule *r, struct why *why);
void policy_rule_free(struct policy_rule *r); /* what it points to, not itself */

const char *policy_level_name(enum policy_level level); /* "verify"; "unset" */
const char *policy_direction_name(enum policy_direction d);

#endif
