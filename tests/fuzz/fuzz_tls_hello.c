/* Whatever comes where a hello should: once there is an answer it stays, whatever follows, and before it
 * there is none; a name that is told is a host name; the same message in records of one octet says
 * the same. */
#include "base/buf.h"
#include "base/must.h"
#include "tls/tls_hello.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef enum tls_hello_found look(struct span bytes, struct tls_hello *hello);

static void check_texts(const struct tls_hello *h)
{
	must(memchr(h->sni, '\0', sizeof(h->sni)) != NULL);
	must(memchr(h->alpn, '\0', sizeof(h->alpn)) != NULL);
	for (const char *at = h->sni; *at != '\0'; at++)
		must((ascii_is_alnum(*at) && *at == ascii_lower(*at)) || strchr("-_.", *at) != NULL);
	for (const char *at = h->alpn; *at != '\0'; at++)
		must(*at > ' ' && *at <= '~');
	must(tls_hello_version_name(h->version) != NULL);
}

static bool same(const struct tls_hello *a, const struct tls_hello *b)
{
	return a->version == b->version && strcmp(a->sni, b->sni) == 0 &&
	       strcmp(a->alpn, b->alpn) == 0 && a->cipher == b->cipher &&
	       a->resuming == b->resuming && a->alert == b->alert;
}

/* Every prefix, but for long inputs only some. */
static void check_cuts(look *at, struct span all, enum tls_hello_found found, const struct tls_hello *want)
{
	size_t step = all.len / 512 + 1;
	struct tls_hello h;
	bool answered = false;

	for (size_t len = 0; len <= all.len; len += step) {
		enum tls_hello_found now = at(span_first(all, len), &h);

		must(!answered || now == found);
		answered = now != TLS_HELLO_MORE;
		must(!answered || (now == found && same(&h, want)));
	}
}

/* One record to a hello: its message again, in the smallest records there are. */
static void check_records(look *at, struct span all, const struct tls_hello *want)
{
	size_t len = all.len < 5 ? 0 : (size_t)(unsigned char)all.at[3] << 8 | (unsigned char)all.at[4];
	struct span message = span_first(span_from(all, 5), len);
	struct tls_hello h;
	struct buf b;

	if (message.len * 6 > TLS_HELLO_MOST)
		return;
	buf_init(&b, TLS_HELLO_MOST);
	for (size_t i = 0; i < message.len; i++) {
		must(buf_put(&b, span_of("\x16\x03\x03\x00\x01", 5)));
		must(buf_put(&b, span_of(message.at + i, 1)));
	}
	/* Not so where the message goes on in further records. */
	if (at(buf_peek(&b), &h) == TLS_HELLO_WHOLE)
		must(same(&h, want));
	buf_free(&b);
}

static void check(look *at, struct span all)
{
	struct tls_hello h, more;
	enum tls_hello_found found = at(all, &h);

	check_texts(&h);
	if (found != TLS_HELLO_WHOLE) {
		more = (struct tls_hello){ .alert = found == TLS_HELLO_NOT && h.alert };
		must(same(&h, &more));
	} else {
		check_records(at, all, &h);
	}
	check_cuts(at, all, found, &h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check(tls_hello_client, span_of(data, size));
	check(tls_hello_server, span_of(data, size));
	return 0;
}
