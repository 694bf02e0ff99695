/* The messages of the bench. Each carries its number, the length of its body and the CRC-32 of it in a
 * header field; no two bodies are alike. Whoever relays it may add header fields before them. */
#ifndef MAIL_H
#define MAIL_H

#include "base/buf.h"

/* What is the same in all messages of one size, made once. */
struct mail {
	size_t size;          /* of a message as a whole, not stuffed */
	char *plain, *dotted; /* the body without its last line, as BDAT and as DATA carry it */
	size_t plain_len, dotted_len;
	uint32_t crc;         /* of `plain` */
};

#define MAIL_HEAD_MOST 512
#define MAIL_TAIL_LEN 26

/* `size` from 512; a part of it is the head. */
void mail_init(struct mail *m, size_t size);
/* The head with its empty line, and the last line of the body: message = head + plain + tail. */
size_t mail_head(const struct mail *m, uint64_t id, char head[MAIL_HEAD_MOST]);
void mail_tail(uint64_t id, char tail[MAIL_TAIL_LEN + 1]);

/* Reads a message back, piece by piece, without dots. */
struct mail_check {
	bool body;
	bool marked; /* the field was there */
	uint64_t id;
	size_t want_len, len;
	uint32_t want_crc, crc;
	char line[128];
	size_t line_len;
};

void mail_check_init(struct mail_check *c);
void mail_check_take(struct mail_check *c, struct span piece);
bool mail_check_good(const struct mail_check *c);

uint32_t mail_crc(uint32_t crc, struct span s); /* begins with 0 */

#endif
