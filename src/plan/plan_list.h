/* plan/plan_list.h
 * A file with partners (SPEC GC-3, GC-5, PP-12): what `partner_lists` names. One key a line, or several with "," or ";"
 * between them; blanks do not separate, they stand before the number of bits that a key may have of its own. A "#" at the
 * start of a line or behind a blank begins a comment; lines end with LF or CRLF; an empty one means nothing. Pure and total. */
#ifndef PLAN_LIST_H
#define PLAN_LIST_H

#include "base/why.h"

#define PLAN_LIST_LINE_MOST 4096
#define PLAN_LIST_BITS_MOST 256

struct plan_list {
	struct span rest;  /* of the file */
	struct span items; /* of the line */
	unsigned line;     /* from 1 */
};

struct plan_list_item {
	struct span key;   /* not empty, without blanks and control characters; what it means is for policy/policy_rule.h to say */
	bool has_bits;
	unsigned bits;
};

void plan_list_begin(struct plan_list *l, struct span file);

enum plan_list_next {
	PLAN_LIST_END,
	PLAN_LIST_ITEM,
	PLAN_LIST_BAD, /* something in l->line that is no item; it has been passed over */
};
enum plan_list_next plan_list_next(struct plan_list *l, struct plan_list_item *item, struct why *why);

#endif
