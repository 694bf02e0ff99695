#include "smtp/smtp_sasl.h"

#include "base/base64.h"

#include <string.h>

#define DECODED_MOST 1024
#define CRAM_DIGEST 32

static void keep_name(struct smtp_sasl *s, struct span name)
{
	size_t len = name.len < SMTP_SASL_USER_MOST ? name.len : SMTP_SASL_USER_MOST;

	memcpy(s->user, name.at, len);
	s->user[len] = '\0';
	s->named = true;
}

static bool is(const struct smtp_sasl *s, const char *mechanism)
{
	return strcmp(s->mechanism, mechanism) == 0;
}

/* A field up to `end`, which has to be there: what is not ended could run on into a secret (law 8).
 * Empty where it is not. */
static struct span take_field(struct span *rest, char end)
{
	size_t at = span_find(*rest, end);
	bool ended = at < rest->len;
	struct span field = span_first(*rest, ended ? at : 0);

	*rest = span_from(*rest, ended ? at + 1 : at);
	return field;
}

static struct span behind(struct span text, struct span lead)
{
	return span_starts_nocase(text, lead) ? span_from(text, lead.len) : span_first(text, 0);
}

/* authzid NUL authcid NUL password (RFC 4616). Without the first NUL the password would stand where the
 * name should. */
static struct span name_of_plain(struct span text)
{
	struct span name;

	take_field(&text, '\0');
	name = take_field(&text, '\0');
	return text.len > 0 ? name : span_first(name, 0);
}

/* n,a=user@example,^Ahost=... (RFC 7628). */
static struct span name_of_oauthbearer(struct span text)
{
	struct span gs2 = take_field(&text, '\1');

	take_field(&gs2, ',');
	return behind(take_field(&gs2, ','), SPAN("a="));
}

/* user=name^Aauth=Bearer ... */
static struct span name_of_xoauth2(struct span text)
{
	return behind(take_field(&text, '\1'), SPAN("user="));
}

/* n,,n=user,r=nonce (RFC 5802). */
static struct span name_of_scram(struct span text)
{
	take_field(&text, ',');
	take_field(&text, ',');
	return behind(take_field(&text, ','), SPAN("n="));
}

/* name digest (RFC 2195): the digest is the last word, 32 digits. */
static struct span name_of_cram(struct span text)
{
	size_t len = text.len > CRAM_DIGEST ? text.len - CRAM_DIGEST - 1 : 0;

	return span_first(text, len > 0 && text.at[len] == ' ' ? len : 0);
}

static void look(struct smtp_sasl *s, struct span base64)
{
	char mem[DECODED_MOST];
	struct span text = span_of(mem, base64_read(base64, mem, sizeof(mem)));

	if (is(s, "PLAIN"))
		keep_name(s, name_of_plain(text));
	else if (is(s, "LOGIN"))
		keep_name(s, text);
	else if (is(s, "XOAUTH2"))
		keep_name(s, name_of_xoauth2(text));
	else if (is(s, "OAUTHBEARER"))
		keep_name(s, name_of_oauthbearer(text));
	else if (is(s, "CRAM-MD5"))
		keep_name(s, name_of_cram(text));
	else if (span_starts_nocase(span_str(s->mechanism), SPAN("SCRAM-")))
		keep_name(s, name_of_scram(text));
	else if (is(s, "EXTERNAL"))
		keep_name(s, text);
	explicit_bzero(mem, sizeof(mem));
}

void smtp_sasl_begin(struct smtp_sasl *s, struct span arg)
{
	struct span name = span_cut(&arg, ' ');

	*s = (struct smtp_sasl){ .named = false };
	if (name.len >= sizeof(s->mechanism))
		return;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];

		s->mechanism[i] = c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
	}
	if (arg.len > 0)
		look(s, arg);
}

void smtp_sasl_line(struct smtp_sasl *s, struct span line)
{
	if (!s->named)
		look(s, line);
}

static bool is_base64(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_is_alnum(s.at[i]) && s.at[i] != '+' && s.at[i] != '/' && s.at[i] != '=')
			return false;
	}
	return true;
}

bool smtp_sasl_arg_ok(struct span arg)
{
	struct span name = span_cut(&arg, ' ');

	for (size_t i = 0; i < name.len; i++) {
		if (!ascii_is_alnum(name.at[i]) && name.at[i] != '-' && name.at[i] != '_')
			return false;
	}
	return name.len > 0 && name.len <= 20 && is_base64(arg);
}

bool smtp_sasl_line_ok(struct span line)
{
	return span_eq(line, SPAN("*")) || is_base64(line);
}
