/* policy/policy_key.h
 * The key of a rule in the form in which keys are compared, and the keys that an address is looked up under. */
#ifndef POLICY_KEY_H
#define POLICY_KEY_H

#include "policy/policy_name.h"

#define POLICY_KEY_LOCAL_MOST 256 /* octets, as smtp_addr.h takes them */
#define POLICY_KEY_MOST (POLICY_KEY_LOCAL_MOST + 1 + POLICY_NAME_MOST)
#define POLICY_KEYS_MOST 260      /* of one address: 253 octets hold 127 labels at most, with two keys each */

/* "user@example.net", "example.net", ".example.net" (for "*.example.net" too), "*@example.net", "*". Counted, as a local part
 * may hold any octet. */
struct policy_key {
	size_t len;
	char at[POLICY_KEY_MOST];
};

/* False where it is none of the forms in policy_rule.h. Of a local part ASCII case does not count, nor whether it is written
 * as a Quoted-string: who could choose between the spellings of one mailbox could choose between rules. */
MUST_CHECK bool policy_key_read(struct span text, struct policy_key *key);

/* The keys that an address (user@domain, or a domain alone) is looked up under, the most specific first. */
struct policy_keys {
	unsigned count;                      /* the last is always "*" */
	struct span at[POLICY_KEYS_MOST];    /* into the two below, so this is not to be copied */
	struct policy_key address;
	char domain[2 + POLICY_NAME_MOST];   /* "*@" and the domain */
};
void policy_keys_of(struct policy_keys *keys, struct span address);

int policy_key_compare(struct span a, struct span b);

#endif
