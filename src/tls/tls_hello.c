#include "tls/tls_hello.h"

#include <string.h>

#define RECORD_ALERT 21
#define RECORD_HANDSHAKE 22
#define RECORD_HEADER 5
#define RECORD_MOST 16384
#define MESSAGE_HEADER 4
#define CLIENT_HELLO 1
#define SERVER_HELLO 2
#define RANDOM_LEN 32

#define VERSION_SSL3 0x0300
#define VERSION_TLS12 0x0303
#define VERSION_TLS13 0x0304

enum extension {
	EXT_SERVER_NAME = 0,
	EXT_ALPN = 16,
	EXT_SESSION_TICKET = 35,
	EXT_PRE_SHARED_KEY = 41,
	EXT_SUPPORTED_VERSIONS = 43,
};

/* Takes numbers and vectors off the front of a span. Once something was not there, `bad` stays and
 * all that follows is 0 or empty. */
struct wire {
	struct span rest;
	bool bad;
};

static struct span take(struct wire *w, size_t len)
{
	struct span s = span_first(w->rest, len);

	if (w->bad || s.len < len) {
		w->bad = true;
		return SPAN("");
	}
	w->rest = span_from(w->rest, len);
	return s;
}

static unsigned octet_at(struct span s, size_t i)
{
	return (unsigned char)s.at[i];
}

static unsigned take_number(struct wire *w, size_t octets)
{
	struct span s = take(w, octets);
	unsigned number = 0;

	for (size_t i = 0; i < s.len; i++)
		number = number << 8 | octet_at(s, i);
	return number;
}

/* A vector with its length in front (RFC 8446 section 3.4). */
static struct span take_vector(struct wire *w, size_t length_octets, size_t least, size_t most)
{
	struct span s = take(w, take_number(w, length_octets));

	if (s.len < least || s.len > most)
		w->bad = true;
	return w->bad ? SPAN("") : s;
}

/* The name as rules and certificates have it: lower case, no dot at the end. What no host
 * can be called is left out. */
static void put_host(char sni[256], struct span name)
{
	if (name.len > 1 && name.at[name.len - 1] == '.')
		name.len--;
	if (name.len > 255)
		return;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];

		if (!ascii_is_alnum(c) && c != '-' && c != '_' && c != '.') {
			sni[0] = '\0';
			return;
		}
		sni[i] = ascii_lower(c);
	}
	sni[name.len] = '\0';
}

/* RFC 6066 section 3. A server only says that it has used the name. */
static bool read_server_name(struct span data, bool client, struct tls_hello *h)
{
	struct wire all = { data, false }, list;
	bool seen = false;

	if (!client)
		return data.len == 0;
	list = (struct wire){ take_vector(&all, 2, 1, 65535), false };
	while (!all.bad && !list.bad && list.rest.len > 0) {
		unsigned type = take_number(&list, 1);
		struct span name = take_vector(&list, 2, 1, 65535);

		if (type != 0 || list.bad)
			continue;
		if (seen)
			return false;
		seen = true;
		put_host(h->sni, name);
	}
	return !all.bad && !list.bad && all.rest.len == 0;
}

static void put_protocol(char alpn[64], struct span name)
{
	if (name.len >= 64)
		return;
	for (size_t i = 0; i < name.len; i++) {
		if (octet_at(name, i) <= ' ' || octet_at(name, i) > '~')
			return;
	}
	memcpy(alpn, name.at, name.len);
}

static bool read_alpn(struct span data, bool client, struct tls_hello *h)
{
	struct wire all = { data, false };
	struct wire list = { take_vector(&all, 2, 2, 65535), false };
	unsigned count = 0;

	while (!list.bad && list.rest.len > 0) {
		struct span name = take_vector(&list, 1, 1, 255);

		if (count++ == 0 && !list.bad)
			put_protocol(h->alpn, name);
	}
	return !all.bad && !list.bad && all.rest.len == 0 && (client || count == 1);
}

/* Reserved numbers such as 0x7a7a (RFC 8701) and drafts are no versions. */
static bool read_versions(struct span data, bool client, struct tls_hello *h)
{
	struct wire all = { data, false };
	struct wire list = all;

	if (client)
		list = (struct wire){ take_vector(&all, 1, 2, 254), false };
	else
		all.rest = span_from(data, 2);
	h->version = 0;
	while (!list.bad && list.rest.len > 0) {
		unsigned version = take_number(&list, 2);

		if (version >> 8 == 3 && version > h->version)
			h->version = version;
	}
	return !all.bad && !list.bad && all.rest.len == 0 && data.len >= 2;
}

static bool read_extension(unsigned type, struct span data, bool client, struct tls_hello *h)
{
	switch ((enum extension)type) {
	case EXT_SERVER_NAME:
		return read_server_name(data, client, h);
	case EXT_ALPN:
		return read_alpn(data, client, h);
	case EXT_SUPPORTED_VERSIONS:
		return read_versions(data, client, h);
	case EXT_SESSION_TICKET:
		h->resuming |= client && data.len > 0;
		return true;
	case EXT_PRE_SHARED_KEY:
		h->resuming |= client;
		return true;
	}
	return true;
}

/* One of a kind: who sends two could mean either (RFC 8446 section 4.2). Only those that are read here
 * are looked at; their numbers are below 64. */
static bool is_second(unsigned type, uint64_t *seen)
{
	uint64_t bit = type < 64 ? (uint64_t)1 << type : 0;
	bool second = (*seen & bit) != 0;

	*seen |= bit;
	return second;
}

static bool read_extensions(struct wire *w, bool client, struct tls_hello *h)
{
	struct wire list;
	uint64_t seen = 0;

	if (w->rest.len == 0)
		return true; /* there were none before RFC 3546 */
	list = (struct wire){ take_vector(w, 2, 0, 65535), w->bad };
	while (!list.bad && list.rest.len > 0) {
		unsigned type = take_number(&list, 2);
		struct span data = take_vector(&list, 2, 0, 65535);

		if (list.bad || is_second(type, &seen) || !read_extension(type, data, client, h))
			return false;
	}
	return !w->bad && !list.bad && w->rest.len == 0;
}

static bool read_message(struct span body, bool client, struct tls_hello *h)
{
	struct wire w = { body, false };
	unsigned legacy = take_number(&w, 2);
	struct span session;

	take(&w, RANDOM_LEN);
	session = take_vector(&w, 1, 0, 32);
	if (client) {
		if (take_vector(&w, 2, 2, 65534).len % 2 != 0)
			return false;
		take_vector(&w, 1, 1, 255);
	} else {
		h->cipher = take_number(&w, 2);
		take_number(&w, 1);
	}
	if (w.bad || legacy >> 8 != 3)
		return false;
	/* The number for TLS 1.3 stands in an extension alone. */
	h->version = legacy < VERSION_TLS12 ? legacy : VERSION_TLS12;
	if (!read_extensions(&w, client, h))
		return false;
	/* Later ones send an id that means nothing (RFC 8446 section 4.1.2, 5077 section 3.4). */
	h->resuming |= client && session.len > 0 && h->version < VERSION_TLS13;
	return true;
}

/* Puts the next record's octets behind the others. WHOLE: all of `bytes` that came of it was
 * taken, and there may be another one. */
static enum tls_hello_found next_record(struct span *bytes, char *to, size_t *len)
{
	struct wire w = { *bytes, false };
	struct span piece;
	unsigned size;

	if (bytes->len == 0)
		return TLS_HELLO_MORE;
	if (octet_at(*bytes, 0) != RECORD_HANDSHAKE ||
	    (bytes->len > 1 && octet_at(*bytes, 1) != 3))
		return TLS_HELLO_NOT;
	if (bytes->len < RECORD_HEADER)
		return TLS_HELLO_MORE;
	take(&w, RECORD_HEADER - 2);
	size = take_number(&w, 2);
	if (size == 0 || size > RECORD_MOST)
		return TLS_HELLO_NOT;
	piece = span_first(w.rest, size);
	memcpy(to + *len, piece.at, piece.len);
	*len += piece.len;
	*bytes = span_from(w.rest, piece.len);
	return TLS_HELLO_WHOLE;
}

/* WHOLE: the message is in `message`, header and all, as `len` octets. Records after its last octet are
 * not looked at: they may be encrypted. */
static enum tls_hello_found gather(struct span bytes, unsigned type, char *message, size_t *len)
{
	size_t have = 0;

	for (;;) {
		enum tls_hello_found found;
		struct wire w;

		found = next_record(&bytes, message, &have);
		if (have > 0 && (unsigned char)message[0] != type)
			return TLS_HELLO_NOT;
		w = (struct wire){ span_of(message, have), have < MESSAGE_HEADER };
		take_number(&w, 1);
		*len = MESSAGE_HEADER + take_number(&w, 3);
		if (!w.bad && *len > TLS_HELLO_MOST - RECORD_HEADER)
			return TLS_HELLO_NOT;
		if (!w.bad && have >= *len)
			return TLS_HELLO_WHOLE;
		if (found != TLS_HELLO_WHOLE)
			return found;
	}
}

/* A server that will not have the client's hello says so in its first record. */
static enum tls_hello_found read_alert(struct span bytes, struct tls_hello *hello)
{
	struct wire w = { span_from(bytes, RECORD_HEADER - 2), false };

	if (bytes.len > 1 && octet_at(bytes, 1) != 3)
		return TLS_HELLO_NOT;
	if (bytes.len < RECORD_HEADER)
		return TLS_HELLO_MORE;
	hello->alert = take_number(&w, 2) == 2;
	return TLS_HELLO_NOT;
}

static enum tls_hello_found read_hello(struct span bytes, bool client, struct tls_hello *hello)
{
	char message[TLS_HELLO_MOST];
	bool cut = bytes.len >= TLS_HELLO_MOST;
	enum tls_hello_found found;
	size_t len = 0;

	*hello = (struct tls_hello){ 0 };
	if (bytes.len > 0 && octet_at(bytes, 0) == RECORD_ALERT)
		return read_alert(bytes, hello);
	found = gather(span_first(bytes, TLS_HELLO_MOST), client ? CLIENT_HELLO : SERVER_HELLO,
		       message, &len);
	if (found == TLS_HELLO_MORE && cut)
		return TLS_HELLO_NOT;
	if (found != TLS_HELLO_WHOLE)
		return found;
	if (read_message(span_from(span_of(message, len), MESSAGE_HEADER), client, hello))
		return TLS_HELLO_WHOLE;
	*hello = (struct tls_hello){ 0 };
	return TLS_HELLO_NOT;
}

enum tls_hello_found tls_hello_client(struct span bytes, struct tls_hello *hello)
{
	return read_hello(bytes, true, hello);
}

enum tls_hello_found tls_hello_server(struct span bytes, struct tls_hello *hello)
{
	return read_hello(bytes, false, hello);
}

const char *tls_hello_version_name(unsigned version)
{
	static const char *const names[] = { "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3" };
	unsigned minor = version - VERSION_SSL3;

	return minor < sizeof(names) / sizeof(names[0]) ? names[minor] : "";
}
