/* plan/plan.h
 * A configuration made ready for use: certificates read and checked, TLS contexts built,
 * hosts taken apart. The master builds one to check a new configuration, each edge builds its own
 * from the same bytes. A session holds the plan it began with until it ends (DESIGN
 * section 3, generations); the last one to let go frees it. */
#ifndef PLAN_H
#define PLAN_H

#include "conf/conf.h"
#include "conf/conf_addr.h"
#include "io/addr.h"
#include "tls/tls_client.h"
#include "tls/tls_mint.h"
#include "tls/tls_server.h"
#include "tls/tls_need.h"

#define PLAN_HOST_ADDRS 16

struct plan_host {
	char *name;        /* host name or address literal, without port */
	uint16_t port;
	bool literal;      /* addrs is fixed; else it comes from the resolver */
	unsigned addr_count;
	struct addr addrs[PLAN_HOST_ADDRS];
};

/* In an action: the template for the upstream of a transparent session, without hosts. It has a conf of
 * its own, with the defaults for what an action does not say, and its index is upstream_count + that of
 * the action, so that both kinds can be counted in one array. */
struct plan_upstream {
	const struct conf_upstream *conf;
	size_t index;
	bool mirror;       /* the level follows the client's side */
	struct tls_need need; /* with mirror: level is NEED_NONE here and is set per leg */
	struct tls_client *tls; /* NULL: the level is none, and no partner asks for more */
	struct plan_host *hosts;
	size_t host_count;
};

struct plan_listen {
	struct addr at;
	bool implicit;
	bool tproxy;       /* with IP_TRANSPARENT: what is accepted has the original destination as its own address */
	size_t service;    /* index */
};

struct plan_authority {
	const struct conf_authority *conf;
	struct tls_authority *trusted;
	struct tls_authority *untrusted; /* NULL: there is none */
};

struct plan_action {
	const struct conf_action *conf;
	size_t index;
	enum conf_method method;
	struct plan_upstream *template;   /* never NULL: for passthrough and strip with level none and default timeouts */
	/* All that follows is for `terminate`; for the others NULL and false. */
	struct tls_server *tls;           /* NULL: no TLS towards clients. With `authority` each connection has to be
	                                   * given its certificate (tls_conn_use_cert): that of the context is
	                                   * one that nobody trusts */
	struct plan_authority *authority; /* NULL: our own certificates are shown */
	bool offer_tls;                   /* STARTTLS is offered */
	bool need_tls;
	bool esmtp;                       /* EHLO is answered */
	bool mirror;                      /* template->mirror: the client is offered what the upstream offers */
};

struct plan_rule {
	const struct conf_rule *conf;
	struct conf_net *clients;      size_t client_count;
	struct conf_net *destinations; size_t destination_count;
	size_t *names;                 size_t name_count; /* of destinations: indices into plan->names */
	const struct plan_action *action;
};

struct plan_service {
	const struct conf_service *conf;
	size_t index;
	const char *hostname;
	const struct plan *plan;
	/* Of mode relay alone: */
	struct tls_server *tls; /* NULL: no TLS towards clients */
	bool offer_tls;         /* STARTTLS is offered */
	bool need_tls;
	bool esmtp;             /* EHLO is answered */
	struct plan_upstream *upstream;
	/* Of mode transparent alone: */
	struct plan_rule *rules;
	size_t rule_count;
	const struct plan_action *action; /* where no rule matches */
};

struct plan_partner {
	const struct conf_partner *conf;
	char *key; /* the name as it is compared: lower case, no dot at its end */
};

struct plan {
	unsigned refs;
	uint32_t generation;
	struct conf *conf;      /* owned */
	struct tls_cert **certs;
	struct plan_authority *authorities;
	size_t authority_count;
	struct plan_action *actions;
	size_t action_count;
	struct plan_partner *partners; /* sorted by key */
	size_t partner_count;
	struct plan_upstream *upstreams;
	size_t upstream_count;
	/* Host names that rules have as destinations, each once. The resolver's word on names[i] comes as IPC_ADDRS
	 * with upstream PLAN_NAMES and host i; plan_name_learn takes it. */
	struct plan_host *names;
	size_t name_count;
	struct plan_service *services;
	size_t service_count;
	struct plan_listen *listens; /* what tls_support lets listen */
	size_t listen_count;
};

/* Takes `conf` in either case. `now`: wall clock, for the dates of certificates. NULL where the report has
 * errors; warnings alone don't hinder. `tickets` may be NULL (a check). */
MUST_CHECK struct plan *plan_build(struct conf *conf, struct conf_source *source,
				   const struct tls_ticket_ring *tickets, int64_t now,
				   uint32_t generation, struct conf_report *report);

/* The action for a connection to a transparent service: that of the first rule that matches, else the
 * service's own; `*rule` is the rule's name, else NULL. `sni`: NULL where none was sent or the service can't
 * know; rules with `sni` don't match then. Addresses may be IPv4-mapped, ports don't count.
 * NULL: it can't be told, because a rule before the answer, with another action, has a destination whose
 * addresses are not known yet; `*rule` names it. The session must end with 4xx then (law 6). */
const struct plan_action *plan_choose(const struct plan_service *s, const struct addr *client,
				      const struct addr *destination, const char *sni,
				      const char **rule);
/* Whether that choice may depend on the SNI. */
bool plan_needs_sni(const struct plan_service *s, const struct addr *client,
		    const struct addr *destination);

/* The value of `upstream` in IPC_ASK and IPC_ADDRS for plan->names. */
#define PLAN_NAMES UINT32_MAX
/* The resolver's word. None is ignored: a name that stops resolving keeps its last addresses. False
 * where the plan has no such name. */
MUST_CHECK bool plan_name_learn(struct plan *p, size_t name, const struct addr *addrs, unsigned count);

/* The partner rule for a recipient (user@domain, or the domain alone): the address itself, then its domain, then
 * those above it, then "*"; NULL: none. ASCII case and a dot at the end don't count. */
const struct plan_partner *plan_partner_find(const struct plan *p, struct span recipient);

/* What TLS must be towards the upstream for such a recipient. A partner (NULL: none) that says something has
 * the say: required is `encrypt`, or `verify` where the upstream has that; preferred `may`; allowed the
 * client's side (`client_tls`: it has TLS) as `encrypt` or `none`. So has an upstream with mirror. */
struct tls_need plan_need(const struct plan_upstream *u, const struct plan_partner *partner,
			  bool client_tls);
/* The same before the recipient is known: as little as any recipient may ask for, but TLS is tried where one may want
 * it, because once the recipient is known it is too late to begin. Each recipient is still to be held to plan_need. */
struct tls_need plan_need_first(const struct plan *p, const struct plan_upstream *u, bool client_tls);

struct plan *plan_hold(struct plan *p);
void plan_release(struct plan *p);

#endif
