/* edge/mode_watch.h
 * The methods passthrough and strip on ports that begin in clear: two others speak SMTP through us, and we
 * read along (smtp/smtp_watch.h). After the server's 220 to STARTTLS it goes on as a tunnel. */
#ifndef EDGE_MODE_WATCH_H
#define EDGE_MODE_WATCH_H

#include "edge/mode.h"

/* In PHASE_START, s->target set: connects at once, for the greeting is the server's. Then session_run. `up` lends
 * its limits alone. */
void mode_watch_begin(struct session *s, struct upstream *up, bool strip);

#endif
