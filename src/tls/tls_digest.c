#include "tls/tls_digest.h"

#include "base/must.h"

#include <openssl/evp.h>
#include <stdio.h>

void tls_digest(uint64_t key, struct span text, char hex[TLS_DIGEST_HEX + 1])
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	size_t len;

	must(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, &key, sizeof(key),
		       (const unsigned char *)text.at, text.len, mac, sizeof(mac), &len) != NULL);
	must(len >= TLS_DIGEST_HEX / 2);
	for (unsigned i = 0; i < TLS_DIGEST_HEX / 2; i++)
		snprintf(hex + 2 * i, 3, "%02x", mac[i]);
}
