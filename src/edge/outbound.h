/* edge/outbound.h
 * Mode outbound: where the mail of each recipient goes is asked of `route`, decided (policy_decide), connected to under the
 * TLS that the decision demands, and only then is the recipient answered, with what that host says. The client's MAIL is
 * answered by us and said to each next hop before its first recipient.
 *
 * A way is one decision of the transaction with the leg to its hosts. Without a fallback there is one way, and a recipient that
 * needs another is asked to come in a transaction of its own (452 4.5.3, SPEC MC-14). With a fallback there may be several: that
 * of the last recipient is the session's leg, the others are parked, and the message is held (edge/hold.h). */
#ifndef EDGE_OUTBOUND_H
#define EDGE_OUTBOUND_H

#include "edge/edge_route.h"
#include "edge/leg.h"
#include "smtp/smtp_cmd.h"

/* Ways of one transaction; a recipient that needs one more is asked to come again. */
#define OUTBOUND_WAYS_MOST 8
/* Domains of one transaction whose evidence is kept for its next recipients. */
#define OUTBOUND_FOUND_MOST 32
/* Next hops of one transaction that were found wanting, and are not connected to again. */
#define OUTBOUND_FAILED_MOST 16
/* Octets of the RCPT commands of one way. */
#define OUTBOUND_RCPTS_MOST (2 * 1024 * 1024)

struct outbound_way {
	struct next_hop *hop;  /* held; NULL: the way to the fallback */
	struct leg *leg;       /* parked; of the way that is open NULL: it is the session's */
	bool mail_sent;
	/* The way that "TLS-Required: No" would open (RFC 8689 section 4.2.2): its recipients have had a 250 of ours, and the message will
	 * tell whether it has such a field. Without it this is its answer. Its leg begins with the delivery (edge/hold.c). */
	struct outbound_condition *condition; /* NULL: an ordinary way */
	struct buf refused;    /* what it said to MAIL, where that was no 2xx */
	struct buf rcpts;      /* the RCPT commands that were sent, a line each, '+' before those that were accepted and '-' before others */
	unsigned rcpt_sent, rcpt_answered, rcpt_ok;
};

struct outbound_condition {
	struct smtp_answer answer;
	char text[WHY_MOST];
};

struct outbound_failed {
	struct next_hop *hop;  /* held */
	struct outbound_condition told;
};

struct outbound {
	struct buf mail;            /* the MAIL command */
	bool requiretls;
	struct evidence_held *found[OUTBOUND_FOUND_MOST];
	unsigned found_count;
	struct outbound_way *ways[OUTBOUND_WAYS_MOST + 1]; /* one more: the fallback's (edge/hold.c) */
	unsigned way_count;
	int way_now;                /* whose leg is the session's; -1: none */
	struct hold *hold;          /* the message, where it goes several ways; else NULL */
	struct outbound_failed *failed;
	unsigned failed_count;
	/* The recipient at the front of the client's input: */
	struct route_ask ask;
	struct next_hop *hop;       /* decided; NULL: not yet */
	struct outbound_condition *condition; /* on which `hop` was decided; NULL: none */
	struct leg *fallback;       /* ready before there may be a second way; NULL: not asked for yet */
	bool fallback_failed;       /* in this transaction */
};

struct session;

/* leg_report.c: for TLSRPT, that a domain's policy, or its TLSA records, leave no host to go to. */
void leg_report_refusal(const struct session *s, const struct next_hop *hop);

enum outbound_rcpt {
	OUTBOUND_TAKEN, /* answered, or sent on */
	OUTBOUND_WAIT,
};

struct outbound *outbound_new(void);
void outbound_free(struct session *s);

/* MAIL was admitted: answered here. `line` as it came. */
void outbound_mail(struct session *s, const struct smtp_cmd *cmd, struct span line);
/* RCPT was admitted. */
enum outbound_rcpt outbound_rcpt(struct session *s, const struct smtp_cmd *cmd);
/* What our MAIL, and RCPT, were answered with; on_rcpt: the reply that the client is to have, in `said` (theirs, or that to MAIL). */
void outbound_on_mail(struct session *s, const struct smtp_reply *reply);
void outbound_on_rcpt(struct session *s, bool fine);
struct span outbound_mail_refusal(const struct session *s);
/* The leg was lost. True where the transaction can go on without its recipients: none had been accepted. */
bool outbound_lost(struct session *s, const struct why *why);
/* Before DATA or the first BDAT: ways without recipients are left. False: replies are still to come. */
MUST_CHECK bool outbound_settle(struct session *s);
/* After that: more than one way has recipients, and the message is to be held. */
bool outbound_is_split(const struct session *s);

/* For edge/hold.c: */
void outbound_open_way(struct session *s, unsigned i);
/* Its leg is there, and has said nothing since it was parked. */
bool outbound_way_is_sound(const struct session *s);
/* The way to the fallback, opened. */
struct outbound_way *outbound_begin_fallback(struct session *s);

/* The transaction is over. */
void outbound_reset(struct session *s);

msec outbound_deadline(const struct session *s);
void outbound_tick(struct session *s);
bool outbound_step(struct session *s); /* the legs that are not the session's own */

#endif
