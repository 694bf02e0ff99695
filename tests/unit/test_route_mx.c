/* From answers to evidence, without a question asked: SPEC NEW-3, NEW-23, FAULTS 31 to 33, RFC 7672 section 2. */
#include "unit.h"

#include "route/route_mx.h"

/* "10 mx.test, 0 ., 5 -": preference and host; "." is the null MX, "-" what is no name. */
static struct route_dns_answer *mx_answer(const char *records)
{
	struct route_dns_answer *a = mem_new(sizeof(*a));
	struct span rest = span_str(records);

	a->end = ROUTE_DNS_FOUND;
	a->secure = true;
	a->ttl = 300;
	while (rest.len > 0) {
		struct span host = span_trim(span_cut(&rest, ','));
		struct span number = span_cut(&host, ' ');
		struct route_dns_record *r = &a->records[a->count++];
		uint64_t preference;

		assert_true(span_number(number, 65535, &preference));
		r->preference = (uint16_t)preference;
		r->root = span_eq(host, SPAN("."));
		if (!r->root && !span_eq(host, SPAN("-")))
			snprintf(r->name, sizeof(r->name), "%.*s", SPAN_ARG(host));
	}
	return a;
}

static const struct {
	const char *name;
	const char *records;
	enum evidence_dns dns;
	const char *hosts; /* in order */
	const char *trouble;
} rows[] = {
	{ "by preference", "20 b.test, 10 a.test", EVIDENCE_FOUND, "10 a.test, 20 b.test, ", "" },
	{ "NEW-23 null MX", "0 .", EVIDENCE_NULL_MX, "", "" },
	{ "NEW-23 null MX of another preference", "10 .", EVIDENCE_NULL_MX, "", "" },
	{ "NEW-23 null MX twice", "0 ., 10 .", EVIDENCE_NULL_MX, "", "" },
	{ "NEW-23 null MX beside others is none", "0 ., 10 a.test", EVIDENCE_FOUND, "10 a.test, ",
	  "MX of d.test: a null MX beside others is overlooked" },
	{ "an address is no host", "10 192.0.2.1, 20 a.test", EVIDENCE_FOUND, "20 a.test, ",
	  "MX of d.test: left out 1 that is no host name" },
	{ "FAULTS 32 nothing but nonsense", "10 192.0.2.1, 20 -", EVIDENCE_DNS_FAILED, "",
	  "MX of d.test: nothing but 2 that are no host name" },
	{ "FAULTS 32 nonsense and null is no null MX", "0 ., 20 -", EVIDENCE_DNS_FAILED, "",
	  "MX of d.test: nothing but 1 that is no host name" },
	{ "a name of digits below a name", "10 1.2.3.test", EVIDENCE_FOUND, "10 1.2.3.test, ", "" },
	{ "twice the same host", "20 a.test, 10 a.test, 30 a.test", EVIDENCE_FOUND, "10 a.test, ", "" },
	{ "the best of many",
	  "50 p.test, 1 a.test, 2 b.test, 3 c.test, 4 d.test, 5 e.test, 6 f.test, 7 g.test, 8 h.test, 9 i.test, 10 j.test, "
	  "11 k.test, 12 l.test, 13 m.test, 14 n.test, 15 o.test, 0 q.test",
	  EVIDENCE_FOUND,
	  "0 q.test, 1 a.test, 2 b.test, 3 c.test, 4 d.test, 5 e.test, 6 f.test, 7 g.test, 8 h.test, 9 i.test, 10 j.test, "
	  "11 k.test, 12 l.test, 13 m.test, 14 n.test, 15 o.test, ",
	  "MX of d.test: too many, the first 16 count" },
};

static void test_NEW_23_mx(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct route_dns_answer *a = mx_answer(rows[i].records);
		char got[1024] = "";
		struct route_mx mx;

		route_mx_read(&mx, "d.test", a, i);
		for (unsigned k = 0; k < mx.count; k++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%u %s, ", mx.hosts[k].preference,
				 mx.hosts[k].name);
		want_number(rows[i].name, "dns", mx.dns, rows[i].dns);
		want_text(rows[i].name, span_str(got), span_str(rows[i].hosts));
		want_text(rows[i].name, span_str(mx.trouble), span_str(rows[i].trouble));
		assert_true(mx.secure);
		free(a);
	}
}

/* RFC 5321 section 5.1: equal ones in random order; the seed alone decides. */
static void test_equal_ones(void **state)
{
	struct route_dns_answer *a = mx_answer("5 a.test, 5 b.test, 5 c.test, 1 z.test");
	unsigned first[3] = { 0 };
	struct route_mx mx, again;

	(void)state;
	for (uint64_t seed = 0; seed < 300; seed++) {
		route_mx_read(&mx, "d.test", a, seed);
		route_mx_read(&again, "d.test", a, seed);
		assert_memory_equal(mx.hosts, again.hosts, sizeof(mx.hosts));
		assert_string_equal(mx.hosts[0].name, "z.test");
		first[mx.hosts[1].name[0] - 'a']++;
	}
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(first[i], 60, 140);
	free(a);
}

static const struct {
	const char *name;
	enum route_dns_end end;
	enum evidence_dns dns;
	bool no_mx;
} absences[] = {
	{ "FAULTS 31 no such domain",  ROUTE_DNS_NXDOMAIN, EVIDENCE_NO_DOMAIN,  false },
	{ "no MX: the domain itself",  ROUTE_DNS_NODATA,   EVIDENCE_FOUND,      true },
	{ "FAULTS 32 lookup failed",   ROUTE_DNS_FAILED,   EVIDENCE_DNS_FAILED, false },
};

/* RFC 7672 section 3.2.2: a certificate may be for it, too. */
static void test_NEW_3_mx_of_an_alias(void **state)
{
	struct route_dns_answer *a = mx_answer("10 mx.test");
	struct route_mx mx;

	(void)state;
	snprintf(a->name, sizeof(a->name), "d.test");
	route_mx_read(&mx, "d.test", a, 1);
	want_text("none", span_str(mx.owner), SPAN(""));
	a->alias = true;
	snprintf(a->name, sizeof(a->name), "owner.test");
	route_mx_read(&mx, "d.test", a, 1);
	want_text("an alias", span_str(mx.owner), SPAN("owner.test"));
	free(a);
}

static void test_FAULTS_31_absence(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(absences); i++) {
		struct route_dns_answer a = { .end = absences[i].end, .trouble = "SERVFAIL" };
		struct route_mx mx;

		route_mx_read(&mx, "d.test", &a, 1);
		want_number(absences[i].name, "dns", mx.dns, absences[i].dns);
		want_number(absences[i].name, "no_mx", mx.no_mx, absences[i].no_mx);
		if (mx.dns == EVIDENCE_FOUND)
			want_text(absences[i].name, span_str(mx.hosts[0].name), SPAN("d.test"));
		if (mx.dns == EVIDENCE_DNS_FAILED)
			want_text(absences[i].name, span_str(mx.trouble), SPAN("MX of d.test: SERVFAIL"));
	}
}

/* A family: 's' secure, 'i' insecure, 'f' failed, 'n' no such record (secure), 'N' the same insecure; 'S', 'I': by an alias. */
static struct route_family family(char kind, bool v6, unsigned count)
{
	struct route_family f = { .end = ROUTE_DNS_FOUND, .secure = strchr("sSn", kind) != NULL,
				  .alias = kind == 'S' || kind == 'I', .count = count };

	if (kind == 'f') {
		f.end = ROUTE_DNS_FAILED;
		snprintf(f.trouble, sizeof(f.trouble), "SERVFAIL");
	} else if (kind == 'n' || kind == 'N') {
		f.end = ROUTE_DNS_NODATA;
	}
	if (f.end != ROUTE_DNS_FOUND)
		f.count = 0;
	if (f.end != ROUTE_DNS_FAILED)
		snprintf(f.name, sizeof(f.name), f.alias ? "end.test" : "mx.test");
	for (unsigned i = 0; i < f.count; i++)
		f.addrs[i] = (struct evidence_addr){ .v6 = v6, .octets = { (unsigned char)(v6 ? 0x26 : 100 + i) } };
	return f;
}

static const struct {
	const char *name;
	char v6, v4;
	bool secure, failed, ask_alias;
	const char *bases;
	const char *trouble;
} hosts[] = {
	{ "NEW-3 secure addresses",              's', 's', true,  false, false, "mx.test ", "" },
	{ "NEW-3 no IPv6, vouched for",          'n', 's', true,  false, false, "mx.test ", "" },
	{ "NEW-3 no IPv6, not vouched for",      'N', 's', false, false, false, "", "" },
	{ "NEW-3 insecure addresses: not asked", 'i', 'i', false, false, false, "", "" },
	{ "NEW-3 one family insecure",           'i', 's', false, false, false, "", "" },
	{ "NEW-3 a secure alias: its end first", 'S', 'S', true,  false, false, "end.test mx.test ", "" },
	{ "NEW-3 an alias into an insecure zone",'I', 'I', false, false, true,  "", "" },
	{ "FAULTS 32 one family fails",          'f', 's', true,  false, false, "mx.test ", "AAAA of it: SERVFAIL" },
	{ "FAULTS 32 the other fails",           's', 'f', true,  false, false, "mx.test ", "A of it: SERVFAIL" },
	{ "FAULTS 32 one fails, one insecure",   'f', 'i', false, false, false, "", "AAAA of it: SERVFAIL" },
	{ "FAULTS 32 both fail",                 'f', 'f', false, true,  false, "", "A of it: SERVFAIL" },
	{ "FAULTS 32 one fails, one is empty",   'f', 'n', false, true,  false, "", "AAAA of it: SERVFAIL" },
	{ "no address at all",                   'n', 'n', true,  false, false, "", "it has no address" },
};

static void test_NEW_3_hosts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(hosts); i++) {
		struct route_family v6 = family(hosts[i].v6, true, 1), v4 = family(hosts[i].v4, false, 2);
		struct evidence_host h = { .name = "mx.test" };
		struct route_bases b;
		char got[600] = "";

		route_host_join(&h, &v6, &v4);
		route_bases_of(&b, &h, &v6, &v4);
		for (unsigned k = 0; k < b.count; k++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s ", b.names[k]);
		want_number(hosts[i].name, "secure", h.secure, hosts[i].secure);
		want_number(hosts[i].name, "failed", h.failed, hosts[i].failed);
		want_number(hosts[i].name, "ask_alias", b.ask_alias, hosts[i].ask_alias);
		want_number(hosts[i].name, "addresses", h.addr_count, v4.count + v6.count);
		want_text(hosts[i].name, span_str(got), span_str(hosts[i].bases));
		want_text(hosts[i].name, span_str(h.trouble), span_str(hosts[i].trouble));
	}
}

/* RFC 8305 section 4: in turn, and the ceiling takes from both. */
static void test_addresses_in_turn(void **state)
{
	struct route_family v6 = family('s', true, EVIDENCE_ADDRS_MOST), v4 = family('s', false, EVIDENCE_ADDRS_MOST);
	struct evidence_host h = { .name = "mx.test" }, few = { .name = "mx.test" };

	(void)state;
	route_host_join(&h, &v6, &v4);
	assert_int_equal(h.addr_count, EVIDENCE_ADDRS_MOST);
	for (unsigned i = 0; i < h.addr_count; i++)
		assert_int_equal(h.addrs[i].v6, i % 2 == 0);
	v6.count = 1;
	v4.count = 3;
	route_host_join(&few, &v6, &v4);
	assert_int_equal(few.addr_count, 4);
	assert_true(few.addrs[0].v6);
	assert_int_equal(few.addrs[3].octets[0], 102);
}

static void test_family(void **state)
{
	struct route_dns_answer a = { .end = ROUTE_DNS_FOUND, .secure = true, .count = 2 };
	struct evidence_host h = { .name = "mx.test" };
	struct route_family v4, v6 = family('n', true, 0);

	(void)state;
	a.records[0].data = SPAN("\177\0\0\1");
	a.records[1].data = SPAN("\310\1\2\3");
	route_family_read(&v4, &a, false, false);
	assert_int_equal(v4.count, 1);
	assert_int_equal(v4.left_out, 1);
	route_family_read(&v4, &a, false, true);
	assert_int_equal(v4.count, 2);
	a.count = 1;
	route_family_read(&v4, &a, false, false);
	route_host_join(&h, &v6, &v4);
	assert_false(h.failed);
	assert_int_equal(h.addr_count, 0);
	assert_string_equal(h.trouble, "1 private address of it left out");
	a.records[0].data = SPAN("\177\0\0");
	route_family_read(&v4, &a, false, true);
	assert_int_equal(v4.end, ROUTE_DNS_FAILED);
	assert_false(v4.secure);
}

#define DIGEST "0123456789abcdef0123456789abcdef"

static const struct {
	const char *name;
	enum route_dns_end end;
	bool secure;
	struct span records[2];
	bool over;
	enum evidence_tlsa state;
	unsigned count;
} tlsa[] = {
	{ "NEW-3 usable",              ROUTE_DNS_FOUND, true, { SPAN("\3\1\1" DIGEST), SPAN("\2\0\1" DIGEST) }, true, EVIDENCE_TLSA_USABLE, 2 },
	{ "FAULTS 33 one is usable",   ROUTE_DNS_FOUND, true, { SPAN("\0\1\1" DIGEST), SPAN("\3\1\1" DIGEST) }, true, EVIDENCE_TLSA_USABLE, 1 },
	{ "FAULTS 33 unusable",        ROUTE_DNS_FOUND, true, { SPAN("\1\1\1" DIGEST), SPAN("\3\1\1short") }, true, EVIDENCE_TLSA_UNUSABLE, 0 },
	{ "FAULTS 33 malformed",       ROUTE_DNS_FOUND, true, { SPAN(""), SPAN("\3\1") }, true, EVIDENCE_TLSA_UNUSABLE, 0 },
	{ "FAULTS 33 insecure",        ROUTE_DNS_FOUND, false, { SPAN("\3\1\1" DIGEST), SPAN("\3\1\1" DIGEST) }, false, EVIDENCE_TLSA_NONE, 0 },
	{ "FAULTS 33 absent",          ROUTE_DNS_NODATA, true, { SPAN(""), SPAN("") }, false, EVIDENCE_TLSA_NONE, 0 },
	{ "FAULTS 33 absent, the name too", ROUTE_DNS_NXDOMAIN, true, { SPAN(""), SPAN("") }, false, EVIDENCE_TLSA_NONE, 0 },
	{ "FAULTS 32 failed",          ROUTE_DNS_FAILED, false, { SPAN(""), SPAN("") }, true, EVIDENCE_TLSA_FAILED, 0 },
};

static void test_FAULTS_33_tlsa(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(tlsa); i++) {
		struct route_dns_answer a = { .end = tlsa[i].end, .secure = tlsa[i].secure, .trouble = "SERVFAIL" };
		struct policy_evidence *e = policy_evidence_new(1, 0);

		if (a.end == ROUTE_DNS_FOUND)
			a.count = 2;
		for (unsigned k = 0; k < a.count; k++)
			a.records[k].data = tlsa[i].records[k];
		want_number(tlsa[i].name, "over", route_tlsa_take(&e->hosts[0], "mx.test", &a), tlsa[i].over);
		want_number(tlsa[i].name, "state", e->hosts[0].tlsa_state, tlsa[i].state);
		want_number(tlsa[i].name, "records", e->hosts[0].tlsa_count, tlsa[i].count);
		want_text(tlsa[i].name, span_str(e->hosts[0].tlsa_base),
			  a.end == ROUTE_DNS_FOUND && a.secure ? SPAN("mx.test") : SPAN(""));
		policy_evidence_free(e);
	}
}

static const struct {
	const char *name;
	enum route_dns_end end;
	bool secure;
	unsigned bases;
	enum evidence_tlsa state;
} aliases[] = {
	{ "NEW-3 its own zone is signed",     ROUTE_DNS_FOUND,  true,  1, EVIDENCE_TLSA_NONE },
	{ "NEW-3 its own zone is not signed", ROUTE_DNS_FOUND,  false, 0, EVIDENCE_TLSA_NONE },
	{ "it is gone meanwhile",             ROUTE_DNS_NODATA, true,  0, EVIDENCE_TLSA_NONE },
	{ "FAULTS 32 not to be known",        ROUTE_DNS_FAILED, false, 0, EVIDENCE_TLSA_FAILED },
};

static void test_aliases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(aliases); i++) {
		struct route_dns_answer a = { .end = aliases[i].end, .secure = aliases[i].secure };
		struct evidence_host h = { .name = "mx.test" };
		struct route_bases b = { .ask_alias = true };

		route_bases_alias(&b, &h, &a);
		want_number(aliases[i].name, "bases", b.count, aliases[i].bases);
		want_number(aliases[i].name, "state", h.tlsa_state, aliases[i].state);
		assert_false(b.ask_alias);
	}
}

static void test_tlsa_name(void **state)
{
	char name[EVIDENCE_NAME_MOST], base[254];

	(void)state;
	assert_true(route_tlsa_name("mx.test", name));
	assert_string_equal(name, "_25._tcp.mx.test");
	for (size_t i = 0; i < sizeof(base); i++)
		base[i] = i % 50 == 49 ? '.' : 'a';
	base[244] = '\0';
	assert_true(route_tlsa_name(base, name));
	base[244] = 'a';
	base[245] = '\0';
	assert_false(route_tlsa_name(base, name));
	base[245] = 'a';
	base[253] = '\0';
	assert_false(route_tlsa_name(base, name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_NEW_23_mx),
		cmocka_unit_test(test_equal_ones),
		cmocka_unit_test(test_NEW_3_mx_of_an_alias),
		cmocka_unit_test(test_FAULTS_31_absence),
		cmocka_unit_test(test_NEW_3_hosts),
		cmocka_unit_test(test_addresses_in_turn),
		cmocka_unit_test(test_family),
		cmocka_unit_test(test_FAULTS_33_tlsa),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_tlsa_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
