/* mail/mail_hops.h
 * The way of a message, as its Received fields tell it, and what in them does not fit together (SPEC GC-12). Only
 * those on top, which our own servers have written, are to be believed; the others are the word of who sent it. Pure and total. */
#ifndef MAIL_HOPS_H
#define MAIL_HOPS_H

#include "mail/mail_hop.h"

#define MAIL_HOPS_MOST 100
#define MAIL_HOPS_HEADER_MOST (1024 * 1024) /* octets; what follows is not looked at */
#define MAIL_HOPS_SKEW 60                   /* seconds that clocks may differ */

enum mail_hop_warning {
	MAIL_HOP_GAP = 1 << 0,     /* came from another host than the one that the hop before it was at */
	MAIL_HOP_BACK = 1 << 1,    /* its time is before that of the hop before it */
	MAIL_HOP_BELOW = 1 << 2,   /* stands below fields of the message itself (From, Subject): no server puts it there */
	MAIL_HOP_NO_TIME = 1 << 3,
};

struct mail_hops {
	unsigned count;
	struct mail_hop hops[MAIL_HOPS_MOST]; /* as they stand: the newest first */
	bool more;          /* there were more fields */
	bool cut;           /* the header section was longer */
	bool in_body;       /* the body begins with a Received field: an empty line has come between */
};

void mail_hops_read(struct span message, struct mail_hops *h);

/* In words, to follow "hop 2: "; of one bit of `warnings`. */
const char *mail_hops_warning_text(enum mail_hop_warning w);
const char *mail_hops_warning_name(enum mail_hop_warning w); /* "gap" */

/* Seconds from the hop before it; false where it can't be told. */
bool mail_hops_delay(const struct mail_hops *h, unsigned i, int64_t *seconds);

#endif
