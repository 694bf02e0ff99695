/* io/sock.h
 * Sockets: made non-blocking, close-on-exec and TCP_NODELAY from the start. */
#ifndef IO_SOCK_H
#define IO_SOCK_H

#include "base/why.h"
#include "io/addr.h"

/* A listening socket with SO_REUSEADDR and SO_REUSEPORT; -1 with `why`. "*" listens on IPv6
 * with IPv4 mapped, or on IPv4 alone where the machine has no IPv6; "[::]" on IPv6 alone. */
MUST_CHECK int sock_listen(const struct addr *at, struct why *why);

/* -1 with errno: EAGAIN nobody waits; EMFILE, ENFILE: see edge/accept. `local` may be NULL. IPv4
 * clients of an IPv6 socket come as IPv4. */
int sock_accept(int listener, struct addr *peer, struct addr *local);

/* Where a socket is bound: the real port after port 0. */
MUST_CHECK bool sock_local(int fd, struct addr *local);

/* Begins to connect; -1 with `why`. Whether it got there: sock_connected. */
MUST_CHECK int sock_connect(const struct addr *to, struct why *why);

/* The same with a socket of sock_marked, which it takes in either case. `from`: the address to come from, its
 * port does not count; NULL: our own. One that is not ours needs a transparent socket. */
MUST_CHECK int sock_connect_take(int fd, const struct addr *from, const struct addr *to, struct why *why);

/* Interception (Linux). Both of these need CAP_NET_ADMIN; -1, false with `why`. */

/* A fresh socket of AF_INET or AF_INET6 whose packets carry `mark` (SO_MARK); `transparent`: it may be bound to
 * anybody's address (IP_TRANSPARENT). Whoever is given it needs no privilege for that. */
MUST_CHECK int sock_marked(int family, uint32_t mark, bool transparent, struct why *why);
/* Whether a listening socket takes connections to anybody's address (TPROXY). What it accepts has that
 * address as its own (sock_accept, sock_local). */
MUST_CHECK bool sock_transparent(int fd, bool on, struct why *why);

/* Where a connection was meant to go before it was redirected here (NAT: SO_ORIGINAL_DST). False with errno
 * where the kernel knows of no such thing. A connection that came here of its own accord may have our own
 * address. */
MUST_CHECK bool sock_original(int fd, struct addr *original);

/* FAILED: `why` says it; the error is taken off the socket, so ask once more and it is gone. */
enum sock_state { SOCK_PENDING, SOCK_CONNECTED, SOCK_FAILED };
enum sock_state sock_connected(int fd, struct why *why);

#endif
