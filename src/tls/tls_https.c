#include "tls/tls_https.h"

#include "base/must.h"
#include "tls/tls_inside.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

struct tls_https {
	X509_STORE *roots;
};

static X509_STORE *read_roots(const char *ca, struct why *why)
{
	X509_STORE *roots = X509_STORE_new();

	must(roots != NULL);
	ERR_clear_error();
	if (X509_STORE_load_file(roots, ca) == 1)
		return roots;
	ERR_clear_error();
	why_set(why, FAULT_POLICY, "%s: can't be read, or has no certificate (PEM)", ca);
	X509_STORE_free(roots);
	return NULL;
}

struct tls_https *tls_https_new(const char *ca, struct why *why)
{
	struct tls_https *h;
	X509_STORE *roots;

	if (ca == NULL) {
		roots = tls_roots_store();
		must(X509_STORE_up_ref(roots) == 1);
	} else {
		roots = read_roots(ca, why);
	}
	if (roots == NULL)
		return NULL;
	h = mem_new(sizeof(*h));
	h->roots = roots;
	return h;
}

void tls_https_free(struct tls_https *h)
{
	if (h == NULL)
		return;
	X509_STORE_free(h->roots);
	free(h);
}

bool tls_https_apply(const struct tls_https *h, void *ctx, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);

	SSL_CTX_set1_cert_store(ctx, h->roots);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
						       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (tls_verify_is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
	return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}
