#include "smtp/smtp_param.h"

#define SIZE_DIGITS 20   /* RFC 1870 section 4 */
#define ENVID_MOST 100   /* RFC 3461 section 4.4 */
#define ORCPT_MOST 500   /* RFC 3461 section 4.2 */

static bool is_hex_upper(char c)
{
	return ascii_is_digit(c) || (c >= 'A' && c <= 'F');
}

/* RFC 3461 section 4. `raw`: 8-bit octets may stand too (RFC 6533 section 3). */
static bool xtext_ok(struct span s, bool raw)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];

		if (c == '+') {
			if (s.len - i < 3 || !is_hex_upper(s.at[i + 1]) || !is_hex_upper(s.at[i + 2]))
				return false;
			i += 2;
		} else if (c <= 0x20 || c == 0x7f || c == '=' || (c >= 0x80 && !raw)) {
			return false;
		}
	}
	return true;
}

/* A number of up to 20 digits is a good one even where it is too big to hold. */
static bool take_size(struct span value, struct smtp_cmd *cmd)
{
	if (value.len == 0 || value.len > SIZE_DIGITS)
		return false;
	for (size_t i = 0; i < value.len; i++) {
		if (!ascii_is_digit(value.at[i]))
			return false;
	}
	if (!span_number(value, UINT64_MAX, &cmd->size))
		cmd->size = UINT64_MAX;
	return true;
}

static bool take_body(struct span value, struct smtp_cmd *cmd)
{
	if (span_eq_nocase(value, SPAN("7BIT")))
		cmd->body = SMTP_BODY_7BIT;
	else if (span_eq_nocase(value, SPAN("8BITMIME")))
		cmd->body = SMTP_BODY_8BITMIME;
	else if (span_eq_nocase(value, SPAN("BINARYMIME")))
		cmd->body = SMTP_BODY_BINARYMIME;
	else
		return false;
	return true;
}

/* SMTPUTF8 and REQUIRETLS */
static bool take_nothing(struct span value, struct smtp_cmd *cmd)
{
	(void)cmd;
	return value.len == 0;
}

static bool take_ret(struct span value, struct smtp_cmd *cmd)
{
	cmd->ret = value;
	return span_eq_nocase(value, SPAN("FULL")) || span_eq_nocase(value, SPAN("HDRS"));
}

static bool take_envid(struct span value, struct smtp_cmd *cmd)
{
	cmd->envid = value;
	return value.len > 0 && value.len <= ENVID_MOST && xtext_ok(value, false);
}

static bool take_notify(struct span value, struct smtp_cmd *cmd)
{
	struct span rest = value;
	bool last;

	cmd->notify = value;
	if (span_eq_nocase(value, SPAN("NEVER")))
		return true;
	do {
		struct span word;

		last = span_find(rest, ',') == rest.len;
		word = span_cut(&rest, ',');
		if (!span_eq_nocase(word, SPAN("SUCCESS")) &&
		    !span_eq_nocase(word, SPAN("FAILURE")) &&
		    !span_eq_nocase(word, SPAN("DELAY")))
			return false;
	} while (!last);
	return true;
}

static bool atom_ok(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_is_alnum(s.at[i]) && s.at[i] != '-')
			return false;
	}
	return s.len > 0;
}

static bool take_orcpt(struct span value, struct smtp_cmd *cmd)
{
	struct span rest = value;
	struct span type = span_cut(&rest, ';');
	bool raw = span_eq_nocase(type, SPAN("utf-8"));

	cmd->orcpt = value;
	return value.len <= ORCPT_MOST && type.len < value.len && atom_ok(type) &&
	       xtext_ok(rest, raw) && smtp_utf8_ok(rest);
}

static const struct param {
	const char *name;
	enum smtp_verb verb;
	enum smtp_param bit;
	bool valued;
	bool (*take)(struct span value, struct smtp_cmd *cmd);
} params[] = {
	{ "SIZE", SMTP_MAIL, SMTP_PARAM_SIZE, true, take_size },
	{ "BODY", SMTP_MAIL, SMTP_PARAM_BODY, true, take_body },
	{ "SMTPUTF8", SMTP_MAIL, SMTP_PARAM_SMTPUTF8, false, take_nothing },
	{ "RET", SMTP_MAIL, SMTP_PARAM_RET, true, take_ret },
	{ "ENVID", SMTP_MAIL, SMTP_PARAM_ENVID, true, take_envid },
	{ "REQUIRETLS", SMTP_MAIL, SMTP_PARAM_REQUIRETLS, false, take_nothing },
	{ "NOTIFY", SMTP_RCPT, SMTP_PARAM_NOTIFY, true, take_notify },
	{ "ORCPT", SMTP_RCPT, SMTP_PARAM_ORCPT, true, take_orcpt },
};

static const struct param *param_of(struct span name, enum smtp_verb verb)
{
	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		if (params[i].verb == verb && span_eq_nocase(name, span_str(params[i].name)))
			return &params[i];
	}
	return NULL;
}

static const struct smtp_answer *read_one(struct span word, struct smtp_cmd *cmd)
{
	struct span value = word;
	struct span name = span_cut(&value, '=');
	const struct param *param = param_of(name, cmd->verb);

	if (param == NULL)
		return &SMTP_SAY_UNKNOWN_PARAM;
	if ((cmd->params & param->bit) != 0 || param->valued != (name.len < word.len) ||
	    !param->take(value, cmd))
		return &SMTP_SAY_BAD_PARAM;
	cmd->params |= param->bit;
	return NULL;
}

const struct smtp_answer *smtp_param_read(struct span rest, struct smtp_cmd *cmd)
{
	const struct smtp_answer *refusal = NULL;

	while (rest.len > 0 && refusal == NULL) {
		struct span word = span_cut(&rest, ' ');

		if (word.len > 0)
			refusal = read_one(word, cmd);
	}
	return refusal;
}
