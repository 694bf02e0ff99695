#include "sim/sim.h"

#include "base/must.h"
#include "edge/session.h"
#include "harness/world_tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The one thing, at the most, that goes wrong on a connection, beside refusals by chance. */
enum sim_fault {
	SIM_FINE,
	SIM_GREET_421, SIM_GREET_554, SIM_GREET_GARBAGE, SIM_NO_GREETING,
	SIM_LOST,         /* after so many commands: FIN, RST ... */
	SIM_SILENT,       /* after so many commands, for ever */
	SIM_GARBAGE,      /* for a reply */
	SIM_MIXED,        /* two codes in one reply */
	SIM_UNASKED,      /* a second reply behind the first */
	SIM_421,          /* to some command */
	SIM_EARLY_REFUSAL, SIM_EARLY_OK, /* in the middle of a body */
	SIM_LOST_IN_BODY,
	SIM_LOST_AFTER_DOT, /* committed or not, and no answer */
	SIM_INJECT,       /* behind 220 to STARTTLS */
	SIM_TLS_GARBAGE,  /* instead of a handshake */
	SIM_CAPS_LOST,    /* offers less than others do */
	SIM_SLOW,         /* each reply takes its time */
	SIM_DEAF,         /* reads nothing for a while */
	SIM_LAST,
};

struct sim_upstream {
	struct sim *sim;
	struct sim_rand rand;
	enum sim_fault fault;
	unsigned fault_at;      /* command */
	unsigned commands;
	bool starttls, tls, greeted, dead, chunking;
	const char *cert;
	bool mail;
	unsigned rcpts;
	struct sim_envelope envelope;
	bool body;              /* DATA was granted */
	struct buf content;     /* of the message, un-stuffed */
	uint64_t chunk_left;
	bool chunk, chunk_last;
	size_t early_at;
	struct buf later;       /* replies that come at `at` */
	msec at;
	bool owes_bye;
};

static bool chance(struct sim_upstream *u, unsigned percent)
{
	return sim_chance(&u->rand, percent);
}

/* The client called it on a port with TLS from the first byte. */
static bool is_implicit(const struct world *w, const struct world_peer *p)
{
	for (const struct world_peer *c = w->peers; c != NULL; c = c->next) {
		if (c->client && c->session != NULL && strcmp(c->sid, p->sid) == 0)
			return c->session->target.len > 0 && c->session->implicit;
	}
	return false;
}

enum world_fate sim_upstream_dial(struct world *w, struct world_peer *p)
{
	static const char *const certs[] = { "mx", "mx", "mx", "mx", "expired", "unknown-ca", "other-name" };
	struct sim *s = (struct sim *)w;
	struct sim_upstream *u = mem_new(sizeof(*u));

	u->sim = s;
	u->rand.state = s->rand.state ^ ((uint64_t)p->number << 33) ^ 0x9e37;
	/* Without a fallback to begin with no message goes two ways. */
	u->fault = chance(u, sim_route_is_fallback(s, p) ? 80 : 50) ? SIM_FINE : (enum sim_fault)sim_rand(&u->rand, SIM_LAST);
	u->fault_at = sim_rand(&u->rand, 9);
	u->starttls = chance(u, 80);
	u->chunking = chance(u, 70);
	u->cert = certs[sim_rand(&u->rand, 7)];
	u->early_at = 500 + sim_rand(&u->rand, 2000); /* behind the line that tells whose it is */
	u->at = MSEC_NEVER;
	buf_init(&u->content, 1024 * 1024);
	buf_init(&u->later, 1024 * 1024);
	p->user = u;
	p->deaf = u->fault == SIM_DEAF && chance(u, 50);
	u->tls = is_implicit(w, p);
	if (u->tls)
		world_start_tls(p, tls_conn_accept(world_tls_server(u->cert, "")));
	sim_trace(s, "U%u is called, fault %d", p->number, u->fault);
	if (chance(u, 4))
		return WORLD_REFUSED;
	return chance(u, 2) ? WORLD_HANGING : WORLD_ACCEPTED;
}

void sim_upstream_free(struct world_peer *p)
{
	struct sim_upstream *u = p->user;

	if (u == NULL)
		return;
	buf_free(&u->content);
	buf_free(&u->later);
	free(u);
	p->user = NULL;
}

static void die(struct world_peer *p, struct sim_upstream *u)
{
	u->dead = true;
	sim_trace(u->sim, "U%u goes away", p->number);
	world_bye(p, (enum world_bye)(WORLD_FIN + sim_rand(&u->rand, 4)));
}

static void say(struct world_peer *p, struct sim_upstream *u, const char *text)
{
	sim_trace(u->sim, "U%u> %.70s", p->number, text);
	if (u->fault == SIM_SLOW && chance(u, 50)) {
		must(buf_put(&u->later, span_str(text)));
		u->at = u->sim->world.edge.now + 1000 * (1 + (msec)sim_rand(&u->rand, 100));
	} else if (buf_used(&u->later) > 0) {
		must(buf_put(&u->later, span_str(text)));
	} else if (p->stream.open && !p->stream.close_when_flushed) {
		world_say(p, span_str(text));
	}
}

/* A refusal of some kind, by chance; else `fine`. */
static int answer(struct world_peer *p, struct sim_upstream *u, const char *fine)
{
	static const char *const refusals[] = {
		"450 4.2.1 busy\r\n", "550 5.1.1 no such user\r\n", "550-5.7.1 not\r\n550 5.7.1 you\r\n",
		"451 4.3.0 later\r\n", "599 \r\n",
	};
	const char *text = chance(u, 8) ? refusals[sim_rand(&u->rand, 5)] : fine;

	say(p, u, text);
	return atoi(text);
}

static void say_ehlo(struct world_peer *p, struct sim_upstream *u)
{
	char text[512];
	bool poor = u->fault == SIM_CAPS_LOST;

	snprintf(text, sizeof(text), "250-u.example\r\n%s%s%s250-8BITMIME\r\n250 SIZE 30000\r\n",
		 poor && chance(u, 50) ? "" : "250-PIPELINING\r\n",
		 u->chunking && !(poor && chance(u, 60)) ? "250-CHUNKING\r\n" : "",
		 u->starttls && !u->tls ? "250-STARTTLS\r\n" : "");
	u->chunking = strstr(text, "CHUNKING") != NULL;
	say(p, u, text);
}

static void grant_tls(struct world_peer *p, struct sim_upstream *u)
{
	if (chance(u, 10)) {
		say(p, u, "454 4.7.0 not now\r\n");
		return;
	}
	world_say(p, SPAN("220 go\r\n"));
	if (u->fault == SIM_INJECT) {
		world_say(p, SPAN("250-u.example\r\n250 PIPELINING\r\n250 2.1.0 injected\r\n"));
		u->dead = true;
		return;
	}
	if (u->fault == SIM_TLS_GARBAGE) {
		u->dead = true;
		world_say(p, SPAN("this is no TLS at all, is it?\r\n"));
		return;
	}
	u->tls = true;
	u->mail = false;
	world_start_tls(p, tls_conn_accept(world_tls_server(u->cert, "")));
}

/* --- the laws that can be seen from here --- */

static void check_mail(const struct world_peer *p, struct sim_upstream *u)
{
	const struct sim_plan *plan = &sim_plans[u->sim->plan];

	if (plan->outbound)
		sim_route_check_mail(u->sim, p, u->tls, u->cert);
	if (plan->must_tls && !u->tls)
		sim_break(u->sim, "law 6: MAIL came in clear, and TLS was needed");
	/* In other people's way only the client knows the name that it looks for. */
	if (plan->transparent && strcmp(u->cert, "other-name") == 0)
		return;
	if (plan->must_verify && strcmp(u->cert, "mx") != 0)
		sim_break(u->sim, "law 6: MAIL came to a host whose certificate is %s", u->cert);
}

static void check_line(struct sim_upstream *u, struct span line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (line.at[i] == '\0' || line.at[i] == '\n' || line.at[i] == '\r')
			sim_break(u->sim, "law 3: a bare CR or LF, or a NUL, came through: %.60s", line.at);
	}
	if (strstr(line.at, "evil.example") != NULL && !u->body && !u->chunk)
		sim_break(u->sim, "law 2 or 3: a smuggled or injected command came through: %.60s", line.at);
}

/* --- the message --- */

static void end_of_message(struct world_peer *p, struct sim_upstream *u)
{
	struct sim_message *m = sim_message_of(u->sim, buf_peek(&u->content));
	bool takes;

	u->body = false;
	u->mail = false;
	if (u->fault == SIM_LOST_AFTER_DOT) {
		if (chance(u, 50))
			sim_commit(u->sim, buf_peek(&u->content), &u->envelope, false);
		die(p, u);
	} else if (u->fault == SIM_SILENT && chance(u, 50)) {
		u->dead = true;
	} else {
		int code = answer(p, u, "250 2.0.0 taken\r\n");

		takes = code == 250;
		if (m != NULL)
			m->upstream_code = code;
		if (takes)
			sim_commit(u->sim, buf_peek(&u->content), &u->envelope, true);
	}
	buf_free(&u->content);
}

/* 2xx before this upstream has read the end. Where the client has sent it all the gateway has passed it
 * all on by now, and can't know: the word counts. Otherwise it must not be believed. */
static void early_ok(struct world_peer *p, struct sim_upstream *u)
{
	struct sim_message *m = sim_message_of(u->sim, buf_peek(&u->content));

	if (m != NULL && m->whole)
		sim_said(m, &u->envelope);
	say(p, u, "250 2.0.0 taken already\r\n");
}

static bool early(struct world_peer *p, struct sim_upstream *u)
{
	if ((u->fault != SIM_EARLY_REFUSAL && u->fault != SIM_EARLY_OK &&
	     u->fault != SIM_LOST_IN_BODY) || buf_used(&u->content) < u->early_at)
		return false;
	if (u->fault == SIM_LOST_IN_BODY) {
		die(p, u);
		return true;
	}
	if (u->fault == SIM_EARLY_REFUSAL) {
		struct sim_message *m = sim_message_of(u->sim, buf_peek(&u->content));

		if (m != NULL)
			m->upstream_code = 554;
		u->sim->body_refused |= m == NULL;
		say(p, u, "554 5.6.0 enough\r\n");
	} else {
		early_ok(p, u);
	}
	u->dead = true;
	return true;
}

static void take_body_line(struct world_peer *p, struct sim_upstream *u, struct span line)
{
	if (line.len == 1 && line.at[0] == '.') {
		end_of_message(p, u);
		return;
	}
	if (line.len > 0 && line.at[0] == '.')
		line = span_from(line, 1);
	must(buf_put(&u->content, line) && buf_put(&u->content, SPAN("\r\n")));
	early(p, u);
}

/* --- commands --- */

static bool goes_wrong(struct world_peer *p, struct sim_upstream *u)
{
	if (u->commands != u->fault_at)
		return false;
	switch (u->fault) {
	case SIM_LOST:
		die(p, u);
		return true;
	case SIM_SILENT:
		u->dead = true;
		return true;
	case SIM_GARBAGE:
		say(p, u, "what?\r\n");
		u->dead = true;
		return true;
	case SIM_MIXED:
		say(p, u, "250-yes\r\n550 no\r\n");
		u->dead = true;
		return true;
	case SIM_421:
		say(p, u, "421 4.3.2 closing\r\n");
		die(p, u);
		return true;
	default:
		return false;
	}
}

static void on_bdat(struct world_peer *p, struct sim_upstream *u, struct span args)
{
	struct span number = span_cut(&args, ' ');

	if (!span_number(number, 1000000, &u->chunk_left)) {
		sim_break(u->sim, "BDAT without a size came through");
		return;
	}
	u->chunk = true;
	u->chunk_last = span_eq_nocase(args, SPAN("LAST"));
	if (!u->chunking)
		sim_break(u->sim, "law 4: BDAT came, and CHUNKING was not offered");
	(void)p;
}

static void on_data(struct world_peer *p, struct sim_upstream *u)
{
	u->body = false;
	if (!u->mail || u->rcpts == 0) {
		/* Some grant DATA all the same (RFC 2920 section 3.1). */
		if (chance(u, 30) && u->mail) {
			say(p, u, "354 go\r\n");
			u->body = true;
			return;
		}
		say(p, u, "554 5.5.1 no valid recipients\r\n");
		u->sim->body_refused = true;
		return;
	}
	u->body = answer(p, u, "354 go\r\n") == 354;
	u->sim->body_refused |= !u->body;
	buf_free(&u->content);
}

static void take_rcpt(const struct world_peer *p, struct sim_upstream *u, struct span line)
{
	struct sim_envelope *e = &u->envelope;
	unsigned rcpt, message, domain;

	u->rcpts++;
	if (!sim_plans[u->sim->plan].outbound)
		return;
	if (sscanf(line.at, "RCPT TO:<r%u.m%u@d%u.", &rcpt, &message, &domain) != 3 || rcpt >= SIM_RCPTS ||
	    message >= u->sim->message_count || e->count == sizeof(e->to) / sizeof(e->to[0])) {
		sim_break(u->sim, "a recipient that no client said: %.60s", line.at);
		return;
	}
	sim_route_check_rcpt(u->sim, p, domain);
	e->to[e->count].message = message;
	e->to[e->count++].rcpt = rcpt;
}

static void on_command(struct world_peer *p, struct sim_upstream *u, struct span line)
{
	struct span args = line, verb = span_cut(&args, ' ');

	sim_trace(u->sim, "U%u< %.*s", p->number, (int)(line.len < 70 ? line.len : 70), line.at);
	u->commands++;
	if (goes_wrong(p, u))
		return;
	if (span_eq(verb, SPAN("EHLO"))) {
		say_ehlo(p, u);
	} else if (span_eq(verb, SPAN("STARTTLS"))) {
		grant_tls(p, u);
	} else if (span_eq(verb, SPAN("MAIL"))) {
		check_mail(p, u);
		u->rcpts = u->envelope.count = 0;
		u->mail = answer(p, u, "250 2.1.0 ok\r\n") == 250;
	} else if (span_eq(verb, SPAN("RCPT"))) {
		if (!u->mail)
			say(p, u, "503 5.5.1 MAIL first\r\n");
		else if (answer(p, u, "250 2.1.5 ok\r\n") == 250)
			take_rcpt(p, u, line);
	} else if (span_eq(verb, SPAN("DATA"))) {
		on_data(p, u);
	} else if (span_eq(verb, SPAN("BDAT"))) {
		on_bdat(p, u, args);
	} else if (span_eq(verb, SPAN("RSET"))) {
		u->mail = false;
		buf_free(&u->content);
		say(p, u, "250 2.0.0 ok\r\n");
	} else if (span_eq(verb, SPAN("QUIT"))) {
		say(p, u, "221 2.0.0 bye\r\n");
		u->dead = true;
		world_bye(p, WORLD_CLOSE_NOTIFY);
	} else {
		sim_break(u->sim, "the upstream got a command that the gateway does not speak: %.60s", line.at);
	}
	/* Not behind the start of a message: there it would be the reply to it. */
	if (u->fault == SIM_UNASKED && u->commands == u->fault_at && !u->dead && !u->body && !u->chunk)
		say(p, u, "250 2.0.0 and another\r\n");
}

static void refuse_chunk(struct sim_upstream *u)
{
	u->mail = false;
	u->sim->body_refused = true;
}

static void end_of_chunk(struct world_peer *p, struct sim_upstream *u)
{
	u->chunk = false;
	if (!u->mail || u->rcpts == 0) {
		say(p, u, "503 5.5.1 no valid recipients\r\n");
		u->sim->body_refused = true;
		buf_free(&u->content);
		return;
	}
	if (u->chunk_last)
		end_of_message(p, u);
	else if (answer(p, u, "250 2.0.0 chunk\r\n") != 250)
		refuse_chunk(u);
}

static bool take_chunk(struct world_peer *p, struct sim_upstream *u)
{
	struct span some = span_first(buf_peek(&p->got), (size_t)u->chunk_left);

	must(buf_put(&u->content, some));
	u->chunk_left -= some.len;
	buf_consume(&p->got, some.len);
	if (some.len > 0 && early(p, u))
		return true;
	if (u->chunk_left == 0)
		end_of_chunk(p, u);
	return some.len > 0 || u->chunk_left == 0;
}

static bool take_line(struct world_peer *p, struct sim_upstream *u)
{
	struct span all = buf_peek(&p->got);
	size_t end = span_find(all, '\n');
	struct buf line;

	if (end == all.len)
		return false;
	if (end == 0 || all.at[end - 1] != '\r')
		sim_break(u->sim, "law 3: a line came through that ends with LF alone");
	buf_init(&line, 1024 * 1024);
	must(buf_put(&line, span_first(all, end > 0 ? end - 1 : 0)) && buf_put(&line, span_of("", 1)));
	buf_consume(&p->got, end + 1);
	check_line(u, span_first(buf_peek(&line), buf_used(&line) - 1));
	if (u->body)
		take_body_line(p, u, span_first(buf_peek(&line), buf_used(&line) - 1));
	else
		on_command(p, u, span_first(buf_peek(&line), buf_used(&line) - 1));
	buf_free(&line);
	return true;
}

static void greet(struct world_peer *p, struct sim_upstream *u)
{
	u->greeted = true;
	switch (u->fault) {
	case SIM_GREET_421:
		say(p, u, "421 4.3.2 not now\r\n");
		die(p, u);
		break;
	case SIM_GREET_554:
		say(p, u, "554 5.3.2 no\r\n");
		break;
	case SIM_GREET_GARBAGE:
		world_say(p, span_of("SSH-2.0-\0\r\n", 11));
		break;
	case SIM_NO_GREETING:
		u->dead = true;
		break;
	default:
		say(p, u, "220 u.example ESMTP\r\n");
		break;
	}
}

static bool speak_later(struct world_peer *p, struct sim_upstream *u)
{
	msec now = u->sim->world.edge.now;

	if (u->at > now)
		return false;
	u->at = MSEC_NEVER;
	if (p->stream.open && !p->stream.close_when_flushed)
		world_say(p, buf_peek(&u->later));
	buf_free(&u->later);
	return true;
}

msec sim_upstream_next(const struct world_peer *p)
{
	const struct sim_upstream *u = p->user;

	if (u == NULL || !p->stream.open)
		return MSEC_NEVER;
	return u->at;
}

bool sim_upstream_run(struct sim *s, struct world_peer *p)
{
	struct sim_upstream *u = p->user;
	bool moved;

	if (u == NULL || !p->stream.open || p->fate != WORLD_ACCEPTED)
		return false;
	(void)s;
	moved = speak_later(p, u);
	if (!u->greeted) {
		greet(p, u);
		return true;
	}
	while (!u->dead && p->tls == NULL && p->stream.open && (u->chunk ? take_chunk(p, u) : take_line(p, u)))
		moved = true;
	return moved;
}
