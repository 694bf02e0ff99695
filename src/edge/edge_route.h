/* edge/edge_route.h
 * An edge's line to the process `route`: questions for evidence, each answered once, and results that are told. The table of the
 * partners' database comes over it too. Without a line every question fails, and that is a temporary refusal, never
 * "no policy" (law 6). The line itself is edge_main.c's. */
#ifndef EDGE_EDGE_ROUTE_H
#define EDGE_EDGE_ROUTE_H

#include "edge/next_hop.h"
#include "policy/policy_message.h"

/* Questions that wait at once; one more fails. */
#define EDGE_ROUTE_ASKS_MOST 4096

struct edge_route;

struct edge_route *edge_route_new(struct edge *e);
void edge_route_free(struct edge_route *r);
/* The line was lost: what was asked there fails now. */
void edge_route_lost(struct edge *e);

/* A question of a session, its own; zeroed before the first use. */
struct route_ask {
	struct session *session;
	uint32_t id;                  /* 0: none is under way */
	msec until;
	bool for_evidence, done;
	struct evidence_held *answer; /* to a question for evidence: the asker's, to be released; NULL: none yet */
	struct buf octets;            /* to one for a responder: what it said; empty: nothing */
	struct route_ask *next;
};

/* Asks for a folded domain; the session is run when the answer is there, which may be at once. At the latest after the
 * configuration's patience it is evidence that says why there is none. */
void edge_route_ask(struct session *s, struct route_ask *a, const char *domain);
/* Has a request (DER) sent to an OCSP responder (RFC 6960); the answer, empty where there is none, comes in the same way. */
void edge_route_ask_ocsp(struct session *s, struct route_ask *a, const char *url, struct span request);
bool edge_route_has_answer(const struct route_ask *a);
/* The question is nobody's any more. */
void edge_route_forget(struct edge *e, struct route_ask *a);
/* The time is over: answers it. */
void edge_route_late(struct edge *e, struct route_ask *a);

void edge_route_result(struct edge *e, const struct policy_result *result);

/* The rules as they are now: those of the file and those of the database. Borrowed: hold it. */
struct policy_table *edge_route_rules(const struct edge *e);

/* False as long as the rules of the database have not come, because they can't be read: what one of them asks for nobody
 * knows then, and no mail is taken (SPEC GC-8, law 6). Once they have come, the last that came stand. */
bool edge_route_knows_rules(const struct edge *e);

/* What has come over the line, whole, with the descriptor that came along (taken; -1: none). False: it is nonsense, and the line
 * is to be given up. */
MUST_CHECK bool edge_route_message(struct edge *e, struct span octets, int fd);

#endif
