#include "base/must.h"
#include "base/text.h"
#include "tls/tls_inside.h"

#include <openssl/err.h>
#include <string.h>

static void read_cipher(SSL *ssl, struct tls_facts *facts)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);

	if (cipher == NULL)
		return;
	text_copy(facts->cipher, sizeof(facts->cipher), SSL_CIPHER_standard_name(cipher));
	/* The effective strength: 112 for 3DES (SPEC GC-5). */
	facts->bits = (unsigned)SSL_CIPHER_get_bits(cipher, NULL);
}

/* Some releases say x25519, some X25519; the log says one. */
static void read_group(SSL *ssl, struct tls_facts *facts)
{
	int id = (int)SSL_get_negotiated_group(ssl);

	if (id == 0)
		return;
	text_copy(facts->group, sizeof(facts->group), SSL_group_to_name(ssl, id));
	if (facts->group[0] == 'x')
		facts->group[0] = 'X';
}

static void read_cert(SSL *ssl, struct tls_facts *facts)
{
	X509 *leaf = SSL_get1_peer_certificate(ssl);
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	struct text hex;

	if (leaf == NULL)
		return;
	must(X509_digest(leaf, EVP_sha256(), hash, &len) == 1);
	text_begin(&hex, facts->cert, sizeof(facts->cert));
	text_hex(&hex, hash, len);
	if (!tls_cert_dns_name(leaf, facts->cert_name, sizeof(facts->cert_name)))
		X509_NAME_oneline(X509_get_subject_name(leaf), facts->cert_name,
				  sizeof(facts->cert_name));
	facts->cert_until = tls_cert_time(X509_get0_notAfter(leaf));
	X509_free(leaf);
}

void tls_facts_read(const struct tls_conn *c, struct tls_facts *facts)
{
	SSL *ssl = c->ssl;

	memset(facts, 0, sizeof(*facts));
	facts->on = true;
	facts->absent = TLS_ABSENT_NOT;
	facts->resumed = SSL_session_reused(ssl) == 1;
	text_copy(facts->version, sizeof(facts->version), SSL_get_version(ssl));
	read_cipher(ssl, facts);
	read_group(ssl, facts);
	read_cert(ssl, facts);
	if (c->server || !tls_verify_is_address(c->host))
		text_copy(facts->sni, sizeof(facts->sni), c->host);
	if (!c->server)
		tls_verify_facts(c, facts);
	if (ERR_peek_error() != 0)
		ERR_clear_error();
}
