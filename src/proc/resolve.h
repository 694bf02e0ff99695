/* proc/resolve.h
 * The role that turns host names of upstreams into addresses, so that no edge ever waits for DNS. The
 * master asks (IPC_ASK); each name is looked up at once and again as it ages; what was found goes back
 * (IPC_ADDRS). A name that can't be resolved says nothing: the edges keep what they had. */
#ifndef PROC_RESOLVE_H
#define PROC_RESOLVE_H

/* Returns the exit status. */
/* Names of one configuration. */
#define RESOLVE_NAMES_MOST 4096

int resolve_main(void);

#endif
