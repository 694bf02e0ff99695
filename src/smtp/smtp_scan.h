/* smtp/smtp_scan.h
 * The one look for octets that end lines or must not be in them. Every octet of every
 * message passes here, so it looks at 16 of them at a time. */
#ifndef SMTP_SCAN_H
#define SMTP_SCAN_H

#include "base/span.h"

/* The place of the first CR, LF or NUL; s.len where there is none. */
size_t smtp_scan(struct span s);

/* From `from`, where a line begins (it is not 0) with another octet than a dot, to some place inside a line before which
 * all is as it should be: no NUL, no CR or LF but together, no dot at the start of a line. It may stop early; how a line
 * ends there the caller finds out with smtp_scan. Bodies are mostly that, and stopping at each line took three times
 * as long. */
size_t smtp_scan_lines(struct span s, size_t from);

#endif
