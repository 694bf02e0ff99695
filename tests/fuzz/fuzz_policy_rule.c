/* After "O": octets of rules; what decodes is a rule for a table, and encodes to the same octets. Otherwise keys, one a line, and
 * an address: what is found is what a walk through all of them finds, and covers the address label by label. */
#include "base/buf.h"
#include "base/must.h"
#include "policy/policy_key.h"
#include "policy/policy_rule.h"

#include <string.h>

#define KEYS_MOST 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_octets(struct span rest)
{
	struct policy_rule r;
	struct why why;

	for (;;) {
		struct span before = rest;
		struct buf again;

		if (!policy_rule_decode(&rest, &r, &why)) {
			must(rest.at == before.at && rest.len == before.len);
			return;
		}
		must(policy_rule_check(&r, &why));
		buf_init(&again, before.len);
		must(policy_rule_encode(&r, &again));
		must(span_eq(buf_peek(&again), span_first(before, before.len - rest.len)));
		buf_free(&again);
		policy_rule_free(&r);
	}
}

/* The key that covers the address best, found the slow way. */
static const struct policy_rule *walk(const struct policy_table *t, struct span address)
{
	struct policy_keys keys;
	struct policy_key key;

	policy_keys_of(&keys, address);
	for (unsigned k = 0; k < keys.count; k++) {
		for (size_t i = 0; i < policy_table_count(t); i++) {
			const struct policy_rule *r = policy_table_at(t, i);

			must(policy_key_read(span_str(r->key), &key));
			if (span_eq(span_of(key.at, key.len), keys.at[k]))
				return r;
		}
	}
	return NULL;
}

static void check_covers(const struct policy_rule *r, struct span address)
{
	char folded[POLICY_NAME_MOST];
	struct policy_key key;
	struct span domain, covered;

	must(policy_key_read(span_str(r->key), &key));
	if (key.len == 1 && key.at[0] == '*')
		return;
	must(policy_name_fold(policy_name_domain(address), folded));
	domain = span_str(folded);
	covered = policy_name_domain(span_of(key.at, key.len));
	must(span_ends_nocase(domain, covered));
	if (covered.len < key.len)
		must(span_eq(domain, covered));
	else if (covered.len < domain.len)
		must(covered.at[0] == '.' || domain.at[domain.len - covered.len - 1] == '.');
	else
		must(covered.at[0] != '.');
}

static void add(struct policy_table_maker *m, struct span line)
{
	char key[1024], origin[] = "x";
	struct policy_rule rule = { .key = key, .origin = origin };
	struct why why;

	if (line.len >= sizeof(key) || memchr(line.at, '\0', line.len) != NULL)
		return;
	memcpy(key, line.at, line.len);
	key[line.len] = '\0';
	if (!policy_table_add(m, &rule, &why))
		must(why.fault == FAULT_POLICY);
}

static void check_keys(struct span rest)
{
	struct policy_table_maker *m = policy_table_begin();
	const struct policy_rule *found;
	struct policy_table *t;

	for (unsigned i = 0; i < KEYS_MOST && span_find(rest, '\n') < rest.len; i++) {
		struct span line = span_cut(&rest, '\n');

		if (line.len > 0)
			add(m, line);
	}
	t = policy_table_end(m, 1);
	found = policy_table_find(t, rest, POLICY_OUTBOUND, 0);
	must(found == walk(t, rest));
	if (found != NULL)
		check_covers(found, rest);
	policy_table_release(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);

	if (size > 0 && data[0] == 'O')
		check_octets(span_from(in, 1));
	else
		check_keys(in);
	return 0;
}
