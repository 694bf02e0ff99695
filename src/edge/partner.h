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

/* Whether the rule for the recipient, or that for the sender, asks for TLS on the client's side, which is not there
 * (SPEC WG-9, PP-9). */
bool partner_wants_client_tls(const struct session *s, struct span recipient);

#endif
