/* tls/tls_conn.h
 * One TLS connection without a socket: encrypted octets are put into `raw_in` and taken
 * from `raw_out` by the stream that owns it. Only this folder knows OpenSSL. */
#ifndef TLS_CONN_H
#define TLS_CONN_H

#include "base/buf.h"
#include "tls/tls_client.h"
#include "tls/tls_server.h"

/* Ceilings of the raw buffers. One record is at most 16 KB and a little. */
#define TLS_RAW_IN_MOST (64 * 1024)
#define TLS_RAW_OUT_MOST (160 * 1024)

/* How a handshake failed, for counters. */
enum tls_failure {
	TLS_FAILURE_NONE,
	TLS_FAILURE_VERSION, /* older than the profile allows, SSLv3 hello, nothing in common */
	TLS_FAILURE_CIPHER,  /* no cipher, group or signature algorithm in common */
	TLS_FAILURE_ALERT,   /* the peer sent an alert; `why` has its name and number */
	TLS_FAILURE_GARBAGE, /* not TLS, or a bad record */
	TLS_FAILURE_OTHER,
};
const char *tls_failure_name(enum tls_failure f);

/* What a full handshake found of an upstream's leaf beyond its chain; private to tls/. */
struct tls_found {
	unsigned char ocsp, crl, dane;
};

struct tls_conn {
	void *ssl;         /* SSL *, private to tls/ */
	struct buf raw_in;
	struct buf raw_out;
	bool server;
	bool ready;        /* the handshake is done */
	bool peer_closed;  /* close_notify came */
	bool broken;       /* an alert, a bad record: neither read nor write again */
	struct tls_client *client; /* for the session cache; NULL on the server side */
	char *session_key;         /* what a cached session depends on; "": none is kept */
	/* Private to tls/: */
	char *host;                /* the SNI that came, or the host that was asked for; "" */
	bool session_offered;
	int64_t session_born;      /* of the offered one: msec on the monotonic clock */
	const char *refused;       /* why we ourselves refused the client's hello, */
	enum tls_failure refused_as; /* and what that counts as */
	bool own_cert;             /* see tls_conn_use_cert, */
	unsigned char own_label[32]; /* and a hash of its label */
	bool no_crl;               /* nobody gave one of the leaf's issuer */
	char **names;              /* of a client: that the certificate may have, instead of the context's */
	size_t name_count;
	bool dane;                 /* TLSA records count here */
	bool ocsp_asked;           /* and no answer yet that a session may be kept with */
	bool looked;               /* OpenSSL has checked the chain, and this was found: */
	struct tls_found found;
	struct tls_known *known;   /* the facts as of a moment ago; NULL on the server side, and before the handshake is done */
};

enum tls_io {
	TLS_IO_OK,     /* something moved */
	TLS_IO_MORE,   /* wants more in raw_in */
	TLS_IO_FULL,   /* no room where the bytes go: let that drain first */
	TLS_IO_CLOSED, /* close_notify */
	TLS_IO_BROKEN, /* `why` says it; an alert may stand in raw_out: flush it, then drop */
};

/* The connection holds what it needs of `server` and `client`: those may be freed before it. */
struct tls_conn *tls_conn_accept(struct tls_server *server);

/* Before the handshake of a server connection: this certificate alone is served, whatever the SNI. A
 * session resumes under the same `label` (and server, and SNI) only, so `label` says what the
 * certificate was made from: the upstream's certificate and the authority (law 7). Where OpenSSL will not
 * have the certificate, the handshake fails and says so: the server's own never takes its place. */
void tls_conn_use_cert(struct tls_conn *c, const struct tls_cert *cert, const char *label);

/* What a certificate has to be on one connection, beyond what its context says. All borrowed for the call. */
struct tls_expect {
	const char *const *names; /* that it may have, instead of the context's (SAN only, RFC 9525) */
	size_t name_count;        /* 0: as the context has it */
	/* DANE (RFC 7671, 7672): the certificate must meet one of these, by which the context's roots no longer count.
	 *   DANE-EE(3)  neither chain nor dates, names, use or revocation are looked at.
	 *   DANE-TA(2)  chain to the record's certificate or key, dates, revocation, and one of the names above; a CN
	 *               counts where the SAN has no DNS name (RFC 7672 section 3.2.3).
	 * Others (PKIX-TA, PKIX-EE, unknown, malformed) are passed over; where none is usable, all is as without records,
	 * and `dane` of the facts is false: tls_dane_usable() tells beforehand. With usable records TLS 1.2 is the oldest
	 * version that is spoken. */
	const struct tls_tlsa *tlsa;
	size_t tlsa_count;        /* 0: no DANE */
};

/* `host`: the name to send as SNI and, where the context has no names of its own, to be found in
 * the certificate; an address literal sends no SNI and is looked for among the IP
 * addresses. `key` is all that the decision for this leg depended on (host and port, need): the
 * cached session of another key is never used (law 7). Sessions are kept as copies
 * (SSL_SESSION_dup), at most 64 keys a context, one each, until an hour after the handshake
 * that checked the chain. `expect` may be NULL; what stands in it is made part of the key here, so that
 * a session of other names or records is never used. Of a connection with records a session is kept only
 * where they were met. */
struct tls_conn *tls_conn_connect(struct tls_client *client, const char *host, const struct tls_expect *expect,
				  const char *key);

void tls_conn_free(struct tls_conn *c);

/* Drives the handshake. TLS_IO_OK: it is done (c->ready). */
enum tls_io tls_conn_handshake(struct tls_conn *c, enum tls_failure *failure, struct why *why);

/* Plain octets out of the connection into `in`, as long as there is room and data. TLS_IO_OK where at
 * least one octet came (what ended the reading is told by the next call); TLS_IO_FULL where `in` has no
 * room: OpenSSL may hold plain octets then, so call again when there is, new raw octets or
 * not. TLS_IO_BROKEN at once, though octets may have come before the bad ones. */
enum tls_io tls_conn_read(struct tls_conn *c, struct buf *in, struct why *why);

/* Encrypts from the front of `out`, consuming what was taken. TLS_IO_OK where anything was, or
 * nothing was there; TLS_IO_FULL where raw_out has no room for the next record. */
enum tls_io tls_conn_write(struct tls_conn *c, struct buf *out, struct why *why);

/* Puts a close_notify into raw_out, once. */
void tls_conn_close(struct tls_conn *c);

/* After the handshake. On the client side with what the check of chain and names found. */
void tls_conn_facts(const struct tls_conn *c, struct tls_facts *facts);

/* Right after the handshake of a client, in the same turn: whether the responder that the leaf names is to be
 * asked about it. True where the profile's `ocsp` is soft or hard, the chain is good, no staple came (nor was
 * promised), and an http responder is named: `url` (printable, no user, "http://...") is where to POST `request`
 * (application/ocsp-request: one SHA-1 CertID, no nonce, RFC 5019), whose room of 1 KB is ample. The URL is the
 * certificate's word: whoever fetches has to mind where it leads. Until the answer comes the facts say "OCSP: not
 * answered", which `hard` takes for bad, and no session of this connection is kept. Never true on a
 * resumed session: what was answered is remembered with it. */
MUST_CHECK bool tls_conn_ocsp_wanted(struct tls_conn *c, char *url, size_t size, struct buf *request);

/* What the responder said to that; empty: nothing could be had. Checked as a staple is (signature of the issuer or
 * one that it has named, dates, certificate), and from now on part of the facts. Once for each time that
 * it was wanted. */
void tls_conn_ocsp_answer(struct tls_conn *c, struct span response);

/* After the handshake: the peer's leaf as DER into `der`, on a resumed session too (that of the first
 * handshake). False where there is none, or no room. */
MUST_CHECK bool tls_conn_peer_der(const struct tls_conn *c, struct buf *der);

#endif
