/* smtp/smtp_data.h
 * The body of a message: DATA in, BDAT in, DATA out. CRLF "." CRLF alone ends DATA
 * (RFC 5321 section 4.1.1.4); a bare CR, a bare LF or a NUL anywhere is a fault that the
 * caller answers after the real end of data (FAULTS 22). All that goes out with DATA
 * goes through smtp_data_put: there is no other encoder. */
#ifndef SMTP_DATA_H
#define SMTP_DATA_H

#include "base/buf.h"

/* DATA in. Zero-filled but for line_start = true at birth: smtp_data_reader_init. */
struct smtp_data_reader {
	bool line_start; /* the next octet begins a line */
	bool done;       /* the final dot has been taken; what follows is a command */
	bool faulty;     /* a bare CR or LF or a NUL was seen; reading goes on to the dot */
	uint64_t octets; /* content octets so far, after un-stuffing, the final dot not counted */
	struct span run; /* the content that was given last; valid as long as `raw` */
};

void smtp_data_reader_init(struct smtp_data_reader *r);

/* Looks at the octets at the front of the stream. Returns how many of `raw` are now
 * dealt with; `*content` is the part of them that is message content, un-stuffed
 * (possibly empty: a stuffed dot, the final dot). Returns 0 where the few octets
 * there can't be told apart yet (".", ".\r", "\r") or r->done. Call again until it
 * returns 0. Runs are as long as they can be: a body without leading dots is one run. */
size_t smtp_data_read(struct smtp_data_reader *r, struct span raw, struct span *content);

/* Content that came by BDAT and is not BINARYMIME: the same rule on CR, LF and NUL,
 * across chunks. */
struct smtp_body_check {
	bool cr;     /* the last octet was a CR */
	bool faulty;
};

void smtp_body_check(struct smtp_body_check *c, struct span content);
/* At the end of the message: true where all of it was clean. A CR that nothing follows
 * is bare too. */
MUST_CHECK bool smtp_body_check_end(const struct smtp_body_check *c);

/* DATA out: content in any cut, dot-stuffed on the way. The last door of law 3: content
 * with a bare CR or LF or a NUL, which a reader or a check should have caught before,
 * stops here. From then on the writer is `faulty`: it takes content and writes nothing,
 * and smtp_data_end never succeeds. Such a connection can only be dropped. */
struct smtp_data_writer {
	bool line_start;
	bool cr;     /* the last octet was a CR */
	bool faulty;
};

void smtp_data_writer_init(struct smtp_data_writer *w);

/* Puts as much of `content` into `out` as it has room for, and returns how much. */
size_t smtp_data_put(struct smtp_data_writer *w, struct buf *out, struct span content);

/* Puts the run that the reader has given last, which must not be faulty. The reader knows that it is clean and ends no line
 * in two, and that none of its lines but the first may begin with a dot, so it is not looked at again (140 of 1,500
 * µs/MB). False where there is no room for it and a dot. */
MUST_CHECK bool smtp_data_relay(struct smtp_data_writer *w, struct buf *out, const struct smtp_data_reader *r);

/* The final dot, with a CRLF before it only where the content did not end with one.
 * False where `out` has no room for it (5 octets): try again later; or for good, where
 * the writer is faulty. */
MUST_CHECK bool smtp_data_end(struct smtp_data_writer *w, struct buf *out);

#endif
