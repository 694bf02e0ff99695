/* mail/mail_tlsrpt.h
 * The message that carries a TLS report (RFC 8460 section 5.3). Pure. */
#ifndef MAIL_TLSRPT_H
#define MAIL_TLSRPT_H

#include "base/buf.h"

struct mail_tlsrpt {
	const char *from, *to;   /* mailboxes of ASCII, without angle brackets */
	const char *domain;      /* that the report is about */
	const char *submitter;   /* whose report it is: a domain */
	const char *report_id;   /* a msg-id without its angle brackets: of dots, letters, digits, hyphens, one at sign */
	const char *message_id;  /* the same */
	const char *filename;    /* without blanks and quotes */
	const char *words;       /* for a human reader: lines of ASCII, each ended by CRLF */
	int64_t now;             /* seconds since 1970 */
	struct span gzip;        /* the report */
};

/* The whole message, lines ended by CRLF, ASCII, no line above 998 octets. False where `out` has no room for it. What is put into header
 * fields must be printable ASCII, each at most MAIL_TLSRPT_WORD_MOST octets: the caller has checked it (must). */
#define MAIL_TLSRPT_WORD_MOST 900
MUST_CHECK bool mail_tlsrpt_write(const struct mail_tlsrpt *m, struct buf *out);

#endif
