#include "proc/tally.h"

#include "base/must.h"

#include <string.h>

struct key {
	uint64_t upper, lower, port;
};

static struct key key_of(const struct addr *a)
{
	struct in6_addr ip = IN6ADDR_ANY_INIT;
	struct key k = { .port = addr_port(a) };

	must(a->len > 0 && a->sa.sa_family != AF_UNSPEC);
	if (a->sa.sa_family == AF_INET) {
		ip.s6_addr[10] = ip.s6_addr[11] = 0xff;
		memcpy(&ip.s6_addr[12], &a->in.sin_addr, sizeof(a->in.sin_addr));
	} else {
		ip = a->in6.sin6_addr;
	}
	memcpy(&k.upper, ip.s6_addr, sizeof(k.upper));
	memcpy(&k.lower, ip.s6_addr + sizeof(k.upper), sizeof(k.lower));
	return k;
}

static struct addr addr_of(const struct key *k)
{
	struct addr a = { .len = sizeof(a.in6) };

	a.in6.sin6_family = AF_INET6;
	a.in6.sin6_port = htons((uint16_t)k->port);
	memcpy(a.in6.sin6_addr.s6_addr, &k->upper, sizeof(k->upper));
	memcpy(a.in6.sin6_addr.s6_addr + sizeof(k->upper), &k->lower, sizeof(k->lower));
	addr_unmap(&a);
	return a;
}

static bool is_of(const struct tally_place *p, const struct key *k)
{
	return p->count > 0 && p->lower == k->lower && p->upper == k->upper && p->port == k->port;
}

/* The place of `k`; else an empty one; else that of the one that is longest without a count. */
static struct tally_place *place_for(struct tally *t, const struct key *k)
{
	struct tally_place *best = &t->places[0];

	for (size_t i = 0; i < TALLY_PLACES; i++) {
		struct tally_place *p = &t->places[i];

		if (is_of(p, k))
			return p;
		if (best->count > 0 && (p->count == 0 || p->last < best->last))
			best = p;
	}
	return best;
}

static void write_place(struct tally_place *p, const struct key *k, uint64_t count, msec when)
{
	atomic_fetch_add(&p->turn, 1);
	p->upper = k->upper;
	p->lower = k->lower;
	p->port = k->port;
	p->count = count;
	p->last = when;
	atomic_fetch_add(&p->turn, 1);
}

void tally_add(struct tally *t, const struct addr *a, uint64_t n, msec when)
{
	struct key k = key_of(a);
	struct tally_place *p = place_for(t, &k);

	if (is_of(p, &k))
		write_place(p, &k, p->count + n, when > p->last ? when : p->last);
	else if (p->count == 0 || p->last <= when)
		write_place(p, &k, n, when);
}

static bool read_place(const struct tally_place *p, struct key *k, uint64_t *count, msec *last)
{
	unsigned turn = atomic_load(&p->turn);

	*k = (struct key){ p->upper, p->lower, p->port };
	*count = p->count;
	*last = p->last;
	return *count > 0 && turn % 2 == 0 && atomic_load(&p->turn) == turn;
}

void tally_fold(struct tally *t, const struct tally *from)
{
	for (size_t i = 0; i < TALLY_PLACES; i++) {
		uint64_t count;
		struct key k;
		struct addr a;
		msec last;

		if (!read_place(&from->places[i], &k, &count, &last))
			continue;
		a = addr_of(&k);
		tally_add(t, &a, count, last);
	}
}

void tally_clear(struct tally *t)
{
	static const struct key nobody;

	for (size_t i = 0; i < TALLY_PLACES; i++) {
		struct tally_place *p = &t->places[i];

		/* Whoever wrote it may have died within. */
		if (p->turn % 2 != 0)
			p->turn++;
		if (p->count > 0)
			write_place(p, &nobody, 0, 0);
	}
}

bool tally_at(const struct tally *t, size_t i, struct addr *a, uint64_t *count)
{
	struct key k;
	msec last;

	must(i < TALLY_PLACES);
	if (!read_place(&t->places[i], &k, count, &last))
		return false;
	*a = addr_of(&k);
	return true;
}
