#include "tls/tls_roots.h"

#include "base/must.h"
#include "tls/tls_inside.h"

#include <openssl/err.h>
#include <stdlib.h>

static bool load(X509_STORE *store, const char *file)
{
	return file != NULL && X509_STORE_load_file(store, file) == 1;
}

/* The first bundle that can be read: what the environment names, OpenSSL's own, then those of
 * Debian and Alpine, of Fedora. */
static void load_first(X509_STORE *store)
{
	if (load(store, getenv(X509_get_default_cert_file_env())) ||
	    load(store, X509_get_default_cert_file()) ||
	    load(store, "/etc/ssl/certs/ca-certificates.crt"))
		return;
	load(store, "/etc/pki/tls/certs/ca-bundle.crt");
}

X509_STORE *tls_roots_store(void)
{
	static X509_STORE *roots;

	if (roots == NULL) {
		roots = X509_STORE_new();
		must(roots != NULL);
		load_first(roots);
		ERR_clear_error();
	}
	return roots;
}

void tls_roots_load(void)
{
	tls_roots_store();
}
