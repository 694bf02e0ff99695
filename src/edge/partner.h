/* edge/partner.h
 * The rules for partners as they hold for a session: those of its transaction from MAIL to its end (GC-10), else those of now. */
#ifndef EDGE_PARTNER_H
#define EDGE_PARTNER_H

#include "edge/session.h"

/* Borrowed. */
struct policy_table *partner_rules(const struct session *s);
/* The transaction holds the rules of now until partner_end. */
void partner_begin(struct session *s);
void partner_end(struct session *s);

/* NULL: there is none. An empty address is everybody's and the null reverse-path's: "*" alone. */
const struct policy_rule *partner_find(const struct session *s, struct span address);

/* What a leg is made for before a recipient is known. */
struct tls_need partner_first_need(const struct session *s, bool client_tls);

/* In LEG_FAILED: what to tell a client, whoever its recipients. */
const struct smtp_answer *partner_leg_refusal(const struct session *s);
/* What the recipient's partner rule asks of the upstream (SPEC WG-9, GC-4), or the upstream itself where there is no
 * rule: the leg was made for the one that asks least. NULL: nothing that is not there. `why` has the answer's words,
 * `need` what was met. */
MUST_CHECK const struct smtp_answer *partner_refusal(const struct session *s, struct span recipient,
						     struct tls_need *need, struct why *why);
/* The recipient was sent on. Where its rule is in shadow mode and would have refused it, that is logged and counted, once for
 * recipients in a row that share the rule (SPEC NEW-28). */
void partner_report(struct session *s, struct span recipient);

/* Whether the rule for the recipient, or that for the sender, asks for TLS on the client's side, which is not there
 * (SPEC WG-9, PP-9). */
bool partner_wants_client_tls(const struct session *s, struct span recipient);

#endif
