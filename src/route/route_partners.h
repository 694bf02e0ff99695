/* route/route_partners.h
 * Watches the partners' database (store/store_partners.h): what is changed there is in force within a second. Where it can't be
 * read, the rules that were read last stay; where it never could, nobody knows them, and nothing is to be decided. */
#ifndef ROUTE_PARTNERS_H
#define ROUTE_PARTNERS_H

#include "io/loop.h"
#include "plan/plan.h"

#define ROUTE_PARTNERS_EACH 300         /* ms */
#define ROUTE_PARTNERS_AGAIN 30000      /* ms, where it can't be opened */
#define ROUTE_PARTNERS_OCTETS_MOST (64 * 1024 * 1024)

struct route_partners;

/* Reads it once. Both are borrowed. */
struct route_partners *route_partners_new(struct loop *loop, const struct plan *plan);
void route_partners_free(struct route_partners *p);

/* The rules of the file and of the database; borrowed, hold it. NULL: those of the database could never be read, and what one of them
 * asks for nobody knows (SPEC GC-8, law 6). */
struct policy_table *route_partners_table(const struct route_partners *p);
/* The database's rules as octets, sealed, for a TABLE message; -1: none were read yet. Stays ours. */
int route_partners_octets(const struct route_partners *p, uint64_t *generation);
/* Whether they have changed since the last call, or since the beginning. */
bool route_partners_fresh(struct route_partners *p);

#endif
