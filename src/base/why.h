/* base/why.h
 * Why something did not happen, and whose doing it was. Filled by the function
 * that fails, carried up unread, printed once: in the log line, in the reply or
 * on the operator's screen. Holds its own text; nothing to free. */
#ifndef BASE_WHY_H
#define BASE_WHY_H

#include "base/span.h"

enum fault {
	FAULT_NONE,
	FAULT_PEER,    /* the client or the upstream broke a rule or went away */
	FAULT_POLICY,  /* what was asked is not allowed here */
	FAULT_SYSTEM,  /* the machine: no descriptor, no route, no address */
	FAULT_SELF,    /* a bug of ours that was caught in time */
};

#define WHY_MOST 240

struct why {
	enum fault fault;
	char text[WHY_MOST];
};

/* The text may hold bytes of a peer: whoever prints it escapes it. It is cut at WHY_MOST. */
void why_set(struct why *why, enum fault fault, const char *fmt, ...) PRINTF_LIKE(3, 4);
const char *fault_name(enum fault fault);

#endif
