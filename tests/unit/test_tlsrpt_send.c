#include "ctl/tlsrpt_send.h"
#include "unit.h"

#define GOOD "\x25v=TLSRPTv1; rua=mailto:a@b.example.net"

static const struct {
	const char *name;
	struct span txt[3];
	bool fine;
	const char *trouble;
} rows[] = {
	{ "one", { SPAN(GOOD) }, true, "" },
	{ "in two strings", { SPAN("\x0bv=TLSRPTv1;\x12rua=mailto:a@b.net") }, true, "" },
	{ "others beside it", { SPAN("\x05hello"), SPAN(GOOD), SPAN("\x00") }, true, "" },
	{ "none", { SPAN("") }, false, "" },
	{ "another version alone", { SPAN("\x1av=TLSRPTv2; rua=mailto:a@b") }, false, "" },
	{ "two", { SPAN(GOOD), SPAN(GOOD) }, false, "there is more than one TXT record for reports" },
	{ "two, one malformed", { SPAN(GOOD), SPAN("\x0bv=TLSRPTv1;") }, false, "there is more than one TXT record for reports" },
	{ "malformed", { SPAN("\x0bv=TLSRPTv1;") }, false, "the TXT record for reports is malformed" },
};

static void test_NEW_4_the_one_record(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct route_dns_answer a = { .end = ROUTE_DNS_FOUND };
		struct policy_tlsrpt record;
		const char *trouble;

		for (size_t n = 0; n < 3 && rows[i].txt[n].at != NULL; n++)
			a.records[a.count++].data = rows[i].txt[n];
		want_number(rows[i].name, "found", tlsrpt_send_record(&a, &record, &trouble), rows[i].fine);
		want_text(rows[i].name, span_str(trouble), span_str(rows[i].trouble));
		a.end = ROUTE_DNS_NODATA;
		want_number(rows[i].name, "found where there is none", tlsrpt_send_record(&a, &record, &trouble), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_NEW_4_the_one_record) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
