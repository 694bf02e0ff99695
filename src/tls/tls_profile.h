/* tls/tls_profile.h
 * Named TLS settings. Built-in profiles are read-only; others derive from one. */
#ifndef TLS_PROFILE_H
#define TLS_PROFILE_H

#include "base/why.h"

#define TLS_LIST_MOST 512

enum tls_version { TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3 };

/* What is asked of an upstream's certificate about its revocation (RFC 6960, 7633). */
enum tls_ocsp {
	TLS_OCSP_OFF,
	TLS_OCSP_SOFT, /* a staple is asked for and believed; none is fine where none was promised */
	TLS_OCSP_HARD, /* a certificate that names a responder must come with a good staple */
};

struct tls_profile {
	enum tls_version min, max;
	char ciphers[TLS_LIST_MOST];      /* TLS 1.2 and older, OpenSSL's list syntax */
	char ciphersuites[TLS_LIST_MOST]; /* TLS 1.3 */
	char groups[TLS_LIST_MOST];       /* most wanted first, colon between; unknown ones are skipped */
	bool tickets;
	bool need_ems; /* towards clients: TLS 1.2 without extended_master_secret (RFC 7627) is refused */
	bool pfs_required; /* ECDHE, DHE and TLS 1.3 alone, whatever else stands in `ciphers` */
	enum tls_ocsp ocsp; /* towards upstreams */
	bool compliance;
};

/* "modern" (TLS 1.3 alone), "intermediate" (1.2 and 1.3, forward secret AEAD; the default),
 * "legacy" (1.0 and up, for old devices). NULL where there is no such name. Groups begin
 * with X25519MLKEM768, then X25519. */
const struct tls_profile *tls_profile_builtin(const char *name);

/* False with `why` where OpenSSL takes no cipher of the list or no group at all. Groups that this
 * OpenSSL does not know are named in `skipped` (may be NULL; cut at `size`). */
MUST_CHECK bool tls_profile_check(const struct tls_profile *p, char *skipped, size_t size,
				  struct why *why);

#endif
