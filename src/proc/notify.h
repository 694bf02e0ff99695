/* proc/notify.h
 * Tells systemd how we are (sd_notify(3), Type=notify and notify-reload). Does nothing where nobody asked. */
#ifndef PROC_NOTIFY_H
#define PROC_NOTIFY_H

/* Takes NOTIFY_SOCKET out of the environment: children have nothing to say there. */
void notify_start(void);

void notify_ready(const char *status);
void notify_reloading(void);
void notify_stopping(void);

#endif
