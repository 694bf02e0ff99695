#include "smtp/smtp_caps.h"

#include "base/must.h"

#include <string.h>

/* In the order in which we offer them. */
static const struct word {
	const char *name;
	uint32_t cap;
	/* What follows the keyword is ignored: RFC 6531 section 3.1 asks for it, and a
	 * server that writes more behind STARTTLS has not taken it back. */
	bool lax;
} words[] = {
	{ "PIPELINING", SMTP_CAP_PIPELINING, false },
	{ "SIZE", SMTP_CAP_SIZE, true },
	{ "STARTTLS", SMTP_CAP_STARTTLS, true },
	{ "ENHANCEDSTATUSCODES", SMTP_CAP_ENHANCED, false },
	{ "8BITMIME", SMTP_CAP_8BITMIME, false },
	{ "DSN", SMTP_CAP_DSN, false },
	{ "SMTPUTF8", SMTP_CAP_SMTPUTF8, true },
	{ "AUTH", SMTP_CAP_AUTH, true },
	{ "CHUNKING", SMTP_CAP_CHUNKING, false },
	{ "BINARYMIME", SMTP_CAP_BINARYMIME, false },
	{ "REQUIRETLS", SMTP_CAP_REQUIRETLS, false },
};

#define WORDS (sizeof(words) / sizeof(words[0]))

static const struct word *word_of(struct span name)
{
	for (size_t i = 0; i < WORDS; i++) {
		if (span_eq_nocase(name, span_str(words[i].name)))
			return &words[i];
	}
	return NULL;
}

static bool is_mechanism(struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (!ascii_is_alnum(name.at[i]) && name.at[i] != '-' && name.at[i] != '_')
			return false;
	}
	return name.len > 0 && name.len <= 20 && !span_ends_nocase(name, SPAN("-PLUS"));
}

static void read_mechanisms(struct span list, struct smtp_caps *caps)
{
	size_t at = strlen(caps->auth);

	while (list.len > 0) {
		struct span name = span_cut(&list, ' ');
		size_t gap = at > 0 ? 1 : 0;

		if (!is_mechanism(name) || at + gap + name.len >= sizeof(caps->auth))
			continue;
		memcpy(caps->auth + at, " ", gap);
		memcpy(caps->auth + at + gap, name.at, name.len);
		at += gap + name.len;
		caps->auth[at] = '\0';
	}
	if (at == 0)
		caps->have &= ~(uint32_t)SMTP_CAP_AUTH;
}

static void note_unknown(struct span name, struct smtp_caps *caps)
{
	size_t at = strlen(caps->unknown_names);
	size_t gap = at > 0 ? 1 : 0;

	caps->unknown++;
	if (at + gap + name.len >= sizeof(caps->unknown_names))
		return;
	if (gap > 0)
		caps->unknown_names[at++] = ' ';
	for (size_t i = 0; i < name.len; i++)
		caps->unknown_names[at++] = name.at[i] > ' ' && name.at[i] <= '~' ? name.at[i] : '?';
	caps->unknown_names[at] = '\0';
}

static void read_word(struct span line, struct smtp_caps *caps)
{
	struct span rest = span_trim(line);
	struct span name = span_cut(&rest, ' ');
	const struct word *word = word_of(name);

	if (name.len == 0)
		return;
	rest = span_trim(rest);
	if (word == NULL || (rest.len > 0 && !word->lax)) {
		note_unknown(name, caps);
		return;
	}
	caps->have |= word->cap;
	if (word->cap == SMTP_CAP_AUTH)
		read_mechanisms(rest, caps);
	if (word->cap == SMTP_CAP_SIZE && !span_number(rest, UINT64_MAX, &caps->size))
		caps->size = 0;
}

static uint32_t without_orphans(uint32_t have)
{
	if ((have & SMTP_CAP_CHUNKING) == 0)
		have &= ~(uint32_t)SMTP_CAP_BINARYMIME;
	return have;
}

void smtp_caps_read(const struct smtp_reply *ehlo, struct smtp_caps *caps)
{
	struct span rest = buf_peek(&ehlo->text);

	*caps = (struct smtp_caps){ 0 };
	span_cut(&rest, '\n');
	for (unsigned n = 1; n < ehlo->lines; n++)
		read_word(span_cut(&rest, '\n'), caps);
	caps->have = without_orphans(caps->have);
}

static uint64_t smaller_limit(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return a + b;
	return a < b ? a : b;
}

struct smtp_caps smtp_caps_both(struct smtp_caps a, struct smtp_caps b)
{
	struct smtp_caps both = { .have = without_orphans(a.have & b.have), .unknown = b.unknown };

	memcpy(both.unknown_names, b.unknown_names, sizeof(both.unknown_names));
	/* Each hop has its own TLS: an upstream without STARTTLS is no reason to leave the
	 * client in the clear, nor the other way about. */
	both.have &= ~(uint32_t)SMTP_CAP_STARTTLS;
	if ((both.have & SMTP_CAP_SIZE) != 0)
		both.size = smaller_limit(a.size, b.size);
	if ((both.have & SMTP_CAP_AUTH) != 0)
		memcpy(both.auth, b.auth, sizeof(both.auth));
	return both;
}

static void put_word(struct buf *to, const struct word *word, const struct smtp_caps *caps, bool last)
{
	char mark = last ? ' ' : '-';
	bool put;

	if (word->cap == SMTP_CAP_SIZE && caps->size > 0)
		put = buf_printf(to, "250%cSIZE %llu\r\n", mark, (unsigned long long)caps->size);
	else if (word->cap == SMTP_CAP_AUTH)
		put = buf_printf(to, "250%cAUTH %s\r\n", mark, caps->auth);
	else
		put = buf_printf(to, "250%c%s\r\n", mark, word->name);
	must(put);
}

bool smtp_caps_put(struct buf *out, const char *hostname, const struct smtp_caps *caps)
{
	uint32_t left = caps->have;
	struct buf reply;
	bool put;

	buf_init(&reply, SMTP_REPLY_MOST);
	must(buf_printf(&reply, "250%c%s\r\n", left == 0 ? ' ' : '-', hostname));
	for (size_t i = 0; i < WORDS; i++) {
		if ((left & words[i].cap) == 0)
			continue;
		left &= ~words[i].cap;
		put_word(&reply, &words[i], caps, left == 0);
	}
	must(left == 0);
	put = buf_put(out, buf_peek(&reply));
	buf_free(&reply);
	return put;
}
