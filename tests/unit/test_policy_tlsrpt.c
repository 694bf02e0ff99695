#include "unit.h"

#include "policy/policy_tlsrpt.h"

static void test_NEW_4_record(void **state)
{
	static const struct {
		const char *name;
		struct span in;
		unsigned want;
		const char *last;
	} rows[] = {
		{ "mail", SPAN("v=TLSRPTv1; rua=mailto:reports@example.net"), 1, "mailto:reports@example.net" },
		{ "without blanks", SPAN("v=TLSRPTv1;rua=mailto:reports@example.net;"), 1, "mailto:reports@example.net" },
		{ "https", SPAN("v=TLSRPTv1; rua=https://r.example.net/v1/tlsrpt"), 1, "https://r.example.net/v1/tlsrpt" },
		{ "both", SPAN("v=TLSRPTv1; rua=mailto:a@b.example,https://r.example/x"), 2, "https://r.example/x" },
		{ "blanks around the comma", SPAN("v=TLSRPTv1; rua=mailto:a@b.example \t, HTTPS://r.example"), 2, "HTTPS://r.example" },
		{ "percent-encoding stays", SPAN("v=TLSRPTv1; rua=mailto:a%2Cb@c.example"), 1, "mailto:a%2Cb@c.example" },
		{ "an extension", SPAN("v=TLSRPTv1; x-y=z; rua=mailto:a@b.example ; w=1 ;"), 1, "mailto:a@b.example" },
		{ "eight", SPAN("v=TLSRPTv1;rua=https://a,https://b,https://c,https://d,https://e,https://f,https://g,https://h"), 8,
		  "https://h" },
		{ "nine", SPAN("v=TLSRPTv1;rua=https://a,https://b,https://c,https://d,https://e,https://f,https://g,https://h,https://i"),
		  0, "" },
		{ "nothing", SPAN(""), 0, "" },
		{ "another version", SPAN("v=TLSRPTv2; rua=mailto:a@b.example"), 0, "" },
		{ "a longer version", SPAN("v=TLSRPTv10; rua=mailto:a@b.example"), 0, "" },
		{ "another case", SPAN("v=tlsrptv1; rua=mailto:a@b.example"), 0, "" },
		{ "version not in front", SPAN(" v=TLSRPTv1; rua=mailto:a@b.example"), 0, "" },
		{ "no rua", SPAN("v=TLSRPTv1;"), 0, "" },
		{ "an extension alone", SPAN("v=TLSRPTv1; x=y"), 0, "" },
		{ "rua empty", SPAN("v=TLSRPTv1; rua="), 0, "" },
		{ "rua in capitals is an extension, with a mark that it can't have", SPAN("v=TLSRPTv1; RUA=https://a/?b=c"), 0, "" },
		{ "two rua", SPAN("v=TLSRPTv1; rua=mailto:a@b.example; rua=mailto:c@d.example"), 0, "" },
		{ "an empty URI", SPAN("v=TLSRPTv1; rua=mailto:a@b.example,"), 0, "" },
		{ "http", SPAN("v=TLSRPTv1; rua=http://r.example/"), 0, "" },
		{ "no scheme", SPAN("v=TLSRPTv1; rua=a@b.example"), 0, "" },
		{ "no mailbox", SPAN("v=TLSRPTv1; rua=mailto:example.net"), 0, "" },
		{ "no local part", SPAN("v=TLSRPTv1; rua=mailto:@example.net"), 0, "" },
		{ "an at sign behind the question mark alone", SPAN("v=TLSRPTv1; rua=mailto:a?to=b@c"), 0, "" },
		{ "no host", SPAN("v=TLSRPTv1; rua=https:///x"), 0, "" },
		{ "a blank inside", SPAN("v=TLSRPTv1; rua=mailto:a b@c.example"), 0, "" },
		{ "an exclamation mark", SPAN("v=TLSRPTv1; rua=mailto:a@b.example!10m"), 0, "" },
		{ "bad percent-encoding", SPAN("v=TLSRPTv1; rua=mailto:a%2@b.example"), 0, "" },
		{ "a line end", SPAN("v=TLSRPTv1; rua=mailto:a@b.example\r\nBcc: x"), 0, "" },
		{ "NUL", SPAN("v=TLSRPTv1; rua=mailto:a@b\0.example"), 0, "" },
		{ "NUL in an extension", SPAN("v=TLSRPTv1; x\0=y; rua=mailto:a@b.example"), 0, "" },
		{ "8-bit", SPAN("v=TLSRPTv1; rua=mailto:\xc3\xbc@b.example"), 0, "" },
		{ "no field between", SPAN("v=TLSRPTv1;; rua=mailto:a@b.example"), 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct policy_tlsrpt r;
		bool ok = policy_tlsrpt_read(rows[i].in, &r);

		want_number(rows[i].name, "read", ok, rows[i].want > 0);
		if (!ok)
			continue;
		want_number(rows[i].name, "URIs", r.uri_count, rows[i].want);
		want_text(rows[i].name, span_str(r.uri[r.uri_count - 1]), span_str(rows[i].last));
	}
}

static void test_lengths(void **state)
{
	char txt[600];
	struct policy_tlsrpt r;

	(void)state;
	memset(txt, 'a', sizeof(txt));
	memcpy(txt, "v=TLSRPTv1;rua=https://", 23);
	assert_true(policy_tlsrpt_read(span_of(txt, 15 + POLICY_TLSRPT_URI_MOST), &r));
	want_number("longest", "octets", strlen(r.uri[0]), POLICY_TLSRPT_URI_MOST);
	assert_false(policy_tlsrpt_read(span_of(txt, 16 + POLICY_TLSRPT_URI_MOST), &r));
}

static void test_NEW_4_mailbox(void **state)
{
	static const struct {
		const char *name, *uri, *want;
	} rows[] = {
		{ "plain", "mailto:reports@example.net", "reports@example.net" },
		{ "scheme in capitals", "MAILTO:reports@example.net", "reports@example.net" },
		{ "encoded", "mailto:a%2bb@example%2Enet", "a+b@example.net" },
		{ "a question mark ends it", "mailto:a@b.example?subject=x&cc=y@z.example", "a@b.example" },
		{ "https", "https://a@b.example/", "" },
		{ "a line end", "mailto:a%0d%0aBcc:x@b.example", "" },
		{ "an angle bracket", "mailto:a@b.example%3e%20NOTIFY=NEVER", "" },
		{ "two", "mailto:a@b.example%2Cc@d.example", "" },
		{ "NUL", "mailto:a%00@b.example", "" },
		{ "8-bit", "mailto:%c3%bc@b.example", "" },
		{ "a source route", "mailto:%40a.example:b@c.example", "" },
		{ "postmaster alone", "mailto:postmaster", "" },
		{ "bad percent-encoding", "mailto:a%2@b.example", "" },
		{ "nothing", "mailto:", "" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char got[POLICY_TLSRPT_URI_MOST + 1];

		want_number(rows[i].name, "taken", policy_tlsrpt_mailbox(rows[i].uri, got), rows[i].want[0] != '\0');
		want_text(rows[i].name, span_str(got), span_str(rows[i].want));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_NEW_4_record),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_NEW_4_mailbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
