/* tls/tls_hello.h
 * Reads what a ClientHello and a ServerHello say in clear (RFC 8446 section 4.1, 6066, 7301), for the
 * log and for rules on SNI, without taking part. Pure and total; handshake messages may be cut into
 * records and segments at any octet. Knows no OpenSSL. */
#ifndef TLS_HELLO_H
#define TLS_HELLO_H

#include "base/span.h"

/* A ClientHello with post-quantum shares is about 2 KB; above this nobody looks further. */
#define TLS_HELLO_MOST (16 * 1024)

enum tls_hello_found {
	TLS_HELLO_MORE,
	TLS_HELLO_WHOLE,
	TLS_HELLO_NOT, /* not TLS (nor is SSL 2), or not this message, or malformed, or too long */
};

struct tls_hello {
	unsigned version;       /* ClientHello: the highest that is offered; ServerHello: the one chosen; 0x0304 = TLS 1.3 */
	char sni[256];          /* printable host name, lower case; empty: none, or not a host name */
	char alpn[64];          /* first protocol, printable; empty: none */
	unsigned cipher;        /* ServerHello: the suite's number */
	bool resuming;          /* ClientHello: brought a ticket, a PSK or (before TLS 1.3) a session id */
	bool alert;             /* with NOT: it is TLS all the same, an alert in place of the hello */
};

/* `bytes`: all that the peer has sent since TLS began; what is above TLS_HELLO_MOST is not looked at.
 * An answer other than MORE stays the same whatever follows. `hello` is filled by WHOLE and
 * is all zero otherwise, but for `alert`. A hello that asks for another one (HelloRetryRequest) is a
 * ServerHello: what it chose will not change. */
enum tls_hello_found tls_hello_client(struct span bytes, struct tls_hello *hello);
enum tls_hello_found tls_hello_server(struct span bytes, struct tls_hello *hello);

/* As in tls_facts: "TLSv1.3", "TLSv1", "SSLv3"; "" for what has no name. */
const char *tls_hello_version_name(unsigned version);

#endif
