/* smtp/smtp_scan.h
 * The one look for octets that end lines or must not be in them. Every octet of every
 * message passes here, so it looks at 16 of them at a time. */
#ifndef SMTP_SCAN_H
#define SMTP_SCAN_H

#include "base/span.h"

/* The place of the first CR, LF or NUL; s.len where there is none. */
size_t smtp_scan(struct span s);

#endif
