#include "tls/tls_profile.h"

#include "base/buf.h"
#include "base/must.h"
#include "tls/tls_inside.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

/* AES-256 first: there are partners that ask for 256 bits, none that ask for fewer. */
#define SUITES "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"
#define AEAD_FS \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:" \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
/* TLS 1.0 and 1.1 sign with SHA-1 and MD5, which OpenSSL 3 allows at level 0 only; what may be
 * used all the same is the list, not the level. */
#define OLD \
	"ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:" \
	"ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:" \
	"ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:" \
	"ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:" \
	"AES256-GCM-SHA384:AES128-GCM-SHA256:AES256-SHA256:AES128-SHA256:" \
	"AES256-SHA:AES128-SHA:DES-CBC3-SHA:@SECLEVEL=0"
#define GROUPS "X25519MLKEM768:X25519:secp256r1:X448:secp384r1:secp521r1"

/* OpenSSL's own default since 3.2, whatever an openssl.cnf says: keys and signatures of 112
 * bits and up. A list with @SECLEVEL in it overrides it. */
#define SECURITY_LEVEL 2

/* Every cipher that an OpenSSL has, and their names, twice over. */
#define FORWARD_SECRET_MOST (16 * 1024)

const struct tls_profile *tls_profile_builtin(const char *name)
{
	static const struct {
		const char *name;
		struct tls_profile profile;
	} all[] = {
		{ "modern", { TLS_1_3, TLS_1_3, "", SUITES, GROUPS, true, true,
		  false, TLS_OCSP_OFF, true } },
		{ "intermediate", { TLS_1_2, TLS_1_3, AEAD_FS, SUITES, GROUPS, true, true,
		  false, TLS_OCSP_OFF, true } },
		{ "legacy", { TLS_1_0, TLS_1_3, AEAD_FS ":" OLD, SUITES, GROUPS, true, false,
		  false, TLS_OCSP_OFF, true } },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(all[i].name, name) == 0)
			return &all[i].profile;
	}
	return NULL;
}

static bool refuse(struct why *why, const char *text)
{
	why_set(why, FAULT_POLICY, "%s", text);
	return false;
}

static bool apply_versions(const struct tls_profile *p, SSL_CTX *ctx, struct why *why)
{
	static const int numbers[] = {
		[TLS_1_0] = TLS1_VERSION,
		[TLS_1_1] = TLS1_1_VERSION,
		[TLS_1_2] = TLS1_2_VERSION,
		[TLS_1_3] = TLS1_3_VERSION,
	};

	if (p->min > p->max)
		return refuse(why, "the smallest TLS version is above the greatest");
	if (SSL_CTX_set_min_proto_version(ctx, numbers[p->min]) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, numbers[p->max]) != 1)
		return tls_error_refused(why, "TLS version");
	return true;
}

static bool has_suite(SSL_CTX *ctx)
{
	STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx);

	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		if (strcmp(SSL_CIPHER_get_version(sk_SSL_CIPHER_value(all, i)), "TLSv1.3") == 0)
			return true;
	}
	return false;
}

/* TLS 1.3 has forward secrecy built in: OpenSSL resumes with a new key exchange, unless it is told
 * not to. */
static bool is_forward_secret(const SSL_CIPHER *cipher)
{
	switch (SSL_CIPHER_get_kx_nid(cipher)) {
	case NID_kx_any:
	case NID_kx_ecdhe:
	case NID_kx_dhe:
	case NID_kx_ecdhe_psk:
	case NID_kx_dhe_psk:
		return true;
	default:
		return false;
	}
}

/* Writes the list again, from what OpenSSL made of it; the level that it set with @SECLEVEL stays. */
static bool keep_forward_secret(SSL_CTX *ctx, struct why *why)
{
	STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx);
	struct buf list;
	bool set;

	buf_init(&list, FORWARD_SECRET_MOST);
	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(all, i);

		if (is_forward_secret(cipher) && SSL_CIPHER_get_kx_nid(cipher) != NID_kx_any)
			must(buf_printf(&list, "%s%s", buf_used(&list) > 0 ? ":" : "",
					SSL_CIPHER_get_name(cipher)));
	}
	must(buf_put(&list, span_of("", 1)));
	set = SSL_CTX_set_cipher_list(ctx, buf_peek(&list).at) == 1;
	buf_free(&list);
	ERR_clear_error();
	return set || refuse(why, "ciphers for TLS 1.2 and older: none is forward secret, and pfs "
			     "is required");
}

/* OpenSSL skips unknown names in silence; so one must remain for each version that is on. */
static bool apply_ciphers(const struct tls_profile *p, SSL_CTX *ctx, struct why *why)
{
	SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
	if (p->min < TLS_1_3 && SSL_CTX_set_cipher_list(ctx, p->ciphers) != 1)
		return tls_error_refused(why, "ciphers for TLS 1.2 and older");
	if (p->min < TLS_1_3 && p->pfs_required && !keep_forward_secret(ctx, why))
		return false;
	if (SSL_CTX_set_ciphersuites(ctx, p->ciphersuites) != 1)
		return tls_error_refused(why, "ciphersuites for TLS 1.3");
	if (p->max == TLS_1_3 && !has_suite(ctx))
		return refuse(why, "ciphersuites for TLS 1.3: none that is known");
	return true;
}

/* A name, and nothing that some OpenSSL reads as syntax: '?', '*', '/', '-' in front, or the
 * word DEFAULT, which is broken in several releases (CVE-2026-2673). */
static bool is_group_name(struct span g)
{
	if (g.len == 0 || g.len > 40 || !ascii_is_alnum(g.at[0]) ||
	    span_eq_nocase(g, SPAN("DEFAULT")))
		return false;
	for (size_t i = 0; i < g.len; i++) {
		if (!ascii_is_alnum(g.at[i]) && g.at[i] != '-' && g.at[i] != '_')
			return false;
	}
	return true;
}

static bool knows_group(SSL_CTX *scratch, struct span g)
{
	char name[48];

	if (!is_group_name(g))
		return false;
	snprintf(name, sizeof(name), "%.*s", SPAN_ARG(g));
	return SSL_CTX_set1_groups_list(scratch, name) == 1;
}

static void append(char *list, size_t size, struct span item)
{
	size_t used = strlen(list);

	if (used < size)
		snprintf(list + used, size - used, "%s%.*s", used > 0 ? ":" : "",
			 SPAN_ARG(item));
}

/* OpenSSL 3.5 sends a key share for the first group only; behind a hybrid one most peers would
 * then ask for another hello, a round trip more. The star asks for a share of the second
 * too. An OpenSSL without hybrid groups knows no star and never sees one. */
static bool set_groups(SSL_CTX *ctx, const char *list)
{
	char starred[TLS_LIST_MOST + 2];
	const char *second = strchr(list, ':');

	if (second != NULL && strstr(list, "MLKEM") != NULL && strstr(list, "MLKEM") < second) {
		snprintf(starred, sizeof(starred), "*%.*s:*%s", (int)(second - list), list,
			 second + 1);
		if (SSL_CTX_set1_groups_list(ctx, starred) == 1)
			return true;
	}
	return SSL_CTX_set1_groups_list(ctx, list) == 1;
}

static bool apply_groups(const struct tls_profile *p, SSL_CTX *ctx, char *skipped, size_t size,
			 struct why *why)
{
	char known[TLS_LIST_MOST] = "";
	SSL_CTX *scratch = SSL_CTX_new(TLS_method());
	struct span rest = span_str(p->groups);
	bool set;

	must(scratch != NULL);
	while (rest.len > 0) {
		struct span g = span_trim(span_cut(&rest, ':'));

		if (knows_group(scratch, g))
			append(known, sizeof(known), g);
		else if (skipped != NULL && g.len > 0)
			append(skipped, size, g);
	}
	SSL_CTX_free(scratch);
	set = known[0] != '\0' && set_groups(ctx, known);
	ERR_clear_error();
	return set || refuse(why, "groups: none that this OpenSSL knows");
}

bool tls_profile_apply(const struct tls_profile *p, SSL_CTX *ctx, char *skipped, size_t size,
		       struct why *why)
{
	ERR_clear_error();
	if (skipped != NULL && size > 0)
		skipped[0] = '\0';
	return apply_versions(p, ctx, why) && apply_ciphers(p, ctx, why) &&
	       apply_groups(p, ctx, skipped, size, why);
}

bool tls_profile_check(const struct tls_profile *p, char *skipped, size_t size, struct why *why)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	bool fine;

	must(ctx != NULL);
	fine = tls_profile_apply(p, ctx, skipped, size, why);
	SSL_CTX_free(ctx);
	return fine;
}
