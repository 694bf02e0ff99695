/* route/route_ocsp.h
 * OCSP responses for the edges, which can't fetch: by plain HTTP, as RFC 6960 has it (they are signed). What comes back is
 * not looked at here: whoever asked checks it. */
#ifndef ROUTE_OCSP_H
#define ROUTE_OCSP_H

#include "io/loop.h"
#include "route/route_fetch.h"

#define ROUTE_OCSP_KEPT_MOST 512       /* responses kept, under way ones included; more are not fetched */
#define ROUTE_OCSP_WAITERS_MOST 1024   /* for one response */
#define ROUTE_OCSP_PATIENCE 5000       /* ms */
#define ROUTE_OCSP_FRESH (5 * 60000)   /* ms that a response is given out again */
#define ROUTE_OCSP_FAILED 30000        /* ms that nobody is asked again where none could be had */

struct route_ocsp;

struct route_ocsp *route_ocsp_new(struct loop *loop, struct route_fetcher *fetcher);
void route_ocsp_free(struct route_ocsp *o); /* who still waits is not told */

/* `done` is called once, at once or from the loop; empty: none could be had. The response is valid until it returns. URLs that
 * are not http, and requests above 1 KB, are not fetched. */
typedef void route_ocsp_done(void *arg, struct span response);
void route_ocsp_ask(struct route_ocsp *o, const char *url, struct span request, route_ocsp_done *done, void *arg);

#endif
