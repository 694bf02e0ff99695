/* tls/tls_need.h
 * What TLS must be on a leg (the need), what it was (the facts), and whether the one
 * meets the other. Pure, and the only file of this folder that policy may include. */
#ifndef TLS_NEED_H
#define TLS_NEED_H

#include "base/why.h"

/* Weakest first: a greater level is never satisfied by a smaller one. */
enum need_level {
	NEED_NONE,    /* no TLS is tried */
	NEED_MAY,     /* TLS where it can be had, clear otherwise */
	NEED_ENCRYPT, /* TLS or nothing; no identity asked */
	NEED_VERIFY,  /* TLS with a chain to a trusted root and a name that matches */
	NEED_DANE,    /* TLS with a certificate that the host's TLSA records are met by (RFC 7672) */
};

/* One TLSA record (RFC 6698 section 2.1), as DNSSEC vouched for it. */
struct tls_tlsa {
	uint8_t usage, selector, matching;
	uint16_t len;
	unsigned char *data;
};

struct tls_need {
	enum need_level level;
	unsigned min_bits; /* symmetric strength; 0: any */
};

enum tls_verified {
	TLS_VERIFIED_NOT, /* nobody looked */
	TLS_VERIFIED_OK,
	TLS_VERIFIED_BAD, /* looked, and found wanting: `verify_text` says why */
};

/* What was found wanting. */
enum tls_bad {
	TLS_BAD_OTHER, /* the chain, its purpose, a revocation */
	TLS_BAD_NAME,
	TLS_BAD_EXPIRED,
};

/* Why there is no TLS on a leg. */
enum tls_absent {
	TLS_ABSENT_NOT,         /* there is TLS */
	TLS_ABSENT_UNWANTED,    /* the need was `none` */
	TLS_ABSENT_NOT_OFFERED,
	TLS_ABSENT_REFUSED,     /* STARTTLS answered 4xx or 5xx */
	TLS_ABSENT_FAILED,      /* the handshake failed; this is a new connection in clear */
};

struct tls_facts {
	bool on;
	enum tls_absent absent;
	bool resumed;
	char version[12];      /* "TLSv1.3" */
	char cipher[48];       /* the standard (RFC) name */
	char group[32];        /* "X25519"; empty where OpenSSL can't tell */
	unsigned bits;
	char sni[256];         /* that the client sent, or that we sent */
	char cert[65];         /* SHA-256 of the peer's leaf, hex; empty: none */
	char cert_name[128];   /* its first DNS name, or its subject */
	int64_t cert_until;    /* notAfter, seconds since 1970; 0: none */
	enum tls_verified verified;
	enum tls_bad bad;      /* with TLS_VERIFIED_BAD */
	bool dane;             /* `verified` is what the TLSA records said */
	char verify_text[128]; /* "verified for mx.example.net", "certificate has expired" */
	char revocation[64];   /* "OCSP: good", "no OCSP responder named"; empty: not looked for */
};

/* True where `facts` are good enough. Otherwise `why` (FAULT_POLICY) says what is missing, in
 * words that differ by cause (SPEC GC-2, GC-7, PP-6, PP-7):
 *   "encryption too weak <have> less than <need>"   strength, and no TLS where min_bits is set
 *   "TLS is required but was not offered" / "... STARTTLS was refused" / "TLS handshake failed"
 *   "certificate not verified: <verify_text>"
 *   "certificate not verified by DANE: <verify_text>" */
MUST_CHECK bool need_met(const struct tls_need *need, const struct tls_facts *facts,
			 struct why *why);

const char *need_level_name(enum need_level level);
const char *tls_absent_name(enum tls_absent absent); /* "on", "unwanted", "not-offered", ... */
const char *tls_verified_name(enum tls_verified verified); /* "no", "ok", "bad" */

#endif
