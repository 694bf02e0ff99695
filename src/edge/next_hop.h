/* edge/next_hop.h
 * Where the mail for one recipient may go and under what TLS: a decision (policy_decide) made ready for a leg. Counted:
 * the transaction and its leg hold it, and with it the evidence and the rules that it was made from. */
#ifndef EDGE_NEXT_HOP_H
#define EDGE_NEXT_HOP_H

#include "edge/edge.h"
#include "policy/policy_decide.h"

/* Evidence that several recipients of a domain share. */
struct evidence_held {
	unsigned refs;
	struct policy_evidence *all; /* owned */
};

/* Takes `e`. */
struct evidence_held *evidence_held_new(struct policy_evidence *e);
struct evidence_held *evidence_held_hold(struct evidence_held *h);
void evidence_held_release(struct evidence_held *h); /* NULL is fine */

struct next_hop {
	unsigned refs;
	struct evidence_held *found;
	struct policy_table *rules;  /* held: the decision's rule is one of them */
	struct policy_decision decision;
	bool requiretls;             /* the host must offer REQUIRETLS (RFC 8689 section 4.2.1) */
	struct tls_client *tls;      /* the plan's: the sessions that hold this hold the plan */
	struct buf key;              /* all that a connection depends on (law 7) */
};

/* Decides. Holds `found` (whose evidence is `q`'s from now on) and `rules`. NULL with `why` where the rule names a client certificate
 * that is not to be had. decision.refusal may be set, and then there is nothing to connect to. */
MUST_CHECK struct next_hop *next_hop_new(const struct plan_service *service, struct evidence_held *found,
					 struct policy_table *rules, struct policy_question q, struct why *why);
struct next_hop *next_hop_hold(struct next_hop *h);
void next_hop_release(struct next_hop *h); /* NULL is fine */

/* The addresses to try in order: host by host, IPv6 and IPv4 by turns (RFC 8305 section 4). At most `most`; how many. */
unsigned next_hop_tries(const struct next_hop *h, uint16_t port, struct upstream_try *tries, unsigned most);

/* Takes those away that lead to the services of `p` themselves, with their hosts and all that are preferred no more than those
 * (RFC 5321 section 5.1); `why` says which was found. How many are left of `n`. */
unsigned next_hop_leave_own(const struct next_hop *h, const struct plan *p, const struct home *home,
			    struct upstream_try *tries, unsigned n, struct why *why);

/* Of decision.hosts[i]. */
const struct evidence_host *next_hop_host(const struct next_hop *h, unsigned i);

/* One transaction's connection may serve the other's. */
bool next_hop_is_same(const struct next_hop *a, const struct next_hop *b);

#endif
