/* tls/tls_profile.h
 * Named TLS settings. Built-in profiles are read-only; others derive from one. */
#ifndef TLS_PROFILE_H
#define TLS_PROFILE_H

#include "base/why.h"

#define TLS_LIST_MOST 512

enum tls_version { TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3 };

/* How an upstream's certificate is asked about its revocation: by the answer that the upstream staples
 * to it (RFC 6066, 6960), else by what the responder that it names says to whoever holds the connection
 * (tls_conn_ocsp_wanted; HTTP has no place here). An answer that says "revoked", and a certificate that
 * promises a staple (RFC 7633) and comes without a valid one, are bad at either level; one that names no
 * responder and brings no staple is fine at either. */
enum tls_ocsp {
	TLS_OCSP_OFF,  /* no answer is asked for, nor looked at */
	TLS_OCSP_SOFT, /* no valid answer: noted in the facts */
	TLS_OCSP_HARD, /* no valid answer, where a responder is named or a staple came: bad */
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
	/* Of tunnels: what is not TLS where TLS must be (on a port for it, after 220 to STARTTLS) is not
	 * passed on but closed, and counted. Without it a tunnel carries whatever comes. Where we end
	 * TLS ourselves there is no choice: the handshake fails (TLS_FAILURE_GARBAGE), never is anything
	 * read in clear. */
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
