/* Lines and commands: any cut gives the same lines; a command is read whatever it holds, and
 * points nowhere but into its line; what is taken is safe to write, and is read as the same
 * command; and the server's half has an answer at any time. */
#include "base/must.h"
#include "cuts.h"
#include "smtp/smtp_client.h"
#include "smtp/smtp_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ALL_CAPS ((uint32_t)(SMTP_CAP_AUTH << 1) - 1)

static void frame(struct span raw, unsigned cut, struct buf *said)
{
	struct smtp_line l = { 0 };
	enum smtp_line_found found = SMTP_LINE_MORE;
	unsigned turn = 0;
	size_t sent = 0;
	struct buf in;

	buf_init(&in, raw.len + SMTP_LINE_MOST);
	while (sent < raw.len && found != SMTP_LINE_BARE) {
		size_t step = cut_step(cut, turn++, raw.len - sent);
		struct span line;

		must(buf_put(&in, span_of(raw.at + sent, step)));
		sent += step;
		while ((found = smtp_line_next(&l, &in, &line)) != SMTP_LINE_MORE &&
		       found != SMTP_LINE_BARE) {
			if (found == SMTP_LINE_LONG) {
				must(buf_put(said, SPAN("\n")));
				continue;
			}
			must(line.len <= SMTP_LINE_MOST - 2);
			must(buf_put(said, line) && buf_put(said, SPAN("\r")));
			smtp_line_drop(&l, &in, line);
		}
		/* Whoever waits holds no more than a line. */
		must(found != SMTP_LINE_MORE || buf_used(&in) < SMTP_LINE_MOST);
	}
	must(found != SMTP_LINE_BARE || buf_put(said, SPAN("bare")));
	buf_free(&in);
}

static void check_inside(struct span part, struct span line)
{
	if (part.len > 0)
		must(part.at >= line.at && part.at + part.len <= line.at + line.len);
	for (size_t i = 0; i < part.len; i++)
		must((unsigned char)part.at[i] >= 0x20 && part.at[i] != 0x7f);
}

static void check_envelope(const struct smtp_cmd *cmd, struct span line)
{
	const struct smtp_caps caps = { .have = ALL_CAPS };
	bool mail = cmd->verb == SMTP_MAIL;
	struct smtp_cmd again;
	struct buf out;

	check_inside(cmd->path.text, line);
	check_inside(cmd->ret, line);
	check_inside(cmd->envid, line);
	check_inside(cmd->notify, line);
	check_inside(cmd->orcpt, line);
	buf_init(&out, 2 * SMTP_LINE_MOST);
	must(mail ? smtp_client_can_mail(&caps, cmd) : smtp_client_can_rcpt(&caps, cmd));
	must(mail ? smtp_client_put_mail(&out, &caps, cmd) : smtp_client_put_rcpt(&out, &caps, cmd));
	must(span_find(buf_peek(&out), '\r') == buf_used(&out) - 2);
	must(smtp_cmd_read(span_first(buf_peek(&out), buf_used(&out) - 2), &again) == NULL);
	must(again.verb == cmd->verb && again.params == cmd->params);
	must(again.size == cmd->size && again.body == cmd->body);
	must(span_eq(again.path.text, cmd->path.text) && span_eq(again.path.local, cmd->path.local));
	must(span_eq(again.path.domain, cmd->path.domain) && again.path.utf8 == cmd->path.utf8);
	must(span_eq(again.ret, cmd->ret) && span_eq(again.envid, cmd->envid));
	must(span_eq(again.notify, cmd->notify) && span_eq(again.orcpt, cmd->orcpt));
	buf_free(&out);
}

static void check_cmd(const struct smtp_cmd *cmd, const struct smtp_answer *refusal,
		      struct span line)
{
	if (refusal != NULL) {
		must(refusal->code >= 500);
		must(cmd->verb == SMTP_BDAT || cmd->chunk == 0);
		return;
	}
	must(cmd->verb != SMTP_UNKNOWN);
	must(cmd->verb != SMTP_BDAT || cmd->chunk < UINT64_MAX);
	if (cmd->verb == SMTP_EHLO || cmd->verb == SMTP_HELO) {
		check_inside(cmd->arg, line);
		must(cmd->arg.len > 0 && cmd->arg.len <= SMTP_DOMAIN_MOST);
	}
	if (cmd->verb == SMTP_AUTH)
		check_inside(cmd->arg, line);
	if (cmd->verb == SMTP_MAIL || cmd->verb == SMTP_RCPT)
		check_envelope(cmd, line);
}

static void obey(struct smtp_server *s, const struct smtp_cmd *cmd)
{
	if (cmd->verb == SMTP_EHLO || cmd->verb == SMTP_HELO)
		smtp_server_hello(s, cmd);
	if (cmd->verb == SMTP_EHLO)
		s->offer = (struct smtp_caps){ .have = ALL_CAPS, .size = 5000 };
	if (cmd->verb == SMTP_MAIL)
		smtp_server_mail(s, cmd);
	if (cmd->verb == SMTP_RCPT)
		smtp_server_rcpt(s);
	if (cmd->verb == SMTP_RSET || cmd->verb == SMTP_DATA || (cmd->verb == SMTP_BDAT && cmd->last))
		smtp_server_reset(s);
	else if (cmd->verb == SMTP_BDAT)
		s->chunks = true;
	if (cmd->verb == SMTP_STARTTLS)
		smtp_server_tls(s);
	if (cmd->verb == SMTP_AUTH)
		s->auth = true;
}

static void play(struct span lines, bool need_tls)
{
	struct smtp_server s;

	smtp_server_init(&s, "gw.example");
	s.need_tls = need_tls;
	while (lines.len > 0) {
		struct span line = span_cut(&lines, '\r');
		const struct smtp_answer *refusal;
		struct smtp_cmd cmd;

		refusal = smtp_cmd_read(line, &cmd);
		check_cmd(&cmd, refusal, line);
		if (refusal == NULL)
			refusal = smtp_server_admit(&s, &cmd);
		if (refusal == NULL)
			obey(&s, &cmd);
		must(!s.mail || s.hello);
		must(!s.mail || s.tls || !need_tls);
	}
	smtp_server_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span raw = span_of(data, size);
	struct buf lines, other;
	struct smtp_cmd cmd;

	buf_init(&lines, size + 100);
	frame(raw, 0, &lines);
	for (unsigned cut = 1; cut < CUTS; cut++) {
		buf_init(&other, size + 100);
		frame(raw, cut, &other);
		must(span_eq(buf_peek(&lines), buf_peek(&other)));
		buf_free(&other);
	}
	play(buf_peek(&lines), false);
	play(buf_peek(&lines), true);
	/* The framer keeps CR, LF and NUL away; the parser must not rely on it. */
	if (size <= SMTP_LINE_MOST)
		check_cmd(&cmd, smtp_cmd_read(raw, &cmd), raw);
	buf_free(&lines);
	return 0;
}
