#include "sim/sim.h"

#include "base/must.h"
#include "edge/transparent.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS_MOST 3
#define ROUNDS_MOST 20000
#define FAILURES_MOST 20

#define TIMES "timeout_connect: 10s, timeout_greeting: 20s, timeout_command: 30s, timeout_data: 40s, timeout_final: 60s"
#define WORLD(tls, rest) WORLD_WITH(tls, "", rest)
#define WORLD_WITH(tls, more, rest) \
	"hostname: gw.example\n" \
	"certificates: { gw: { chain: gw.pem, key: gw.key } }\n" \
	"upstreams:\n  u: { hosts: [ '192.0.2.1:25', '192.0.2.2:25' ], tls: " tls \
	", ca: ca.pem, names: [ mx.example ], " TIMES more " }\n" \
	"services:\n  s:\n    listen: '127.0.0.1:25'\n    listen_tls: '127.0.0.1:465'\n" \
	"    upstream: u\n    timeout_command: 50s\n    timeout_data: 30s\n    timeout_session: 10m\n" rest

#define IN_THE_WAY(action) \
	"hostname: gw.example\n" \
	"certificates: { gw: { chain: gw.pem, key: gw.key } }\n" \
	"authorities: { a: { certificate: authority.pem, key: authority.key, " \
	"untrusted_certificate: untrusted.pem, untrusted_key: untrusted.key } }\n" \
	"actions: { open: { tls: terminate, ca: ca.pem, " action " } }\n" \
	"services:\n  s:\n    mode: transparent\n    action: open\n" \
	"    listen: '127.0.0.1:25'\n    listen_tls: '127.0.0.1:465'\n" \
	"    timeout_command: 50s\n    timeout_data: 30s\n    timeout_session: 10m\n"

#define OUTBOUND(rest) \
	"hostname: gw.example\n" \
	"certificates: { gw: { chain: gw.pem, key: gw.key } }\n" \
	"partners: { d3.example: { outbound: encrypt } }\n" \
	"upstreams:\n  f: { hosts: [ '192.0.2.9:25' ], tls: may, ca: ca.pem, names: [ mx.example ], " TIMES " }\n" \
	"services:\n  s:\n    mode: outbound\n    ca: ca.pem\n    listen: '127.0.0.1:25'\n" \
	"    listen_tls: '127.0.0.1:465'\n" \
	"    timeout_command: 50s\n    timeout_data: 30s\n    timeout_session: 30m\n" rest

const struct sim_plan sim_plans[] = {
	{ "none", WORLD("none", ""), false, false, false, 1000000, 1000, false, false },
	{ "may", WORLD("may", ""), false, false, false, 1000000, 1000, false, false },
	{ "may, small limits", WORLD("may", "    max_message_size: 8000\n    max_recipients: 2\n"
	  "    max_errors: 2\n"), false, false, false, 8000, 2, false, false },
	{ "encrypt", WORLD("encrypt", ""), true, false, false, 1000000, 1000, false, false },
	{ "verify", WORLD("verify", "    client_tls: encrypt\n"), true, true, true, 1000000, 1000, false, false },
	{ "mirror", WORLD("mirror", ""), false, false, false, 1000000, 1000, false, false },
	{ "no pool", WORLD_WITH("may", ", pool: 0", ""), false, false, false, 1000000, 1000, false, false },
	{ "transparent, minted", IN_THE_WAY("authority: a"), false, false, false, 1000000, 1000, true, false },
	{ "transparent, trusted or nothing", IN_THE_WAY("authority: a, on_untrusted: refuse, "
	  "client_tls: encrypt, upstream_tls: verify"),
	  true, true, true, 1000000, 1000, true, false },
	{ "transparent, own certificate", IN_THE_WAY("certificates: gw, upstream_tls: encrypt"), true, false, false,
	  1000000, 1000, true, false },
	{ "transparent, mirror", IN_THE_WAY("certificates: gw, upstream_tls: mirror"), false, false, false, 1000000,
	  1000, true, false },
	{ "outbound", OUTBOUND(""), false, false, false, 1000000, 1000, false, true },
	{ "outbound with a fallback", OUTBOUND("    fallback: f\n"), false, false, false, 1000000, 1000, false, true },
	{ "outbound with a fallback, small limits", OUTBOUND("    fallback: f\n    max_message_size: 8000\n"
	  "    max_recipients: 3\n"), false, false, false, 8000, 3, false, true },
};
const unsigned sim_plan_count = sizeof(sim_plans) / sizeof(sim_plans[0]);

static struct shared *shared;

uint32_t sim_rand(struct sim_rand *r, uint32_t below)
{
	uint64_t x = r->state += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	x ^= x >> 31;
	return below == 0 ? 0 : (uint32_t)(x >> 32) % below;
}

bool sim_chance(struct sim_rand *r, unsigned percent)
{
	return sim_rand(r, 100) < percent;
}

void sim_trace(const struct sim *s, const char *fmt, ...)
{
	va_list args;

	if (!s->verbose)
		return;
	va_start(args, fmt);
	printf("%8lld  ", (long long)(s->world.edge.now - 1000000));
	vprintf(fmt, args);
	if (fmt[0] == '\0' || fmt[strlen(fmt) - 1] != '\n')
		putchar('\n');
	va_end(args);
}

static bool run_upstreams(struct sim *s)
{
	bool moved = false;

	for (struct world_peer *p = s->world.peers; p != NULL; p = p->next) {
		if (!p->client)
			moved |= sim_upstream_run(s, p);
	}
	return moved;
}

static bool run_clients(struct sim_client **clients, unsigned count)
{
	bool moved = false;

	for (unsigned i = 0; i < count; i++)
		moved |= sim_client_run(clients[i]);
	return moved;
}

/* The next thing that happens by itself: a limit of the gateway, a slow upstream. */
static msec next_moment(const struct sim *s)
{
	msec at = world_deadline(&s->world);

	if (sim_route_next(s) < at)
		at = sim_route_next(s);
	for (const struct world_peer *p = s->world.peers; p != NULL; p = p->next) {
		msec one = p->client ? MSEC_NEVER : sim_upstream_next(p);

		if (one < at)
			at = one;
	}
	return at;
}

static void hear_again(struct sim *s)
{
	for (struct world_peer *p = s->world.peers; p != NULL; p = p->next)
		p->deaf = false;
}

/* Until every session has ended: peers act until nothing moves, then time goes on. */
static void play(struct sim *s, struct sim_client **clients, unsigned count)
{
	for (int round = 0; round < ROUNDS_MOST; round++) {
		bool moved;

		world_settle(&s->world);
		moved = run_clients(clients, count);
		moved |= run_upstreams(s);
		moved |= sim_route_run(s);
		if (s->broken[0] != '\0')
			return;
		if (moved)
			continue;
		if (s->world.edge.sessions == NULL)
			return;
		if (sim_chance(&s->rand, 30))
			hear_again(s);
		world_tick(&s->world, next_moment(s));
		world_settle(&s->world);
	}
	sim_break(s, "the sessions did not come to an end");
}

static void call_through(struct world *w, struct session *session)
{
	(void)w;
	must(addr_read(session->implicit ? SPAN("192.0.2.1:465") : SPAN("192.0.2.1:25"), &session->target));
	transparent_begin(session, false);
}

static void set_wire(struct sim *s)
{
	struct world *w = &s->world;

	if (sim_chance(&s->rand, 30))
		w->piece = 1 + sim_rand(&s->rand, 40);
	if (sim_chance(&s->rand, 30))
		w->window_in = 1 + sim_rand(&s->rand, 200);
	if (sim_chance(&s->rand, 30))
		w->window_out = 1 + sim_rand(&s->rand, 200);
	w->on_dial = sim_upstream_dial;
	w->on_ask = sim_route_ask;
	w->on_call = sim_plans[s->plan].transparent ? call_through : NULL;
}

static void free_all(struct sim *s, struct sim_client **clients, unsigned count)
{
	for (struct world_peer *p = s->world.peers; p != NULL; p = p->next) {
		if (!p->client)
			sim_upstream_free(p);
	}
	s->world.on_dial = NULL;
	for (unsigned i = 0; i < count; i++)
		sim_client_free(clients[i]);
	world_free(&s->world);
	for (unsigned i = 0; i < s->message_count; i++)
		buf_free(&s->messages[i].content);
}

/* Made anew for each seed: what one run has learned (sessions of TLS) must not change the next. */
static struct plan *make_plan(unsigned index)
{
	char wrong[1024];
	struct plan *plan = world_plan(sim_plans[index].yaml, shared, wrong, sizeof(wrong));

	if (plan == NULL) {
		fprintf(stderr, "sim: plan \"%s\": %s\n", sim_plans[index].name, wrong);
		exit(1);
	}
	return plan;
}

/* True where all laws held. */
static bool run_seed(uint64_t seed, bool verbose)
{
	struct sim_client *clients[CLIENTS_MOST];
	struct sim *s = mem_new(sizeof(*s));
	struct plan *plan;
	unsigned count;
	bool fine;

	s->seed = seed;
	s->rand.state = seed * 0x2545f4914f6cdd1du;
	s->plan = sim_rand(&s->rand, sim_plan_count);
	plan = make_plan(s->plan);
	world_init(&s->world, plan, shared, seed);
	s->verbose = verbose;
	set_wire(s);
	sim_trace(s, "plan \"%s\", pieces of %zu, windows %zu and %zu", sim_plans[s->plan].name,
		  s->world.piece, s->world.window_in, s->world.window_out);
	count = 1 + sim_rand(&s->rand, CLIENTS_MOST);
	for (unsigned i = 0; i < count; i++)
		clients[i] = sim_client_new(s);
	play(s, clients, count);
	if (s->broken[0] == '\0')
		sim_check(s);
	if (verbose)
		fwrite(buf_peek(&s->world.log).at, 1, buf_used(&s->world.log), stdout);
	fine = s->broken[0] == '\0';
	if (!fine)
		printf("seed %llu: %s\n", (unsigned long long)seed, s->broken);
	free_all(s, clients, count);
	plan_release(plan);
	free(s);
	return fine;
}

static int usage(void)
{
	fputs("usage: sim [FIRST COUNT]   runs COUNT seeds from FIRST on (1 20000)\n"
	      "       sim -v SEED         replays one and tells all of it\n", stderr);
	return 64;
}

int main(int argc, char **argv)
{
	uint64_t first = 1, count = 20000, played = 0, failed = 0;

	if (argc != 1 && argc != 3)
		return usage();
	shared = shared_private();
	tls_ticket_rotate(shared_tickets(shared));
	if (argc == 3 && strcmp(argv[1], "-v") == 0)
		return run_seed(strtoull(argv[2], NULL, 10), true) ? 0 : 1;
	if (argc == 3) {
		first = strtoull(argv[1], NULL, 10);
		count = strtoull(argv[2], NULL, 10);
	}
	for (; played < count && failed < FAILURES_MOST; played++)
		failed += !run_seed(first + played, false);
	shared_unmap(shared);
	printf("%llu passed, %llu failed\n", (unsigned long long)(played - failed),
	       (unsigned long long)failed);
	return failed == 0 ? 0 : 1;
}
