#include "tls/tls_dane.h"

#include "base/must.h"
#include "tls/tls_inside.h"

#include <openssl/err.h>

#define USAGE_TA 2
#define USAGE_EE 3

/* Names are for tls_verify.c to check, under DANE-TA as everywhere; the flag makes sure that none are under DANE-EE,
 * whoever gives OpenSSL one. */
void tls_dane_start(SSL_CTX *ctx)
{
	must(SSL_CTX_dane_enable(ctx) == 1);
	SSL_CTX_dane_set_flags(ctx, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
}

static void enable(SSL *ssl, const char *host)
{
	must(SSL_dane_enable(ssl, host) == 1);
	must(SSL_set1_host(ssl, NULL) == 1);
}

/* False where OpenSSL has no use for it. Of an empty one it says that there is no memory. */
static bool add(SSL *ssl, const struct tls_tlsa *t)
{
	bool added;

	if (t->usage != USAGE_TA && t->usage != USAGE_EE)
		return false;
	added = SSL_dane_tlsa_add(ssl, t->usage, t->selector, t->matching, t->data, t->len) == 1;
	ERR_clear_error();
	return added;
}

/* An address has no TLSA records. */
void tls_dane_expect(struct tls_conn *c, const struct tls_tlsa *tlsa, size_t count)
{
	if (count == 0 || c->host[0] == '\0' || tls_verify_is_address(c->host))
		return;
	enable(c->ssl, c->host);
	for (size_t i = 0; i < count; i++)
		c->dane |= add(c->ssl, &tlsa[i]);
	/* What is older is forgeable, whatever the records say (RFC 8996). */
	if (c->dane && SSL_get_min_proto_version(c->ssl) < TLS1_2_VERSION)
		must(SSL_set_min_proto_version(c->ssl, TLS1_2_VERSION) == 1);
}

void tls_dane_look(struct tls_conn *c)
{
	uint8_t usage = 0;

	if (!c->dane || SSL_get0_dane_tlsa(c->ssl, &usage, NULL, NULL, NULL, NULL) < 0)
		return;
	if (usage == USAGE_EE)
		c->found.dane = TLS_DANE_EE;
	if (usage == USAGE_TA)
		c->found.dane = TLS_DANE_TA;
}

bool tls_dane_usable(const struct tls_tlsa *tlsa)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;
	bool usable;

	must(ctx != NULL);
	tls_dane_start(ctx);
	ssl = SSL_new(ctx);
	must(ssl != NULL);
	enable(ssl, "host.invalid");
	usable = add(ssl, tlsa);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return usable;
}
