#include "policy/policy_tlsrpt.h"

#include "smtp/smtp_addr.h"

#include <string.h>

#define EXTENSION_NAME_MOST 32

static bool is_hex(char c)
{
	char low = ascii_lower(c);

	return ascii_is_digit(c) || (low >= 'a' && low <= 'f');
}

/* RFC 3986 section 2, without what RFC 8460 wants encoded: comma, semicolon, exclamation mark. */
static bool uri_chars_ok(struct span uri)
{
	for (size_t i = 0; i < uri.len; i++) {
		if (uri.at[i] == '%') {
			if (uri.len - i < 3 || !is_hex(uri.at[i + 1]) || !is_hex(uri.at[i + 2]))
				return false;
			i += 2;
		} else if (!ascii_is_alnum(uri.at[i]) &&
			   (uri.at[i] == '\0' || strchr("-._~:/?#[]@$&'()*+=", uri.at[i]) == NULL)) {
			return false;
		}
	}
	return true;
}

static bool mailto_ok(struct span rest)
{
	struct span address = span_first(rest, span_find(rest, '?'));
	size_t at = span_find(address, '@');

	return at > 0 && at + 1 < address.len;
}

static bool https_ok(struct span rest)
{
	return rest.len > 0 && strchr("/?#:", rest.at[0]) == NULL;
}

static bool uri_ok(struct span uri)
{
	if (uri.len > POLICY_TLSRPT_URI_MOST || !uri_chars_ok(uri))
		return false;
	if (span_starts_nocase(uri, SPAN("mailto:")))
		return mailto_ok(span_from(uri, 7));
	return span_starts_nocase(uri, SPAN("https://")) && https_ok(span_from(uri, 8));
}

static bool read_rua(struct policy_tlsrpt *r, struct span value)
{
	bool more;

	do {
		size_t comma = span_find(value, ',');
		struct span uri = span_trim(span_first(value, comma));

		more = comma < value.len;
		value = span_from(value, comma + 1);
		if (r->uri_count == POLICY_TLSRPT_URIS_MOST || !uri_ok(uri))
			return false;
		memcpy(r->uri[r->uri_count], uri.at, uri.len);
		r->uri[r->uri_count++][uri.len] = '\0';
	} while (more);
	return true;
}

static bool extension_ok(struct span field)
{
	size_t equals = span_find(field, '=');
	struct span value = span_from(field, equals + 1);

	if (equals == 0 || equals > EXTENSION_NAME_MOST || value.len == 0 || !ascii_is_alnum(field.at[0]))
		return false;
	for (size_t i = 0; i < equals; i++) {
		char c = field.at[i];

		if (!ascii_is_alnum(c) && c != '_' && c != '-' && c != '.')
			return false;
	}
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] <= 0x20 || value.at[i] >= 0x7f || value.at[i] == '=')
			return false;
	}
	return true;
}

static bool read_field(struct policy_tlsrpt *r, struct span field)
{
	struct span rua = SPAN("rua=");

	if (!span_eq(span_first(field, rua.len), rua))
		return extension_ok(field);
	return r->uri_count == 0 && read_rua(r, span_from(field, rua.len));
}

bool policy_tlsrpt_read(struct span txt, struct policy_tlsrpt *r)
{
	struct span version = SPAN("v=TLSRPTv1;");

	*r = (struct policy_tlsrpt){ 0 };
	if (!span_eq(span_first(txt, version.len), version))
		return false;
	txt = span_from(txt, version.len);
	do {
		if (!read_field(r, span_trim(span_cut(&txt, ';'))))
			return false;
	} while (span_trim(txt).len > 0);
	return r->uri_count > 0;
}

static unsigned hex_of(char c)
{
	return ascii_is_digit(c) ? (unsigned)(c - '0') : (unsigned)(ascii_lower(c) - 'a') + 10;
}

/* "<", the address without its percent signs, ">". False where one of them is none. */
static bool decode(struct span uri, char *out, size_t *len)
{
	out[(*len)++] = '<';
	for (size_t i = 0; i < uri.len; i++) {
		char c = uri.at[i];

		if (c == '%') {
			if (uri.len - i < 3 || !is_hex(uri.at[i + 1]) || !is_hex(uri.at[i + 2]))
				return false;
			c = (char)(hex_of(uri.at[i + 1]) << 4 | hex_of(uri.at[i + 2]));
			i += 2;
		}
		out[(*len)++] = c;
	}
	out[(*len)++] = '>';
	return true;
}

bool policy_tlsrpt_mailbox(const char *uri, char mailbox[POLICY_TLSRPT_URI_MOST + 1])
{
	struct span all = span_str(uri), scheme = SPAN("mailto:"), rest;
	char path[POLICY_TLSRPT_URI_MOST + 2];
	struct smtp_path p;
	size_t len = 0;

	mailbox[0] = '\0';
	if (all.len > POLICY_TLSRPT_URI_MOST || !span_starts_nocase(all, scheme))
		return false;
	all = span_from(all, scheme.len);
	if (!decode(span_first(all, span_find(all, '?')), path, &len))
		return false;
	rest = span_of(path, len);
	if (smtp_path_take(&rest, false, &p) != SMTP_PATH_OK || rest.len > 0 || p.utf8 || p.domain.len == 0)
		return false;
	memcpy(mailbox, p.text.at, p.text.len);
	mailbox[p.text.len] = '\0';
	return true;
}
