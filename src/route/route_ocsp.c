#include "route/route_ocsp.h"

#include "base/log.h"
#include "base/must.h"
#include "policy/policy_message.h"

#include <stdlib.h>
#include <string.h>

#define REQUEST_MOST 1024

struct waiter {
	route_ocsp_done *done;
	void *arg;
};

/* A request and what came of it. */
struct kept {
	struct route_ocsp *ocsp;
	struct kept *next;
	char *url;
	struct buf request, response;
	struct route_fetch *fetch; /* under way */
	msec until;                /* what came is good until then */
	struct waiter *waiters;
	unsigned waiter_count;
};

struct route_ocsp {
	struct loop *loop;
	struct route_fetcher *fetcher;
	struct kept *all;
	unsigned count;
};

struct route_ocsp *route_ocsp_new(struct loop *loop, struct route_fetcher *fetcher)
{
	struct route_ocsp *o = mem_new(sizeof(*o));

	*o = (struct route_ocsp){ .loop = loop, .fetcher = fetcher };
	return o;
}

static void free_kept(struct kept *k)
{
	if (k->fetch != NULL)
		route_fetch_cancel(k->fetch);
	buf_free(&k->request);
	buf_free(&k->response);
	free(k->waiters);
	free(k->url);
	free(k);
}

void route_ocsp_free(struct route_ocsp *o)
{
	while (o != NULL && o->all != NULL) {
		struct kept *k = o->all;

		o->all = k->next;
		free_kept(k);
	}
	free(o);
}

static void drop_old(struct route_ocsp *o)
{
	struct kept **at = &o->all;

	while (*at != NULL) {
		struct kept *k = *at;

		if (k->fetch != NULL || k->until > loop_now(o->loop)) {
			at = &k->next;
			continue;
		}
		*at = k->next;
		o->count--;
		free_kept(k);
	}
}

static struct kept *find(const struct route_ocsp *o, const char *url, struct span request)
{
	struct kept *k = o->all;

	while (k != NULL && !(span_eq(buf_peek(&k->request), request) && strcmp(k->url, url) == 0))
		k = k->next;
	return k;
}

static void log_failed(const struct kept *k, const struct route_fetch_answer *a)
{
	struct log_line l;

	log_begin(&l, "ocsp-failed");
	log_text(&l, "url", k->url);
	if (a->got)
		log_int(&l, "status", a->status);
	else
		log_text(&l, "why", a->why.text);
	log_end(&l);
}

static void on_fetched(void *arg, const struct route_fetch_answer *a)
{
	struct kept *k = arg;
	bool good = a->got && a->status == 200 && a->body.len > 0 && buf_put(&k->response, a->body);
	struct waiter *waiters = k->waiters;
	unsigned count = k->waiter_count;

	k->fetch = NULL;
	k->waiters = NULL;
	k->waiter_count = 0;
	k->until = loop_now(k->ocsp->loop) + (good ? ROUTE_OCSP_FRESH : ROUTE_OCSP_FAILED);
	if (!good)
		log_failed(k, a);
	/* Whoever is told may ask again: nothing is dropped before its time, and its time has just begun. */
	for (unsigned i = 0; i < count; i++)
		waiters[i].done(waiters[i].arg, buf_peek(&k->response));
	free(waiters);
}

static struct kept *start(struct route_ocsp *o, const char *url, struct span request)
{
	struct route_fetch_ask ask = {
		.url = url, .plain = true, .post = true, .content_type = "application/ocsp-request",
		.want_type = "application/ocsp-response", .most = POLICY_OCSP_MOST, .patience = ROUTE_OCSP_PATIENCE,
	};
	struct kept *k;

	if (!span_starts_nocase(span_str(url), SPAN("http://")) || request.len == 0 || request.len > REQUEST_MOST ||
	    o->count >= ROUTE_OCSP_KEPT_MOST)
		return NULL;
	k = mem_new(sizeof(*k));
	*k = (struct kept){ .ocsp = o, .next = o->all, .url = mem_text(url) };
	buf_init(&k->request, REQUEST_MOST);
	buf_init(&k->response, POLICY_OCSP_MOST);
	must(buf_put(&k->request, request));
	ask.body = buf_peek(&k->request);
	k->fetch = route_fetch(o->fetcher, &ask, on_fetched, k);
	o->all = k;
	o->count++;
	return k;
}

void route_ocsp_ask(struct route_ocsp *o, const char *url, struct span request, route_ocsp_done *done, void *arg)
{
	struct kept *k;

	drop_old(o);
	k = find(o, url, request);
	if (k == NULL)
		k = start(o, url, request);
	if (k == NULL || k->waiter_count >= ROUTE_OCSP_WAITERS_MOST) {
		done(arg, SPAN(""));
		return;
	}
	if (k->fetch == NULL) {
		done(arg, buf_peek(&k->response));
		return;
	}
	k->waiters = mem_grow(k->waiters, (k->waiter_count + 1) * sizeof(*k->waiters));
	k->waiters[k->waiter_count++] = (struct waiter){ done, arg };
}
