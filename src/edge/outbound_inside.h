/* edge/outbound_inside.h
 * What the files of mode outbound know of each other. */
#ifndef EDGE_OUTBOUND_INSIDE_H
#define EDGE_OUTBOUND_INSIDE_H

#include "edge/outbound.h"
#include "edge/session.h"

/* The way whose leg is the session's; NULL: none. */
struct outbound_way *outbound_way_now(const struct session *s);
/* What the session's leg was told has not been answered yet. */
bool outbound_is_awaited(const struct session *s);
/* It has recipients, or may have. */
bool outbound_is_needed(const struct outbound_way *w);
int outbound_find_way(const struct outbound *o, const struct next_hop *hop); /* -1: there is none */
/* A new one, opened. */
void outbound_begin_way(struct session *s, struct next_hop *hop);
/* It has come to nothing; its leg may still serve another. */
void outbound_drop_way(struct session *s, unsigned i);
void outbound_free_way(struct outbound_way *w);

/* outbound.c: the recipient at the front of the input. */
void outbound_leave_front(struct session *s);
/* In its turn: after the replies to what was sent before it. */
enum outbound_rcpt outbound_refuse(struct session *s, const struct smtp_cmd *cmd, const struct smtp_answer *a,
				   const char *text);
/* Opens the way of its decision, or refuses it. */
enum outbound_rcpt outbound_choose_way(struct session *s, const struct smtp_cmd *cmd);
/* The next hop will not do for the rest of the transaction. */
void outbound_remember_failed(struct outbound *o, struct next_hop *hop, const struct smtp_answer *a, const char *text);

/* outbound_condition.c: TLS is not there that DANE or MTA-STS, a rule or the service asks for. */
enum outbound_rcpt outbound_refuse_for_policy(struct session *s, const struct smtp_cmd *cmd, const struct smtp_answer *a,
					      const char *text);
enum outbound_rcpt outbound_take_on_condition(struct session *s, const struct smtp_cmd *cmd);

/* outbound_send.c: its way is open. */
enum outbound_rcpt outbound_say_it(struct session *s, const struct smtp_cmd *cmd);

#endif
