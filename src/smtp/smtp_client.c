#include "smtp/smtp_client.h"

#include "base/must.h"

void smtp_client_init(struct smtp_client *c, const char *hostname, bool tls)
{
	*c = (struct smtp_client){ .hostname = hostname, .tls = tls };
}

static enum smtp_client_act fail(struct smtp_client *c, const struct smtp_reply *reply,
				 const char *what, struct why *why)
{
	char brief[WHY_MOST];

	smtp_reply_brief(reply, brief, sizeof(brief));
	why_set(why, FAULT_PEER, "%s: %s", what, brief);
	c->code = reply->code;
	c->state = SMTP_CLIENT_FAILED;
	return SMTP_CLIENT_FAIL;
}

static enum smtp_client_act fail_without_tls(struct smtp_client *c, struct why *why)
{
	why_set(why, FAULT_POLICY, "TLS is required, and STARTTLS was not offered");
	c->state = SMTP_CLIENT_FAILED;
	return SMTP_CLIENT_FAIL;
}

static enum smtp_client_act ask(struct smtp_client *c, enum smtp_client_state next, bool put,
				struct why *why)
{
	if (!put) {
		why_set(why, FAULT_SELF, "no room for a command before any mail");
		c->state = SMTP_CLIENT_FAILED;
		return SMTP_CLIENT_FAIL;
	}
	c->state = next;
	return SMTP_CLIENT_WAIT;
}

static enum smtp_client_act ready(struct smtp_client *c)
{
	c->state = SMTP_CLIENT_READY;
	return SMTP_CLIENT_GO;
}

/* The server refused for good, and stays on the line. */
static bool is_refusal(int code)
{
	return code >= 500;
}

static enum smtp_client_act after_greeting(struct smtp_client *c, const struct smtp_reply *reply,
					   struct buf *out, struct why *why)
{
	if (reply->code != 220)
		return fail(c, reply, "greeting", why);
	if (c->hostname == NULL) {
		c->state = SMTP_CLIENT_NAMELESS;
		return SMTP_CLIENT_NAME;
	}
	return ask(c, SMTP_CLIENT_EHLO, buf_printf(out, "EHLO %s\r\n", c->hostname), why);
}

static enum smtp_client_act after_ehlo(struct smtp_client *c, const struct smtp_reply *reply,
				       struct buf *out, struct why *why)
{
	bool wanted = (c->want_tls || c->must_tls) && !c->tls;

	if (is_refusal(reply->code) && !(c->must_tls && !c->tls))
		return ask(c, SMTP_CLIENT_HELO, buf_printf(out, "HELO %s\r\n", c->hostname), why);
	if (reply->code != 250)
		return fail(c, reply, "answer to EHLO", why);
	smtp_caps_read(reply, &c->caps);
	if (!c->tls)
		c->offers_tls = (c->caps.have & SMTP_CAP_STARTTLS) != 0;
	if (!wanted)
		return ready(c);
	if (c->offers_tls)
		return ask(c, SMTP_CLIENT_STARTTLS, buf_put(out, SPAN("STARTTLS\r\n")), why);
	c->no_tls = SMTP_NO_TLS_OFFERED;
	return c->must_tls ? fail_without_tls(c, why) : ready(c);
}

static enum smtp_client_act after_helo(struct smtp_client *c, const struct smtp_reply *reply,
				       struct why *why)
{
	if (reply->code != 250)
		return fail(c, reply, "answer to HELO", why);
	c->caps = (struct smtp_caps){ 0 };
	if (c->want_tls && !c->tls)
		c->no_tls = SMTP_NO_TLS_OFFERED;
	return ready(c);
}

static enum smtp_client_act after_starttls(struct smtp_client *c, const struct smtp_reply *reply,
					   struct why *why)
{
	if (reply->code == 220) {
		c->state = SMTP_CLIENT_TLS;
		return SMTP_CLIENT_START_TLS;
	}
	if (reply->code < 400)
		return fail(c, reply, "answer to STARTTLS", why);
	c->no_tls = SMTP_NO_TLS_REFUSED;
	return c->must_tls ? fail(c, reply, "answer to STARTTLS", why) : ready(c);
}

enum smtp_client_act smtp_client_reply(struct smtp_client *c, const struct smtp_reply *reply,
				       struct buf *out, struct why *why)
{
	/* "Closing": whatever was asked, nothing more can be. */
	if (reply->code == 421)
		return fail(c, reply, "the server closes", why);
	switch (c->state) {
	case SMTP_CLIENT_GREETING:
		return after_greeting(c, reply, out, why);
	case SMTP_CLIENT_EHLO:
		return after_ehlo(c, reply, out, why);
	case SMTP_CLIENT_HELO:
		return after_helo(c, reply, why);
	case SMTP_CLIENT_STARTTLS:
		return after_starttls(c, reply, why);
	case SMTP_CLIENT_NAMELESS:
	case SMTP_CLIENT_TLS:
	case SMTP_CLIENT_READY:
	case SMTP_CLIENT_FAILED:
		break;
	}
	return fail(c, reply, "a reply that nothing was asked for", why);
}

bool smtp_client_name(struct smtp_client *c, const char *hostname, struct buf *out)
{
	must(c->state == SMTP_CLIENT_NAMELESS);
	if (!buf_printf(out, "EHLO %s\r\n", hostname))
		return false;
	c->hostname = hostname;
	c->state = SMTP_CLIENT_EHLO;
	return true;
}

bool smtp_client_tls_on(struct smtp_client *c, struct buf *out)
{
	must(c->state == SMTP_CLIENT_TLS);
	if (!buf_printf(out, "EHLO %s\r\n", c->hostname))
		return false;
	c->tls = true;
	c->caps = (struct smtp_caps){ 0 };
	c->state = SMTP_CLIENT_EHLO;
	return true;
}

static bool knows(const struct smtp_caps *caps, uint32_t cap)
{
	return (caps->have & cap) != 0;
}

/* BODY=7BIT says nothing that a server without it would not take for granted. */
static bool can_body(const struct smtp_caps *caps, enum smtp_body body)
{
	if (body == SMTP_BODY_BINARYMIME)
		return knows(caps, SMTP_CAP_BINARYMIME);
	return body == SMTP_BODY_7BIT || knows(caps, SMTP_CAP_8BITMIME);
}

bool smtp_client_can_mail(const struct smtp_caps *caps, const struct smtp_cmd *mail)
{
	if ((mail->params & SMTP_PARAM_BODY) != 0 && !can_body(caps, mail->body))
		return false;
	if ((mail->params & SMTP_PARAM_SMTPUTF8) != 0 && !knows(caps, SMTP_CAP_SMTPUTF8))
		return false;
	if ((mail->params & SMTP_PARAM_REQUIRETLS) != 0 && !knows(caps, SMTP_CAP_REQUIRETLS))
		return false;
	return (mail->params & (SMTP_PARAM_RET | SMTP_PARAM_ENVID)) == 0 ||
	       knows(caps, SMTP_CAP_DSN);
}

bool smtp_client_can_rcpt(const struct smtp_caps *caps, const struct smtp_cmd *rcpt)
{
	if (rcpt->path.utf8 && !knows(caps, SMTP_CAP_SMTPUTF8))
		return false;
	return (rcpt->params & (SMTP_PARAM_NOTIFY | SMTP_PARAM_ORCPT)) == 0 ||
	       knows(caps, SMTP_CAP_DSN);
}

/* A command being written: as long as the line it was read from allowed, and a bit. */
static void begin(struct buf *line, const char *lead, struct span path)
{
	buf_init(line, 2 * SMTP_LINE_MOST);
	must(buf_printf(line, "%s:<", lead) && buf_put(line, path) && buf_put(line, SPAN(">")));
}

static void add(struct buf *line, const char *key, struct span value)
{
	must(buf_printf(line, " %s=", key) && buf_put(line, value));
}

static bool finish(struct buf *line, struct buf *out)
{
	bool put = buf_put(line, SPAN("\r\n")) && buf_put(out, buf_peek(line));

	buf_free(line);
	return put;
}

static struct span body_name(enum smtp_body body)
{
	if (body == SMTP_BODY_BINARYMIME)
		return SPAN("BINARYMIME");
	return body == SMTP_BODY_8BITMIME ? SPAN("8BITMIME") : SPAN("7BIT");
}

bool smtp_client_put_mail(struct buf *out, const struct smtp_caps *caps,
			  const struct smtp_cmd *mail)
{
	uint32_t given = mail->params;
	struct buf line;

	begin(&line, "MAIL FROM", mail->path.text);
	if ((given & SMTP_PARAM_SIZE) != 0 && knows(caps, SMTP_CAP_SIZE))
		must(buf_printf(&line, " SIZE=%llu", (unsigned long long)mail->size));
	if ((given & SMTP_PARAM_BODY) != 0 && knows(caps, SMTP_CAP_8BITMIME | SMTP_CAP_BINARYMIME))
		add(&line, "BODY", body_name(mail->body));
	if ((given & SMTP_PARAM_SMTPUTF8) != 0 && knows(caps, SMTP_CAP_SMTPUTF8))
		must(buf_put(&line, SPAN(" SMTPUTF8")));
	if ((given & SMTP_PARAM_RET) != 0 && knows(caps, SMTP_CAP_DSN))
		add(&line, "RET", mail->ret);
	if ((given & SMTP_PARAM_ENVID) != 0 && knows(caps, SMTP_CAP_DSN))
		add(&line, "ENVID", mail->envid);
	if ((given & SMTP_PARAM_REQUIRETLS) != 0 && knows(caps, SMTP_CAP_REQUIRETLS))
		must(buf_put(&line, SPAN(" REQUIRETLS")));
	return finish(&line, out);
}

bool smtp_client_put_rcpt(struct buf *out, const struct smtp_caps *caps,
			  const struct smtp_cmd *rcpt)
{
	struct buf line;

	begin(&line, "RCPT TO", rcpt->path.text);
	if ((rcpt->params & SMTP_PARAM_NOTIFY) != 0 && knows(caps, SMTP_CAP_DSN))
		add(&line, "NOTIFY", rcpt->notify);
	if ((rcpt->params & SMTP_PARAM_ORCPT) != 0 && knows(caps, SMTP_CAP_DSN))
		add(&line, "ORCPT", rcpt->orcpt);
	return finish(&line, out);
}
