#include "smtp/smtp_watch.h"

#include "base/must.h"

#define CRLF_LEN 2

enum await {
	AWAIT_GREETING,
	AWAIT_EHLO,
	AWAIT_STARTTLS,
	AWAIT_DATA,
	AWAIT_FINAL,
	AWAIT_SASL,
	AWAIT_QUIT,
	AWAIT_ANY,
};

static void await(struct smtp_watch *w, enum await what)
{
	must(w->await_count < SMTP_WATCH_AWAITS);
	w->awaits[(w->await_head + w->await_count) % SMTP_WATCH_AWAITS] = (unsigned char)what;
	w->await_count++;
}

/* A reply that nobody asked for (421 before the server hangs up) is passed on like the others. */
static enum await answered(struct smtp_watch *w)
{
	enum await what = (enum await)w->awaits[w->await_head];

	if (w->await_count == 0)
		return AWAIT_ANY;
	w->await_head = (w->await_head + 1) % SMTP_WATCH_AWAITS;
	w->await_count--;
	return what;
}

/* The last command that was passed on. */
static enum await awaited_last(const struct smtp_watch *w)
{
	unsigned last = (w->await_head + w->await_count - 1) % SMTP_WATCH_AWAITS;

	return w->await_count > 0 ? (enum await)w->awaits[last] : AWAIT_ANY;
}

void smtp_watch_init(struct smtp_watch *w, bool strip, const char *sid)
{
	*w = (struct smtp_watch){ .strip = strip, .sid = sid };
	buf_init(&w->helo, SMTP_DOMAIN_MOST);
	await(w, AWAIT_GREETING);
}

void smtp_watch_free(struct smtp_watch *w)
{
	buf_free(&w->helo);
}

bool smtp_watch_idle(const struct smtp_watch *w)
{
	return w->part == SMTP_WATCH_COMMAND && w->await_count == 0 && w->reply_lines == 0 &&
	       !w->transaction;
}

bool smtp_watch_missed_tls(const struct smtp_watch *w)
{
	return w->stripped > 0 && !w->went_on;
}

static enum smtp_watch_found fault(struct smtp_watch *w, struct why *why,
				   const struct smtp_answer *answer, const char *text)
{
	why_set(why, FAULT_PEER, "%s", text);
	w->answer = answer;
	return SMTP_WATCH_FAULT;
}

/* The client must not take our answer for that to a command before. */
static enum smtp_watch_found fault_in_turn(struct smtp_watch *w, struct why *why,
					   const struct smtp_answer *answer, const char *text)
{
	return w->await_count > 0 ? SMTP_WATCH_STILL : fault(w, why, answer, text);
}

/* The line at the front of `*line`, with another limit than that of commands. */
static enum smtp_line_found frame(struct span *line, size_t most)
{
	size_t end = 0;
	enum smtp_line_found found = smtp_line_find(*line, &end);

	if (end > most - CRLF_LEN)
		return SMTP_LINE_LONG;
	*line = span_first(*line, end);
	return found;
}

/* --- what the client says --- */

static bool pass_line(const struct smtp_watch_io *io, struct span line)
{
	struct span whole = span_of(line.at, line.len + CRLF_LEN);

	if (!buf_put(io->server_out, whole))
		return false;
	buf_consume(io->client_in, whole.len);
	return true;
}

static void hold_for(struct smtp_watch *w, enum await what)
{
	await(w, what);
	w->part = SMTP_WATCH_HOLD;
}

/* What is too long for a domain is not noted. */
static void hello(struct smtp_watch *w, struct span domain, enum await what)
{
	w->transaction = false;
	buf_free(&w->helo);
	if (domain.len <= SMTP_DOMAIN_MOST)
		must(buf_put(&w->helo, domain));
	await(w, what);
}

/* What may not stand there is not looked at: it would be a guess what of it is a secret (law 8). */
static void login(struct smtp_watch *w, struct span arg)
{
	w->sasl = (struct smtp_sasl){ .named = false };
	if (smtp_sasl_arg_ok(arg))
		smtp_sasl_begin(&w->sasl, arg);
	hold_for(w, AWAIT_SASL);
}

static void chunk(struct smtp_watch *w, const struct smtp_cmd *cmd)
{
	await(w, cmd->last ? AWAIT_FINAL : AWAIT_ANY);
	w->chunk_left = cmd->chunk;
	w->part = SMTP_WATCH_CHUNK;
}

static void note(struct smtp_watch *w, const struct smtp_cmd *cmd)
{
	w->went_on |= cmd->verb != SMTP_EHLO && cmd->verb != SMTP_HELO &&
		      cmd->verb != SMTP_STARTTLS && cmd->verb != SMTP_QUIT;
	switch (cmd->verb) {
	case SMTP_EHLO:
		hello(w, cmd->arg, AWAIT_EHLO);
		break;
	case SMTP_HELO:
		hello(w, cmd->arg, AWAIT_ANY);
		break;
	case SMTP_STARTTLS:
		hold_for(w, AWAIT_STARTTLS);
		break;
	case SMTP_DATA:
		hold_for(w, AWAIT_DATA);
		break;
	case SMTP_AUTH:
		login(w, cmd->arg);
		break;
	case SMTP_BDAT:
		chunk(w, cmd);
		break;
	case SMTP_QUIT:
		await(w, AWAIT_QUIT);
		break;
	case SMTP_MAIL:
	case SMTP_RSET:
		w->transaction = cmd->verb == SMTP_MAIL;
		await(w, AWAIT_ANY);
		break;
	case SMTP_RCPT:
	case SMTP_NOOP:
	case SMTP_VRFY:
	case SMTP_EXPN:
	case SMTP_HELP:
	case SMTP_UNKNOWN:
		await(w, AWAIT_ANY);
		break;
	}
}

static enum smtp_watch_found refuse_starttls(struct smtp_watch *w, const struct smtp_watch_io *io,
					     struct span line)
{
	if (w->await_count > 0 || buf_space(io->client_out) < SMTP_LINE_MOST)
		return SMTP_WATCH_STILL;
	if (!w->mute)
		must(smtp_answer_put(io->client_out, &SMTP_SAY_NOT_OFFERED, w->sid));
	buf_consume(io->client_in, line.len + CRLF_LEN);
	return SMTP_WATCH_MOVED;
}

/* The command as a server may read it: some skip blanks before the verb, some take a TAB, VT or FF for a
 * blank. What they would act on must not be something else to us. `text` keeps the words of `cmd`. */
static void read_cmd(struct span line, char text[SMTP_LINE_MOST], struct smtp_cmd *cmd)
{
	size_t len = line.len < SMTP_LINE_MOST ? line.len : SMTP_LINE_MOST;

	for (size_t i = 0; i < len; i++)
		text[i] = line.at[i] == '\t' || line.at[i] == '\v' || line.at[i] == '\f' ? ' ' : line.at[i];
	/* Well formed or not is for the server to say. */
	(void)smtp_cmd_read(span_trim(span_of(text, len)), cmd);
}

static enum smtp_watch_found pass_command(struct smtp_watch *w, const struct smtp_watch_io *io,
					  struct span line, struct why *why)
{
	char text[SMTP_LINE_MOST];
	struct smtp_cmd cmd;

	read_cmd(line, text, &cmd);
	if (cmd.verb == SMTP_BDAT && cmd.chunk == UINT64_MAX)
		return fault_in_turn(w, why, &SMTP_SAY_BAD_SYNTAX,
				     "a BDAT command whose size can't be read");
	if (cmd.verb == SMTP_STARTTLS && w->strip)
		return refuse_starttls(w, io, line);
	if (cmd.verb == SMTP_STARTTLS && buf_used(io->client_in) > line.len + CRLF_LEN)
		return fault_in_turn(w, why, &SMTP_SAY_TLS_DIRTY,
				     "bytes came in the clear after STARTTLS");
	if (!pass_line(io, line))
		return SMTP_WATCH_STILL;
	note(w, &cmd);
	return SMTP_WATCH_MOVED;
}

static enum smtp_watch_found client_command(struct smtp_watch *w, const struct smtp_watch_io *io,
					    struct why *why)
{
	struct span line = buf_peek(io->client_in);
	bool auth = span_starts_nocase(span_trim(line), SPAN("AUTH"));

	if (w->await_count == SMTP_WATCH_AWAITS)
		return SMTP_WATCH_STILL;
	switch (frame(&line, auth ? SMTP_WATCH_AUTH_MOST : SMTP_LINE_MOST)) {
	case SMTP_LINE_MORE:
		return SMTP_WATCH_STILL;
	case SMTP_LINE_LONG:
		return fault_in_turn(w, why, &SMTP_SAY_LONG, "a command line that is too long");
	case SMTP_LINE_BARE:
		return fault_in_turn(w, why, &SMTP_SAY_BARE,
				     "a command with a bare CR or LF, or a NUL");
	case SMTP_LINE_WHOLE:
		break;
	}
	return pass_command(w, io, line, why);
}

/* One line, longer than commands are; it is nobody's business what it says but for the name. */
static enum smtp_watch_found client_sasl(struct smtp_watch *w, const struct smtp_watch_io *io,
					 struct why *why)
{
	struct span line = buf_peek(io->client_in);

	switch (frame(&line, SMTP_WATCH_AUTH_MOST)) {
	case SMTP_LINE_MORE:
		return SMTP_WATCH_STILL;
	case SMTP_LINE_LONG:
		return fault(w, why, &SMTP_SAY_LONG, "a line of AUTH that is too long");
	case SMTP_LINE_BARE:
		return fault(w, why, &SMTP_SAY_BARE, "a bare CR or LF, or a NUL, in AUTH");
	case SMTP_LINE_WHOLE:
		break;
	}
	if (buf_space(io->server_out) >= line.len + CRLF_LEN && smtp_sasl_line_ok(line))
		smtp_sasl_line(&w->sasl, line);
	if (!pass_line(io, line))
		return SMTP_WATCH_STILL;
	hold_for(w, AWAIT_SASL);
	return SMTP_WATCH_MOVED;
}

static enum smtp_watch_found client_body(struct smtp_watch *w, const struct smtp_watch_io *io,
					 struct why *why)
{
	struct span raw = span_first(buf_peek(io->client_in), buf_space(io->server_out));
	struct span content;
	size_t taken = smtp_data_read(&w->body, raw, &content);

	if (taken == 0)
		return SMTP_WATCH_STILL;
	if (w->body.faulty) {
		buf_consume(io->client_in, taken);
		w->part = SMTP_WATCH_DISCARD;
		why_set(why, FAULT_PEER, "a bare CR or LF, or a NUL, in the message");
		return SMTP_WATCH_SPOILT;
	}
	must(buf_put(io->server_out, span_first(raw, taken)));
	buf_consume(io->client_in, taken);
	if (w->body.done)
		w->part = SMTP_WATCH_COMMAND;
	return SMTP_WATCH_MOVED;
}

static enum smtp_watch_found client_discard(struct smtp_watch *w, const struct smtp_watch_io *io,
					    struct why *why)
{
	struct span content;
	size_t taken = smtp_data_read(&w->body, buf_peek(io->client_in), &content);

	if (w->body.done)
		return fault(w, why, &SMTP_SAY_BAD_BODY, "a bare CR or LF, or a NUL, in the message");
	buf_consume(io->client_in, taken);
	return taken > 0 ? SMTP_WATCH_MOVED : SMTP_WATCH_STILL;
}

static enum smtp_watch_found client_chunk(struct smtp_watch *w, const struct smtp_watch_io *io)
{
	struct span piece = span_first(buf_peek(io->client_in), buf_space(io->server_out));

	if (piece.len > w->chunk_left)
		piece.len = (size_t)w->chunk_left;
	must(buf_put(io->server_out, piece));
	buf_consume(io->client_in, piece.len);
	w->chunk_left -= piece.len;
	if (w->chunk_left > 0)
		return piece.len > 0 ? SMTP_WATCH_MOVED : SMTP_WATCH_STILL;
	w->part = SMTP_WATCH_COMMAND;
	return SMTP_WATCH_MOVED;
}

/* While STARTTLS is with the server nothing may come: it would be read as if it had come
 * through TLS. Our answer is that to STARTTLS itself. */
static enum smtp_watch_found client_holds(struct smtp_watch *w, const struct smtp_watch_io *io,
					  struct why *why)
{
	bool tls = awaited_last(w) == AWAIT_STARTTLS;

	if (tls && w->await_count == 1 && buf_used(io->client_in) > 0)
		return fault(w, why, &SMTP_SAY_TLS_DIRTY, "bytes came in the clear after STARTTLS");
	return SMTP_WATCH_STILL;
}

enum smtp_watch_found smtp_watch_client(struct smtp_watch *w, const struct smtp_watch_io *io,
					struct why *why)
{
	switch (w->part) {
	case SMTP_WATCH_COMMAND:
		return client_command(w, io, why);
	case SMTP_WATCH_HOLD:
		return client_holds(w, io, why);
	case SMTP_WATCH_SASL:
		return client_sasl(w, io, why);
	case SMTP_WATCH_BODY:
		return client_body(w, io, why);
	case SMTP_WATCH_DISCARD:
		return client_discard(w, io, why);
	case SMTP_WATCH_CHUNK:
		return client_chunk(w, io);
	}
	return SMTP_WATCH_STILL;
}

/* --- what the server answers --- */

/* The code of a reply line, and whether it is the last of its reply; false: no reply line. */
static bool read_line(struct span line, int *code, bool *last)
{
	uint64_t n;

	if (line.len < 3 || !span_number(span_first(line, 3), 599, &n) || n < 200)
		return false;
	*code = (int)n;
	*last = line.len == 3 || line.at[3] == ' ';
	return *last || line.at[3] == '-';
}

static bool is_2xx(int code)
{
	return code >= 200 && code <= 299;
}

/* A line of an EHLO reply, but the first: does it offer STARTTLS? As clients may read it, blanks and
 * parameters or not. */
static bool is_starttls(struct span line)
{
	struct span keyword = span_trim(span_from(line, 4));
	size_t end = 0;

	while (end < keyword.len && keyword.at[end] != ' ' && keyword.at[end] != '\t' &&
	       keyword.at[end] != '\r')
		end++;
	return span_eq_nocase(span_first(keyword, end), SPAN("STARTTLS"));
}

static unsigned offers_of_tls(struct span reply)
{
	unsigned found = 0;

	span_cut(&reply, '\n');
	while (reply.len > 0)
		found += is_starttls(span_cut(&reply, '\n'));
	return found;
}

/* Puts the lines of `reply` but those that offer STARTTLS. What is then the last line must say so;
 * nothing else is touched. */
static void put_without_starttls(struct smtp_watch *w, struct buf *out, struct span reply)
{
	unsigned left = offers_of_tls(reply);
	struct span line, next = span_cut(&reply, '\n');

	w->stripped += left;
	while (next.len > 0) {
		line = next;
		do {
			next = span_cut(&reply, '\n');
		} while (next.len > 0 && is_starttls(next));
		if (next.len > 0 || line.len <= 3 || line.at[3] != '-') {
			must(buf_put(out, span_of(line.at, line.len + 1)));
			continue;
		}
		must(buf_put(out, span_first(line, 3)) && buf_put(out, SPAN(" ")));
		must(buf_put(out, span_of(line.at + 4, line.len + 1 - 4)));
	}
}

static void put_reply(struct smtp_watch *w, const struct smtp_watch_io *io, enum await what)
{
	struct span reply = span_first(buf_peek(io->server_in), w->reply_at);
	bool offers = what == AWAIT_EHLO && is_2xx(w->reply_code) && offers_of_tls(reply) > 0;

	w->offered_tls |= offers;
	if (offers && w->strip)
		put_without_starttls(w, io->client_out, reply);
	else
		must(buf_put(io->client_out, reply));
	buf_consume(io->server_in, w->reply_at);
	w->reply_at = 0;
	w->reply_lines = 0;
}

static enum smtp_watch_found after_reply(struct smtp_watch *w, enum await what, int code)
{
	switch (what) {
	case AWAIT_STARTTLS:
		w->part = SMTP_WATCH_COMMAND;
		w->refused_tls = code != 220;
		return code == 220 ? SMTP_WATCH_TLS : SMTP_WATCH_MOVED;
	case AWAIT_DATA:
		w->part = SMTP_WATCH_COMMAND;
		if (code != 354)
			break;
		smtp_data_reader_init(&w->body);
		w->part = SMTP_WATCH_BODY;
		await(w, AWAIT_FINAL);
		break;
	case AWAIT_SASL:
		w->part = code == 334 ? SMTP_WATCH_SASL : SMTP_WATCH_COMMAND;
		w->auth |= code == 235;
		break;
	case AWAIT_FINAL:
		w->messages += is_2xx(code);
		w->transaction = false;
		break;
	case AWAIT_QUIT:
		w->quit = true;
		break;
	case AWAIT_ANY:
		/* AUTH by another name: X-EXPS. */
		if (code != 334 || w->part != SMTP_WATCH_COMMAND || w->await_count > 0)
			break;
		w->part = SMTP_WATCH_SASL;
		w->sasl = (struct smtp_sasl){ .named = false };
		break;
	case AWAIT_GREETING:
	case AWAIT_EHLO:
		break;
	}
	return SMTP_WATCH_MOVED;
}

/* 220 to STARTTLS must be the last that was said in clear, on either side. It does not reach the
 * client otherwise. */
static bool is_clean(const struct smtp_watch *w, const struct smtp_watch_io *io)
{
	return buf_used(io->server_in) == w->reply_at && buf_used(io->client_in) == 0;
}

static enum smtp_watch_found take_reply(struct smtp_watch *w, const struct smtp_watch_io *io,
					struct why *why)
{
	enum await what = answered(w);

	if (what == AWAIT_STARTTLS && w->reply_code == 220 && !is_clean(w, io))
		return fault(w, why, &SMTP_SAY_TLS_DIRTY, "bytes came in the clear after 220 to STARTTLS");
	put_reply(w, io, what);
	return after_reply(w, what, w->reply_code);
}

static enum smtp_watch_found unreadable(struct smtp_watch *w, struct why *why)
{
	return fault(w, why, &SMTP_SAY_LOST_SESSION, "the server's reply can't be read");
}

/* A line of the reply is there; the reply is passed on as a whole. */
static enum smtp_watch_found take_line(struct smtp_watch *w, const struct smtp_watch_io *io,
				       struct span line, struct why *why)
{
	bool last;
	int code;

	if (!read_line(line, &code, &last) || (w->reply_lines > 0 && code != w->reply_code) ||
	    ++w->reply_lines > SMTP_REPLY_LINES || w->reply_at + line.len > SMTP_REPLY_MOST)
		return unreadable(w, why);
	w->reply_code = code;
	w->reply_at += line.len + CRLF_LEN;
	return last ? take_reply(w, io, why) : SMTP_WATCH_MOVED;
}

enum smtp_watch_found smtp_watch_server(struct smtp_watch *w, const struct smtp_watch_io *io,
					struct why *why)
{
	/* The lines of the reply that have been seen stay where they are until it is whole. */
	struct span line = span_from(buf_peek(io->server_in), w->reply_at);

	if (buf_space(io->client_out) < SMTP_WATCH_ROOM)
		return SMTP_WATCH_STILL;
	switch (frame(&line, SMTP_LINE_MOST)) {
	case SMTP_LINE_MORE:
		return SMTP_WATCH_STILL;
	case SMTP_LINE_LONG:
	case SMTP_LINE_BARE:
		return unreadable(w, why);
	case SMTP_LINE_WHOLE:
		break;
	}
	return take_line(w, io, line, why);
}
