#include "base/must.h"
#include "tls/tls_inside.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <string.h>

/* How far clocks may differ, and how old an answer may be that does not say itself until when it
 * holds; in seconds. */
#define CLOCKS_APART 300
#define ANSWER_AGE_MOST (7L * 24 * 3600)

/* Who signed the leaf, in the chain as it was checked. NULL: nobody that is known, as where a TLSA record is a bare
 * key, or where the leaf itself is trusted. */
static X509 *issuer_of(SSL *ssl, X509 *leaf)
{
	STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);

	if (sk_X509_num(chain) > 1)
		return sk_X509_value(chain, 1);
	return X509_self_signed(leaf, 0) == 1 ? leaf : NULL;
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

static enum tls_ocsp_found read_single(OCSP_SINGLERESP *single)
{
	ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
	int status = OCSP_single_get0_status(single, NULL, NULL, &from, &until);

	if (OCSP_check_validity(from, until, CLOCKS_APART,
				until != NULL ? -1 : ANSWER_AGE_MOST) != 1)
		return TLS_OCSP_INVALID;
	switch (status) {
	case V_OCSP_CERTSTATUS_GOOD:
		return TLS_OCSP_GOOD;
	case V_OCSP_CERTSTATUS_REVOKED:
		return TLS_OCSP_REVOKED;
	case V_OCSP_CERTSTATUS_UNKNOWN:
		return TLS_OCSP_UNKNOWN;
	default:
		return TLS_OCSP_INVALID;
	}
}

/* Of several answers about the leaf, the worst. */
static enum tls_ocsp_found read_basic(OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer)
{
	enum tls_ocsp_found worst = TLS_OCSP_NOT_LOOKED;

	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
		enum tls_ocsp_found found;

		if (!is_about(single, leaf, issuer))
			continue;
		found = read_single(single);
		if (found > worst)
			worst = found;
	}
	return worst != TLS_OCSP_NOT_LOOKED ? worst : TLS_OCSP_INVALID;
}

/* The issuer itself, or one that it has named for this (RFC 6960 section 4.2.2.2). That the issuer is to be
 * believed was found with the chain, by roots or by TLSA records. */
static bool is_signed(OCSP_BASICRESP *basic, STACK_OF(X509) *chain, X509 *issuer)
{
	X509_STORE *store = X509_STORE_new();
	bool fine;

	must(store != NULL && X509_STORE_add_cert(store, issuer) == 1);
	fine = OCSP_basic_verify(basic, chain, store, OCSP_NOEXPLICIT | OCSP_PARTIAL_CHAIN) == 1;
	X509_STORE_free(store);
	return fine;
}

static OCSP_BASICRESP *decode(struct span answer)
{
	const unsigned char *octets = (const unsigned char *)answer.at;
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &octets, (long)answer.len);
	OCSP_BASICRESP *basic = NULL;

	if (response != NULL && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
		basic = OCSP_response_get1_basic(response);
	OCSP_RESPONSE_free(response);
	return basic;
}

enum tls_ocsp_found tls_ocsp_read(SSL *ssl, struct span answer)
{
	X509 *leaf = SSL_get0_peer_certificate(ssl);
	X509 *issuer = issuer_of(ssl, leaf);
	OCSP_BASICRESP *basic = decode(answer);
	enum tls_ocsp_found found = TLS_OCSP_INVALID;

	if (basic != NULL && issuer != NULL &&
	    is_signed(basic, SSL_get0_verified_chain(ssl), issuer))
		found = read_basic(basic, leaf, issuer);
	OCSP_BASICRESP_free(basic);
	ERR_clear_error();
	return found;
}

bool tls_ocsp_is_named(X509 *leaf)
{
	STACK_OF(OPENSSL_STRING) *all = X509_get1_ocsp(leaf);
	bool any = sk_OPENSSL_STRING_num(all) > 0;

	X509_email_free(all);
	return any;
}

/* A user in it has nothing to do there but hide whom it leads to. */
static bool is_askable(const char *url)
{
	static const struct span scheme = SPAN("http://");
	struct span rest = span_from(span_str(url), scheme.len);

	if (!span_starts_nocase(span_str(url), scheme) || rest.len == 0 || rest.at[0] == '/')
		return false;
	for (size_t i = 0; i < rest.len; i++) {
		if (rest.at[i] <= ' ' || rest.at[i] > '~' || rest.at[i] == '@')
			return false;
	}
	return true;
}

/* The first that can be asked. */
static bool find_responder(X509 *leaf, char *url, size_t size)
{
	STACK_OF(OPENSSL_STRING) *all = X509_get1_ocsp(leaf);
	bool found = false;

	for (int i = 0; !found && i < sk_OPENSSL_STRING_num(all); i++) {
		const char *named = sk_OPENSSL_STRING_value(all, i);
		size_t len = strlen(named);

		found = len < size && is_askable(named);
		if (found)
			memcpy(url, named, len + 1);
	}
	X509_email_free(all);
	return found;
}

static bool put_request(X509 *leaf, X509 *issuer, struct buf *request)
{
	OCSP_REQUEST *r = OCSP_REQUEST_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), leaf, issuer);
	unsigned char *octets = NULL;
	bool put;
	int len;

	must(r != NULL && id != NULL && OCSP_request_add0_id(r, id) != NULL);
	len = i2d_OCSP_REQUEST(r, &octets);
	must(len > 0);
	put = buf_put(request, span_of(octets, (size_t)len));
	OPENSSL_free(octets);
	OCSP_REQUEST_free(r);
	return put;
}

bool tls_ocsp_request(SSL *ssl, char *url, size_t size, struct buf *request)
{
	X509 *leaf = SSL_get0_peer_certificate(ssl);
	X509 *issuer = issuer_of(ssl, leaf);
	bool made = issuer != NULL && find_responder(leaf, url, size) && put_request(leaf, issuer, request);

	ERR_clear_error();
	return made;
}
