/* mail/mail_hop.h
 * What one Received field says of its hop (RFC 5321 section 4.4): who handed the message to whom, by what protocol, under what TLS.
 * Whoever writes such a field writes what he likes: Postfix, Exchange, Gmail, sendmail, Exim, qmail and
 * Dovecot are understood, of others what the grammar gives. Pure and total. */
#ifndef MAIL_HOP_H
#define MAIL_HOP_H

#include "base/span.h"

#define MAIL_HOP_TEXT_MOST 256
#define MAIL_HOP_NAMES_MOST 4

enum mail_hop_kind {
	MAIL_HOP_UNKNOWN,
	MAIL_HOP_CLEAR,     /* the keyword behind `with` says so (RFC 3848, 6531), and no TLS is noted */
	MAIL_HOP_ENCRYPTED, /* the keyword, or a note of the TLS */
	MAIL_HOP_LOCAL,     /* inside one machine or system: from nobody, over loopback, from a program */
};

/* All texts are printable ASCII, cut to their room, another octet is a '?'. "": not said. */
struct mail_hop {
	enum mail_hop_kind kind;
	char from[MAIL_HOP_TEXT_MOST];    /* as the client called itself */
	char address[64];                 /* of the client, without brackets */
	char names[MAIL_HOP_NAMES_MOST][MAIL_HOP_TEXT_MOST]; /* other names of the client: what comments say */
	unsigned name_count;
	char by[MAIL_HOP_TEXT_MOST];
	char with[MAIL_HOP_TEXT_MOST];    /* "ESMTPS", "Microsoft SMTP Server" */
	char tls[MAIL_HOP_TEXT_MOST];     /* the note: "using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 ..." */
	bool has_time;
	int64_t time;                     /* seconds since 1970 */
	unsigned warnings;                /* set of enum mail_hop_warning (mail_hops.h) */
};

/* `value`: what follows the colon, folded as it came. */
void mail_hop_read(struct span value, struct mail_hop *hop);

const char *mail_hop_kind_name(enum mail_hop_kind kind); /* "encrypted", "clear", "unknown", "local" */

#endif
