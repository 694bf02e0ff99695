#include "talk_text.h"

#include "base/must.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define LINE_OCTETS 72

static void put(struct talk_text *t, struct span s, char wild)
{
	must(buf_put(&t->octets, s));
	for (size_t i = 0; i < s.len; i++)
		must(buf_put(&t->wild, span_of(&wild, 1)));
}

static void put_char(struct talk_text *t, char c)
{
	put(t, span_of(&c, 1), ' ');
}

/* Each line is another one, so that none can be lost, doubled or swapped unseen. */
static void put_lines(struct talk_text *t, uint64_t count)
{
	for (uint64_t i = 1; i <= count; i++) {
		char line[LINE_OCTETS + 3];
		int len = snprintf(line, sizeof(line), "line %08llu ", (unsigned long long)i);

		for (; len < LINE_OCTETS; len++)
			line[len] = (char)('a' + ((uint64_t)len * 7 + i) % 26);
		line[len++] = '\r';
		line[len++] = '\n';
		put(t, span_of(line, (size_t)len), ' ');
	}
}

static void put_octets(struct talk_text *t, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		put_char(t, (char)(i * 31 + i / 251));
}

static bool complain(char *why, size_t size, const char *what, struct span where)
{
	snprintf(why, size, "%s: \"%.*s\"", what, (int)(where.len > 60 ? 60 : where.len), where.at);
	return false;
}

static bool expand(struct span rest, bool globs, struct talk_text *t, char *why, size_t size);

/* What stands between \{ and }. */
static bool put_braced(struct span inside, struct talk_text *t, char *why, size_t size)
{
	struct span text = inside;
	struct span number = span_cut(&text, '*');
	uint64_t n;

	if (span_starts_nocase(inside, SPAN("lines "))) {
		if (!span_number(span_from(inside, 6), 100000, &n))
			return complain(why, size, "no number of lines", inside);
		put_lines(t, n);
		return true;
	}
	if (span_starts_nocase(inside, SPAN("octets "))) {
		if (!span_number(span_from(inside, 7), 4000000, &n))
			return complain(why, size, "no number of octets", inside);
		put_octets(t, n);
		return true;
	}
	if (!span_number(number, 4000000, &n))
		return complain(why, size, "neither N*text, lines N nor octets N", inside);
	for (uint64_t i = 0; i < n; i++) {
		if (!expand(text, false, t, why, size))
			return false;
	}
	return true;
}

static int hex(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c != '\0' ? strchr(digits, ascii_lower(c)) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

/* `rest` begins behind the backslash; returns how many octets of it belong to the escape, 0: none does. */
static size_t escape(struct span rest, struct talk_text *t, char *why, size_t size)
{
	static const char from[] = "rnt0\\*";
	static const char to[] = "\r\n\t\0\\*";
	const char *at = rest.len > 0 ? memchr(from, rest.at[0], sizeof(from) - 1) : NULL;

	if (at != NULL) {
		put_char(t, to[at - from]);
		return 1;
	}
	if (rest.len >= 3 && rest.at[0] == 'x' && hex(rest.at[1]) >= 0 && hex(rest.at[2]) >= 0) {
		put_char(t, (char)(hex(rest.at[1]) * 16 + hex(rest.at[2])));
		return 3;
	}
	if (rest.len > 0 && rest.at[0] == '{') {
		size_t end = span_find(rest, '}');

		if (end < rest.len && put_braced(span_of(rest.at + 1, end - 1), t, why, size))
			return end + 1;
		return 0;
	}
	complain(why, size, "no such escape", rest);
	return 0;
}

static bool expand(struct span rest, bool globs, struct talk_text *t, char *why, size_t size)
{
	while (rest.len > 0) {
		size_t used = 1;

		if (rest.at[0] == '\\') {
			used = escape(span_from(rest, 1), t, why, size);
			if (used == 0)
				return false;
			used++;
		} else if (rest.at[0] == '*' && globs) {
			put(t, SPAN("*"), '*');
			t->has_wild = true;
		} else {
			put_char(t, rest.at[0]);
		}
		rest = span_from(rest, used);
	}
	return true;
}

/* An odd number of backslashes at the end: the last one escapes nothing. */
static bool ends_open(struct span line)
{
	size_t n = 0;

	while (n < line.len && line.at[line.len - 1 - n] == '\\')
		n++;
	return n % 2 == 1;
}

bool talk_text_read(struct span line, bool globs, struct talk_text *t, char *why, size_t size)
{
	bool open = ends_open(line);

	*t = (struct talk_text){ 0 };
	buf_init(&t->octets, TALK_TEXT_MOST);
	buf_init(&t->wild, TALK_TEXT_MOST);
	snprintf(why, size, "a brace is not closed");
	if (!expand(open ? span_first(line, line.len - 1) : line, globs, t, why, size))
		return false;
	if (!open)
		put(t, SPAN("\r\n"), ' ');
	return true;
}

void talk_text_free(struct talk_text *t)
{
	buf_free(&t->octets);
	buf_free(&t->wild);
}

static enum talk_match match_exact(struct span want, struct span got, size_t *used)
{
	size_t both = want.len < got.len ? want.len : got.len;

	*used = want.len;
	if (both > 0 && memcmp(want.at, got.at, both) != 0)
		return TALK_OTHER;
	return both == want.len ? TALK_SAME : TALK_MORE;
}

/* The usual walk with one place to come back to. */
static bool glob(struct span pattern, const char *wild, struct span s)
{
	size_t p = 0, i = 0, star = SIZE_MAX, from = 0;

	while (i < s.len) {
		if (p < pattern.len && wild[p] == '*') {
			star = p++;
			from = i;
		} else if (p < pattern.len && pattern.at[p] == s.at[i]) {
			p++;
			i++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			i = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.len && wild[p] == '*')
		p++;
	return p == pattern.len;
}

bool talk_text_glob(struct span pattern, struct span s)
{
	char wild[1024];

	must(pattern.len < sizeof(wild));
	for (size_t i = 0; i < pattern.len; i++)
		wild[i] = pattern.at[i] == '*' ? '*' : ' ';
	return glob(pattern, wild, s);
}

/* One line of `got` with its CRLF, as an SMTP peer reads it. */
static bool first_line(struct span got, struct span *line)
{
	for (size_t i = 1; i < got.len; i++) {
		if (got.at[i] == '\n' && got.at[i - 1] == '\r') {
			*line = span_first(got, i + 1);
			return true;
		}
	}
	return false;
}

static void put_sid(struct talk_text *to, const struct talk_text *t, const char *sid)
{
	struct span rest = buf_peek(&t->octets);
	const char *wild = buf_peek(&t->wild).at;

	*to = (struct talk_text){ .has_wild = t->has_wild };
	buf_init(&to->octets, TALK_TEXT_MOST);
	buf_init(&to->wild, TALK_TEXT_MOST);
	while (rest.len > 0) {
		bool here = span_starts_nocase(rest, SPAN("<sid>"));
		size_t used = here ? 5 : 1;

		if (here)
			put(to, span_str(sid), ' ');
		else
			put(to, span_first(rest, 1), *wild);
		rest = span_from(rest, used);
		wild += used;
	}
}

static enum talk_match match(const struct talk_text *t, struct span got, size_t *used)
{
	struct span want = buf_peek(&t->octets), line;

	if (!t->has_wild)
		return match_exact(want, got, used);
	if (!first_line(got, &line))
		return TALK_MORE;
	*used = line.len;
	return glob(want, buf_peek(&t->wild).at, line) ? TALK_SAME : TALK_OTHER;
}

static bool has_sid(struct span s)
{
	for (; s.len > 0; s = span_from(s, 1)) {
		if (span_starts_nocase(s, SPAN("<sid>")))
			return true;
	}
	return false;
}

enum talk_match talk_text_match(const struct talk_text *t, struct span got, const char *sid,
				size_t *used)
{
	struct talk_text whole;
	enum talk_match found;

	if (buf_used(&t->octets) > 4096 || !has_sid(buf_peek(&t->octets)))
		return match(t, got, used);
	put_sid(&whole, t, sid);
	found = match(&whole, got, used);
	talk_text_free(&whole);
	return found;
}

void talk_text_show(struct span s, char *text, size_t size)
{
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < s.len && at + 5 < size; i++) {
		unsigned char c = (unsigned char)s.at[i];

		if (c == '\r' || c == '\n')
			at += (size_t)snprintf(text + at, size - at, c == '\r' ? "\\r" : "\\n");
		else
			at += (size_t)snprintf(text + at, size - at, isprint(c) ? "%c" : "\\x%02x", c);
	}
}
