/* base/log.h
 * One event, one line. A line is built field by field and leaves in one piece;
 * whatever a peer put into a value, it cannot end the line or start a field
 * (FAULTS 42). Text form: event=session-end sid=6f2a91 why="two words". JSON form:
 * one object a line, the same keys. Where a line goes is the sink's business. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/span.h"

/* A line never exceeds this, so that one write to a pipe stays in one piece
 * (PIPE_BUF). A value that does not fit is cut, and the line says cut=1. */
#define LOG_LINE_MOST 4000

enum log_format { LOG_TEXT, LOG_JSON };

struct log_line {
	size_t len;
	bool cut;
	char mem[LOG_LINE_MOST];
};

/* Both are process-wide and set once at start. The sink gets whole lines, each
 * with its newline; it must not block. */
void log_set_format(enum log_format format);
void log_set_sink(void (*sink)(struct span line));

void log_begin(struct log_line *l, const char *event);
void log_text(struct log_line *l, const char *key, const char *value);
void log_span(struct log_line *l, const char *key, struct span value);
void log_int(struct log_line *l, const char *key, int64_t value);
void log_fmt(struct log_line *l, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
void log_end(struct log_line *l);

/* A line with nothing but a text: log_event("start", "2 edges"). */
void log_event(const char *event, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
