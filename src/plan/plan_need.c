#include "plan/plan.h"

static struct tls_need need_of(const struct plan_upstream *u, enum need_level level)
{
	/* Where there is to be no TLS, its strength is no matter. */
	return (struct tls_need){ .level = level, .min_bits = level == NEED_NONE ? 0 : u->need.min_bits };
}

/* SPEC WG-9 */
static struct tls_need of_upstream(const struct plan_upstream *u, const struct policy_rule *rule, enum need_level as_client)
{
	struct tls_need need = u->need;

	if (u->mirror)
		need.level = as_client;
	if (rule == NULL)
		return need;
	switch (rule->upstream) {
	case POLICY_UPSTREAM_UNSET:
		break;
	case POLICY_UPSTREAM_REQUIRED:
		return need_of(u, u->need.level == NEED_VERIFY ? NEED_VERIFY : NEED_ENCRYPT);
	case POLICY_UPSTREAM_PREFERRED:
		return need_of(u, NEED_MAY);
	case POLICY_UPSTREAM_ALLOWED:
		return need_of(u, as_client);
	case POLICY_UPSTREAM_NONE:
		return need_of(u, NEED_NONE);
	}
	return need;
}

static enum need_level level_of(enum policy_level level, enum need_level as_client)
{
	switch (level) {
	case POLICY_LEVEL_UNSET:
	case POLICY_LEVEL_NONE:
		break;
	case POLICY_LEVEL_MAY:
		return NEED_MAY;
	case POLICY_LEVEL_ENCRYPT:
		return NEED_ENCRYPT;
	case POLICY_LEVEL_VERIFY:
		return NEED_VERIFY;
	case POLICY_LEVEL_DANE:
		return NEED_DANE;
	case POLICY_LEVEL_MIRROR:
		return as_client;
	}
	return NEED_NONE;
}

static struct tls_need raised(struct tls_need need, enum need_level level, unsigned min_bits)
{
	/* SPEC GC-2: a strength alone asks for TLS too, and without trying there is none. */
	if (min_bits > 0 && level < NEED_MAY)
		level = NEED_MAY;
	if (level > need.level)
		need.level = level;
	if (min_bits > need.min_bits)
		need.min_bits = min_bits;
	return need;
}

static const struct tls_need nothing = { .level = NEED_NONE };

static enum need_level client_level(bool client_tls)
{
	return client_tls ? NEED_ENCRYPT : NEED_NONE;
}

/* `outbound` and min_bits. */
static struct tls_need asked(const struct policy_rule *rule, struct tls_need need, bool client_tls)
{
	return raised(need, level_of(rule->outbound, client_level(client_tls)), rule->min_bits);
}

struct tls_need plan_need(const struct plan_upstream *u, const struct policy_rule *rule, enum policy_direction d,
			  bool client_tls)
{
	struct tls_need need = of_upstream(u, rule, client_level(client_tls));
	bool exempt;

	if (rule == NULL || d != POLICY_OUTBOUND)
		return need;
	exempt = rule->why != NULL && rule->outbound != POLICY_LEVEL_UNSET;
	if (exempt)
		need = asked(rule, nothing, client_tls);
	if (!rule->report)
		return exempt ? need : asked(rule, need, client_tls);
	/* It has set all else aside, and still must not be what stops the mail. */
	if (exempt)
		need = (struct tls_need){ .level = need.level < NEED_MAY ? need.level : NEED_MAY };
	return need;
}

struct tls_need plan_need_wanted(const struct plan_upstream *u, const struct policy_rule *rule, enum policy_direction d,
				 bool client_tls)
{
	struct policy_rule strict;

	if (rule == NULL || !rule->report)
		return plan_need(u, rule, d, client_tls);
	strict = *rule;
	strict.report = false;
	return plan_need(u, &strict, d, client_tls);
}

struct tls_need plan_need_final(const struct plan_upstream *u, const struct policy_rule *rule, enum policy_direction d,
				bool client_tls)
{
	struct tls_need need = nothing;

	if (rule == NULL || d != POLICY_OUTBOUND || !rule->permanent || rule->report)
		return need;
	if (rule->upstream != POLICY_UPSTREAM_UNSET)
		need = of_upstream(u, rule, client_level(client_tls));
	return asked(rule, need, client_tls);
}

/* What asks for no more than `may` is not what the mail was stopped by. */
static bool is_least(struct tls_need need, const struct tls_need *least)
{
	return (need.level > NEED_MAY || need.min_bits > 0) && need.level >= least->level &&
	       need.min_bits >= least->min_bits;
}

bool plan_need_is_final(const struct policy_table *rules, const struct plan_upstream *u, enum policy_direction d,
			bool client_tls, int64_t now, const struct tls_need *least)
{
	const struct policy_rule *all = policy_table_find(rules, SPAN(""), d, now);
	bool final = all != NULL && is_least(plan_need_final(u, all, d, client_tls), least);

	for (size_t i = 0; final && i < policy_table_kinds(rules); i++) {
		const struct policy_rule *rule = policy_table_kind(rules, i);

		if (rule->direction == POLICY_BOTH_WAYS || rule->direction == d)
			final = is_least(plan_need_final(u, rule, d, client_tls), least);
	}
	return final;
}

struct tls_need plan_need_first(const struct policy_table *rules, const struct plan_upstream *u, enum policy_direction d,
				bool client_tls, int64_t now)
{
	/* The null reverse-path is nobody's but "*". */
	struct tls_need least = plan_need(u, policy_table_find(rules, SPAN(""), d, now), d, client_tls);
	bool wanted = least.level != NEED_NONE;

	/* Those that have expired too: that only makes it less. */
	for (size_t i = 0; i < policy_table_kinds(rules); i++) {
		const struct policy_rule *rule = policy_table_kind(rules, i);
		struct tls_need need = plan_need(u, rule, d, client_tls);

		if (rule->direction != POLICY_BOTH_WAYS && rule->direction != d)
			continue;
		wanted |= need.level != NEED_NONE;
		if (need.level < least.level)
			least.level = need.level;
		if (need.min_bits < least.min_bits)
			least.min_bits = need.min_bits;
	}
	if (wanted && least.level == NEED_NONE)
		least.level = NEED_MAY;
	return least;
}
