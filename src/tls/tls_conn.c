#include "tls/tls_conn.h"

#include "base/must.h"
#include "tls/tls_inside.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_MOST 16384
#define SESSION_KEY_MOST 448
/* What a record adds to its octets, with ample room: header, MAC, padding, the empty record that
 * TLS 1.0 sends ahead, and a close_notify that must still fit after the last of them. */
#define RECORD_OVERHEAD 640

/* The facts of an upstream's connection are asked for with each message, and hash and names of its certificate take
 * 2.5 µs (of 46 for one of 4 KB). Nothing of it changes but whether the certificate has run out. */
#define KNOWN_MSEC 1000

struct tls_known {
	msec until;
	struct tls_facts facts;
};

const char *tls_failure_name(enum tls_failure f)
{
	static const char *const names[] = {
		[TLS_FAILURE_NONE] = "none",
		[TLS_FAILURE_VERSION] = "version",
		[TLS_FAILURE_CIPHER] = "cipher",
		[TLS_FAILURE_ALERT] = "alert",
		[TLS_FAILURE_GARBAGE] = "garbage",
		[TLS_FAILURE_OTHER] = "other",
	};

	return names[f];
}

static struct tls_conn *make(SSL_CTX *ctx)
{
	struct tls_conn *c = mem_new(sizeof(*c));
	SSL *ssl = SSL_new(ctx);
	BIO *bio = tls_bio_new(c);

	must(ssl != NULL);
	must(SSL_set_app_data(ssl, c) == 1);
	SSL_set_bio(ssl, bio, bio);
	c->ssl = ssl;
	buf_init(&c->raw_in, TLS_RAW_IN_MOST);
	buf_init(&c->raw_out, TLS_RAW_OUT_MOST);
	c->host = mem_text("");
	c->session_key = mem_text("");
	return c;
}

struct tls_conn *tls_conn_accept(struct tls_server *server)
{
	struct tls_conn *c = make(server->ctx);

	c->server = true;
	SSL_set_accept_state(c->ssl);
	return c;
}

static bool hash_label(const char *label, unsigned char hash[32])
{
	return EVP_Digest(label, strlen(label), hash, NULL, EVP_sha256(), NULL) == 1;
}

void tls_conn_use_cert(struct tls_conn *c, const struct tls_cert *cert, const char *label)
{
	must(c->server && SSL_in_before(c->ssl) == 1);
	must(hash_label(label, c->own_label));
	c->own_cert = true;
	ERR_clear_error();
	SSL_certs_clear(c->ssl);
	if (SSL_use_cert_and_key(c->ssl, cert->leaf, cert->key, cert->chain, 1) == 1)
		return;
	c->refused = "OpenSSL refuses the certificate made for this connection";
	c->refused_as = TLS_FAILURE_OTHER;
	ERR_clear_error();
}

void tls_conn_set_host(struct tls_conn *c, struct span host)
{
	free(c->host);
	c->host = mem_new(host.len + 1);
	memcpy(c->host, host.at, host.len);
}

/* Without the dot of an absolute name, which neither SNI nor certificates have. */
static void set_host(struct tls_conn *c, const char *host)
{
	size_t len = strlen(host);

	if (len > 1 && host[len - 1] == '.')
		len--;
	tls_conn_set_host(c, span_of(host, len));
	if (len > 0 && !tls_verify_is_address(c->host))
		must(SSL_set_tlsext_host_name(c->ssl, c->host) == 1);
}

/* A key that was cut could be that of another; such a leg does without resumption. */
static void set_session_key(struct tls_conn *c, const char *key, const struct tls_expect *expect)
{
	char hex[TLS_EXPECT_HEX + 1] = "", all[SESSION_KEY_MOST];
	int len;

	if (expect != NULL)
		tls_expect_hash(expect, hex);
	len = snprintf(all, sizeof(all), "%s %s%s%s", key, c->host, expect != NULL ? " " : "", hex);
	if (key[0] == '\0' || len < 0 || (size_t)len >= sizeof(all))
		return;
	free(c->session_key);
	c->session_key = mem_text(all);
}

static void offer_session(struct tls_conn *c)
{
	SSL_SESSION *session = NULL;

	if (c->session_key[0] != '\0')
		session = tls_session_copy(&c->client->sessions, c->session_key, clock_now(),
					   &c->session_born);
	if (session == NULL)
		return;
	c->session_offered = SSL_set_session(c->ssl, session) == 1;
	SSL_SESSION_free(session);
}

struct tls_conn *tls_conn_connect(struct tls_client *client, const char *host, const struct tls_expect *expect,
				  const char *key)
{
	struct tls_conn *c = make(client->ctx);

	c->client = client;
	SSL_set_connect_state(c->ssl);
	set_host(c, host);
	set_session_key(c, key != NULL ? key : "", expect);
	ERR_clear_error();
	if (expect != NULL)
		tls_expect_take(c, expect);
	offer_session(c);
	return c;
}

void tls_conn_free(struct tls_conn *c)
{
	if (c == NULL)
		return;
	SSL_free(c->ssl);
	buf_free(&c->raw_in);
	buf_free(&c->raw_out);
	free(c->known);
	free(c->host);
	free(c->session_key);
	tls_expect_free(c);
	free(c);
}

static enum tls_failure set_broken(struct tls_conn *c, struct why *why)
{
	enum tls_failure failure = tls_error_failure(why);

	c->broken = true;
	if (c->refused != NULL) {
		why_set(why, FAULT_PEER, "%s", c->refused);
		failure = c->refused_as;
	}
	/* It may be the session that the peer chokes on. */
	if (c->session_offered)
		tls_session_drop(&c->client->sessions, c->session_key);
	return failure;
}

static enum tls_io still_broken(struct why *why)
{
	why_set(why, FAULT_SELF, "used after TLS broke");
	return TLS_IO_BROKEN;
}

static void set_ready(struct tls_conn *c)
{
	c->ready = true;
	if (!c->server) {
		tls_found_look(c);
		c->known = mem_new(sizeof(*c->known));
	}
	/* Where a TLS 1.2 server renews the ticket of a resumed session, OpenSSL's callback for
	 * new sessions is silent. */
	if (!c->server && SSL_session_reused(c->ssl) == 1 &&
	    SSL_version(c->ssl) < TLS1_3_VERSION)
		tls_client_keep(c, SSL_get0_session(c->ssl));
}

static enum tls_io closed_early(struct tls_conn *c, enum tls_failure *failure, struct why *why)
{
	c->peer_closed = true;
	c->broken = true;
	*failure = TLS_FAILURE_ALERT;
	why_set(why, FAULT_PEER, "peer sent alert 0 (close notify) during the handshake");
	return TLS_IO_BROKEN;
}

enum tls_io tls_conn_handshake(struct tls_conn *c, enum tls_failure *failure, struct why *why)
{
	int done;

	*failure = TLS_FAILURE_NONE;
	if (c->ready)
		return TLS_IO_OK;
	if (c->broken) {
		*failure = TLS_FAILURE_OTHER;
		return still_broken(why);
	}
	ERR_clear_error();
	done = SSL_do_handshake(c->ssl);
	if (done == 1) {
		set_ready(c);
		return TLS_IO_OK;
	}
	switch (SSL_get_error(c->ssl, done)) {
	case SSL_ERROR_WANT_READ:
		return TLS_IO_MORE;
	case SSL_ERROR_WANT_WRITE:
		return TLS_IO_FULL;
	case SSL_ERROR_ZERO_RETURN:
		return closed_early(c, failure, why);
	default:
		*failure = set_broken(c, why);
		return TLS_IO_BROKEN;
	}
}

/* Why SSL_read or SSL_write moved nothing. */
static enum tls_io stopped(struct tls_conn *c, struct why *why)
{
	switch (SSL_get_error(c->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
		/* SSL_MODE_RELEASE_BUFFERS forgets 16 KB where the last record was a session ticket
		 * (FIGURES section 5). Does nothing while part of a record is in there. */
		SSL_free_buffers(c->ssl);
		return TLS_IO_MORE;
	case SSL_ERROR_WANT_WRITE:
		return TLS_IO_FULL;
	case SSL_ERROR_ZERO_RETURN:
		c->peer_closed = true;
		return TLS_IO_CLOSED;
	default:
		set_broken(c, why);
		return TLS_IO_BROKEN;
	}
}

/* SSL_get_error looks at what earlier calls have left. There is hardly ever anything, but for OpenSSL 3.0 to empty an
 * empty queue takes 0.12 µs, eight times a message. */
static void forget_errors(void)
{
	if (ERR_peek_error() != 0)
		ERR_clear_error();
}

static enum tls_io read_piece(struct tls_conn *c, struct buf *in, struct why *why)
{
	size_t room, got = 0, most = buf_used(&c->raw_in);
	char *at;
	int done;

	/* Not to take 16 KB here and in OpenSSL only to learn that nothing came. */
	if (most == 0 && SSL_has_pending(c->ssl) == 0)
		return TLS_IO_MORE;
	/* For all that can come at once: a buffer that grows record by record is copied time and again. */
	at = buf_reserve(in, most > RECORD_MOST ? most : RECORD_MOST, &room);
	if (room == 0)
		return TLS_IO_FULL;
	forget_errors();
	done = SSL_read_ex(c->ssl, at, room, &got);
	buf_commit(in, done == 1 ? got : 0);
	return done == 1 ? TLS_IO_OK : stopped(c, why);
}

enum tls_io tls_conn_read(struct tls_conn *c, struct buf *in, struct why *why)
{
	enum tls_io io;
	bool moved = false;

	must(c->ready);
	if (c->broken)
		return still_broken(why);
	/* What follows a close_notify is not the peer's (RFC 8446 section 6.1). */
	if (c->peer_closed)
		return TLS_IO_CLOSED;
	while ((io = read_piece(c, in, why)) == TLS_IO_OK)
		moved = true;
	return moved && io != TLS_IO_BROKEN ? TLS_IO_OK : io;
}

static enum tls_io write_piece(struct tls_conn *c, struct buf *out, struct why *why)
{
	struct span piece = span_first(buf_peek(out), RECORD_MOST);
	size_t taken = 0;

	/* Checked before, not left to OpenSSL: a record that it has begun it must end. */
	if (buf_space(&c->raw_out) < piece.len + RECORD_OVERHEAD)
		return TLS_IO_FULL;
	forget_errors();
	if (SSL_write_ex(c->ssl, piece.at, piece.len, &taken) != 1)
		return stopped(c, why);
	buf_consume(out, taken);
	return TLS_IO_OK;
}

enum tls_io tls_conn_write(struct tls_conn *c, struct buf *out, struct why *why)
{
	enum tls_io io = TLS_IO_OK;
	size_t sealed, room;
	bool moved = false;

	must(c->ready);
	if (c->broken)
		return still_broken(why);
	/* For all of it at once, as in reading. */
	sealed = buf_used(out) + buf_used(out) / 64;
	if (sealed > RECORD_MOST)
		(void)buf_reserve(&c->raw_out, sealed, &room);
	while (buf_used(out) > 0 && (io = write_piece(c, out, why)) == TLS_IO_OK)
		moved = true;
	return moved && io != TLS_IO_BROKEN ? TLS_IO_OK : io;
}

void tls_conn_close(struct tls_conn *c)
{
	if (!c->ready || c->broken || (SSL_get_shutdown(c->ssl) & SSL_SENT_SHUTDOWN) != 0)
		return;
	ERR_clear_error();
	SSL_shutdown(c->ssl);
	ERR_clear_error();
}

void tls_conn_facts(const struct tls_conn *c, struct tls_facts *facts)
{
	msec now;

	must(c->ready);
	if (c->server) {
		tls_facts_read(c, facts);
		return;
	}
	now = clock_now();
	if (now >= c->known->until) {
		tls_facts_read(c, &c->known->facts);
		c->known->until = now + KNOWN_MSEC;
	}
	*facts = c->known->facts;
}

bool tls_conn_ocsp_wanted(struct tls_conn *c, char *url, size_t size, struct buf *request)
{
	must(c->ready && !c->server);
	if (SSL_session_reused(c->ssl) == 1 || c->found.ocsp != TLS_OCSP_NONE ||
	    !tls_ocsp_request(c->ssl, url, size, request))
		return false;
	/* TLS 1.2 has brought its ticket by now, TLS 1.3 will at any time. */
	tls_session_drop(&c->client->sessions, c->session_key);
	c->ocsp_asked = true;
	return true;
}

void tls_conn_ocsp_answer(struct tls_conn *c, struct span response)
{
	must(c->ocsp_asked);
	if (response.len > 0)
		c->found.ocsp = (unsigned char)tls_ocsp_read(c->ssl, response);
	c->known->until = 0;
	if (!tls_revoked_is_settled(c))
		return;
	c->ocsp_asked = false;
	tls_client_keep(c, SSL_get0_session(c->ssl));
}

bool tls_conn_peer_der(const struct tls_conn *c, struct buf *der)
{
	X509 *leaf = SSL_get1_peer_certificate(c->ssl);
	unsigned char *octets = NULL;
	int len;
	bool put;

	must(c->ready);
	len = leaf != NULL ? i2d_X509(leaf, &octets) : -1;
	put = len > 0 && buf_put(der, span_of(octets, (size_t)len));
	OPENSSL_free(octets);
	X509_free(leaf);
	ERR_clear_error();
	return put;
}
