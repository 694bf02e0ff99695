#include "harness/world.h"

#include "base/must.h"
#include "edge/edge_route.h"
#include "edge/session.h"
#include "harness/world_tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define LOG_MOST (16 * 1024 * 1024)
/* Turns without a stop that no honest conversation needs. */
#define TURNS_MOST 100000000
/* Deadline after deadline at one moment: a timer that rings for ever. */
#define TICKS_MOST 10000

static struct world *logged;

static void log_line(struct span line)
{
	if (logged != NULL)
		must(buf_put(&logged->log, line));
}

static void complain(struct world *w, const char *what, const struct session *s)
{
	if (w->wrong[0] == '\0')
		snprintf(w->wrong, sizeof(w->wrong), "%s (session in phase %s)", what,
			 phase_name(s->phase));
}

/* --- birth --- */

struct plan *world_plan(const char *yaml, struct shared *shared, char *wrong, size_t size)
{
	struct conf_source *source = conf_source_memory();
	struct conf_report report;
	struct plan *plan = NULL;
	struct conf *conf;

	conf_source_put(source, "world.yaml", span_str(yaml));
	world_tls_files(source);
	conf_report_init(&report, "world.yaml");
	conf = conf_load(source, "world.yaml", &report);
	if (conf != NULL)
		plan = plan_build(conf, source, shared_tickets(shared), time(NULL), 1, &report);
	if (plan == NULL)
		snprintf(wrong, size, "%s", report.text != NULL ? report.text : "");
	conf_report_free(&report);
	conf_source_free(source);
	return plan;
}

static struct world_peer *new_peer(struct world *w, bool client)
{
	struct world_peer *p = mem_new(sizeof(*p));
	struct world_peer **last = &w->peers;

	while (*last != NULL)
		last = &(*last)->next;
	*last = p;
	p->world = w;
	p->client = client;
	p->number = client ? ++w->client_count : ++w->upstream_count;
	stream_pipe_init(&p->pipe, w->window_in, w->window_out);
	stream_init(&p->stream);
	buf_init(&p->got, WORLD_GOT_MOST);
	buf_init(&p->raw, LOG_MOST);
	buf_init(&p->after_tls, LOG_MOST);
	return p;
}

static void open_stream(struct world_peer *p)
{
	stream_open_pipe(&p->stream, &p->pipe, false);
	/* The ceiling it has from birth is made for the gateway. */
	p->stream.out.most = WORLD_GOT_MOST;
	if (p->tls != NULL)
		stream_hold(&p->stream);
}

static enum dial dial(struct edge *e, struct leg *leg, const struct addr *to, struct stream *into,
		      struct loop_watch **watch, struct why *why)
{
	struct world *w = (struct world *)e;
	struct world_peer *p = new_peer(w, false);

	(void)watch;
	p->at = *to;
	snprintf(p->sid, sizeof(p->sid), "%s", leg->session->sid);
	if (w->on_dial != NULL)
		p->fate = w->on_dial(w, p);
	switch (p->fate) {
	case WORLD_ACCEPTED:
		break;
	case WORLD_REFUSED:
		why_set(why, FAULT_PEER, "connecting: Connection refused");
		return DIAL_FAILED;
	case WORLD_HANGING:
		return DIAL_LATER;
	}
	stream_open_pipe(into, &p->pipe, true);
	open_stream(p);
	return DIAL_NOW;
}

/* What an edge tells the process `route`: its questions are the talk's to answer, its results are seen in the log. */
static bool tell_route(struct edge *e, struct span octets)
{
	struct world *w = (struct world *)e;
	struct policy_message m;
	struct log_line line;
	struct why why;

	must(policy_message_decode(octets, &m, &why));
	if (m.kind == POLICY_ASK)
		return w->on_ask != NULL && w->on_ask(w, m.id, m.domain);
	must(m.kind == POLICY_RESULT);
	log_begin(&line, "told-route");
	log_text(&line, "domain", m.result.domain);
	log_text(&line, "host", m.result.host);
	log_text(&line, "type", policy_result_name(m.result.type));
	log_int(&line, "policy", m.result.policy);
	log_int(&line, "tls", m.result.tls);
	log_int(&line, "delivered", m.result.delivered);
	log_end(&line);
	return true;
}

void world_evidence(struct world *w, uint32_t id, struct policy_evidence *e)
{
	struct policy_message m = { .kind = POLICY_EVIDENCE, .id = id, .evidence = e };
	struct buf octets;

	buf_init(&octets, POLICY_MESSAGE_MOST);
	policy_message_encode(&m, &octets);
	policy_evidence_free(e);
	must(edge_route_message(&w->edge, buf_peek(&octets), -1));
	buf_free(&octets);
}

/* Hosts with names get addresses of their own: the first 192.0.2.101, and so on. */
static void resolve(struct world *w)
{
	unsigned n = 100;

	for (size_t u = 0; u < w->edge.plan->upstream_count; u++) {
		const struct plan_upstream *plan = &w->edge.plan->upstreams[u];

		for (size_t h = 0; h < plan->host_count; h++) {
			struct addr addr;
			char text[32];

			if (plan->hosts[h].literal)
				continue;
			snprintf(text, sizeof(text), "192.0.2.%u", ++n);
			must(addr_read_host(span_str(text), plan->hosts[h].port, &addr));
			upstream_set_addrs(&w->edge.upstreams[u], h, &addr, 1);
		}
	}
}

/* The database of partners is empty. */
static void know_rules(struct world *w)
{
	struct policy_message m = { .kind = POLICY_TABLE, .table_generation = 1 };
	struct buf octets;

	if (edge_route_knows_rules(&w->edge))
		return;
	buf_init(&octets, POLICY_MESSAGE_MOST);
	policy_message_encode(&m, &octets);
	must(edge_route_message(&w->edge, buf_peek(&octets), memfd_create("rules", MFD_CLOEXEC)));
	buf_free(&octets);
}

void world_init(struct world *w, struct plan *plan, struct shared *shared, uint64_t seed)
{
	*w = (struct world){
		.shared = shared, .cut_at = UINT64_MAX, .piece = WORLD_WHOLE,
		.window_in = WORLD_WINDOW, .window_out = WORLD_WINDOW,
	};
	edge_init(&w->edge, plan, shared, 0, seed);
	w->edge.dial = dial;
	w->edge.tell_route = tell_route;
	know_rules(w);
	w->edge.now = 1000000;
	w->edge.wall = time(NULL);
	buf_init(&w->log, LOG_MOST);
	resolve(w);
	logged = w;
	log_set_sink(log_line);
}

struct world_peer *world_call(struct world *w, size_t service, bool implicit)
{
	struct world_peer *p = new_peer(w, true);
	struct addr local;
	char from[32];

	snprintf(from, sizeof(from), "192.0.2.%u:%u", 200 + p->number % 50, 50000 + p->number);
	must(addr_read(span_str(from), &p->at));
	must(addr_read(SPAN("192.0.2.250:25"), &local));
	p->session = session_new(&w->edge, &w->edge.plan->services[service], implicit, &p->at, &local);
	snprintf(p->sid, sizeof(p->sid), "%s", p->session->sid);
	stream_open_pipe(&p->session->client, &p->pipe, true);
	open_stream(p);
	if (w->on_call != NULL) {
		w->on_call(w, p->session);
		session_run(p->session);
	} else {
		session_begin(p->session);
	}
	return p;
}

struct world_peer *world_find(const struct world *w, bool client, unsigned number)
{
	struct world_peer *p = w->peers;

	while (p != NULL && (p->client != client || p->number != number))
		p = p->next;
	return p;
}

/* --- peers --- */

void world_say(struct world_peer *p, struct span text)
{
	must(p->stream.open);
	/* What follows on the heels of a handshake goes through TLS. */
	must(buf_put(p->tls != NULL ? &p->after_tls : &p->stream.out, text));
}

void world_say_raw(struct world_peer *p, struct span octets)
{
	must(p->stream.open && buf_put(&p->raw, octets));
}

void world_bye(struct world_peer *p, enum world_bye bye)
{
	p->bye = bye;
}

void world_start_tls(struct world_peer *p, struct tls_conn *tls)
{
	must(p->tls == NULL);
	p->tls = tls;
	if (p->stream.open)
		stream_hold(&p->stream);
}

static bool begin_tls(struct world_peer *p)
{
	struct why why;

	if (p->tls == NULL || !stream_flushed(&p->stream) || !p->stream.open)
		return false;
	/* The gateway may have hung up, or said more in clear: then this peer hangs up too. */
	if (!stream_start_tls(&p->stream, p->tls, &why)) {
		tls_conn_free(p->tls);
		stream_close(&p->stream);
	}
	p->tls = NULL;
	must(buf_put(&p->stream.out, buf_peek(&p->after_tls)));
	buf_free(&p->after_tls);
	return true;
}

/* How many octets may be under way to the gateway now. */
static void open_window(struct world_peer *p)
{
	struct world *w = p->world;
	uint64_t allow = w->sent < w->cut_at ? w->cut_at - w->sent : 0;
	size_t used = buf_used(&p->pipe.b_to_a);

	if (allow > w->piece)
		allow = w->piece;
	if (allow > w->window_in)
		allow = w->window_in;
	p->pipe.a_window = used + (size_t)allow < w->window_in ? used + (size_t)allow : w->window_in;
}

static void count(struct world_peer *p, size_t before)
{
	size_t moved = buf_used(&p->pipe.b_to_a) - before;

	p->world->sent += moved;
	for (size_t i = 0; p->world->tape != NULL && i < moved; i++)
		must(buf_put(p->world->tape, p->stream.tls != NULL ? SPAN("t") : SPAN("c")));
}

static bool send_raw(struct world_peer *p)
{
	size_t used = buf_used(&p->pipe.b_to_a);
	struct span some = span_first(buf_peek(&p->raw),
				      p->pipe.a_window > used ? p->pipe.a_window - used : 0);

	if (some.len == 0 || p->pipe.reset)
		return false;
	must(buf_put(&p->pipe.b_to_a, some));
	buf_consume(&p->raw, some.len);
	return true;
}

static bool send_some(struct world_peer *p)
{
	size_t before = buf_used(&p->pipe.b_to_a);
	bool moved;

	open_window(p);
	moved = stream_flush(&p->stream, p->world->edge.now);
	if (stream_flushed(&p->stream))
		moved |= send_raw(p);
	count(p, before);
	return moved;
}

/* A cut or narrow wire still has octets of ours in `stream.tls`: the end waits for them. */
static bool say_bye(struct world_peer *p)
{
	enum world_bye bye = p->bye;

	if (bye == WORLD_STAYS || p->tls != NULL || !stream_flushed(&p->stream) ||
	    buf_used(&p->raw) > 0 || p->stream.handshaking)
		return false;
	p->bye = WORLD_STAYS;
	switch (bye) {
	case WORLD_FIN:
		p->pipe.b_closed = true;
		break;
	case WORLD_CLOSE_NOTIFY:
		stream_finish(&p->stream);
		break;
	case WORLD_RESET:
		stream_abort(&p->stream);
		break;
	case WORLD_GONE:
		stream_close(&p->stream);
		break;
	case WORLD_STAYS:
		break;
	}
	return true;
}

static bool hear(struct world_peer *p)
{
	bool moved;

	if (p->deaf)
		return false;
	moved = stream_fill(&p->stream, p->world->edge.now);
	must(buf_put(&p->got, buf_peek(&p->stream.in)));
	buf_consume(&p->stream.in, buf_used(&p->stream.in));
	return moved;
}

static bool run_peers(struct world *w)
{
	bool moved = false;

	for (struct world_peer *p = w->peers; p != NULL; p = p->next) {
		if (!p->stream.open)
			continue;
		moved |= begin_tls(p);
		moved |= send_some(p);
		moved |= begin_tls(p);
		moved |= say_bye(p);
		if (p->stream.open)
			moved |= hear(p);
	}
	return moved;
}

/* --- sessions --- */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ (h >> 29);
}

static uint64_t mark_stream(uint64_t h, const struct stream *s)
{
	h = mix(h, s->open | s->shut_out << 1 | s->handshaking << 2 | (uint64_t)s->end << 3);
	h = mix(mix(h, s->bytes_in), s->bytes_out);
	h = mix(mix(h, buf_used(&s->in)), buf_used(&s->out));
	if (s->tls != NULL)
		h = mix(mix(h, buf_used(&s->tls->raw_in)), buf_used(&s->tls->raw_out));
	return h;
}

static uint64_t mark_session(uint64_t h, const struct session *s)
{
	h = mark_stream(mix(mix(h, s->phase), s->txns), &s->client);
	h = mix(mix(h, s->server.errors), s->server.rcpts);
	if (s->txn != NULL)
		h = mix(mix(h, s->txn->octets), s->txn->outcome);
	if (s->leg != NULL)
		h = mark_stream(mix(mix(h, s->leg->state), s->leg->await_count), &s->leg->stream);
	return h;
}

/* All that anybody could see moving. */
static uint64_t mark(const struct world *w)
{
	uint64_t h = mix(buf_used(&w->log), w->upstream_count);

	for (const struct session *s = w->edge.sessions; s != NULL; s = s->next)
		h = mark_session(h, s);
	for (const struct world_peer *p = w->peers; p != NULL; p = p->next) {
		h = mix(mix(h, buf_used(&p->pipe.a_to_b)), buf_used(&p->pipe.b_to_a));
		h = mix(h, p->pipe.a_closed | p->pipe.a_gone << 1 | p->pipe.reset << 2);
	}
	return h;
}

static void run_all(struct world *w)
{
	for (struct session *s = w->edge.sessions; s != NULL; s = s->next)
		session_run(s);
	for (int turns = 0; edge_run_again(&w->edge); turns++)
		must(turns < TURNS_MOST);
}

static void check_rest(struct world *w)
{
	for (struct session *s = w->edge.sessions; s != NULL; s = s->next) {
		uint64_t before = mark(w);

		session_run(s);
		if (mark(w) != before || w->edge.again != NULL)
			complain(w, "a lost wake-up: more could move after session_run", s);
	}
}

static void forget_reaped(struct world *w)
{
	for (struct world_peer *p = w->peers; p != NULL; p = p->next) {
		if (p->session != NULL && p->session->phase == PHASE_ENDED)
			p->session = NULL;
	}
}

static bool run_sessions(struct world *w)
{
	uint64_t before = mark(w);
	bool moved;

	run_all(w);
	check_rest(w);
	run_all(w);
	moved = mark(w) != before;
	forget_reaped(w);
	edge_reap(&w->edge);
	return moved;
}

static void check_limits(struct world *w)
{
	for (struct session *s = w->edge.sessions; s != NULL; s = s->next) {
		if (session_deadline(s) == MSEC_NEVER)
			complain(w, "nothing limits the wait", s);
	}
}

void world_settle(struct world *w)
{
	bool moved;
	int turns = 0;

	do {
		moved = run_peers(w);
		moved |= run_sessions(w);
		if (!moved && w->sent >= w->cut_at) {
			w->cut_at = UINT64_MAX;
			moved = true;
		}
		must(++turns < TURNS_MOST);
	} while (moved);
	check_limits(w);
}

/* --- time --- */

msec world_deadline(const struct world *w)
{
	msec at = MSEC_NEVER;

	for (const struct session *s = w->edge.sessions; s != NULL; s = s->next) {
		msec one = session_deadline(s);

		if (one < at)
			at = one;
	}
	return at;
}

void world_tick(struct world *w, msec now)
{
	if (now > w->edge.now) {
		w->edge.wall += now / 1000 - w->edge.now / 1000;
		w->edge.now = now;
	}
	for (struct session *s = w->edge.sessions; s != NULL; s = s->next) {
		if (session_deadline(s) > w->edge.now)
			continue;
		session_tick(s);
		/* The end of one wait may be past the limit of what comes after it: that is the next tick's. */
		if (s->phase != PHASE_ENDED && session_deadline(s) <= w->edge.now)
			session_tick(s);
		if (s->phase != PHASE_ENDED && session_deadline(s) <= w->edge.now)
			complain(w, "a limit that has passed changed nothing", s);
	}
}

void world_wait(struct world *w, msec duration)
{
	msec until = w->edge.now + duration;

	world_settle(w);
	for (int ticks = 0; world_deadline(w) <= until && ticks < TICKS_MOST; ticks++) {
		world_tick(w, world_deadline(w));
		world_settle(w);
	}
	world_tick(w, until);
	world_settle(w);
}

/* --- the end --- */

static void free_peer(struct world_peer *p)
{
	if (p->tls != NULL)
		tls_conn_free(p->tls);
	stream_abort(&p->stream);
	stream_pipe_free(&p->pipe);
	buf_free(&p->got);
	buf_free(&p->raw);
	buf_free(&p->after_tls);
	free(p);
}

void world_free(struct world *w)
{
	struct world_peer *next;

	w->piece = WORLD_WHOLE;
	w->cut_at = UINT64_MAX;
	for (struct world_peer *p = w->peers; p != NULL; p = p->next) {
		if (p->stream.open)
			stream_abort(&p->stream);
	}
	world_wait(w, 24 * 3600 * 1000);
	must(w->edge.sessions == NULL);
	edge_free(&w->edge);
	for (struct world_peer *p = w->peers; p != NULL; p = next) {
		next = p->next;
		free_peer(p);
	}
	buf_free(&w->log);
	logged = NULL;
}
