#include "wire.h"

#include "base/must.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MOST 256
#define PIECE (64 * 1024)

/* Lives as long as its descriptor; epoll keeps a pointer to it. */
struct watch {
	wire_callback *on;
	void *arg;
};

static int epoll_fd = -1;
/* By descriptor. A descriptor that was closed in a batch and opened again in it would get the events
 * of the old one; an event too many harms nobody here. */
static struct watch *watches;
static size_t watch_count;

void wire_start(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	must(epoll_fd >= 0);
}

void wire_watch(int fd, uint32_t events, wire_callback *on, void *arg)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	while ((size_t)fd >= watch_count) {
		size_t more = watch_count == 0 ? 1024 : watch_count * 2;

		watches = mem_grow(watches, more * sizeof(*watches));
		memset(watches + watch_count, 0, (more - watch_count) * sizeof(*watches));
		watch_count = more;
	}
	watches[fd] = (struct watch){ on, arg };
	must(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0);
}

void wire_wait(int64_t usec)
{
	struct epoll_event events[EVENTS_MOST];
	struct timespec limit = { .tv_sec = usec / 1000000, .tv_nsec = usec % 1000000 * 1000 };
	int n = epoll_pwait2(epoll_fd, events, EVENTS_MOST, &limit, NULL);

	must(n >= 0 || errno == EINTR);
	for (int i = 0; i < n; i++) {
		struct watch w = watches[events[i].data.fd];

		if (w.on != NULL)
			w.on(w.arg, events[i].events);
	}
}

int64_t wire_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct sockaddr_in wire_addr(const char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	char host[64];
	unsigned port;

	if (sscanf(text, "%63[0-9.]:%u", host, &port) != 2 || port > 65535 ||
	    inet_pton(AF_INET, host, &a.sin_addr) != 1) {
		fprintf(stderr, "not an address with a port: %s\n", text);
		exit(2);
	}
	a.sin_port = htons((uint16_t)port);
	return a;
}

int wire_listen(const struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	must(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)at, sizeof(*at)) != 0 || listen(fd, SOMAXCONN) != 0) {
		fprintf(stderr, "port %u: %s\n", ntohs(at->sin_port), strerror(errno));
		exit(2);
	}
	return fd;
}

static void begin(struct wire *w, int fd, enum wire_state state, wire_callback *on, void *arg)
{
	int nodelay = 1;

	*w = (struct wire){ .fd = fd, .state = state };
	buf_init(&w->in, WIRE_MOST);
	buf_init(&w->out, WIRE_MOST);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof(nodelay));
	wire_watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on, arg);
}

bool wire_connect(struct wire *w, const struct sockaddr_in *to, const struct sockaddr_in *from,
		  wire_callback *on, void *arg)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int late = 1;

	if (fd < 0)
		return false;
	/* The port is chosen when the peer is known: each source address has all of them for each peer. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof(late));
	if ((from != NULL && bind(fd, (const struct sockaddr *)from, sizeof(*from)) != 0) ||
	    (connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0 && errno != EINPROGRESS)) {
		close(fd);
		return false;
	}
	begin(w, fd, WIRE_CONNECTING, on, arg);
	return true;
}

void wire_accepted(struct wire *w, int fd, wire_callback *on, void *arg)
{
	begin(w, fd, WIRE_OPEN, on, arg);
	w->readable = w->writable = true;
}

void wire_start_tls(struct wire *w, SSL_CTX *ctx, bool server, SSL_SESSION *resume)
{
	must(w->ssl == NULL && w->state == WIRE_OPEN);
	w->ssl = SSL_new(ctx);
	must(w->ssl != NULL && SSL_set_fd(w->ssl, w->fd) == 1);
	if (server)
		SSL_set_accept_state(w->ssl);
	else
		SSL_set_connect_state(w->ssl);
	if (resume != NULL)
		must(SSL_set_session(w->ssl, resume) == 1);
	w->state = WIRE_SHAKING;
}

static void end(struct wire *w, const char *error)
{
	w->state = WIRE_ENDED;
	if (w->error[0] == '\0')
		snprintf(w->error, sizeof(w->error), "%s", error);
}

static void tls_error(struct wire *w)
{
	unsigned long code = ERR_peek_error();
	const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;

	end(w, text != NULL ? text : "TLS was broken off");
	ERR_clear_error();
}

void wire_event(struct wire *w, uint32_t events)
{
	int error = 0;
	socklen_t len = sizeof(error);

	w->readable |= (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
	w->writable |= (events & EPOLLOUT) != 0;
	if (w->state != WIRE_CONNECTING || events == 0)
		return;
	getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error != 0)
		end(w, strerror(error));
	else if (w->writable)
		w->state = WIRE_OPEN;
}

/* True: the handshake is over. */
static bool shake(struct wire *w)
{
	int done = SSL_do_handshake(w->ssl);

	if (done == 1) {
		w->state = WIRE_OPEN;
		w->fresh = true;
		return true;
	}
	switch (SSL_get_error(w->ssl, done)) {
	case SSL_ERROR_WANT_READ:
		w->readable = false;
		break;
	case SSL_ERROR_WANT_WRITE:
		w->writable = false;
		break;
	default:
		tls_error(w);
		break;
	}
	return false;
}

static ssize_t read_tls(struct wire *w, char *to, size_t room)
{
	size_t got;

	if (SSL_read_ex(w->ssl, to, room, &got) == 1)
		return (ssize_t)got;
	switch (SSL_get_error(w->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
		w->readable = false;
		break;
	case SSL_ERROR_ZERO_RETURN:
		end(w, "");
		break;
	default:
		tls_error(w);
		break;
	}
	return 0;
}

static ssize_t read_plain(struct wire *w, char *to, size_t room)
{
	ssize_t got = recv(w->fd, to, room, 0);

	if (got > 0)
		return got;
	if (got < 0 && errno == EAGAIN)
		w->readable = false;
	else
		end(w, got == 0 ? "" : strerror(errno));
	return 0;
}

bool wire_fill(struct wire *w)
{
	bool moved = false;

	if (w->state == WIRE_SHAKING && w->readable)
		moved = shake(w);
	while (w->state == WIRE_OPEN && w->readable) {
		size_t room;
		char *to = buf_reserve(&w->in, PIECE, &room);
		ssize_t got;

		if (room == 0)
			break;
		got = w->ssl != NULL ? read_tls(w, to, room) : read_plain(w, to, room);
		if (got == 0)
			break;
		buf_commit(&w->in, (size_t)got);
		moved = true;
	}
	return moved || w->state == WIRE_ENDED;
}

static ssize_t write_tls(struct wire *w, struct span s)
{
	size_t put;

	if (SSL_write_ex(w->ssl, s.at, s.len, &put) == 1)
		return (ssize_t)put;
	if (SSL_get_error(w->ssl, 0) == SSL_ERROR_WANT_WRITE)
		w->writable = false;
	else
		tls_error(w);
	return 0;
}

static ssize_t write_plain(struct wire *w, struct span s)
{
	ssize_t put = send(w->fd, s.at, s.len, MSG_NOSIGNAL);

	if (put >= 0)
		return put;
	if (errno == EAGAIN)
		w->writable = false;
	else
		end(w, strerror(errno));
	return 0;
}

bool wire_flush(struct wire *w)
{
	bool moved = false;

	if (w->state == WIRE_SHAKING)
		moved = shake(w);
	while (w->state == WIRE_OPEN && w->writable && buf_used(&w->out) > 0) {
		struct span s = buf_peek(&w->out);
		ssize_t put = w->ssl != NULL ? write_tls(w, s) : write_plain(w, s);

		if (put == 0)
			break;
		buf_consume(&w->out, (size_t)put);
		moved = true;
	}
	return moved;
}

bool wire_flushed(const struct wire *w)
{
	return buf_used(&w->out) == 0;
}

bool wire_secured(struct wire *w)
{
	bool fresh = w->fresh;

	w->fresh = false;
	return fresh;
}

void wire_close(struct wire *w)
{
	if (w->state == WIRE_CLOSED)
		return;
	if (w->ssl != NULL) {
		if (w->state == WIRE_OPEN)
			SSL_shutdown(w->ssl);
		ERR_clear_error();
		SSL_free(w->ssl);
	}
	watches[w->fd] = (struct watch){ NULL, NULL };
	close(w->fd);
	buf_free(&w->in);
	buf_free(&w->out);
	w->ssl = NULL;
	w->state = WIRE_CLOSED;
}

static SSL_CTX *context(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	must(ctx != NULL);
	must(SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1);
	must(SSL_CTX_set_ciphersuites(ctx, "TLS_AES_256_GCM_SHA384") == 1);
	must(SSL_CTX_set1_groups_list(ctx, "X25519") == 1);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			      SSL_MODE_RELEASE_BUFFERS);
	return ctx;
}

SSL_CTX *wire_server_ctx(const char *chain, const char *key)
{
	SSL_CTX *ctx = context(TLS_server_method());

	if (SSL_CTX_use_certificate_chain_file(ctx, chain) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "%s and %s are no certificate and its key\n", chain, key);
		exit(2);
	}
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"bench", 5);
	return ctx;
}

SSL_CTX *wire_client_ctx(void)
{
	return context(TLS_client_method());
}
