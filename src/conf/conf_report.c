#include "base/must.h"
#include "conf/conf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of lines kept: a file with more mistakes than this is not the file that was meant. */
#define LINES_MOST 1000
#define LINE_MOST 1024

struct conf_line {
	struct conf_place at;
	size_t start; /* in the text */
};

void conf_report_init(struct conf_report *r, const char *path)
{
	*r = (struct conf_report){ .path = path };
}

void conf_report_free(struct conf_report *r)
{
	free(r->text);
	free(r->lines);
	*r = (struct conf_report){ .path = r->path };
}

/* A value of the file may stand in the message: it must neither end the line nor drive a
 * terminal (C0, DEL, and C1 as UTF-8). */
static void make_printable(char *line)
{
	for (unsigned char *c = (unsigned char *)line; *c != '\0'; c++) {
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
		if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
	}
}

static bool before(struct conf_place a, struct conf_place b)
{
	return a.line != b.line ? a.line < b.line : a.column < b.column;
}

/* Settings that are inherited are looked at wherever they came to, and were wrong in one place. */
static bool is_said(const struct conf_report *r, struct conf_place at, const char *line)
{
	size_t len = strlen(line);

	for (size_t i = 0; i < r->line_count; i++) {
		const struct conf_line *l = &r->lines[i];
		size_t end = i + 1 < r->line_count ? r->lines[i + 1].start : r->len;

		if (l->at.line == at.line && l->at.column == at.column && end - l->start == len &&
		    memcmp(r->text + l->start, line, len) == 0)
			return true;
	}
	return false;
}

/* Behind all lines of the same place and before: what a reader finds first stands first. */
static void insert(struct conf_report *r, struct conf_place at, const char *line)
{
	size_t len = strlen(line);
	size_t i = r->line_count;
	size_t start;

	while (i > 0 && before(at, r->lines[i - 1].at))
		i--;
	start = i < r->line_count ? r->lines[i].start : r->len;

	r->text = mem_grow(r->text, r->len + len + 1);
	memmove(r->text + start + len, r->text + start, r->len - start);
	memcpy(r->text + start, line, len);
	r->len += len;
	r->text[r->len] = '\0';

	r->lines = mem_grow(r->lines, (r->line_count + 1) * sizeof(*r->lines));
	memmove(r->lines + i + 1, r->lines + i, (r->line_count - i) * sizeof(*r->lines));
	r->lines[i] = (struct conf_line){ at, start };
	r->line_count++;
	for (i++; i < r->line_count; i++)
		r->lines[i].start += len;
}

/* False where the very same was said before. */
static bool put(struct conf_report *r, struct conf_place at, const char *kind, const char *message)
{
	char line[LINE_MOST];
	int len;

	if (r->line_count > LINES_MOST)
		return true;
	if (r->line_count == LINES_MOST) {
		at = (struct conf_place){ UINT32_MAX, 1 };
		len = snprintf(line, sizeof(line), "%s: there is more; these are the first %d",
			       r->path, LINES_MOST);
	} else if (at.line == 0) {
		len = snprintf(line, sizeof(line), "%s: %s%s", r->path, kind, message);
	} else {
		len = snprintf(line, sizeof(line), "%s:%u:%u: %s%s", r->path, at.line, at.column,
			       kind, message);
	}
	if (len > LINE_MOST - 2)
		len = LINE_MOST - 2;
	line[len] = '\0';
	make_printable(line);
	line[len] = '\n';
	line[len + 1] = '\0';
	if (is_said(r, at, line))
		return false;
	insert(r, at, line);
	return true;
}

void conf_error(struct conf_report *r, struct conf_place at, const char *fmt, ...)
{
	char message[LINE_MOST];
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	r->errors += put(r, at, "", message);
}

void conf_warning(struct conf_report *r, struct conf_place at, const char *fmt, ...)
{
	char message[LINE_MOST];
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	r->warnings += put(r, at, "warning: ", message);
}
