#include "load.h"

#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELO "load.bench.example"

enum state {
	AWAIT_GREETING,
	AWAIT_EHLO,
	AWAIT_STARTTLS,
	IN_HANDSHAKE,
	AWAIT_MAIL,
	AWAIT_RCPT,
	AWAIT_DATA,
	AWAIT_FINAL,
	WAITING, /* held, or kept and without work */
	AWAIT_QUIT,
};

static const char *const names[] = { "greeting", "EHLO", "STARTTLS", "handshake", "MAIL", "RCPT",
				     "DATA", "message", "waiting", "QUIT" };

struct call {
	struct wire wire;
	enum state state;
	bool secure, pipelining;
	unsigned done, rcpts_left;
	int64_t due;
	uint64_t id;
	int part; /* of the message: what is put next */
	size_t at; /* octets of that part that were put */
	struct call *next, **self; /* among those that wait */
};

static struct call *waiting;
static struct call *resting; /* held, with their message behind them */

/* --- what is said --- */

static void say(struct call *c, const char *text)
{
	must(buf_put(&c->wire.out, span_str(text)));
}

static void say_ehlo(struct call *c)
{
	say(c, "EHLO " HELO "\r\n");
	c->state = AWAIT_EHLO;
}

static void say_rcpt(struct call *c)
{
	must(buf_printf(&c->wire.out, "RCPT TO:<sink%u@bench.example>\r\n", c->rcpts_left));
}

static void say_quit(struct call *c)
{
	say(c, "QUIT\r\n");
	c->state = AWAIT_QUIT;
}

/* DATA, or BDAT with its octets behind it. */
static void say_data(struct call *c)
{
	if (!load.o.bdat) {
		say(c, "DATA\r\n");
		return;
	}
	must(buf_printf(&c->wire.out, "BDAT %zu LAST\r\n", load.mail.size));
	c->part = 1;
}

static void begin_message(struct call *c)
{
	c->id = load.next_id++;
	c->part = 0;
	c->at = 0;
	c->rcpts_left = load.o.rcpts;
	c->state = AWAIT_MAIL;
	say(c, "MAIL FROM:<load@bench.example>\r\n");
	if (!c->pipelining)
		return;
	for (; c->rcpts_left > 0; c->rcpts_left--)
		say_rcpt(c);
	c->rcpts_left = load.o.rcpts;
	say_data(c);
}

/* Puts the next part of the message, as far as there is room. */
static struct span part_of(const struct call *c, char head[MAIL_HEAD_MOST])
{
	const struct mail *m = &load.mail;

	switch (c->part) {
	case 1:
		return span_of(head, mail_head(m, c->id, head));
	case 2:
		return load.o.bdat ? span_of(m->plain, m->plain_len) : span_of(m->dotted, m->dotted_len);
	case 3:
		mail_tail(c->id, head);
		return span_of(head, MAIL_TAIL_LEN);
	default:
		return load.o.bdat ? SPAN("") : SPAN(".\r\n");
	}
}

static void pump(struct call *c)
{
	char head[MAIL_HEAD_MOST];

	while (c->part >= 1 && c->part <= 4) {
		struct span rest = span_from(part_of(c, head), c->at);
		struct span some = span_first(rest, buf_space(&c->wire.out));

		must(buf_put(&c->wire.out, some));
		c->at += some.len;
		if (some.len < rest.len)
			return;
		c->part++;
		c->at = 0;
	}
}

/* --- the way of a session --- */

static void leave_waiting(struct call *c)
{
	if (c->self == NULL)
		return;
	*c->self = c->next;
	if (c->next != NULL)
		c->next->self = c->self;
	c->self = NULL;
}

static void wait_among(struct call *c, struct call **list)
{
	c->state = WAITING;
	c->next = *list;
	c->self = list;
	if (*list != NULL)
		(*list)->self = &c->next;
	*list = c;
}

static void end(struct call *c)
{
	leave_waiting(c);
	wire_close(&c->wire);
	load.open--;
	free(c);
}

static void fail(struct call *c, const char *what)
{
	load_failed(names[c->state], what);
	end(c);
}

static void hold(struct call *c)
{
	wait_among(c, c->done > 0 ? &resting : &waiting);
	load.held++;
	load.mailed += c->done > 0;
}

/* After the last EHLO, and after each message. */
static void go_on(struct call *c)
{
	bool more = (load.o.messages == 0 || c->done < load.o.messages) && !load.over;

	if (load.o.what == LOAD_HOLD)
		hold(c);
	else if (load.o.keep > 0 && !load.over)
		wait_among(c, &waiting);
	else if (load.o.what == LOAD_HANDSHAKE || (c->done > 0 && !more))
		say_quit(c);
	else
		begin_message(c);
}

static void start_tls(struct call *c)
{
	SSL_SESSION *resume = NULL;

	/* A copy: what one connection does to its session shall not reach the next one's. */
	if (load.o.resume && load.ticket != NULL)
		resume = SSL_SESSION_dup(load.ticket);
	wire_start_tls(&c->wire, load.ctx, false, resume);
	SSL_SESSION_free(resume);
	c->state = IN_HANDSHAKE;
}

static void secured(struct call *c)
{
	c->secure = true;
	load.tls++;
	load.resumed += SSL_session_reused(c->wire.ssl) == 1;
	if (load.o.tls == LOAD_STARTTLS)
		say_ehlo(c);
	else
		c->state = AWAIT_GREETING;
}

static void message_done(struct call *c)
{
	load.acked++;
	load.acked_sum += c->id * 0x9e3779b97f4a7c15u;
	load.octets += load.mail.size;
	load_latency(wire_now() - c->due);
	c->done++;
	c->due = wire_now();
	go_on(c);
}

static void greeted(struct call *c, struct span reply)
{
	if (load.o.tls == LOAD_STARTTLS && !c->secure) {
		say(c, "STARTTLS\r\n");
		c->state = AWAIT_STARTTLS;
		return;
	}
	for (struct span rest = reply; rest.len > 0 && !load.o.one_by_one;) {
		struct span line = span_trim(span_cut(&rest, '\r'));

		c->pipelining |= span_ends_nocase(line, SPAN("PIPELINING"));
	}
	go_on(c);
}

static void rcpt_done(struct call *c)
{
	if (--c->rcpts_left > 0) {
		if (!c->pipelining)
			say_rcpt(c);
		return;
	}
	if (!c->pipelining)
		say_data(c);
	c->state = load.o.bdat ? AWAIT_FINAL : AWAIT_DATA;
}

static void quit_done(struct call *c)
{
	load.sessions++;
	if (load.o.what == LOAD_HANDSHAKE)
		load_latency(wire_now() - c->due);
	end(c);
}

static int wanted(enum state s)
{
	switch (s) {
	case AWAIT_GREETING:
	case AWAIT_STARTTLS:
		return 220;
	case AWAIT_DATA:
		return 354;
	case AWAIT_QUIT:
		return 221;
	default:
		return 250;
	}
}

/* A whole reply. False: the call is no more. */
static bool take_reply(struct call *c, int code, struct span reply)
{
	if (code != wanted(c->state) || c->state == WAITING || c->state == IN_HANDSHAKE) {
		char text[160];

		snprintf(text, sizeof(text), "%.*s", (int)(span_find(reply, '\r') & 127), reply.at);
		fail(c, text);
		return false;
	}
	switch (c->state) {
	case AWAIT_GREETING:
		say_ehlo(c);
		break;
	case AWAIT_EHLO:
		greeted(c, reply);
		break;
	case AWAIT_STARTTLS:
		start_tls(c);
		break;
	case AWAIT_MAIL:
		c->state = AWAIT_RCPT;
		if (!c->pipelining)
			say_rcpt(c);
		break;
	case AWAIT_RCPT:
		rcpt_done(c);
		break;
	case AWAIT_DATA:
		c->part = 1;
		c->state = AWAIT_FINAL;
		break;
	case AWAIT_FINAL:
		message_done(c);
		break;
	case AWAIT_QUIT:
		quit_done(c);
		return false;
	case IN_HANDSHAKE:
	case WAITING:
		break;
	}
	return true;
}

/* The length of the first reply in `in`, its last line's code in `*code`; 0: it is not whole. */
static size_t find_reply(struct span in, int *code)
{
	size_t at = 0;

	for (;;) {
		struct span line = span_from(in, at);
		size_t end_of = span_find(line, '\n');

		if (end_of == line.len)
			return 0;
		at += end_of + 1;
		if (end_of >= 4 && line.at[3] == '-')
			continue;
		*code = end_of >= 3 ? (line.at[0] - '0') * 100 + (line.at[1] - '0') * 10 + line.at[2] - '0' : 0;
		return at;
	}
}

static bool take_replies(struct call *c)
{
	int code = 0;
	size_t len;

	while ((len = find_reply(buf_peek(&c->wire.in), &code)) > 0) {
		struct buf *in = &c->wire.in;
		bool alive = take_reply(c, code, span_first(buf_peek(in), len));

		if (!alive)
			return false;
		buf_consume(in, len);
	}
	return true;
}

/* As far as it goes. */
static void run(struct call *c)
{
	bool moved;

	do {
		pump(c);
		moved = wire_flush(&c->wire);
		moved |= wire_fill(&c->wire);
		if (wire_secured(&c->wire))
			secured(c);
		if (!take_replies(c))
			return;
		if (c->wire.state == WIRE_ENDED) {
			fail(c, c->wire.error[0] != '\0' ? c->wire.error : "the connection was closed");
			return;
		}
		moved |= buf_used(&c->wire.out) > 0 && c->wire.writable;
	} while (moved);
}

static void on_event(void *arg, uint32_t events)
{
	struct call *c = arg;
	bool connecting = c->wire.state == WIRE_CONNECTING;

	wire_event(&c->wire, events);
	if (c->wire.state == WIRE_CONNECTING)
		return;
	if (connecting && c->wire.state == WIRE_OPEN && load.o.tls == LOAD_IMPLICIT)
		start_tls(c);
	run(c);
}

struct call *call_new(int64_t due)
{
	static unsigned turn;
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct call *c = mem_new(sizeof(*c));

	from.sin_addr.s_addr = htonl(0x7f000002u + turn++ % (load.o.sources > 0 ? load.o.sources : 1));
	c->due = due;
	if (!wire_connect(&c->wire, &load.o.to, load.o.sources > 0 ? &from : NULL, on_event, c)) {
		load_failed("connect", "no port or descriptor is left");
		free(c);
		return NULL;
	}
	load.open++;
	load.started++;
	return c;
}

bool call_give(int64_t due)
{
	struct call *c = waiting;

	if (c == NULL)
		return false;
	leave_waiting(c);
	load.held -= load.o.what == LOAD_HOLD;
	c->due = due;
	begin_message(c);
	run(c);
	return true;
}

static void let_go(struct call **list)
{
	while (*list != NULL) {
		struct call *c = *list;

		leave_waiting(c);
		say_quit(c);
		run(c);
	}
}

void call_let_go(void)
{
	let_go(&waiting);
	let_go(&resting);
}
