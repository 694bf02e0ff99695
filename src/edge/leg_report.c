#include "edge/leg_inside.h"

#include "edge/edge_route.h"
#include "edge/outbound.h"
#include "edge/session.h"
#include "io/sock.h"

#include <stdio.h>
#include <string.h>

static const struct policy_host *decided(const struct leg *l)
{
	return &l->hop->decision.hosts[leg_here(l)->hop_host];
}

/* RFC 8460 section 4.3 */
static enum policy_result_type type_of(const struct tls_facts *f, const struct policy_host *host)
{
	if (!f->on)
		return f->absent == TLS_ABSENT_FAILED ? POLICY_RESULT_VALIDATION_FAILURE :
							POLICY_RESULT_STARTTLS_NOT_SUPPORTED;
	if (f->verified != TLS_VERIFIED_BAD)
		return POLICY_RESULT_SUCCESS;
	switch (f->bad) {
	case TLS_BAD_NAME:
		return POLICY_RESULT_CERTIFICATE_HOST_MISMATCH;
	case TLS_BAD_EXPIRED:
		return POLICY_RESULT_CERTIFICATE_EXPIRED;
	case TLS_BAD_OTHER:
		break;
	}
	return host->dane ? POLICY_RESULT_TLSA_INVALID : POLICY_RESULT_CERTIFICATE_NOT_TRUSTED;
}

static enum policy_result_policy policy_of(const struct leg *l)
{
	if (decided(l)->dane)
		return POLICY_RESULT_TLSA;
	return l->hop->found->all->sts != EVIDENCE_STS_NONE ? POLICY_RESULT_STS : POLICY_RESULT_NO_POLICY;
}

static void copy(char *to, size_t size, const char *text)
{
	size_t len = strnlen(text, size - 1);

	memcpy(to, text, len);
	to[len] = '\0';
}

/* A TLS report of our own is on its way: how that goes is no matter of the next report, or two sites would report to
 * each other for ever about nothing but their reports (RFC 8460 section 3). */
static bool is_report(const struct session *s)
{
	return s->txn != NULL && plan_is_report(s->plan, buf_peek(&s->txn->from));
}

static void tell(const struct leg *l, enum policy_result_type type, bool tls, bool delivered, const char *reason)
{
	struct policy_result r = {
		.policy = policy_of(l), .type = type, .tls = tls, .delivered = delivered,
	};
	char text[ADDR_TEXT_MOST];
	struct addr local;

	if (is_report(l->session))
		return;
	copy(r.domain, sizeof(r.domain), l->hop->found->all->domain);
	copy(r.host, sizeof(r.host), leg_host(l));
	addr_print_host(&leg_here(l)->addr, text);
	copy(r.address, sizeof(r.address), text);
	if (l->stream.fd >= 0 && sock_local(l->stream.fd, &local)) {
		addr_print_host(&local, text);
		copy(r.own_address, sizeof(r.own_address), text);
	}
	copy(r.reason, sizeof(r.reason), reason);
	edge_route_result(l->edge, &r);
}

static bool lookup_failed(const struct next_hop *hop)
{
	for (unsigned i = 0; i < hop->found->all->host_count; i++) {
		if (hop->decision.out[i] == POLICY_OUT_TLSA_FAILED)
			return true;
	}
	return false;
}

void leg_report_refusal(const struct session *s, const struct next_hop *hop)
{
	const struct policy_decision *d = &hop->decision;
	struct policy_result r = { .policy = POLICY_RESULT_STS, .type = POLICY_RESULT_VALIDATION_FAILURE };

	if (d->refusal == POLICY_DANE_FAILED) {
		r.policy = POLICY_RESULT_TLSA;
		r.type = lookup_failed(hop) ? POLICY_RESULT_DNSSEC_INVALID : POLICY_RESULT_DANE_REQUIRED;
	} else if (d->refusal != POLICY_STS_NO_HOST) {
		return;
	}
	if (is_report(s))
		return;
	copy(r.domain, sizeof(r.domain), hop->found->all->domain);
	copy(r.reason, sizeof(r.reason), d->because[0]);
	edge_route_result(s->edge, &r);
}

void leg_report_shadow(const struct leg *l, const char *domain, const struct tls_need *wanted, const struct policy_rule *rule,
		       const char *because, const struct why *why)
{
	struct log_line line;

	edge_count(l->edge, COUNT_POLICY_REPORTS, 1);
	log_begin(&line, "policy-report");
	log_text(&line, "sid", l->session->sid);
	log_text(&line, "domain", domain);
	log_text(&line, "host", leg_host(l));
	log_text(&line, "need", need_level_name(wanted->level));
	log_text(&line, "rule", rule != NULL ? rule->key : "");
	log_text(&line, "because", because);
	log_text(&line, "why", why->text);
	log_end(&line);
}

static void log_report(const struct leg *l, const struct why *why)
{
	const struct policy_decision *d = &l->hop->decision;

	leg_report_shadow(l, l->hop->found->all->domain, &decided(l)->wanted, d->rule,
			  d->because_count > 0 ? d->because[0] : "", why);
}

/* The host had TLS so often that its absence is worth a look (SPEC NEW-33, FAULTS 15). */
static void look_at_memory(const struct leg *l, const struct tls_facts *facts)
{
	const struct evidence_host *host = next_hop_host(l->hop, leg_here(l)->hop_host);
	unsigned most = l->session->service->conf->remember;
	struct log_line line;

	if (facts->on || most == 0 || host->seen_tls < most)
		return;
	edge_count(l->edge, COUNT_DOWNGRADES, 1);
	log_begin(&line, "tls-downgrade");
	log_text(&line, "sid", l->session->sid);
	log_text(&line, "domain", l->hop->found->all->domain);
	log_text(&line, "host", leg_host(l));
	log_int(&line, "seen", host->seen_tls);
	log_text(&line, "up_tls_absent", tls_absent_name(facts->absent));
	log_end(&line);
}

void leg_report_facts(const struct leg *l, const struct tls_facts *facts)
{
	enum policy_result_type type;
	struct why unmet, why;
	bool wanted, met;

	/* That there is no TLS where none was asked for says nothing of the host. */
	if (l->hop == NULL || (!facts->on && facts->absent == TLS_ABSENT_UNWANTED))
		return;
	look_at_memory(l, facts);
	wanted = need_met(&decided(l)->wanted, facts, &unmet);
	met = need_met(&l->need, facts, &why);
	if (!wanted && met)
		log_report(l, &unmet);
	type = facts->on && wanted ? POLICY_RESULT_SUCCESS : type_of(facts, decided(l));
	tell(l, type, facts->on, met, wanted ? "" : unmet.text);
}

void leg_report_failure(const struct leg *l, const struct why *why)
{
	if (l->hop != NULL)
		tell(l, POLICY_RESULT_VALIDATION_FAILURE, false, false, why->text);
}
