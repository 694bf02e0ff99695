/* proc/sandbox.h
 * What a role may still do after it has been set up: seccomp names the system calls, Landlock the
 * files. sandbox.c does it; a build with -Dsandbox=false takes sandbox_off.c instead (sanitizers need
 * system calls and files of their own), and that is the only place where it is decided. */
#ifndef PROC_SANDBOX_H
#define PROC_SANDBOX_H

#include "base/why.h"

/* No other process of this user may look into our memory, and no core is dumped (law 8). */
void sandbox_hide(void);

/* Never to have more privileges than now: no capability, no set-uid program. */
MUST_CHECK bool sandbox_drop(struct why *why);

/* An edge: sockets of IPv4 and IPv6, memory, time. No file, no process, no other kind of socket. */
MUST_CHECK bool sandbox_edge(struct why *why);

/* The resolver: the above, and what getaddrinfo needs: reading below /etc, /usr, /lib, /run, local sockets. */
MUST_CHECK bool sandbox_resolve(struct why *why);

/* `route`: sockets of IPv4 and IPv6, and the files below one folder, to read, write, make and remove (NULL: none). */
MUST_CHECK bool sandbox_route(const char *folder, struct why *why);

#endif
