#include "policy_world.h"
#include "unit.h"

#include "policy/policy_message.h"

static struct policy_evidence *some_evidence(void)
{
	struct policy_evidence *e = world_evidence(2);

	world_tlsa(e, 0, EVIDENCE_TLSA_USABLE);
	world_tlsa(e, 1, EVIDENCE_TLSA_FAILED);
	world_sts(e, EVIDENCE_STS_ENFORCE, "*.example.net");
	e->hosts[1].addrs[0].v6 = true;
	e->hosts[1].seen_tls = 7;
	snprintf(e->mx_owner, sizeof(e->mx_owner), "owner.example");
	return e;
}

static const struct policy_message plain[] = {
	{ .kind = POLICY_ASK, .id = 7, .domain = "xn--bcher-kva.example" },
	{ .kind = POLICY_ASK, .id = UINT32_MAX, .domain = "[192.0.2.1]" },
	{ .kind = POLICY_RESULT, .result = { .domain = "example.net", .host = "mx1.example.net", .address = "192.0.2.1",
					     .own_address = "2001:db8::1", .policy = POLICY_RESULT_TLSA,
					     .type = POLICY_RESULT_STS_WEBPKI_INVALID, .tls = true, .reason = "a b" } },
	{ .kind = POLICY_RESULT, .result = { .domain = "example.net", .delivered = true } },
	{ .kind = POLICY_OCSP_ASK, .id = 1, .url = "http://ocsp.example/x", .der = { "0\0", 2 } },
	/* As a certificate may have it: a scheme has no case (RFC 3986 section 3.1). */
	{ .kind = POLICY_OCSP_ASK, .id = 1, .url = "HTTP://ocsp.example/x", .der = { "0\0", 2 } },
	{ .kind = POLICY_OCSP_ANSWER, .id = 1, .der = { "", 0 } },
	{ .kind = POLICY_TABLE, .table_generation = UINT64_MAX },
};

static void check(const char *name, const struct policy_message *m)
{
	struct policy_message got;
	struct buf b, again;
	struct why why;

	buf_init(&b, POLICY_MESSAGE_MOST);
	buf_init(&again, POLICY_MESSAGE_MOST);
	policy_message_encode(m, &b);
	if (!policy_message_decode(buf_peek(&b), &got, &why))
		fail_msg("%s: %s", name, why.text);
	want_number(name, "kind", got.kind, m->kind);
	want_number(name, "id", got.id, m->id);
	policy_message_encode(&got, &again);
	want_text(name, buf_peek(&again), buf_peek(&b));
	policy_evidence_free(got.evidence);
	for (size_t len = 0; len < buf_used(&b); len++) {
		/* An OCSP message is as long as it is: any end of it is one. */
		if (m->kind == POLICY_OCSP_ASK && len > buf_used(&b) - m->der.len)
			break;
		if (policy_message_decode(span_first(buf_peek(&b), len), &got, &why))
			fail_msg("%s: %zu octets of %zu are a message", name, len, buf_used(&b));
		want_same(name, got.evidence, NULL);
	}
	buf_free(&b);
	buf_free(&again);
}

static void test_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(plain); i++)
		check("plain", &plain[i]);
}

static void test_evidence(void **state)
{
	struct policy_message m = { .kind = POLICY_EVIDENCE, .id = 3, .evidence = some_evidence() }, got;
	struct why why;
	struct buf b;

	(void)state;
	check("evidence", &m);
	buf_init(&b, POLICY_MESSAGE_MOST);
	snprintf(m.evidence->hosts[1].trouble, EVIDENCE_TEXT_MOST, "caf\xc3\xa9\n");
	policy_message_encode(&m, &b);
	assert_true(policy_message_decode(buf_peek(&b), &got, &why));
	want_text("host", span_str(got.evidence->hosts[0].name), SPAN("mx1.example.net"));
	want_text("owner", span_str(got.evidence->mx_owner), SPAN("owner.example"));
	want_number("TLSA", "count", got.evidence->hosts[0].tlsa_count, 1);
	want_number("TLSA", "octet", got.evidence->hosts[0].tlsa[0].data[0], 0xab);
	want_number("memory", "seen", got.evidence->hosts[1].seen_tls, 7);
	want_text("words are ASCII", span_str(got.evidence->hosts[1].trouble), SPAN("caf???"));
	want_text("pattern", span_str(got.evidence->sts_mx[0]), SPAN("*.example.net"));
	policy_evidence_free(got.evidence);
	policy_evidence_free(m.evidence);
	buf_free(&b);
}

/* All that DNS and a policy could be made to hold goes through: it must not be what ends a process. */
static void test_longest_evidence_fits(void **state)
{
	static unsigned char data[EVIDENCE_TLSA_DATA];
	struct policy_evidence *e = policy_evidence_new(EVIDENCE_HOSTS_MOST, EVIDENCE_MX_MOST);
	struct policy_message m = { .kind = POLICY_EVIDENCE, .id = 1, .evidence = e }, got;
	struct why why;
	struct buf b;
	struct tls_tlsa record = { 3, 0, 0, EVIDENCE_TLSA_SUM / EVIDENCE_TLSA_MOST, data };
	char name[254];

	(void)state;
	memset(name, 'a', sizeof(name));
	name[63] = name[127] = name[191] = '.';
	name[253] = '\0';
	memcpy(e->domain, name, sizeof(name));
	memset(e->trouble, 't', EVIDENCE_TEXT_MOST - 1);
	memset(e->sts_trouble, 't', EVIDENCE_TEXT_MOST - 1);
	memset(e->sts_id, 'i', sizeof(e->sts_id) - 1);
	for (unsigned i = 0; i < EVIDENCE_HOSTS_MOST; i++) {
		struct evidence_host *h = &e->hosts[i];

		memcpy(h->name, name, sizeof(name));
		memcpy(h->tlsa_base, name, sizeof(name));
		memset(h->trouble, 't', EVIDENCE_TEXT_MOST - 1);
		h->addr_count = EVIDENCE_ADDRS_MOST;
		for (unsigned a = 0; a < EVIDENCE_ADDRS_MOST; a++)
			h->addrs[a].v6 = true;
		h->tlsa_state = EVIDENCE_TLSA_USABLE;
		while (policy_evidence_add_tlsa(h, &record))
			;
		want_number("full", "records", h->tlsa_count, EVIDENCE_TLSA_MOST);
	}
	for (unsigned i = 0; i < EVIDENCE_MX_MOST; i++)
		snprintf(e->sts_mx[i], EVIDENCE_NAME_MOST, "*.%s", name);
	buf_init(&b, POLICY_MESSAGE_MOST);
	policy_message_encode(&m, &b);
	assert_true(policy_message_decode(buf_peek(&b), &got, &why));
	policy_evidence_free(got.evidence);
	buf_free(&b);
	policy_evidence_free(e);
}

static void test_refused(void **state)
{
	static const struct {
		const char *name;
		struct span in;
	} rows[] = {
		{ "nothing", SPAN("") },
		{ "kind 0", SPAN("\0\0\0\0\1") },
		{ "kind 7", SPAN("\7\0\0\0\1") },
		{ "a name in capitals", SPAN("\1\0\0\0\1\0\1A") },
		{ "no name", SPAN("\1\0\0\0\1\0\0") },
		{ "a name with a line end", SPAN("\1\0\0\0\1\0\3a\r\n") },
		{ "a name with NUL", SPAN("\1\0\0\0\1\0\3a\0b") },
		{ "an octet left over", SPAN("\1\0\0\0\1\0\1a\0") },
		{ "evidence of 17 hosts", SPAN("\2\0\0\0\1\21\0\0\1a") },
		{ "a table that is an answer", SPAN("\6\0\0\0\1\0\0\0\0\0\0\0\1") },
		{ "OCSP by another protocol", SPAN("\4\0\0\0\1\0\7ftp://xD") },
		{ "OCSP with a blank in the URL", SPAN("\4\0\0\0\1\0\12http://a bD") },
		{ "OCSP without a request", SPAN("\4\0\0\0\1\0\10http://a") },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct policy_message m;
		struct why why = { 0 };

		if (policy_message_decode(rows[i].in, &m, &why))
			fail_msg("%s: taken", rows[i].name);
		want_text(rows[i].name, span_str(fault_name(why.fault)), SPAN("peer"));
	}
}

static void test_NEW_4_names_of_the_report(void **state)
{
	(void)state;
	want_text("first", span_str(policy_result_name(POLICY_RESULT_STARTTLS_NOT_SUPPORTED)), SPAN("starttls-not-supported"));
	for (unsigned t = 0; t < POLICY_RESULT_MOST; t++)
		assert_non_null(policy_result_name(t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_evidence),
		cmocka_unit_test(test_longest_evidence_fits),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_NEW_4_names_of_the_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
