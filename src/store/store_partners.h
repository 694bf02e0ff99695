/* store/store_partners.h
 * The partners' database: rules that an administrator edits while the service runs (SPEC GC-10). `route` reads it and hands all
 * edges the rules when they have changed; the command `partners` changes it. Several processes may have it open. */
#ifndef STORE_PARTNERS_H
#define STORE_PARTNERS_H

#include "base/buf.h"
#include "policy/policy_rule.h"

#define STORE_PARTNERS_FILE "partners.db" /* in state_dir; the origin of its rules, too */

struct store_partners;

/* Opens it in this folder, and makes it where it is not there. One that root makes belongs to the owner of the folder, so that
 * `route` can read it. NULL with `why`: also where a newer version of ours made it. */
MUST_CHECK struct store_partners *store_partners_open(const char *folder, struct why *why);
void store_partners_free(struct store_partners *s);

/* All rules, by key. `each` borrows the rule and must not change the database. False with `why`. */
typedef void store_partners_each(void *arg, const struct policy_rule *rule);
MUST_CHECK bool store_partners_list(struct store_partners *s, store_partners_each *each, void *arg, struct why *why);

/* In the place of one with an equal key, where there is one (*was_there). `origin` does not count. False with `why`: FAULT_POLICY
 * where policy_rule_check says so or there are POLICY_RULES_MOST, FAULT_SYSTEM where it can't be written. */
MUST_CHECK bool store_partners_put(struct store_partners *s, const struct policy_rule *rule, bool *was_there,
				   struct why *why);
/* By key, in any spelling of it. */
MUST_CHECK bool store_partners_remove(struct store_partners *s, struct span key, bool *was_there, struct why *why);

/* Grows with each change, and is greater than that of any database that was there before. */
MUST_CHECK bool store_partners_generation(struct store_partners *s, uint64_t *generation, struct why *why);
/* Whether somebody else has written since the last call (true at the first). Cheap: asked every 300 ms. */
bool store_partners_changed(struct store_partners *s);

/* All rules as policy_rule_encode writes them, one behind the other, as they are in one moment. False with `why` where it
 * can't be read, one of them is not fit (what it asks for is then not known), or `out` is full. */
MUST_CHECK bool store_partners_octets(struct store_partners *s, struct buf *out, uint64_t *generation, struct why *why);

#endif
