#include "edge/edge_route.h"

#include "base/must.h"
#include "edge/session.h"

#include <stdlib.h>
#include <stdio.h>
#include <unistd.h>

/* Over what `route` itself takes at the most; it answers before, unless it is lost. */
#define PATIENCE_MSEC 5000
/* Octets of the partners' database on their way to us. */
#define TABLE_MOST (64 * 1024 * 1024)

struct edge_route {
	struct edge *edge;
	uint32_t next_id;
	struct route_ask *asks; /* under way */
	unsigned ask_count;
	struct policy_table *rules;
	bool known;             /* all rules are known: those of the database have come, or there can be none */
};

struct edge_route *edge_route_new(struct edge *e)
{
	struct edge_route *r = mem_new(sizeof(*r));
	struct why why;

	r->edge = e;
	r->rules = plan_rules_with(e->plan, SPAN(""), 0, &why);
	r->known = !conf_has_database(e->plan->conf);
	return r;
}

void edge_route_free(struct edge_route *r)
{
	must(r->asks == NULL);
	policy_table_release(r->rules);
	free(r);
}

struct policy_table *edge_route_rules(const struct edge *e)
{
	return e->route->rules;
}

bool edge_route_knows_rules(const struct edge *e)
{
	return e->route->known;
}

/* --- questions --- */

static void unlink_ask(struct edge_route *r, struct route_ask *a)
{
	struct route_ask **at = &r->asks;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	a->next = NULL;
	a->id = 0;
	r->ask_count--;
}

/* `e`: taken; NULL in answer to a question for a responder. */
static void answer(struct edge_route *r, struct route_ask *a, struct policy_evidence *e)
{
	unlink_ask(r, a);
	a->done = true;
	if (a->for_evidence)
		a->answer = evidence_held_new(e);
}

static struct policy_evidence *no_evidence(const char *domain, const char *trouble)
{
	struct policy_evidence *e = policy_evidence_new(0, 0);

	e->dns = EVIDENCE_DNS_FAILED;
	snprintf(e->domain, sizeof(e->domain), "%s", domain);
	snprintf(e->trouble, sizeof(e->trouble), "%s", trouble);
	return e;
}

static bool tell(struct edge *e, const struct policy_message *m)
{
	struct buf octets;
	bool sent;

	buf_init(&octets, POLICY_MESSAGE_MOST);
	policy_message_encode(m, &octets);
	sent = e->tell_route != NULL && e->tell_route(e, buf_peek(&octets));
	buf_free(&octets);
	return sent;
}

/* False: nobody can be asked now. */
static bool ask(struct session *s, struct route_ask *a, struct policy_message *m)
{
	struct edge *e = s->edge;
	struct edge_route *r = e->route;

	must(a->id == 0 && !a->done);
	m->id = ++r->next_id != 0 ? r->next_id : ++r->next_id;
	a->session = s;
	if (r->ask_count >= EDGE_ROUTE_ASKS_MOST || !tell(e, m)) {
		a->done = true;
		return false;
	}
	a->id = m->id;
	a->until = e->now + s->plan->conf->route.timeout + PATIENCE_MSEC;
	a->next = r->asks;
	r->asks = a;
	r->ask_count++;
	return true;
}

void edge_route_ask(struct session *s, struct route_ask *a, const char *domain)
{
	struct policy_message m = { .kind = POLICY_ASK };

	a->for_evidence = true;
	snprintf(m.domain, sizeof(m.domain), "%s", domain);
	if (!ask(s, a, &m))
		a->answer = evidence_held_new(no_evidence(domain, "names can't be looked up at the moment"));
}

void edge_route_ask_ocsp(struct session *s, struct route_ask *a, const char *url, struct span request)
{
	struct policy_message m = { .kind = POLICY_OCSP_ASK, .der = request };

	a->for_evidence = false;
	buf_init(&a->octets, POLICY_OCSP_MOST);
	snprintf(m.url, sizeof(m.url), "%s", url);
	(void)!ask(s, a, &m);
}

bool edge_route_has_answer(const struct route_ask *a)
{
	return a->done;
}

void edge_route_forget(struct edge *e, struct route_ask *a)
{
	if (a->id != 0)
		unlink_ask(e->route, a);
	evidence_held_release(a->answer);
	if (!a->for_evidence)
		buf_free(&a->octets);
	*a = (struct route_ask){ 0 };
}

static void give_up(struct edge_route *r, struct route_ask *a, const char *trouble)
{
	answer(r, a, a->for_evidence ? no_evidence("", trouble) : NULL);
}

void edge_route_late(struct edge *e, struct route_ask *a)
{
	must(a->id != 0);
	give_up(e->route, a, "no answer of the process that looks up names");
}

static struct route_ask *find(struct edge_route *r, uint32_t id)
{
	struct route_ask *a = r->asks;

	while (a != NULL && a->id != id)
		a = a->next;
	return a;
}

static void take_evidence(struct edge_route *r, struct policy_message *m)
{
	struct route_ask *a = find(r, m->id);

	/* Its session may have ended meanwhile. */
	if (a == NULL || !a->for_evidence) {
		policy_evidence_free(m->evidence);
		return;
	}
	answer(r, a, m->evidence);
	session_run(a->session);
}

static void take_ocsp(struct edge_route *r, const struct policy_message *m)
{
	struct route_ask *a = find(r, m->id);

	if (a == NULL || a->for_evidence)
		return;
	must(buf_put(&a->octets, m->der));
	answer(r, a, NULL);
	session_run(a->session);
}

/* --- the partners' table --- */

static void use_table(struct edge_route *r, struct span octets, uint64_t generation)
{
	struct why why = { .fault = FAULT_NONE };
	struct policy_table *fresh = plan_rules_with(r->edge->plan, octets, generation, &why);

	/* Without some of them mail could go at a weaker level (law 6). */
	if (why.fault != FAULT_NONE) {
		log_event("partners", "the rules of the database can't be taken over: %s", why.text);
		policy_table_release(fresh);
		return;
	}
	policy_table_release(r->rules);
	r->rules = fresh;
	r->known = true;
}

/* The sandbox has no call for the size of a file. */
static bool read_table(int fd, struct buf *octets)
{
	char piece[64 * 1024];
	ssize_t n;

	do {
		n = pread(fd, piece, sizeof(piece), (off_t)buf_used(octets));
		if (n > 0 && !buf_put(octets, span_of(piece, (size_t)n)))
			return false;
	} while (n > 0);
	return n == 0;
}

/* The last that comes counts, whatever its number: a database that was put back from a copy has an older one. */
static void take_table(struct edge_route *r, uint64_t generation, int fd)
{
	struct buf octets;

	if (fd < 0) {
		log_event("partners", "the rules of the database came without their descriptor");
		return;
	}
	buf_init(&octets, TABLE_MOST);
	if (read_table(fd, &octets))
		use_table(r, buf_peek(&octets), generation);
	else
		log_event("partners", "the rules of the database can't be taken over");
	buf_free(&octets);
}

/* --- the line --- */

static void take(struct edge_route *r, struct policy_message *m, int fd)
{
	switch (m->kind) {
	case POLICY_EVIDENCE:
		take_evidence(r, m);
		break;
	case POLICY_TABLE:
		take_table(r, m->table_generation, fd);
		break;
	case POLICY_OCSP_ANSWER:
		take_ocsp(r, m);
		break;
	case POLICY_ASK:
	case POLICY_RESULT:
	case POLICY_OCSP_ASK:
		log_event("route", "message %d is not for an edge", m->kind);
		break;
	}
}

bool edge_route_message(struct edge *e, struct span octets, int fd)
{
	struct policy_message m;
	struct why why;
	bool fine = policy_message_decode(octets, &m, &why);

	if (fine)
		take(e->route, &m, fd);
	else
		log_event("route", "%s", why.text);
	if (fd >= 0)
		close(fd);
	return fine;
}

void edge_route_lost(struct edge *e)
{
	struct edge_route *r = e->route;

	while (r->asks != NULL) {
		struct route_ask *a = r->asks;

		give_up(r, a, "the process that looks up names was lost");
		session_run(a->session);
	}
}

void edge_route_result(struct edge *e, const struct policy_result *result)
{
	struct policy_message m = { .kind = POLICY_RESULT, .result = *result };

	/* A figure that is lost costs less than a mail that waits for it. */
	(void)tell(e, &m);
}
