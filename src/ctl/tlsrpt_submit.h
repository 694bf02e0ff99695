/* ctl/tlsrpt_submit.h
 * Hands a message to the MTA beside us, by SMTP (libcurl). Under TLS where the MTA offers it, without a look at its certificate: a report
 * has to arrive whatever is wrong with TLS (RFC 8460 section 3), and holds no secret. */
#ifndef TLSRPT_SUBMIT_H
#define TLSRPT_SUBMIT_H

#include "base/why.h"

struct tlsrpt_submit {
	const char *server;   /* host:port */
	const char *hostname; /* for EHLO */
	const char *from, *to;
	struct span message;  /* borrowed */
};

/* Waits for the end, a minute at the most. False with `why` (FAULT_PEER, printable ASCII) where the MTA did not say that it has it. */
MUST_CHECK bool tlsrpt_submit(const struct tlsrpt_submit *s, struct why *why);

#endif
