/* plan/plan_build.h
 * Private to this folder: what the steps of plan_build share. Each step reports what is wrong and
 * goes on, so that a check tells everything at once. */
#ifndef PLAN_BUILD_H
#define PLAN_BUILD_H

#include "plan/plan.h"

struct plan_build {
	struct plan *plan;
	struct conf_source *source;
	const struct tls_ticket_ring *tickets;
	int64_t now;
	struct conf_report *report;
};

/* The one way from the configuration's words to TLS settings. `name`: built-in or of the file.
 * False where it can't be resolved; that was reported. */
MUST_CHECK bool plan_profile_get(const struct plan_build *b, const char *name,
				 struct tls_profile *profile);
/* Every profile of the file, used or not. */
void plan_profile_check(const struct plan_build *b);

void plan_cert_read(struct plan_build *b);
/* NULL: there is none of this name, or it was not fit; that was reported. */
struct tls_cert *plan_cert_find(const struct plan *p, const char *name);

void plan_authority_make(struct plan_build *b);
void plan_authority_free(struct plan *p);
/* NULL: there is none of this name, or it was not fit; that was reported. */
struct plan_authority *plan_authority_find(const struct plan_build *b, const char *name);

void plan_rules_make(struct plan_build *b);
/* Whether "*" has client: none for good, so that STARTTLS is offered to nobody. */
bool plan_rules_offer_none(const struct plan *p, enum policy_direction d);

void plan_upstream_make(struct plan_build *b);
void plan_upstream_free(struct plan *p);

/* Where in the file the settings of an upstream's TLS stand, for messages. */
struct plan_upstream_from {
	const char *section; /* "upstreams" */
	char *const *name;
	char *const *ca, *const *crl;
	bool any_name; /* the names of its certificate are for the client to check; with `verify` those that are known
	                * are checked all the same */
};
/* Level and TLS of `u`, whose conf is complete. */
void plan_upstream_set_up(const struct plan_build *b, struct plan_upstream *u,
			  const struct plan_upstream_from *from);
/* The file (`what`: "ca", "crl"); empty where none was set, which is the system's roots, or no list. False where it can't be
 * had, or is empty, which must not look like that; reported. */
MUST_CHECK bool plan_upstream_pem(const struct plan_build *b, const struct plan_upstream_from *from, char *const *path,
				  const char *what, struct span *pem);

/* An upstream without hosts, with a conf of its own: that of an upstream of the file that sets nothing but this. All is
 * copied. To be set up. */
struct plan_template {
	const char *name, *tls_profile, *ca, *crl, *certificate;
	enum conf_need tls;
	unsigned min_bits;
	const struct conf_service *service; /* mode outbound: its pool and time-outs; NULL: an upstream's defaults */
};
struct plan_upstream *plan_template_new(const struct plan_template *from, size_t index);
void plan_template_free(struct plan_upstream *u);

/* Of a service of mode outbound: next_hop, clients. */
void plan_next_hop_make(struct plan_build *b, struct plan_service *s);
void plan_next_hop_free(struct plan_service *s);

void plan_action_make(struct plan_build *b);
void plan_action_free(struct plan *p);
/* NULL: there is none; that was reported. */
struct plan_action *plan_action_find(const struct plan *p, const char *name);

/* The networks among the items, at most all of them; malloc'ed. */
struct conf_net *plan_net_read(const struct conf_strings *list, size_t *count);
/* `a` is not IPv4-mapped (addr_unmap); one of no family is in none. */
bool plan_net_has(const struct conf_net *nets, size_t count, const struct addr *a);

void plan_rule_make(struct plan_build *b, struct plan_service *s);
void plan_rule_free(struct plan_service *s);
void plan_rule_free_names(struct plan *p);

void plan_service_make(struct plan_build *b);
void plan_service_free(struct plan *p);

/* TLS towards clients, of a service or an action. */
struct plan_server {
	const char *section;                     /* "services" */
	char *const *name;
	const struct conf_strings *certificates; /* names; empty: all there are */
	struct tls_cert *own;                    /* not NULL: this one instead */
	const char *tls_profile;
	enum conf_client_tls client_tls;
};
/* NULL: no certificate that is fit, or reported. */
struct tls_server *plan_server_make(const struct plan_build *b, const struct plan_server *from);

/* Law 7: all that decides what TLS a client of this service must have. A ticket that was made
 * under another label opens nothing. */
#define PLAN_LABEL_MOST 128
void plan_server_label(const struct plan_server *from, const struct tls_profile *p,
		       char label[PLAN_LABEL_MOST]);

/* Where the field was set, else where the section that is called `name` begins. */
struct conf_place plan_place(const struct plan_build *b, const void *field, const void *name);

#endif
