#include "route/route_packet.h"

#include "base/must.h"
#include "policy/policy_name.h"

#include <stdio.h>
#include <string.h>

#define CLASS_IN 1
#define TYPE_SOA 6
#define FLAG_TRUNCATED 0x0200
#define TTL_NONE UINT32_MAX

/* Sticky: once `bad`, all that is read is nought. */
struct wire {
	const unsigned char *at;
	size_t len, pos;
	bool bad;
};

/* Without compression, in lower case: two are equal where their octets are. */
struct wire_name {
	unsigned char at[255];
	size_t len;
};

struct wire_record {
	struct wire_name owner;
	unsigned type, class;
	uint32_t ttl;
	size_t at, len; /* of the data */
};

static unsigned read_octet(struct wire *w)
{
	if (w->pos >= w->len)
		w->bad = true;
	return w->bad ? 0 : w->at[w->pos++];
}

static unsigned read_two(struct wire *w)
{
	unsigned high = read_octet(w);

	return high << 8 | read_octet(w);
}

static uint32_t read_four(struct wire *w)
{
	uint32_t high = read_two(w);

	return high << 16 | read_two(w);
}

static void skip(struct wire *w, size_t len)
{
	if (w->bad || len > w->len - w->pos)
		w->bad = true;
	else
		w->pos += len;
}

/* One label with its length octet; the empty one ends a name. */
static void take_label(struct wire *w, unsigned len, struct wire_name *n)
{
	if (n->len + 1 + len > sizeof(n->at)) {
		w->bad = true;
		return;
	}
	n->at[n->len++] = (unsigned char)len;
	for (unsigned i = 0; i < len; i++)
		n->at[n->len++] = (unsigned char)ascii_lower((char)read_octet(w));
}

/* A pointer leads further to the front than the one before (RFC 1035 section 4.1.4 "prior occurrence"), so that there is
 * an end to it. */
static void read_name(struct wire *w, struct wire_name *n)
{
	size_t front = w->pos, after = 0;
	unsigned len;

	n->len = 0;
	do {
		len = read_octet(w);
		if (len < 0x40) {
			take_label(w, len, n);
			continue;
		}
		/* 01 and 10 in the first bits mean nothing: then it leads nowhere. */
		len = (len & 0x3f) << 8 | read_octet(w) | (len < 0xc0 ? 0x10000 : 0);
		if (after == 0)
			after = w->pos;
		if (len >= front)
			w->bad = true;
		front = w->pos = len;
		len = 1; /* not the end */
	} while (!w->bad && len > 0);
	if (after > 0)
		w->pos = after;
}

static bool name_eq(const struct wire_name *a, const struct wire_name *b)
{
	return a->len == b->len && memcmp(a->at, b->at, a->len) == 0;
}

/* `text` is empty where it is no name for us, the root too. */
static void name_text(const struct wire_name *n, char text[EVIDENCE_NAME_MOST])
{
	size_t len = 0;

	for (size_t at = 0; at < n->len && n->at[at] > 0; at += 1 + n->at[at]) {
		if (len > 0)
			text[len++] = '.';
		/* A dot within a label would look like two labels. */
		if (memchr(&n->at[at + 1], '.', n->at[at]) != NULL) {
			text[0] = '\0';
			return;
		}
		memcpy(&text[len], &n->at[at + 1], n->at[at]);
		len += n->at[at];
	}
	if (!policy_name_ok(span_of(text, len)))
		len = 0;
	text[len] = '\0';
}

static void name_of_text(const char *text, struct wire_name *n)
{
	struct span rest = span_str(text);

	n->len = 0;
	while (rest.len > 0) {
		struct span label = span_cut(&rest, '.');

		must(label.len > 0 && label.len < 64 && n->len + 1 + label.len + 1 <= sizeof(n->at));
		n->at[n->len++] = (unsigned char)label.len;
		for (size_t i = 0; i < label.len; i++)
			n->at[n->len++] = (unsigned char)ascii_lower(label.at[i]);
	}
	n->at[n->len++] = 0;
}

static void read_record(struct wire *w, struct wire_record *r)
{
	read_name(w, &r->owner);
	r->type = read_two(w);
	r->class = read_two(w);
	r->ttl = read_four(w);
	if (r->ttl > INT32_MAX) /* RFC 2181 section 8 */
		r->ttl = 0;
	r->len = read_two(w);
	r->at = w->pos;
	skip(w, r->len);
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* The name within a record's data, behind `before` octets, which must be all of it. */
static void read_inner(struct wire *w, const struct wire_record *r, size_t before, struct wire_name *n)
{
	struct wire inside = { .at = w->at, .len = r->at + r->len, .pos = r->at + before };

	if (r->len < before)
		inside.bad = true;
	else
		read_name(&inside, n);
	if (inside.bad || inside.pos != inside.len)
		w->bad = true;
}

/* A place for one more record. Where all are taken the best MX are to be kept, so the worst one makes room, or the new
 * one gets none (NULL). */
static struct route_dns_record *place_for(const struct wire *w, const struct wire_record *r, struct route_dns_answer *a)
{
	struct route_dns_record *worst = &a->records[0];

	if (a->count < ROUTE_DNS_RECORDS_MOST)
		return &a->records[a->count++];
	a->more = true;
	if (r->type != ROUTE_DNS_MX || r->len < 2)
		return NULL;
	for (unsigned i = 1; i < a->count; i++) {
		if (a->records[i].preference > worst->preference)
			worst = &a->records[i];
	}
	return (w->at[r->at] << 8 | w->at[r->at + 1]) < worst->preference ? worst : NULL;
}

static void add(struct wire *w, const struct wire_record *r, struct route_dns_answer *a)
{
	struct route_dns_record *to = place_for(w, r, a);
	struct wire_name n;

	if (to == NULL)
		return;
	*to = (struct route_dns_record){ .data = span_of(w->at + r->at, r->len) };
	if (r->type == ROUTE_DNS_MX || r->type == ROUTE_DNS_CNAME) {
		bool mx = r->type == ROUTE_DNS_MX;

		read_inner(w, r, mx ? 2 : 0, &n);
		if (w->bad)
			return;
		to->preference = mx ? (uint16_t)(w->at[r->at] << 8 | w->at[r->at + 1]) : 0;
		to->root = n.len == 1;
		name_text(&n, to->name);
	}
}

/* libunbound puts a chain of CNAMEs into its order, and takes out what does not belong to it. */
static void read_answers(struct wire *w, unsigned count, enum route_dns_type type, struct wire_name *at,
			 struct route_dns_answer *a)
{
	struct wire_record r;

	while (count-- > 0 && !w->bad) {
		read_record(w, &r);
		if (w->bad || r.class != CLASS_IN || !name_eq(&r.owner, at))
			continue;
		if (r.type == type) {
			add(w, &r, a);
		} else if (r.type == ROUTE_DNS_CNAME) {
			read_inner(w, &r, 0, at);
			a->alias = true;
		} else {
			continue;
		}
		a->ttl = least(a->ttl, r.ttl);
	}
}

/* RFC 2308 section 5: an absence lasts as long as the lesser of the SOA's own TTL and its last field. */
static void read_absence(struct wire *w, unsigned count, struct route_dns_answer *a)
{
	struct wire_record r;

	while (count-- > 0 && !w->bad) {
		struct wire last = *w;

		read_record(w, &r);
		if (w->bad || r.type != TYPE_SOA || r.len < 20)
			continue;
		last.pos = r.at + r.len - 4;
		a->ttl = least(a->ttl, least(r.ttl, read_four(&last)));
	}
}

static void fail(struct route_dns_answer *a, const char *trouble)
{
	*a = (struct route_dns_answer){ .end = ROUTE_DNS_FAILED };
	snprintf(a->trouble, sizeof(a->trouble), "%s", trouble);
}

static void read_all(struct wire *w, const char *name, enum route_dns_type type, struct route_dns_answer *a)
{
	unsigned answers, absences;
	struct wire_name at, asked;

	if (read_two(w) != 1) {
		w->bad = true;
		return;
	}
	answers = read_two(w);
	absences = read_two(w);
	read_two(w);
	read_name(w, &asked);
	skip(w, 4);
	name_of_text(name, &at);
	read_answers(w, answers, type, &at, a);
	name_text(&at, a->name);
	if (a->count == 0)
		read_absence(w, absences, a);
}

void route_packet_read(struct span packet, const char *name, enum route_dns_type type, struct route_dns_answer *a)
{
	struct wire w = { .at = (const unsigned char *)packet.at, .len = packet.len };
	unsigned flags;

	*a = (struct route_dns_answer){ .ttl = TTL_NONE };
	read_two(&w);
	flags = read_two(&w);
	read_all(&w, name, type, a);
	if (a->ttl == TTL_NONE)
		a->ttl = 0;
	if (w.bad || flags & FLAG_TRUNCATED) {
		fail(a, "a malformed answer");
		return;
	}
	switch (flags & 15) {
	case 0:
		a->end = a->count > 0 ? ROUTE_DNS_FOUND : ROUTE_DNS_NODATA;
		break;
	case 3:
		a->end = ROUTE_DNS_NXDOMAIN;
		a->count = 0;
		break;
	case 2:
		fail(a, "SERVFAIL");
		break;
	case 5:
		fail(a, "REFUSED");
		break;
	default:
		fail(a, "an error of the name server");
	}
}

size_t route_packet_txt(struct span data, char *out, size_t size)
{
	size_t len = 0;

	while (data.len > 0) {
		struct span part = span_first(span_from(data, 1), (unsigned char)data.at[0]);

		data = span_from(data, 1 + part.len);
		part = span_first(part, size - len);
		if (part.len > 0)
			memcpy(out + len, part.at, part.len);
		len += part.len;
	}
	return len;
}
