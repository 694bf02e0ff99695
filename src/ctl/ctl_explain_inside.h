/* ctl/ctl_explain_inside.h
 * What the files of `explain` know of each other. */
#ifndef CTL_EXPLAIN_INSIDE_H
#define CTL_EXPLAIN_INSIDE_H

#include "ctl/ctl_probe_host.h"
#include "plan/plan.h"
#include "policy/policy_answer.h"
#include "smtp/smtp_addr.h"

#define EXPLAIN_TRIES_MOST 16 /* addresses, as many as a leg tries */

/* What came of one address. */
struct explain_try {
	unsigned host;                   /* of the decision */
	char address[ADDR_TEXT_MOST];
	struct ctl_probe_found found;
	bool clear;                      /* after a failed handshake: without TLS */
	const struct smtp_answer *unmet; /* policy does not let it have the mail; NULL */
	struct why why;                  /* why it can't have it; text "": it can */
	struct why report;               /* what would have failed without `report` or testing; text "": nothing */
};

struct explain {
	/* What is asked */
	const char *path, *service_name, *from, *to, *client, *destination, *sni;
	bool client_tls, requiretls, connect, json;
	char *sender_text, *recipient_text;   /* what the two point into */
	struct smtp_path sender, recipient;
	struct addr client_addr, destination_addr;
	/* What is found */
	int64_t now;
	struct plan *plan;
	const struct plan_service *service;
	struct policy_table *rules;           /* of the file and of the database */
	const struct policy_rule *rule;       /* NULL: none */
	bool wants_client_tls, offers_client_tls;
	/* Of a relay, or a transparent service whose action terminates TLS: */
	const struct plan_upstream *upstream; /* NULL */
	const struct plan_action *action;     /* transparent: NULL where it can't be told */
	const char *action_rule;              /* the rule that chose it; NULL: none */
	struct tls_need need;                 /* towards it */
	/* Of outbound: */
	struct policy_evidence *evidence;     /* NULL: there is no domain to look up */
	int64_t sts_fetched_at;               /* 0: not kept */
	struct policy_decision decision;
	struct explain_try *tries;            /* --connect */
	unsigned try_count;
	/* What the client would be told; NULL: what the next hop says */
	const struct smtp_answer *answer;
	char text[WHY_MOST];                  /* of the answer */
};

/* The first one counts: what comes later in the session is told, and changes nothing. */
void explain_say(struct explain *x, const struct smtp_answer *a, const char *text);

/* All that is found. EX_OK, or the exit status where nothing can be told. */
int explain_find(struct explain *x);

/* As a leg: the hosts in order, up to the first that will do. */
void explain_connect(struct explain *x);

/* False where it can't be written. */
bool explain_print_text(const struct explain *x);
bool explain_print_json(const struct explain *x);

#endif
