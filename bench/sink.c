/* sink: an SMTP server that checks every message of the load generator: its length, its CRC, and that none
 * comes twice. On SIGUSR1 it prints what came since the last time as one line of JSON, on SIGUSR2 it closes
 * all connections that are not in the midst of a message, on SIGTERM it ends.
 *
 *   --plain ADDR:PORT   SMTP; STARTTLS is offered where there is a certificate
 *   --tls ADDR:PORT     TLS from the first octet
 *   --cert, --key       PEM files
 *   --auth-http ADDR:PORT --auth-to ADDR:PORT
 *                       answers nginx's mail proxy: every mail goes to that server */
#include "mail.h"
#include "sink_http.h"
#include "wire.h"

#include "base/must.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDS_MOST (1u << 28)
#define LINE_MOST 4096
#define ACCEPT_BATCH 64

enum state { COMMANDS, IN_DATA, IN_BDAT, BYE };

/* One connection. */
struct guest {
	struct wire wire;
	enum state state;
	bool implicit, starting, line_start;
	size_t chunk; /* octets of BDAT still to come */
	bool last;
	struct mail_check check;
	struct guest *next, **self;
};

struct door {
	int fd;
	bool implicit;
};

static struct {
	uint64_t connections, open, tls, resumed, messages, octets, corrupted, duplicated, unknown, sum, wrong;
	char error[160];
} found;

static SSL_CTX *ctx;
static unsigned char *seen;
static struct guest *guests;
static volatile sig_atomic_t asked, sent_away, ended;

static void report(void)
{
	printf("{\"connections\": %llu, \"open\": %llu, \"tls\": %llu, \"resumed\": %llu, "
	       "\"messages\": %llu, \"octets\": %llu, \"corrupted\": %llu, \"duplicated\": %llu, "
	       "\"unknown\": %llu, \"sum\": %llu, \"wrong\": %llu, \"error\": \"%s\"}\n",
	       (unsigned long long)found.connections, (unsigned long long)found.open,
	       (unsigned long long)found.tls, (unsigned long long)found.resumed,
	       (unsigned long long)found.messages, (unsigned long long)found.octets,
	       (unsigned long long)found.corrupted, (unsigned long long)found.duplicated,
	       (unsigned long long)found.unknown, (unsigned long long)found.sum,
	       (unsigned long long)found.wrong, found.error);
	fflush(stdout);
	found.connections = found.tls = found.resumed = found.messages = found.octets = 0;
	found.corrupted = found.duplicated = found.unknown = found.sum = found.wrong = 0;
	found.error[0] = '\0';
}

static void wrong(const char *what, struct span said)
{
	found.wrong++;
	if (found.error[0] != '\0')
		return;
	snprintf(found.error, sizeof(found.error), "%s: %.*s", what, (int)(said.len & 63), said.at);
	for (char *p = found.error; *p != '\0'; p++) {
		if (*p < ' ' || *p == '"' || *p == '\\')
			*p = '?';
	}
}

static void say(struct guest *g, const char *text)
{
	if (!buf_put(&g->wire.out, span_str(text)))
		wrong("replies are not read", SPAN(""));
}

/* --- messages --- */

static void count_message(const struct mail_check *c)
{
	found.messages++;
	found.octets += c->len;
	if (!c->marked || c->id >= IDS_MOST) {
		found.unknown++;
		return;
	}
	found.corrupted += !mail_check_good(c);
	found.duplicated += seen[c->id / 8] >> (c->id % 8) & 1;
	seen[c->id / 8] |= (unsigned char)(1 << (c->id % 8));
	found.sum += c->id * 0x9e3779b97f4a7c15u;
}

static void message_done(struct guest *g)
{
	count_message(&g->check);
	mail_check_init(&g->check);
	g->state = COMMANDS;
	say(g, "250 2.0.0 Ok: taken and checked\r\n");
}

/* How many octets are a run that dots do not break: to the next line that begins with one, or to an LF
 * that is the last octet there is. */
static size_t run_of(struct span in)
{
	size_t at = 0;

	for (;;) {
		const char *lf = memchr(in.at + at, '\n', in.len - at);

		if (lf == NULL)
			return in.len;
		at = (size_t)(lf - in.at) + 1;
		if (at >= in.len || in.at[at] == '.')
			return at;
	}
}

/* False: more octets are needed. */
static bool take_data(struct guest *g)
{
	struct span in = buf_peek(&g->wire.in);
	size_t run;

	if (in.len == 0)
		return false;
	if (g->line_start && in.at[0] == '.') {
		if (in.len < 3)
			return false;
		if (in.at[1] == '\r' && in.at[2] == '\n') {
			buf_consume(&g->wire.in, 3);
			message_done(g);
			return true;
		}
		buf_consume(&g->wire.in, 1);
		g->line_start = false;
		return true;
	}
	run = run_of(in);
	mail_check_take(&g->check, span_first(in, run));
	g->line_start = in.at[run - 1] == '\n';
	buf_consume(&g->wire.in, run);
	return true;
}

static bool take_bdat(struct guest *g)
{
	struct span some = span_first(buf_peek(&g->wire.in), g->chunk);

	mail_check_take(&g->check, some);
	g->chunk -= some.len;
	buf_consume(&g->wire.in, some.len);
	if (g->chunk > 0)
		return false;
	if (g->last) {
		message_done(g);
		return true;
	}
	g->state = COMMANDS;
	say(g, "250 2.0.0 Ok: octets taken\r\n");
	return true;
}

/* --- commands --- */

static void say_ehlo(struct guest *g)
{
	say(g, "250-sink.bench.example\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n"
	       "250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n");
	if (ctx != NULL && g->wire.ssl == NULL)
		say(g, "250-STARTTLS\r\n");
	say(g, "250 CHUNKING\r\n");
}

static void begin_bdat(struct guest *g, struct span arguments)
{
	struct span size = span_cut(&arguments, ' ');
	uint64_t n;

	if (!span_number(size, SIZE_MAX / 2, &n)) {
		wrong("BDAT", size);
		say(g, "501 5.5.4 How many octets?\r\n");
		return;
	}
	g->chunk = (size_t)n;
	g->last = span_eq_nocase(arguments, SPAN("LAST"));
	g->state = IN_BDAT;
}

static void command(struct guest *g, struct span line)
{
	struct span rest = line, verb = span_cut(&rest, ' ');

	if (span_eq_nocase(verb, SPAN("MAIL")) || span_eq_nocase(verb, SPAN("RCPT")) ||
	    span_eq_nocase(verb, SPAN("NOOP"))) {
		say(g, "250 2.1.0 Ok\r\n");
	} else if (span_eq_nocase(verb, SPAN("DATA"))) {
		g->state = IN_DATA;
		g->line_start = true;
		say(g, "354 End with a dot\r\n");
	} else if (span_eq_nocase(verb, SPAN("BDAT"))) {
		begin_bdat(g, rest);
	} else if (span_eq_nocase(verb, SPAN("EHLO"))) {
		say_ehlo(g);
	} else if (span_eq_nocase(verb, SPAN("HELO")) || span_eq_nocase(verb, SPAN("RSET"))) {
		mail_check_init(&g->check);
		say(g, "250 sink.bench.example\r\n");
	} else if (span_eq_nocase(verb, SPAN("STARTTLS")) && ctx != NULL && g->wire.ssl == NULL) {
		g->starting = true;
		say(g, "220 2.0.0 Go ahead\r\n");
	} else if (span_eq_nocase(verb, SPAN("QUIT"))) {
		g->state = BYE;
		say(g, "221 2.0.0 Bye\r\n");
	} else {
		wrong("command", line);
		say(g, "502 5.5.1 No such command\r\n");
	}
}

static bool take_command(struct guest *g)
{
	struct span in = buf_peek(&g->wire.in);
	size_t len = span_find(in, '\n');

	if (g->starting || len == in.len) {
		if (len > LINE_MOST)
			wrong("a line without end", in);
		return false;
	}
	if (len == 0 || in.at[len - 1] != '\r')
		wrong("a bare LF", in);
	command(g, span_first(in, len > 0 ? len - 1 : 0));
	buf_consume(&g->wire.in, len + 1);
	return true;
}

static bool take(struct guest *g)
{
	switch (g->state) {
	case COMMANDS:
		return take_command(g);
	case IN_DATA:
		return take_data(g);
	case IN_BDAT:
		return take_bdat(g);
	case BYE:
		break;
	}
	return false;
}

/* --- connections --- */

static void secured(struct guest *g)
{
	found.tls++;
	found.resumed += SSL_session_reused(g->wire.ssl) == 1;
	if (g->implicit)
		say(g, "220 sink.bench.example ESMTP\r\n");
}

static void end(struct guest *g)
{
	found.open--;
	*g->self = g->next;
	if (g->next != NULL)
		g->next->self = g->self;
	wire_close(&g->wire);
	free(g);
}

static struct guest *begin(bool implicit)
{
	struct guest *g = mem_new(sizeof(*g));

	found.connections++;
	found.open++;
	g->implicit = implicit;
	g->next = guests;
	g->self = &guests;
	if (guests != NULL)
		guests->self = &g->next;
	guests = g;
	return g;
}

static void send_all_away(void)
{
	struct guest *next;

	for (struct guest *g = guests; g != NULL; g = next) {
		next = g->next;
		if (g->state == COMMANDS)
			end(g);
	}
}

/* All that came is taken before anything is sent: replies to one batch leave in one write. */
static void run(struct guest *g)
{
	bool moved;

	do {
		moved = wire_fill(&g->wire);
		if (wire_secured(&g->wire))
			secured(g);
		while (take(g))
			moved = true;
		moved |= wire_flush(&g->wire);
		if (g->starting && wire_flushed(&g->wire)) {
			if (buf_used(&g->wire.in) > 0)
				wrong("octets before the handshake", buf_peek(&g->wire.in));
			g->starting = false;
			wire_start_tls(&g->wire, ctx, true, NULL);
			moved = true;
		}
		if (g->wire.state == WIRE_ENDED || (g->state == BYE && wire_flushed(&g->wire))) {
			end(g);
			return;
		}
	} while (moved);
}

static void on_guest(void *arg, uint32_t events)
{
	struct guest *g = arg;

	wire_event(&g->wire, events);
	run(g);
}

static void on_door(void *arg, uint32_t events)
{
	const struct door *d = arg;

	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(d->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct guest *g;

		if (fd < 0)
			return;
		g = begin(d->implicit);
		wire_accepted(&g->wire, fd, on_guest, g);
		if (d->implicit)
			wire_start_tls(&g->wire, ctx, true, NULL);
		else
			say(g, "220 sink.bench.example ESMTP\r\n");
		run(g);
	}
}

static void open_door(const char *at, bool implicit)
{
	struct door *d = mem_new(sizeof(*d));
	struct sockaddr_in addr = wire_addr(at);

	d->fd = wire_listen(&addr);
	d->implicit = implicit;
	wire_watch(d->fd, EPOLLIN, on_door, d);
}

static void on_signal(int number)
{
	if (number == SIGUSR1)
		asked = 1;
	else if (number == SIGUSR2)
		sent_away = 1;
	else
		ended = 1;
}

static void open_all(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "plain", 1, NULL, 'p' }, { "tls", 1, NULL, 't' },       { "cert", 1, NULL, 'c' },
		{ "key", 1, NULL, 'k' },   { "auth-http", 1, NULL, 'a' }, { "auth-to", 1, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	const char *plain = NULL, *tls = NULL, *cert = NULL, *key = NULL, *http = NULL, *to = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		plain = c == 'p' ? optarg : plain;
		tls = c == 't' ? optarg : tls;
		cert = c == 'c' ? optarg : cert;
		key = c == 'k' ? optarg : key;
		http = c == 'a' ? optarg : http;
		to = c == 'o' ? optarg : to;
		if (c == '?')
			exit(2);
	}
	if (cert != NULL && key != NULL)
		ctx = wire_server_ctx(cert, key);
	if (plain != NULL)
		open_door(plain, false);
	if (tls != NULL && ctx != NULL)
		open_door(tls, true);
	if (http != NULL && to != NULL)
		sink_http_open(http, to);
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct rlimit files;

	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGUSR2, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	seen = mem_new(IDS_MOST / 8);
	wire_start();
	open_all(argc, argv);
	printf("{\"ready\": 1}\n");
	fflush(stdout);
	while (!ended) {
		wire_wait(100000);
		if (sent_away) {
			sent_away = 0;
			send_all_away();
		}
		if (asked) {
			asked = 0;
			report();
		}
	}
	return 0;
}
