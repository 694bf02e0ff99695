/* smtp/smtp_server.h
 * The server's half of the dialogue: what has been said so far, and whether a command
 * may come now. It neither reads nor writes a stream, and it decides nothing about
 * upstreams; whoever uses it (the edge, the sink) acts on an admitted command and then
 * tells it what became of it. */
#ifndef SMTP_SERVER_H
#define SMTP_SERVER_H

#include "smtp/smtp_caps.h"
#include "smtp/smtp_cmd.h"

struct smtp_server {
	const char *hostname;   /* not owned */
	struct smtp_caps offer; /* what the last EHLO reply offered */
	bool need_tls;          /* 530 to all but NOOP, EHLO, STARTTLS, QUIT until TLS is on (RFC 3207 section 4) */
	bool tls;
	bool auth;              /* AUTH has succeeded */
	bool auth_hidden;       /* AUTH was not offered for want of TLS alone; EHLO and HELO take it back */
	bool hello;             /* EHLO or HELO was accepted since the start, or since TLS began */
	bool esmtp;             /* it was EHLO */
	bool mail;              /* a transaction is open */
	bool binary;            /* BODY=BINARYMIME */
	bool utf8;              /* SMTPUTF8 */
	bool chunks;            /* a BDAT without LAST was taken */
	unsigned rcpts;         /* RCPT commands taken and not refused so far */
	unsigned errors;        /* commands refused */
	struct buf helo;        /* the domain of EHLO or HELO; at most 255 octets */
};

void smtp_server_init(struct smtp_server *s, const char *hostname);
void smtp_server_free(struct smtp_server *s);

/* NULL where the command may come now, else the refusal: the order of commands, the
 * need for TLS, and parameters and commands that were not offered. Counts nothing. */
const struct smtp_answer *smtp_server_admit(const struct smtp_server *s,
					    const struct smtp_cmd *cmd);

/* What became of an admitted command. EHLO, HELO and RSET end an open transaction. */
void smtp_server_hello(struct smtp_server *s, const struct smtp_cmd *cmd);
void smtp_server_mail(struct smtp_server *s, const struct smtp_cmd *cmd);
void smtp_server_rcpt(struct smtp_server *s);         /* taken, its reply may be pending */
/* A reply of 4xx or 5xx came for it. Not to be told of a transaction that is over: its
 * recipients have been forgotten, and the next one's would be counted down. */
void smtp_server_rcpt_refused(struct smtp_server *s);
void smtp_server_reset(struct smtp_server *s);        /* the transaction is over */
/* TLS is on: all that was said in clear is forgotten (RFC 3207 section 4.2). */
void smtp_server_tls(struct smtp_server *s);

MUST_CHECK bool smtp_server_greet(const struct smtp_server *s, struct buf *out);

/* The keyword for a Received field (RFC 3848, RFC 6531): SMTP, ESMTP, ESMTPS, UTF8SMTPS ... */
const char *smtp_server_with(const struct smtp_server *s);

#endif
