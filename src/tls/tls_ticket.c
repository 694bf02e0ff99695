#include "tls/tls_ticket.h"

#include "base/must.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

/* A rotation takes well under a microsecond; whoever meets one this often reads from a ring
 * whose master died in the middle, and must do without tickets until the next turn. */
#define READ_TRIES 1000

void tls_ticket_rotate(struct tls_ticket_ring *ring)
{
	struct tls_ticket_secret fresh;
	/* Odd already where another master died in here: then it simply stays odd. */
	unsigned turn = atomic_load(&ring->turn) | 1u;

	must(RAND_bytes(fresh.name, sizeof(fresh.name)) == 1);
	must(RAND_priv_bytes(fresh.secret, sizeof(fresh.secret)) == 1);
	atomic_store(&ring->turn, turn);
	atomic_thread_fence(memory_order_seq_cst);
	memmove(&ring->secrets[1], &ring->secrets[0],
		(TLS_TICKET_SECRETS - 1) * sizeof(ring->secrets[0]));
	ring->secrets[0] = fresh;
	if (ring->have < TLS_TICKET_SECRETS)
		ring->have++;
	atomic_thread_fence(memory_order_seq_cst);
	atomic_store(&ring->turn, turn + 1);
	OPENSSL_cleanse(&fresh, sizeof(fresh));
}

bool tls_ticket_ready(const struct tls_ticket_ring *ring)
{
	unsigned turn = atomic_load(&ring->turn);

	return turn != 0 && turn % 2 == 0;
}

/* A copy that no turn has cut in two. */
static bool read_ring(const struct tls_ticket_ring *ring, unsigned *have,
		      struct tls_ticket_secret secrets[TLS_TICKET_SECRETS])
{
	for (int i = 0; i < READ_TRIES; i++) {
		unsigned turn = atomic_load(&ring->turn);

		if (turn % 2 != 0)
			continue;
		*have = ring->have;
		memcpy(secrets, ring->secrets, sizeof(ring->secrets));
		atomic_thread_fence(memory_order_seq_cst);
		if (atomic_load(&ring->turn) == turn)
			return *have <= TLS_TICKET_SECRETS;
	}
	return false;
}

static void derive(const struct tls_ticket_secret *from, const char *label,
		   struct tls_ticket_keys *keys)
{
	unsigned char out[sizeof(keys->aes) + sizeof(keys->mac)];
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_HKDF, NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 6),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_KEY, (void *)from->secret,
					sizeof(from->secret)),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SALT, (void *)"sallyport ticket", 16),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_INFO, (void *)label, strlen(label)),
		OSSL_PARAM_END,
	};

	must(ctx != NULL);
	must(EVP_KDF_derive(ctx, out, sizeof(out), params) == 1);
	memcpy(keys->name, from->name, sizeof(keys->name));
	memcpy(keys->aes, out, sizeof(keys->aes));
	memcpy(keys->mac, out + sizeof(keys->aes), sizeof(keys->mac));
	OPENSSL_cleanse(out, sizeof(out));
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

bool tls_ticket_keys(const struct tls_ticket_ring *ring, const unsigned char *name,
		     const char *label, struct tls_ticket_keys *keys, bool *newest)
{
	struct tls_ticket_secret secrets[TLS_TICKET_SECRETS];
	unsigned have = 0, i = 0;
	bool found;

	must(label != NULL && label[0] != '\0');
	found = read_ring(ring, &have, secrets);
	while (found && name != NULL && i < have &&
	       memcmp(secrets[i].name, name, sizeof(secrets[i].name)) != 0)
		i++;
	found = found && i < have;
	if (found) {
		derive(&secrets[i], label, keys);
		if (newest != NULL)
			*newest = i == 0;
	}
	OPENSSL_cleanse(secrets, sizeof(secrets));
	return found;
}
