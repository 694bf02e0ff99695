#include "route/route_lines.h"

#include "base/log.h"
#include "base/must.h"
#include "ipc/ipc_line.h"
#include "policy/policy_message.h"
#include "policy/policy_name.h"
#include "route/route_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Of one edge, before the others have their turn. */
#define MESSAGES_A_TURN 64

/* A question under way. */
struct ask {
	struct line *line;
	struct ask *prev, *next;
	uint32_t id;
	bool ocsp;
};

struct line {
	struct route_lines *lines;
	struct line *next;
	uint32_t edge;
	int fd;                   /* -1: closed; it waits for the answers that nobody wants any more */
	struct loop_watch *watch;
	struct ask *asks;
	unsigned ask_count, ocsp_count;
	bool overrun;             /* that it does not read was logged */
	bool table_owed;          /* it has not had the partners' table as it is now */
};

struct route_lines {
	struct route_lines_from from;
	struct line *all;
	unsigned count;           /* of those that are open */
	struct buf in;
};

struct route_lines *route_lines_new(const struct route_lines_from *from)
{
	struct route_lines *l = mem_new(sizeof(*l));

	l->from = *from;
	buf_init(&l->in, POLICY_MESSAGE_MOST);
	return l;
}

unsigned route_lines_count(const struct route_lines *l)
{
	return l->count;
}

static void free_line(struct line *line)
{
	while (line->asks != NULL) {
		struct ask *a = line->asks;

		line->asks = a->next;
		free(a);
	}
	free(line);
}

static void unlink_line(struct line *line)
{
	struct line **at = &line->lines->all;

	while (*at != line)
		at = &(*at)->next;
	*at = line->next;
}

static void hang_up(struct line *line)
{
	if (line->fd < 0)
		return;
	loop_unwatch(line->watch);
	close(line->fd);
	line->fd = -1;
	line->lines->count--;
}

/* The last that is done with a line frees it. */
static void let_go(struct line *line)
{
	if (line->fd >= 0 || line->asks != NULL)
		return;
	unlink_line(line);
	free_line(line);
}

void route_lines_free(struct route_lines *l)
{
	while (l != NULL && l->all != NULL) {
		struct line *line = l->all;

		hang_up(line);
		l->all = line->next;
		free_line(line);
	}
	if (l != NULL)
		buf_free(&l->in);
	free(l);
}

static struct ask *ask_new(struct line *line, uint32_t id, bool ocsp)
{
	struct ask *a = mem_new(sizeof(*a));

	*a = (struct ask){ .line = line, .next = line->asks, .id = id, .ocsp = ocsp };
	if (line->asks != NULL)
		line->asks->prev = a;
	line->asks = a;
	line->ask_count++;
	line->ocsp_count += ocsp;
	return a;
}

static void ask_free(struct ask *a)
{
	struct line *line = a->line;

	*(a->prev != NULL ? &a->prev->next : &line->asks) = a->next;
	if (a->next != NULL)
		a->next->prev = a->prev;
	line->ask_count--;
	line->ocsp_count -= a->ocsp;
	free(a);
}

static bool send_message(struct line *line, const struct policy_message *m, int fd)
{
	struct buf out;
	struct why why;
	bool sent;

	if (line->fd < 0)
		return false;
	buf_init(&out, POLICY_MESSAGE_MOST);
	policy_message_encode(m, &out);
	sent = ipc_line_send(line->fd, buf_peek(&out), fd, &why);
	if (!sent && !line->overrun)
		log_event("answer-lost", "edge %u: %s", line->edge, why.text);
	line->overrun = !sent;
	buf_free(&out);
	return sent;
}

static void send_evidence(struct line *line, uint32_t id, const struct policy_evidence *e)
{
	/* encode borrows it */
	struct policy_message m = { .kind = POLICY_EVIDENCE, .id = id, .evidence = (struct policy_evidence *)e };

	(void)send_message(line, &m, -1);
}

static void on_evidence(void *arg, const struct policy_evidence *e)
{
	struct ask *a = arg;
	struct line *line = a->line;

	send_evidence(line, a->id, e);
	ask_free(a);
	let_go(line);
}

static void refuse(struct line *line, const struct policy_message *m, const char *trouble)
{
	struct policy_evidence *e = policy_evidence_new(0, 0);

	snprintf(e->domain, sizeof(e->domain), "%s", m->domain);
	snprintf(e->trouble, sizeof(e->trouble), "%s", trouble);
	e->dns = EVIDENCE_DNS_FAILED;
	e->found_at = e->good_until = (int64_t)time(NULL);
	send_evidence(line, m->id, e);
	policy_evidence_free(e);
}

static void take_ask(struct line *line, const struct policy_message *m)
{
	if (line->ask_count >= ROUTE_LINE_ASKS_MOST)
		refuse(line, m, "too many look-ups at once");
	else if (!policy_name_ok(span_str(m->domain)))
		refuse(line, m, "an address can't be looked up");
	else
		route_look_up(line->lines->from.route, m->domain, on_evidence, ask_new(line, m->id, false));
}

static void send_response(struct line *line, uint32_t id, struct span response)
{
	struct policy_message m = { .kind = POLICY_OCSP_ANSWER, .id = id, .der = response };

	(void)send_message(line, &m, -1);
}

static void on_response(void *arg, struct span response)
{
	struct ask *a = arg;
	struct line *line = a->line;

	send_response(line, a->id, response);
	ask_free(a);
	let_go(line);
}

static void take_ocsp(struct line *line, const struct policy_message *m)
{
	if (line->ocsp_count >= ROUTE_LINE_OCSP_MOST)
		send_response(line, m->id, SPAN(""));
	else
		route_ocsp_ask(line->lines->from.ocsp, m->url, m->der, on_response, ask_new(line, m->id, true));
}

/* A host that did without TLS once has broken its row only where the message was delivered all the same: whoever takes TLS
 * away to have a message deferred must not have it forgotten that way. */
static void take_result(struct route_lines *l, const struct policy_result *r)
{
	int64_t now = (int64_t)time(NULL);

	if (r->host[0] != '\0' && (r->tls || r->delivered))
		store_route_saw(l->from.store, r->host, r->tls, now);
	if (l->from.conf->tlsrpt)
		route_report_count(l->from.store, route_known(l->from.route, r->domain), r, now);
}

/* False where an edge may not say that. */
static bool take_message(struct line *line, const struct policy_message *m)
{
	switch (m->kind) {
	case POLICY_ASK:
		take_ask(line, m);
		return true;
	case POLICY_OCSP_ASK:
		take_ocsp(line, m);
		return true;
	case POLICY_RESULT:
		take_result(line->lines, &m->result);
		return true;
	case POLICY_EVIDENCE:
		policy_evidence_free(m->evidence);
		return false;
	case POLICY_OCSP_ANSWER:
	case POLICY_TABLE:
		return false;
	}
	return false;
}

static bool take_octets(struct line *line, struct span octets, int fd, struct why *why)
{
	struct policy_message m = { 0 };

	if (fd >= 0) {
		close(fd);
		why_set(why, FAULT_PEER, "a descriptor that nobody asked for");
		return false;
	}
	if (!policy_message_decode(octets, &m, why))
		return false;
	if (take_message(line, &m))
		return true;
	why_set(why, FAULT_PEER, "message %d, which is not for us", m.kind);
	return false;
}

/* True where there may be more. */
static bool receive(struct line *line)
{
	struct route_lines *l = line->lines;
	struct why why;
	bool good;
	int fd;

	switch (ipc_line_receive(line->fd, &l->in, &fd)) {
	case IPC_LINE_NOTHING:
		return false;
	case IPC_LINE_END:
		hang_up(line);
		return false;
	case IPC_LINE_MESSAGE:
		break;
	}
	good = take_octets(line, buf_peek(&l->in), fd, &why);
	buf_consume(&l->in, buf_used(&l->in));
	if (good)
		return true;
	log_event("line-bad", "edge %u: %s", line->edge, why.text);
	hang_up(line);
	return false;
}

static void on_line(void *arg, unsigned what)
{
	struct line *line = arg;

	(void)what;
	/* A line that is open is freed by nobody. */
	for (int i = 0; i < MESSAGES_A_TURN; i++) {
		if (!receive(line))
			break;
	}
	let_go(line);
}

static void send_table(struct line *line)
{
	struct policy_message m = { .kind = POLICY_TABLE };
	int fd = route_partners_octets(line->lines->from.partners, &m.table_generation);

	if (fd >= 0)
		line->table_owed = !send_message(line, &m, fd);
}

void route_lines_send_table(struct route_lines *l)
{
	for (struct line *line = l->all; line != NULL; line = line->next)
		send_table(line);
}

void route_lines_catch_up(struct route_lines *l)
{
	for (struct line *line = l->all; line != NULL; line = line->next) {
		if (line->table_owed && line->fd >= 0)
			send_table(line);
	}
}

void route_lines_take(struct route_lines *l, uint32_t edge, int fd)
{
	struct line *line;

	if (l->count >= ROUTE_LINES_MOST) {
		log_event("line-bad", "edge %u: there are %d lines already", edge, ROUTE_LINES_MOST);
		close(fd);
		return;
	}
	line = mem_new(sizeof(*line));
	*line = (struct line){ .lines = l, .next = l->all, .edge = edge, .fd = fd };
	line->watch = loop_watch_read(l->from.loop, fd, on_line, line);
	l->all = line;
	l->count++;
	send_table(line);
}
