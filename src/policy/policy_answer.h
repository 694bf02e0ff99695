/* policy/policy_answer.h
 * What a client is told where its recipient has nowhere to go under the TLS that must be: the live session's answers, and those
 * that `sallyport explain` foretells. */
#ifndef POLICY_ANSWER_H
#define POLICY_ANSWER_H

#include "policy/policy_decide.h"
#include "smtp/smtp_answer.h"

/* With SMTP_SAY_NO_DOMAIN, to a recipient without a domain that could be looked up. */
#define POLICY_ANSWER_NO_ROUTE "This is no domain that mail could be routed by"

/* To a recipient whose decision is a refusal; because[0] has the words. */
const struct smtp_answer *policy_answer_refusal(const struct policy_decision *d);
/* To one whose need these facts don't meet; need_met has the words. */
const struct smtp_answer *policy_answer_unmet(const struct tls_need *need, const struct tls_facts *facts);
/* The same where the sender's own server is to give up (SPEC GC-2, GC-11): a decision that is `permanent`. Others stay what they are. */
const struct smtp_answer *policy_answer_final(const struct smtp_answer *a);

#endif
