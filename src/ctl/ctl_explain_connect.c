/* `explain --connect`: what a leg of the live session does with the hosts of the decision (edge/leg.c). */
#include "ctl/ctl_explain_inside.h"

#include "base/must.h"
#include "ctl/ctl_evidence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Somebody sits before the screen: shorter than a session waits. */
#define CONNECT_MOST 15000
#define REPLY_MOST 30000

static msec at_most(msec limit, msec most)
{
	return limit < most ? limit : most;
}

static void ask_host(const struct explain *x, struct tls_client *tls, const struct addr *at, unsigned i, bool want_tls,
		     struct ctl_probe_found *found)
{
	const struct conf_upstream *conf = x->service->next_hop->conf;
	struct ctl_probe_ask ask = {
		.at = *at, .hostname = x->service->hostname, .want_tls = want_tls, .tls = tls,
		.connect = at_most(conf->timeout_connect, CONNECT_MOST),
		.patience = at_most(conf->timeout_greeting, REPLY_MOST),
	};
	struct plan_expect expect;

	plan_expect(&x->decision, x->evidence, i, &expect);
	ask.sni = expect.sni;
	ask.expect = &expect.tls;
	ctl_probe_host(&ask, found);
}

static void judge_facts(const struct explain *x, struct explain_try *t)
{
	const struct policy_host *h = &x->decision.hosts[t->host];
	struct tls_facts *facts = &t->found.facts;
	struct why report;

	if (t->clear)
		facts->absent = TLS_ABSENT_FAILED;
	if (!need_met(&h->need, facts, &t->why)) {
		t->unmet = policy_answer_unmet(&h->need, facts);
		return;
	}
	t->why.text[0] = '\0';
	if (!need_met(&h->wanted, facts, &report))
		t->report = report;
	if (!x->requiretls || (t->found.caps & SMTP_CAP_REQUIRETLS) != 0)
		return;
	t->unmet = &SMTP_SAY_REQUIRETLS;
	why_set(&t->why, FAULT_POLICY, "%s", SMTP_SAY_REQUIRETLS.text);
}

static void judge(const struct explain *x, struct explain_try *t)
{
	switch (t->found.end) {
	case CTL_PROBE_READY:
		judge_facts(x, t);
		return;
	case CTL_PROBE_TLS_FAILED:
		t->unmet = &SMTP_SAY_TLS_FAILED;
		why_set(&t->why, FAULT_PEER, "TLS handshake failed: %.180s", t->found.why.text);
		return;
	case CTL_PROBE_TLS_DIRTY:
		t->unmet = &SMTP_SAY_TLS_FAILED;
		break;
	case CTL_PROBE_UNREACHABLE:
	case CTL_PROBE_LOST:
		break;
	}
	t->why = t->found.why;
}

static void try_one(struct explain *x, struct tls_client *tls, unsigned i, const struct evidence_addr *to)
{
	enum need_level level = x->decision.hosts[i].need.level;
	struct explain_try *t = &x->tries[x->try_count++];
	struct addr at;

	*t = (struct explain_try){ .host = i };
	ctl_evidence_addr(to, (uint16_t)x->service->conf->port, &at);
	addr_print(&at, t->address);
	ask_host(x, tls, &at, i, level != NEED_NONE, &t->found);
	if (t->found.end == CTL_PROBE_TLS_FAILED && level == NEED_MAY) {
		t->clear = true;
		ask_host(x, tls, &at, i, false, &t->found);
	}
	judge(x, t);
}

/* True where one would have the mail. */
static bool try_hosts(struct explain *x, struct tls_client *tls)
{
	for (unsigned i = 0; i < x->decision.host_count; i++) {
		const struct evidence_host *host = &x->evidence->hosts[x->decision.hosts[i].index];

		for (unsigned k = 0; k < host->addr_count && x->try_count < EXPLAIN_TRIES_MOST; k++) {
			try_one(x, tls, i, &host->addrs[k]);
			if (x->tries[x->try_count - 1].why.text[0] == '\0')
				return true;
		}
	}
	return false;
}

/* What policy says of a host is worth more than that another could not be reached. */
static void say_failed(struct explain *x)
{
	const struct explain_try *last = NULL;

	for (unsigned i = 0; i < x->try_count; i++) {
		if (x->tries[i].unmet != NULL)
			last = &x->tries[i];
	}
	if (last == NULL)
		explain_say(x, &SMTP_SAY_NO_UPSTREAM, SMTP_SAY_NO_UPSTREAM.text);
	else
		explain_say(x, x->decision.permanent ? policy_answer_final(last->unmet) : last->unmet, last->why.text);
}

void explain_connect(struct explain *x)
{
	const struct policy_rule *rule = x->decision.rule;
	struct tls_client *tls;
	struct why why;

	tls = plan_next_hop_client(x->service, rule != NULL ? rule->certificate : NULL, &why);
	must(tls != NULL); /* it was asked for before */
	x->tries = mem_new(EXPLAIN_TRIES_MOST * sizeof(*x->tries));
	if (!try_hosts(x, tls))
		say_failed(x);
}
