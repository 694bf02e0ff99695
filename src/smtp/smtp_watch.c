#include "smtp/smtp_watch.h"

#include "base/must.h"
#include "smtp/smtp_cmd.h"
#include "smtp/smtp_scan.h"

enum await { AWAIT_GREETING, AWAIT_EHLO, AWAIT_STARTTLS, AWAIT_DATA, AWAIT_FINAL, AWAIT_SASL, AWAIT_ANY };

void smtp_watch_init(struct smtp_watch *w, bool strip)
{
	*w = (struct smtp_watch){ .strip = strip };
	buf_init(&w->helo, SMTP_DOMAIN_MOST);
	w->awaits[0] = AWAIT_GREETING;
	w->await_count = 1;
}

void smtp_watch_free(struct smtp_watch *w)
{
	buf_free(&w->helo);
}

static enum smtp_watch_found fault(struct smtp_watch *w, struct why *why,
				   const struct smtp_answer *answer, const char *text)
{
	why_set(why, FAULT_PEER, "%s", text);
	w->answer = answer;
	return SMTP_WATCH_FAULT;
}

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

/* The line at the front of `*line`, whose octets stay where they are. As smtp_line_next, but for
 * lines of any kind and length. */
static enum smtp_line_found frame(struct span *line, size_t most)
{
	size_t end = smtp_scan(*line);

	if (end > most - 2)
		return SMTP_LINE_LONG;
	if (end == line->len || (end + 1 == line->len && line->at[end] == '\r'))
		return SMTP_LINE_MORE;
	if (line->at[end] != '\r' || line->at[end + 1] != '\n')
		return SMTP_LINE_BARE;
	*line = span_first(*line, end);
	return SMTP_LINE_WHOLE;
}

/* --- what the client says --- */

static bool pass_line(const struct smtp_watch_io *io, struct span line)
{
	struct span with_end = span_of(line.at, line.len + 2);

	if (!buf_put(io->server_out, with_end))
		return false;
	buf_consume(io->client_in, with_end.len);
	return true;
}

static void hold_for(struct smtp_watch *w, enum await what)
{
	await(w, what);
	w->part = SMTP_WATCH_HOLD;
}

static void note_helo(struct smtp_watch *w, struct span domain)
{
	buf_free(&w->helo);
	(void)!buf_put(&w->helo, span_first(domain, SMTP_DOMAIN_MOST));
}

static void note(struct smtp_watch *w, const struct smtp_cmd *cmd)
{
	switch (cmd->verb) {
	case SMTP_EHLO:
		note_helo(w, cmd->arg);
		await(w, AWAIT_EHLO);
		break;
	case SMTP_HELO:
		note_helo(w, cmd->arg);
		await(w, AWAIT_ANY);
		break;
	case SMTP_STARTTLS:
		hold_for(w, AWAIT_STARTTLS);
		break;
	case SMTP_DATA:
		hold_for(w, AWAIT_DATA);
		break;
	case SMTP_AUTH:
		hold_for(w, AWAIT_SASL);
		break;
	case SMTP_BDAT:
		await(w, cmd->last ? AWAIT_FINAL : AWAIT_ANY);
		w->chunk_left = cmd->chunk;
		w->part = SMTP_WATCH_CHUNK;
		break;
	default:
		await(w, AWAIT_ANY);
		break;
	}
}

static enum smtp_watch_found refuse_starttls(struct smtp_watch *w, const struct smtp_watch_io *io,
					     struct span line)
{
	/* Our word must not overtake those of the server. */
	if (w->await_count > 0 || !smtp_answer_put(io->client_out, &SMTP_SAY_NOT_OFFERED, NULL))
		return SMTP_WATCH_STILL;
	buf_consume(io->client_in, line.len + 2);
	return SMTP_WATCH_MOVED;
}

static enum smtp_watch_found pass_command(struct smtp_watch *w, const struct smtp_watch_io *io,
					  struct span line, struct why *why)
{
	struct smtp_cmd cmd;

	(void)smtp_cmd_read(line, &cmd);
	if (cmd.verb == SMTP_BDAT && cmd.chunk == UINT64_MAX)
		return fault(w, why, &SMTP_SAY_BAD_SYNTAX, "a BDAT command whose size can't be read");
	if (cmd.verb == SMTP_STARTTLS && w->strip)
		return refuse_starttls(w, io, line);
	if (cmd.verb == SMTP_STARTTLS && buf_used(io->client_in) > line.len + 2)
		return fault(w, why, &SMTP_SAY_TLS_DIRTY, "bytes came in the clear after STARTTLS");
	if (buf_space(io->server_out) < line.len + 2)
		return SMTP_WATCH_STILL;
	note(w, &cmd);
	w->commands++;
	must(pass_line(io, line));
	return SMTP_WATCH_MOVED;
}

static enum smtp_watch_found client_command(struct smtp_watch *w, const struct smtp_watch_io *io,
					    struct why *why)
{
	struct span line = buf_peek(io->client_in);
	bool auth = span_starts_nocase(line, SPAN("AUTH "));

	/* What comes before the greeting waits for it. */
	if (w->await_count == SMTP_WATCH_AWAITS || !w->greeted)
		return SMTP_WATCH_STILL;
	switch (frame(&line, auth ? SMTP_WATCH_AUTH_MOST : SMTP_LINE_MOST)) {
	case SMTP_LINE_MORE:
		return SMTP_WATCH_STILL;
	case SMTP_LINE_LONG:
		return fault(w, why, &SMTP_SAY_LONG, "a command line that is too long");
	case SMTP_LINE_BARE:
		return fault(w, why, &SMTP_SAY_BARE, "a command with a bare CR or LF, or a NUL");
	case SMTP_LINE_WHOLE:
		break;
	}
	return pass_command(w, io, line, why);
}

/* One line, longer than commands are; it is nobody's business what it says. */
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

	if (w->body.faulty)
		return fault(w, why, &SMTP_SAY_BAD_BODY, "a bare CR or LF, or a NUL, in the message");
	if (taken == 0)
		return SMTP_WATCH_STILL;
	must(buf_put(io->server_out, span_first(raw, taken)));
	buf_consume(io->client_in, taken);
	if (w->body.done)
		w->part = SMTP_WATCH_COMMAND;
	return SMTP_WATCH_MOVED;
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
 * through TLS. */
static enum smtp_watch_found client_holds(struct smtp_watch *w, const struct smtp_watch_io *io,
					  struct why *why)
{
	bool tls = w->await_count > 0 &&
		   w->awaits[(w->await_head + w->await_count - 1) % SMTP_WATCH_AWAITS] ==
			   AWAIT_STARTTLS;

	if (tls && buf_used(io->client_in) > 0)
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

static bool is_starttls(struct span line)
{
	struct span rest = span_from(line, 4);

	return span_eq_nocase(span_cut(&rest, ' '), SPAN("STARTTLS"));
}

/* Puts the lines of `reply` but those that offer STARTTLS. What is then the last line must say so. */
static void put_without_starttls(struct smtp_watch *w, struct buf *out, struct span reply)
{
	struct span kept[SMTP_REPLY_LINES];
	unsigned count = 0;

	while (reply.len > 0) {
		struct span line = span_cut(&reply, '\n');

		if (count > 0 && is_starttls(span_first(line, line.len - 1))) {
			w->stripped++;
			continue;
		}
		kept[count++] = line;
	}
	for (unsigned i = 0; i < count; i++) {
		struct span text = span_from(kept[i], 3);
		bool last = i + 1 == count;

		must(buf_put(out, span_first(kept[i], 3)));
		must(buf_put(out, last ? SPAN(" ") : SPAN("-")));
		must(buf_put(out, span_from(text, text.len > 1 ? 1 : 0)));
		must(buf_put(out, SPAN("\n")));
	}
}

static bool offers_tls(struct span reply)
{
	bool first = true, found = false;

	while (reply.len > 0) {
		struct span line = span_cut(&reply, '\n');

		found |= !first && is_starttls(span_first(line, line.len - 1));
		first = false;
	}
	return found;
}

static void put_reply(struct smtp_watch *w, const struct smtp_watch_io *io, enum await what)
{
	struct span reply = span_first(buf_peek(io->server_in), w->reply_at);
	bool offers = what == AWAIT_EHLO && w->reply_code == 250 && offers_tls(reply);

	w->offered_tls |= offers;
	if (offers && w->strip)
		put_without_starttls(w, io->client_out, reply);
	else
		must(buf_put(io->client_out, reply));
	buf_consume(io->server_in, w->reply_at);
	w->reply_at = 0;
	w->reply_lines = 0;
	w->reply_code = 0;
}

static enum smtp_watch_found after_reply(struct smtp_watch *w, const struct smtp_watch_io *io,
					 enum await what, int code, struct why *why)
{
	switch (what) {
	case AWAIT_GREETING:
		w->greeted = true;
		break;
	case AWAIT_STARTTLS:
		w->part = SMTP_WATCH_COMMAND;
		if (code != 220)
			break;
		if (buf_used(io->server_in) > 0)
			return fault(w, why, NULL, "bytes came in the clear after 220 to STARTTLS");
		return SMTP_WATCH_TLS;
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
		break;
	case AWAIT_FINAL:
		w->messages += code >= 200 && code <= 299;
		break;
	case AWAIT_EHLO:
	case AWAIT_ANY:
		break;
	}
	return SMTP_WATCH_MOVED;
}

/* A line of the reply is there; the reply is passed on as a whole. */
static enum smtp_watch_found take_line(struct smtp_watch *w, const struct smtp_watch_io *io,
				       struct span line, struct why *why)
{
	enum await what;
	bool last;
	int code;

	if (!read_line(line, &code, &last) || (w->reply_lines > 0 && code != w->reply_code) ||
	    ++w->reply_lines > SMTP_REPLY_LINES || w->reply_at + line.len > SMTP_REPLY_MOST)
		return fault(w, why, &SMTP_SAY_LOST_SESSION, "the server's reply can't be read");
	w->reply_code = code;
	w->reply_at += line.len + 2;
	if (!last)
		return SMTP_WATCH_MOVED;
	what = answered(w);
	put_reply(w, io, what);
	return after_reply(w, io, what, code, why);
}

enum smtp_watch_found smtp_watch_server(struct smtp_watch *w, const struct smtp_watch_io *io,
					struct why *why)
{
	/* The lines of the reply that have been seen stay where they are until it is whole. */
	struct span line = span_from(buf_peek(io->server_in), w->reply_at);

	/* Room for the longest reply, before a line of it is looked at. */
	if (buf_space(io->client_out) < SMTP_WATCH_ROOM)
		return SMTP_WATCH_STILL;
	switch (frame(&line, SMTP_LINE_MOST)) {
	case SMTP_LINE_MORE:
		return SMTP_WATCH_STILL;
	case SMTP_LINE_LONG:
	case SMTP_LINE_BARE:
		return fault(w, why, &SMTP_SAY_LOST_SESSION, "the server's reply can't be read");
	case SMTP_LINE_WHOLE:
		break;
	}
	return take_line(w, io, line, why);
}
