#include "base/log.h"

#include "base/must.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Kept free for what log_end adds: the mark of a cut line, and its end. */
#define LOG_TAIL 16
#define LOG_ROOM (LOG_LINE_MOST - LOG_TAIL)

/* A value gets its first octets or is not begun: less would say nothing. */
#define VALUE_LEAST 16

/* The longest escape and a closing quote. */
#define ESCAPE_MOST 7

static enum log_format form = LOG_TEXT;
static void (*out)(struct span line);

void log_set_format(enum log_format format)
{
	form = format;
}

void log_set_sink(void (*sink)(struct span line))
{
	out = sink;
}

static void put(struct log_line *l, const char *at, size_t len)
{
	must(len <= LOG_LINE_MOST - l->len);
	memcpy(l->mem + l->len, at, len);
	l->len += len;
}

/* Text and JSON escape alike: what JSON reads back, a person can read too. Bytes
 * above 0x7f are escaped one by one: peers send them in any encoding or none. */
static void put_escaped(struct log_line *l, unsigned char c)
{
	char esc[8];

	if (c == '"' || c == '\\') {
		esc[0] = '\\';
		esc[1] = (char)c;
		put(l, esc, 2);
	} else {
		snprintf(esc, sizeof(esc), "\\u%04x", c);
		put(l, esc, 6);
	}
}

enum { ESCAPED, QUOTED, BARE };

/* What may stand in a value as it is. */
static const unsigned char kind_of[256] = {
	[' '] = QUOTED, ['!'] = BARE, ['#' ... '<'] = BARE, ['='] = QUOTED, ['>' ... '['] = BARE, [']' ... '~'] = BARE,
};

/* How many of the first octets are at least of this kind. */
static size_t run_of(struct span v, unsigned char least)
{
	size_t i = 0;

	while (i < v.len && kind_of[(unsigned char)v.at[i]] >= least)
		i++;
	return i;
}

static bool needs_quotes(struct span v)
{
	return v.len == 0 || run_of(v, BARE) < v.len;
}

/* Whether a field with this key and the first `len` octets of its value has room.
 * Where not, the line is full: what is left out later must not look as if only this
 * one field had been. */
static bool begin_field(struct log_line *l, const char *key, size_t len)
{
	bool json = form == LOG_JSON;
	size_t key_len = strlen(key);

	/* A comma or a blank, the quotes of a key, a colon or '='. */
	if (l->cut || l->len + key_len + 4 + len > LOG_ROOM) {
		l->cut = true;
		return false;
	}
	if (l->len > (json ? 1u : 0u))
		put(l, json ? "," : " ", 1);
	if (json)
		put(l, "\"", 1);
	put(l, key, key_len);
	put(l, json ? "\":" : "=", json ? 2 : 1);
	return true;
}

static void put_plain(struct log_line *l, struct span v)
{
	struct span fits = span_first(v, LOG_ROOM - l->len);

	put(l, fits.at, fits.len);
	l->cut = fits.len < v.len;
}

/* A value is cut on the way in, before its closing quote and never inside an escape. */
static void put_quoted(struct log_line *l, struct span v)
{
	put(l, "\"", 1);
	while (v.len > 0 && !l->cut) {
		size_t room = l->len + ESCAPE_MOST <= LOG_ROOM ? LOG_ROOM + 1 - ESCAPE_MOST - l->len : 0;
		size_t run = run_of(span_first(v, room), QUOTED);

		l->cut = room == 0;
		if (run > 0)
			put(l, v.at, run);
		else if (!l->cut)
			put_escaped(l, (unsigned char)v.at[run++]);
		v = span_from(v, run);
	}
	put(l, "\"", 1);
}

void log_span(struct log_line *l, const char *key, struct span value)
{
	if (!begin_field(l, key, VALUE_LEAST))
		return;
	if (form == LOG_TEXT && !needs_quotes(value))
		put_plain(l, value);
	else
		put_quoted(l, value);
}

void log_text(struct log_line *l, const char *key, const char *value)
{
	log_span(l, key, span_str(value));
}

void log_int(struct log_line *l, const char *key, int64_t value)
{
	char mem[TEXT_NUMBER_MOST];
	struct text text;

	text_begin(&text, mem, sizeof(mem));
	text_number(&text, value);
	if (begin_field(l, key, text.len))
		put(l, mem, text.len);
}

static PRINTF_LIKE(3, 0) void put_fmt(struct log_line *l, const char *key, const char *fmt,
				      va_list args)
{
	char text[1024];
	int len = vsnprintf(text, sizeof(text), fmt, args);

	must(len >= 0);
	log_text(l, key, text);
	l->cut |= (size_t)len >= sizeof(text);
}

void log_fmt(struct log_line *l, const char *key, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	put_fmt(l, key, fmt, args);
	va_end(args);
}

void log_begin(struct log_line *l, const char *event)
{
	l->len = 0;
	l->cut = false;
	if (form == LOG_JSON)
		put(l, "{", 1);
	log_text(l, "event", event);
}

void log_end(struct log_line *l)
{
	bool json = form == LOG_JSON;

	if (l->cut)
		put(l, json ? ",\"cut\":1" : " cut=1", json ? 8 : 6);
	if (json)
		put(l, "}", 1);
	put(l, "\n", 1);
	if (out != NULL)
		out(span_of(l->mem, l->len));
}

void log_event(const char *event, const char *fmt, ...)
{
	struct log_line line;
	va_list args;

	log_begin(&line, event);
	va_start(args, fmt);
	put_fmt(&line, "text", fmt, args);
	va_end(args);
	log_end(&line);
}
