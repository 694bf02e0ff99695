#include "unit.h"

#include "policy/policy_evidence.h"
#include "policy/policy_tlsa.h"

/* Each is copied into memory of just its size, so that the sanitizers see one octet too many. */
static bool read_copy(const unsigned char *rdata, size_t len, struct tls_tlsa *r)
{
	char *copy = malloc(len > 0 ? len : 1);
	bool ok;

	must(copy != NULL);
	memcpy(copy, rdata, len);
	ok = policy_tlsa_read(span_of(copy, len), r);
	if (ok && (r->data != (unsigned char *)copy + 3 || r->len != len - 3 || r->usage != rdata[0] || r->selector != rdata[1] ||
		   r->matching != rdata[2]))
		fail_msg("%zu octets: read as another record", len);
	free(copy);
	return ok;
}

static void test_NEW_3_usable_records(void **state)
{
	static const struct {
		const char *name;
		unsigned usage, selector, matching;
		size_t data;
		bool want;
	} rows[] = {
		{ "3 1 1", 3, 1, 1, 32, true }, { "2 0 1", 2, 0, 1, 32, true }, { "3 0 2", 3, 0, 2, 64, true },
		{ "2 1 0", 2, 1, 0, 91, true }, { "3 1 0 of one octet", 3, 1, 0, 1, true },
		{ "3 0 0 at its longest", 3, 0, 0, EVIDENCE_TLSA_DATA, true },
		{ "3 0 0 too long", 3, 0, 0, EVIDENCE_TLSA_DATA + 1, false },
		{ "PKIX-TA", 0, 0, 1, 32, false }, { "PKIX-EE", 1, 1, 1, 32, false }, { "usage 4", 4, 1, 1, 32, false },
		{ "usage 255", 255, 1, 1, 32, false }, { "selector 2", 3, 2, 1, 32, false },
		{ "selector 255", 3, 255, 1, 32, false }, { "matching 3", 3, 1, 3, 48, false },
		{ "matching 255", 3, 1, 255, 32, false }, { "SHA-256 of 31", 3, 1, 1, 31, false },
		{ "SHA-256 of 33", 3, 1, 1, 33, false }, { "SHA-256 of 64", 3, 1, 1, 64, false },
		{ "SHA-512 of 32", 3, 1, 2, 32, false }, { "SHA-512 of 63", 3, 1, 2, 63, false },
	};
	static unsigned char rdata[3 + EVIDENCE_TLSA_DATA + 1];

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct tls_tlsa r;

		rdata[0] = (unsigned char)rows[i].usage;
		rdata[1] = (unsigned char)rows[i].selector;
		rdata[2] = (unsigned char)rows[i].matching;
		want_number(rows[i].name, "usable", read_copy(rdata, 3 + rows[i].data, &r), rows[i].want);
	}
}

/* Postfix 20260524, 20260531: over-read of records of 0, 3 and less than 20 octets. */
static void test_NEW_3_short_records(void **state)
{
	static const unsigned char rdata[35] = { 3, 1, 1 };

	(void)state;
	for (size_t len = 0; len < sizeof(rdata); len++) {
		struct tls_tlsa r = { .len = 9 };

		if (read_copy(rdata, len, &r))
			fail_msg("a record of %zu octets is usable", len);
		want_number("refused", "len", r.len, 0);
	}
}

static void test_ceilings(void **state)
{
	static unsigned char data[EVIDENCE_TLSA_DATA + 1];
	struct policy_evidence *e = policy_evidence_new(1, 0);
	struct tls_tlsa digest = { 3, 1, 1, 32, data }, whole = { 3, 0, 0, EVIDENCE_TLSA_DATA, data };
	struct tls_tlsa longer = { 3, 0, 0, EVIDENCE_TLSA_DATA + 1, data };
	struct tls_tlsa rest = { 3, 0, 0, EVIDENCE_TLSA_SUM % EVIDENCE_TLSA_DATA, data };

	(void)state;
	assert_false(policy_evidence_add_tlsa(&e->hosts[0], &longer));
	for (unsigned i = 0; i < EVIDENCE_TLSA_SUM / EVIDENCE_TLSA_DATA; i++)
		assert_true(policy_evidence_add_tlsa(&e->hosts[0], &whole));
	assert_true(rest.len == 0 || policy_evidence_add_tlsa(&e->hosts[0], &rest));
	assert_false(policy_evidence_add_tlsa(&e->hosts[0], &digest));
	policy_evidence_free(e);
	e = policy_evidence_new(1, 0);
	for (unsigned i = 0; i < EVIDENCE_TLSA_MOST; i++)
		assert_true(policy_evidence_add_tlsa(&e->hosts[0], &digest));
	assert_false(policy_evidence_add_tlsa(&e->hosts[0], &digest));
	policy_evidence_free(e);
	policy_evidence_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_NEW_3_usable_records),
		cmocka_unit_test(test_NEW_3_short_records),
		cmocka_unit_test(test_ceilings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
