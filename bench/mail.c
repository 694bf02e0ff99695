#include "mail.h"

#include "base/must.h"

#include <stdio.h>
#include <string.h>

#define LINE 76
#define TABLES 8
/* All numbers in it have a fixed width: so has the head. */
#define HEAD "From: <load@bench.example>\r\nTo: <sink@bench.example>\r\nSubject: bench\r\n" \
	     "Date: Thu, 01 Jan 2026 12:00:00 +0000\r\nMessage-ID: <%016llx@bench.example>\r\n" \
	     "X-Bench: id=%016llx size=%08zx crc=%08x\r\n\r\n"

static uint32_t tables[TABLES][256];

static void make_tables(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
		tables[0][i] = c;
	}
	for (int t = 1; t < TABLES; t++) {
		for (uint32_t i = 0; i < 256; i++)
			tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 255];
	}
}

/* Eight octets at a turn: the sink must not be what is measured. */
uint32_t mail_crc(uint32_t crc, struct span s)
{
	const unsigned char *p = (const unsigned char *)s.at;
	size_t left = s.len;

	if (tables[0][1] == 0)
		make_tables();
	crc = ~crc;
	for (; left >= 8; left -= 8, p += 8) {
		crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		crc = tables[7][crc & 255] ^ tables[6][crc >> 8 & 255] ^ tables[5][crc >> 16 & 255] ^
		      tables[4][crc >> 24] ^ tables[3][p[4]] ^ tables[2][p[5]] ^ tables[1][p[6]] ^
		      tables[0][p[7]];
	}
	for (; left > 0; left--, p++)
		crc = crc >> 8 ^ tables[0][(crc ^ *p) & 255];
	return ~crc;
}

static size_t head_len(void)
{
	return (size_t)snprintf(NULL, 0, HEAD, 0ULL, 0ULL, (size_t)0, 0u);
}

/* A body as mail has it: lines of 76, every twentieth begins with a dot. */
static void fill(char *to, size_t len)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i++) {
		size_t line = i / (LINE + 2), at = i % (LINE + 2);

		to[i] = at == LINE ? '\r' : at == LINE + 1 ? '\n' : letters[(i * 7 + line) % 64];
		if (at == 0 && line % 20 == 3)
			to[i] = '.';
	}
	if (len >= 2)
		memcpy(to + len - 2, "\r\n", 2);
	if (len >= 3 && (to[len - 3] == '\r' || to[len - 3] == '\n'))
		to[len - 3] = '=';
	if (len >= 4 && to[len - 4] == '\r')
		to[len - 4] = '=';
}

static void stuff(struct mail *m)
{
	size_t n = 0;

	m->dotted = mem_new(m->plain_len * 2 + 1);
	for (size_t i = 0; i < m->plain_len; i++) {
		if (m->plain[i] == '.' && (i == 0 || m->plain[i - 1] == '\n'))
			m->dotted[n++] = '.';
		m->dotted[n++] = m->plain[i];
	}
	m->dotted_len = n;
}

void mail_init(struct mail *m, size_t size)
{
	must(size >= 512);
	m->size = size;
	m->plain_len = size - head_len() - MAIL_TAIL_LEN;
	m->plain = mem_new(m->plain_len);
	fill(m->plain, m->plain_len);
	stuff(m);
	m->crc = mail_crc(0, span_of(m->plain, m->plain_len));
}

void mail_tail(uint64_t id, char tail[MAIL_TAIL_LEN + 1])
{
	snprintf(tail, MAIL_TAIL_LEN + 1, "end of %016llx.\r\n", (unsigned long long)id);
}

size_t mail_head(const struct mail *m, uint64_t id, char head[MAIL_HEAD_MOST])
{
	unsigned long long n = id;
	char tail[MAIL_TAIL_LEN + 1];
	int len;

	mail_tail(id, tail);
	len = snprintf(head, MAIL_HEAD_MOST, HEAD, n, n, m->plain_len + MAIL_TAIL_LEN,
		       mail_crc(m->crc, span_of(tail, MAIL_TAIL_LEN)));
	must(len == (int)head_len() && len < MAIL_HEAD_MOST);
	return (size_t)len;
}

void mail_check_init(struct mail_check *c)
{
	*c = (struct mail_check){ .body = false };
}

static void take_line(struct mail_check *c)
{
	unsigned long long id;
	unsigned crc;
	size_t size;

	c->line[c->line_len < sizeof(c->line) ? c->line_len : sizeof(c->line) - 1] = '\0';
	if (c->line_len == 2) {
		c->body = true;
	} else if (sscanf(c->line, "X-Bench: id=%16llx size=%8zx crc=%8x", &id, &size, &crc) == 3) {
		c->marked = true;
		c->id = id;
		c->want_len = size;
		c->want_crc = crc;
	}
	c->line_len = 0;
}

void mail_check_take(struct mail_check *c, struct span piece)
{
	while (!c->body && piece.len > 0) {
		char octet = piece.at[0];

		piece = span_from(piece, 1);
		if (c->line_len < sizeof(c->line))
			c->line[c->line_len] = octet;
		c->line_len++;
		if (octet == '\n')
			take_line(c);
	}
	c->crc = mail_crc(c->crc, piece);
	c->len += piece.len;
}

bool mail_check_good(const struct mail_check *c)
{
	return c->body && c->marked && c->len == c->want_len && c->crc == c->want_crc;
}
