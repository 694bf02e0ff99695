/* edge/txn.h
 * One transaction: from MAIL to the reply that ends it. It is an object, and a reset is a
 * free: nothing of one message can leak into the next. */
#ifndef EDGE_TXN_H
#define EDGE_TXN_H

#include "edge/outcome.h"
#include "base/clock.h"
#include "mail/mail_trace.h"
#include "policy/policy_rule.h"
#include "smtp/smtp_answer.h"
#include "smtp/smtp_data.h"
#include "smtp/smtp_reply.h"

/* Recipients are logged up to so many octets; all of them are counted. */
#define TXN_RCPTS_LOGGED 1024
#define TXN_THEIRS_MOST (SMTP_REPLY_MOST + SMTP_REPLY_LINES * 8)

enum txn_out {
	TXN_OUT_NONE,
	TXN_OUT_DATA,
	TXN_OUT_BDAT,
	TXN_OUT_HOLD, /* it is held: edge/hold.h */
};

struct txn {
	unsigned number;            /* within the session, from 1 */
	msec began, body_began;
	struct buf from, rcpts;     /* for the log */
	unsigned rcpt_count, rcpt_ok;
	bool mail_ok;               /* the upstream said 2xx to MAIL */
	bool mail_failed;
	bool lost;                  /* the upstream went away before the body */
	bool dot_sent;              /* the message is whole for the upstream, or may be */
	bool binary;                /* BODY=BINARYMIME: CR, LF and NUL are what they are */

	bool chunked;               /* the client sends by BDAT */
	uint64_t chunk_left;
	bool chunk_last;
	enum txn_out out;           /* how the body goes to the upstream */
	bool doomed;                /* part of it is with the upstream and must never become whole */
	bool received_due;          /* our own field has yet to be put before the first octets */
	bool go;                    /* the upstream has said 354, or needs not to */
	struct smtp_data_reader reader;
	struct smtp_data_writer writer;
	struct smtp_body_check check;
	struct mail_trace trace;
	uint64_t octets;            /* of content, as the client sent it */

	/* A verdict reached before the end of the body: the rest is read and thrown away, and
	 * then this is the answer. Either words of our own or a reply of the upstream. */
	const struct smtp_answer *ours;
	struct buf theirs;

	const struct policy_rule *reported; /* in shadow mode, and logged; one of the session's `rules`; NULL: none */

	enum txn_outcome outcome;
	struct why why;
	char reply[256];            /* the upstream's last reply, for the log */
};

struct txn *txn_new(unsigned number, msec now);
void txn_free(struct txn *t);

void txn_log_rcpt(struct txn *t, struct span rcpt);

/* There is a verdict: nothing more of this body goes anywhere. */
bool txn_has_verdict(const struct txn *t);
/* The first verdict stands. */
void txn_judge(struct txn *t, enum txn_outcome outcome, const struct smtp_answer *ours);
void txn_judge_theirs(struct txn *t, enum txn_outcome outcome, const struct smtp_reply *reply);
/* The outcome, where none was set yet. */
void txn_conclude(struct txn *t, enum txn_outcome outcome);

#endif
