/* plan/plan.h
 * A configuration made ready for use: certificates read and checked, TLS contexts built,
 * hosts taken apart. The master builds one to check a new configuration, each edge builds its own
 * from the same bytes. A session holds the plan it began with until it ends (DESIGN
 * section 3, generations); the last one to let go frees it. */
#ifndef PLAN_H
#define PLAN_H

#include "conf/conf.h"
#include "io/addr.h"
#include "tls/tls_client.h"
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

struct plan_upstream {
	const struct conf_upstream *conf;
	size_t index;
	bool mirror;       /* the level follows the client's side */
	struct tls_need need; /* with mirror: level is NEED_NONE here and is set per leg */
	struct tls_client *tls; /* NULL: the level is none */
	struct plan_host *hosts;
	size_t host_count;
};

struct plan_listen {
	struct addr at;
	bool implicit;
	size_t service;    /* index */
};

struct plan_service {
	const struct conf_service *conf;
	size_t index;
	const char *hostname;
	struct tls_server *tls; /* NULL: no TLS towards clients */
	bool offer_tls;         /* STARTTLS is offered */
	bool need_tls;
	struct plan_upstream *upstream;
};

struct plan {
	unsigned refs;
	uint32_t generation;
	struct conf *conf;      /* owned */
	struct tls_cert **certs;
	struct plan_upstream *upstreams;
	size_t upstream_count;
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

struct plan *plan_hold(struct plan *p);
void plan_release(struct plan *p);

#endif
