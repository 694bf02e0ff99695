#include "tls/tls_server.h"

#include "base/must.h"
#include "tls/tls_inside.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

/* A client that comes back within two hours resumes; well under the week of RFC 8446. */
#define SESSION_SECONDS 7200

static void free_server(void *ctx, void *server, CRYPTO_EX_DATA *ad, int index, long num, void *arg)
{
	struct tls_server *s = server;

	(void)ctx, (void)ad, (void)index, (void)num, (void)arg;
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->cert_count; i++)
		tls_cert_free(s->certs[i]);
	EVP_CIPHER_free(s->ticket_cipher);
	free(s->certs);
	free(s->label);
	free(s);
}

static int own_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_server);
	must(index >= 0);
	return index;
}

static const struct tls_server *server_of(SSL *ssl)
{
	return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), own_index());
}

/* The host name of a server_name extension (RFC 6066 section 3), in lower case. What is not a
 * sane one counts as none; OpenSSL itself refuses a malformed extension. */
static void take_sni(struct tls_conn *c, const unsigned char *at, size_t len)
{
	size_t n = len >= 5 ? (size_t)(at[3] << 8 | at[4]) : 0;
	char host[256];

	if (n == 0 || at[2] != TLSEXT_NAMETYPE_host_name || n > len - 5 || n > 255)
		return;
	if (memchr(at + 5, '\0', n) != NULL)
		return;
	for (size_t i = 0; i < n; i++)
		host[i] = ascii_lower((char)at[5 + i]);
	tls_conn_set_host(c, span_of(host, n));
}

static bool offers_tls13(SSL *ssl)
{
	const unsigned char *at;
	size_t len;

	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &at, &len) != 1)
		return false;
	for (size_t i = 1; i + 1 < len; i += 2) {
		if (at[i] == 0x03 && at[i + 1] == 0x04)
			return true;
	}
	return false;
}

/* SPEC NEW-14. TLS 1.3 has it built in; what is too old is refused for that. */
static bool ems_met(SSL *ssl)
{
	const unsigned char *at;
	size_t len;
	int min = (int)SSL_get_min_proto_version(ssl);

	return (int)SSL_client_hello_get0_legacy_version(ssl) < min ||
	       SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_extended_master_secret, &at, &len) == 1 ||
	       (SSL_get_max_proto_version(ssl) == TLS1_3_VERSION && offers_tls13(ssl));
}

static int refuse(struct tls_conn *c, const char *why, enum tls_failure as, int *alert, int number)
{
	c->refused = why;
	c->refused_as = as;
	*alert = number;
	return SSL_CLIENT_HELLO_ERROR;
}

/* A session resumes under the label and the name it began with, and under no other: else a
 * client could carry it to a service that asks more (law 7, CVE-2025-23419). */
static bool set_session_context(SSL *ssl, const char *label, const struct tls_conn *c)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	bool done;

	done = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
	       EVP_DigestUpdate(md, label, strlen(label) + 1) == 1 &&
	       EVP_DigestUpdate(md, c->host, strlen(c->host) + 1) == 1 &&
	       EVP_DigestUpdate(md, c->own_label, c->own_cert ? sizeof(c->own_label) : 0) == 1 &&
	       EVP_DigestFinal_ex(md, hash, &len) == 1 &&
	       SSL_set_session_id_context(ssl, hash, len) == 1;
	EVP_MD_CTX_free(md);
	return done;
}

/* Called with the client's hello, before anything has been decided. */
static int on_hello(SSL *ssl, int *alert, void *server)
{
	const struct tls_server *s = server;
	struct tls_conn *c = SSL_get_app_data(ssl);
	const unsigned char *at;
	size_t len;

	if (c->refused != NULL)
		return refuse(c, c->refused, c->refused_as, alert, SSL_AD_INTERNAL_ERROR);
	tls_conn_set_host(c, SPAN(""));
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &at, &len) == 1)
		take_sni(c, at, len);
	/* OpenSSL would send handshake_failure, as SSL 3.0 itself knows no other alert for it;
	 * protocol_version is what WG-12 asks for and what today's tools understand. */
	if (SSL_client_hello_get0_legacy_version(ssl) < TLS1_VERSION)
		return refuse(c, "no TLS version in common (SSL 3.0 or older)",
			      TLS_FAILURE_VERSION, alert, SSL_AD_PROTOCOL_VERSION);
	if (s->need_ems && !ems_met(ssl))
		return refuse(c, "the client does not offer extended_master_secret (RFC 7627)",
			      TLS_FAILURE_OTHER, alert, SSL_AD_HANDSHAKE_FAILURE);
	if (s->tickets == NULL || !tls_ticket_ready(s->tickets)) {
		SSL_set_options(ssl, SSL_OP_NO_TICKET);
		must(SSL_set_num_tickets(ssl, 0) == 1);
	}
	if (!set_session_context(ssl, s->label, c)) {
		*alert = SSL_AD_INTERNAL_ERROR;
		return SSL_CLIENT_HELLO_ERROR;
	}
	return SSL_CLIENT_HELLO_SUCCESS;
}

static bool is_for(const struct tls_cert *c, const char *host)
{
	return host[0] != '\0' &&
	       X509_check_host(c->leaf, host, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

static bool any_is_for(const struct tls_server *s, const char *host)
{
	for (size_t i = 0; i < s->cert_count; i++) {
		if (is_for(s->certs[i], host))
			return true;
	}
	return false;
}

/* One certificate for each kind of key. From the last to the first, as a later call takes the
 * place of an earlier one, and the first of the configuration is to count. */
static int on_cert(SSL *ssl, void *server)
{
	const struct tls_server *s = server;
	const struct tls_conn *conn = SSL_get_app_data(ssl);

	/* That, or the default ones, stand in the connection. Where there is but one there is nothing to choose. */
	if (conn->own_cert || s->cert_count == 1 || !any_is_for(s, conn->host))
		return 1;
	SSL_certs_clear(ssl);
	for (size_t i = s->cert_count; i-- > 0;) {
		const struct tls_cert *c = s->certs[i];

		if (is_for(c, conn->host) &&
		    SSL_use_cert_and_key(ssl, c->leaf, c->key, c->chain, 1) != 1)
			return 0;
	}
	return 1;
}

static bool set_ticket_keys(const struct tls_server *s, const struct tls_ticket_keys *keys,
			    const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int making)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_octet_string(OSSL_MAC_PARAM_KEY, (void *)keys->mac, sizeof(keys->mac)),
		OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 6),
		OSSL_PARAM_END,
	};

	return EVP_CipherInit_ex(cipher, s->ticket_cipher, NULL, keys->aes, iv, making) == 1 &&
	       EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* OpenSSL's contract: -1 an error, 0 no ticket or not one of ours, 1 fine, 2 fine but make a new one. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
		     EVP_MAC_CTX *mac, int making)
{
	const struct tls_server *s = server_of(ssl);
	struct tls_ticket_keys keys;
	bool newest = true, set;

	if (!tls_ticket_keys(s->tickets, making ? NULL : name, s->label, &keys, &newest))
		return 0;
	if (making) {
		memcpy(name, keys.name, sizeof(keys.name));
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(s->ticket_cipher)) != 1)
			return -1;
	}
	set = set_ticket_keys(s, &keys, iv, cipher, mac, making);
	OPENSSL_cleanse(&keys, sizeof(keys));
	if (!set)
		return -1;
	return newest ? 1 : 2;
}

/* The first certificate and those for the same name with other kinds of keys; each of the others is
 * tried too, so that a handshake never finds one that OpenSSL will not serve. */
static bool load_certs(struct tls_server *s, struct why *why)
{
	const char *name = tls_cert_name(s->certs[0]);
	SSL_CTX *scratch = SSL_CTX_new(TLS_server_method());
	bool fine = true;

	must(scratch != NULL);
	SSL_CTX_set_security_level(scratch, SSL_CTX_get_security_level(s->ctx));
	for (size_t i = s->cert_count; fine && i-- > 0;) {
		const struct tls_cert *c = s->certs[i];
		bool use = i == 0 || is_for(c, name);

		fine = SSL_CTX_use_cert_and_key(use ? s->ctx : scratch, c->leaf, c->key,
						c->chain, 1) == 1;
		if (!fine)
			tls_error_refused(why, tls_cert_name(c));
	}
	SSL_CTX_free(scratch);
	return fine;
}

static void set_tickets(struct tls_server *s, bool wanted)
{
	SSL_CTX_set_session_cache_mode(s->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(s->ctx, SESSION_SECONDS);
	if (!wanted)
		s->tickets = NULL;
	must(SSL_CTX_set_num_tickets(s->ctx, s->tickets != NULL ? 1 : 0) == 1);
	if (s->tickets == NULL) {
		SSL_CTX_set_options(s->ctx, SSL_OP_NO_TICKET);
		return;
	}
	s->ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	must(s->ticket_cipher != NULL);
	must(SSL_CTX_set_tlsext_ticket_key_evp_cb(s->ctx, on_ticket) == 1);
}

static struct tls_server *make(const struct tls_server_conf *conf)
{
	struct tls_server *s = mem_new(sizeof(*s));

	s->ctx = SSL_CTX_new(TLS_server_method());
	must(s->ctx != NULL);
	must(SSL_CTX_set_ex_data(s->ctx, own_index(), s) == 1);
	s->label = mem_text(conf->label);
	s->tickets = conf->tickets;
	s->need_ems = conf->profile->need_ems;
	s->certs = mem_new(conf->cert_count * sizeof(struct tls_cert *));
	for (size_t i = 0; i < conf->cert_count; i++)
		s->certs[i] = tls_cert_copy(conf->certs[i]);
	s->cert_count = conf->cert_count;
	return s;
}

struct tls_server *tls_server_new(const struct tls_server_conf *conf, struct why *why)
{
	struct tls_server *s;

	must(conf->cert_count > 0);
	must(conf->label != NULL && conf->label[0] != '\0');
	ERR_clear_error();
	s = make(conf);
	SSL_CTX_set_options(s->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				    SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(s->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_client_hello_cb(s->ctx, on_hello, s);
	SSL_CTX_set_cert_cb(s->ctx, on_cert, s);
	set_tickets(s, conf->profile->tickets);
	if (tls_profile_apply(conf->profile, s->ctx, NULL, 0, why) && load_certs(s, why))
		return s;
	tls_server_free(s);
	return NULL;
}

void tls_server_free(struct tls_server *s)
{
	if (s != NULL)
		SSL_CTX_free(s->ctx);
}
