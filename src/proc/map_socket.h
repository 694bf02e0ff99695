/* proc/map_socket.h
 * Where the socketmap (route/route_socketmap.h) is listened on. The master opens it, as it may have to be below port 1024 or in
 * a folder of somebody else's, and keeps it over reloads. */
#ifndef PROC_MAP_SOCKET_H
#define PROC_MAP_SOCKET_H

#include "base/why.h"

/* `at`: an address, "unix:/path" or a path. A socket that lies at that path and that nobody listens on is replaced; ours is left there
 * at the end, to be replaced in the same way. Everybody on this machine may connect: what is answered is no secret. -1 with `why`. */
MUST_CHECK int map_socket_open(const char *at, struct why *why);

#endif
