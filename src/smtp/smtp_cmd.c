#include "smtp/smtp_cmd.h"

#include "smtp/smtp_param.h"
#include "smtp/smtp_sasl.h"

static const struct verb {
	const char *name;
	enum smtp_verb verb;
} verbs[] = {
	{ "EHLO", SMTP_EHLO }, { "HELO", SMTP_HELO }, { "MAIL", SMTP_MAIL },
	{ "RCPT", SMTP_RCPT }, { "DATA", SMTP_DATA }, { "BDAT", SMTP_BDAT },
	{ "RSET", SMTP_RSET }, { "NOOP", SMTP_NOOP }, { "QUIT", SMTP_QUIT },
	{ "VRFY", SMTP_VRFY }, { "EXPN", SMTP_EXPN }, { "HELP", SMTP_HELP },
	{ "STARTTLS", SMTP_STARTTLS }, { "AUTH", SMTP_AUTH },
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static enum smtp_verb verb_of(struct span name)
{
	for (size_t i = 0; i < VERBS; i++) {
		if (span_eq_nocase(name, span_str(verbs[i].name)))
			return verbs[i].verb;
	}
	return SMTP_UNKNOWN;
}

const char *smtp_verb_name(enum smtp_verb verb)
{
	for (size_t i = 0; i < VERBS; i++) {
		if (verbs[i].verb == verb)
			return verbs[i].name;
	}
	return "UNKNOWN";
}

static bool is_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.at[i] >= 0x80)
			return false;
	}
	return true;
}

/* Hosts greet with their fully qualified name and its last dot; and RFC 6531 section
 * 3.7.1 wants the A-label, so 8-bit octets have no place here. */
static const struct smtp_answer *read_hello(struct span arg)
{
	struct span domain = arg;

	if (arg.len > 1 && arg.len <= SMTP_DOMAIN_MOST && arg.at[arg.len - 1] == '.')
		domain.len--;
	return smtp_domain_ok(domain) && is_ascii(domain) ? NULL : &SMTP_SAY_BAD_DOMAIN;
}

static const struct smtp_answer *path_fault(enum smtp_path_fault fault, bool sender)
{
	if (fault == SMTP_PATH_ROUTED)
		return sender ? &SMTP_SAY_SENDER_ROUTE : &SMTP_SAY_SOURCE_ROUTE;
	return sender ? &SMTP_SAY_BAD_SENDER : &SMTP_SAY_BAD_RECIPIENT;
}

/* "FROM:<path> params" and "TO:<path> params". Blanks behind the colon are against the
 * grammar, and common. */
static const struct smtp_answer *read_envelope(struct span arg, bool sender,
					       struct smtp_cmd *cmd)
{
	struct span lead = sender ? SPAN("FROM:") : SPAN("TO:");
	enum smtp_path_fault fault;
	struct span rest;

	if (!span_starts_nocase(arg, lead))
		return path_fault(SMTP_PATH_BAD, sender);
	rest = span_trim(span_from(arg, lead.len));
	fault = smtp_path_take(&rest, sender, &cmd->path);
	if (fault != SMTP_PATH_OK)
		return path_fault(fault, sender);
	if (rest.len > 0 && rest.at[0] != ' ')
		return path_fault(SMTP_PATH_BAD, sender);
	return smtp_param_read(rest, cmd);
}

static const struct smtp_answer *read_bdat(struct span arg, struct smtp_cmd *cmd)
{
	struct span rest = arg;
	struct span size = span_cut(&rest, ' ');

	cmd->chunk = UINT64_MAX;
	if (!span_number(size, UINT64_MAX - 1, &cmd->chunk))
		return &SMTP_SAY_BAD_SYNTAX;
	rest = span_trim(rest);
	cmd->last = span_eq_nocase(rest, SPAN("LAST"));
	return rest.len == 0 || cmd->last ? NULL : &SMTP_SAY_BAD_SYNTAX;
}

static const struct smtp_answer *read_args(struct span arg, struct smtp_cmd *cmd)
{
	switch (cmd->verb) {
	case SMTP_EHLO:
	case SMTP_HELO:
		return read_hello(arg);
	case SMTP_MAIL:
		return read_envelope(arg, true, cmd);
	case SMTP_RCPT:
		return read_envelope(arg, false, cmd);
	case SMTP_BDAT:
		return read_bdat(arg, cmd);
	case SMTP_DATA:
	case SMTP_RSET:
	case SMTP_QUIT:
	case SMTP_STARTTLS:
		return arg.len == 0 ? NULL : &SMTP_SAY_BAD_SYNTAX;
	case SMTP_VRFY:
	case SMTP_EXPN:
		return arg.len > 0 ? NULL : &SMTP_SAY_BAD_SYNTAX;
	case SMTP_AUTH:
		return smtp_sasl_arg_ok(arg) ? NULL : &SMTP_SAY_BAD_SYNTAX;
	case SMTP_NOOP:
	case SMTP_HELP:
		return NULL;
	case SMTP_UNKNOWN:
		break;
	}
	return &SMTP_SAY_UNKNOWN;
}

const struct smtp_answer *smtp_cmd_read(struct span line, struct smtp_cmd *cmd)
{
	struct span rest = line;
	struct span name = span_cut(&rest, ' ');

	*cmd = (struct smtp_cmd){ .verb = verb_of(name), .arg = span_trim(rest) };
	return read_args(cmd->arg, cmd);
}
