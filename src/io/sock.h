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

/* FAILED: `why` says it; the error is taken off the socket, so ask once more and it is gone. */
enum sock_state { SOCK_PENDING, SOCK_CONNECTED, SOCK_FAILED };
enum sock_state sock_connected(int fd, struct why *why);

#endif
