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

struct tls_need plan_need(const struct plan_upstream *u, const struct policy_rule *rule, enum policy_direction d,
			  bool client_tls)
{
	enum need_level as_client = client_tls ? NEED_ENCRYPT : NEED_NONE;
	struct tls_need need = of_upstream(u, rule, as_client);
	enum need_level level;

	if (rule == NULL || d != POLICY_OUTBOUND)
		return need;
	level = level_of(rule->outbound, as_client);
	if (rule->why != NULL && rule->outbound != POLICY_LEVEL_UNSET)
		return raised((struct tls_need){ .level = NEED_NONE }, level, rule->min_bits);
	return rule->report ? need : raised(need, level, rule->min_bits);
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
