/* edge/upstream.h
 * What an edge remembers of an upstream: the addresses of its hosts, which of them is
 * down, and what its last EHLO reply offered. */
#ifndef EDGE_UPSTREAM_H
#define EDGE_UPSTREAM_H

#include "plan/plan.h"
#include "smtp/smtp_caps.h"

/* What was learned from an EHLO reply is good for so long without another connection. */
#define UPSTREAM_CAPS_MSEC (5 * 60 * 1000)

/* Addresses that one leg tries at the most. */
#define UPSTREAM_TRIES 16

struct leg;

struct upstream_place {
	struct addr addr;
	msec down_until;
};

struct upstream_host {
	unsigned count;
	struct upstream_place places[PLAN_HOST_ADDRS];
};

struct upstream {
	const struct plan_upstream *plan;
	struct upstream_host *hosts; /* as many as plan->host_count */
	struct leg *idle;            /* kept connections, the latest first (pool.c) */
	unsigned idle_count;
	bool known;                  /* caps hold something */
	struct smtp_caps caps;       /* under the TLS that the need asks for */
	bool offers_tls;             /* STARTTLS was offered in clear, or TLS is implicit */
	msec learned;
};

struct upstream_try {
	const struct plan_host *host; /* NULL: not one of the configuration's */
	struct addr addr;
	unsigned hop_host;            /* of a next hop: index in its decision's hosts */
};

void upstream_init(struct upstream *u, const struct plan_upstream *plan);
void upstream_free(struct upstream *u);

/* The resolver's word on host `host`; addresses that stay keep their state. None is ignored:
 * a name that stops resolving keeps its last addresses. */
void upstream_set_addrs(struct upstream *u, size_t host, const struct addr *addrs, unsigned count);

/* The order in which to try: as configured, those that failed lately last. */
unsigned upstream_order(const struct upstream *u, msec now,
			struct upstream_try tries[UPSTREAM_TRIES]);
void upstream_failed(struct upstream *u, const struct addr *addr, msec now);
void upstream_worked(struct upstream *u, const struct addr *addr);

void upstream_learn(struct upstream *u, const struct smtp_caps *caps, bool offers_tls, msec now);
bool upstream_is_fresh(const struct upstream *u, msec now);

#endif
