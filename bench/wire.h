/* A connection of the bench, as plain as can be made fast: a socket, TLS by OpenSSL where it was started,
 * an edge-triggered epoll. Nothing of the program under test is in it but its buffers, so that the two
 * cannot be wrong together. */
#ifndef WIRE_H
#define WIRE_H

#include "base/buf.h"

#include <netinet/in.h>
#include <openssl/ssl.h>

#define WIRE_MOST (256 * 1024)

enum wire_state {
	WIRE_CLOSED,
	WIRE_CONNECTING,
	WIRE_OPEN,
	WIRE_SHAKING, /* TLS has begun */
	WIRE_ENDED,   /* the peer has closed, or an error; `in` may still hold octets */
};

struct wire {
	int fd;
	SSL *ssl; /* NULL: in clear */
	enum wire_state state;
	bool readable, writable;
	bool fresh; /* the handshake is over, and wire_secured has not told yet */
	struct buf in, out;
	char error[120]; /* why it ended; empty: in order */
};

/* The one epoll of the process. `wire_wait` calls back for each event; `on` may free what `arg` is. */
typedef void wire_callback(void *arg, uint32_t events);
void wire_start(void);
void wire_watch(int fd, uint32_t events, wire_callback *on, void *arg);
void wire_wait(int64_t usec);

int64_t wire_now(void); /* microseconds */

struct sockaddr_in wire_addr(const char *text); /* "127.0.0.1:25"; ends the process on anything else */
int wire_listen(const struct sockaddr_in *at);

/* `from`: NULL, or an address to bind to. False: no port or descriptor is left. */
bool wire_connect(struct wire *w, const struct sockaddr_in *to, const struct sockaddr_in *from,
		  wire_callback *on, void *arg);
void wire_accepted(struct wire *w, int fd, wire_callback *on, void *arg);
/* `server`, or a client with `resume` (may be NULL) as the session to take up. */
void wire_start_tls(struct wire *w, SSL_CTX *ctx, bool server, SSL_SESSION *resume);

/* What epoll said. Then moves what can be moved. True: something did. */
void wire_event(struct wire *w, uint32_t events);
bool wire_fill(struct wire *w);
bool wire_flush(struct wire *w);
bool wire_flushed(const struct wire *w);
/* True once: the handshake is over. */
bool wire_secured(struct wire *w);
void wire_close(struct wire *w);

/* TLS 1.3 with AES-256-GCM and X25519 alone: what everybody is measured with. Ends the process where
 * the files are wrong. */
SSL_CTX *wire_server_ctx(const char *chain, const char *key);
SSL_CTX *wire_client_ctx(void);

#endif
