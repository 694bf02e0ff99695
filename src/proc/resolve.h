/* proc/resolve.h
 * The role that turns host names of upstreams into addresses, so that no edge ever waits for DNS. The
 * master asks (IPC_ASK); each name is looked up at once and again as it ages; what was found goes back
 * (IPC_ADDRS). A name that can't be resolved says nothing: the edges keep what they had. */
#ifndef PROC_RESOLVE_H
#define PROC_RESOLVE_H

/* Returns the exit status. */
int resolve_main(void);

#endif
