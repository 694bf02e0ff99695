#include "tls/tls_client.h"

#include "base/must.h"
#include "tls/tls_inside.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

static void free_client(void *ctx, void *client, CRYPTO_EX_DATA *ad, int index, long num, void *arg)
{
	struct tls_client *c = client;

	(void)ctx, (void)ad, (void)index, (void)num, (void)arg;
	if (c == NULL)
		return;
	tls_session_free(&c->sessions);
	sk_X509_CRL_pop_free(c->crls, X509_CRL_free);
	for (size_t i = 0; i < c->name_count; i++)
		free(c->names[i]);
	free(c->names);
	free(c);
}

static int own_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_client);
	must(index >= 0);
	return index;
}

/* A certificate that DANE does not let pass stops the mail: who mends it is not to wait for the session
 * to grow old. */
static bool may_keep(const struct tls_conn *c)
{
	struct tls_facts facts = { 0 };

	if (c->session_key[0] == '\0' || c->ocsp_asked)
		return false;
	if (!c->dane)
		return true;
	tls_verify_facts(c, &facts);
	return facts.verified == TLS_VERIFIED_OK;
}

void tls_client_keep(struct tls_conn *c, SSL_SESSION *session)
{
	bool resumed = SSL_session_reused(c->ssl) == 1;

	tls_found_look(c);
	tls_found_remember(c, session);
	if (may_keep(c))
		tls_session_put(&c->client->sessions, c->session_key, session,
				resumed ? c->session_born : clock_now());
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	tls_client_keep(SSL_get_app_data(ssl), session);
	return 0; /* OpenSSL's own is not kept */
}

static bool use_given(SSL_CTX *ctx, struct span pem, struct why *why)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	STACK_OF(X509) *list = tls_cert_list(pem, why);
	bool fine = list != NULL;

	for (int i = 0; fine && i < sk_X509_num(list); i++)
		fine = X509_STORE_add_cert(store, sk_X509_value(list, i)) == 1;
	if (list != NULL && !fine)
		tls_error_refused(why, "ca");
	sk_X509_pop_free(list, X509_free);
	/* Who names an intermediate as `ca` trusts that one, not the root above it. */
	X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
	return fine;
}

static bool load_roots(SSL_CTX *ctx, struct span ca, struct why *why)
{
	must(X509_VERIFY_PARAM_set_purpose(SSL_CTX_get0_param(ctx), X509_PURPOSE_SSL_SERVER) == 1);
	if (ca.len > 0)
		return use_given(ctx, ca, why);
	SSL_CTX_set1_cert_store(ctx, tls_roots_store());
	return true;
}

static bool load_cert(SSL_CTX *ctx, const struct tls_cert *cert, struct why *why)
{
	return cert == NULL ||
	       SSL_CTX_use_cert_and_key(ctx, cert->leaf, cert->key, cert->chain, 1) == 1 ||
	       tls_error_refused(why, "client certificate");
}

static struct tls_client *make(const struct tls_client_conf *conf)
{
	struct tls_client *c = mem_new(sizeof(*c));

	c->ctx = SSL_CTX_new(TLS_client_method());
	must(c->ctx != NULL);
	must(SSL_CTX_set_ex_data(c->ctx, own_index(), c) == 1);
	if (conf->name_count > 0)
		c->names = mem_new(conf->name_count * sizeof(char *));
	for (size_t i = 0; i < conf->name_count; i++)
		c->names[i] = mem_text(conf->names[i]);
	c->name_count = conf->name_count;
	c->any_name = conf->any_name;
	c->any_unnamed = conf->any_unnamed;
	return c;
}

static void set_sessions(SSL_CTX *ctx, bool wanted)
{
	if (!wanted) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
		return;
	}
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
}

struct tls_client *tls_client_new(const struct tls_client_conf *conf, struct why *why)
{
	struct tls_client *c = make(conf);

	ERR_clear_error();
	SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* The chain is checked all the same, and the first fault found is kept with the session:
	 * it is need_met() that says whether it matters. */
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_NONE, NULL);
	set_sessions(c->ctx, conf->profile->tickets);
	tls_dane_start(c->ctx);
	if (tls_profile_apply(conf->profile, c->ctx, NULL, 0, why) &&
	    load_roots(c->ctx, conf->ca, why) && load_cert(c->ctx, conf->cert, why) &&
	    tls_revoked_start(c, conf, why))
		return c;
	tls_client_free(c);
	return NULL;
}

void tls_client_free(struct tls_client *c)
{
	if (c != NULL)
		SSL_CTX_free(c->ctx);
}
