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
#include "io/home.h"
#include "policy/policy_decide.h"
#include "tls/tls_client.h"
#include "tls/tls_conn.h"
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
	struct tls_client *tls; /* never NULL: a partner may ask for TLS at any time */
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
	/* passthrough: who speaks something else where TLS must begin is not let through (tls_profile's `compliance`) */
	bool client_complies, upstream_complies;
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
	/* Of modes relay and outbound: */
	struct tls_server *tls; /* NULL: no TLS towards clients */
	bool offer_tls;         /* STARTTLS is offered */
	bool need_tls;
	bool esmtp;             /* EHLO is answered */
	struct conf_net *networks; size_t network_count; /* of conf->clients: see plan_service_admits */
	struct plan_upstream *upstream; /* of relay alone */
	enum policy_direction direction; /* of the partner rules that hold here: outbound or inbound */
	/* Of mode outbound alone: */
	struct plan_upstream *next_hop;  /* the template for its legs, without hosts */
	struct plan_clients *clients;    /* what plan_next_hop_client has made; private */
	struct plan_upstream *fallback;  /* NULL: none */
	/* Of mode transparent alone: */
	struct plan_rule *rules;
	size_t rule_count;
	const struct plan_action *action; /* where no rule matches */
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
	struct policy_table *rules;    /* of `partners` and `partner_lists`; their origins are "path:line" */
	struct plan_upstream *upstreams;
	size_t upstream_count;
	/* Host names that rules have as destinations, each once. The resolver's word on names[i] comes as IPC_ADDRS
	 * with upstream PLAN_NAMES and host i; plan_name_learn takes it. */
	struct plan_host *names;
	size_t name_count;
	struct plan_service *services;
	size_t service_count;
	size_t next_hop_count;       /* of services of mode outbound; the k-th has next_hop->index upstream_count + action_count + k */
	struct plan_listen *listens; /* what tls_support lets listen */
	size_t listen_count;
};

/* Takes `conf` in either case. `now`: wall clock, for the dates of certificates. NULL where the report has
 * errors; warnings alone don't hinder. `tickets` may be NULL (a check). */
MUST_CHECK struct plan *plan_build(struct conf *conf, struct conf_source *source,
				   const struct tls_ticket_ring *tickets, int64_t now,
				   uint32_t generation, struct conf_report *report);

/* For a role that has no TLS and no sessions: of all the above `conf` and `rules` alone, so no key is read. */
MUST_CHECK struct plan *plan_build_rules(struct conf *conf, struct conf_source *source, int64_t now,
					 uint32_t generation, struct conf_report *report);

/* Whether the client may connect to the service at all (SPEC SUB-11). The address may be IPv4-mapped. A transparent service is
 * for whomever the network brings. */
bool plan_service_admits(const struct plan_service *s, const struct addr *client);

/* Whether one of our outbound services listens there, so that mail sent there would come back: on this address, or on all of this
 * machine's, of which it is one. A relay is not meant: it may well be the MX of a domain that our own users write to. */
bool plan_listens_at(const struct plan *p, const struct home *home, const struct addr *to);

/* The action for a connection to a transparent service: that of the first rule that matches, else the
 * service's own; `*rule` is the rule's name, else NULL. `sni`: NULL where none was sent or the service can't
 * know; rules with `sni` don't match then. Addresses may be IPv4-mapped, ports don't count.
 * NULL: it can't be told, because a rule before the answer, with another action, has a destination whose
 * addresses are not known yet; `*rule` names it. The session must end with 4xx then (law 6). */
const struct plan_action *plan_choose(const struct plan_service *s, const struct addr *client,
				      const struct addr *destination, const char *sni,
				      const char **rule);
/* The host name that the rule (NULL: none) has for the destination; NULL: it has none. */
const char *plan_destination_name(const struct plan_service *s, const char *rule, const struct addr *destination);
/* Whether that choice may depend on the SNI. */
bool plan_needs_sni(const struct plan_service *s, const struct addr *client,
		    const struct addr *destination);

/* The value of `upstream` in IPC_ASK and IPC_ADDRS for plan->names. */
#define PLAN_NAMES UINT32_MAX
/* The resolver's word. None is ignored: a name that stops resolving keeps its last addresses. False
 * where the plan has no such name. */
MUST_CHECK bool plan_name_learn(struct plan *p, size_t name, const struct addr *addrs, unsigned count);

/* What TLS must be towards the upstream for a recipient whose rule (policy_table_find; NULL: none) this is, in a service of
 * direction `d`. First `upstream` of the rule has the say: required is `encrypt`, or `verify` where the upstream has that;
 * preferred `may`; allowed the client's side (`client_tls`: it has TLS) as `encrypt` or `none`. So has an upstream with
 * mirror. Then, in direction outbound, `outbound` and min_bits raise that, and an exemption (`why`) says what it is;
 * a rule in shadow mode raises nothing. */
struct tls_need plan_need(const struct plan_upstream *u, const struct policy_rule *rule, enum policy_direction d,
			  bool client_tls);
/* The same as it would be if no rule were in shadow mode: what is not met of it is logged and counted (SPEC NEW-28). */
struct tls_need plan_need_wanted(const struct plan_upstream *u, const struct policy_rule *rule, enum policy_direction d,
				 bool client_tls);
/* What the rule, by itself, would have the mail given up for (on_failure: permanent; GC-2, GC-11): nothing where it has not. */
struct tls_need plan_need_final(const struct plan_upstream *u, const struct policy_rule *rule, enum policy_direction d,
				bool client_tls);
/* Whether that is so of every recipient there could be, where not even `least` was to be had. */
bool plan_need_is_final(const struct policy_table *rules, const struct plan_upstream *u, enum policy_direction d,
			bool client_tls, int64_t now, const struct tls_need *least);
/* The same before the recipient is known: as little as any recipient may ask for, but TLS is tried where one may want
 * it, because once the recipient is known it is too late to begin. Each recipient is still to be held to plan_need. */
struct tls_need plan_need_first(const struct policy_table *rules, const struct plan_upstream *u, enum policy_direction d,
				bool client_tls, int64_t now);

/* What policy_decide is to be asked for a recipient of the service (mode outbound), but for the evidence; `rule` is what
 * policy_table_find said. The strings are borrowed. */
struct policy_question plan_question(const struct plan_service *s, struct span sender, struct span recipient,
				     const struct policy_rule *rule, bool client_tls, int64_t now);
/* A TLS report of our own: neither MTA-STS nor DANE may keep it from whom it tells that they don't work (RFC 8460 section 3). */
bool plan_is_report(const struct plan *p, struct span sender);

/* What a connection to d->hosts[i] expects of its certificate; all but `names` is borrowed from the evidence. */
struct plan_expect {
	const char *names[POLICY_NAMES_MOST + 1];
	struct tls_expect tls; /* with `names`, so this is not to be copied */
	const char *sni;
};
void plan_expect(const struct policy_decision *d, const struct policy_evidence *e, unsigned i, struct plan_expect *x);

/* Whether mail from this sender to this recipient is taken under TLS alone, because a rule says so (else 530 5.7.0). */
bool plan_wants_client_tls(const struct plan_service *s, const struct policy_table *rules, struct span sender,
			   struct span recipient, int64_t now);

/* TLS towards a next hop of an outbound service, with the client certificate of that name (NULL: the service's own, or
 * none). Made when it is first asked for, and the plan's from then on; NULL with `why` where there is no such
 * certificate. */
struct tls_client *plan_next_hop_client(const struct plan_service *s, const char *certificate, struct why *why);

/* What an entry of `partners` says; the strings are borrowed. Without key and origin. */
struct policy_rule plan_rule_of(const struct conf_partner *p);
/* The rules of the file alone, without a plan: for commands that need neither certificates nor keys. Never NULL; refs 1. */
struct policy_table *plan_rules_read(struct conf *conf, struct conf_source *source, int64_t now, struct conf_report *report);
/* The rules of the file (plan->rules) and those of the database together; of two with the same key that of the file stands.
 * `octets`: as policy_rule_encode wrote them; what can't be read ends it and is told in `why`, the rules before it count.
 * Never NULL; refs 1. */
struct policy_table *plan_rules_with(const struct plan *p, struct span octets, uint64_t generation, struct why *why);

struct plan *plan_hold(struct plan *p);
void plan_release(struct plan *p);

#endif
