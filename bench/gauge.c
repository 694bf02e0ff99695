/* gauge [NAME]: plays fixed conversations over streams in memory, for callgrind to count the instructions of the edge
 * in them. Prints "NAME OPERATIONS" for each, in the order that gauge_play is called in; bench/gauge.py does
 * the rest. All in clear: what OpenSSL does is not ours to count, and keys are never twice the same. */
#include "base/log.h"
#include "base/must.h"
#include "edge/session.h"
#include "harness/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MB 1000000
#define WINDOW (64 * 1024)

static const char yaml[] =
	"hostname: gw.example\n"
	"upstreams:\n"
	"  backend: { hosts: [ \"192.0.2.1:25\" ], tls: none }\n"
	"services:\n"
	"  mx: { listen: [ \"127.0.0.1:25\" ], upstream: backend, client_tls: none }\n";

/* The other end of a connection of the edge. */
struct end {
	struct stream_pipe pipe;
	struct stream stream;
	struct buf got;
	bool connected;
};

struct gauge {
	struct edge edge; /* first: the dial hook finds the gauge by it */
	struct session *session;
	struct end client, host;
	char *body;       /* a megabyte of lines */
	bool data;        /* the host is in the midst of a message */
	uint64_t chunk;   /* ... or of so many octets */
};

/* --- connections --- */

static void join(struct end *e, struct stream *ours)
{
	stream_pipe_init(&e->pipe, WINDOW, WINDOW);
	stream_init(&e->stream);
	buf_init(&e->got, 4 * MB);
	stream_open_pipe(ours, &e->pipe, true);
	stream_open_pipe(&e->stream, &e->pipe, false);
	e->stream.out.most = 4 * MB; /* the stream's own ceiling is made for the edge */
	e->connected = true;
}

static void part(struct end *e)
{
	if (!e->connected)
		return;
	stream_close(&e->stream);
	stream_pipe_free(&e->pipe);
	buf_free(&e->got);
	e->connected = false;
}

static void put(struct end *e, struct span text)
{
	must(buf_put(&e->stream.out, text));
}

/* The one before it is gone by now, or the edge would have gone on with it. */
static enum dial dial(struct edge *edge, struct leg *leg, const struct addr *to, struct stream *into,
		      struct loop_watch **watch, struct why *why)
{
	struct gauge *g = (struct gauge *)edge;

	(void)leg;
	(void)to;
	(void)watch;
	(void)why;
	part(&g->host);
	join(&g->host, into);
	put(&g->host, SPAN("220 mx.example ESMTP\r\n"));
	return DIAL_NOW;
}

static bool move(struct end *e, msec now)
{
	bool moved;

	if (!e->connected || !e->stream.open)
		return false;
	moved = stream_flush(&e->stream, now);
	moved |= stream_fill(&e->stream, now);
	must(buf_put(&e->got, buf_peek(&e->stream.in)));
	buf_consume(&e->stream.in, buf_used(&e->stream.in));
	if (e->stream.end != STREAM_OPEN)
		stream_close(&e->stream);
	return moved;
}

/* --- the upstream --- */

static void answer(struct gauge *g, struct span line)
{
	struct span verb = span_cut(&line, ' ');

	if (span_eq(verb, SPAN("EHLO"))) {
		put(&g->host, SPAN("250-mx.example\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n"
				   "250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 CHUNKING\r\n"));
	} else if (span_eq(verb, SPAN("DATA"))) {
		g->data = true;
		put(&g->host, SPAN("354 go on\r\n"));
	} else if (span_eq(verb, SPAN("BDAT"))) {
		must(span_number(span_cut(&line, ' '), MB * 2, &g->chunk));
	} else {
		put(&g->host, SPAN("250 2.0.0 Ok\r\n"));
	}
}

static bool take_message(struct gauge *g)
{
	struct buf *got = &g->host.got;

	if (g->chunk > 0 && buf_used(got) >= g->chunk) {
		buf_consume(got, g->chunk);
		g->chunk = 0;
	} else if (g->data && span_ends_nocase(buf_peek(got), SPAN("\r\n.\r\n"))) {
		buf_consume(got, buf_used(got));
		g->data = false;
	} else {
		return false;
	}
	put(&g->host, SPAN("250 2.0.0 Ok\r\n"));
	return true;
}

static bool take_line(struct gauge *g)
{
	struct span got = buf_peek(&g->host.got);
	size_t len = span_find(got, '\n');

	if (len == got.len)
		return false;
	answer(g, span_first(got, len - 1));
	buf_consume(&g->host.got, len + 1);
	return true;
}

static bool serve(struct gauge *g)
{
	bool moved = false, more = g->host.connected;

	while (more) {
		more = g->data || g->chunk > 0 ? take_message(g) : take_line(g);
		moved |= more;
	}
	return moved;
}

/* --- the client --- */

/* The session has its turn where a peer did something, as events would give it: no more often. */
static void settle(struct gauge *g)
{
	bool moved;

	do {
		moved = move(&g->client, g->edge.now);
		moved |= move(&g->host, g->edge.now);
		moved |= serve(g);
		if (moved && g->edge.session_count > 0)
			session_run(g->session);
		while (edge_run_again(&g->edge))
			;
		edge_reap(&g->edge);
	} while (moved);
}

static unsigned count_replies(struct span got)
{
	unsigned n = 0;

	while (got.len > 0) {
		struct span line = span_cut(&got, '\n');

		must(line.len >= 4 && (line.at[0] == '2' || line.at[0] == '3'));
		n += line.at[3] == ' ';
	}
	return n;
}

/* Says it, and sees so many replies, all of them good. */
static void say(struct gauge *g, struct span text, unsigned replies)
{
	put(&g->client, text);
	settle(g);
	must(count_replies(buf_peek(&g->client.got)) == replies);
	buf_consume(&g->client.got, buf_used(&g->client.got));
}

static void begin(struct gauge *g)
{
	struct addr at;

	must(addr_read(SPAN("192.0.2.7:25"), &at));
	g->session = session_new(&g->edge, &g->edge.plan->services[0], false, &at, &at);
	join(&g->client, &g->session->client);
	session_begin(g->session);
	say(g, SPAN("EHLO client.example\r\n"), 2);
}

static void end(struct gauge *g)
{
	say(g, SPAN("QUIT\r\n"), 1);
	settle(g);
	must(g->edge.session_count == 0);
	part(&g->client);
}

static void mail(struct gauge *g, size_t size)
{
	say(g, SPAN("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\nDATA\r\n"), 3);
	put(&g->client, span_of(g->body, size));
	say(g, SPAN("\r\n.\r\n"), 1);
}

/* --- the conversations --- */

static void play_relay(struct gauge *g, unsigned operations)
{
	for (unsigned i = 0; i < operations; i++) {
		begin(g);
		mail(g, 4000);
		end(g);
	}
}

static void play_pipelined(struct gauge *g, unsigned operations)
{
	begin(g);
	for (unsigned i = 0; i < operations; i++)
		mail(g, 4000);
	end(g);
}

static void play_data(struct gauge *g, unsigned operations)
{
	begin(g);
	for (unsigned i = 0; i < operations; i++)
		mail(g, MB);
	end(g);
}

static void play_bdat(struct gauge *g, unsigned operations)
{
	begin(g);
	for (unsigned i = 0; i < operations; i++) {
		put(&g->client, SPAN("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\n"
				     "BDAT 1000000 LAST\r\n"));
		say(g, span_of(g->body, MB), 3);
	}
	end(g);
}

static void play_recipients(struct gauge *g, unsigned operations)
{
	struct buf text;

	buf_init(&text, 128 * 1024);
	must(buf_put(&text, SPAN("MAIL FROM:<a@client.example>\r\n")));
	for (unsigned i = 0; i < operations; i++)
		must(buf_printf(&text, "RCPT TO:<recipient%04u@mx.example>\r\n", i));
	begin(g);
	say(g, buf_peek(&text), operations + 1);
	say(g, SPAN("RSET\r\n"), 1);
	end(g);
	buf_free(&text);
}

static const struct conversation {
	const char *name;
	void (*play)(struct gauge *g, unsigned operations);
	unsigned operations;
} conversations[] = {
	{ "session-with-one-message", play_relay, 20 },
	{ "message-of-many", play_pipelined, 100 },
	{ "megabyte-by-data", play_data, 3 },
	{ "megabyte-by-bdat", play_bdat, 3 },
	{ "recipient-of-1000", play_recipients, 1000 },
};

/* callgrind writes down what was counted when this returns: it must stay a function. */
__attribute__((noinline)) void gauge_play(struct gauge *g, const struct conversation *c);

void gauge_play(struct gauge *g, const struct conversation *c)
{
	c->play(g, c->operations);
	printf("%s %u\n", c->name, c->operations);
	fflush(stdout);
}

static char *make_body(void)
{
	static const char head[] = "Subject: gauge\r\n\r\n";
	char *body = mem_new(MB);

	for (size_t i = 0; i < MB; i++)
		body[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : (char)('a' + i % 26);
	memcpy(body, head, sizeof(head) - 1);
	body[MB - 1] = 'z'; /* no half CRLF at the end */
	return body;
}

static void no_log(struct span line)
{
	(void)line;
}

int main(int argc, char **argv)
{
	struct shared *shared = shared_private();
	struct gauge g = { .body = make_body() };
	char wrong[512] = "";

	log_set_sink(no_log);
	for (size_t i = 0; i < sizeof(conversations) / sizeof(conversations[0]); i++) {
		struct plan *plan;

		if (argc > 1 && strcmp(argv[1], conversations[i].name) != 0)
			continue;
		plan = world_plan(yaml, shared, wrong, sizeof(wrong));
		if (plan == NULL) {
			fprintf(stderr, "%s\n", wrong);
			return 1;
		}
		edge_init(&g.edge, plan, shared, 1, 1);
		g.edge.dial = dial;
		g.edge.now = 1000000;
		gauge_play(&g, &conversations[i]);
		edge_free(&g.edge);
		part(&g.host);
		plan_release(plan);
	}
	free(g.body);
	shared_unmap(shared);
	return 0;
}
