#include "mail/mail_hops.h"
#include "mail/mail_date.h"
#include "unit.h"

static const struct {
	const char *name;
	const char *value;
	enum mail_hop_kind kind;
	const char *from, *address, *by, *with, *tls;
	int64_t time; /* -1: none */
} fields[] = {
	{ "Postfix with TLS",
	  " from mail.a.example (mail.a.example [192.0.2.7])\r\n"
	  "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n"
	  "\t key-exchange X25519 server-signature ECDSA (prime256v1))\r\n"
	  "\t(No client certificate requested)\r\n"
	  "\tby mx.b.example (Postfix) with ESMTPS id 4abc\r\n"
	  "\tfor <x@b.example>; Fri, 21 Nov 2025 20:13:19 +0100 (CET)", MAIL_HOP_ENCRYPTED,
	  "mail.a.example", "192.0.2.7", "mx.b.example", "ESMTPS",
	  "using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature ECDSA (prime256v1)",
	  1763752399 },
	{ "Postfix in clear", " from a (unknown [IPv6:2001:db8::7]) by mx.b.example (Postfix) with ESMTP id 4;\n\t21 Nov 2025 20:13:19 GMT",
	  MAIL_HOP_CLEAR, "a", "2001:db8::7", "mx.b.example", "ESMTP", "", 1763755999 },
	{ "Postfix's pickup", " by mx.b.example (Postfix, from userid 0)\r\n\tid 4abc; Fri, 21 Nov 2025 20:13:19 +0000",
	  MAIL_HOP_LOCAL, "", "", "mx.b.example", "", "", 1763755999 },
	{ "over loopback", " from localhost (localhost [127.0.0.1]) by mx.b.example (Postfix) with ESMTP id 4; x", MAIL_HOP_LOCAL,
	  "localhost", "127.0.0.1", "mx.b.example", "ESMTP", "", -1 },
	{ "who only says that he is localhost", " from localhost (evil.example [192.0.2.9]) by mx.b.example with ESMTP id 4; x",
	  MAIL_HOP_CLEAR, "localhost", "192.0.2.9", "mx.b.example", "ESMTP", "", -1 },
	{ "Exchange",
	  " from DB9PR04MB1.eurprd04.prod.outlook.example (2603:10a6:10:1::1) by\r\n"
	  " AM0PR04MB2.eurprd04.prod.outlook.example (2603:10a6:208:1::2) with Microsoft SMTP\r\n"
	  " Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id\r\n"
	  " 15.20.9343.10; Fri, 21 Nov 2025 20:13:19 +0000", MAIL_HOP_ENCRYPTED, "DB9PR04MB1.eurprd04.prod.outlook.example",
	  "2603:10a6:10:1::1", "AM0PR04MB2.eurprd04.prod.outlook.example", "Microsoft SMTP Server",
	  "version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 1763755999 },
	{ "Exchange without a note", " from a.example (10.0.0.1) by b.example (10.0.0.2) with Microsoft SMTP Server id 15.1; x",
	  MAIL_HOP_UNKNOWN, "a.example", "10.0.0.1", "b.example", "Microsoft SMTP Server", "", -1 },
	{ "Exchange 2010", " from a.example (10.0.0.1) by b.example (10.0.0.2) with Microsoft SMTP Server (TLS) id 14.3; x",
	  MAIL_HOP_ENCRYPTED, "a.example", "10.0.0.1", "b.example", "Microsoft SMTP Server", "TLS", -1 },
	{ "Exchange by HTTPS", " from AM0.x.example ([fe80::1]) by AM0.x.example ([fe80::1%5]) with HTTPS; x", MAIL_HOP_ENCRYPTED,
	  "AM0.x.example", "fe80::1", "AM0.x.example", "HTTPS", "", -1 },
	{ "Exchange's store", " from AM0.x.example ([fe80::1]) by AM0.x.example ([fe80::1%5]) with mapi id 15.20; x", MAIL_HOP_LOCAL,
	  "AM0.x.example", "fe80::1", "AM0.x.example", "mapi", "", -1 },
	{ "Gmail",
	  " from mail-sor-f41.google.example (mail-sor-f41.google.example. [209.85.220.41])\r\n"
	  "        by mx.google.example with ESMTPS id a-b.1.2025\r\n        for <x@gmail.example>\r\n"
	  "        (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256 bits=128/128);\r\n"
	  "        Fri, 21 Nov 2025 12:13:19 -0800 (PST)", MAIL_HOP_ENCRYPTED, "mail-sor-f41.google.example", "209.85.220.41",
	  "mx.google.example", "ESMTPS", "version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256 bits=128/128", 1763755999 },
	{ "Gmail inside", " by 2002:a05:6402:1::1 with SMTP id a; Fri, 21 Nov 2025 12:13:19 -0800 (PST)", MAIL_HOP_LOCAL, "", "",
	  "2002:a05:6402:1::1", "SMTP", "", 1763755999 },
	{ "sendmail",
	  " from a.example (a.example [192.0.2.7] (may be forged))\r\n\tby b.example (8.17.1/8.17.1) with ESMTPS id 5AL\r\n"
	  "\t(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NO)\r\n\tfor <x@b.example>; Fri, 21 Nov 2025 20:13:19 GMT",
	  MAIL_HOP_ENCRYPTED, "a.example", "192.0.2.7", "b.example", "ESMTPS",
	  "version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NO", 1763755999 },
	{ "sendmail's submission", " (from root@localhost)\r\n\tby b.example (8.17.1/8.17.1/Submit) id 5AL; 21 Nov 2025 20:13:19 GMT",
	  MAIL_HOP_LOCAL, "", "", "b.example", "", "", 1763755999 },
	{ "Exim",
	  " from [192.0.2.7] (port=5000 helo=a.example)\r\n\tby b.example with esmtps  (TLS1.3) tls TLS_AES_256_GCM_SHA384\r\n"
	  "\t(Exim 4.96)\r\n\t(envelope-from <x@a.example>)\r\n\tid 1t-2\r\n\tfor y@b.example;\r\n\tFri, 21 Nov 2025 20:13:19 +0000",
	  MAIL_HOP_ENCRYPTED, "[192.0.2.7]", "192.0.2.7", "b.example", "esmtps", "TLS1.3 TLS_AES_256_GCM_SHA384", 1763755999 },
	{ "Exim's local mail", " from root by b.example with local (Exim 4.96) id 1; x", MAIL_HOP_LOCAL, "root", "", "b.example",
	  "local", "", -1 },
	{ "qmail", " from unknown (HELO a.example) (192.0.2.7)\n  by b.example with SMTP; 21 Nov 2025 20:13:19 -0000",
	  MAIL_HOP_CLEAR, "unknown", "192.0.2.7", "b.example", "SMTP", "", 1763755999 },
	{ "qmail with TLS", " from unknown (HELO a.example) (192.0.2.7)\n  by b.example with (DHE-RSA-AES256-SHA encrypted) SMTP; x",
	  MAIL_HOP_ENCRYPTED, "unknown", "192.0.2.7", "b.example", "SMTP", "DHE-RSA-AES256-SHA encrypted", -1 },
	{ "qmail inside", " (qmail 4711 invoked from network); 21 Nov 2025 20:13:19 -0000", MAIL_HOP_LOCAL, "", "", "", "", "",
	  1763755999 },
	{ "Dovecot", " from b.example\r\n\tby b.example with LMTP\r\n\tid x (envelope-from <a@b>)\r\n\tfor <y@b>; x", MAIL_HOP_LOCAL,
	  "b.example", "", "b.example", "LMTP", "", -1 },
	{ "Cyrus", " from b.example ([unix socket])\r\n\tby b.example (Cyrus 3) with LMTPA; x", MAIL_HOP_LOCAL, "b.example",
	  "unix socket", "b.example", "LMTPA", "", -1 },
	{ "ourselves", " from a.example ([192.0.2.7])\r\n\tby gw.example with ESMTPS id 6f2a91.1\r\n"
	  "\t(TLSv1.3 TLS_AES_256_GCM_SHA384);\r\n\tThu, 1 Jan 1970 00:00:00 +0000", MAIL_HOP_ENCRYPTED, "a.example", "192.0.2.7",
	  "gw.example", "ESMTPS", "TLSv1.3 TLS_AES_256_GCM_SHA384", 0 },
	{ "SMTPUTF8", " from a.example ([192.0.2.7]) by b.example with UTF8SMTPSA id 1; x", MAIL_HOP_ENCRYPTED, "a.example",
	  "192.0.2.7", "b.example", "UTF8SMTPSA", "", -1 },
	{ "an unknown protocol", " from a.example ([192.0.2.7]) by b.example with UUCP id 1; x", MAIL_HOP_UNKNOWN, "a.example",
	  "192.0.2.7", "b.example", "UUCP", "", -1 },
	{ "a keyword that only begins like one", " from a.example ([192.0.2.7]) by b.example with ESMTPSX id 1; x", MAIL_HOP_UNKNOWN,
	  "a.example", "192.0.2.7", "b.example", "ESMTPSX", "", -1 },
	{ "encryption without any", " from a.example ([192.0.2.7]) by b.example with ESMTPS (version=TLSv1.2 cipher=NULL-SHA256) id 1; x",
	  MAIL_HOP_CLEAR, "a.example", "192.0.2.7", "b.example", "ESMTPS", "version=TLSv1.2 cipher=NULL-SHA256", -1 },
	/* What a client can put there himself is no proof. */
	{ "TLS in the name that a client gave", " from unknown (HELO TLSv1.3) (192.0.2.7) by b.example with SMTP id 1; x", MAIL_HOP_CLEAR,
	  "unknown", "192.0.2.7", "b.example", "SMTP", "", -1 },
	{ "TLS in a comment of the client's", " from a (TLSv1.3 [192.0.2.7]) by b.example with ESMTP id 1; x", MAIL_HOP_CLEAR, "a",
	  "192.0.2.7", "b.example", "ESMTP", "", -1 },
	{ "a client called \"with\"", " from with (a.example [192.0.2.7]) by b.example with SMTP id 1; x", MAIL_HOP_CLEAR, "with",
	  "192.0.2.7", "b.example", "SMTP", "", -1 },
	{ "a second `with`", " from a ([192.0.2.7]) by b.example with SMTP id 1 with ESMTPS; x", MAIL_HOP_CLEAR, "a", "192.0.2.7",
	  "b.example", "SMTP", "", -1 },
	{ "keywords in a comment", " from a ([192.0.2.7]) (by x with ESMTPS) by b.example with SMTP; x", MAIL_HOP_CLEAR, "a",
	  "192.0.2.7", "b.example", "SMTP", "", -1 },
	{ "nested comments and quotes", " from a (b (c (d \\) e) \"f) [192.0.2.7]) by \"b;(c\" with SMTP; 21 Nov 2025 20:13:19 GMT",
	  MAIL_HOP_CLEAR, "a", "192.0.2.7", "\"b;(c\"", "SMTP", "", 1763755999 },
	{ "a comment without an end", " from a ([192.0.2.7] by b.example with ESMTPS; 21 Nov 2025 20:13:19 GMT", MAIL_HOP_UNKNOWN, "a",
	  "192.0.2.7", "", "", "", -1 },
	{ "octets that are no text", " from \x1b[31m\xff by b.example with SMTP; x", MAIL_HOP_CLEAR, "?[31m?", "", "b.example", "SMTP",
	  "", -1 },
	{ "nothing", "", MAIL_HOP_UNKNOWN, "", "", "", "", "", -1 },
};

/* The word of each of these is the test's, not what a program happens to say. */
static void test_GC_12_a_field(void **state)
{
	static struct mail_hop hop;

	(void)state;
	for (size_t i = 0; i < ROWS(fields); i++) {
		const char *name = fields[i].name;

		mail_hop_read(span_str(fields[i].value), &hop);
		want_text(name, span_str(hop.from), span_str(fields[i].from));
		want_text(name, span_str(mail_hop_kind_name(hop.kind)), span_str(mail_hop_kind_name(fields[i].kind)));
		want_text(name, span_str(hop.address), span_str(fields[i].address));
		want_text(name, span_str(hop.by), span_str(fields[i].by));
		want_text(name, span_str(hop.with), span_str(fields[i].with));
		want_text(name, span_str(hop.tls), span_str(fields[i].tls));
		want_number(name, "time", (unsigned long long)(hop.has_time ? hop.time : -1), (unsigned long long)fields[i].time);
	}
}

static const struct {
	const char *text;
	int64_t when; /* -1: none */
} dates[] = {
	{ "Thu, 01 Jan 1970 00:00:00 +0000", 0 },
	{ "1 Jan 70 01:00 +0100", 0 },
	{ "Thu,1 Jan 1970 00:00:00 GMT", 0 },
	{ "31 Dec 1969 16:00:00 PST", -1 },
	{ "1 Jan 1970 00:00:00 -0800", 28800 },
	{ "29 Feb 2024 00:00:00 UT", 1709164800 },
	{ "1 Jan 1970 00:00:00 Q", 0 },
	{ "1 Jan 1970 00:00:00", 0 },
	{ "1 Jan 1970 24:00:00 +0000", -1 },
	{ "32 Jan 1970 00:00:00 +0000", -1 },
	{ "1 Jnn 1970 00:00:00 +0000", -1 },
	{ "1 Jan 1970 00:00:00 +00", -1 },
	{ "1 Jan 1970 00:00:00 +0060", -1 },
	{ "1 Jan 99999 00:00:00 +0000", -1 },
	{ "-1 Jan 1970 00:00:00 +0000", -1 },
	{ "Thu,", -1 },
	{ "", -1 },
};

static void test_GC_12_dates(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(dates); i++) {
		int64_t when;

		if (!mail_date_read(span_str(dates[i].text), &when))
			when = -1;
		want_number(dates[i].text, "time", (unsigned long long)when, (unsigned long long)dates[i].when);
	}
}

#define HOP(from, by, hour) \
	"Received: from " from " (" from " [192.0.2.7])\r\n\tby " by " with ESMTPS id 1;\r\n\tFri, 21 Nov 2025 " hour ":00:00 +0000\r\n"
#define LOCALLY(by, hour) \
	"Received: from localhost (localhost [127.0.0.1])\r\n\tby " by " with ESMTP id 1;\r\n\tFri, 21 Nov 2025 " hour ":00:00 +0000\r\n"

static const struct {
	const char *name;
	const char *message;
	unsigned count;
	unsigned warnings[4];
} chains[] = {
	{ "a good one", HOP("b.example", "c.example", "12") HOP("a.example", "b.example", "11") "Subject: x\r\n\r\n", 2, { 0 } },
	{ "newline alone", "Received: from a by b.x with SMTP; x\nReceived: from b by c.x\n\twith SMTP; x\n\n", 2,
	  { MAIL_HOP_NO_TIME, MAIL_HOP_NO_TIME } },
	{ "another name of the same domain", HOP("out7.b.example", "c.example", "12") HOP("a.example", "in.b.example", "11"), 2, { 0 } },
	{ "a forged one below", HOP("evil.example", "c.example", "12") HOP("a.example", "bank.test", "11"), 2, { MAIL_HOP_GAP } },
	{ "inside the host", LOCALLY("c.example", "13") HOP("b.example", "c.example", "12"), 2, { 0 } },
	{ "inside another host", LOCALLY("d.test", "13") HOP("b.example", "c.example", "12"), 2, { MAIL_HOP_GAP } },
	{ "back in time", HOP("b.example", "c.example", "10") HOP("a.example", "b.example", "11"), 2, { MAIL_HOP_BACK } },
	{ "below the subject", HOP("b.example", "c.example", "12") "Subject: x\r\n" HOP("a.example", "b.example", "11"), 2,
	  { 0, MAIL_HOP_BELOW } },
	{ "below what servers add", "Return-Path: <a@b>\r\nDKIM-Signature: v=1;\r\n b=x\r\n" HOP("b.example", "c.example", "12"), 1, { 0 } },
	{ "in the body", "Subject: x\r\n\r\n" HOP("b.example", "c.example", "12"), 0, { 0 } },
	{ "in a folded line", "Subject: x\r\n Received: from a by b; x\r\n", 0, { 0 } },
	{ "a name that begins alike", "Received-SPF: pass\r\nX-Received: by x; y\r\n", 0, { 0 } },
	{ "case and a blank before the colon", "RECEIVED : from a by b.x; x\r\n", 1, { MAIL_HOP_NO_TIME } },
	{ "nothing", "", 0, { 0 } },
};

static void test_GC_12_the_chain(void **state)
{
	static struct mail_hops h;

	(void)state;
	for (size_t i = 0; i < ROWS(chains); i++) {
		mail_hops_read(span_str(chains[i].message), &h);
		want_number(chains[i].name, "hops", h.count, chains[i].count);
		for (unsigned k = 0; k < h.count; k++)
			want_number(chains[i].name, "warnings", h.hops[k].warnings, chains[i].warnings[k]);
		want_number(chains[i].name, "in the body", h.in_body, strcmp(chains[i].name, "in the body") == 0);
	}
}

static void test_GC_12_delays(void **state)
{
	static struct mail_hops h;
	int64_t delay;

	(void)state;
	mail_hops_read(SPAN(HOP("b.example", "c.example", "12") HOP("a.example", "b.example", "11")), &h);
	assert_true(mail_hops_delay(&h, 0, &delay));
	assert_int_equal(delay, 3600);
	assert_false(mail_hops_delay(&h, 1, &delay));
}

static void test_GC_12_FAULTS_38_bounds(void **state)
{
	static struct mail_hops h;
	struct span one = SPAN("Received: from a by b.x with SMTP; x\r\n");
	size_t size = MAIL_HOPS_HEADER_MOST + 4096;
	char *many = mem_new(size), *deep = mem_new(size);

	(void)state;
	for (size_t at = 0; at + one.len <= size; at += one.len)
		memcpy(many + at, one.at, one.len);
	mail_hops_read(span_of(many, size), &h);
	assert_int_equal(h.count, MAIL_HOPS_MOST);
	assert_true(h.more && h.cut);
	/* Comments as deep as they come. */
	memset(deep, '(', size);
	memcpy(deep, "Received: ", 10);
	mail_hops_read(span_of(deep, size), &h);
	assert_int_equal(h.count, 1);
	free(many);
	free(deep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_GC_12_a_field), cmocka_unit_test(test_GC_12_dates),
		cmocka_unit_test(test_GC_12_the_chain), cmocka_unit_test(test_GC_12_delays),
		cmocka_unit_test(test_GC_12_FAULTS_38_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
