/* tls/tls_ticket.h
 * Keys for session tickets. The master makes the secrets and turns them over; the edges
 * only read them from shared memory, so that a session begun at one edge resumes at
 * another, and across a restart of an edge (SPEC SUB-15). Each server context derives its own
 * keys from secret + label: a ticket of one service is worth nothing at another (law 7). */
#ifndef TLS_TICKET_H
#define TLS_TICKET_H

#include "base/span.h"

#include <stdatomic.h>

#define TLS_TICKET_SECRETS 3 /* the newest makes tickets; all open them */

struct tls_ticket_secret {
	unsigned char name[16];
	unsigned char secret[32];
};

/* Lives in shared memory, zero-filled at birth. One writer, any number of readers, no
 * lock: a reader that sees `turn` odd or changed reads again. */
struct tls_ticket_ring {
	atomic_uint turn;
	unsigned have;
	struct tls_ticket_secret secrets[TLS_TICKET_SECRETS]; /* newest first */
};

/* Master only: puts a new random secret in front. Old ones go after two more turns. */
void tls_ticket_rotate(struct tls_ticket_ring *ring);

/* False before the first turn, and within one. */
bool tls_ticket_ready(const struct tls_ticket_ring *ring);

/* The keys of the secret called `name` (16 octets; NULL: the newest) for a context with `label`.
 * False where it is gone. `newest` may be NULL. */
struct tls_ticket_keys {
	unsigned char name[16];
	unsigned char aes[32];
	unsigned char mac[32];
};
MUST_CHECK bool tls_ticket_keys(const struct tls_ticket_ring *ring, const unsigned char *name,
				const char *label, struct tls_ticket_keys *keys, bool *newest);

#endif
