#include "io/sock.h"

#include "base/must.h"

#include <errno.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static bool set_on(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

static int new_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* Replies are gathered into one write, so there is nothing that Nagle could
	 * gather; waiting for an ACK costs 40 ms a line (FIGURES section 6.6). */
	if (fd >= 0)
		must(set_on(fd, IPPROTO_TCP, TCP_NODELAY, 1));
	return fd;
}

static int close_and_say(int fd, const struct addr *at, const char *what, struct why *why)
{
	char text[ADDR_TEXT_MOST];
	int error = errno;

	addr_print(at, text);
	why_set(why, FAULT_SYSTEM, "%s %s: %s", what, text, strerror(error));
	if (fd >= 0)
		close(fd);
	errno = error;
	return -1;
}

static int listen_at(const struct addr *at, const struct addr *named, bool v6only, struct why *why)
{
	int fd = new_socket(at->sa.sa_family);

	/* Accepted sockets inherit TCP_NODELAY from the listening one. */
	if (fd < 0 || !set_on(fd, SOL_SOCKET, SO_REUSEADDR, 1) ||
	    !set_on(fd, SOL_SOCKET, SO_REUSEPORT, 1) ||
	    (at->sa.sa_family == AF_INET6 && !set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6only)) ||
	    bind(fd, &at->sa, at->len) != 0 || listen(fd, SOMAXCONN) != 0)
		return close_and_say(fd, named, "listen on", why);
	return fd;
}

int sock_listen(const struct addr *at, struct why *why)
{
	struct addr any;
	int fd;

	if (at->sa.sa_family != AF_UNSPEC)
		return listen_at(at, at, true, why);
	any = *at;
	any.sa.sa_family = AF_INET6;
	fd = listen_at(&any, at, false, why);
	if (fd >= 0 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
		return fd;
	must(addr_read_host(SPAN("0.0.0.0"), addr_port(at), &any));
	return listen_at(&any, at, false, why);
}

bool sock_local(int fd, struct addr *local)
{
	*local = (struct addr){ .len = sizeof(local->in6) };
	if (getsockname(fd, &local->sa, &local->len) != 0) {
		local->len = 0;
		return false;
	}
	addr_unmap(local);
	return true;
}

int sock_accept(int listener, struct addr *peer, struct addr *local)
{
	int fd;

	/* A client that was gone before we came is not the end of the queue. */
	do {
		*peer = (struct addr){ .len = sizeof(peer->in6) };
		fd = accept4(listener, &peer->sa, &peer->len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd < 0)
		return -1;
	addr_unmap(peer);
	if (local != NULL && !sock_local(fd, local))
		local->len = 0;
	return fd;
}

/* Of the machine: no descriptor, no port, no route. Of the peer: it said no, or nothing. */
static enum fault whose(int error)
{
	return error == ECONNREFUSED || error == ETIMEDOUT || error == ECONNRESET ? FAULT_PEER :
										     FAULT_SYSTEM;
}

static int connect_take(int fd, const struct addr *to, struct why *why)
{
	int result;

	do {
		result = connect(fd, &to->sa, to->len);
	} while (result != 0 && errno == EINTR);
	if (result == 0 || errno == EINPROGRESS || errno == EALREADY || errno == EISCONN)
		return fd;
	close_and_say(fd, to, "connect to", why);
	why->fault = whose(errno);
	return -1;
}

int sock_connect(const struct addr *to, struct why *why)
{
	int fd = new_socket(to->sa.sa_family);

	return fd < 0 ? close_and_say(fd, to, "connect to", why) : connect_take(fd, to, why);
}

int sock_connect_take(int fd, const struct addr *from, const struct addr *to, struct why *why)
{
	struct addr any;

	if (from == NULL)
		return connect_take(fd, to, why);
	any = *from;
	if (any.sa.sa_family == AF_INET6)
		any.in6.sin6_port = 0;
	else
		any.in.sin_port = 0;
	/* The port is chosen by connect, when it is known for which destination: one address can have
	 * as many connections as there are ports to each of them. */
	if (!set_on(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1) || bind(fd, &any.sa, any.len) != 0)
		return close_and_say(fd, from, "come from", why);
	return connect_take(fd, to, why);
}

static bool set_transparent(int fd, int family, bool on)
{
	return family == AF_INET6 ? set_on(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, on)
				  : set_on(fd, IPPROTO_IP, IP_TRANSPARENT, on);
}

int sock_marked(int family, uint32_t mark, bool transparent, struct why *why)
{
	int fd = new_socket(family);

	if (fd >= 0 && set_on(fd, SOL_SOCKET, SO_MARK, (int)mark) &&
	    (!transparent || set_transparent(fd, family, true)))
		return fd;
	why_set(why, FAULT_SYSTEM, "a socket with a mark%s: %s", transparent ? " for any address" : "",
		strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

bool sock_transparent(int fd, bool on, struct why *why)
{
	socklen_t len = sizeof(int);
	int family = AF_INET;

	must(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) == 0);
	if (set_transparent(fd, family, on))
		return true;
	why_set(why, FAULT_SYSTEM, "listen for any address: %s", strerror(errno));
	return false;
}

bool sock_original(int fd, struct addr *original)
{
	struct addr peer = { .len = sizeof(peer.in6) };

	*original = (struct addr){ .len = sizeof(original->in6) };
	if (getpeername(fd, &peer.sa, &peer.len) == 0) {
		/* An IPv4 client of an IPv6 socket was redirected as IPv4. */
		addr_unmap(&peer);
		if (peer.sa.sa_family == AF_INET6 &&
		    getsockopt(fd, IPPROTO_IPV6, IP6T_SO_ORIGINAL_DST, &original->sa, &original->len) == 0)
			return true;
		original->len = sizeof(original->in);
		if (peer.sa.sa_family == AF_INET &&
		    getsockopt(fd, IPPROTO_IP, SO_ORIGINAL_DST, &original->sa, &original->len) == 0)
			return true;
	}
	original->len = 0;
	return false;
}

enum sock_state sock_connected(int fd, struct why *why)
{
	struct pollfd one = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0;

	if (poll(&one, 1, 0) <= 0)
		return SOCK_PENDING;
	must(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0);
	if (error == 0)
		return SOCK_CONNECTED;
	why_set(why, whose(error), "%s", strerror(error));
	return SOCK_FAILED;
}
