#include "base/must.h"
#include "tls/tls_inside.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#define CRL_PEM_MOST (64 * 1024 * 1024)
#define CRL_LIST_MOST 1024
#define FEATURE_STATUS_REQUEST 5

enum listed {
	LISTED_NOT_LOOKED,
	LISTED_GOOD,
	LISTED_NO_CRL,
	LISTED_REVOKED,
};

/* What the facts say, and why the certificate is bad: always, or only where an answer must be. */
static const struct {
	const char *text, *bad, *bad_if_hard;
} answers[] = {
	[TLS_OCSP_NOT_LOOKED] = { "", NULL, NULL },
	[TLS_OCSP_GOOD] = { "OCSP: good", NULL, NULL },
	[TLS_OCSP_NO_RESPONDER] = { "no OCSP responder named", NULL, NULL },
	[TLS_OCSP_NONE] = { "OCSP: not answered", NULL, "no OCSP answer" },
	[TLS_OCSP_INVALID] = { "OCSP: answer not valid", NULL, "no valid OCSP answer" },
	[TLS_OCSP_UNKNOWN] = { "OCSP: unknown", NULL,
			     "the OCSP responder does not know the certificate" },
	[TLS_OCSP_REVOKED] = { "OCSP: revoked", "certificate revoked", NULL },
	[TLS_OCSP_PROMISED] = { "OCSP: not stapled, but promised",
			      "certificate promises an OCSP staple (RFC 7633), and none is valid",
				NULL },
};

static const char *const listeds[] = {
	[LISTED_NOT_LOOKED] = "",
	[LISTED_GOOD] = "CRL: good",
	[LISTED_NO_CRL] = "no CRL of the issuer",
	[LISTED_REVOKED] = "CRL: revoked",
};

static bool refuse(struct why *why, const char *text)
{
	ERR_clear_error();
	why_set(why, FAULT_POLICY, "%s", text);
	return false;
}

static bool read_crls(struct tls_client *c, struct span pem, struct why *why)
{
	X509_CRL *crl;
	BIO *bio;
	bool whole;

	if (pem.len > CRL_PEM_MOST)
		return refuse(why, "the CRL file is too large");
	bio = BIO_new_mem_buf(pem.at, (int)pem.len);
	c->crls = sk_X509_CRL_new_null();
	must(bio != NULL && c->crls != NULL);
	while (sk_X509_CRL_num(c->crls) < CRL_LIST_MOST &&
	       (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL)
		must(sk_X509_CRL_push(c->crls, crl) > 0);
	whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	BIO_free(bio);
	ERR_clear_error();
	if (whole && sk_X509_CRL_num(c->crls) > 0)
		return true;
	if (whole)
		return refuse(why, "no CRL found (PEM is expected)");
	why_set(why, FAULT_POLICY, "CRL %d of the file cannot be read, or is one too many",
		sk_X509_CRL_num(c->crls) + 1);
	return false;
}

static struct tls_conn *conn_of(X509_STORE_CTX *ctx)
{
	return SSL_get_app_data(X509_STORE_CTX_get_ex_data(
		ctx, SSL_get_ex_data_X509_STORE_CTX_idx()));
}

static int on_fault(int fine, X509_STORE_CTX *ctx)
{
	if (fine == 1 || X509_STORE_CTX_get_error(ctx) != X509_V_ERR_UNABLE_TO_GET_CRL)
		return fine;
	conn_of(ctx)->no_crl = true;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

/* Given to each check rather than to the store: the system's roots are shared by all contexts. */
static int on_check(X509_STORE_CTX *ctx, void *client)
{
	const struct tls_client *c = client;

	X509_STORE_CTX_set0_crls(ctx, c->crls);
	X509_STORE_CTX_set_verify_cb(ctx, on_fault);
	X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx), X509_V_FLAG_CRL_CHECK);
	return X509_verify_cert(ctx);
}

bool tls_revoked_start(struct tls_client *c, const struct tls_client_conf *conf, struct why *why)
{
	c->ocsp = conf->profile->ocsp;
	if (c->ocsp != TLS_OCSP_OFF)
		must(SSL_CTX_set_tlsext_status_type(c->ctx, TLSEXT_STATUSTYPE_ocsp) == 1);
	if (conf->crl.len == 0)
		return true;
	SSL_CTX_set_cert_verify_callback(c->ctx, on_check, c);
	return read_crls(c, conf->crl, why);
}

/* What cannot be read promises, too. */
static bool promises_staple(const X509 *leaf)
{
	int found = -1;
	TLS_FEATURE *features = X509_get_ext_d2i(leaf, NID_tlsfeature, &found, NULL);
	bool promised = features == NULL && found != -1;

	for (int i = 0; i < sk_ASN1_INTEGER_num(features); i++)
		promised |= ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) ==
			    FEATURE_STATUS_REQUEST;
	sk_ASN1_INTEGER_pop_free(features, ASN1_INTEGER_free);
	return promised;
}

static enum tls_ocsp_found look_for_staple(SSL *ssl)
{
	X509 *leaf = SSL_get0_peer_certificate(ssl);
	const unsigned char *octets = NULL;
	long len = SSL_get_tlsext_status_ocsp_resp(ssl, &octets);
	enum tls_ocsp_found found;

	if (leaf == NULL)
		return TLS_OCSP_NOT_LOOKED;
	if (octets != NULL && len > 0)
		found = tls_ocsp_read(ssl, span_of(octets, (size_t)len));
	else
		found = tls_ocsp_is_named(leaf) ? TLS_OCSP_NONE : TLS_OCSP_NO_RESPONDER;
	if (found != TLS_OCSP_GOOD && found != TLS_OCSP_REVOKED && promises_staple(leaf))
		found = TLS_OCSP_PROMISED;
	return found;
}

static enum listed look_in_crls(const struct tls_conn *c, long chain)
{
	if (chain == X509_V_ERR_CERT_REVOKED)
		return LISTED_REVOKED;
	if (chain != X509_V_OK)
		return LISTED_NOT_LOOKED;
	return c->no_crl ? LISTED_NO_CRL : LISTED_GOOD;
}

void tls_revoked_look(struct tls_conn *c)
{
	long chain = SSL_get_verify_result(c->ssl);

	/* There is no chain then, and no issuer to ask: the record is what can be taken back (RFC 7671
	 * section 5.1). */
	if (c->found.dane == TLS_DANE_EE)
		return;
	if (c->client->crls != NULL)
		c->found.crl = (unsigned char)look_in_crls(c, chain);
	if (c->client->ocsp != TLS_OCSP_OFF && chain == X509_V_OK)
		c->found.ocsp = (unsigned char)look_for_staple(c->ssl);
	ERR_clear_error();
}

static const char *bad_by_ocsp(const struct tls_conn *c)
{
	enum tls_ocsp_found found = c->found.ocsp;

	if (answers[found].bad != NULL)
		return answers[found].bad;
	return c->client->ocsp == TLS_OCSP_HARD ? answers[found].bad_if_hard : NULL;
}

bool tls_revoked_is_settled(const struct tls_conn *c)
{
	return c->found.ocsp == TLS_OCSP_REVOKED || bad_by_ocsp(c) == NULL;
}

const char *tls_revoked_facts(const struct tls_conn *c, struct tls_facts *facts)
{
	const char *crl = listeds[c->found.crl];
	const char *ocsp = answers[c->found.ocsp].text;

	snprintf(facts->revocation, sizeof(facts->revocation), "%s%s%s", ocsp,
		 ocsp[0] != '\0' && crl[0] != '\0' ? "; " : "", crl);
	return bad_by_ocsp(c);
}
