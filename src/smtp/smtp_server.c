#include "smtp/smtp_server.h"

#include "base/must.h"

void smtp_server_init(struct smtp_server *s, const char *hostname)
{
	*s = (struct smtp_server){ .hostname = hostname };
	buf_init(&s->helo, SMTP_DOMAIN_MOST);
}

void smtp_server_free(struct smtp_server *s)
{
	buf_free(&s->helo);
}

/* Who says HELO has been offered nothing, whatever stood in an EHLO reply before. */
static bool offers(const struct smtp_server *s, uint32_t cap)
{
	return s->esmtp && (s->offer.have & cap) != 0;
}

static bool may_come_in_clear(enum smtp_verb verb)
{
	return verb == SMTP_NOOP || verb == SMTP_EHLO || verb == SMTP_STARTTLS ||
	       verb == SMTP_QUIT;
}

static bool has_8bit(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.at[i] >= 0x80)
			return true;
	}
	return false;
}

static bool body_offered(const struct smtp_server *s, enum smtp_body body)
{
	if (body == SMTP_BODY_BINARYMIME)
		return offers(s, SMTP_CAP_BINARYMIME);
	if (body == SMTP_BODY_8BITMIME)
		return offers(s, SMTP_CAP_8BITMIME);
	return offers(s, SMTP_CAP_8BITMIME | SMTP_CAP_BINARYMIME);
}

static bool params_offered(const struct smtp_server *s, const struct smtp_cmd *cmd)
{
	static const struct {
		uint32_t param, cap;
	} needs[] = {
		{ SMTP_PARAM_SIZE, SMTP_CAP_SIZE },
		{ SMTP_PARAM_SMTPUTF8, SMTP_CAP_SMTPUTF8 },
		{ SMTP_PARAM_RET | SMTP_PARAM_ENVID, SMTP_CAP_DSN },
		{ SMTP_PARAM_REQUIRETLS, SMTP_CAP_REQUIRETLS },
		{ SMTP_PARAM_NOTIFY | SMTP_PARAM_ORCPT, SMTP_CAP_DSN },
	};

	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		if ((cmd->params & needs[i].param) != 0 && !offers(s, needs[i].cap))
			return false;
	}
	return (cmd->params & SMTP_PARAM_BODY) == 0 || body_offered(s, cmd->body);
}

static const struct smtp_answer *admit_mail(const struct smtp_server *s,
					    const struct smtp_cmd *cmd)
{
	if (s->chunks)
		return &SMTP_SAY_BDAT_OPEN;
	if (s->mail)
		return &SMTP_SAY_NESTED_MAIL;
	if (!params_offered(s, cmd))
		return &SMTP_SAY_UNKNOWN_PARAM;
	if (cmd->path.utf8 && (cmd->params & SMTP_PARAM_SMTPUTF8) == 0)
		return &SMTP_SAY_NEEDS_UTF8;
	/* Without SMTP_CAP_SIZE the parameter was refused above. */
	if ((cmd->params & SMTP_PARAM_SIZE) != 0 && s->offer.size != 0 &&
	    cmd->size > s->offer.size)
		return &SMTP_SAY_TOO_BIG;
	return NULL;
}

static const struct smtp_answer *admit_rcpt(const struct smtp_server *s,
					    const struct smtp_cmd *cmd)
{
	if (!s->mail)
		return &SMTP_SAY_MAIL_FIRST;
	if (s->chunks)
		return &SMTP_SAY_BDAT_OPEN;
	if (!params_offered(s, cmd))
		return &SMTP_SAY_UNKNOWN_PARAM;
	if (!s->utf8 && (cmd->path.utf8 || has_8bit(cmd->orcpt)))
		return &SMTP_SAY_NEEDS_UTF8;
	return NULL;
}

static const struct smtp_answer *admit_data(const struct smtp_server *s)
{
	if (!s->mail)
		return &SMTP_SAY_MAIL_FIRST;
	if (s->chunks)
		return &SMTP_SAY_BDAT_OPEN;
	if (s->rcpts == 0)
		return &SMTP_SAY_RCPT_FIRST;
	return s->binary ? &SMTP_SAY_NEEDS_BDAT : NULL;
}

static const struct smtp_answer *admit_bdat(const struct smtp_server *s)
{
	if (!offers(s, SMTP_CAP_CHUNKING))
		return &SMTP_SAY_NOT_OFFERED;
	if (!s->mail)
		return &SMTP_SAY_MAIL_FIRST;
	return s->rcpts == 0 ? &SMTP_SAY_RCPT_FIRST : NULL;
}

static const struct smtp_answer *admit_starttls(const struct smtp_server *s)
{
	if (s->tls)
		return &SMTP_SAY_TLS_ON;
	return offers(s, SMTP_CAP_STARTTLS) ? NULL : &SMTP_SAY_NOT_OFFERED;
}

/* Where AUTH is not offered it is not known here either, before EHLO as after it. */
static const struct smtp_answer *admit_auth(const struct smtp_server *s)
{
	if (!offers(s, SMTP_CAP_AUTH))
		return s->auth_hidden ? &SMTP_SAY_AUTH_CLEAR : &SMTP_SAY_NOT_OFFERED;
	return s->mail || s->auth ? &SMTP_SAY_AUTH_NOT_NOW : NULL;
}

static const struct smtp_answer *admit_after_hello(const struct smtp_server *s,
						   const struct smtp_cmd *cmd)
{
	if (!s->hello)
		return &SMTP_SAY_HELLO_FIRST;
	if (cmd->verb == SMTP_MAIL)
		return admit_mail(s, cmd);
	if (cmd->verb == SMTP_RCPT)
		return admit_rcpt(s, cmd);
	if (cmd->verb == SMTP_DATA)
		return admit_data(s);
	if (cmd->verb == SMTP_BDAT)
		return admit_bdat(s);
	must(cmd->verb == SMTP_STARTTLS);
	return admit_starttls(s);
}

const struct smtp_answer *smtp_server_admit(const struct smtp_server *s,
					    const struct smtp_cmd *cmd)
{
	if (s->need_tls && !s->tls && !may_come_in_clear(cmd->verb))
		return &SMTP_SAY_TLS_FIRST;
	switch (cmd->verb) {
	case SMTP_MAIL:
	case SMTP_RCPT:
	case SMTP_DATA:
	case SMTP_BDAT:
	case SMTP_STARTTLS:
		return admit_after_hello(s, cmd);
	case SMTP_EHLO:
	case SMTP_HELO:
	case SMTP_RSET:
	case SMTP_NOOP:
	case SMTP_QUIT:
	case SMTP_VRFY:
	case SMTP_HELP:
		return NULL;
	case SMTP_AUTH:
		return admit_auth(s);
	case SMTP_EXPN:
		return &SMTP_SAY_NOT_OFFERED;
	case SMTP_UNKNOWN:
		break;
	}
	return &SMTP_SAY_UNKNOWN;
}

void smtp_server_reset(struct smtp_server *s)
{
	s->mail = false;
	s->binary = false;
	s->utf8 = false;
	s->chunks = false;
	s->rcpts = 0;
}

void smtp_server_hello(struct smtp_server *s, const struct smtp_cmd *cmd)
{
	smtp_server_reset(s);
	s->hello = true;
	s->auth_hidden = false;
	s->esmtp = cmd->verb == SMTP_EHLO;
	buf_free(&s->helo);
	must(buf_put(&s->helo, span_first(cmd->arg, SMTP_DOMAIN_MOST)));
}

void smtp_server_mail(struct smtp_server *s, const struct smtp_cmd *cmd)
{
	smtp_server_reset(s);
	s->mail = true;
	s->binary = (cmd->params & SMTP_PARAM_BODY) != 0 && cmd->body == SMTP_BODY_BINARYMIME;
	s->utf8 = (cmd->params & SMTP_PARAM_SMTPUTF8) != 0;
}

void smtp_server_rcpt(struct smtp_server *s)
{
	s->rcpts++;
}

void smtp_server_rcpt_refused(struct smtp_server *s)
{
	if (s->rcpts > 0)
		s->rcpts--;
}

void smtp_server_tls(struct smtp_server *s)
{
	smtp_server_reset(s);
	s->tls = true;
	s->auth = false;
	s->auth_hidden = false;
	s->hello = false;
	s->esmtp = false;
	s->offer = (struct smtp_caps){ 0 };
	buf_free(&s->helo);
}

bool smtp_server_greet(const struct smtp_server *s, struct buf *out)
{
	return buf_printf(out, "220 %s ESMTP\r\n", s->hostname);
}

const char *smtp_server_with(const struct smtp_server *s)
{
	/* There is no registered word for HELO under TLS; the field names the TLS version. */
	if (!s->esmtp)
		return "SMTP";
	if (s->utf8)
		return s->tls ? "UTF8SMTPS" : "UTF8SMTP";
	return s->tls ? "ESMTPS" : "ESMTP";
}
