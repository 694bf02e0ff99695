/* Answers of DNS as octets. A row says records in a short way of its own, which the builder below turns into a packet. */
#include "unit.h"

#include "route/route_packet.h"

struct packet {
	unsigned char at[2048];
	size_t len;
};

static void put(struct packet *p, const void *at, size_t len)
{
	assert_true(p->len + len <= sizeof(p->at));
	memcpy(p->at + p->len, at, len);
	p->len += len;
}

static void put_two(struct packet *p, unsigned n)
{
	unsigned char two[2] = { (unsigned char)(n >> 8), (unsigned char)n };

	put(p, two, 2);
}

static void put_name(struct packet *p, const char *name)
{
	struct span rest = span_str(name);

	while (rest.len > 0) {
		struct span label = span_cut(&rest, '.');
		unsigned char len = (unsigned char)label.len;

		put(p, &len, 1);
		put(p, label.at, label.len);
	}
	put(p, "", 1);
}

static struct packet begin(unsigned flags, unsigned answers, unsigned absences)
{
	struct packet p = { .len = 0 };

	put_two(&p, 0);
	put_two(&p, flags);
	put_two(&p, 1);
	put_two(&p, answers);
	put_two(&p, absences);
	put_two(&p, 0);
	put_name(&p, "Example.NET");
	put_two(&p, ROUTE_DNS_MX);
	put_two(&p, 1);
	return p;
}

static void put_record(struct packet *p, const char *owner, unsigned type, unsigned ttl, const void *data, size_t len)
{
	put_name(p, owner);
	put_two(p, type);
	put_two(p, 1);
	put_two(p, ttl >> 16);
	put_two(p, ttl & 0xffff);
	put_two(p, (unsigned)len);
	put(p, data, len);
}

static struct span packet(const struct packet *p)
{
	return span_of(p->at, p->len);
}

static void test_mx(void **state)
{
	struct packet p = begin(0x8180, 4, 0);
	struct route_dns_answer a;

	(void)state;
	put_record(&p, "eXample.net", ROUTE_DNS_CNAME, 50, "\001a\004test", 8);
	put_record(&p, "other.test", ROUTE_DNS_MX, 1, "\0\005\0", 3); /* not of the chain */
	put_record(&p, "A.test", ROUTE_DNS_MX, 300, "\0\012\002MX\xc0\x0c", 7);
	put_record(&p, "a.TEST", ROUTE_DNS_MX, 0xffffffff, "\0\005\0", 3);
	route_packet_read(packet(&p), "example.net", ROUTE_DNS_MX, &a);
	assert_int_equal(a.end, ROUTE_DNS_FOUND);
	assert_int_equal(a.count, 2);
	assert_true(a.alias);
	assert_string_equal(a.name, "a.test");
	assert_string_equal(a.records[0].name, "mx.example.net");
	assert_int_equal(a.records[0].preference, 10);
	assert_false(a.records[0].root);
	assert_string_equal(a.records[1].name, "");
	assert_true(a.records[1].root);
	assert_int_equal(a.ttl, 0); /* RFC 2181 section 8: the highest bit set is nought */
}

/* What may stand in the data of an MX record behind its preference; the name it is for us. */
static const struct {
	const char *name;
	const char *data;
	size_t len;
	bool malformed;
	const char *want;
} hosts[] = {
	{ "a plain name",              "\0\001\002mx\004test", 11, false, "mx.test" },
	{ "a blank in a label",        "\0\001\003m x\004test", 12, false, "" },
	{ "a line end in a label",     "\0\001\003m\nx\004test", 12, false, "" },
	{ "a dot in a label",          "\0\001\003m.x\004test", 12, false, "" },
	{ "a NUL in a label",          "\0\001\003m\0x\004test", 12, false, "" },
	{ "octets above 127",          "\0\001\002\xc3\xa4\004test", 11, false, "" },
	{ "a pointer to the front",    "\0\001\002mx\xc0\x0c", 7, false, "mx.example.net" },
	{ "a pointer to itself",       "\0\001\xc0\x36", 4, true, "" },
	{ "a pointer ahead",           "\0\001\xc3\xff", 4, true, "" },
	{ "a label of a reserved kind","\0\001\x41x", 4, true, "" },
	{ "no name",                   "\0\001", 2, true, "" },
	{ "not even a preference",     "\0", 1, true, "" },
	{ "nothing",                   "", 0, true, "" },
	{ "octets behind the name",    "\0\001\002mx\004test\0x", 12, true, "" },
	{ "a name that does not end",  "\0\001\002mx", 5, true, "" },
};

static void test_hosts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(hosts); i++) {
		struct packet p = begin(0x8180, 1, 0);
		struct route_dns_answer a;

		/* The string literal's own NUL ends the name where one is missing in `data`. */
		put_record(&p, "example.net", ROUTE_DNS_MX, 300, hosts[i].data, hosts[i].len);
		route_packet_read(packet(&p), "example.net", ROUTE_DNS_MX, &a);
		want_number(hosts[i].name, "its end", a.end, hosts[i].malformed ? ROUTE_DNS_FAILED : ROUTE_DNS_FOUND);
		if (!hosts[i].malformed)
			want_text(hosts[i].name, span_str(a.records[0].name), span_str(hosts[i].want));
	}
}

static const struct {
	const char *name;
	unsigned flags;
	enum route_dns_end want;
	const char *trouble;
} ends[] = {
	{ "no such record",     0x8180, ROUTE_DNS_NODATA, "" },
	{ "no such name",       0x8183, ROUTE_DNS_NXDOMAIN, "" },
	{ "FAULTS 32 SERVFAIL", 0x8182, ROUTE_DNS_FAILED, "SERVFAIL" },
	{ "refused",            0x8185, ROUTE_DNS_FAILED, "REFUSED" },
	{ "not implemented",    0x8184, ROUTE_DNS_FAILED, "an error of the name server" },
	{ "FAULTS 32 cut short",0x8380, ROUTE_DNS_FAILED, "a malformed answer" },
};

static void test_FAULTS_32_ends(void **state)
{
	static const char soa[] = "\0\0" "\0\0\0\1" "\0\0\0\1" "\0\0\0\1" "\0\0\0\1" "\0\0\0\x2a";

	(void)state;
	for (size_t i = 0; i < ROWS(ends); i++) {
		struct packet p = begin(ends[i].flags, 0, 1);
		struct route_dns_answer a;

		put_record(&p, "net", 6, 900, soa, sizeof(soa) - 1);
		route_packet_read(packet(&p), "example.net", ROUTE_DNS_MX, &a);
		want_number(ends[i].name, "its end", a.end, ends[i].want);
		want_text(ends[i].name, span_str(a.trouble), span_str(ends[i].trouble));
		if (a.end != ROUTE_DNS_FAILED)
			want_number(ends[i].name, "the TTL", a.ttl, 42);
	}
}

/* Each cut of a good packet is malformed, and read without touching what is behind it. */
static void test_cuts(void **state)
{
	struct packet p = begin(0x8180, 2, 0);
	struct route_dns_answer a;

	(void)state;
	put_record(&p, "example.net", ROUTE_DNS_CNAME, 50, "\001a\004test", 8);
	put_record(&p, "a.test", ROUTE_DNS_MX, 300, "\0\012\002mx\xc0\x0c", 7);
	for (size_t len = 0; len < p.len; len++) {
		unsigned char *copy = mem_new(len + 1);

		memcpy(copy, p.at, len);
		route_packet_read(span_of(copy, len), "example.net", ROUTE_DNS_MX, &a);
		free(copy);
		assert_int_equal(a.end, ROUTE_DNS_FAILED);
	}
	route_packet_read(packet(&p), "example.net", ROUTE_DNS_MX, &a);
	assert_int_equal(a.end, ROUTE_DNS_FOUND);
}

static void test_more(void **state)
{
	struct packet p = begin(0x8180, ROUTE_DNS_RECORDS_MOST + 1, 0);
	struct route_dns_answer a;

	(void)state;
	p.at[12] = 0; /* the question is for the root: the records have short owners */
	p.len = 17;
	p.at[13] = 0, p.at[14] = ROUTE_DNS_A, p.at[15] = 0, p.at[16] = 1;
	for (unsigned i = 0; i <= ROUTE_DNS_RECORDS_MOST; i++)
		put_record(&p, "a", ROUTE_DNS_A, 60, "\300\0\2\1", 4);
	route_packet_read(packet(&p), "a", ROUTE_DNS_A, &a);
	assert_int_equal(a.count, ROUTE_DNS_RECORDS_MOST);
	assert_true(a.more);
	assert_false(a.alias);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mx),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_FAULTS_32_ends),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
