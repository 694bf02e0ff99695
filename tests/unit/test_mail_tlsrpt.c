#include "mail/mail_tlsrpt.h"
#include "unit.h"

static const char want[] =
	"From: <tlsrpt@a.example>\r\nTo: <reports@b.example>\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\n"
	"Message-ID: <1.x@gw.a.example>\r\n"
	"Subject: Report Domain: b.example\r\n Submitter: a.example\r\n Report-ID: <x@gw.a.example>\r\n"
	"TLS-Report-Domain: b.example\r\nTLS-Report-Submitter: a.example\r\nTLS-Required: No\r\n"
	"Auto-Submitted: auto-generated\r\n"
	"MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"=_sallyport_tlsrpt\"\r\n\r\n"
	"--=_sallyport_tlsrpt\r\nContent-Type: text/plain; charset=\"us-ascii\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
	"Words.\r\n\r\n"
	"--=_sallyport_tlsrpt\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n"
	"Content-Disposition: attachment;\r\n filename=\"a.example!b.example!1!2.json.gz\"\r\n\r\nH4sA\r\n"
	"--=_sallyport_tlsrpt--\r\n";

static void test_NEW_4_the_message(void **state)
{
	struct mail_tlsrpt m = {
		.from = "tlsrpt@a.example", .to = "reports@b.example", .domain = "b.example", .submitter = "a.example",
		.report_id = "x@gw.a.example", .message_id = "1.x@gw.a.example", .filename = "a.example!b.example!1!2.json.gz",
		.words = "Words.\r\n", .gzip = SPAN("\x1f\x8b\0"),
	};
	struct buf out;

	(void)state;
	buf_init(&out, 10000);
	assert_true(mail_tlsrpt_write(&m, &out));
	want_text("message", buf_peek(&out), span_str(want));
	buf_free(&out);
	for (size_t most = 0; most < sizeof(want) - 1; most += 7) {
		buf_init(&out, most);
		assert_false(mail_tlsrpt_write(&m, &out));
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_NEW_4_the_message) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
