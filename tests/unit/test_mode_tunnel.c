#include "edge/mode_tunnel.h"
#include "edge/mode_watch.h"
#include "edge/pass.h"
#include "io/sock.h"
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* A session over real sockets and the real loop, edge-triggered, between two peers that are threads; all that
 * is checked must be the same with splice and without. */

#define MB (1024 * 1024)
#define SECONDS_MOST 60

enum bye { FIN, RST, STAYS };

struct peer {
	int fd;
	uint64_t send;          /* octets, of the text of octet() */
	enum bye bye;           /* when they have been sent */
	uint64_t wait_for;      /* that come first */
	pthread_t sender, receiver;
	_Atomic uint64_t got;
	bool wrong;             /* another octet than it should be */
	_Atomic bool reset;     /* how the other side ended; a socket tells of it once, to whoever asks first */
};

struct tunnel {
	struct edge edge;
	struct shared *shared;
	struct session *session;
	struct addr server_at;
	struct peer client, server;
	enum outcome outcome;
	uint64_t in, out, spliced;
	unsigned pipes;
};

/* Octet `n` of what both peers say. */
static char octet(uint64_t n)
{
	return (char)(n * 31 + n / 251);
}

static struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

static void say_bye(struct peer *p)
{
	if (p->bye == FIN)
		shutdown(p->fd, SHUT_WR);
	if (p->bye != RST)
		return;
	must(setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
	/* The receiver has the descriptor too; it must not be used again under its feet. */
	shutdown(p->fd, SHUT_RD);
	must(connect(p->fd, &(struct sockaddr){ .sa_family = AF_UNSPEC }, sizeof(struct sockaddr)) == 0);
}

static void *send_all(void *arg)
{
	static const size_t sizes[] = { 300000, 1, 65536, 7, 100000, 4096 };
	struct peer *p = arg;
	char *text = mem_new(300000);
	uint64_t sent = 0;

	while (p->got < p->wait_for)
		poll(NULL, 0, 1);
	for (unsigned turn = 0; sent < p->send; turn++) {
		size_t len = sizes[turn % ROWS(sizes)];
		ssize_t put;

		if (len > p->send - sent)
			len = (size_t)(p->send - sent);
		for (size_t i = 0; i < len; i++)
			text[i] = octet(sent + i);
		for (size_t at = 0; at < len; at += (size_t)put) {
			put = send(p->fd, text + at, len - at, MSG_NOSIGNAL);
			if (put < 0) {
				p->reset = p->reset || errno == ECONNRESET;
				goto out;
			}
		}
		sent += len;
	}
	say_bye(p);
out:
	free(text);
	return NULL;
}

static void *receive_all(void *arg)
{
	struct peer *p = arg;
	char *text = mem_new(MB);
	ssize_t got;

	while ((got = recv(p->fd, text, MB, 0)) > 0) {
		for (ssize_t i = 0; i < got; i++)
			p->wrong |= text[i] != octet(p->got + (uint64_t)i);
		p->got += (uint64_t)got;
	}
	p->reset = p->reset || (got < 0 && errno == ECONNRESET);
	free(text);
	return NULL;
}

static void on_client(void *arg, unsigned what)
{
	struct session *s = arg;

	edge_read_clock(s->edge);
	stream_ready(&s->client, what);
	session_run(s);
}

static void on_leg(void *arg, unsigned what)
{
	struct leg *l = arg;

	edge_read_clock(l->edge);
	stream_ready(&l->stream, what);
	session_run(l->session);
}

static enum dial dial(struct edge *e, struct leg *l, const struct addr *to, struct stream *into,
		      struct loop_watch **watch, struct why *why)
{
	int fd = sock_connect(to, why);

	if (fd < 0)
		return DIAL_FAILED;
	stream_open_fd_take(into, fd);
	*watch = loop_watch_stream(e->loop, fd, on_leg, l);
	return DIAL_LATER;
}

static void note_end(struct tunnel *t)
{
	const struct session *s = t->session;

	t->outcome = s->outcome;
	t->in = s->client.bytes_in;
	t->out = s->client.bytes_out;
	t->spliced = s->pass->up.splice.moved + s->pass->down.splice.moved;
	t->pipes = t->edge.pipes.made;
	t->session = NULL;
}

static void after_batch(void *arg)
{
	struct tunnel *t = arg;

	edge_read_clock(&t->edge);
	/* The reaper runs sessions too: none must be left for it that may end there. */
	while (edge_run_again(&t->edge))
		;
	if (t->session != NULL && t->session->phase == PHASE_ENDED)
		note_end(t);
	edge_reap(&t->edge);
	if (t->session == NULL)
		loop_stop(t->edge.loop);
}

static struct plan *make_plan(void)
{
	static const char yaml[] = "hostname: gw.example\nupstreams:\n  up: { hosts: 127.0.0.1:25, tls: none }\n"
				   "services:\n  mx: { listen: 127.0.0.1:2525, client_tls: none, upstream: up }\n";
	struct conf_source *source = conf_source_memory();
	struct conf_report report;
	struct plan *plan;

	conf_source_put(source, "x.yaml", span_str(yaml));
	conf_report_init(&report, "x.yaml");
	plan = plan_build(conf_load(source, "x.yaml", &report), source, NULL, 0, 1, &report);
	if (plan == NULL)
		fail_msg("%s", report.text);
	conf_report_free(&report);
	conf_source_free(source);
	return plan;
}

static int listen_here(struct addr *at)
{
	struct why why;
	int fd;

	must(addr_read(SPAN("127.0.0.1:0"), at));
	fd = sock_listen(at, &why);
	must(fd >= 0 && sock_local(fd, at));
	return fd;
}

static int call(const struct addr *at)
{
	int fd = socket(at->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && connect(fd, &at->sa, at->len) == 0);
	return fd;
}

static int answer(int listener)
{
	must(poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1, 10000) == 1);
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

static void begin(struct tunnel *t, bool splices)
{
	struct plan *plan = make_plan();
	struct addr front, peer, local;
	int door = listen_here(&front), server = listen_here(&t->server_at);
	struct session *s;

	t->shared = shared_private();
	edge_init(&t->edge, plan, t->shared, 0, 1);
	plan_release(plan);
	if (!splices)
		t->edge.pipes.most = 0;
	t->edge.loop = loop_new();
	t->edge.dial = dial;
	edge_read_clock(&t->edge);
	t->client.fd = call(&front);
	must(poll(&(struct pollfd){ .fd = door, .events = POLLIN }, 1, 10000) == 1);
	{
		int fd = sock_accept(door, &peer, &local);

		s = t->session = session_new(&t->edge, &t->edge.plan->services[0], true, &peer, &local);
		stream_open_fd_take(&s->client, fd);
		s->watch = loop_watch_stream(t->edge.loop, fd, on_client, s);
	}
	s->target = t->server_at;
	mode_tunnel_begin(s, &t->edge.upstreams[0]);
	session_run(s);
	t->server.fd = answer(server);
	close(door);
	close(server);
}

static void start(struct peer *p)
{
	must(pthread_create(&p->sender, NULL, send_all, p) == 0);
	must(pthread_create(&p->receiver, NULL, receive_all, p) == 0);
}

static void stop(struct peer *p)
{
	must(pthread_join(p->sender, NULL) == 0 && pthread_join(p->receiver, NULL) == 0);
	close(p->fd);
}

static void play(struct tunnel *t, bool splices)
{
	t->client.fd = t->server.fd = -1;
	alarm(SECONDS_MOST);
	begin(t, splices);
	start(&t->client);
	start(&t->server);
	loop_run(t->edge.loop, after_batch, t);
	stop(&t->client);
	stop(&t->server);
	edge_free(&t->edge);
	loop_free(t->edge.loop);
	shared_unmap(t->shared);
	alarm(0);
}

static const struct {
	const char *name;
	uint64_t client_sends, server_sends;
	enum bye client_bye, server_bye;
	uint64_t client_waits, server_waits;
	const char *outcome;
	bool lossless;       /* all that was sent arrives */
	bool reset_client, reset_server;
} rows[] = {
	{ "both ways at once, and FIN", 48 * MB, 48 * MB, FIN, FIN, 0, 0, NULL, true, false, false },
	{ "the client first, then the server", 20 * MB, 20 * MB + 1, FIN, FIN, 0, 20 * MB, "client-closed", true, false, false },
	{ "the server first, then the client", 20 * MB + 7, 20 * MB, FIN, FIN, 20 * MB, 0, "server-closed", true, false, false },
	{ "one way only", 32 * MB, 0, FIN, FIN, 0, 32 * MB, "client-closed", true, false, false },
	{ "a few octets", 10, 20, FIN, FIN, 0, 10, NULL, true, false, false },
	{ "nothing at all", 0, 0, FIN, FIN, 0, 0, NULL, true, false, false },
	{ "the client resets behind much", 8 * MB, 0, RST, STAYS, 0, 0, "client-reset", false, false, true },
	{ "the server resets behind much", 0, 8 * MB, STAYS, RST, 0, 0, "server-reset", false, true, false },
	{ "the client resets after a word", 1, 1, RST, STAYS, 1, 0, "client-reset", false, false, true },
	{ "the server resets a client that sends", 200 * MB, 0, STAYS, RST, 0, 4 * MB, "server-reset", false, true, false },
	{ "the client resets a server that sends", 0, 200 * MB, RST, STAYS, 4 * MB, 0, "client-reset", false, false, true },
	{ "FIN of the server, then RST of the client", 4 * MB, 4 * MB, RST, FIN, 4 * MB, 0, "server-closed", false, false, true },
};

static void check(const char *name, const struct tunnel *t, size_t i, bool splices)
{
	bool large = rows[i].lossless && rows[i].client_sends + rows[i].server_sends > MB;

	want_number(name, "a wrong octet to the server", t->server.wrong, 0);
	want_number(name, "a wrong octet to the client", t->client.wrong, 0);
	if (rows[i].lossless) {
		want_number(name, "octets to the server", t->server.got, rows[i].client_sends);
		want_number(name, "octets to the client", t->client.got, rows[i].server_sends);
		want_number(name, "in", t->in, rows[i].client_sends);
		want_number(name, "out", t->out, rows[i].server_sends);
	}
	if (rows[i].outcome != NULL)
		want_text(name, span_str(outcome_name(t->outcome)), span_str(rows[i].outcome));
	/* Who resets can't see how the other side ends. */
	if (rows[i].client_bye != RST)
		want_number(name, "a reset for the client", t->client.reset, rows[i].reset_client);
	if (rows[i].server_bye != RST)
		want_number(name, "a reset for the server", t->server.reset, rows[i].reset_server);
	if (!splices)
		want_number(name, "spliced", t->spliced, 0);
	else if (large && t->spliced < (rows[i].client_sends + rows[i].server_sends) / 4)
		fail_msg("%s: only %llu octets were spliced", name, (unsigned long long)t->spliced);
	if (splices && rows[i].client_sends + rows[i].server_sends < 1000)
		want_number(name, "pipes", t->pipes, 0);
	must(t->pipes <= SPLICE_PIPES);
}

static void test_MC_6_tunnel_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		for (int splices = 0; splices < 2; splices++) {
			struct tunnel *t = mem_new(sizeof(*t));
			char name[128];

			snprintf(name, sizeof(name), "%s, %s", rows[i].name, splices ? "splice" : "read and write");
			t->client = (struct peer){ .send = rows[i].client_sends, .bye = rows[i].client_bye,
						   .wait_for = rows[i].client_waits };
			t->server = (struct peer){ .send = rows[i].server_sends, .bye = rows[i].server_bye,
						   .wait_for = rows[i].server_waits };
			play(t, splices != 0);
			check(name, t, i, splices != 0);
			free(t);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_MC_6_tunnel_both_ways),
	};

	/* As every process of ours does: splice has no way to ask for no signal. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
