/* route/route_socketmap.h
 * For a Postfix beside us: a socketmap server (socketmap_table(5)) that answers smtp_tls_policy_maps out of the same engine as the
 * sessions. A client that speaks nonsense is closed; where there are too many, the one that has been silent for the longest. */
#ifndef ROUTE_SOCKETMAP_H
#define ROUTE_SOCKETMAP_H

#include "route/route.h"
#include "route/route_partners.h"

#define ROUTE_SOCKETMAP_CLIENTS_MOST 512

struct route_socketmap;

/* Takes `fd`, which listens. The others are borrowed. */
struct route_socketmap *route_socketmap_new(struct loop *loop, int fd, struct route *route, struct route_partners *partners);
/* Takes no more connections, and closes each when what it has asked is answered. */
void route_socketmap_drain(struct route_socketmap *s);
unsigned route_socketmap_count(const struct route_socketmap *s);
/* After the route is free: nobody calls back any more. */
void route_socketmap_free(struct route_socketmap *s);

#endif
