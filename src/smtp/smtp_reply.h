/* smtp/smtp_reply.h
 * Reads the replies of a server (RFC 5321 section 4.2). Strict: three digits, the first
 * 2 to 5, the same code on each line, '-' or ' ' after it (a bare code is accepted,
 * section 4.2.1), CRLF. Anything else is garbage, and the caller drops the connection
 * (FAULTS 10). Bounded: SMTP_REPLY_LINES lines of SMTP_LINE_MOST octets. */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include "base/why.h"
#include "smtp/smtp_line.h"

#define SMTP_REPLY_LINES 128
#define SMTP_REPLY_MOST 16384

struct smtp_reply {
	int code;
	unsigned lines;
	struct buf text; /* each line without code and separator, ended by one '\n' */
};

struct smtp_reply_reader {
	struct smtp_line framing;
	struct smtp_reply reply; /* being read, or the one last read */
	bool whole;
};

enum smtp_reply_found { SMTP_REPLY_MORE, SMTP_REPLY_WHOLE, SMTP_REPLY_BAD };

void smtp_reply_reader_init(struct smtp_reply_reader *r);
void smtp_reply_reader_free(struct smtp_reply_reader *r);

/* Takes one reply off the front of `in`. On SMTP_REPLY_WHOLE it stands in
 * r->reply until the next call. On SMTP_REPLY_BAD `why` (FAULT_PEER) says what
 * was wrong, and the stream must not be read further. */
enum smtp_reply_found smtp_reply_next(struct smtp_reply_reader *r, struct buf *in,
				      struct why *why);

/* Line `n` (from 0) of the text; empty where there is none. */
struct span smtp_reply_line(const struct smtp_reply *reply, unsigned n);

/* Writes the reply as it came: code, enhanced code, text and line breaks; octets
 * below 0x20 (but TAB) and 0x7f become '?', so that no peer can end a line of ours. */
MUST_CHECK bool smtp_reply_put(struct buf *out, const struct smtp_reply *reply);

/* In one line for the log: "550 5.1.1 No such user / try later". Not NUL-ended by
 * the reply's own NULs: control characters are '?'. Cut at `size`. */
void smtp_reply_brief(const struct smtp_reply *reply, char *text, size_t size);

#endif
