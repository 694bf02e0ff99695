#include "ctl/sink_session.h"

#include "base/log.h"
#include "base/must.h"
#include "io/stream.h"
#include "smtp/smtp_data.h"
#include "smtp/smtp_server.h"

#include <stdlib.h>

#define TURNS 16             /* before the others have theirs */
#define REPLY_ROOM 4096      /* more than any reply of ours takes */
#define ERRORS_MOST 100
#define RCPTS_MOST 1000
#define IDLE (300 * 1000)    /* RFC 5321 section 4.5.3.2.7 */
#define LINGER (5 * 1000)
#define TO_PRINTED 2500      /* octets of recipients in a printed line; it must hold the rest too */

enum state {
	IN_COMMANDS,
	IN_DATA,
	IN_CHUNK,   /* BDAT: session->chunk octets to come */
	IN_STARTTLS, /* the 220 is on its way */
	IN_FAREWELL, /* nothing is listened to any more */
};

struct sink_session {
	LIST_ENTRY(sink_session) entry;
	struct sink *sink;
	struct stream stream;
	struct loop_watch *watch;
	struct loop_timer *timer;
	struct addr peer;
	enum state state;
	struct smtp_server server;
	struct smtp_line framing;
	struct smtp_data_reader data;
	struct smtp_body_check check;
	uint64_t chunk;
	bool last;             /* the chunk is the last */
	bool skip;             /* the octets of the chunk belong to no message */
	struct buf from, to;
	struct sink_file file;
	bool again;
};

static void session_free(struct sink_session *s)
{
	if (s->again)
		s->sink->waiting--;
	LIST_REMOVE(s, entry);
	loop_unwatch(s->watch);
	loop_timer_free(s->timer);
	stream_close(&s->stream);
	sink_maildir_drop(&s->file);
	smtp_server_free(&s->server);
	buf_free(&s->from);
	buf_free(&s->to);
	free(s);
}

static void say(struct sink_session *s, const struct smtp_answer *answer)
{
	must(smtp_answer_put(&s->stream.out, answer, NULL));
}

static void farewell(struct sink_session *s)
{
	s->state = IN_FAREWELL;
	stream_finish(&s->stream);
}

static void forget_message(struct sink_session *s)
{
	smtp_server_reset(&s->server);
	sink_maildir_drop(&s->file);
	buf_free(&s->from);
	buf_free(&s->to);
	s->check = (struct smtp_body_check){ .cr = false };
}

static void print_message(struct sink_session *s)
{
	struct span to = buf_peek(&s->to);
	struct tls_facts tls = { .on = false };
	char peer[ADDR_TEXT_MOST];
	struct log_line l;

	if (s->sink->quiet)
		return;
	if (stream_is_secure(&s->stream))
		tls_conn_facts(s->stream.tls, &tls);
	addr_print(&s->peer, peer);
	log_begin(&l, "message");
	log_text(&l, "file", s->file.path);
	log_span(&l, "from", buf_peek(&s->from));
	log_span(&l, "to", span_first(to, TO_PRINTED));
	log_int(&l, "size", (int64_t)s->file.size);
	log_text(&l, "tls", tls.on ? tls.version : "no");
	log_text(&l, "cipher", tls.on ? tls.cipher : "no");
	log_span(&l, "helo", buf_peek(&s->server.helo));
	log_text(&l, "group", tls.on ? tls.group : "no");
	log_text(&l, "resumed", tls.resumed ? "yes" : "no");
	log_text(&l, "sni", tls.sni);
	log_text(&l, "cert", tls.cert);
	log_text(&l, "with", smtp_server_with(&s->server));
	log_int(&l, "rcpts", s->server.rcpts);
	log_text(&l, "peer", peer);
	log_end(&l);
}

static void end_message(struct sink_session *s, bool faulty)
{
	struct why why;

	if (faulty) {
		say(s, &SMTP_SAY_BAD_BODY);
	} else if (!sink_maildir_end(&s->sink->maildir, &s->file, &why)) {
		log_event("error", "%s", why.text);
		say(s, &SMTP_SAY_SELF);
	} else {
		say(s, &SMTP_SAY_OK);
		print_message(s);
	}
	forget_message(s);
}

/* False where there is no file to write to; the refusal has been said. */
static bool begin_message(struct sink_session *s)
{
	struct why why;

	if (s->file.f != NULL || sink_maildir_begin(&s->sink->maildir, &s->file, &why))
		return true;
	log_event("error", "%s", why.text);
	say(s, &SMTP_SAY_SELF);
	forget_message(s);
	return false;
}

static void do_ehlo(struct sink_session *s, const struct smtp_cmd *cmd)
{
	struct smtp_caps offer = s->sink->offer;

	forget_message(s);
	smtp_server_hello(&s->server, cmd);
	if (cmd->verb == SMTP_HELO) {
		must(buf_printf(&s->stream.out, "250 %s\r\n", s->sink->hostname));
		return;
	}
	if (s->sink->offer_tls && !s->server.tls)
		offer.have |= SMTP_CAP_STARTTLS;
	s->server.offer = offer;
	must(smtp_caps_put(&s->stream.out, s->sink->hostname, &offer));
}

static void do_mail(struct sink_session *s, const struct smtp_cmd *cmd)
{
	forget_message(s);
	smtp_server_mail(&s->server, cmd);
	must(buf_put(&s->from, cmd->path.text));
	say(s, &SMTP_SAY_MAIL_OK);
}

static void do_rcpt(struct sink_session *s, const struct smtp_cmd *cmd)
{
	struct span comma = buf_used(&s->to) > 0 ? SPAN(",") : SPAN("");

	if (s->server.rcpts == RCPTS_MOST) {
		say(s, &SMTP_SAY_TOO_MANY_RCPT);
		return;
	}
	smtp_server_rcpt(&s->server);
	must(buf_put(&s->to, comma) && buf_put(&s->to, cmd->path.text));
	say(s, &SMTP_SAY_RCPT_OK);
}

static void do_data(struct sink_session *s)
{
	if (!begin_message(s))
		return;
	smtp_data_reader_init(&s->data);
	s->state = IN_DATA;
	say(s, &SMTP_SAY_DATA_GO);
}

static void begin_chunk(struct sink_session *s, const struct smtp_cmd *cmd, bool skip)
{
	s->chunk = cmd->chunk;
	s->last = cmd->last;
	s->skip = skip;
	s->state = IN_CHUNK;
}

static void do_bdat(struct sink_session *s, const struct smtp_cmd *cmd)
{
	bool taken = begin_message(s);

	s->server.chunks |= taken;
	begin_chunk(s, cmd, !taken);
}

static void do_starttls(struct sink_session *s)
{
	/* FAULTS 20. What comes between here and the handshake is held back, and is then no TLS. */
	if (buf_used(&s->stream.in) > 0) {
		say(s, &SMTP_SAY_TLS_DIRTY);
		farewell(s);
		return;
	}
	say(s, &SMTP_SAY_TLS_READY);
	stream_hold(&s->stream);
	s->state = IN_STARTTLS;
}

static void do_quit(struct sink_session *s)
{
	say(s, &SMTP_SAY_BYE);
	farewell(s);
}

static void do_admitted(struct sink_session *s, const struct smtp_cmd *cmd)
{
	switch (cmd->verb) {
	case SMTP_EHLO:
	case SMTP_HELO:
		do_ehlo(s, cmd);
		break;
	case SMTP_MAIL:
		do_mail(s, cmd);
		break;
	case SMTP_RCPT:
		do_rcpt(s, cmd);
		break;
	case SMTP_RSET:
		forget_message(s);
		say(s, &SMTP_SAY_OK);
		break;
	case SMTP_VRFY:
		say(s, &SMTP_SAY_VRFY);
		break;
	case SMTP_HELP:
		say(s, &SMTP_SAY_HELP);
		break;
	default:
		/* The others follow in after_line; smtp_server_admit lets no more than NOOP through. */
		must(cmd->verb == SMTP_NOOP);
		say(s, &SMTP_SAY_OK);
		break;
	}
}

static void refuse(struct sink_session *s, const struct smtp_cmd *cmd,
		   const struct smtp_answer *refusal)
{
	say(s, refusal);
	if (++s->server.errors == ERRORS_MOST) {
		say(s, &SMTP_SAY_TOO_MANY_ERRORS);
		farewell(s);
	} else if (cmd->verb == SMTP_BDAT && cmd->chunk == UINT64_MAX) {
		farewell(s);
	} else if (cmd->verb == SMTP_BDAT) {
		begin_chunk(s, cmd, true);
	}
}

/* Commands whose meaning begins behind their line; the others need the line itself. */
static bool is_about_what_follows(enum smtp_verb verb)
{
	return verb == SMTP_DATA || verb == SMTP_BDAT || verb == SMTP_STARTTLS || verb == SMTP_QUIT;
}

static void after_line(struct sink_session *s, const struct smtp_cmd *cmd)
{
	if (cmd->verb == SMTP_DATA)
		do_data(s);
	else if (cmd->verb == SMTP_BDAT)
		do_bdat(s, cmd);
	else if (cmd->verb == SMTP_STARTTLS)
		do_starttls(s);
	else
		do_quit(s);
}

static void take_command(struct sink_session *s, struct span line)
{
	struct smtp_cmd cmd;
	const struct smtp_answer *refusal = smtp_cmd_read(line, &cmd);
	bool follows;

	if (refusal == NULL)
		refusal = smtp_server_admit(&s->server, &cmd);
	follows = refusal == NULL && is_about_what_follows(cmd.verb);
	if (refusal != NULL)
		refuse(s, &cmd, refusal);
	else if (!follows)
		do_admitted(s, &cmd);
	smtp_line_drop(&s->framing, &s->stream.in, line);
	/* The spans of `cmd` are gone by now; these four use none. */
	if (follows)
		after_line(s, &cmd);
}

static bool take_line(struct sink_session *s)
{
	size_t before = buf_used(&s->stream.in);
	struct span line;

	switch (smtp_line_next(&s->framing, &s->stream.in, &line)) {
	case SMTP_LINE_WHOLE:
		take_command(s, line);
		return true;
	case SMTP_LINE_LONG:
		say(s, &SMTP_SAY_LONG);
		s->server.errors++;
		return true;
	case SMTP_LINE_BARE:
		say(s, &SMTP_SAY_BARE);
		farewell(s);
		return true;
	case SMTP_LINE_MORE:
		break;
	}
	return buf_used(&s->stream.in) != before;
}

static bool take_data(struct sink_session *s)
{
	struct span content;
	size_t len = smtp_data_read(&s->data, buf_peek(&s->stream.in), &content);

	if (len > 0) {
		sink_maildir_put(&s->file, content);
		buf_consume(&s->stream.in, len);
	}
	if (!s->data.done)
		return len > 0;
	s->state = IN_COMMANDS;
	end_message(s, s->data.faulty);
	return true;
}

static void end_chunk(struct sink_session *s)
{
	bool faulty;

	s->state = IN_COMMANDS;
	if (s->skip)
		return;
	if (!s->last) {
		say(s, &SMTP_SAY_CHUNK_OK);
		return;
	}
	faulty = !s->server.binary && !smtp_body_check_end(&s->check);
	end_message(s, faulty);
}

static bool take_chunk(struct sink_session *s)
{
	struct span some = buf_peek(&s->stream.in);

	if (some.len > s->chunk)
		some = span_first(some, (size_t)s->chunk);
	if (some.len > 0 && !s->skip) {
		if (!s->server.binary)
			smtp_body_check(&s->check, some);
		sink_maildir_put(&s->file, some);
	}
	s->chunk -= some.len;
	buf_consume(&s->stream.in, some.len);
	if (s->chunk > 0)
		return some.len > 0;
	end_chunk(s);
	return true;
}

static bool start_tls(struct sink_session *s)
{
	struct tls_conn *tls;
	struct why why;

	if (!stream_flushed(&s->stream) || s->stream.end != STREAM_OPEN)
		return false;
	tls = tls_conn_accept(s->sink->tls);
	if (!stream_start_tls(&s->stream, tls, &why)) {
		tls_conn_free(tls);
		farewell(s);
		return true;
	}
	smtp_server_tls(&s->server);
	forget_message(s);
	s->state = IN_COMMANDS;
	return true;
}

static bool step_once(struct sink_session *s)
{
	size_t left;

	switch (s->state) {
	case IN_COMMANDS:
		return take_line(s);
	case IN_DATA:
		return take_data(s);
	case IN_CHUNK:
		return take_chunk(s);
	case IN_STARTTLS:
		return start_tls(s);
	case IN_FAREWELL:
		break;
	}
	/* Read and dropped: to close with octets unread would be a reset, and our last reply
	 * might be lost by it. */
	left = buf_used(&s->stream.in);
	buf_consume(&s->stream.in, left);
	return left > 0;
}

static bool step(struct sink_session *s)
{
	bool moved = false;

	while (buf_space(&s->stream.out) >= REPLY_ROOM && step_once(s))
		moved = true;
	return moved;
}

/* Nothing moves any more. True where nothing ever will. */
static bool has_ended(struct sink_session *s)
{
	struct stream *st = &s->stream;

	if (st->end == STREAM_RESET)
		return true;
	/* Commands may still wait for room for their replies. */
	if (st->end == STREAM_OPEN || buf_space(&st->out) < REPLY_ROOM)
		return false;
	if (!st->close_when_flushed)
		farewell(s);
	stream_flush(st, loop_now(s->sink->loop));
	return st->shut_out;
}

static void session_run(struct sink_session *s)
{
	msec now = loop_now(s->sink->loop);
	int turns = TURNS;
	bool moved;

	if (s->again)
		s->sink->waiting--;
	s->again = false;
	do {
		moved = stream_fill(&s->stream, now);
		moved |= step(s);
		moved |= stream_flush(&s->stream, now);
	} while (moved && --turns > 0);
	if (moved) {
		s->again = true;
		s->sink->waiting++;
		loop_again(s->sink->loop);
		return;
	}
	if (has_ended(s)) {
		session_free(s);
		return;
	}
	stream_rest(&s->stream);
	loop_timer_set(s->timer, s->stream.moved_at + (s->state == IN_FAREWELL ? LINGER : IDLE));
}

static void on_event(void *arg, unsigned what)
{
	struct sink_session *s = arg;

	stream_ready(&s->stream, what);
	session_run(s);
}

static void on_timer(void *arg)
{
	struct sink_session *s = arg;

	session_free(s);
}

void sink_session_start_take(struct sink *k, int fd, const struct addr *peer, bool implicit)
{
	struct sink_session *s = mem_new(sizeof(*s));
	struct why why;

	s->sink = k;
	s->peer = *peer;
	stream_init(&s->stream);
	stream_open_fd_take(&s->stream, fd);
	s->stream.moved_at = loop_now(k->loop);
	smtp_server_init(&s->server, k->hostname);
	buf_init(&s->from, SMTP_LINE_MOST);
	buf_init(&s->to, RCPTS_MOST * (size_t)SMTP_LINE_MOST);
	LIST_INSERT_HEAD(&k->sessions, s, entry);
	s->watch = loop_watch_stream(k->loop, fd, on_event, s);
	s->timer = loop_timer_new(k->loop, on_timer, s);
	if (implicit) {
		must(stream_start_tls(&s->stream, tls_conn_accept(k->tls), &why));
		smtp_server_tls(&s->server);
	}
	/* Waits in `out` where TLS comes first. */
	must(smtp_server_greet(&s->server, &s->stream.out));
	session_run(s);
}

void sink_session_run_waiting(struct sink *k)
{
	struct sink_session *s, *next;

	if (k->waiting == 0)
		return;
	for (s = LIST_FIRST(&k->sessions); s != NULL; s = next) {
		next = LIST_NEXT(s, entry);
		if (s->again)
			session_run(s);
	}
}

void sink_session_end_all(struct sink *k)
{
	while (!LIST_EMPTY(&k->sessions))
		session_free(LIST_FIRST(&k->sessions));
}
