/* ctl/tlsrpt_read.h
 * A TLS report that somebody sent us (RFC 8460 section 4.4), as a table. Whoever sent it may mean ill. Pure and total. */
#ifndef TLSRPT_READ_H
#define TLSRPT_READ_H

#include "base/buf.h"
#include "base/why.h"

#define TLSRPT_READ_MOST (8 * 1024 * 1024)   /* octets of the JSON; also of what it was packed in */
#define TLSRPT_READ_VALUES 400000            /* at most, in it: each takes memory */
#define TLSRPT_READ_TABLE (32 * 1024 * 1024) /* octets of the table */

/* `json` as a table: printable ASCII and line ends, whatever stands in it; long texts are cut. What is missing is "-", what is unknown is passed
 * over, what is of another type than it must be makes the report unreadable: false with `why` (FAULT_PEER), and nothing useful in `out`
 * (which should hold TLSRPT_READ_TABLE). */
MUST_CHECK bool tlsrpt_read_table(struct span json, struct buf *out, struct why *why);

#endif
