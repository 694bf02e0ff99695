#include "talk_play.h"

#include "base/must.h"
#include "edge/session.h"

#include <stdio.h>
#include <string.h>

static struct span take_word(struct span *rest)
{
	struct span word = span_cut(rest, ' ');

	*rest = span_trim(*rest);
	return word;
}

static bool has(struct span all, struct span what)
{
	for (; all.len >= what.len; all = span_from(all, 1)) {
		if (span_eq(span_first(all, what.len), what))
			return true;
		if (all.len == 0)
			break;
	}
	return false;
}

/* "two words" or one. */
static struct span take_quoted(struct span *rest)
{
	struct span s;

	if (rest->len == 0 || rest->at[0] != '"')
		return take_word(rest);
	*rest = span_from(*rest, 1);
	s = span_cut(rest, '"');
	*rest = span_trim(*rest);
	return s;
}

/* A field of a log line: `key=value` as it stands there, or with a `*` in it. */
static bool has_field(struct span line, struct span field)
{
	char pattern[512];

	snprintf(pattern, sizeof(pattern), "* %.*s *", SPAN_ARG(field));
	if (talk_text_glob(span_str(pattern), line))
		return true;
	snprintf(pattern, sizeof(pattern), "* %.*s", SPAN_ARG(field));
	return talk_text_glob(span_str(pattern), line);
}

/* `key=value` or `key="two words"`. */
static struct span take_field(struct span *rest)
{
	size_t blank = span_find(*rest, ' '), quote = span_find(*rest, '"');
	size_t end = blank;
	struct span field;

	if (quote < blank)
		end = quote + 1 + span_find(span_from(*rest, quote + 1), '"') + 1;
	field = span_first(*rest, end);
	*rest = span_trim(span_from(*rest, end));
	return field;
}

static bool line_fits(struct span line, struct span event, struct span fields)
{
	char start[64];

	snprintf(start, sizeof(start), "*event=%.*s *", SPAN_ARG(event));
	if (!talk_text_glob(span_str(start), line))
		return false;
	while (fields.len > 0) {
		if (!has_field(line, take_field(&fields)))
			return false;
	}
	return true;
}

/* How many lines of the event have all these fields; `*last` is the last of the event. */
static unsigned count_lines(const struct play *p, struct span event, struct span fields,
			    struct span *last)
{
	struct span rest = buf_peek(&p->world.log);
	unsigned n = 0;

	*last = SPAN("no such line");
	while (rest.len > 0) {
		struct span line = span_cut(&rest, '\n');

		if (line_fits(line, event, SPAN("")))
			*last = line;
		n += line_fits(line, event, fields);
	}
	return n;
}

/* log has "..."; log has not "..."; log [no | N] EVENT key=value ... */
static void check_log(struct play *p, const struct talk_step *s, struct span rest)
{
	struct span word = take_word(&rest), event = word, last;
	bool no = span_eq(word, SPAN("no"));
	uint64_t want = 0;
	unsigned n;

	if (span_eq(word, SPAN("has"))) {
		bool inverse = span_starts_nocase(rest, SPAN("not "));

		if (inverse)
			take_word(&rest);
		if (has(buf_peek(&p->world.log), take_quoted(&rest)) == inverse)
			talk_play_fail(p, s, "the log is not so: %s", s->arg);
		return;
	}
	if (no || span_number(word, 1000, &want))
		event = take_word(&rest);
	n = count_lines(p, event, rest, &last);
	if (no ? n > 0 : want > 0 ? n != want : n == 0)
		talk_play_fail(p, s, "%u lines of the log are so: %s; %.*s", n, s->arg, SPAN_ARG(last));
}

/* What stands before the next "||" or "|cut|"; `*cut` where it was the latter. */
static struct span take_alternative(struct span *rest, bool *cut)
{
	struct span all = *rest;

	*cut = false;
	for (size_t i = 0; i < all.len; i++) {
		struct span here = span_from(all, i);

		*cut = span_starts_nocase(here, SPAN("|cut|"));
		if (!*cut && !span_starts_nocase(here, SPAN("||")))
			continue;
		*rest = span_trim(span_from(here, *cut ? 5 : 2));
		return span_trim(span_first(all, i));
	}
	*rest = span_from(all, all.len);
	return all;
}

/* ended A [key=value ...] || B [key=value ...] |cut| C */
static void check_ended(struct play *p, const struct talk_step *s, struct span rest)
{
	struct span last = SPAN("");
	bool cut = false;

	while (rest.len > 0 && !(cut && p->way->whole)) {
		struct span one = take_alternative(&rest, &cut);
		char want[256];

		snprintf(want, sizeof(want), "outcome=%.*s", SPAN_ARG(one));
		if (count_lines(p, SPAN("session-end"), span_str(want), &last) > 0)
			return;
	}
	talk_play_fail(p, s, "it is not so: %s; %.*s", s->arg, SPAN_ARG(last));
}

static bool starts_line(struct span all, struct span word, size_t *behind)
{
	bool found = false;
	size_t at = 0;

	while (at < all.len) {
		struct span line = span_from(all, at);

		line.len = span_find(line, '\n');
		at += line.len + 1;
		if (span_starts_nocase(line, word)) {
			found = true;
			*behind = at;
		}
	}
	return found;
}

/* All that this side was told, looked at or not. That an idle upstream is told QUIT goes without saying. */
static void collect(const struct play *p, bool client, struct buf *all)
{
	buf_init(all, WORLD_GOT_MOST);
	must(buf_put(all, buf_peek(&p->said[client])));
	for (const struct world_peer *peer = p->world.peers; peer != NULL; peer = peer->next) {
		struct span got = buf_peek(&peer->got);

		if (peer->client == client && !talk_play_is_farewell(peer) &&
		    (client || !span_eq(got, SPAN("QUIT\r\n"))))
			must(buf_put(all, got));
	}
}

/* saw nothing; saw nothing after EHLO; saw [no] "..." */
static bool saw(struct span said, struct span rest)
{
	size_t behind = 0;

	if (span_starts_nocase(rest, SPAN("nothing after ")))
		return starts_line(said, span_from(rest, 14), &behind) && behind >= said.len;
	if (span_eq(rest, SPAN("nothing")))
		return said.len == 0;
	if (span_starts_nocase(rest, SPAN("no "))) {
		take_word(&rest);
		return !has(said, take_quoted(&rest));
	}
	return has(said, take_quoted(&rest));
}

static void check_saw(struct play *p, const struct talk_step *s, bool client, struct span rest)
{
	struct span word = take_word(&rest);
	struct buf all;

	collect(p, client, &all);
	if (!span_eq(word, SPAN("saw")) || !saw(buf_peek(&all), rest))
		talk_play_fail(p, s, "it is not so: %s", s->arg);
	buf_free(&all);
}

static void check_number(struct play *p, const struct talk_step *s, uint64_t got, struct span rest)
{
	uint64_t want;

	if (!span_number(rest, UINT64_MAX, &want))
		talk_play_fail(p, s, "no number: %s", s->arg);
	else if (want != got)
		talk_play_fail(p, s, "%s: it is %llu", s->arg, (unsigned long long)got);
}

static void check_count(struct play *p, const struct talk_step *s, struct span rest)
{
	struct span name = take_word(&rest);

	for (int c = 0; c < COUNT_MOST; c++) {
		if (span_eq(name, span_str(shared_count_name((enum shared_count)c)))) {
			check_number(p, s, shared_sum(p->world.shared, (enum shared_count)c), rest);
			return;
		}
	}
	talk_play_fail(p, s, "there is no such count: %s", s->arg);
}

static void check_deadline(struct play *p, const struct talk_step *s, struct span rest)
{
	msec left = world_deadline(&p->world) - p->world.edge.now;
	msec want;

	if (!talk_script_time(rest, &want))
		talk_play_fail(p, s, "no time: %s", s->arg);
	else if (left != want)
		talk_play_fail(p, s, "%s: in %lld ms", s->arg, (long long)left);
}

/* "certificate mx.example": what the gateway has shown to this peer; "verified bad *self-signed*": what
 * that makes of it. */
static void check_certificate(struct play *p, const struct talk_step *s, const struct world_peer *peer,
			      struct span rest)
{
	bool verified = span_eq(take_word(&rest), SPAN("verified"));
	struct tls_facts facts = { .on = false };
	char verdict[256];

	if (peer->stream.tls != NULL && peer->stream.tls->ready)
		tls_conn_facts(peer->stream.tls, &facts);
	snprintf(verdict, sizeof(verdict), "%s %s", tls_verified_name(facts.verified), facts.verify_text);
	if (!talk_text_glob(rest, span_str(verified ? verdict : facts.cert_name)))
		talk_play_fail(p, s, "%s: it is %s (%s)", s->arg, facts.cert_name, verdict);
}

/* "C waits", "U2 at 192.0.2.2:25", "C session open": about one peer. */
static bool check_peer(struct play *p, const struct talk_step *s, struct span word, struct span rest)
{
	uint64_t number = 1;
	struct world_peer *peer;
	char at[ADDR_TEXT_MOST] = "";

	if (word.len == 0 || (word.at[0] != 'C' && word.at[0] != 'U') ||
	    (word.len > 1 && !span_number(span_from(word, 1), TALK_PEERS, &number)))
		return false;
	peer = world_find(&p->world, word.at[0] == 'C', (unsigned)number);
	if (peer == NULL) {
		talk_play_fail(p, s, "there is no such peer: %s", s->arg);
		return true;
	}
	addr_print(&peer->at, at);
	if (span_starts_nocase(rest, SPAN("at "))) {
		if (!span_eq(span_from(rest, 3), span_str(at)))
			talk_play_fail(p, s, "%s: it is at %s", s->arg, at);
	} else if (span_starts_nocase(rest, SPAN("certificate ")) || span_starts_nocase(rest, SPAN("verified "))) {
		check_certificate(p, s, peer, rest);
	} else if (span_eq(rest, SPAN("has to wait"))) {
		if (buf_used(&peer->stream.out) == 0)
			talk_play_fail(p, s, "all it said was taken");
	} else {
		return false;
	}
	return true;
}

void talk_fact_check(struct play *p, const struct talk_step *s)
{
	struct span rest = span_str(s->arg), all = rest;
	struct span word = take_word(&rest);

	if (span_eq(word, SPAN("ended")))
		check_ended(p, s, rest);
	else if (span_eq(word, SPAN("log")))
		check_log(p, s, rest);
	else if (span_eq(word, SPAN("upstream")))
		check_saw(p, s, false, rest);
	else if (span_eq(word, SPAN("client")))
		check_saw(p, s, true, rest);
	else if (span_eq(word, SPAN("connections")))
		check_number(p, s, p->world.upstream_count, rest);
	else if (span_eq(word, SPAN("sessions")))
		check_number(p, s, p->world.edge.session_count, rest);
	else if (span_eq(word, SPAN("count")))
		check_count(p, s, rest);
	else if (span_eq(word, SPAN("deadline")))
		check_deadline(p, s, rest);
	else if (!check_peer(p, s, word, rest))
		talk_play_fail(p, s, "what is \"%.*s\"?", SPAN_ARG(all));
}
