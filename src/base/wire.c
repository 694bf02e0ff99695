#include "base/wire.h"

#include "base/must.h"

#include <string.h>

struct span wire_octets(struct wire *w, size_t len)
{
	struct span piece;

	if (w->bad || w->rest.len < len) {
		w->bad = true;
		return SPAN("");
	}
	piece = span_first(w->rest, len);
	w->rest = span_from(w->rest, len);
	return piece;
}

uint64_t wire_number(struct wire *w, unsigned octets)
{
	struct span piece = wire_octets(w, octets);
	uint64_t n = 0;

	must(octets <= 8);
	for (size_t i = 0; i < piece.len; i++)
		n = n << 8 | (unsigned char)piece.at[i];
	return n;
}

uint64_t wire_most(struct wire *w, unsigned octets, uint64_t most)
{
	uint64_t n = wire_number(w, octets);

	if (n <= most)
		return n;
	w->bad = true;
	return 0;
}

bool wire_flag(struct wire *w)
{
	return wire_most(w, 1, 1) == 1;
}

bool wire_text_ok(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.at[i] < 0x20 || text.at[i] == 0x7f)
			return false;
	}
	return true;
}

void wire_text(struct wire *w, char *to, size_t size)
{
	struct span text = wire_octets(w, wire_most(w, 2, size - 1));

	if (!wire_text_ok(text)) {
		w->bad = true;
		text = SPAN("");
	}
	if (text.len > 0)
		memcpy(to, text.at, text.len);
	to[text.len] = '\0';
}

void wire_put_octets(struct buf *b, struct span s)
{
	must(buf_put(b, s));
}

void wire_put_number(struct buf *b, uint64_t n, unsigned octets)
{
	char text[8];

	must(octets <= sizeof(text));
	must(octets == sizeof(text) || n >> (8 * octets) == 0);
	for (unsigned i = 0; i < octets; i++)
		text[i] = (char)(n >> (8 * (octets - 1 - i)));
	wire_put_octets(b, span_of(text, octets));
}

void wire_put_text(struct buf *b, const char *text)
{
	struct span s = span_str(text);

	must(wire_text_ok(s));
	wire_put_number(b, s.len, 2);
	wire_put_octets(b, s);
}
