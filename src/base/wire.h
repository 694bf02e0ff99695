/* base/wire.h
 * Octets between our own processes: numbers with the most significant octet first, texts behind their length. What is written
 * is ours, so too little room is a bug; what is read is checked as a peer's would be. */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include "base/buf.h"

/* A reader. After one read past the end, or of what may not be, all further reads give 0 or nothing: check `bad` once. */
struct wire {
	struct span rest;
	bool bad;
};

uint64_t wire_number(struct wire *w, unsigned octets);
/* Bad above `most`. */
uint64_t wire_most(struct wire *w, unsigned octets, uint64_t most);
bool wire_flag(struct wire *w);
struct span wire_octets(struct wire *w, size_t len);
/* As wire_put_text wrote it, without control characters; bad where it does not fit into `size` with its NUL. */
void wire_text(struct wire *w, char *to, size_t size);

void wire_put_number(struct buf *b, uint64_t n, unsigned octets);
void wire_put_octets(struct buf *b, struct span s);
/* At most 65535 octets. */
void wire_put_text(struct buf *b, const char *text);

/* Whether wire_text would take it. */
bool wire_text_ok(struct span text);

#endif
