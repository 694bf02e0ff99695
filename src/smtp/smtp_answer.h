/* smtp/smtp_answer.h
 * Replies that are our own words, all in one table (smtp_answer.c). A refusal
 * carries an enhanced status code (RFC 3463), a short tag that never changes, so
 * that a log search or a support script can hold on to it, and the session id. */
#ifndef SMTP_ANSWER_H
#define SMTP_ANSWER_H

#include "base/buf.h"

struct smtp_answer {
	int code;
	const char *enhanced; /* "5.7.0"; NULL where there is none (220, 250 to EHLO, 354) */
	const char *tag;      /* "TLS-REQ" in refusals; NULL in 2xx and 3xx */
	const char *text;
};

extern const struct smtp_answer
	SMTP_SAY_OK,              /* 250 2.0.0 OK */
	SMTP_SAY_MAIL_OK,         /* 250 2.1.0 Sender OK */
	SMTP_SAY_RCPT_OK,         /* 250 2.1.5 Recipient OK */
	SMTP_SAY_BYE,             /* 221 2.0.0 */
	SMTP_SAY_HELP,            /* 214 2.0.0 names the commands and RFC 5321 */
	SMTP_SAY_VRFY,            /* 252 2.5.0 */
	SMTP_SAY_TLS_READY,       /* 220 2.0.0 Ready to start TLS */
	SMTP_SAY_DATA_GO,         /* 354 End data with <CR><LF>.<CR><LF> */
	SMTP_SAY_CHUNK_OK,        /* 250 2.0.0 chunk received (BDAT without LAST) */
	/* the line and its words */
	SMTP_SAY_BARE,            /* 500 5.5.2 [LINE] and the session ends */
	SMTP_SAY_LONG,            /* 500 5.5.2 [LINE] line too long */
	SMTP_SAY_UNKNOWN,         /* 500 5.5.1 [CMD] */
	SMTP_SAY_NOT_OFFERED,     /* 502 5.5.1 [CMD] command known, not offered here */
	SMTP_SAY_BAD_DOMAIN,      /* 501 5.5.2 [SYNTAX] EHLO and HELO argument */
	SMTP_SAY_BAD_SYNTAX,      /* 501 5.5.4 [SYNTAX] */
	SMTP_SAY_BAD_SENDER,      /* 501 5.1.7 [SYNTAX] */
	SMTP_SAY_BAD_RECIPIENT,   /* 501 5.1.3 [SYNTAX] */
	SMTP_SAY_SENDER_ROUTE,    /* 553 5.1.7 [ROUTE] */
	SMTP_SAY_SOURCE_ROUTE,    /* 553 5.1.3 [ROUTE] */
	SMTP_SAY_BAD_PARAM,       /* 501 5.5.4 [PARAM] a known parameter with a bad value, or twice */
	SMTP_SAY_UNKNOWN_PARAM,   /* 555 5.5.4 [PARAM] not known or not offered */
	SMTP_SAY_NEEDS_UTF8,      /* 553 5.6.7 [UTF8] 8-bit address without SMTPUTF8 */
	/* the order of commands */
	SMTP_SAY_HELLO_FIRST,     /* 503 5.5.1 [ORDER] */
	SMTP_SAY_MAIL_FIRST,      /* 503 5.5.1 [ORDER] */
	SMTP_SAY_RCPT_FIRST,      /* 503 5.5.1 [ORDER] */
	SMTP_SAY_NESTED_MAIL,     /* 503 5.5.1 [ORDER] */
	SMTP_SAY_BDAT_OPEN,       /* 503 5.5.1 [ORDER] DATA, MAIL or RCPT between chunks */
	SMTP_SAY_NEEDS_BDAT,      /* 503 5.5.1 [ORDER] DATA after BODY=BINARYMIME */
	SMTP_SAY_TLS_ON,          /* 503 5.5.1 [ORDER] STARTTLS under TLS */
	SMTP_SAY_AUTH_NOT_NOW,    /* 503 5.5.1 [ORDER] AUTH in a transaction, or a second time */
	SMTP_SAY_NO_RECIPIENTS,   /* 554 5.5.1 [ORDER] no recipient was accepted */
	/* TLS */
	SMTP_SAY_TLS_FIRST,       /* 530 5.7.0 [TLS-REQ] Must issue a STARTTLS command first */
	SMTP_SAY_AUTH_CLEAR,      /* 538 5.7.11 [TLS-REQ] AUTH is for sessions under TLS */
	SMTP_SAY_TLS_DIRTY,       /* 554 5.5.1 [TLS-DIRTY] Data was sent before the TLS handshake */
	SMTP_SAY_TLS_NOT_NOW,     /* 454 4.7.0 [TLS] TLS not available */
	/* the upstream's TLS is not what it must be (SPEC GC-2, GC-7, PP-6, PP-7) */
	SMTP_SAY_TLS_WEAK,        /* 403 4.7.0 [TLS-WEAK] encryption too weak <have> less than <need> */
	SMTP_SAY_TLS_MISSING,     /* 451 4.7.0 [TLS-NONE] */
	SMTP_SAY_TLS_FAILED,      /* 451 4.7.0 [TLS-FAILED] */
	SMTP_SAY_TLS_UNVERIFIED,  /* 451 4.7.5 [TLS-CERT] */
	SMTP_SAY_TLS_WEAK_FINAL,       /* 503 5.7.0 [TLS-WEAK] sendmail's words (SPEC GC-2), where on_failure is permanent; */
	SMTP_SAY_TLS_MISSING_FINAL,    /* 550 5.7.10 [TLS-NONE] */
	SMTP_SAY_TLS_FAILED_FINAL,     /* 550 5.7.10 [TLS-FAILED] */
	SMTP_SAY_TLS_UNVERIFIED_FINAL, /* 550 5.7.5 [TLS-CERT] */
	SMTP_SAY_REQUIRETLS,      /* 550 5.7.30 [REQUIRETLS] (RFC 8689 section 4.2.1) */
	SMTP_SAY_TLS_UNTRUSTED,   /* 454 4.7.5 [TLS-CERT] to STARTTLS: what lies behind us is not to be trusted */
	/* limits */
	SMTP_SAY_TOO_MANY_RCPT,   /* 452 4.5.3 [RCPT-MAX] */
	SMTP_SAY_TOO_BIG,         /* 552 5.3.4 [SIZE] */
	SMTP_SAY_TOO_MANY_ERRORS, /* 421 4.7.0 [ERRORS] */
	SMTP_SAY_TOO_MANY_CONN,   /* 421 4.3.2 [CONN-MAX] */
	SMTP_SAY_TOO_MANY_FROM,   /* 421 4.7.0 [CONN-ADDR] */
	SMTP_SAY_ACCESS,          /* 554 5.7.1 [ACCESS] the client may not connect here */
	SMTP_SAY_SLOW,            /* 421 4.4.2 [TIMEOUT] */
	SMTP_SAY_DRAIN,           /* 421 4.3.2 [DRAIN] service is being restarted */
	/* the message */
	SMTP_SAY_BAD_BODY,        /* 550 5.6.11 [BARE] bare CR or LF, or NUL */
	SMTP_SAY_NO_ROOM,         /* 452 4.3.1 [ROOM] no memory to hold it in */
	SMTP_SAY_LOOP,            /* 554 5.4.6 [LOOP] too many Received fields, or the next hop is ourselves */
	/* the upstream */
	SMTP_SAY_NO_UPSTREAM,     /* 451 4.4.1 [UPSTREAM] */
	SMTP_SAY_OURSELVES,       /* 421 4.4.6 [LOOP] the client has called ourselves */
	SMTP_SAY_UNREACHABLE,     /* 421 4.4.1 [UPSTREAM] transparent mode: the client's destination */
	SMTP_SAY_NO_SERVICE,      /* 421 4.3.2 [UPSTREAM] at EHLO: nothing known of the upstream */
	SMTP_SAY_LOST_UPSTREAM,   /* 451 4.4.2 [UPSTREAM-LOST] */
	/* where the recipient's domain says mail goes */
	SMTP_SAY_SPLIT,           /* 452 4.5.3 [SPLIT] this recipient needs a transaction of its own */
	SMTP_SAY_NO_DOMAIN,       /* 550 5.1.2 [NO-DOMAIN] */
	SMTP_SAY_NULL_MX,         /* 556 5.1.10 [NULL-MX] (RFC 7505) */
	SMTP_SAY_DNS,             /* 451 4.4.3 [DNS] */
	SMTP_SAY_NO_HOST,         /* 550 5.4.4 [NO-HOST] no host of the domain has an address */
	SMTP_SAY_STS,             /* 451 4.7.5 [MTA-STS] no host of the domain is one of its policy */
	SMTP_SAY_NEXT_HOP_8BIT,   /* 554 5.6.3 [CAPS] */
	SMTP_SAY_NEXT_HOP_UTF8,   /* 550 5.6.7 [CAPS] */
	SMTP_SAY_LOST_SESSION,    /* 421 4.4.2 [UPSTREAM-LOST] */
	SMTP_SAY_CAPS_LOST,       /* 451 4.6.3 [CAPS] the upstream no longer offers what was used */
	SMTP_SAY_POLICY,          /* 451 4.3.0 [POLICY] the rules can't be read */
	SMTP_SAY_SELF;            /* 451 4.3.0 [SELF] */

/* Writes one reply line: "530 5.7.0 Must issue ... [TLS-REQ] 6f2a91". `sid` may be
 * NULL; it stands in refusals alone. False where `out` has no room. */
MUST_CHECK bool smtp_answer_put(struct buf *out, const struct smtp_answer *a, const char *sid);

/* The same with another text (printable ASCII; other bytes become '?', and it is
 * cut so that the line stays within 512 octets). For refusals that name figures:
 * "encryption too weak 0 less than 112". */
MUST_CHECK bool smtp_answer_say(struct buf *out, const struct smtp_answer *a, const char *sid,
				const char *text);

#endif
