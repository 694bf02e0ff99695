/* proc/shared.h
 * Figures that the processes share: one block of memory that the master makes and every
 * child maps. No lock: each process writes its own slot alone, readers add the slots up. When
 * a process dies, however it dies, the master folds its counters into its own and clears the
 * slot: no count of live connections outlives its process. */
#ifndef PROC_SHARED_H
#define PROC_SHARED_H

#include "base/why.h"
#include "proc/tally.h"
#include "tls/tls_ticket.h"

#define SHARED_SLOTS 256      /* processes alive at once, all generations */
#define SHARED_SERVICES 64    /* services that max_connections can tell apart */
#define SHARED_ADDRS 32768    /* places of a slot's table of client addresses */

enum shared_count {
	COUNT_CONNECTIONS,
	COUNT_REFUSED,              /* by limits, at accept */
	COUNT_MESSAGES,             /* 2xx of the upstream passed on */
	COUNT_REFUSALS_4XX,
	COUNT_REFUSALS_5XX,
	COUNT_CLIENT_TLS,           /* handshakes done */
	COUNT_CLIENT_TLS_RESUMED,
	COUNT_CLIENT_TLS_OLD,       /* hello below the profile's version */
	COUNT_CLIENT_TLS_FAILED,    /* all failed handshakes, COUNT_CLIENT_TLS_OLD included */
	COUNT_UPSTREAM_CONNECTS,
	COUNT_UPSTREAM_FAILED,
	COUNT_UPSTREAM_TLS,
	COUNT_UPSTREAM_TLS_RESUMED,
	COUNT_UPSTREAM_TLS_FAILED,
	COUNT_UPSTREAM_REUSED,      /* transactions on a connection that was kept */
	COUNT_UPSTREAM_CLEAR,       /* legs in clear where TLS was wanted (`may`) */
	COUNT_IN_DOUBT,             /* the upstream was lost after the final dot */
	COUNT_STRIPPED_LEFT,        /* clients that left when they were not offered STARTTLS (method strip) */
	COUNT_EHLO_UNKNOWN,         /* keywords of upstreams that were not understood, for each time that EHLO was answered without them */
	COUNT_NOT_TLS,              /* tunnels ended because something else came where TLS has to begin */
	COUNT_POLICY_REPORTS,       /* next hops that a rule in shadow mode, or a policy in testing, would have refused */
	COUNT_DOWNGRADES,           /* next hops known for TLS that offered none */
	COUNT_SPLITS,               /* recipients asked to come in a transaction of their own */
	COUNT_FALLBACKS,            /* messages of which a copy went to the fallback */
	COUNT_BYTES_IN,
	COUNT_BYTES_OUT,
	COUNT_MOST
};
const char *shared_count_name(enum shared_count c); /* "connections", "client_tls_old" ... */

struct shared;

/* The master's: a memfd of the right size, mapped. -1 / NULL with `why`. */
MUST_CHECK int shared_make(struct why *why);
MUST_CHECK struct shared *shared_map(int fd, struct why *why);
/* For tests and single-process use: the same in private memory. */
struct shared *shared_private(void);
void shared_unmap(struct shared *s);

struct tls_ticket_ring *shared_tickets(struct shared *s);
uint64_t shared_seed(const struct shared *s); /* random, for keyed hashes */

/* Slot 0 is the master's own. */
int shared_slot_take(struct shared *s);       /* master: a free slot, -1: none */
void shared_slot_clear(struct shared *s, int slot); /* master: that process is dead */
unsigned shared_slots_free(const struct shared *s);

void shared_add(struct shared *s, int slot, enum shared_count c, uint64_t n);
uint64_t shared_sum(const struct shared *s, enum shared_count c);

/* One more of COUNT_STRIPPED_LEFT, for the server that it was on the way to; `now` is the monotonic clock. */
void shared_stripped(struct shared *s, int slot, const struct addr *target, msec now);
/* Of all slots together; `all` is zero-filled by the caller. */
void shared_stripped_sum(const struct shared *s, struct tally *all);

/* Counts one more connection of a client at a service; returns false, and counts nothing, where either limit
 * is reached (0: no limit). `key`: addr_client_key. When the table of addresses is full the
 * limit by address is not enforced for new addresses; that by service still is. An address is counted
 * for each service apart. `service`: index, below SHARED_SERVICES (the master refuses more); while an
 * older generation drains, its services count under the index they had there. */
MUST_CHECK bool shared_enter(struct shared *s, int slot, size_t service, unsigned most,
			     uint64_t key, unsigned most_per_addr, bool *by_addr);
/* The local ends of connections that edges have opened for transparent sessions: a client that comes from
 * one of them is ourselves, a loop. `key`: addr_endpoint_key. */
void shared_own_add(struct shared *s, int slot, uint64_t key);
void shared_own_remove(struct shared *s, int slot, uint64_t key);
bool shared_own_has(const struct shared *s, uint64_t key);

void shared_leave(struct shared *s, int slot, size_t service, uint64_t key);

#endif
