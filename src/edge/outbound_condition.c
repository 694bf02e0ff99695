/* What "TLS-Required: No" would make of a recipient whose next hop has not the TLS that DANE or MTA-STS asks for (RFC 8689
 * section 4.1). */
#include "edge/outbound_inside.h"

#include "base/must.h"
#include "edge/partner.h"

#include <stdio.h>

static unsigned owed(const struct session *s)
{
	return s->leg != NULL ? s->leg->owed : 0;
}

static bool is_about_tls(const struct smtp_answer *a, const struct next_hop *hop)
{
	return span_starts_nocase(span_str(a->tag), SPAN("TLS-")) || a == &SMTP_SAY_STS ||
	       hop->decision.refusal == POLICY_DANE_FAILED;
}

/* NULL: the field would change nothing. */
static struct next_hop *without_policy(struct session *s, const struct smtp_cmd *cmd)
{
	struct outbound *o = s->outbound;
	struct policy_question q = plan_question(s->service, buf_peek(&s->txn->from), cmd->path.text,
						 partner_find(s, cmd->path.text), s->server.tls, s->edge->wall);
	struct next_hop *h;
	struct why why;

	if (!s->service->conf->tls_required_header || o->requiretls || o->condition != NULL)
		return NULL;
	q.tls_required_no = true;
	h = next_hop_new(s->service, o->hop->found, s->rules, q, &why);
	if (h != NULL && h->decision.refusal == POLICY_DELIVER && !next_hop_is_same(h, o->hop)) {
		/* Never the way of one that is not asked for the field. */
		must(buf_put(&h->key, SPAN(" on condition")));
		return h;
	}
	next_hop_release(h);
	return NULL;
}

enum outbound_rcpt outbound_take_on_condition(struct session *s, const struct smtp_cmd *cmd)
{
	struct outbound *o = s->outbound;
	enum outbound_rcpt taken = owed(s) > 0 ? OUTBOUND_WAIT : outbound_choose_way(s, cmd);
	struct outbound_way *w;

	if (taken == OUTBOUND_WAIT || o->hop == NULL)
		return taken;
	w = outbound_way_now(s);
	if (buf_space(&w->rcpts) < 2 * SMTP_LINE_MOST)
		return outbound_refuse(s, cmd, &SMTP_SAY_SPLIT, SMTP_SAY_SPLIT.text);
	if (w->condition == NULL) {
		w->condition = o->condition;
		o->condition = NULL;
	}
	must(buf_put(&w->rcpts, SPAN("+")) &&
	     smtp_client_put_rcpt(&w->rcpts, &(struct smtp_caps){ .have = SMTP_CAP_SMTPUTF8 }, cmd));
	w->rcpt_sent++;
	w->rcpt_answered++;
	w->rcpt_ok++;
	s->txn->rcpt_ok++;
	txn_log_rcpt(s->txn, cmd->path.text);
	smtp_server_rcpt(&s->server);
	session_say(s, &SMTP_SAY_RCPT_OK);
	outbound_leave_front(s);
	return OUTBOUND_TAKEN;
}

/* TLS is not there that DANE or MTA-STS, a rule or the service asks for. */
enum outbound_rcpt outbound_refuse_for_policy(struct session *s, const struct smtp_cmd *cmd, const struct smtp_answer *a,
					    const char *text)
{
	struct outbound *o = s->outbound;
	struct next_hop *hop;

	if (owed(s) > 0)
		return OUTBOUND_WAIT;
	hop = is_about_tls(a, o->hop) ? without_policy(s, cmd) : NULL;
	if (hop == NULL)
		return outbound_refuse(s, cmd, a, text);
	o->condition = mem_new(sizeof(*o->condition));
	o->condition->answer = *a;
	/* Which may be the decision's own words: before that is let go. */
	snprintf(o->condition->text, sizeof(o->condition->text), "%s", text);
	next_hop_release(o->hop);
	o->hop = hop;
	return outbound_take_on_condition(s, cmd);
}
