#include "base/base64.h"

/* 0 to 63; -1: not one of the alphabet. */
static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

size_t base64_read(struct span text, char *out, size_t size)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t len = 0;

	for (size_t i = 0; i < text.len && len < size; i++) {
		int v = value_of(text.at[i]);

		if (v < 0)
			break;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		out[len++] = (char)(bits >> have & 0xff);
	}
	return len;
}

/* Of up to 57 octets. */
static size_t write_line(struct span octets, char *line)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len = 0;

	for (size_t i = 0; i < octets.len; i += 3) {
		size_t have = octets.len - i < 3 ? octets.len - i : 3;
		uint32_t bits = 0;

		for (size_t n = 0; n < 3; n++)
			bits = bits << 8 | (n < have ? (unsigned char)octets.at[i + n] : 0);
		for (size_t n = 0; n < 4; n++)
			line[len++] = n <= have ? alphabet[bits >> (18 - 6 * n) & 63] : '=';
	}
	line[len++] = '\r';
	line[len++] = '\n';
	return len;
}

bool base64_put_lines(struct buf *out, struct span octets)
{
	char line[76 + 2];

	while (octets.len > 0) {
		size_t len = write_line(span_first(octets, 57), line);

		if (!buf_put(out, span_of(line, len)))
			return false;
		octets = span_from(octets, 57);
	}
	return true;
}
