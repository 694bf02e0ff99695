/* mail/mail_trace.h
 * The Received field that we add (RFC 5321 section 4.4), the count of those that a message
 * already has (section 6.3: a loop is known by their number), its Message-ID and its TLS-Required. */
#ifndef MAIL_TRACE_H
#define MAIL_TRACE_H

#include "base/buf.h"

#define MAIL_TRACE_MOST 50   /* fields; the message that has as many is refused */
#define MAIL_RECEIVED_MOST 1024 /* octets of the field that we add, at the most */

struct mail_received {
	struct span helo;    /* as the client said it */
	const char *client;  /* address: "192.0.2.7", "2001:db8::1" (the literal's "IPv6:" is added) */
	const char *hostname;
	const char *with;    /* "ESMTPS" */
	const char *tls;     /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; NULL without TLS */
	const char *id;      /* session id and number of the transaction */
	int64_t when;        /* seconds since 1970, UTC */
};

/* Writes the folded field, each line ended by CRLF, none above 998 octets. Whatever stands
 * in `helo`, the result is one field: octets that are not printable become '?'. */
MUST_CHECK bool mail_received_put(struct buf *out, const struct mail_received *r);

#define MAIL_TRACE_ID_MOST 255

/* Watches the header section while the content streams by, in any cut: counts Received fields,
 * and keeps the Message-ID for the log. */
struct mail_trace {
	unsigned received;
	bool body;           /* the empty line has been seen */
	bool line_start;
	bool in_name;        /* of a field: before its colon */
	bool in_id;          /* in the value of Message-ID */
	char name[16];       /* of the field, as far as it can matter */
	unsigned name_len;
	char id[MAIL_TRACE_ID_MOST + 1]; /* the first one's value, without blanks around it; any octets
	                                  * but NUL, CR and LF; cut at MAIL_TRACE_ID_MOST */
	unsigned id_len;
	bool in_tls;         /* in the value of TLS-Required (RFC 8689 section 3) */
	char tls[4];         /* of all of them, one behind the other, without blanks; cut */
	unsigned tls_len;
};

void mail_trace_init(struct mail_trace *t);
void mail_trace_see(struct mail_trace *t, struct span content);
/* Whether the header section, as far as it has been seen, says "TLS-Required: No". */
bool mail_trace_wants_no_tls(const struct mail_trace *t);

#endif
