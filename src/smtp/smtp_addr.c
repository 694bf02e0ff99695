#include "smtp/smtp_addr.h"

#include <arpa/inet.h>
#include <string.h>

static bool is_8bit(char c)
{
	return (unsigned char)c >= 0x80;
}

static bool is_printable(char c)
{
	return c >= 0x20 && c < 0x7f;
}

/* The octets of the UTF-8 character at the front of `s` (RFC 3629: shortest form, no
 * surrogates, up to U+10FFFF); 0 where it is none. */
static size_t utf8_length(struct span s)
{
	static const struct {
		unsigned char from, to; /* first octet */
		unsigned char low, high; /* second octet */
		size_t len;
	} forms[] = {
		{ 0x00, 0x7f, 0x00, 0xff, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	const unsigned char *at = (const unsigned char *)s.at;

	for (size_t f = 0; s.len > 0 && f < sizeof(forms) / sizeof(forms[0]); f++) {
		if (at[0] < forms[f].from || at[0] > forms[f].to)
			continue;
		if (s.len < forms[f].len)
			return 0;
		for (size_t i = 1; i < forms[f].len; i++) {
			if (at[i] < (i == 1 ? forms[f].low : 0x80) ||
			    at[i] > (i == 1 ? forms[f].high : 0xbf))
				return 0;
		}
		return forms[f].len;
	}
	return 0;
}

bool smtp_utf8_ok(struct span s)
{
	while (s.len > 0) {
		size_t len = utf8_length(s);

		if (len == 0)
			return false;
		s = span_from(s, len);
	}
	return true;
}

static bool is_atom_char(char c)
{
	return ascii_is_alnum(c) || is_8bit(c) ||
	       (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool literal_ok(struct span s)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char octets[16];
	struct span inner = span_from(s, 1);

	inner.len--;
	if (span_starts_nocase(inner, SPAN("IPv6:")))
		inner = span_from(inner, 5);
	if (inner.len == 0 || inner.len >= sizeof(text) || memchr(inner.at, '\0', inner.len))
		return false;
	memcpy(text, inner.at, inner.len);
	text[inner.len] = '\0';
	return inet_pton(AF_INET6, text, octets) == 1 ||
	       (inner.at == s.at + 1 && inet_pton(AF_INET, text, octets) == 1);
}

static bool label_ok(struct span label)
{
	if (label.len == 0 || label.len > 63)
		return false;
	for (size_t i = 0; i < label.len; i++) {
		char c = label.at[i];

		if (!ascii_is_alnum(c) && c != '-' && c != '_' && !is_8bit(c))
			return false;
	}
	return true;
}

bool smtp_domain_ok(struct span s)
{
	if (s.len == 0 || s.len > SMTP_DOMAIN_MOST || !smtp_utf8_ok(s))
		return false;
	if (s.at[0] == '[')
		return s.at[s.len - 1] == ']' && s.len > 2 && literal_ok(s);
	for (;;) {
		bool last = span_find(s, '.') == s.len;

		if (!label_ok(span_cut(&s, '.')))
			return false;
		if (last)
			return true;
	}
}

/* The length of the Quoted-string at the front of `s`; 0 where there is none. */
static size_t quoted_length(struct span s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.at[i] == '"')
			return i + 1;
		if (s.at[i] == '\\' && (++i == s.len || !is_printable(s.at[i])))
			return 0;
		if (!is_printable(s.at[i]) && !is_8bit(s.at[i]))
			return 0;
	}
	return 0;
}

/* Dots may stand anywhere: addresses like "a..b@" and "a.@" are in use, and who owns
 * the mailbox is the next hop's to say. */
static size_t local_length(struct span s)
{
	size_t i = 0;

	if (s.len > 0 && s.at[0] == '"')
		return quoted_length(s);
	while (i < s.len && (is_atom_char(s.at[i]) || s.at[i] == '.'))
		i++;
	return i;
}

static bool has_8bit(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (is_8bit(s.at[i]))
			return true;
	}
	return false;
}

static enum smtp_path_fault take_mailbox(struct span s, bool null_ok, struct smtp_path *path,
					 size_t *len)
{
	size_t local = local_length(s);
	size_t domain = 0;

	path->local = span_first(s, local);
	path->domain = span_first(span_from(s, local), 0);
	if (local == 0 || local == s.len || local > SMTP_LOCAL_MOST)
		return SMTP_PATH_BAD;
	*len = local;
	if (s.at[local] == '>' && !null_ok && span_eq_nocase(path->local, SPAN("postmaster")))
		return SMTP_PATH_OK;
	if (s.at[local] != '@')
		return SMTP_PATH_BAD;
	domain = span_find(span_from(s, local + 1), '>');
	path->domain = span_first(span_from(s, local + 1), domain);
	*len = local + 1 + domain;
	if (!smtp_domain_ok(path->domain))
		return SMTP_PATH_BAD;
	path->utf8 = has_8bit(span_first(s, *len));
	return !path->utf8 || smtp_utf8_ok(span_first(s, *len)) ? SMTP_PATH_OK : SMTP_PATH_BAD;
}

static bool is_routed(struct span s)
{
	return s.len > 0 && s.at[0] == '@' && span_find(s, ':') < span_find(s, '>');
}

enum smtp_path_fault smtp_path_take(struct span *rest, bool null_ok, struct smtp_path *path)
{
	struct span inner = span_from(*rest, 1);
	enum smtp_path_fault fault = SMTP_PATH_OK;
	size_t len = 0;

	*path = (struct smtp_path){ .text = span_first(*rest, 0) };
	path->local = path->domain = path->text;
	if (rest->len < 2 || rest->at[0] != '<')
		return SMTP_PATH_BAD;
	if (is_routed(inner))
		return SMTP_PATH_ROUTED;
	if (inner.at[0] != '>' || !null_ok)
		fault = take_mailbox(inner, null_ok, path, &len);
	if (fault != SMTP_PATH_OK)
		return fault;
	if (len == inner.len || inner.at[len] != '>')
		return SMTP_PATH_BAD;
	path->text = span_first(inner, len);
	*rest = span_from(inner, len + 1);
	return SMTP_PATH_OK;
}
