/* edge/mode_tunnel.h
 * Octets go through unread, but for the two hellos, which are looked at for the log as they pass. */
#ifndef EDGE_MODE_TUNNEL_H
#define EDGE_MODE_TUNNEL_H

#include "edge/mode.h"

/* In PHASE_START, s->target set, on a port with TLS from the first byte: connects at once. What stands in s->client.in
 * already is the first to go through. Then session_run. `up` lends its limits alone. */
void mode_tunnel_begin(struct session *s, struct upstream *up);
/* mode_watch's: the server's 220 to STARTTLS is on its way to the client. */
void mode_tunnel_take_over(struct session *s);

#endif
