/* smtp/smtp_sasl.h
 * Looks over the shoulder of a SASL exchange that is relayed (RFC 4954): who is it that logs in? For the
 * log alone. Nothing but the name is kept, and no mechanism is taken part in. */
#ifndef SMTP_SASL_H
#define SMTP_SASL_H

#include "base/span.h"

/* RFC 4954 section 4.5.1 sets 12288 octets for AUTH's lines, initial responses that real clients
 * send included (SPEC SUB-7). */
#define SMTP_SASL_LINE_MOST 12288
#define SMTP_SASL_USER_MOST 128

struct smtp_sasl {
	char mechanism[24];               /* upper case; empty: none that is known */
	bool named;                       /* `user` is as much as the mechanism shows */
	char user[SMTP_SASL_USER_MOST + 1]; /* any octets but NUL, cut: whoever prints it escapes it */
};

/* AUTH's argument: "PLAIN", "PLAIN AGEAYg==". */
void smtp_sasl_begin(struct smtp_sasl *s, struct span arg);
/* A line that answers a 334. */
void smtp_sasl_line(struct smtp_sasl *s, struct span line);

/* Whether `arg` may stand behind AUTH: a mechanism's name (RFC 4422 section 3.1) and, at the most, one
 * initial response. */
bool smtp_sasl_arg_ok(struct span arg);
/* Base64, "=" or "*". */
bool smtp_sasl_line_ok(struct span line);

#endif
