#include "edge/txn.h"

#include "base/must.h"

#include <stdlib.h>

struct txn *txn_new(unsigned number, msec now)
{
	struct txn *t = mem_new(sizeof(*t));

	t->number = number;
	t->began = now;
	buf_init(&t->from, 512);
	buf_init(&t->rcpts, TXN_RCPTS_LOGGED);
	buf_init(&t->theirs, TXN_THEIRS_MOST);
	smtp_data_reader_init(&t->reader);
	smtp_data_writer_init(&t->writer);
	mail_trace_init(&t->trace);
	return t;
}

void txn_free(struct txn *t)
{
	if (t == NULL)
		return;
	buf_free(&t->from);
	buf_free(&t->rcpts);
	buf_free(&t->theirs);
	free(t);
}

void txn_log_rcpt(struct txn *t, struct span rcpt)
{
	bool put = buf_used(&t->rcpts) == 0 || buf_put(&t->rcpts, SPAN(","));

	t->rcpt_count++;
	/* One that does not fit is still counted; the log line has both. */
	if (put && !buf_put(&t->rcpts, rcpt))
		(void)!buf_put(&t->rcpts, SPAN("..."));
}

bool txn_has_verdict(const struct txn *t)
{
	return t->ours != NULL || buf_used(&t->theirs) > 0;
}

void txn_conclude(struct txn *t, enum txn_outcome outcome)
{
	if (t->outcome == TXN_OPEN)
		t->outcome = outcome;
}

void txn_judge(struct txn *t, enum txn_outcome outcome, const struct smtp_answer *ours)
{
	if (txn_has_verdict(t))
		return;
	t->ours = ours;
	txn_conclude(t, outcome);
}

void txn_judge_theirs(struct txn *t, enum txn_outcome outcome, const struct smtp_reply *reply)
{
	if (txn_has_verdict(t))
		return;
	must(smtp_reply_put(&t->theirs, reply));
	txn_conclude(t, outcome);
}
