/* route/route_fetch.h
 * HTTP and HTTPS, by libcurl on our loop: MTA-STS policies, OCSP, TLS reports. Nothing goes round the rest of the process:
 * names are looked up by route_dns (so by the configured resolver, and without private addresses unless they are
 * allowed), no proxy, no redirect, no cookie, no credentials, no compression, TLS 1.2 or newer, and the certificate must have the
 * name of the URL as a DNS name of its subjectAltName, below the roots of the configuration (`sts_ca`) or of the system. */
#ifndef ROUTE_FETCH_H
#define ROUTE_FETCH_H

#include "conf/conf.h"
#include "io/loop.h"
#include "route/route_dns.h"

#define ROUTE_FETCHES_MOST 256 /* that wait for an answer at once; more are refused */

struct route_fetcher;

/* Reads the roots: before a sandbox. All three are borrowed. NULL with `why`. */
MUST_CHECK struct route_fetcher *route_fetcher_new(struct loop *loop, struct route_dns *dns, const struct conf_route *conf,
						   struct why *why);
void route_fetcher_free(struct route_fetcher *f); /* what is under way is dropped, its `done` not called */

struct route_fetch_ask {
	const char *url;          /* "https://host[:port]/path", or "http://..." with `plain` */
	bool plain;               /* http is allowed */
	bool post;                /* with `body`; else GET */
	struct span body;         /* borrowed until `done` */
	const char *content_type; /* of the body */
	const char *want_type;    /* media type that an answer of status 200 must have, parameters apart; NULL: any */
	size_t most;              /* octets of the answer's body; a longer one is a failure */
	msec patience;            /* for all of it, name and connection included */
};

struct route_fetch_answer {
	bool got;           /* there was a whole answer, of whatever status (a redirect is one) */
	int status;         /* of HTTP, where got */
	struct span body;   /* valid until `done` returns */
	bool untrusted;     /* where not got: nobody vouches for the server, or for its name */
	struct why why;     /* where not got, printable ASCII: FAULT_PEER; FAULT_SYSTEM where it is no fault of theirs */
};

typedef void route_fetch_done(void *arg, const struct route_fetch_answer *a);

/* `done` is called once, from the loop, never before this returns. All texts but the body are copied. */
struct route_fetch *route_fetch(struct route_fetcher *f, const struct route_fetch_ask *ask, route_fetch_done *done, void *arg);
/* Before `done` was called, or not at all. */
void route_fetch_cancel(struct route_fetch *one);

#endif
