/* smtp/smtp_client.h
 * The client's half of the dialogue, up to the point where mail may flow: greeting, EHLO
 * (HELO where EHLO is not known), STARTTLS, EHLO again. Replies in, commands out; the
 * streams and the TLS handshake are the caller's. Also writes MAIL and RCPT. */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include "smtp/smtp_caps.h"
#include "smtp/smtp_cmd.h"

enum smtp_client_state {
	SMTP_CLIENT_GREETING, /* waits for 220 */
	SMTP_CLIENT_NAMELESS, /* greeted; smtp_client_name says who we are */
	SMTP_CLIENT_EHLO,
	SMTP_CLIENT_HELO,
	SMTP_CLIENT_STARTTLS,
	SMTP_CLIENT_TLS,      /* 220 to STARTTLS came: the caller's turn */
	SMTP_CLIENT_READY,
	SMTP_CLIENT_FAILED,
};

enum smtp_client_act {
	SMTP_CLIENT_WAIT,      /* a command was put into `out`, or nothing is to be done */
	SMTP_CLIENT_NAME,      /* greeted: call smtp_client_name when the name for EHLO is known */
	SMTP_CLIENT_START_TLS, /* begin the handshake now, then call smtp_client_tls_on */
	SMTP_CLIENT_GO,        /* ready for mail */
	SMTP_CLIENT_FAIL,      /* `why` says it; drop the connection */
};

/* Why there is no TLS on a connection that is otherwise ready. */
enum smtp_client_no_tls {
	SMTP_NO_TLS_ASKED,   /* none was wanted */
	SMTP_NO_TLS_OFFERED, /* STARTTLS was not in the EHLO reply */
	SMTP_NO_TLS_REFUSED, /* STARTTLS was answered 4xx or 5xx */
};

struct smtp_client {
	enum smtp_client_state state;
	const char *hostname;   /* for EHLO; not owned; NULL: not known yet */
	bool want_tls;          /* use STARTTLS where it is offered */
	bool must_tls;          /* without it: fail */
	bool tls;
	enum smtp_client_no_tls no_tls;
	struct smtp_caps caps;  /* of the last EHLO reply; empty after HELO */
	bool offers_tls;        /* the EHLO reply in clear had STARTTLS */
	int code;               /* of the reply that made it fail; 0 where none did */
};

/* `tls`: the connection is under TLS from its first byte. */
void smtp_client_init(struct smtp_client *c, const char *hostname, bool tls);

/* Takes the next reply of the server and does what follows from it. A greeting of 4xx or 5xx,
 * a 421 at any time, a 3xx, a 2xx where none belongs, EHLO and HELO both refused:
 * SMTP_CLIENT_FAIL. HELO is tried after an EHLO refused with 5xx, but not where TLS must be:
 * without EHLO there is no STARTTLS. */
enum smtp_client_act smtp_client_reply(struct smtp_client *c, const struct smtp_reply *reply,
				       struct buf *out, struct why *why);

/* For EHLO, where smtp_client_init had none: whose name it is, is known only when the one we
 * speak for has said it (transparent mode). `hostname` is not taken. */
MUST_CHECK bool smtp_client_name(struct smtp_client *c, const char *hostname, struct buf *out);

/* The handshake is done: forget what was offered in clear, send EHLO anew. */
MUST_CHECK bool smtp_client_tls_on(struct smtp_client *c, struct buf *out);

/* Whether the message of `mail` (a MAIL command) can go to a server with these caps: false
 * where BODY, SMTPUTF8 or a DSN parameter of MAIL was used that it does not offer.
 * SIZE is no hindrance: it is left out. */
bool smtp_client_can_mail(const struct smtp_caps *caps, const struct smtp_cmd *mail);
bool smtp_client_can_rcpt(const struct smtp_caps *caps, const struct smtp_cmd *rcpt);

/* Write MAIL and RCPT with those parameters that were given and that `caps` knows. False
 * where `out` has no room for all of it. */
MUST_CHECK bool smtp_client_put_mail(struct buf *out, const struct smtp_caps *caps,
				     const struct smtp_cmd *mail);
MUST_CHECK bool smtp_client_put_rcpt(struct buf *out, const struct smtp_caps *caps,
				     const struct smtp_cmd *rcpt);

#endif
