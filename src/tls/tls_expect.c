#include "base/must.h"
#include "base/text.h"
#include "tls/tls_inside.h"

#include <stdlib.h>
#include <string.h>

static void hash_piece(EVP_MD_CTX *hash, const void *at, size_t len)
{
	const uint64_t size = len;

	must(EVP_DigestUpdate(hash, &size, sizeof(size)) == 1);
	must(EVP_DigestUpdate(hash, at, len) == 1);
}

/* Each piece stands behind its length. */
void tls_expect_hash(const struct tls_expect *e, char hex[TLS_EXPECT_HEX + 1])
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	unsigned char octets[TLS_EXPECT_HEX / 2];
	struct text text;

	must(hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1);
	hash_piece(hash, &e->name_count, sizeof(e->name_count));
	for (size_t i = 0; i < e->name_count; i++)
		hash_piece(hash, e->names[i], strlen(e->names[i]));
	for (size_t i = 0; i < e->tlsa_count; i++) {
		const struct tls_tlsa *t = &e->tlsa[i];
		const uint8_t kind[] = { t->usage, t->selector, t->matching };

		hash_piece(hash, kind, sizeof(kind));
		hash_piece(hash, t->data, t->len);
	}
	must(EVP_DigestFinal_ex(hash, octets, NULL) == 1);
	EVP_MD_CTX_free(hash);
	text_begin(&text, hex, TLS_EXPECT_HEX + 1);
	text_hex(&text, octets, sizeof(octets));
}

void tls_expect_take(struct tls_conn *c, const struct tls_expect *e)
{
	if (e->name_count > 0)
		c->names = mem_new(e->name_count * sizeof(char *));
	for (size_t i = 0; i < e->name_count; i++)
		c->names[i] = mem_text(e->names[i]);
	c->name_count = e->name_count;
	tls_dane_expect(c, e->tlsa, e->tlsa_count);
}

void tls_expect_free(struct tls_conn *c)
{
	for (size_t i = 0; i < c->name_count; i++)
		free(c->names[i]);
	free(c->names);
}
