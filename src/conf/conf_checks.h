/* conf/conf_checks.h
 * Private to this folder: what the steps of conf_check share. Each reports what is wrong and goes on. A name
 * that is missing was reported by the loader and may be NULL here. */
#ifndef CONF_CHECKS_H
#define CONF_CHECKS_H

#include "conf/conf.h"

bool conf_check_is_set(const struct conf *c, const void *field);
/* Where `field` was set, else where the section that is called `name` begins. */
struct conf_place conf_check_place(const struct conf *c, const void *field, const void *name);

/* `field`: the member that holds the name of a TLS profile, of a certificate. */
void conf_check_profile(const struct conf *c, struct conf_report *r, char *const *field);
void conf_check_cert(const struct conf *c, struct conf_report *r, char *const *field);
/* Of a profile that is used towards an upstream with this level: `verify` raises `encrypt`, and nothing else. */
void conf_check_verify(const struct conf *c, struct conf_report *r, char *const *profile,
		       enum conf_need tls, const char *what);

/* `field`: the member that holds the name of an action, or NULL. */
void conf_check_action_name(const struct conf *c, struct conf_report *r, char *const *field);
/* Adds the built-in actions that the file names, and completes those that inherit. Before all other checks, for it
 * adds marks; there must be room for CONF_BUILTIN_ACTIONS more. */
void conf_check_inherit(struct conf *c, struct conf_report *r);

/* Each action for itself; decides what an unset on_untrusted means, and client_tls without ESMTP. Before the
 * services. */
void conf_check_actions(struct conf *c, struct conf_report *r);
/* Puts what the action of a relay service sets into the service. */
void conf_check_action_apply(struct conf *c, struct conf_report *r, struct conf_service *s);
/* There is no certificate, so the relay offers no TLS: nor does its action, lest the two contradict each other. */
void conf_check_action_without_tls(struct conf *c, const struct conf_service *s);
/* SPEC MC-3, MC-6, WG-3, WG-5: whether the services that use an action can. After the services. */
void conf_check_action_uses(const struct conf *c, struct conf_report *r);

/* NULL: there is none of this name; `name` may be NULL. */
const struct conf_upstream *conf_check_upstream_find(const struct conf *c, const char *name);

/* Of a service of mode outbound; sets its direction. */
void conf_check_outbound(const struct conf *c, struct conf_report *r, struct conf_service *s);
/* After all services, whose short forms have become upstreams. */
void conf_check_fallbacks(const struct conf *c, struct conf_report *r);
void conf_check_route(const struct conf *c, struct conf_report *r);

void conf_check_transparent(const struct conf *c, struct conf_report *r, const struct conf_service *s);

/* SPEC WG-8, WG-9, WG-10, GC-9. After the services, whose directions are known then. */
void conf_check_partners(const struct conf *c, struct conf_report *r);
/* `partners`, then `partner_lists`, and which of the two it is; NULL: no more. */
const struct conf_partner *conf_check_partner_at(const struct conf *c, size_t i, const char **section);
/* Whether it is for the direction of the service. */
bool conf_check_partner_holds(const struct conf_partner *p, const struct conf_service *s);

/* The names of some things, with commas: "a, b, c"; cut with "..." where there are too many. */
#define CONF_CHECK_NAMES 300
void conf_check_add_name(char names[CONF_CHECK_NAMES], const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
