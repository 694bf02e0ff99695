/* smtp/smtp_param.h
 * The parameters behind the path of MAIL and RCPT: SIZE (RFC 1870), BODY (RFC 6152, 3030),
 * SMTPUTF8 (RFC 6531), RET, ENVID, NOTIFY, ORCPT (RFC 3461). */
#ifndef SMTP_PARAM_H
#define SMTP_PARAM_H

#include "smtp/smtp_cmd.h"

/* Reads "KEY KEY=value ..." into `cmd`, whose verb is SMTP_MAIL or SMTP_RCPT. NULL, or the
 * refusal: a parameter that this verb does not know, that stands twice, or whose value is
 * against its grammar. */
const struct smtp_answer *smtp_param_read(struct span rest, struct smtp_cmd *cmd);

#endif
