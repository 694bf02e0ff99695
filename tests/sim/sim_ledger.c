#include "sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void sim_break(struct sim *s, const char *fmt, ...)
{
	va_list args;

	if (s->broken[0] != '\0')
		return;
	va_start(args, fmt);
	vsnprintf(s->broken, sizeof(s->broken), fmt, args);
	va_end(args);
}

struct sim_message *sim_message_new(struct sim *s)
{
	struct sim_message *m;

	if (s->message_count == SIM_MESSAGES)
		return NULL;
	m = &s->messages[s->message_count];
	*m = (struct sim_message){ .id = s->message_count, .sound = true };
	buf_init(&m->content, SIM_BODY_MOST + 4096);
	s->message_count++;
	return m;
}

/* What the gateway adds: one Received field, folded, in front; nothing in other people's way. */
static struct span without_received(const struct sim *s, struct span content)
{
	if (sim_plans[s->plan].transparent)
		return content;
	if (!span_starts_nocase(content, SPAN("Received: from ")))
		return span_first(content, 0);
	do {
		size_t end = span_find(content, '\n');

		content = span_from(content, end + 1);
	} while (content.len > 0 && (content.at[0] == ' ' || content.at[0] == '\t'));
	return content;
}

struct sim_message *sim_message_of(struct sim *s, struct span content)
{
	struct span line = without_received(s, content);
	uint64_t id;

	if (!span_starts_nocase(line, SPAN("X-Id: ")))
		return NULL;
	line = span_from(line, 6);
	line = span_first(line, span_find(line, '\r'));
	if (!span_number(line, SIM_MESSAGES - 1, &id) || id >= s->message_count)
		return NULL;
	return &s->messages[id];
}

void sim_said(struct sim_message *m, const struct sim_envelope *e)
{
	m->said++;
	for (unsigned i = 0; i < e->count; i++) {
		if (e->to[i].message == m->id)
			m->rcpts[e->to[i].rcpt].said++;
	}
}

static void commit_for(struct sim *s, struct sim_message *m, const struct sim_envelope *e)
{
	m->commits++;
	for (unsigned i = 0; i < e->count; i++) {
		if (e->to[i].message != m->id)
			sim_break(s, "law 3: message %u came for a recipient of message %u", m->id, e->to[i].message);
		else
			m->rcpts[e->to[i].rcpt].commits++;
	}
}

void sim_commit(struct sim *s, struct span content, const struct sim_envelope *e, bool said)
{
	struct sim_message *m = sim_message_of(s, content);

	if (m == NULL) {
		sim_break(s, "law 3: the upstream took a message of %zu octets that no client sent: %.60s",
			  content.len, content.len > 0 ? content.at : "");
		return;
	}
	commit_for(s, m, e);
	if (said)
		sim_said(m, e);
	sim_trace(s, "upstream takes message %u (%s)", m->id, said ? "said" : "not said");
	if (!m->whole)
		sim_break(s, "law 3: message %u was taken before its client had ended it", m->id);
	if (!m->sound)
		sim_break(s, "law 3: message %u is not sound and was passed on", m->id);
	if (!span_eq(without_received(s, content), buf_peek(&m->content)))
		sim_break(s, "law 3: message %u is not what the client sent (%zu octets of %zu)", m->id,
			  without_received(s, content).len, buf_used(&m->content));
	if (m->commits > 1 && !sim_plans[s->plan].outbound)
		sim_break(s, "message %u was delivered %u times for one attempt", m->id, m->commits);
}

static bool has(struct span text, const char *what)
{
	struct span w = span_str(what);

	for (size_t i = 0; i + w.len <= text.len; i++) {
		if (span_eq(span_of(text.at + i, w.len), w))
			return true;
	}
	return false;
}

/* The log's line that has all three; empty: there is none. */
static struct span find_line(const struct sim *s, const char *a, const char *b, const char *c)
{
	struct span rest = buf_peek(&s->world.log);

	while (rest.len > 0) {
		struct span line = span_cut(&rest, '\n');

		if (has(line, a) && has(line, b) && has(line, c))
			return line;
	}
	return span_first(rest, 0);
}

/* " key=value" of a line, as it stands there. */
static void take_field(struct span line, const char *key, char *to, size_t size)
{
	to[0] = '\0';
	while (line.len > 0) {
		struct span field = span_cut(&line, ' ');

		if (span_starts_nocase(field, span_str(key)))
			snprintf(to, size, " %.*s ", SPAN_ARG(field));
	}
}

/* What the log says of the message: its transaction was in doubt, one of its ways was. */
static void find_doubt(const struct sim *s, const struct sim_message *m, bool *whole, bool *way)
{
	char from[48], sid[48], n[48];
	struct span line;

	snprintf(from, sizeof(from), " from=m%u@", m->id);
	line = find_line(s, "event=transaction ", from, "");
	*whole = has(line, " outcome=in-doubt ");
	take_field(line, "sid=", sid, sizeof(sid));
	take_field(line, "n=", n, sizeof(n));
	*way = false;
	for (struct span rest = buf_peek(&s->world.log); rest.len > 0;) {
		line = span_cut(&rest, '\n');
		*way |= has(line, "event=delivery ") && has(line, sid) && has(line, n) && has(line, " outcome=in-doubt ");
	}
}

/* Law 1 for each recipient: 2xx to the client means that somebody has said 2xx of it, and what is no 2xx that nobody has it, unless
 * the log says that this is in doubt; and never twice, unless a way was. */
static void check_rcpts(struct sim *s, const struct sim_message *m)
{
	bool fine = m->client_code >= 200 && m->client_code <= 299, whole, way;

	find_doubt(s, m, &whole, &way);
	for (unsigned i = 0; i < SIM_RCPTS; i++) {
		const struct sim_rcpt *r = &m->rcpts[i];

		if (fine && r->told && r->said == 0)
			sim_break(s, "law 1: the client got %d for message %u, and nobody said so for recipient %u",
				  m->client_code, m->id, i);
		if (m->client_code >= 400 && r->commits > 0 && !whole)
			sim_break(s, "law 1: the client got %d for message %u, recipient %u has it, and the log does not say "
				  "in doubt", m->client_code, m->id, i);
		if (m->client_code != 0 && r->commits > 0 && !r->told)
			sim_break(s, "message %u: recipient %u has it, and was refused to the client", m->id, i);
		if (r->commits > (way || whole ? 2U : 1U))
			sim_break(s, "message %u came %u times for recipient %u", m->id, r->commits, i);
	}
}

static void check_message(struct sim *s, const struct sim_message *m)
{
	if (sim_plans[s->plan].outbound)
		check_rcpts(s, m);
	if (m->client_code >= 200 && m->client_code <= 299 && m->said == 0)
		sim_break(s, "law 1: the client got %d for message %u, and no upstream said so",
			  m->client_code, m->id);
	if (m->client_code >= 500 && m->sound && m->upstream_code < 500 && m->upstream_code != 0)
		sim_break(s, "the class of message %u was changed: %d from the upstream, %d to the client",
			  m->id, m->upstream_code, m->client_code);
	if (m->client_code >= 500 && m->sound && m->upstream_code == 0 &&
	    !s->body_refused)
		sim_break(s, "message %u: a lost upstream must give 4xx, the client got %d", m->id,
			  m->client_code);
}

static unsigned count(struct span text, struct span what)
{
	unsigned n = 0;

	for (size_t i = 0; i + what.len <= text.len; i++) {
		if (span_eq(span_of(text.at + i, what.len), what))
			n++;
	}
	return n;
}

void sim_check(struct sim *s)
{
	unsigned ends = count(buf_peek(&s->world.log), SPAN("event=session-end "));

	for (unsigned i = 0; i < s->message_count; i++)
		check_message(s, &s->messages[i]);
	if (ends != s->world.client_count)
		sim_break(s, "law 9: %u sessions, %u closing lines", s->world.client_count, ends);
	if (count(buf_peek(&s->world.log), SPAN("outcome=open")) > 0)
		sim_break(s, "law 9: something ended without a name");
	if (s->world.wrong[0] != '\0')
		sim_break(s, "%s", s->world.wrong);
}
