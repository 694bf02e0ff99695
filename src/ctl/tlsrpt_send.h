/* ctl/tlsrpt_send.h
 * Sends reports to where their domains want them (RFC 8460 section 3, 5): by mail through the MTA of the configuration, by HTTPS. */
#ifndef TLSRPT_SEND_H
#define TLSRPT_SEND_H

#include "conf/conf.h"
#include "ctl/tlsrpt_report.h"
#include "policy/policy_tlsrpt.h"
#include "route/route_dns.h"

struct tlsrpt_send_options {
	const struct conf *conf;
	struct tlsrpt_author author;
	const char *from;          /* a mailbox of ASCII */
	struct store_route *store; /* open: remembers what was sent */
	bool dry_run;              /* all but the sending */
	bool again;                /* what was sent before, too */
};

struct tlsrpt_send;

/* Borrows all in `o`. NULL with `why` where resolver, trust anchor or CA can't be used. */
MUST_CHECK struct tlsrpt_send *tlsrpt_send_new(const struct tlsrpt_send_options *o, struct why *why);
void tlsrpt_send_free(struct tlsrpt_send *s);

/* Waits until it is done. Prints a line for each URI: to stdout, to stderr where it failed. False where one did, or DNS did. A domain that
 * wants no reports is no failure. */
MUST_CHECK bool tlsrpt_send_report(struct tlsrpt_send *s, const struct tlsrpt_report *report);

/* Pure: the one record of a domain. False with `trouble` (static; "" where there simply is none) where there is not exactly one that
 * begins with "v=TLSRPTv1;", or it is malformed (section 3). */
MUST_CHECK bool tlsrpt_send_record(const struct route_dns_answer *a, struct policy_tlsrpt *record, const char **trouble);

#endif
