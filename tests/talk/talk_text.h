/* The texts of a talk: what a line stands for in octets, and whether what came is what was told. */
#ifndef TALK_TEXT_H
#define TALK_TEXT_H

#include "base/buf.h"

#define TALK_TEXT_MOST (8 * 1024 * 1024)

struct talk_text {
	struct buf octets;
	struct buf wild;   /* as long: '*' where the octet stands for any octets, ' ' where for itself */
	bool has_wild;
};

/* Escapes: \r \n \t \0 \\ \* \xHH, \{N*text}: text N times, \{lines N}: N numbered lines, \{octets N}: N
 * octets of all kinds. A lone `*` stands for anything within a line where `globs` is set. A `\` at the very
 * end means: no CRLF; without it there is one. False with `why` where it can't be read. */
MUST_CHECK bool talk_text_read(struct span line, bool globs, struct talk_text *t, char *why,
			       size_t size);
void talk_text_free(struct talk_text *t);

enum talk_match {
	TALK_SAME,
	TALK_MORE,   /* as far as it goes; more must come */
	TALK_OTHER,
};

/* Holds `got`, from its front, against the text; `*used` is what belongs to it. "<sid>" in the text stands
 * for `sid`. */
enum talk_match talk_text_match(const struct talk_text *t, struct span got, const char *sid,
				size_t *used);

/* `*` for any octets. */
bool talk_text_glob(struct span pattern, struct span s);

/* Printable, cut at `size`. */
void talk_text_show(struct span s, char *text, size_t size);

#endif
