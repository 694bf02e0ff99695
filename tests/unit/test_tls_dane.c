/* SPEC NEW-3, FAULTS 33: certificates held against TLSA records (RFC 7671, 7672). */
#include "unit.h"

#include "tls/tls_dane.h"
#include "tls_pair.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define HOST "mx.example.net"
#define DAY (24L * 3600)
#define RECORDS_MOST 3
#define EE "DANE-EE matched"
#define TA "DANE-TA matched, verified for " HOST
#define NO_MATCH "no TLSA record matches the certificate"

/* root signs mid, mid signs the leaves; another has the root's name and not its key. */
static struct test_pki *root, *mid, *leaf, *other;
static struct tls_ticket_ring ring;

static const enum tls_version versions[] = { TLS_1_2, TLS_1_3 };

enum who {
	NOBODY,
	THE_LEAF,
	THE_MID,
	THE_ROOT,
	ANOTHER,
};

/* How a record is spoiled. */
enum spoil {
	WHOLE,
	SHORT, /* an octet less */
	EMPTY,
	JUNK,  /* an octet more */
};

struct record {
	uint8_t usage, selector, matching;
	enum who who; /* NOBODY: there is none */
	enum spoil spoil;
};

static size_t encode(X509 *x, uint8_t selector, unsigned char **der)
{
	int len = selector == 0 ? i2d_X509(x, der) : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), der);

	must(len > 0);
	return (size_t)len;
}

static void digest(struct tls_tlsa *t, const EVP_MD *hash)
{
	unsigned char *mac = mem_new(EVP_MAX_MD_SIZE + 1);
	unsigned len = 0;

	must(EVP_Digest(t->data, t->len, mac, &len, hash, NULL) == 1);
	free(t->data);
	t->data = mac;
	t->len = (uint16_t)len;
}

/* Its data is to be freed. */
static struct tls_tlsa make_tlsa(const struct record *r, const struct test_pki *served)
{
	const struct test_pki *all[] = { NULL, served, mid, root, other };
	struct tls_tlsa t = { r->usage, r->selector, r->matching, 0, NULL };
	unsigned char *der = NULL;

	t.len = (uint16_t)encode(all[r->who]->cert, r->selector, &der);
	t.data = mem_new((size_t)t.len + 1);
	memcpy(t.data, der, t.len);
	OPENSSL_free(der);
	if (r->matching == 1)
		digest(&t, EVP_sha256());
	if (r->matching == 2)
		digest(&t, EVP_sha512());
	if (r->spoil == SHORT)
		t.len--;
	if (r->spoil == JUNK)
		t.len++;
	if (r->spoil == EMPTY)
		t.len = 0;
	return t;
}

static size_t make_all(const struct record *records, const struct test_pki *served, struct tls_tlsa *tlsa)
{
	size_t count = 0;

	while (count < RECORDS_MOST && records[count].who != NOBODY) {
		tlsa[count] = make_tlsa(&records[count], served);
		count++;
	}
	return count;
}

static void free_all(struct tls_tlsa *tlsa, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(tlsa[i].data);
}

/* `sent`: how many certificates the server sends of leaf, mid and root. */
static struct tls_server *serve(const struct tls_profile *profile, const struct test_pki *served, int sent)
{
	char chain[16384];
	struct why why = { 0 };
	struct tls_cert *cert;
	struct tls_server *server;

	snprintf(chain, sizeof(chain), "%s%s%s", served->cert_pem, sent > 1 ? mid->cert_pem : "",
		 sent > 2 ? root->cert_pem : "");
	cert = tls_cert_read(span_str(chain), span_str(served->key_pem), &why);
	if (cert == NULL)
		fail_msg("certificate: %s", why.text);
	server = tls_pair_server(profile, &cert, 1, "mx", &ring);
	tls_cert_free(cert);
	return server;
}

static void talk(const char *row, struct tls_server *server, struct tls_client *client, const char *host,
		 const struct tls_expect *expect, struct tls_facts *facts)
{
	struct tls_pair p;

	tls_pair_expect(&p, server, client, host, expect, "key");
	if (!tls_pair_shake(&p, TLS_PAIR_WHOLE))
		fail_msg("%s: %s, %s", row, p.client_why.text, p.server_why.text);
	assert_true(tls_pair_say(p.server, p.client, "250 hello\r\n"));
	tls_conn_facts(p.client, facts);
	assert_int_equal(ERR_peek_error(), 0);
	assert_string_equal(facts->sni, tls_verify_is_address(host) ? "" : host);
	tls_pair_close(&p);
}

static bool is_good(const char *text)
{
	return strncmp(text, "DANE-", 5) == 0 || strncmp(text, "verified", 8) == 0;
}

static void judge(const char *row, const struct tls_facts *facts, const char *text)
{
	const struct tls_need dane = { NEED_DANE, 0 }, encrypt = { NEED_ENCRYPT, 112 };
	struct why why = { 0 };
	char said[200];

	if (need_met(&dane, facts, &why) != (facts->dane && is_good(text)))
		fail_msg("%s: the need is judged otherwise", row);
	snprintf(said, sizeof(said), "certificate not verified by DANE: %s",
		 facts->dane ? text : "no usable TLSA record");
	if (why.text[0] != '\0')
		want_text(row, span_str(why.text), span_str(said));
	assert_true(need_met(&encrypt, facts, &why));
}

/* Three connections each: the second and third by resumption, of which the facts are the same; but never where DANE
 * has refused. */
static void check(const char *row, const struct test_pki *served, int sent, const struct test_pki *trusted,
		  const struct tls_expect *expect, bool dane, const char *text)
{
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct tls_profile profile = tls_pair_versions(versions[i], versions[i]);
		struct tls_client *client = tls_pair_client(&profile, trusted);
		/* "legacy" lets the server of a test serve weak keys too. */
		struct tls_server *server = serve(tls_profile_builtin("legacy"), served, sent);

		for (int turn = 0; turn < 3; turn++) {
			struct tls_facts facts;

			talk(row, server, client, HOST, expect, &facts);
			want_text(row, span_str(facts.verify_text), span_str(text));
			want_number(row, "verified", facts.verified,
				    is_good(text) ? TLS_VERIFIED_OK : TLS_VERIFIED_BAD);
			want_number(row, "dane", facts.dane, dane);
			want_number(row, "resumed", facts.resumed, turn > 0 && (!dane || is_good(text)));
			judge(row, &facts, text);
		}
		tls_server_free(server);
		tls_client_free(client);
	}
}

struct row {
	const char *name;
	struct record records[RECORDS_MOST];
	const char *text;
	bool without; /* as without DANE */
	int sent;     /* 0: all three */
};

static void check_rows(const struct row *rows, size_t count, const struct test_pki *served,
		       const struct test_pki *trusted)
{
	for (size_t i = 0; i < count; i++) {
		struct tls_tlsa tlsa[RECORDS_MOST];
		struct tls_expect expect = { .tlsa = tlsa,
			.tlsa_count = make_all(rows[i].records, served, tlsa) };

		check(rows[i].name, served, rows[i].sent > 0 ? rows[i].sent : 3, trusted, &expect,
		      !rows[i].without, rows[i].text);
		free_all(tlsa, expect.tlsa_count);
	}
}

/* Every kind of record, right and wrong, under an authority that nobody else knows. */
static void test_NEW_3_usage_selector_matching(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 4 * 2 * 3 * 5; kind++) {
		static const enum who whose[] = { THE_LEAF, THE_MID, THE_ROOT, ANOTHER, ANOTHER };
		const uint8_t usage = kind & 3;
		struct row row = { .records = { { usage, kind >> 2 & 1, (uint8_t)((kind >> 3) % 3),
						  whose[(kind >> 3) / 3], WHOLE } } };
		enum who who = row.records[0].who;
		char name[80];

		snprintf(name, sizeof(name), "%u %u %u of %d", usage, row.records[0].selector,
			 row.records[0].matching, who);
		row.name = name;
		row.without = usage < 2;
		row.text = usage < 2 ? "self-signed certificate in certificate chain" : NO_MATCH;
		if (usage == 3 && who == THE_LEAF)
			row.text = EE;
		if (usage == 2 && (who == THE_MID || who == THE_ROOT))
			row.text = TA;
		check_rows(&row, 1, leaf, other);
	}
}

/* RFC 7671 section 5.2.2: who is trusted has to be in the server's chain, or whole in the record. */
static void test_NEW_3_what_the_server_sends(void **state)
{
	static const struct row rows[] = {
		{ "hash of the root, not sent",  { { 2, 0, 1, THE_ROOT, 0 } }, NO_MATCH, .sent = 2 },
		{ "hash of its key, not sent",   { { 2, 1, 1, THE_ROOT, 0 } }, NO_MATCH, .sent = 2 },
		{ "the root, not sent",          { { 2, 0, 0, THE_ROOT, 0 } }, TA, .sent = 2 },
		{ "the root's key, not sent",    { { 2, 1, 0, THE_ROOT, 0 } }, TA, .sent = 2 },
		{ "the root, leaf alone sent",   { { 2, 0, 0, THE_ROOT, 0 } }, NO_MATCH, .sent = 1 },
		{ "the mid, leaf alone sent",    { { 2, 0, 0, THE_MID, 0 } }, TA, .sent = 1 },
		{ "the mid's key, leaf alone",   { { 2, 1, 0, THE_MID, 0 } }, TA, .sent = 1 },
		{ "hash of the mid, sent",       { { 2, 0, 1, THE_MID, 0 } }, TA, .sent = 2 },
		{ "hash of the mid, not sent",   { { 2, 0, 1, THE_MID, 0 } }, NO_MATCH, .sent = 1 },
		{ "another of the root's name",  { { 2, 0, 0, ANOTHER, 0 } }, NO_MATCH, .sent = 2 },
		{ "both whole, leaf alone sent", { { 2, 0, 0, THE_ROOT, 0 }, { 2, 0, 0, THE_MID, 0 } }, TA,
		  .sent = 1 },
		{ "the leaf alone",              { { 3, 1, 1, THE_LEAF, 0 } }, EE, .sent = 1 },
	};

	(void)state;
	check_rows(rows, ROWS(rows), leaf, other);
}

/* Rollover, spare records, and digest agility (RFC 7671 sections 8 and 9). */
static void test_NEW_3_FAULTS_33_several_records(void **state)
{
	static const struct row rows[] = {
		{ "old and new",       { { 3, 1, 1, ANOTHER, 0 }, { 3, 1, 1, THE_LEAF, 0 } }, .text = EE },
		{ "new and old",       { { 3, 1, 1, THE_LEAF, 0 }, { 3, 1, 1, ANOTHER, 0 } }, .text = EE },
		{ "both old",          { { 3, 1, 1, ANOTHER, 0 }, { 3, 0, 1, ANOTHER, 0 } }, .text = NO_MATCH },
		{ "TA wrong, EE right", { { 2, 0, 1, ANOTHER, 0 }, { 3, 1, 1, THE_LEAF, 0 } }, .text = EE },
		{ "TA right, EE wrong", { { 2, 0, 1, THE_ROOT, 0 }, { 3, 1, 1, ANOTHER, 0 } }, .text = TA },
		{ "both right",        { { 2, 0, 1, THE_ROOT, 0 }, { 3, 1, 1, THE_LEAF, 0 } }, .text = EE },
		{ "two authorities",   { { 2, 0, 1, ANOTHER, 0 }, { 2, 0, 1, THE_MID, 0 } }, .text = TA },
		{ "stronger wrong",    { { 3, 1, 1, THE_LEAF, 0 }, { 3, 1, 2, ANOTHER, 0 } }, .text = NO_MATCH },
		{ "stronger wrong, first", { { 3, 1, 2, ANOTHER, 0 }, { 3, 1, 1, THE_LEAF, 0 } }, .text = NO_MATCH },
		{ "stronger right",    { { 3, 1, 1, ANOTHER, 0 }, { 3, 1, 2, THE_LEAF, 0 } }, .text = EE },
		{ "stronger wrong, of an authority", { { 2, 1, 1, THE_ROOT, 0 }, { 2, 1, 2, ANOTHER, 0 } },
		  .text = NO_MATCH },
		{ "stronger of another selector", { { 3, 1, 1, THE_LEAF, 0 }, { 3, 0, 2, ANOTHER, 0 } }, .text = EE },
		{ "stronger of another usage", { { 3, 1, 1, THE_LEAF, 0 }, { 2, 1, 2, ANOTHER, 0 } }, .text = EE },
		{ "two of the stronger", { { 3, 1, 2, ANOTHER, 0 }, { 3, 1, 2, THE_LEAF, 0 },
		  { 3, 1, 1, ANOTHER, 0 } }, .text = EE },
		{ "no digest at all",  { { 3, 1, 2, ANOTHER, 0 }, { 3, 1, 0, THE_LEAF, 0 } }, .text = EE },
	};

	(void)state;
	check_rows(rows, ROWS(rows), leaf, other);
}

/* Where one is usable, it counts; where none is, all is as without. */
static void test_FAULTS_33_unusable_records(void **state)
{
	static const struct row rows[] = {
		{ "selector 2",      { { 3, 2, 1, THE_LEAF, 0 } }, .without = true },
		{ "selector 255",    { { 3, 255, 1, THE_LEAF, 0 } }, .without = true },
		{ "matching 3",      { { 3, 1, 3, THE_LEAF, 0 } }, .without = true },
		{ "matching 255",    { { 3, 1, 255, THE_LEAF, 0 } }, .without = true },
		{ "usage 4",         { { 4, 1, 1, THE_LEAF, 0 } }, .without = true },
		{ "usage 255",       { { 255, 1, 1, THE_LEAF, 0 } }, .without = true },
		{ "PKIX-TA",         { { 0, 0, 1, THE_ROOT, 0 } }, .without = true },
		{ "PKIX-EE",         { { 1, 1, 1, THE_LEAF, 0 } }, .without = true },
		{ "short SHA-256",   { { 3, 1, 1, THE_LEAF, SHORT } }, .without = true },
		{ "long SHA-512",    { { 3, 1, 2, THE_LEAF, JUNK } }, .without = true },
		{ "empty hash",      { { 3, 1, 1, THE_LEAF, EMPTY } }, .without = true },
		{ "empty and whole", { { 2, 0, 0, THE_ROOT, EMPTY } }, .without = true },
		{ "half a certificate", { { 2, 0, 0, THE_ROOT, SHORT } }, .without = true },
		{ "more than a certificate", { { 3, 0, 0, THE_LEAF, JUNK } }, .without = true },
		{ "half a key",      { { 2, 1, 0, THE_ROOT, SHORT } }, .without = true },
		{ "two of them",     { { 3, 1, 3, THE_LEAF, 0 }, { 0, 0, 1, THE_ROOT, 0 } }, .without = true },
		{ "none",            { { 0, 0, 0, NOBODY, 0 } }, .without = true },
		{ "and a right one", { { 3, 1, 3, THE_LEAF, 0 }, { 3, 1, 1, THE_LEAF, 0 } }, .text = EE },
		{ "and a wrong one", { { 3, 1, 3, THE_LEAF, 0 }, { 3, 1, 1, ANOTHER, 0 } }, .text = NO_MATCH },
		{ "PKIX-EE and a wrong one", { { 1, 1, 1, THE_LEAF, 0 }, { 3, 1, 1, ANOTHER, 0 } }, .text = NO_MATCH },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct row row = rows[i];

		if (row.without)
			row.text = "self-signed certificate in certificate chain";
		check_rows(&row, 1, leaf, other);
		/* Nor does it harm a host whose root is known; but a root is no substitute for a match. */
		if (row.without)
			row.text = "verified for " HOST;
		check_rows(&row, 1, leaf, root);
	}
}

static void test_NEW_3_usable(void **state)
{
	static const struct {
		const char *name;
		struct record record;
		bool usable;
	} rows[] = {
		{ "3 1 1", { 3, 1, 1, THE_LEAF, 0 }, true },
		{ "3 0 2", { 3, 0, 2, THE_LEAF, 0 }, true },
		{ "2 0 0", { 2, 0, 0, THE_ROOT, 0 }, true },
		{ "2 1 0", { 2, 1, 0, THE_ROOT, 0 }, true },
		{ "0 0 1", { 0, 0, 1, THE_ROOT, 0 }, false },
		{ "1 1 1", { 1, 1, 1, THE_LEAF, 0 }, false },
		{ "3 2 1", { 3, 2, 1, THE_LEAF, 0 }, false },
		{ "3 1 3", { 3, 1, 3, THE_LEAF, 0 }, false },
		{ "3 1 1, short", { 3, 1, 1, THE_LEAF, SHORT }, false },
		{ "2 0 0, half", { 2, 0, 0, THE_ROOT, SHORT }, false },
		{ "2 0 0, empty", { 2, 0, 0, THE_ROOT, EMPTY }, false },
	};
	const struct tls_tlsa nothing = { 3, 1, 1, 0, NULL };

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct tls_tlsa t = make_tlsa(&rows[i].record, leaf);

		want_number(rows[i].name, "usable", tls_dane_usable(&t), rows[i].usable);
		assert_int_equal(ERR_peek_error(), 0);
		free(t.data);
	}
	assert_false(tls_dane_usable(&nothing));
}

/* What is wrong with a certificate counts under DANE-TA, and does not under DANE-EE (RFC 7672 section 3.1). */
static void test_FAULTS_17_dates_names_and_use(void **state)
{
	static const struct row ee = { .name = "EE", .records = { { 3, 1, 1, THE_LEAF, 0 } }, .text = EE };
	static const struct {
		const char *name;
		struct test_pki_spec spec;
		const char *ta;
	} rows[] = {
		{ "good", { .names = "DNS:" HOST }, TA },
		{ "expired", { .names = "DNS:" HOST, .from = -9 * DAY, .until = -DAY },
		  "certificate has expired" },
		{ "not yet valid", { .names = "DNS:" HOST, .from = DAY, .until = 9 * DAY },
		  "certificate is not yet valid" },
		{ "another name", { .names = "DNS:other.example" },
		  "certificate is for other.example, not for " HOST },
		{ "no name", { .cn = NULL }, "certificate has no DNS name in its SAN, wanted is " HOST },
		{ "a CN alone", { .cn = HOST }, TA },
		{ "a CN beside an address", { .cn = HOST, .names = "IP:127.0.0.1" }, TA },
		{ "a CN beside a name", { .cn = HOST, .names = "DNS:other.example" },
		  "certificate is for other.example, not for " HOST },
		{ "a wildcard", { .names = "DNS:*.example.net" }, TA },
		{ "part of a label", { .names = "DNS:m*.example.net" },
		  "certificate is for m*.example.net, not for " HOST },
		{ "a wildcard as CN", { .cn = "m*.example.net" },
		  "certificate has no DNS name in its SAN, wanted is " HOST },
		{ "for clients", { .names = "DNS:" HOST, .usage = "clientAuth" },
		  "unsuitable certificate purpose" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct test_pki *served = test_pki_make(&rows[i].spec, mid);
		struct row ta = { rows[i].name, { { 2, 0, 1, THE_ROOT, 0 } }, rows[i].ta, false, 0 };

		check_rows(&ta, 1, served, other);
		check_rows(&ee, 1, served, other);
		test_pki_free(served);
	}
}

static void test_FAULTS_17_no_authority(void **state)
{
	static const struct row rows[] = {
		{ "by its key", { { 3, 1, 1, THE_LEAF, 0 } }, EE, .sent = 1 },
		{ "whole", { { 3, 0, 0, THE_LEAF, 0 } }, EE, .sent = 1 },
		/* A leaf is no authority of its own. */
		{ "as its own authority", { { 2, 0, 1, THE_LEAF, 0 } }, NO_MATCH, .sent = 1 },
	};
	static const struct row weak = { "weak", { { 3, 1, 1, THE_LEAF, 0 } },
		.text = "EE certificate key too weak", .sent = 1 };
	struct test_pki *self = test_pki_make(&(struct test_pki_spec){ .cn = "x" }, NULL);
	struct test_pki *small = test_pki_make(&(struct test_pki_spec){ .key = TEST_PKI_RSA_1024 }, NULL);

	(void)state;
	check_rows(rows, ROWS(rows), self, other);
	/* A record says whose key it is, not that it is one. */
	check_rows(&weak, 1, small, other);
	test_pki_free(self);
	test_pki_free(small);
}

/* RFC 7672 section 3.2.2: the next hop's domain is as good a name as the host's. */
static void test_NEW_3_names_of_the_connection(void **state)
{
	static const char *const both[] = { "example.net", HOST }, *const elsewhere[] = { "example.org" };
	const struct record record = { 2, 0, 1, THE_ROOT, WHOLE };
	struct tls_tlsa tlsa = make_tlsa(&record, leaf);
	struct test_pki *domain = test_pki_make(&(struct test_pki_spec){ .names = "DNS:example.net" }, mid);
	const struct tls_expect two = { both, 2, &tlsa, 1 }, one = { elsewhere, 1, &tlsa, 1 };
	const struct tls_expect plain_two = { both, 2, NULL, 0 }, plain_one = { elsewhere, 1, NULL, 0 };

	(void)state;
	check("the host", leaf, 3, other, &two, true, TA);
	check("the domain", domain, 3, other, &two, true, "DANE-TA matched, verified for example.net");
	check("neither", leaf, 3, other, &one, true, "certificate is for " HOST ", not for example.org");
	check("the host, no DANE", leaf, 3, root, &plain_two, false, "verified for " HOST);
	check("the domain, no DANE", domain, 3, root, &plain_two, false, "verified for example.net");
	check("neither, no DANE", leaf, 3, root, &plain_one, false,
	      "certificate is for " HOST ", not for example.org");
	test_pki_free(domain);
	free(tlsa.data);
}

/* The names of one connection stand instead of the context's. */
static void test_NEW_3_names_instead_of_the_contexts(void **state)
{
	static const char *const ours[] = { "other.example" }, *const theirs[] = { HOST };
	struct tls_client_conf conf = { .profile = tls_profile_builtin("intermediate"),
		.ca = span_str(root->cert_pem), .names = ours, .name_count = 1 };
	const struct record record = { 2, 0, 1, THE_ROOT, WHOLE };
	struct tls_tlsa tlsa = make_tlsa(&record, leaf);
	const struct tls_expect named = { theirs, 1, NULL, 0 }, wrong = { ours, 1, NULL, 0 };
	const struct tls_expect dane = { NULL, 0, &tlsa, 1 };
	struct tls_server *server = serve(tls_profile_builtin("intermediate"), leaf, 3);
	struct tls_client *client;
	struct tls_facts facts;
	struct why why;

	(void)state;
	client = tls_client_new(&conf, &why);
	talk("context", server, client, HOST, NULL, &facts);
	assert_string_equal(facts.verify_text, "certificate is for " HOST ", not for other.example");
	talk("connection", server, client, HOST, &named, &facts);
	assert_string_equal(facts.verify_text, "verified for " HOST);
	tls_client_free(client);
	/* A context that takes any name does not here. */
	conf.name_count = 0;
	conf.any_name = true;
	client = tls_client_new(&conf, &why);
	talk("any", server, client, "elsewhere.example", NULL, &facts);
	assert_int_equal(facts.verified, TLS_VERIFIED_OK);
	talk("any, connection", server, client, HOST, &wrong, &facts);
	assert_string_equal(facts.verify_text, "certificate is for " HOST ", not for other.example");
	talk("any, DANE", server, client, "elsewhere.example", &dane, &facts);
	assert_string_equal(facts.verify_text, "certificate is for " HOST ", not for elsewhere.example");
	tls_client_free(client);
	tls_server_free(server);
	free(tlsa.data);
}

/* Law 7: what was expected is part of the key, whatever the caller made of his. */
static void test_NEW_3_no_session_of_other_records(void **state)
{
	static const char *const names[] = { HOST };
	const struct record right = { 3, 1, 1, THE_LEAF, WHOLE }, wrong = { 3, 1, 1, ANOTHER, WHOLE };
	struct tls_tlsa good = make_tlsa(&right, leaf), bad = make_tlsa(&wrong, leaf);
	const struct tls_expect all[] = {
		{ NULL, 0, NULL, 0 }, { NULL, 0, &good, 1 }, { NULL, 0, &bad, 1 }, { names, 1, &good, 1 },
		{ names, 1, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct tls_profile profile = tls_pair_versions(versions[i], versions[i]);
		struct tls_client *client = tls_pair_client(&profile, root);
		struct tls_server *server = serve(&profile, leaf, 3);
		struct tls_facts facts;

		talk("no expectation", server, client, HOST, NULL, &facts);
		for (size_t k = 0; k < ROWS(all); k++) {
			talk("first", server, client, HOST, &all[k], &facts);
			assert_false(facts.resumed);
			assert_int_equal(facts.verified, k == 2 ? TLS_VERIFIED_BAD : TLS_VERIFIED_OK);
			assert_int_equal(facts.dane, all[k].tlsa_count > 0);
		}
		for (size_t k = 0; k < ROWS(all); k++) {
			talk("second", server, client, HOST, &all[k], &facts);
			assert_int_equal(facts.resumed, k != 2);
			assert_int_equal(facts.dane, all[k].tlsa_count > 0);
		}
		talk("no expectation", server, client, HOST, NULL, &facts);
		assert_true(facts.resumed && !facts.dane);
		tls_server_free(server);
		tls_client_free(client);
	}
	free(good.data);
	free(bad.data);
}

/* A session outlives the certificate that it began with: under DANE-EE its dates never counted. */
static void test_FAULTS_17_expired_while_the_session_lives(void **state)
{
	static const struct {
		struct record record;
		const char *text;
	} rows[] = {
		{ { 3, 1, 1, THE_LEAF, WHOLE }, EE },
		{ { 2, 0, 1, THE_ROOT, WHOLE }, "certificate has expired" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct tls_tlsa tlsa = make_tlsa(&rows[i].record, leaf);
		const struct tls_expect expect = { NULL, 0, &tlsa, 1 };
		struct tls_client *client = tls_pair_client(tls_profile_builtin("intermediate"), other);
		struct tls_server *server = serve(tls_profile_builtin("intermediate"), leaf, 3);
		struct tls_facts facts;

		talk("now", server, client, HOST, &expect, &facts);
		assert_int_equal(facts.verified, TLS_VERIFIED_OK);
		client->now = facts.cert_until + 1;
		talk("later", server, client, HOST, &expect, &facts);
		assert_true(facts.resumed);
		assert_string_equal(facts.verify_text, rows[i].text);
		tls_server_free(server);
		tls_client_free(client);
		free(tlsa.data);
	}
}

/* TLS that can be forged proves nothing, whatever a profile allows. */
static void test_NEW_3_tls_1_2_at_least(void **state)
{
	struct tls_profile old = *tls_profile_builtin("legacy");
	const struct record record = { 3, 1, 1, THE_LEAF, WHOLE }, unusable = { 3, 1, 3, THE_LEAF, WHOLE };
	struct tls_tlsa usable_tlsa = make_tlsa(&record, leaf), other_tlsa = make_tlsa(&unusable, leaf);
	const struct tls_expect dane = { NULL, 0, &usable_tlsa, 1 }, none = { NULL, 0, &other_tlsa, 1 };
	struct tls_client *client = tls_pair_client(tls_profile_builtin("legacy"), other);
	struct tls_server *server;
	struct tls_facts facts;
	struct tls_pair p;

	(void)state;
	old.max = TLS_1_1;
	server = serve(&old, leaf, 3);
	talk("without", server, client, HOST, &none, &facts);
	assert_string_equal(facts.version, "TLSv1.1");
	tls_pair_expect(&p, server, client, HOST, &dane, "key");
	assert_false(tls_pair_shake(&p, TLS_PAIR_WHOLE));
	assert_int_equal(p.server_failure, TLS_FAILURE_VERSION);
	tls_pair_close(&p);
	tls_server_free(server);
	tls_client_free(client);
	free(usable_tlsa.data);
	free(other_tlsa.data);
}

/* An address has no name to have records under; nobody takes it for verified. */
static void test_NEW_3_an_address_has_no_records(void **state)
{
	const struct record record = { 3, 1, 1, THE_LEAF, WHOLE };
	struct tls_tlsa tlsa = make_tlsa(&record, leaf);
	const struct tls_expect expect = { NULL, 0, &tlsa, 1 };
	struct tls_client *client = tls_pair_client(tls_profile_builtin("intermediate"), root);
	struct tls_server *server = serve(tls_profile_builtin("intermediate"), leaf, 3);
	struct tls_facts facts;

	(void)state;
	talk("address", server, client, "192.0.2.7", &expect, &facts);
	assert_false(facts.dane);
	assert_string_equal(facts.verify_text, "certificate is for " HOST ", not for 192.0.2.7");
	tls_server_free(server);
	tls_client_free(client);
	free(tlsa.data);
}

/* A CRL that revokes mid's leaf, PEM; to be freed. */
static char *make_crl(void)
{
	X509_CRL *crl = X509_CRL_new();
	X509_REVOKED *revoked = X509_REVOKED_new();
	ASN1_TIME *from = X509_gmtime_adj(NULL, -DAY), *until = X509_gmtime_adj(NULL, DAY);
	BIO *bio = BIO_new(BIO_s_mem());
	char *at, *text;
	long len;

	must(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
	must(X509_CRL_set_issuer_name(crl, X509_get_subject_name(mid->cert)) == 1);
	must(X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, until) == 1);
	must(X509_REVOKED_set_serialNumber(revoked, X509_get_serialNumber(leaf->cert)) == 1);
	must(X509_REVOKED_set_revocationDate(revoked, from) == 1);
	must(X509_CRL_add0_revoked(crl, revoked) == 1);
	must(X509_CRL_sign(crl, mid->key, EVP_sha256()) > 0 && PEM_write_bio_X509_CRL(bio, crl) == 1);
	len = BIO_get_mem_data(bio, &at);
	text = mem_new((size_t)len + 1);
	memcpy(text, at, (size_t)len);
	BIO_free(bio);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	X509_CRL_free(crl);
	return text;
}

/* FAULTS 18: what is revoked is so under DANE-TA; under DANE-EE the record alone is what can be taken back. */
static void test_FAULTS_18_revoked_under_DANE(void **state)
{
	static const struct {
		struct record record;
		const char *text, *revocation;
	} rows[] = {
		{ { 3, 1, 1, THE_LEAF, WHOLE }, EE, "" },
		{ { 2, 0, 1, THE_ROOT, WHOLE }, "certificate revoked", "CRL: revoked" },
	};
	char *crl = make_crl();

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct tls_profile profile = *tls_profile_builtin("intermediate");
		const struct tls_client_conf conf = { .profile = &profile, .ca = span_str(other->cert_pem),
			.crl = span_str(crl) };
		struct tls_tlsa tlsa = make_tlsa(&rows[i].record, leaf);
		const struct tls_expect expect = { NULL, 0, &tlsa, 1 };
		struct tls_server *server = serve(&profile, leaf, 3);
		struct tls_client *client;
		struct why why;

		profile.ocsp = TLS_OCSP_HARD;
		client = tls_client_new(&conf, &why);
		for (int turn = 0; turn < 2; turn++) {
			struct tls_facts facts;

			talk("revoked", server, client, HOST, &expect, &facts);
			assert_string_equal(facts.verify_text, rows[i].text);
			assert_string_equal(facts.revocation, rows[i].revocation);
			assert_true(facts.dane);
		}
		tls_server_free(server);
		tls_client_free(client);
		free(tlsa.data);
	}
	free(crl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_NEW_3_usage_selector_matching),
		cmocka_unit_test(test_NEW_3_what_the_server_sends),
		cmocka_unit_test(test_NEW_3_FAULTS_33_several_records),
		cmocka_unit_test(test_FAULTS_33_unusable_records),
		cmocka_unit_test(test_NEW_3_usable),
		cmocka_unit_test(test_FAULTS_17_dates_names_and_use),
		cmocka_unit_test(test_FAULTS_17_no_authority),
		cmocka_unit_test(test_NEW_3_names_of_the_connection),
		cmocka_unit_test(test_NEW_3_names_instead_of_the_contexts),
		cmocka_unit_test(test_NEW_3_no_session_of_other_records),
		cmocka_unit_test(test_FAULTS_17_expired_while_the_session_lives),
		cmocka_unit_test(test_NEW_3_tls_1_2_at_least),
		cmocka_unit_test(test_NEW_3_an_address_has_no_records),
		cmocka_unit_test(test_FAULTS_18_revoked_under_DANE),
	};
	int failed;

	tls_ticket_rotate(&ring);
	root = test_pki_make(&(struct test_pki_spec){ .cn = "root", .ca = true }, NULL);
	other = test_pki_make(&(struct test_pki_spec){ .cn = "root", .ca = true }, NULL);
	mid = test_pki_make(&(struct test_pki_spec){ .cn = "mid", .ca = true }, root);
	leaf = test_pki_make(&(struct test_pki_spec){ .cn = "leaf", .names = "DNS:" HOST }, mid);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	test_pki_free(leaf);
	test_pki_free(mid);
	test_pki_free(other);
	test_pki_free(root);
	return failed;
}
