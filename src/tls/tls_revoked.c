#include "base/must.h"
#include "tls/tls_inside.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#define CRL_PEM_MOST (64 * 1024 * 1024)
#define CRL_LIST_MOST 1024
/* How far clocks may differ, and how old an answer may be that does not say itself until when it
 * holds; in seconds. */
#define CLOCKS_APART 300
#define ANSWER_AGE_MOST (7L * 24 * 3600)
#define FEATURE_STATUS_REQUEST 5

enum staple {
	STAPLE_NOT_LOOKED, /* not wanted, or the chain is bad as it is */
	STAPLE_GOOD,
	STAPLE_NO_RESPONDER,
	STAPLE_NONE,
	STAPLE_INVALID,
	STAPLE_UNKNOWN,
	STAPLE_REVOKED,
	STAPLE_PROMISED, /* and not there, or not valid */
};

enum listed {
	LISTED_NOT_LOOKED,
	LISTED_GOOD,
	LISTED_NO_CRL,
	LISTED_REVOKED,
};

/* What the facts say, and why the certificate is bad: always, or only where an answer must be. */
static const struct {
	const char *text, *bad, *bad_if_hard;
} staples[] = {
	[STAPLE_NOT_LOOKED] = { "", NULL, NULL },
	[STAPLE_GOOD] = { "OCSP: good", NULL, NULL },
	[STAPLE_NO_RESPONDER] = { "no OCSP responder named", NULL, NULL },
	[STAPLE_NONE] = { "OCSP: not answered", NULL, "no OCSP answer" },
	[STAPLE_INVALID] = { "OCSP: answer not valid", NULL, "no valid OCSP answer" },
	[STAPLE_UNKNOWN] = { "OCSP: unknown", NULL,
			     "the OCSP responder does not know the certificate" },
	[STAPLE_REVOKED] = { "OCSP: revoked", "certificate revoked", NULL },
	[STAPLE_PROMISED] = { "OCSP: not stapled, but promised",
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

static int session_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	must(index >= 0);
	return index;
}

/* In the pointer itself, which OpenSSL copies along with a session. */
void tls_revoked_remember(const struct tls_conn *c, SSL_SESSION *session)
{
	uintptr_t both = (uintptr_t)c->revocation.crl << 8 | c->revocation.ocsp;

	must(SSL_SESSION_set_ex_data(session, session_index(), (void *)both) == 1);
}

static struct tls_revocation remembered(const SSL_SESSION *session)
{
	uintptr_t both = (uintptr_t)SSL_SESSION_get_ex_data(session, session_index());

	return (struct tls_revocation){ .ocsp = both & 0xff, .crl = both >> 8 & 0xff };
}

static bool names_responder(X509 *leaf)
{
	STACK_OF(OPENSSL_STRING) *all = X509_get1_ocsp(leaf);
	bool any = sk_OPENSSL_STRING_num(all) > 0;

	X509_email_free(all);
	return any;
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

/* Whether `single` speaks of the leaf, by the hash that it has chosen itself. */
static bool is_about(OCSP_SINGLERESP *single, X509 *leaf, X509 *issuer)
{
	OCSP_CERTID *theirs = (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(single), *ours = NULL;
	ASN1_OBJECT *algorithm = NULL;
	const EVP_MD *hash = NULL;
	bool same;

	if (OCSP_id_get0_info(NULL, &algorithm, NULL, NULL, theirs) == 1)
		hash = EVP_get_digestbyobj(algorithm);
	if (hash != NULL)
		ours = OCSP_cert_to_id(hash, leaf, issuer);
	same = ours != NULL && OCSP_id_cmp(ours, theirs) == 0;
	OCSP_CERTID_free(ours);
	return same;
}

static enum staple read_single(OCSP_SINGLERESP *single)
{
	ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
	int status = OCSP_single_get0_status(single, NULL, NULL, &from, &until);

	if (OCSP_check_validity(from, until, CLOCKS_APART,
				until != NULL ? -1 : ANSWER_AGE_MOST) != 1)
		return STAPLE_INVALID;
	switch (status) {
	case V_OCSP_CERTSTATUS_GOOD:
		return STAPLE_GOOD;
	case V_OCSP_CERTSTATUS_REVOKED:
		return STAPLE_REVOKED;
	case V_OCSP_CERTSTATUS_UNKNOWN:
		return STAPLE_UNKNOWN;
	default:
		return STAPLE_INVALID;
	}
}

/* Of several answers about the leaf, the worst. */
static enum staple read_basic(OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer)
{
	enum staple worst = STAPLE_NOT_LOOKED;

	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
		enum staple found;

		if (!is_about(single, leaf, issuer))
			continue;
		found = read_single(single);
		if (found > worst)
			worst = found;
	}
	return worst != STAPLE_NOT_LOOKED ? worst : STAPLE_INVALID;
}

/* The issuer itself, or one that it has named for this (RFC 6960 section 4.2.2.2). */
static bool is_signed(OCSP_BASICRESP *basic, STACK_OF(X509) *chain, SSL_CTX *ctx)
{
	unsigned long flags = OCSP_NOEXPLICIT;

	if ((X509_VERIFY_PARAM_get_flags(SSL_CTX_get0_param(ctx)) & X509_V_FLAG_PARTIAL_CHAIN) != 0)
		flags |= OCSP_PARTIAL_CHAIN;
	return OCSP_basic_verify(basic, chain, SSL_CTX_get_cert_store(ctx), flags) == 1;
}

static OCSP_BASICRESP *decode(const unsigned char *octets, long len)
{
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &octets, len);
	OCSP_BASICRESP *basic = NULL;

	if (response != NULL && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
		basic = OCSP_response_get1_basic(response);
	OCSP_RESPONSE_free(response);
	return basic;
}

static enum staple read_staple(SSL *ssl, X509 *leaf)
{
	STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
	int last = sk_X509_num(chain) - 1;
	X509 *issuer = last >= 0 ? sk_X509_value(chain, last > 0 ? 1 : 0) : NULL;
	const unsigned char *octets = NULL;
	long len = SSL_get_tlsext_status_ocsp_resp(ssl, &octets);
	enum staple found = STAPLE_INVALID;
	OCSP_BASICRESP *basic;

	if (octets == NULL || len <= 0)
		return names_responder(leaf) ? STAPLE_NONE : STAPLE_NO_RESPONDER;
	basic = decode(octets, len);
	if (basic != NULL && issuer != NULL && is_signed(basic, chain, SSL_get_SSL_CTX(ssl)))
		found = read_basic(basic, leaf, issuer);
	OCSP_BASICRESP_free(basic);
	return found;
}

static enum staple look_for_staple(SSL *ssl)
{
	X509 *leaf = SSL_get1_peer_certificate(ssl);
	enum staple found = STAPLE_NOT_LOOKED;

	if (leaf == NULL)
		return found;
	found = read_staple(ssl, leaf);
	if (found != STAPLE_GOOD && found != STAPLE_REVOKED && promises_staple(leaf))
		found = STAPLE_PROMISED;
	X509_free(leaf);
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

	if (c->revocation_seen)
		return;
	c->revocation_seen = true;
	if (SSL_session_reused(c->ssl) == 1) {
		c->revocation = remembered(SSL_get0_session(c->ssl));
		return;
	}
	if (c->client->crls != NULL)
		c->revocation.crl = (unsigned char)look_in_crls(c, chain);
	if (c->client->ocsp != TLS_OCSP_OFF && chain == X509_V_OK)
		c->revocation.ocsp = (unsigned char)look_for_staple(c->ssl);
	ERR_clear_error();
}

const char *tls_revoked_facts(const struct tls_conn *c, struct tls_facts *facts)
{
	enum staple staple = c->revocation.ocsp;
	const char *crl = listeds[c->revocation.crl];
	const char *ocsp = staples[staple].text;

	snprintf(facts->revocation, sizeof(facts->revocation), "%s%s%s", ocsp,
		 ocsp[0] != '\0' && crl[0] != '\0' ? "; " : "", crl);
	if (staples[staple].bad != NULL)
		return staples[staple].bad;
	return c->client->ocsp == TLS_OCSP_HARD ? staples[staple].bad_if_hard : NULL;
}
