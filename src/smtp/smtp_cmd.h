/* smtp/smtp_cmd.h
 * Reads one command line (RFC 5321 section 4.1.1 and the extensions of smtp_caps.h). A
 * command is always taken apart here and written anew for the upstream
 * (smtp_client.h): no line of a client is passed on as it came. */
#ifndef SMTP_CMD_H
#define SMTP_CMD_H

#include "smtp/smtp_addr.h"
#include "smtp/smtp_answer.h"

enum smtp_verb {
	SMTP_EHLO, SMTP_HELO, SMTP_MAIL, SMTP_RCPT, SMTP_DATA, SMTP_BDAT, SMTP_RSET,
	SMTP_NOOP, SMTP_QUIT, SMTP_VRFY, SMTP_EXPN, SMTP_HELP, SMTP_STARTTLS, SMTP_AUTH,
	SMTP_UNKNOWN,
};

enum smtp_param {
	SMTP_PARAM_SIZE     = 1 << 0, /* MAIL */
	SMTP_PARAM_BODY     = 1 << 1, /* MAIL */
	SMTP_PARAM_SMTPUTF8 = 1 << 2, /* MAIL */
	SMTP_PARAM_RET      = 1 << 3, /* MAIL: FULL or HDRS */
	SMTP_PARAM_ENVID    = 1 << 4, /* MAIL: xtext */
	SMTP_PARAM_NOTIFY   = 1 << 5, /* RCPT: NEVER, or a list of SUCCESS, FAILURE, DELAY */
	SMTP_PARAM_ORCPT    = 1 << 6, /* RCPT: addr-type;xtext */
	SMTP_PARAM_REQUIRETLS = 1 << 7, /* MAIL (RFC 8689) */
};

enum smtp_body { SMTP_BODY_7BIT, SMTP_BODY_8BITMIME, SMTP_BODY_BINARYMIME };

struct smtp_cmd {
	enum smtp_verb verb;
	struct span arg;       /* EHLO, HELO: the domain; VRFY, EXPN, HELP, NOOP, AUTH: the rest */
	struct smtp_path path; /* MAIL, RCPT */
	uint32_t params;       /* SMTP_PARAM_* that stood there */
	uint64_t size;         /* octets, with SMTP_PARAM_SIZE */
	enum smtp_body body;   /* with SMTP_PARAM_BODY */
	struct span ret, envid, notify, orcpt; /* values, checked against their grammar */
	uint64_t chunk;        /* BDAT: octets that follow the command line */
	bool last;             /* BDAT ... LAST */
};

/* `line` is without CRLF; the spans of `cmd` point into it. Returns NULL where the
 * command is well formed, else the refusal. cmd->verb is set in either case, and so
 * are cmd->chunk and cmd->last where they could be read: the octets of a refused BDAT
 * must still be skipped. A BDAT whose size can't be read gives SMTP_SAY_BAD_SYNTAX with
 * chunk == UINT64_MAX: nobody knows where its octets end, so the session must. */
const struct smtp_answer *smtp_cmd_read(struct span line, struct smtp_cmd *cmd);

const char *smtp_verb_name(enum smtp_verb verb);

#endif
