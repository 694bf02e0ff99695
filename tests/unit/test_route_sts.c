/* The pure parts: which record announces a policy, and how long one that is kept still holds (SPEC NEW-1, FAULTS 36). */
#include "unit.h"

#include "route/route_sts.h"
#include "route/route_sts_kept.h"

/* A row's records; strings of a TXT record have their length in front. */
static const struct {
	const char *name;
	struct span records[3];
	const char *id; /* NULL: none is announced */
	const char *trouble;
} announced[] = {
	{ "NEW-1 one record", { SPAN("\016v=STSv1; id=a1") }, "a1", "" },
	{ "NEW-1 in pieces", { SPAN("\003v=S\013TSv1; id=a1") }, "a1", "" },
	{ "NEW-1 others are passed over", { SPAN("\005other"), SPAN("\016v=STSv1; id=a1"), SPAN("\000") }, "a1", "" },
	{ "NEW-1 two are none", { SPAN("\016v=STSv1; id=a1"), SPAN("\016v=STSv1; id=a1") }, NULL,
	  "there is more than one TXT record for MTA-STS" },
	{ "NEW-1 a good and a bad one are two", { SPAN("\016v=STSv1; id=a1"), SPAN("\016v=STSv1; id=--") }, NULL,
	  "there is more than one TXT record for MTA-STS" },
	{ "NEW-1 malformed", { SPAN("\016v=STSv1; id=--") }, NULL, "the TXT record for MTA-STS is malformed" },
	{ "NEW-1 another version", { SPAN("\016v=STSv2; id=a1") }, NULL, "" },
	{ "a length beyond the record", { SPAN("\377v=STSv1; id=a1") }, "a1", "" },
	{ "empty strings", { SPAN("\0\0\016v=STSv1; id=a1\0") }, "a1", "" },
	{ "no record", { SPAN("") }, NULL, "" },
};

static void test_NEW_1_announced(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(announced); i++) {
		struct route_dns_answer a = { .end = ROUTE_DNS_FOUND };
		const char *trouble;
		char id[33] = "";

		for (unsigned k = 0; k < 3 && announced[i].records[k].len > 0; k++)
			a.records[a.count++].data = announced[i].records[k];
		want_number(announced[i].name, "announced", route_sts_announced(&a, id, &trouble),
			    announced[i].id != NULL);
		if (announced[i].id != NULL)
			want_text(announced[i].name, span_str(id), span_str(announced[i].id));
		want_text(announced[i].name, span_str(trouble), span_str(announced[i].trouble));
	}
}

/* Longer than any record that announces a policy: not read past the end of what it is gathered in. */
static void test_long_record(void **state)
{
	struct route_dns_answer a = { .end = ROUTE_DNS_FOUND, .count = 1 };
	size_t len = 65535;
	char *data = mem_new(len), id[33];
	const char *trouble;

	(void)state;
	memset(data, 255, len);
	memcpy(data + 1, "v=STSv1;", 8);
	a.records[0].data = span_of(data, len);
	assert_false(route_sts_announced(&a, id, &trouble));
	assert_string_equal(trouble, "the TXT record for MTA-STS is malformed");
	free(data);
}

#define DAY 86400
#define BORN 1000000000

static const struct {
	const char *name;
	int64_t fetched_at, until, max_age, now, left;
	bool old;
} kept[] = {
	{ "fresh",                          BORN, BORN + 4 * DAY, 4 * DAY, BORN, 4 * DAY, false },
	{ "half of it over",                BORN, BORN + 4 * DAY, 4 * DAY, BORN + 2 * DAY, 2 * DAY, true },
	{ "a second before that",           BORN, BORN + 4 * DAY, 4 * DAY, BORN + 2 * DAY - 1, 2 * DAY + 1, false },
	{ "the last second",                BORN, BORN + 4 * DAY, 4 * DAY, BORN + 4 * DAY - 1, 1, true },
	{ "over",                           BORN, BORN + 4 * DAY, 4 * DAY, BORN + 4 * DAY, 0, true },
	{ "FAULTS 36 dates in the future",  BORN + 365 * DAY, BORN + 369 * DAY, 4 * DAY, BORN, 4 * DAY, false },
	{ "FAULTS 36 after 2038",           4102444800, 4102444800 + DAY, DAY, 4102444800 + 1, DAY - 1, false },
	{ "never longer than max_age",      BORN, BORN + 300 * DAY, DAY, BORN, DAY, true },
	{ "longer than any policy may",     BORN, BORN + 10000 * (int64_t)DAY, 4 * DAY, BORN, 0, true },
	{ "dates the wrong way round",      BORN, BORN - 1, DAY, BORN - 2, 0, true },
	{ "dates before all time",          INT64_MIN, INT64_MAX, DAY, BORN, 0, true },
	{ "no age",                         BORN, BORN, 0, BORN, 0, true },
};

static void test_FAULTS_36_kept(void **state)
{
	struct policy_sts *policy = mem_new(sizeof(*policy));

	(void)state;
	for (size_t i = 0; i < ROWS(kept); i++) {
		struct store_sts s = { .fetched_at = kept[i].fetched_at, .until = kept[i].until };
		int64_t left;

		policy->max_age = kept[i].max_age;
		left = route_sts_kept_left(&s, policy, kept[i].now);
		want_number(kept[i].name, "left", (unsigned long long)left, (unsigned long long)kept[i].left);
		want_number(kept[i].name, "old", route_sts_kept_old(&s, left), kept[i].old);
	}
	free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_NEW_1_announced),
		cmocka_unit_test(test_long_record),
		cmocka_unit_test(test_FAULTS_36_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
