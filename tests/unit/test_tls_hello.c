/* What hellos say in clear: made by hand, one oddity each, and real ones made by OpenSSL. */
#include "unit.h"

#include "tls/tls_hello.h"
#include "tls_pair.h"

#define HOST "mx.example.net"

static struct test_pki *ca, *leaf;
static struct tls_cert *cert;
static struct tls_ticket_ring ring;

/* A message cut into records of `piece` octets. */
static void put_records(struct buf *out, struct span message, size_t piece)
{
	while (message.len > 0) {
		struct span part = span_first(message, piece);
		char header[] = { 22, 3, 1, (char)(part.len >> 8), (char)part.len };

		must(buf_put(out, span_of(header, 5)) && buf_put(out, part));
		message = span_from(message, part.len);
	}
}

static void put_number(struct buf *out, size_t number, int octets)
{
	while (octets-- > 0) {
		char c = (char)(number >> 8 * octets);

		must(buf_put(out, span_of(&c, 1)));
	}
}

/* From the version to the end of what comes before the extensions. */
static void put_start(struct buf *out, bool client, unsigned legacy, size_t session)
{
	put_number(out, legacy, 2);
	must(buf_put(out, span_of("0123456789abcdef0123456789abcdef", 32)));
	put_number(out, session, 1);
	must(buf_put(out, span_of("0123456789abcdef0123456789abcdef0123", session)));
	must(client ? buf_put(out, span_of("\x00\x04\x13\x01\xc0\x2f\x01\x00", 8)) :
		      buf_put(out, span_of("\xc0\x2f\x00", 3)));
}

/* One record with a hello; `exts` without its length. NULL address: no extensions at all. */
static void put_hello(struct buf *out, bool client, unsigned legacy, size_t session,
		      struct span exts)
{
	struct buf body, message;

	buf_init(&body, 65536);
	buf_init(&message, 65536);
	put_start(&body, client, legacy, session);
	if (exts.at != NULL) {
		put_number(&body, exts.len, 2);
		must(buf_put(&body, exts));
	}
	put_number(&message, client ? 1 : 2, 1);
	put_number(&message, buf_used(&body), 3);
	must(buf_put(&message, buf_peek(&body)));
	put_records(out, buf_peek(&message), 16384);
	buf_free(&body);
	buf_free(&message);
}

static enum tls_hello_found look(struct span bytes, bool client, struct tls_hello *h)
{
	/* A copy of the exact size, so that a sanitizer sees who reads too far. */
	char *copy = mem_new(bytes.len + 1);
	char *end = copy + 1;
	enum tls_hello_found found;

	if (bytes.len > 0)
		memcpy(end, bytes.at, bytes.len);
	memset(h, 0x55, sizeof(*h));
	found = client ? tls_hello_client(span_of(end, bytes.len), h) :
			 tls_hello_server(span_of(end, bytes.len), h);
	free(copy);
	return found;
}

static void want_hello(const char *row, const struct tls_hello *h, unsigned version,
		       const char *sni, const char *alpn, bool resuming)
{
	want_number(row, "version", h->version, version);
	want_text(row, span_str(h->sni), span_str(sni));
	want_text(row, span_str(h->alpn), span_str(alpn));
	want_number(row, "resuming", h->resuming, resuming);
	want_number(row, "alert", h->alert, false);
}


static void test_what_a_client_says(void **state)
{
	static const struct {
		const char *name;
		unsigned legacy;
		size_t session;
		struct span exts;
		unsigned version;
		const char *sni, *alpn;
		bool resuming;
	} rows[] = {
		{ "no extensions", 0x0301, 0, { NULL, 0 }, 0x0301, "", "", false },
		{ "none of them", 0x0303, 0, SPAN(""), 0x0303, "", "", false },
		{ "SSL 3", 0x0300, 0, { NULL, 0 }, 0x0300, "", "", false },
		{ "a session id", 0x0303, 32, SPAN(""), 0x0303, "", "", true },
		{ "a session id of TLS 1.3", 0x0303, 32, SPAN("\x00\x2b\x00\x03\x02\x03\x04"),
		  0x0304, "", "", false },
		{ "1.3 is not told by the old number", 0x0304, 0, SPAN(""), 0x0303, "", "", false },
		{ "versions, GREASE first", 0x0303, 0,
		  SPAN("\x00\x2b\x00\x07\x06\x7a\x7a\x03\x03\x03\x04"), 0x0304, "", "", false },
		{ "one of the future", 0x0303, 0, SPAN("\x00\x2b\x00\x05\x04\x03\x05\x03\x04"),
		  0x0305, "", "", false },
		{ "drafts alone", 0x0303, 0, SPAN("\x00\x2b\x00\x03\x02\x7f\x1c"), 0, "", "", false },
		{ "SNI", 0x0303, 0, SPAN("\x00\x00\x00\x0f\x00\x0d\x00\x00\x0aMX.Example"),
		  0x0303, "mx.example", "", false },
		{ "SNI with a dot at the end", 0x0303, 0,
		  SPAN("\x00\x00\x00\x08\x00\x06\x00\x00\x03" "mx."), 0x0303, "mx", "", false },
		{ "SNI that is no host", 0x0303, 0,
		  SPAN("\x00\x00\x00\x08\x00\x06\x00\x00\x03m\x0ax"), 0x0303, "", "", false },
		{ "SNI with a NUL", 0x0303, 0,
		  SPAN("\x00\x00\x00\x08\x00\x06\x00\x00\x03m\x00x"), 0x0303, "", "", false },
		{ "SNI of another type", 0x0303, 0,
		  SPAN("\x00\x00\x00\x08\x00\x06\x09\x00\x03mxa"), 0x0303, "", "", false },
		{ "SNI behind another type", 0x0303, 0,
		  SPAN("\x00\x00\x00\x0c\x00\x0a\x09\x00\x01m\x00\x00\x03mxa"), 0x0303, "mxa", "",
		  false },
		{ "ALPN", 0x0303, 0, SPAN("\x00\x10\x00\x0b\x00\x09\x04smtp\x03" "abc"), 0x0303, "",
		  "smtp", false },
		{ "ALPN with a line end", 0x0303, 0, SPAN("\x00\x10\x00\x05\x00\x03\x02s\x0a"),
		  0x0303, "", "", false },
		{ "a ticket", 0x0303, 0, SPAN("\x00\x23\x00\x01t"), 0x0303, "", "", true },
		{ "room for a ticket", 0x0303, 0, SPAN("\x00\x23\x00\x00"), 0x0303, "", "", false },
		{ "a PSK", 0x0303, 0, SPAN("\x00\x29\x00\x01p"), 0x0303, "", "", true },
		{ "unknown ones, twice", 0x0303, 0, SPAN("\x7a\x7a\x00\x01x\x7a\x7a\x00\x00"),
		  0x0303, "", "", false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct tls_hello h;
		struct buf b;

		buf_init(&b, 65536);
		put_hello(&b, true, rows[i].legacy, rows[i].session, rows[i].exts);
		want_number(rows[i].name, "found", look(buf_peek(&b), true, &h), TLS_HELLO_WHOLE);
		want_hello(rows[i].name, &h, rows[i].version, rows[i].sni, rows[i].alpn,
			   rows[i].resuming);
		/* The same is no ServerHello. */
		want_number(rows[i].name, "server", look(buf_peek(&b), false, &h), TLS_HELLO_NOT);
		buf_free(&b);
	}
}

static void test_what_a_server_says(void **state)
{
	static const struct {
		const char *name;
		unsigned legacy;
		struct span exts;
		unsigned version;
		const char *alpn;
	} rows[] = {
		{ "no extensions", 0x0301, { NULL, 0 }, 0x0301, "" },
		{ "TLS 1.2", 0x0303, SPAN(""), 0x0303, "" },
		{ "TLS 1.3", 0x0303, SPAN("\x00\x2b\x00\x02\x03\x04"), 0x0304, "" },
		{ "ALPN", 0x0303, SPAN("\x00\x10\x00\x07\x00\x05\x04smtp"), 0x0303, "smtp" },
		{ "the name was used", 0x0303, SPAN("\x00\x00\x00\x00"), 0x0303, "" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct tls_hello h;
		struct buf b;

		buf_init(&b, 65536);
		put_hello(&b, false, rows[i].legacy, 32, rows[i].exts);
		want_number(rows[i].name, "found", look(buf_peek(&b), false, &h), TLS_HELLO_WHOLE);
		want_hello(rows[i].name, &h, rows[i].version, "", rows[i].alpn, false);
		want_number(rows[i].name, "cipher", h.cipher, 0xc02f);
		want_number(rows[i].name, "client", look(buf_peek(&b), true, &h), TLS_HELLO_NOT);
		buf_free(&b);
	}
}

static void test_bodies_that_make_no_sense(void **state)
{
	/* After version and random. */
	static const struct {
		const char *name;
		struct span body;
		enum tls_hello_found client, server;
	} rows[] = {
		{ "one suite", SPAN("\x00\x00\x02\x13\x01\x01\x00"), TLS_HELLO_WHOLE, TLS_HELLO_NOT },
		{ "a suite and a half", SPAN("\x00\x00\x03\x13\x01\xc0\x01\x00"), TLS_HELLO_NOT,
		  TLS_HELLO_NOT },
		{ "no compression, not even none", SPAN("\x00\x00\x02\x13\x01\x00"), TLS_HELLO_NOT,
		  TLS_HELLO_NOT },
		{ "no extensions and more", SPAN("\x00\x00\x02\x13\x01\x01\x00\x00\x00\x00"),
		  TLS_HELLO_NOT, TLS_HELLO_NOT },
		{ "a server's", SPAN("\x00\x13\x01\x00\x00\x00"), TLS_HELLO_NOT, TLS_HELLO_WHOLE },
		{ "a server's and more", SPAN("\x00\x13\x01\x00\x00\x00\x00"), TLS_HELLO_NOT,
		  TLS_HELLO_NOT },
		{ "a session id too long", SPAN("\x21" "0123456789abcdef0123456789abcdef0\x00\x02\x13\x01"
		  "\x01\x00"), TLS_HELLO_NOT, TLS_HELLO_NOT },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		for (int client = 0; client < 2; client++) {
			struct buf message, b;
			struct tls_hello h;

			buf_init(&message, 1000);
			buf_init(&b, 1000);
			put_number(&message, client ? 1 : 2, 1);
			put_number(&message, 34 + rows[i].body.len, 3);
			must(buf_put(&message, SPAN("\x03\x03" "0123456789abcdef0123456789abcdef")));
			must(buf_put(&message, rows[i].body));
			put_records(&b, buf_peek(&message), 16384);
			want_number(rows[i].name, client ? "client" : "server",
				    look(buf_peek(&b), client, &h),
				    client ? rows[i].client : rows[i].server);
			buf_free(&message);
			buf_free(&b);
		}
	}
}

static void test_extensions_that_make_no_sense(void **state)
{
	static const struct {
		const char *name;
		bool client;
		struct span exts;
	} rows[] = {
		{ "half a type", true, SPAN("\x00") },
		{ "no length", true, SPAN("\x00\x2b\x00") },
		{ "longer than all", true, SPAN("\x00\x2b\x00\x09\x02\x03\x04") },
		{ "versions, odd", true, SPAN("\x00\x2b\x00\x04\x03\x03\x04\x03") },
		{ "versions, none", true, SPAN("\x00\x2b\x00\x01\x00") },
		{ "versions, empty", true, SPAN("\x00\x2b\x00\x00") },
		{ "versions, one octet more", true, SPAN("\x00\x2b\x00\x04\x02\x03\x04\x00") },
		{ "versions twice", true,
		  SPAN("\x00\x2b\x00\x03\x02\x03\x04\x00\x2b\x00\x03\x02\x03\x03") },
		{ "a server with two versions", false, SPAN("\x00\x2b\x00\x04\x03\x04\x03\x03") },
		{ "a server with half a version", false, SPAN("\x00\x2b\x00\x01\x03") },
		{ "a server with no version", false, SPAN("\x00\x2b\x00\x00") },
		{ "SNI, empty", true, SPAN("\x00\x00\x00\x00") },
		{ "SNI, no name", true, SPAN("\x00\x00\x00\x02\x00\x00") },
		{ "SNI, a name of no octets", true, SPAN("\x00\x00\x00\x05\x00\x03\x00\x00\x00") },
		{ "SNI, two hosts", true,
		  SPAN("\x00\x00\x00\x0a\x00\x08\x00\x00\x01" "a\x00\x00\x01" "b") },
		{ "SNI twice", true,
		  SPAN("\x00\x00\x00\x06\x00\x04\x00\x00\x01" "a"
		       "\x00\x00\x00\x06\x00\x04\x00\x00\x01" "b") },
		{ "SNI, list shorter than it says", true, SPAN("\x00\x00\x00\x06\x00\x05\x00\x00\x01" "a") },
		{ "SNI, more behind the list", true, SPAN("\x00\x00\x00\x07\x00\x04\x00\x00\x01" "aa") },
		{ "SNI of a server", false, SPAN("\x00\x00\x00\x06\x00\x04\x00\x00\x01" "a") },
		{ "ALPN, empty", true, SPAN("\x00\x10\x00\x02\x00\x00") },
		{ "ALPN, a name of no octets", true, SPAN("\x00\x10\x00\x05\x00\x03\x00\x01" "a") },
		{ "ALPN, cut", true, SPAN("\x00\x10\x00\x04\x00\x02\x05" "a") },
		{ "ALPN, two chosen", false, SPAN("\x00\x10\x00\x06\x00\x04\x01" "a\x01" "b") },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		static const struct tls_hello nothing;
		struct tls_hello h;
		struct buf b;

		buf_init(&b, 65536);
		put_hello(&b, rows[i].client, 0x0303, 0, rows[i].exts);
		want_number(rows[i].name, "found", look(buf_peek(&b), rows[i].client, &h),
			    TLS_HELLO_NOT);
		assert_memory_equal(&h, &nothing, sizeof(h));
		buf_free(&b);
	}
}

static void test_WG_13_what_is_not_tls(void **state)
{
	static const struct {
		const char *name;
		struct span bytes;
		enum tls_hello_found found;
		bool alert;
	} rows[] = {
		{ "nothing yet", SPAN(""), TLS_HELLO_MORE, false },
		{ "one octet", SPAN("\x16"), TLS_HELLO_MORE, false },
		{ "SMTP", SPAN("E"), TLS_HELLO_NOT, false },
		{ "a greeting", SPAN("220 mx.example"), TLS_HELLO_NOT, false },
		{ "HTTP", SPAN("GET / HTTP/1.1\r\n"), TLS_HELLO_NOT, false },
		{ "SSL 2", SPAN("\x80\x2e\x01\x03\x01\x00\x15"), TLS_HELLO_NOT, false },
		{ "another major version", SPAN("\x16\x02"), TLS_HELLO_NOT, false },
		{ "an empty record", SPAN("\x16\x03\x01\x00\x00"), TLS_HELLO_NOT, false },
		{ "a record too long", SPAN("\x16\x03\x01\x40\x01"), TLS_HELLO_NOT, false },
		{ "application data", SPAN("\x17\x03\x03\x00\x01x"), TLS_HELLO_NOT, false },
		{ "another message", SPAN("\x16\x03\x01\x00\x04\x0b"), TLS_HELLO_NOT, false },
		{ "a message too long", SPAN("\x16\x03\x01\x00\x04\x01\x00\x40\x00"), TLS_HELLO_NOT,
		  false },
		{ "a message too short", SPAN("\x16\x03\x01\x00\x04\x01\x00\x00\x00"), TLS_HELLO_NOT,
		  false },
		{ "data between the records", SPAN("\x16\x03\x01\x00\x02\x01\x00\x17"),
		  TLS_HELLO_NOT, false },
		{ "half an alert", SPAN("\x15\x03\x01"), TLS_HELLO_MORE, false },
		{ "an alert", SPAN("\x15\x03\x01\x00\x02\x02\x28"), TLS_HELLO_NOT, true },
		{ "no alert", SPAN("\x15\x04"), TLS_HELLO_NOT, false },
		{ "an alert of three octets", SPAN("\x15\x03\x01\x00\x03\x02\x28"), TLS_HELLO_NOT,
		  false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct tls_hello h;

		want_number(rows[i].name, "found", look(rows[i].bytes, true, &h), rows[i].found);
		want_number(rows[i].name, "alert", h.alert, rows[i].alert);
		/* "another message" is one of these: a Certificate. */
		want_number(rows[i].name, "server",
			    look(rows[i].bytes, false, &h) == TLS_HELLO_WHOLE, false);
	}
}

/* All of a body but its end, in every way: never more is wanted than what the message says it has. */
static void test_bodies_that_end_early(void **state)
{
	struct buf b;

	(void)state;
	for (int client = 0; client < 2; client++) {
		struct span whole;

		buf_init(&b, 65536);
		put_hello(&b, client == 1, 0x0303, 32, SPAN("\x00\x2b\x00\x03\x02\x03\x04"));
		whole = buf_peek(&b);
		for (size_t len = 9; len < whole.len; len++) {
			char *copy = mem_new(len);
			size_t body = len - 9;
			enum tls_hello_found found;
			struct tls_hello h;

			memcpy(copy, whole.at, len);
			copy[4] = (char)(body + 4);
			copy[8] = (char)body;
			found = look(span_of(copy, len), client == 1, &h);
			/* One place is fine: where it ends before the extensions. */
			if (found == TLS_HELLO_MORE ||
			    (found == TLS_HELLO_WHOLE && whole.len - len != 9))
				fail_msg("%d: %zu octets: %d", client, body, found);
			free(copy);
		}
		buf_free(&b);
	}
}

static void test_too_long_to_look_further(void **state)
{
	static char exts[TLS_HELLO_MOST];
	struct tls_hello h;
	struct buf b;

	(void)state;
	for (size_t len = 15000; len <= TLS_HELLO_MOST; len++) {
		bool fits = 5 + 4 + 45 + len <= TLS_HELLO_MOST;

		/* One extension of an unknown kind. */
		exts[0] = 0x7a, exts[1] = 0x7a;
		exts[2] = (char)((len - 4) >> 8), exts[3] = (char)(len - 4);
		buf_init(&b, 65536);
		put_hello(&b, true, 0x0303, 0, span_of(exts, len));
		want_number("one record", "found", look(buf_peek(&b), true, &h),
			    fits ? TLS_HELLO_WHOLE : TLS_HELLO_NOT);
		buf_free(&b);
	}
	/* Records of one octet, each with a header. */
	memset(exts, 1, sizeof(exts));
	buf_init(&b, 65536);
	put_records(&b, SPAN("\x01\x00\x20\x00"), 1);
	for (int i = 0; i < 2724; i++)
		put_records(&b, SPAN("x"), 1);
	want_number("small records", "found", look(buf_peek(&b), true, &h), TLS_HELLO_MORE);
	for (int i = 0; i < 3; i++)
		put_records(&b, SPAN("x"), 1);
	want_number("small records", "found", look(buf_peek(&b), true, &h), TLS_HELLO_NOT);
	buf_free(&b);
}

/* Real ones: `session` to resume, or NULL. Takes both sides one step, so that each has said its hello. */
static void open_hellos(struct tls_pair *p, const struct tls_profile *profile, struct tls_client *client,
			const char *host)
{
	struct tls_server *s = tls_pair_server(profile, &cert, 1, "mx", &ring);

	tls_pair_open(p, s, client, host, "key");
	tls_server_free(s);
	must(SSL_set_alpn_protos(p->client->ssl, (const unsigned char *)"\x04smtp\x01x", 7) == 0);
	assert_int_equal(tls_conn_handshake(p->client, &p->client_failure, &p->client_why),
			 TLS_IO_MORE);
}

static void check_cuts(const char *row, struct span whole, bool client, size_t end)
{
	struct tls_hello h;

	for (size_t len = 0; len <= whole.len; len++)
		want_number(row, "found", look(span_first(whole, len), client, &h),
			    len < end ? TLS_HELLO_MORE : TLS_HELLO_WHOLE);
}

/* The same message in other records says the same. */
static void check_records(const char *row, struct span whole, bool client, size_t end)
{
	static const size_t pieces[] = { 1, 2, 3, 4, 5, 7, 100, 300 };
	struct span message = span_from(span_first(whole, end), 5);
	struct tls_hello want, h;

	must(look(whole, client, &want) == TLS_HELLO_WHOLE);
	for (size_t i = 0; i < ROWS(pieces); i++) {
		struct buf b;
		size_t used;

		buf_init(&b, 65536);
		put_records(&b, message, pieces[i]);
		used = buf_used(&b);
		/* What follows is not looked at, whatever it is. */
		must(buf_put(&b, SPAN("\x17\xff\xff\x00\x00")));
		want_number(row, "found", look(buf_peek(&b), client, &h), TLS_HELLO_WHOLE);
		assert_memory_equal(&h, &want, sizeof(h));
		if (pieces[i] == 7)
			check_cuts(row, buf_peek(&b), client, used);
		buf_free(&b);
	}
}

/* Where the first record ends: both OpenSSL's hellos have one for themselves. */
static size_t first_record(struct span s)
{
	return 5 + ((size_t)(unsigned char)s.at[3] << 8 | (unsigned char)s.at[4]);
}

static const struct {
	const char *name, *profile;
	enum tls_version only;
	unsigned number;
} versions[] = {
	{ "TLSv1.3", "intermediate", TLS_1_3, 0x0304 },
	{ "TLSv1.2", "intermediate", TLS_1_2, 0x0303 },
	{ "TLSv1.1", "legacy", TLS_1_1, 0x0302 },
	{ "TLSv1", "legacy", TLS_1_0, 0x0301 },
};

static void test_real_ones_at_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct tls_profile profile = *tls_profile_builtin(versions[i].profile);
		struct tls_client *client;
		struct tls_hello h;
		struct tls_pair p;
		struct span said;
		struct tls_facts facts;

		profile.min = profile.max = versions[i].only;
		client = tls_pair_client(&profile, ca);
		open_hellos(&p, &profile, client, "MX.Example.NET.");
		said = buf_peek(&p.client->raw_out);
		want_number("client", "record", first_record(said), said.len);
		check_cuts("client", said, true, said.len);
		check_records("client", said, true, said.len);
		assert_int_equal(look(said, true, &h), TLS_HELLO_WHOLE);
		want_hello(versions[i].name, &h, versions[i].number, HOST, "smtp", false);
		want_text("name", span_str(tls_hello_version_name(h.version)),
			  span_str(versions[i].name));

		tls_pair_carry(p.client, p.server, TLS_PAIR_WHOLE);
		assert_int_equal(tls_conn_handshake(p.server, &p.server_failure, &p.server_why),
				 TLS_IO_MORE);
		said = buf_peek(&p.server->raw_out);
		check_cuts("server", span_first(said, 400), false, first_record(said));
		check_records("server", said, false, first_record(said));
		assert_int_equal(look(said, false, &h), TLS_HELLO_WHOLE);
		want_hello(versions[i].name, &h, versions[i].number, "", "", false);
		assert_true(tls_pair_shake(&p, TLS_PAIR_WHOLE));
		tls_conn_facts(p.client, &facts);
		want_text("as it came to be", span_str(facts.version), span_str(versions[i].name));
		want_number("as it came to be", "cipher", h.cipher, SSL_CIPHER_get_protocol_id(
			SSL_get_current_cipher(p.client->ssl)));
		tls_pair_close(&p);
		tls_client_free(client);
	}
}

static void test_real_ones_that_resume(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct tls_profile profile = tls_pair_versions(versions[i].only, versions[i].only);
		struct tls_client *client = tls_pair_client(&profile, ca);

		for (int turn = 0; turn < 2; turn++) {
			struct tls_hello h;
			struct tls_pair p;

			open_hellos(&p, &profile, client, HOST);
			assert_int_equal(look(buf_peek(&p.client->raw_out), true, &h),
					 TLS_HELLO_WHOLE);
			want_hello(versions[i].name, &h, versions[i].number, HOST, "smtp", turn == 1);
			assert_true(tls_pair_shake(&p, TLS_PAIR_WHOLE));
			assert_true(tls_pair_say(p.server, p.client, "250 hello\r\n"));
			tls_pair_close(&p);
		}
		tls_client_free(client);
	}
}

/* The server has no share for the client's first group and asks again. */
static void test_a_hello_that_asks_for_another(void **state)
{
	struct tls_profile one = tls_pair_versions(TLS_1_3, TLS_1_3), two = one;
	struct tls_client *client;
	struct tls_server *server;
	struct tls_hello h;
	struct tls_pair p;

	(void)state;
	strcpy(one.groups, "X25519:secp256r1");
	strcpy(two.groups, "secp256r1");
	client = tls_pair_client(&one, ca);
	server = tls_pair_server(&two, &cert, 1, "mx", NULL);
	tls_pair_open(&p, server, client, HOST, NULL);
	tls_conn_handshake(p.client, &p.client_failure, &p.client_why);
	tls_pair_carry(p.client, p.server, TLS_PAIR_WHOLE);
	tls_conn_handshake(p.server, &p.server_failure, &p.server_why);
	assert_int_equal(look(buf_peek(&p.server->raw_out), false, &h), TLS_HELLO_WHOLE);
	want_hello("retry", &h, 0x0304, "", "", false);
	assert_int_equal(h.cipher, 0x1302);
	tls_pair_close(&p);
	tls_server_free(server);
	tls_client_free(client);
}

static void test_version_names(void **state)
{
	(void)state;
	assert_string_equal(tls_hello_version_name(0x0300), "SSLv3");
	assert_string_equal(tls_hello_version_name(0x0304), "TLSv1.3");
	assert_string_equal(tls_hello_version_name(0x0305), "");
	assert_string_equal(tls_hello_version_name(0x02ff), "");
	assert_string_equal(tls_hello_version_name(0), "");
	assert_string_equal(tls_hello_version_name(~0u), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_client_says),
		cmocka_unit_test(test_what_a_server_says),
		cmocka_unit_test(test_bodies_that_make_no_sense),
		cmocka_unit_test(test_extensions_that_make_no_sense),
		cmocka_unit_test(test_WG_13_what_is_not_tls),
		cmocka_unit_test(test_bodies_that_end_early),
		cmocka_unit_test(test_too_long_to_look_further),
		cmocka_unit_test(test_real_ones_at_every_cut),
		cmocka_unit_test(test_real_ones_that_resume),
		cmocka_unit_test(test_a_hello_that_asks_for_another),
		cmocka_unit_test(test_version_names),
	};
	int failed;

	tls_ticket_rotate(&ring);
	ca = test_pki_make(&(struct test_pki_spec){ .cn = "ca", .ca = true }, NULL);
	leaf = test_pki_make(&(struct test_pki_spec){ .cn = "x", .names = "DNS:" HOST }, ca);
	cert = tls_pair_cert(leaf);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	tls_cert_free(cert);
	test_pki_free(leaf);
	test_pki_free(ca);
	return failed;
}
