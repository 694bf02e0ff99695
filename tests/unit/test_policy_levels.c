/* policy_decide over all combinations of what demands TLS. */
#include "policy_world.h"
#include "unit.h"

/* One cell for each default (none, may, encrypt, verify): the level's first letter, then the source's: D default, R rule,
 * S MTA-STS, A DANE; "--": the host is out. */
#define OUT "-- -- -- --"
#define DANE "dA dA dA dA"
#define STS "vS vS vS vS"
#define ALL(cell) { cell " " cell " " cell " " cell, cell " " cell " " cell " " cell, cell " " cell " " cell " " cell, \
		    cell " " cell " " cell " " cell }

struct rule_row {
	const char *name;
	enum policy_level level;
	bool exempt, report, client_tls;
	const char *without[4]; /* for TLSA none, usable, unusable, failed; without MTA-STS, and with testing */
	const char *enforce[4];
};

static const struct rule_row rule_rows[] = {
	{ "no level", POLICY_LEVEL_UNSET, false, false, false, { "nD mD eD vD", DANE, "eA eA eA vD", OUT }, { STS, DANE, STS, OUT } },
	{ "none", POLICY_LEVEL_NONE, false, false, false, { "nD mD eD vD", DANE, "eA eA eA vD", OUT }, { STS, DANE, STS, OUT } },
	{ "may", POLICY_LEVEL_MAY, false, false, false, { "mR mR eD vD", DANE, "eA eA eA vD", OUT }, { STS, DANE, STS, OUT } },
	{ "encrypt", POLICY_LEVEL_ENCRYPT, false, false, false, { "eR eR eR vD", DANE, "eR eR eR vD", OUT }, { STS, DANE, STS, OUT } },
	{ "verify", POLICY_LEVEL_VERIFY, false, false, false, { "vR vR vR vR", DANE, "vR vR vR vR", OUT },
	  { "vR vR vR vR", DANE, "vR vR vR vR", OUT } },
	{ "dane", POLICY_LEVEL_DANE, false, false, false, { OUT, "dR dR dR dR", OUT, OUT }, { OUT, "dR dR dR dR", OUT, OUT } },
	{ "mirror, client in clear", POLICY_LEVEL_MIRROR, false, false, false, { "nD mD eD vD", DANE, "eA eA eA vD", OUT },
	  { STS, DANE, STS, OUT } },
	{ "mirror, client with TLS", POLICY_LEVEL_MIRROR, false, false, true, { "eR eR eR vD", DANE, "eR eR eR vD", OUT },
	  { STS, DANE, STS, OUT } },
	{ "exemption none", POLICY_LEVEL_NONE, true, false, false, ALL("nR"), ALL("nR") },
	{ "exemption may", POLICY_LEVEL_MAY, true, false, false, ALL("mR"), ALL("mR") },
	{ "exemption encrypt", POLICY_LEVEL_ENCRYPT, true, false, false, ALL("eR"), ALL("eR") },
	{ "exemption verify", POLICY_LEVEL_VERIFY, true, false, false, ALL("vR"), ALL("vR") },
	{ "exemption dane", POLICY_LEVEL_DANE, true, false, false, { OUT, "dR dR dR dR", OUT, OUT }, { OUT, "dR dR dR dR", OUT, OUT } },
	{ "exemption without a level is none", POLICY_LEVEL_UNSET, true, false, false, { "nD mD eD vD", DANE, "eA eA eA vD", OUT },
	  { STS, DANE, STS, OUT } },
	{ "reported verify", POLICY_LEVEL_VERIFY, false, true, false, { "nD mD eD vD", DANE, "eA eA eA vD", OUT }, { STS, DANE, STS, OUT } },
	{ "reported dane", POLICY_LEVEL_DANE, false, true, false, { "nD mD eD vD", DANE, "eA eA eA vD", OUT }, { STS, DANE, STS, OUT } },
	{ "reported exemption encrypt", POLICY_LEVEL_ENCRYPT, true, true, false, ALL("mR"), ALL("mR") },
};

static struct policy_rule rule_of(const struct rule_row *row)
{
	return (struct policy_rule){ .key = TEXT("example.net"), .origin = TEXT("gw.yaml:14"), .outbound = row->level,
				     .why = row->exempt ? TEXT("why not") : NULL, .report = row->report };
}

static void check_cell(const char *name, const struct policy_question *q, const char *want)
{
	struct policy_decision d;
	char cell[3] = "--";

	policy_decide(q, &d);
	if (d.host_count > 0) {
		cell[0] = need_level_name(d.hosts[0].need.level)[0];
		cell[1] = "DRSAMQ"[d.hosts[0].source];
		want_number(name, "d.need", d.need.level, d.hosts[0].need.level);
		want_number(name, "d.source", d.source, d.hosts[0].source);
	}
	want_text(name, span_str(cell), span_of(want, 2));
}

static void check_grid(const struct rule_row *row, enum evidence_sts sts, enum evidence_tlsa tlsa)
{
	static const char *const modes[] = { "no MTA-STS", "testing", "enforce" };
	static const char *const states[] = { "no TLSA", "usable TLSA", "unusable TLSA", "failed TLSA" };
	struct policy_evidence *e = world_evidence(1);
	const struct policy_rule rule = rule_of(row);
	const char *want = (sts == EVIDENCE_STS_ENFORCE ? row->enforce : row->without)[tlsa];

	world_tlsa(e, 0, tlsa);
	world_sts(e, sts, "mx1.example.net");
	for (unsigned least = NEED_NONE; least <= NEED_VERIFY; least++) {
		struct policy_question q = world_question(e, &rule);
		char name[128];

		q.least.level = least;
		q.client_tls = row->client_tls;
		snprintf(name, sizeof(name), "rule %s, %s, %s, default %s", row->name, modes[sts], states[tlsa],
			 need_level_name(least));
		check_cell(name, &q, want + 3 * least);
	}
	policy_evidence_free(e);
}

static void test_every_level_by_every_source(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rule_rows); i++) {
		for (unsigned sts = 0; sts <= EVIDENCE_STS_ENFORCE; sts++) {
			for (unsigned tlsa = 0; tlsa <= EVIDENCE_TLSA_FAILED; tlsa++)
				check_grid(&rule_rows[i], sts, tlsa);
		}
	}
}

/* What cannot be lowered: a host that is out is as good as one at the highest level. */
static unsigned rank(const struct policy_question *q)
{
	struct policy_decision d;

	policy_decide(q, &d);
	return d.host_count > 0 ? d.hosts[0].need.level : NEED_DANE;
}

static void check_invariants(const char *name, const struct policy_question *q)
{
	const char *names[POLICY_NAMES_MOST + 1];
	struct policy_decision d;

	policy_decide(q, &d);
	want_number(name, "delivers", d.refusal == POLICY_DELIVER, d.host_count > 0);
	for (unsigned i = 0; i < d.host_count; i++) {
		const struct policy_host *h = &d.hosts[i];

		if (h->wanted.level < h->need.level || h->wanted.min_bits < h->need.min_bits)
			fail_msg("%s: less wanted than needed", name);
		if (h->source == POLICY_BY_STS && h->names != POLICY_NAMES_HOST)
			fail_msg("%s: MTA-STS is about the host's own name", name);
		if (h->need.level == NEED_DANE && !h->dane)
			fail_msg("%s: DANE without records", name);
		if (policy_decide_names(&d, q->evidence, i, names) == 0)
			fail_msg("%s: no name", name);
		if (q->requiretls && h->need.level < NEED_VERIFY)
			fail_msg("%s: REQUIRETLS with less than verify", name);
	}
	for (unsigned i = 0; i < d.because_count; i++)
		want_number(name, "text", d.because[i][0] != '\0', true);
}

static void check_more_evidence(const struct rule_row *row, struct policy_question q, enum evidence_sts sts, bool match,
				enum evidence_tlsa tlsa)
{
	const struct policy_rule rule = rule_of(row);
	struct policy_evidence *less = world_evidence(1), *dane = world_evidence(1), *both = world_evidence(1);
	const char *pattern = match ? "*.example.net" : "*.example.org";
	unsigned before, with_dane, with_both;
	bool sets_aside = row->exempt || q.tls_required_no;

	q.rule = &rule;
	world_tlsa(dane, 0, tlsa);
	world_tlsa(both, 0, tlsa);
	world_sts(both, sts, pattern);
	q.evidence = less;
	before = rank(&q);
	q.evidence = dane;
	with_dane = rank(&q);
	q.evidence = both;
	with_both = rank(&q);
	check_invariants(row->name, &q);
	if (with_dane < before || with_both < with_dane)
		fail_msg("rule %s: %u without evidence, %u with DANE %u, %u with MTA-STS %u too", row->name, before, with_dane,
			 tlsa, with_both, sts);
	/* And in the other order. */
	world_sts(less, sts, pattern);
	q.evidence = less;
	if (rank(&q) < before || with_both < rank(&q))
		fail_msg("rule %s: DANE %u lowers what MTA-STS %u demands", row->name, tlsa, sts);
	if (!sets_aside && tlsa == EVIDENCE_TLSA_USABLE && with_both < NEED_DANE)
		fail_msg("rule %s: usable TLSA records are not held to", row->name);
	policy_evidence_free(less);
	policy_evidence_free(dane);
	policy_evidence_free(both);
}

static void test_NEW_3_more_evidence_never_lowers_a_need(void **state)
{
	(void)state;
	for (unsigned n = 0; n < ROWS(rule_rows) * 2 * 2 * 4 * 3 * 2 * 4; n++) {
		struct policy_question q = world_question(NULL, NULL);
		const struct rule_row *row = &rule_rows[n % ROWS(rule_rows)];
		unsigned rest = n / ROWS(rule_rows);

		q.tls_required_no = rest % 2;
		q.remember = rest / 2 % 2;
		q.least.level = rest / 4 % 4;
		q.client_tls = row->client_tls;
		check_more_evidence(row, q, rest / 16 % 3, rest / 48 % 2, rest / 96 % 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_level_by_every_source),
		cmocka_unit_test(test_NEW_3_more_evidence_never_lowers_a_need),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
