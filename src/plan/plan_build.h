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
struct tls_cert *plan_cert_find(const struct plan_build *b, const char *name);

void plan_upstream_make(struct plan_build *b);
void plan_upstream_free(struct plan *p);

void plan_service_make(struct plan_build *b);
void plan_service_free(struct plan *p);

/* Law 7: all that decides what TLS a client of this service must have. A ticket that was made
 * under another label opens nothing. */
#define PLAN_LABEL_MOST 128
void plan_service_label(const struct conf_service *c, const struct tls_profile *p,
			char label[PLAN_LABEL_MOST]);

/* Where the field was set, else where the section that is called `name` begins. */
struct conf_place plan_place(const struct plan_build *b, const void *field, const void *name);

#endif
