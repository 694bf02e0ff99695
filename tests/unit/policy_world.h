/* Evidence and rules as tests want them. */
#ifndef POLICY_WORLD_H
#define POLICY_WORLD_H

#include "policy/policy_decide.h"

#define WORLD_NOW 1790000000

/* A literal in a rule, which owns its texts elsewhere. */
#define TEXT(literal) ((char *)(literal))

/* example.net with mx1.example.net, mx2.example.net, ...: each has an address; nothing is secure, nothing announced. */
struct policy_evidence *world_evidence(unsigned hosts);
/* TLSA of a host: one record where usable. */
void world_tlsa(struct policy_evidence *e, unsigned host, enum evidence_tlsa state);
/* Asked by service "out", whose default is `may`. */
struct policy_question world_question(const struct policy_evidence *e, const struct policy_rule *rule);
/* A policy with one pattern. */
void world_sts(struct policy_evidence *e, enum evidence_sts mode, const char *pattern);

#endif
