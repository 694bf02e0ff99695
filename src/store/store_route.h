/* store/store_route.h
 * What `route` remembers over restarts: MTA-STS policies and which hosts have done TLS. One owner, one process, no
 * thread. Times are seconds of the wall clock, given by the caller. Nothing here fails upwards: what can't be read is
 * as if it were not there, what can't be written is logged by the store; mail goes on either way. */
#ifndef STORE_ROUTE_H
#define STORE_ROUTE_H

#include "policy/policy_message.h"

#define STORE_STS_BODY_MOST (64 * 1024)

#define STORE_ROUTE_FILE "route.db"       /* in state_dir */
#define STORE_STS_MOST 20000              /* policies; of more, those go that mail has not asked for the longest */
#define STORE_TLS_HOSTS_MOST 200000
#define STORE_TLS_DAYS 90                 /* what was last seen before is forgotten */
#define STORE_TLSRPT_ROWS_MOST 20000      /* of one day: further kinds of results are not counted */
#define STORE_TLSRPT_DAYS 32
#define STORE_POLICY_MOST 4096            /* octets of a policy, as a report tells it */

struct store_route;

/* One that is not open yet: it remembers nothing, and takes what it is told without a word. */
struct store_route *store_route_new(void);
/* Opens it in this folder, and makes it where it is not there. False with `why`: it stays as it was. */
MUST_CHECK bool store_route_open(struct store_route *s, const char *folder, struct why *why);
bool store_route_is_open(const struct store_route *s);
void store_route_free(struct store_route *s);
/* Throws away what is too old or too much; once an hour is enough. */
void store_route_sweep(struct store_route *s, int64_t now);

/* An MTA-STS policy as it was served, not as it was read: a later version of ours may read more of it. */
struct store_sts {
	char id[33];        /* of the TXT record that announced it */
	int64_t fetched_at;
	int64_t until;      /* at most fetched_at + max_age */
	struct span body;   /* at most STORE_STS_BODY_MOST. From store_route_sts_get: valid until the next call */
};

/* `domain` and `host`: folded names (policy_name_ok). */
MUST_CHECK bool store_route_sts_get(struct store_route *s, const char *domain, struct store_sts *p);
/* In the place of an older one. */
void store_route_sts_put(struct store_route *s, const char *domain, const struct store_sts *p);
/* Mail for this domain has asked for it: what nobody asks for is not refreshed by itself, and goes in the end. Written
 * at most once an hour. No such policy: nothing. */
void store_route_sts_touch(struct store_route *s, const char *domain, int64_t now);
/* A domain whose policy should be fetched anew by itself: half of its life is over, not all of it, mail has asked for it
 * within 30 days, and it was not given out by this call within the last 24 hours. The one that lapses first. */
MUST_CHECK bool store_route_sts_due(struct store_route *s, int64_t now, char domain[256]);

/* Deliveries with TLS in a row to this host, decayed (SPEC NEW-33); 0 where nothing is known. */
unsigned store_route_seen(struct store_route *s, const char *host, int64_t now);
/* One more with TLS, or the row is broken: only by a message that was delivered without. */
void store_route_saw(struct store_route *s, const char *host, bool tls, int64_t now);

/* TLSRPT (RFC 8460): how often something happened, by the day (UTC; `day` is seconds / 86400). */
struct store_tlsrpt {
	int64_t day;
	struct policy_result result; /* `tls` and `delivered` are not kept, `reason` is the last one */
	uint64_t count;
};
void store_route_count(struct store_route *s, const struct policy_result *result, int64_t now);
/* All of that day: by domain, policy, type, host. `each` borrows the row. False with `why`. It must be open. */
typedef void store_route_each(void *arg, const struct store_tlsrpt *row);
MUST_CHECK bool store_route_counts(struct store_route *s, int64_t day, store_route_each *each, void *arg, struct why *why);

/* The policy that results of a day were held against, as the report tells it (RFC 8460 section 4.5): once for each domain and kind of policy,
 * and of TLSA for each host. `text`: lines, each ended by LF,
 * of printable ASCII. */
struct store_policy {
	char domain[EVIDENCE_NAME_MOST]; /* the Policy Domain; of TLSA where the records are */
	size_t len;
	char text[STORE_POLICY_MOST];    /* `len` octets of it */
};
MUST_CHECK bool store_route_policy_get(struct store_route *s, int64_t day, const struct policy_result *result,
				       struct store_policy *p);
/* The first of a day stays. */
void store_route_policy_put(struct store_route *s, int64_t day, const struct policy_result *result,
			    const struct store_policy *p);

/* Whether the report of that day about that domain went to that URI. */
bool store_route_was_sent(struct store_route *s, int64_t day, const char *domain, const char *uri);
/* It has. False where that could not be written, which was logged. */
MUST_CHECK bool store_route_sent(struct store_route *s, int64_t day, const char *domain, const char *uri);

#endif
