#include "policy/policy_answer.h"

#include "base/must.h"

const struct smtp_answer *policy_answer_refusal(const struct policy_decision *d)
{
	switch (d->refusal) {
	case POLICY_NO_DOMAIN:
		return &SMTP_SAY_NO_DOMAIN;
	case POLICY_NULL_MX:
		return &SMTP_SAY_NULL_MX;
	case POLICY_STS_NO_HOST:
		return &SMTP_SAY_STS;
	case POLICY_NO_ADDRESS:
		return d->permanent ? &SMTP_SAY_NO_HOST : &SMTP_SAY_DNS;
	case POLICY_NO_REQUIRETLS:
		return &SMTP_SAY_REQUIRETLS;
	case POLICY_DNS_FAILED:
	case POLICY_DANE_FAILED:
		return &SMTP_SAY_DNS;
	case POLICY_DELIVER:
		break;
	}
	must(!"asked for a refusal of a decision to deliver");
	return NULL;
}

const struct smtp_answer *policy_answer_unmet(const struct tls_need *need, const struct tls_facts *facts)
{
	if (facts->absent == TLS_ABSENT_FAILED)
		return &SMTP_SAY_TLS_FAILED;
	if (need->min_bits > 0 && facts->bits < need->min_bits)
		return &SMTP_SAY_TLS_WEAK;
	return facts->on ? &SMTP_SAY_TLS_UNVERIFIED : &SMTP_SAY_TLS_MISSING;
}

const struct smtp_answer *policy_answer_final(const struct smtp_answer *a)
{
	static const struct {
		const struct smtp_answer *temporary, *permanent;
	} pairs[] = {
		{ &SMTP_SAY_TLS_WEAK, &SMTP_SAY_TLS_WEAK_FINAL },
		{ &SMTP_SAY_TLS_MISSING, &SMTP_SAY_TLS_MISSING_FINAL },
		{ &SMTP_SAY_TLS_FAILED, &SMTP_SAY_TLS_FAILED_FINAL },
		{ &SMTP_SAY_TLS_UNVERIFIED, &SMTP_SAY_TLS_UNVERIFIED_FINAL },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (pairs[i].temporary == a)
			return pairs[i].permanent;
	}
	return a;
}
