/* route/route_map.h
 * What Postfix asks the socketmap for smtp_tls_policy_maps, and what it is answered. Pure. */
#ifndef ROUTE_MAP_H
#define ROUTE_MAP_H

#include "base/buf.h"
#include "policy/policy_decide.h"

#define ROUTE_MAP_ASK_MOST 1024            /* octets of a request: the map's name and a domain */
#define ROUTE_MAP_ANSWER_MOST (64 * 1024)

enum route_map_kind {
	ROUTE_MAP_QUERY,       /* "QUERY example.net" */
	ROUTE_MAP_WITH_TLSRPT, /* "QUERYwithTLSRPT example.net": Postfix 3.10 */
	ROUTE_MAP_UNKNOWN,     /* no map of ours */
};

/* Takes a request apart. `key` is what is asked for, as it stands. */
enum route_map_kind route_map_read(struct span request, struct span *key);

/* The whole reply for a decision, appended: "OK secure match=...", "OK dane-only", "OK encrypt", "NOTFOUND " where nothing is
 * asked for (Postfix then does as it does by itself), "TEMP ..." where it is not known, so that Postfix tries again later. False where
 * `out` is full.
 *
 * Postfix holds all hosts of a domain to one level, we each to its own: where they differ the answer is never weaker than any of
 * them, so that some hosts may not be usable for Postfix that are for us. */
MUST_CHECK bool route_map_answer(const struct policy_decision *d, const struct policy_evidence *e,
				 enum route_map_kind kind, struct buf *out);

#endif
