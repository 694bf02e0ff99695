/* smtp/smtp_line.h
 * The one framer of SMTP lines, for commands and for replies. A line ends with
 * CRLF and with nothing else (RFC 5321 section 2.3.8): a CR or LF that stands
 * alone and a NUL are faults, never line ends, whatever the cut of the stream. */
#ifndef SMTP_LINE_H
#define SMTP_LINE_H

#include "base/buf.h"

/* Command and reply lines, with their CRLF. RFC 5321 section 4.5.3.1 asks for 512;
 * the parameters of SIZE, DSN and SMTPUTF8 add to that. */
#define SMTP_LINE_MOST 2048

enum smtp_line_found {
	SMTP_LINE_MORE,    /* no whole line yet */
	SMTP_LINE_WHOLE,
	SMTP_LINE_LONG,    /* a line above the limit has ended and has been consumed */
	SMTP_LINE_BARE,    /* a lone CR or LF, or a NUL: the stream can't be trusted further */
};

/* All zero at birth. */
struct smtp_line {
	size_t seen;   /* bytes at the front of the buf already known to hold no line end */
	size_t most;   /* octets with CRLF; 0: SMTP_LINE_MOST. May change between lines */
	bool skipping; /* inside a line that is too long; its bytes are consumed as they come */
};

/* Looks for a line at the front of `in`. On SMTP_LINE_WHOLE `*line` is the line
 * without its CRLF, still inside `in`; smtp_line_drop takes it off. Asking twice
 * without dropping gives the same line. */
enum smtp_line_found smtp_line_next(struct smtp_line *l, struct buf *in, struct span *line);
void smtp_line_drop(struct smtp_line *l, struct buf *in, struct span line);

/* The framing alone, for who has another limit, or looks behind lines that stay where they are: looks
 * for the end of the line at the front of `in`, whose first `*seen` octets are known to
 * hold none. Afterwards `*seen` is that known length; on SMTP_LINE_WHOLE it is the line's, without its
 * CRLF. Never SMTP_LINE_LONG. */
enum smtp_line_found smtp_line_find(struct span in, size_t *seen);

#endif
