/* edge/leg_inside.h
 * What the files of a leg (leg.c, leg_dial.c, leg_await.c) know of each other, and nobody else. */
#ifndef EDGE_LEG_INSIDE_H
#define EDGE_LEG_INSIDE_H

#include "edge/leg.h"

/* leg.c */
void leg_enter(struct leg *l, enum leg_state state);
void leg_connected(struct leg *l);
/* What the host that is tried now has to meet. */
void leg_use_need(struct leg *l);
void leg_log_try(const struct leg *l, const char *event, const struct why *why);
/* This host will not do: on to the next one. `policy`: what to tell the client where none will; NULL: it could not be reached. */
void leg_try_failed(struct leg *l, const struct smtp_answer *policy, const struct why *why);

void leg_try_failed_for(struct leg *l, enum fault fault, const char *text);
void leg_hang_up(struct leg *l);
/* TLS from the first byte: as configured, or as the client began. */
bool leg_is_implicit(const struct leg *l);

/* leg_tls.c */
void leg_begin_tls(struct leg *l);
/* `may` goes on in clear, but never on a connection that has seen a handshake fail. */
void leg_tls_failed(struct leg *l, const struct why *why);
bool leg_step_tls(struct leg *l);
bool leg_step_check(struct leg *l);
void leg_end_check(struct leg *l);

/* leg_report.c: what becomes of TLS at a host of a decision is told to `route`, and what a rule in shadow mode, or a policy in
 * testing, would have refused is logged. Without a decision nothing is. */
void leg_report_facts(const struct leg *l, const struct tls_facts *facts);
/* The handshake failed, and the host is given up. */
void leg_report_failure(const struct leg *l, const struct why *why);

/* leg_dial.c */
const struct upstream_try *leg_here(const struct leg *l);
void leg_find_tries(struct leg *l);
void leg_begin_try(struct leg *l);
bool leg_next_try(struct leg *l); /* false: there is none left */
bool leg_step_connect(struct leg *l);
msec leg_connect_deadline(const struct leg *l);
void leg_connect_timeout(struct leg *l);
void leg_let_go_of_socket(struct leg *l);

#endif
