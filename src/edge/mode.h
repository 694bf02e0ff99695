/* edge/mode.h
 * What a session does once it has begun. The session drives its streams and its phases; the mode says
 * what follows from what has come. */
#ifndef EDGE_MODE_H
#define EDGE_MODE_H

#include "edge/session.h"

struct mode {
	const char *name;
	/* As session_run: true where something moved. */
	bool (*step)(struct session *s);
	/* The leg is ready, and has let its limit pass without a reply, or without reading. */
	void (*late)(struct session *s);
};

extern const struct mode mode_terminate; /* our own dialogue with each side */
extern const struct mode mode_watch;     /* reads along, up to TLS at the most */
extern const struct mode mode_tunnel;    /* moves octets unread */

#endif
