/* ctl/tlsrpt_report.h
 * The report of one day about one domain (RFC 8460 section 4.4), put together from what was counted. Pure. */
#ifndef TLSRPT_REPORT_H
#define TLSRPT_REPORT_H

#include "store/store_route.h"

#include <jansson.h>

/* Whose report it is. All borrowed. */
struct tlsrpt_author {
	const char *organization, *contact;
	const char *submitter; /* a domain: that of the sender's address */
	const char *hostname;  /* of the gateway that counted */
};

struct tlsrpt_report {
	int64_t day;
	char domain[EVIDENCE_NAME_MOST];
	char id[24 + 2 * EVIDENCE_NAME_MOST];       /* a msg-id without angle brackets; the same for day, domain and gateway */
	char filename[64 + 2 * EVIDENCE_NAME_MOST]; /* section 5.1 */
	json_t *document;
};

void tlsrpt_report_init(struct tlsrpt_report *r, const struct tlsrpt_author *author, int64_t day, const char *domain);
/* A row of that day and domain. `policy`: what it was held against; NULL: that is not known. */
void tlsrpt_report_add(struct tlsrpt_report *r, const struct store_tlsrpt *row, const struct store_policy *policy);
void tlsrpt_report_free(struct tlsrpt_report *r);

/* Sessions that went well, and that failed. */
void tlsrpt_report_sum(const struct tlsrpt_report *r, uint64_t *good, uint64_t *bad);
/* The document in one piece; malloc'ed. */
char *tlsrpt_report_text(const struct tlsrpt_report *r, bool pretty);

/* "2026-08-01" of a day (seconds / 86400). */
void tlsrpt_report_day(int64_t day, char text[16]);

#endif
