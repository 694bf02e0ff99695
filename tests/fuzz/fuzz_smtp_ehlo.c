/* What a server offers, and what we make of it: whatever it sends from its greeting on, the
 * client's half ends up in one of its states; TLS that must be is never done without; and what is
 * offered on is a part of what was offered, read the same again. */
#include "base/must.h"
#include "smtp/smtp_client.h"
#include "smtp/smtp_sasl.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ALL_CAPS ((uint32_t)(SMTP_CAP_AUTH << 1) - 1)

/* SPEC MC-9: names of mechanisms, and none that binds to the TLS channel. */
static void check_mechanisms(const struct smtp_caps *caps)
{
	struct span rest = span_str(caps->auth);

	must(memchr(caps->auth, '\0', sizeof(caps->auth)) != NULL);
	must(((caps->have & SMTP_CAP_AUTH) != 0) == (rest.len > 0));
	while (rest.len > 0) {
		struct span name = span_cut(&rest, ' ');

		must(smtp_sasl_arg_ok(name) && !span_ends_nocase(name, SPAN("-PLUS")));
	}
}

static void check_caps(const struct smtp_reply *ehlo)
{
	struct smtp_caps ours = { .have = ALL_CAPS, .size = 1000000 };
	struct smtp_reply_reader r;
	struct smtp_caps caps, both, again;
	struct buf written;
	struct why why;

	smtp_caps_read(ehlo, &caps);
	must((caps.have & ~ALL_CAPS) == 0 && caps.unknown < ehlo->lines);
	must((caps.have & SMTP_CAP_BINARYMIME) == 0 || (caps.have & SMTP_CAP_CHUNKING) != 0);
	must(caps.size == 0 || (caps.have & SMTP_CAP_SIZE) != 0);
	check_mechanisms(&caps);
	both = smtp_caps_both(ours, caps);
	check_mechanisms(&both);
	must(both.have == (caps.have & ~(uint32_t)SMTP_CAP_STARTTLS));
	must(both.size <= ours.size && (caps.size == 0 || both.size <= caps.size));

	buf_init(&written, 65536);
	smtp_reply_reader_init(&r);
	must(smtp_caps_put(&written, "gw.example", &caps));
	must(smtp_reply_next(&r, &written, &why) == SMTP_REPLY_WHOLE);
	smtp_caps_read(&r.reply, &again);
	must(again.have == caps.have && again.size == caps.size && again.unknown == 0);
	must(strcmp(again.auth, caps.auth) == 0);
	smtp_reply_reader_free(&r);
	buf_free(&written);
}

static void play(struct span raw, bool want_tls, bool must_tls)
{
	enum smtp_client_act act = SMTP_CLIENT_WAIT;
	struct smtp_reply_reader r;
	struct smtp_client c;
	struct buf in, out;
	struct why why;

	buf_init(&in, raw.len + SMTP_LINE_MOST);
	buf_init(&out, 4096);
	smtp_reply_reader_init(&r);
	smtp_client_init(&c, "gw.example", false);
	c.want_tls = want_tls;
	c.must_tls = must_tls;
	must(buf_put(&in, raw));
	while (act != SMTP_CLIENT_FAIL && act != SMTP_CLIENT_GO &&
	       smtp_reply_next(&r, &in, &why) == SMTP_REPLY_WHOLE) {
		check_caps(&r.reply);
		act = smtp_client_reply(&c, &r.reply, &out, &why);
		if (act == SMTP_CLIENT_START_TLS)
			must(want_tls && smtp_client_tls_on(&c, &out));
	}
	must(act != SMTP_CLIENT_GO || c.tls || !must_tls);
	must((act == SMTP_CLIENT_GO) == (c.state == SMTP_CLIENT_READY));
	must(buf_used(&out) < 200);
	smtp_reply_reader_free(&r);
	buf_free(&in);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span raw = span_of(data, size);

	play(raw, false, false);
	play(raw, true, false);
	play(raw, true, true);
	return 0;
}
