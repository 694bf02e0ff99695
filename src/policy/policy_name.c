#include "policy/policy_name.h"

#include "smtp/smtp_addr.h"

#include <idn2.h>
#include <string.h>

/* Longer than any domain name is as U-labels: 253 octets as A-labels hold fewer than so many characters of four octets. */
#define U_LABELS_MOST 1016
#define NAME_OCTETS 253
#define LABEL_OCTETS 63

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || ascii_is_digit(c) || c == '-' || c == '_';
}

bool policy_name_ok(struct span name)
{
	size_t label = 0;

	if (name.len == 0 || name.len > NAME_OCTETS)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (name.at[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!is_name_char(name.at[i]) || ++label > LABEL_OCTETS) {
			return false;
		}
	}
	return label > 0;
}

static bool is_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.at[i] >= 0x80)
			return false;
	}
	return true;
}

static void lower(struct span from, char *to)
{
	for (size_t i = 0; i < from.len; i++)
		to[i] = ascii_lower(from.at[i]);
	to[from.len] = '\0';
}

static bool fold_ascii(struct span name, char out[POLICY_NAME_MOST])
{
	if (name.len > 0 && name.at[name.len - 1] == '.')
		name.len--;
	if (name.len > NAME_OCTETS)
		return false;
	lower(name, out);
	return policy_name_ok(span_of(out, name.len));
}

static bool fold_literal(struct span name, char out[POLICY_NAME_MOST])
{
	if (name.len >= POLICY_NAME_MOST || !smtp_domain_ok(name))
		return false;
	lower(name, out);
	return true;
}

/* The mapping of UTS 46 makes one form of those that people type (capitals, full width, the ideographic full stop);
 * non-transitional: IDNA 2008 has labels with sharp s and final sigma of their own. */
static bool fold_international(struct span name, char out[POLICY_NAME_MOST])
{
	unsigned char text[U_LABELS_MOST + 1], *ascii = NULL;
	bool ok;

	if (name.len > U_LABELS_MOST || !smtp_utf8_ok(name) || memchr(name.at, '\0', name.len) != NULL)
		return false;
	memcpy(text, name.at, name.len);
	text[name.len] = '\0';
	if (idn2_lookup_u8(text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return false;
	ok = is_ascii(span_str((char *)ascii)) && fold_ascii(span_str((char *)ascii), out);
	idn2_free(ascii);
	return ok;
}

bool policy_name_fold(struct span name, char out[POLICY_NAME_MOST])
{
	bool ok;

	if (name.len > 0 && name.at[0] == '[')
		ok = fold_literal(name, out);
	else if (is_ascii(name))
		ok = fold_ascii(name, out);
	else
		ok = fold_international(name, out);
	if (!ok)
		out[0] = '\0';
	return ok;
}

struct span policy_name_domain(struct span address)
{
	for (size_t i = address.len; i > 0; i--) {
		if (address.at[i - 1] == '@')
			return span_from(address, i);
	}
	return address;
}
