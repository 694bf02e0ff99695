/* load: sends mail at a server and measures. Prints one line of JSON when it is done. With --hold another
 * one before it, when all sessions are there and idle; then each line on stdin makes each of them send a
 * message, with one more line of JSON when they are idle again, and the end of stdin ends them. */
#include "load.h"

#include "base/must.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define PATIENCE_USEC 20000000 /* without any progress */
#define TURN_USEC 100000

struct load load;

void load_failed(const char *where, const char *what)
{
	load.failed++;
	if (load.error[0] == '\0')
		snprintf(load.error, sizeof(load.error), "%s: %.160s", where, what);
	for (char *p = load.error; *p != '\0'; p++) {
		if (*p < ' ' || *p == '"' || *p == '\\')
			*p = '?';
	}
}

void load_latency(int64_t usec)
{
	if (load.latency_count == load.latency_room) {
		load.latency_room = load.latency_room == 0 ? 4096 : load.latency_room * 2;
		load.latencies = mem_grow(load.latencies, load.latency_room * sizeof(uint32_t));
	}
	load.latencies[load.latency_count++] = (uint32_t)usec;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t percentile(double share)
{
	size_t n = load.latency_count;

	return n == 0 ? 0 : load.latencies[(size_t)((double)(n - 1) * share)];
}

static void report(double seconds)
{
	if (load.latency_count > 0)
		qsort(load.latencies, load.latency_count, sizeof(uint32_t), by_size);
	printf("{\"seconds\": %.6f, \"sessions\": %llu, \"messages\": %llu, \"octets\": %llu, "
	       "\"failed\": %llu, \"error\": \"%s\", \"tls\": %llu, \"resumed\": %llu, "
	       "\"acked_sum\": %llu, \"next_id\": %llu, \"p50\": %u, \"p90\": %u, \"p99\": %u, "
	       "\"p999\": %u, \"max\": %u}\n",
	       seconds, (unsigned long long)load.sessions, (unsigned long long)load.acked,
	       (unsigned long long)load.octets, (unsigned long long)load.failed, load.error,
	       (unsigned long long)load.tls, (unsigned long long)load.resumed,
	       (unsigned long long)load.acked_sum, (unsigned long long)load.next_id, percentile(0.5),
	       percentile(0.9), percentile(0.99), percentile(0.999), percentile(1));
	fflush(stdout);
}

/* --- options --- */

static const char usage[] =
	"usage: load --to ADDR:PORT [--tls plain|starttls|implicit] [--resume] [--handshake]\n"
	"            [--conns N] [--messages N] [--size N] [--rcpts N] [--bdat] [--one-by-one]\n"
	"            [--seconds S] [--count N] [--rate PER-SECOND [--keep N]]\n"
	"            [--hold N] [--first-id N] [--sources N]\n";

static const struct option longs[] = {
	{ "to", 1, NULL, 't' },       { "tls", 1, NULL, 'T' },      { "resume", 0, NULL, 'r' },
	{ "handshake", 0, NULL, 'h' }, { "conns", 1, NULL, 'c' },    { "messages", 1, NULL, 'm' },
	{ "size", 1, NULL, 's' },     { "rcpts", 1, NULL, 'R' },    { "bdat", 0, NULL, 'b' },
	{ "one-by-one", 0, NULL, '1' }, { "seconds", 1, NULL, 'S' }, { "count", 1, NULL, 'n' },
	{ "rate", 1, NULL, 'a' },     { "keep", 1, NULL, 'k' },     { "hold", 1, NULL, 'H' },
	{ "first-id", 1, NULL, 'i' }, { "sources", 1, NULL, 'o' },
	{ NULL, 0, NULL, 0 },
};

static _Noreturn void bad_usage(void)
{
	fputs(usage, stderr);
	exit(2);
}

static enum load_tls read_tls(const char *word)
{
	if (strcmp(word, "plain") == 0)
		return LOAD_PLAIN;
	if (strcmp(word, "starttls") == 0)
		return LOAD_STARTTLS;
	if (strcmp(word, "implicit") == 0)
		return LOAD_IMPLICIT;
	bad_usage();
}

static unsigned number(const char *word)
{
	uint64_t n;

	if (!span_number(span_str(word), UINT32_MAX, &n))
		bad_usage();
	return (unsigned)n;
}

static void take_option(struct load_options *o, int option)
{
	switch (option) {
	case 't': o->to = wire_addr(optarg); break;
	case 'T': o->tls = read_tls(optarg); break;
	case 'r': o->resume = true; break;
	case 'h': o->what = LOAD_HANDSHAKE; break;
	case 'c': o->conns = number(optarg); break;
	case 'm': o->messages = number(optarg); break;
	case 's': o->size = number(optarg); break;
	case 'R': o->rcpts = number(optarg); break;
	case 'b': o->bdat = true; break;
	case '1': o->one_by_one = true; break;
	case 'S': o->seconds = strtod(optarg, NULL); break;
	case 'n': o->count = number(optarg); break;
	case 'a': o->rate = strtod(optarg, NULL); break;
	case 'k': o->keep = number(optarg); break;
	case 'H':
		o->hold = number(optarg);
		o->what = LOAD_HOLD;
		break;
	case 'i': o->first_id = number(optarg); break;
	case 'o': o->sources = number(optarg); break;
	default: bad_usage();
	}
}

static void read_options(int argc, char **argv)
{
	struct load_options *o = &load.o;
	int c;

	*o = (struct load_options){ .conns = 20, .messages = 1, .rcpts = 1, .size = 4096, .sources = 8 };
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		take_option(o, c);
	if (o->to.sin_port == 0 || o->conns == 0 || o->rcpts == 0 || o->size < 512 ||
	    (o->seconds <= 0 && o->count == 0 && o->hold == 0))
		bad_usage();
}

/* --- the loops --- */

static uint64_t done(void)
{
	return load.o.what == LOAD_MAIL ? load.acked : load.sessions;
}

static bool is_over(int64_t now, int64_t start)
{
	const struct load_options *o = &load.o;

	return (o->seconds > 0 && (double)(now - start) >= o->seconds * 1e6) ||
	       (o->count > 0 && done() >= o->count);
}

/* A peer that says nothing for so long is broken; nor do we go on against one that refuses all. */
static bool is_stuck(int64_t now)
{
	static uint64_t last;
	static int64_t since;
	uint64_t mark = load.acked + load.sessions + load.tls + load.started;

	if (mark != last || since == 0) {
		last = mark;
		since = now;
	}
	if (now - since > PATIENCE_USEC)
		load_failed("all", "no progress for 20 seconds");
	return now - since > PATIENCE_USEC || load.failed > 1000;
}

/* Sessions follow one another; at the end those under way come to theirs. */
static void closed_loop(int64_t start)
{
	while (!load.over || load.open > 0) {
		int64_t now = wire_now();

		load.over |= is_over(now, start);
		while (!load.over && load.open < load.o.conns) {
			if (call_new(now) == NULL)
				break;
		}
		if (is_stuck(now))
			return;
		wire_wait(TURN_USEC);
	}
}

/* What is due is begun, however much is still under way: a server that stalls is seen by all who wait.
 * Kept connections are opened first. */
static void open_loop(void)
{
	int64_t first, now = wire_now();
	uint64_t given = 0;

	while (load.open < load.o.keep && call_new(now) != NULL)
		;
	for (int64_t until = now + 1000000; load.o.keep > 0 && wire_now() < until;)
		wire_wait(TURN_USEC);
	first = wire_now();
	while (!load.over || load.open > 0) {
		int64_t due = first + (int64_t)((double)given * 1e6 / load.o.rate);

		now = wire_now();
		if (!load.over && is_over(now, first)) {
			load.over = true;
			call_let_go();
		}
		if (is_stuck(now))
			return;
		if (!load.over && due <= now && (load.o.keep > 0 ? call_give(due) : call_new(due) != NULL)) {
			given++;
			continue;
		}
		wire_wait(!load.over && due > now ? due - now : TURN_USEC);
	}
}

/* What stdin says: a line is another message of each, its end is the end. */
static char order(void)
{
	struct pollfd p = { .fd = 0, .events = POLLIN };
	char octet;

	if (poll(&p, 1, 0) <= 0)
		return 0;
	return read(0, &octet, 1) == 1 ? 'm' : 'q';
}

static void say_held(void)
{
	printf("{\"held\": %u, \"failed\": %llu, \"error\": \"%s\"}\n", load.held,
	       (unsigned long long)load.failed, load.error);
	fflush(stdout);
}

/* Waits until the sessions are where they should be, `more` bringing them there a few at a time. */
static bool hold_until(unsigned *count, bool (*more)(int64_t now))
{
	while (*count < load.o.hold && load.failed == 0) {
		int64_t now = wire_now();

		while (load.started - load.sessions - load.held < load.o.conns && more(now))
			;
		if (is_stuck(now))
			return false;
		wire_wait(TURN_USEC / 10);
	}
	say_held();
	return true;
}

static bool open_more(int64_t now)
{
	return load.open < load.o.hold && call_new(now) != NULL;
}

static void hold_loop(void)
{
	char said = 0;

	if (!hold_until(&load.held, open_more))
		return;
	while (said != 'q') {
		wire_wait(TURN_USEC / 10);
		said = order();
		if (said == 'm' && !hold_until(&load.mailed, call_give))
			return;
	}
	load.over = true;
	call_let_go();
	while (load.open > 0 && !is_stuck(wire_now()))
		wire_wait(TURN_USEC);
}

/* A copy is kept: OpenSSL marks the session of a connection that ends without close_notify as one that
 * can't be resumed, and the one it gives here is the connection's own. */
static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(load.ticket);
	load.ticket = SSL_SESSION_dup(session);
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	int64_t start;

	read_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	load.next_id = load.o.first_id;
	mail_init(&load.mail, load.o.size);
	load.ctx = wire_client_ctx();
	SSL_CTX_set_session_cache_mode(load.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(load.ctx, on_ticket);
	wire_start();
	start = wire_now();
	if (load.o.hold > 0)
		hold_loop();
	else if (load.o.rate > 0)
		open_loop();
	else
		closed_loop(start);
	report((double)(wire_now() - start) / 1e6);
	return load.failed > 0 ? 1 : 0;
}
