#include "sim/sim.h"

#include "base/must.h"
#include "harness/world_tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWED_MOST 128

/* What a reply will answer. */
enum owed { OWED_GREETING, OWED_EHLO, OWED_STARTTLS, OWED_MAIL, OWED_RCPT, OWED_DATA, OWED_CHUNK,
	    OWED_FINAL, OWED_ANY, OWED_QUIT };

enum plan_step { WANT_HELLO, WANT_TLS, WANT_MAIL, WANT_BODY, WANT_QUIT, WANT_NOTHING };

struct sim_client {
	struct sim *sim;
	struct world_peer *peer;
	struct sim_rand rand;
	enum plan_step step;
	bool implicit, tls, gone;
	bool offers_tls, offers_chunking, offers_pipelining;
	unsigned messages_left;
	struct sim_message *message;
	bool chunked;
	size_t sent_content;         /* of the message, by chunks */
	bool mail_ok;
	unsigned rcpts, rcpts_heard; /* of the message: said, and answered */
	unsigned rcpt_ok;
	unsigned char owed[OWED_MOST];
	unsigned owed_head, owed_count;
	int lines_code;              /* of the reply being read */
	unsigned commands;
};

struct sim_client *sim_client_new(struct sim *s)
{
	struct sim_client *c = mem_new(sizeof(*c));

	c->sim = s;
	c->rand.state = s->rand.state ^ 0x5bd1e995u ^ ((uint64_t)s->world.client_count << 40);
	c->implicit = sim_chance(&c->rand, 15);
	c->peer = world_call(&s->world, 0, c->implicit);
	c->messages_left = sim_rand(&c->rand, 4);
	c->owed[0] = OWED_GREETING;
	c->owed_count = 1;
	if (c->implicit) {
		c->tls = true;
		world_start_tls(c->peer, tls_conn_connect(world_tls_client(""), "gw.example", NULL, "sim"));
	}
	return c;
}

void sim_client_free(struct sim_client *c)
{
	free(c);
}

static void owe(struct sim_client *c, enum owed what)
{
	must(c->owed_count < OWED_MOST);
	c->owed[(c->owed_head + c->owed_count++) % OWED_MOST] = (unsigned char)what;
}

/* Who has left says no more. */
static void put(struct sim_client *c, struct span octets)
{
	if (c->peer->stream.open && !c->peer->stream.close_when_flushed)
		world_say(c->peer, octets);
}

static void say(struct sim_client *c, const char *text)
{
	sim_trace(c->sim, "C%u> %.70s", c->peer->number, text);
	put(c, span_str(text));
	c->commands++;
}

static void leave(struct sim_client *c, enum world_bye bye)
{
	sim_trace(c->sim, "C%u leaves (%d)", c->peer->number, bye);
	world_bye(c->peer, bye);
	c->gone = true;
}

/* --- what it says --- */

static void say_junk(struct sim_client *c)
{
	static const char *const junk[] = {
		"NOOP\r\n", "RSET\r\n", "VRFY x\r\n", "HELP\r\n", "XYZZY\r\n", "RCPT TO:<a@b\r\n",
		"DATA\r\n", "MAIL FROM:<>  BODY=9BIT\r\n", "AUTH PLAIN AAAA\r\n", "EXPN a\r\n",
	};
	const char *text = junk[sim_rand(&c->rand, sizeof(junk) / sizeof(junk[0]))];

	/* With an open transaction these would not be junk. */
	if (strncmp(text, "DATA", 4) == 0 && c->mail_ok)
		return;
	say(c, text);
	owe(c, OWED_ANY);
}

static void say_hello(struct sim_client *c)
{
	c->offers_tls = c->offers_chunking = c->offers_pipelining = false;
	if (sim_chance(&c->rand, 5)) {
		say(c, "HELO c.example\r\n");
		owe(c, OWED_ANY);
	} else {
		say(c, "EHLO c.example\r\n");
		owe(c, OWED_EHLO);
	}
	c->step = c->offers_tls && !c->tls && sim_chance(&c->rand, 70) ? WANT_TLS : WANT_MAIL;
}

static void say_starttls(struct sim_client *c)
{
	c->step = WANT_NOTHING;
	owe(c, OWED_STARTTLS);
	if (sim_chance(&c->rand, 10)) {
		say(c, "STARTTLS\r\nMAIL FROM:<injected@evil.example>\r\n");
		return;
	}
	say(c, "STARTTLS\r\n");
}

/* Lines of all sorts, with dots, empty lines, long lines and, now and then, what must not be there. */
static void make_content(struct sim_client *c, struct sim_message *m)
{
	static const char *const lines[] = {
		"text\r\n", ".\r\n", "..\r\n", ".dot\r\n", "\r\n", " folded\r\n", "From x\r\n",
		"MAIL FROM:<in@body.example>\r\n", "QUIT\r\n", "Received: from y\r\n",
	};
	static const char *const faults[] = {
		"\n.\r\n", "\n.\n", "\r\n.\n", "\r.\r", "a\rb\r\n", "a\nb\r\n", "\r\r\n",
	};
	size_t want = sim_chance(&c->rand, 20) ? sim_rand(&c->rand, SIM_BODY_MOST) :
						 sim_rand(&c->rand, 600);

	must(buf_printf(&m->content, "X-Id: %u\r\n", m->id));
	while (buf_used(&m->content) < want) {
		if (sim_chance(&c->rand, 20))
			must(buf_printf(&m->content, "%0*d\r\n", 1 + (int)sim_rand(&c->rand, 1200), 7));
		else
			must(buf_put(&m->content, span_str(lines[sim_rand(&c->rand, 10)])));
	}
	if (sim_chance(&c->rand, 10)) {
		must(buf_put(&m->content, span_str(faults[sim_rand(&c->rand, 7)])));
		must(buf_put(&m->content, SPAN("MAIL FROM:<smuggled@evil.example>\r\n")));
		m->sound = false;
	}
	if (sim_chance(&c->rand, 3)) {
		must(buf_put(&m->content, span_of("nul\0\r\n", 6)));
		m->sound = false;
	}
	if (buf_used(&m->content) > sim_plans[c->sim->plan].size_most)
		m->sound = false;
}

/* In mode outbound the addresses tell whose they are, and where they go: mostly to few domains that take mail. */
static void say_rcpt(struct sim_client *c, unsigned i)
{
	unsigned domain = sim_chance(&c->rand, 70) ? 1 + sim_rand(&c->rand, 3) : sim_rand(&c->rand, SIM_DOMAINS);
	char text[128];

	if (sim_plans[c->sim->plan].outbound)
		snprintf(text, sizeof(text), "RCPT TO:<r%u.m%u@d%u.example>\r\n", i, c->message->id, domain);
	else
		snprintf(text, sizeof(text), "RCPT TO:<r%u@u.example>\r\n", i);
	say(c, text);
	owe(c, OWED_RCPT);
}

static void say_from(struct sim_client *c)
{
	char text[128];

	snprintf(text, sizeof(text), "MAIL FROM:<m%u@c.example>\r\n", c->message->id);
	if (sim_chance(&c->rand, 10) && !sim_plans[c->sim->plan].outbound)
		say(c, "MAIL FROM:<>\r\n");
	else
		say(c, text);
	owe(c, OWED_MAIL);
}

static void say_mail(struct sim_client *c, bool group)
{

	if (sim_chance(&c->rand, 10))
		say_junk(c);
	c->message = sim_message_new(c->sim);
	if (c->message == NULL) {
		c->step = WANT_QUIT;
		return;
	}
	make_content(c, c->message);
	c->messages_left--;
	c->mail_ok = false;
	c->rcpt_ok = 0;
	c->chunked = c->offers_chunking && sim_chance(&c->rand, 40);
	say_from(c);
	c->rcpts = 1 + sim_rand(&c->rand, SIM_RCPTS);
	c->rcpts_heard = 0;
	for (unsigned i = 0; i < c->rcpts; i++)
		say_rcpt(c, i);
	c->step = WANT_BODY;
	if (group && !c->chunked) {
		say(c, "DATA\r\n");
		owe(c, OWED_DATA);
		c->step = WANT_NOTHING;
	}
}

static void put_stuffed(struct sim_client *c, struct span content)
{
	struct buf out;
	bool start = true;

	buf_init(&out, 4 * SIM_BODY_MOST);
	for (size_t i = 0; i < content.len; i++) {
		if (start && content.at[i] == '.')
			must(buf_put(&out, SPAN(".")));
		must(buf_put(&out, span_of(content.at + i, 1)));
		start = content.at[i] == '\n' && i > 0 && content.at[i - 1] == '\r';
	}
	put(c, buf_peek(&out));
	buf_free(&out);
}

static void end_message(struct sim_client *c)
{
	c->message->whole = true;
	c->step = c->messages_left > 0 ? WANT_MAIL : WANT_QUIT;
	c->mail_ok = false;
}

static void say_data(struct sim_client *c)
{
	struct span content = buf_peek(&c->message->content);

	if (sim_chance(&c->rand, 8)) {
		put_stuffed(c, span_first(content, sim_rand(&c->rand, (uint32_t)content.len)));
		leave(c, (enum world_bye)(WORLD_FIN + sim_rand(&c->rand, 4)));
		return;
	}
	if (sim_chance(&c->rand, 4)) {
		put_stuffed(c, span_first(content, content.len / 2));
		c->step = WANT_NOTHING; /* and never goes on */
		c->gone = true;
		return;
	}
	put_stuffed(c, content);
	/* A bare end before the dot is read as one that is not at a line's beginning. */
	put(c, span_ends_nocase(content, SPAN("\r\n")) ? SPAN(".\r\n") : SPAN("\r\n.\r\n"));
	if (!span_ends_nocase(content, SPAN("\r\n")))
		c->message->sound = false;
	sim_trace(c->sim, "C%u> (message %u, %zu octets)", c->peer->number, c->message->id, content.len);
	owe(c, OWED_FINAL);
	end_message(c);
	if (sim_chance(&c->rand, 10)) {
		say(c, "NOOP\r\n");
		owe(c, OWED_ANY);
	}
	if (sim_chance(&c->rand, 6))
		leave(c, (enum world_bye)(WORLD_FIN + sim_rand(&c->rand, 4)));
}

static void say_chunk(struct sim_client *c)
{
	struct span content = span_from(buf_peek(&c->message->content), c->sent_content);
	bool last = sim_chance(&c->rand, 50);
	struct span piece = last ? content : span_first(content, sim_rand(&c->rand, (uint32_t)content.len + 1));
	char text[64];

	snprintf(text, sizeof(text), "BDAT %zu%s\r\n", piece.len, last ? " LAST" : "");
	say(c, text);
	if (piece.len > 0 && sim_chance(&c->rand, 5)) {
		put(c, span_first(piece, piece.len / 2));
		leave(c, (enum world_bye)(WORLD_FIN + sim_rand(&c->rand, 4)));
		return;
	}
	put(c, piece);
	c->sent_content += piece.len;
	owe(c, last ? OWED_FINAL : OWED_CHUNK);
	if (last)
		end_message(c);
}

static void say_body(struct sim_client *c)
{
	if (!c->mail_ok || c->rcpt_ok == 0) {
		say(c, "RSET\r\n");
		owe(c, OWED_ANY);
		c->step = c->messages_left > 0 ? WANT_MAIL : WANT_QUIT;
		return;
	}
	if (c->chunked) {
		say_chunk(c);
		return;
	}
	say(c, "DATA\r\n");
	owe(c, OWED_DATA);
	c->step = WANT_NOTHING;
}

/* --- what it hears --- */

static void on_final(struct sim_client *c, int code)
{
	/* The message it belongs to is the newest: it waits for this reply before the next. */
	if (c->message != NULL)
		c->message->client_code = code;
}

static void on_chunk_refused(struct sim_client *c)
{
	say(c, "RSET\r\n");
	owe(c, OWED_ANY);
	c->mail_ok = false;
	c->step = c->messages_left > 0 ? WANT_MAIL : WANT_QUIT;
}

static void on_starttls(struct sim_client *c, int code)
{
	c->step = WANT_HELLO;
	if (code != 220)
		return;
	c->tls = true;
	world_start_tls(c->peer, tls_conn_connect(world_tls_client(""), "gw.example", NULL, "sim"));
}

static void on_reply(struct sim_client *c, enum owed what, int code)
{
	bool fine = code >= 200 && code <= 299;

	switch (what) {
	case OWED_GREETING:
		if (!fine)
			c->gone = true;
		c->step = WANT_HELLO;
		break;
	case OWED_STARTTLS:
		on_starttls(c, code);
		break;
	case OWED_MAIL:
		c->mail_ok = fine;
		break;
	case OWED_RCPT:
		c->rcpt_ok += fine;
		c->message->rcpts[c->rcpts_heard++].told = fine;
		break;
	case OWED_DATA:
		if (code == 354) {
			say_data(c);
		} else {
			say(c, "RSET\r\n");
			owe(c, OWED_ANY);
			c->step = c->messages_left > 0 ? WANT_MAIL : WANT_QUIT;
		}
		break;
	case OWED_CHUNK:
		if (!fine)
			on_chunk_refused(c);
		break;
	case OWED_FINAL:
		on_final(c, code);
		break;
	case OWED_EHLO:
	case OWED_ANY:
		break;
	case OWED_QUIT:
		leave(c, WORLD_CLOSE_NOTIFY);
		break;
	}
}

static void note_keyword(struct sim_client *c, struct span text)
{
	if (span_eq_nocase(text, SPAN("STARTTLS")))
		c->offers_tls = true;
	if (span_eq_nocase(text, SPAN("CHUNKING")))
		c->offers_chunking = true;
	if (span_eq_nocase(text, SPAN("PIPELINING")))
		c->offers_pipelining = true;
}

static void take_line(struct sim_client *c, struct span line)
{
	enum owed what = (enum owed)c->owed[c->owed_head];
	uint64_t code;

	sim_trace(c->sim, "C%u< %.*s", c->peer->number, (int)(line.len < 70 ? line.len : 70), line.at);
	if (line.len < 4 || !span_number(span_first(line, 3), 599, &code)) {
		sim_break(c->sim, "the client got a line that is no reply: %.*s", (int)line.len, line.at);
		return;
	}
	if (c->owed_count > 0 && what == OWED_EHLO)
		note_keyword(c, span_from(line, 4));
	if (line.at[3] == '-')
		return;
	if (code == 421) {
		/* The final reply may be one too; then it answers the message. */
		if (c->owed_count > 0 && what == OWED_FINAL)
			on_final(c, 421);
		c->gone = true;
		c->owed_count = 0;
		leave(c, WORLD_CLOSE_NOTIFY);
		return;
	}
	if (c->owed_count == 0) {
		/* After a faulty line or bytes behind STARTTLS the session ends with one word more. */
		if (!c->gone)
			sim_break(c->sim, "a reply that nothing was asked for: %.*s", (int)line.len,
				  line.at);
		return;
	}
	c->owed_head = (c->owed_head + 1) % OWED_MOST;
	c->owed_count--;
	if (what == OWED_EHLO)
		c->step = c->offers_tls && !c->tls && sim_chance(&c->rand, 70) ? WANT_TLS : WANT_MAIL;
	on_reply(c, what, (int)code);
}

static bool hear(struct sim_client *c)
{
	bool any = false;

	for (;;) {
		struct span all = buf_peek(&c->peer->got);
		size_t end = span_find(all, '\n');
		struct buf line;

		if (end == all.len)
			return any;
		any = true;
		buf_init(&line, 8192);
		must(buf_put(&line, span_first(all, end > 0 ? end - 1 : 0)));
		buf_consume(&c->peer->got, end + 1);
		take_line(c, buf_peek(&line));
		buf_free(&line);
	}
}

static void act(struct sim_client *c)
{
	bool group = c->offers_pipelining && sim_chance(&c->rand, 70);

	if (sim_chance(&c->rand, 2)) {
		leave(c, (enum world_bye)(WORLD_FIN + sim_rand(&c->rand, 4)));
		return;
	}
	switch (c->step) {
	case WANT_HELLO:
		say_hello(c);
		break;
	case WANT_TLS:
		say_starttls(c);
		break;
	case WANT_MAIL:
		if (c->messages_left == 0)
			c->step = WANT_QUIT;
		else
			say_mail(c, group);
		c->sent_content = 0;
		break;
	case WANT_BODY:
		say_body(c);
		break;
	case WANT_QUIT:
		say(c, "QUIT\r\n");
		owe(c, OWED_QUIT);
		c->step = WANT_NOTHING;
		break;
	case WANT_NOTHING:
		break;
	}
}

bool sim_client_run(struct sim_client *c)
{
	bool moved = hear(c);

	if (c->gone || !c->peer->stream.open || c->peer->stream.end != STREAM_OPEN ||
	    c->owed_count > 0 || c->step == WANT_NOTHING || c->peer->tls != NULL)
		return moved;
	act(c);
	return true;
}
