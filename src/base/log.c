#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Room kept for what log_end adds. */
#define LOG_TAIL 16

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

static bool put(struct log_line *l, const char *at, size_t len)
{
	if (l->cut || len > LOG_LINE_MOST - LOG_TAIL - l->len) {
		l->cut = true;
		return false;
	}
	memcpy(l->mem + l->len, at, len);
	l->len += len;
	return true;
}

/* Text and JSON escape alike: what JSON reads back, a person can read too. Bytes
 * above 0x7f are escaped one by one: peers send them in any encoding or none. */
static bool put_escaped(struct log_line *l, unsigned char c)
{
	char esc[8];

	if (c == '"' || c == '\\') {
		esc[0] = '\\';
		esc[1] = (char)c;
		return put(l, esc, 2);
	}
	if (c >= 0x20 && c < 0x7f)
		return put(l, (const char *)&c, 1);
	snprintf(esc, sizeof(esc), "\\u%04x", c);
	return put(l, esc, 6);
}

static bool needs_quotes(struct span v)
{
	if (v.len == 0)
		return true;
	for (size_t i = 0; i < v.len; i++) {
		unsigned char c = (unsigned char)v.at[i];

		if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '=')
			return true;
	}
	return false;
}

static void put_key(struct log_line *l, const char *key)
{
	if (l->len > (form == LOG_JSON ? 1u : 0u))
		put(l, form == LOG_JSON ? "," : " ", 1);
	if (form == LOG_JSON)
		put(l, "\"", 1);
	put(l, key, strlen(key));
	put(l, form == LOG_JSON ? "\":" : "=", form == LOG_JSON ? 2 : 1);
}

/* A value is cut on the way in, before its closing quote, never after. */
static void put_value(struct log_line *l, struct span v)
{
	bool cut = false;

	if (form == LOG_TEXT && !needs_quotes(v)) {
		put(l, v.at, v.len);
		return;
	}
	if (!put(l, "\"", 1))
		return;
	for (size_t i = 0; i < v.len && !cut; i++) {
		cut = l->len + 8 > LOG_LINE_MOST - LOG_TAIL ||
		      !put_escaped(l, (unsigned char)v.at[i]);
	}
	put(l, "\"", 1);
	l->cut |= cut;
}

void log_span(struct log_line *l, const char *key, struct span value)
{
	size_t before = l->len;

	if (l->cut)
		return;
	put_key(l, key);
	if (l->cut || l->len + 16 > LOG_LINE_MOST - LOG_TAIL) {
		l->len = before;
		l->cut = true;
		return;
	}
	before = l->len;
	put_value(l, value);
	if (l->cut && l->len == before)
		put(l, "\"\"", 2);
}

void log_text(struct log_line *l, const char *key, const char *value)
{
	log_span(l, key, span_str(value));
}

void log_int(struct log_line *l, const char *key, int64_t value)
{
	char text[24];
	size_t before = l->len;

	if (l->cut)
		return;
	snprintf(text, sizeof(text), "%lld", (long long)value);
	put_key(l, key);
	put(l, text, strlen(text));
	if (l->cut)
		l->len = before;
}

void log_fmt(struct log_line *l, const char *key, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_text(l, key, text);
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
	bool cut = l->cut;

	l->cut = false;
	if (cut)
		log_int(l, "cut", 1);
	if (form == LOG_JSON)
		l->mem[l->len++] = '}';
	l->mem[l->len++] = '\n';
	if (out != NULL)
		out(span_of(l->mem, l->len));
}

void log_event(const char *event, const char *fmt, ...)
{
	struct log_line line;
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_begin(&line, event);
	log_text(&line, "text", text);
	log_end(&line);
}
