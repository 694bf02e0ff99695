#include "ipc/ipc_message.h"

#include "base/must.h"

#include <limits.h>
#include <string.h>

/* Numbers travel with the most significant octet first. */
struct writer {
	char *at;
	size_t len;
};

/* Sticky: after one read past the end all further reads give 0. */
struct reader {
	struct span rest;
	bool bad;
};

static void put(struct writer *w, uint64_t n, unsigned octets)
{
	must(w->len + octets <= IPC_MESSAGE_MOST);
	for (unsigned i = 0; i < octets; i++)
		w->at[w->len++] = (char)(n >> (8 * (octets - 1 - i)));
}

static void put_bytes(struct writer *w, const void *at, size_t len)
{
	must(w->len + len <= IPC_MESSAGE_MOST);
	memcpy(w->at + w->len, at, len);
	w->len += len;
}

static struct span take_bytes(struct reader *r, size_t len)
{
	struct span piece = span_first(r->rest, len);

	if (r->bad || r->rest.len < len) {
		r->bad = true;
		return SPAN("");
	}
	r->rest = span_from(r->rest, len);
	return piece;
}

static uint64_t take(struct reader *r, unsigned octets)
{
	struct span piece = take_bytes(r, octets);
	uint64_t n = 0;

	for (size_t i = 0; i < piece.len; i++)
		n = n << 8 | (unsigned char)piece.at[i];
	return n;
}

static uint32_t take_most(struct reader *r, unsigned octets, uint32_t most)
{
	uint64_t n = take(r, octets);

	if (n > most) {
		r->bad = true;
		return 0;
	}
	return (uint32_t)n;
}

static void put_start(struct writer *w, const struct ipc_start *s)
{
	must(s->listen_count <= IPC_LISTENS_MOST);
	put(w, s->generation, 4);
	put(w, s->slot, 4);
	put(w, s->index, 4);
	put(w, s->uid, 4);
	put(w, s->gid, 4);
	put(w, (uint64_t)s->checked_at, 8);
	put(w, s->listen_count, 2);
	for (uint32_t i = 0; i < s->listen_count; i++) {
		put(w, s->listens[i].fd, 4);
		put(w, s->listens[i].listen, 4);
	}
}

static void take_start(struct reader *r, struct ipc_start *s)
{
	s->generation = (uint32_t)take(r, 4);
	s->slot = take_most(r, 4, INT_MAX);
	s->index = (uint32_t)take(r, 4);
	s->uid = (uint32_t)take(r, 4);
	s->gid = (uint32_t)take(r, 4);
	s->checked_at = (int64_t)take(r, 8);
	s->listen_count = take_most(r, 2, IPC_LISTENS_MOST);
	for (uint32_t i = 0; i < s->listen_count && !r->bad; i++) {
		s->listens[i].fd = take_most(r, 4, INT_MAX);
		s->listens[i].listen = (uint32_t)take(r, 4);
	}
}

static bool name_fits(struct span name)
{
	if (name.len == 0 || name.len >= IPC_NAME_MOST)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (name.at[i] <= 0x20 || name.at[i] >= 0x7f)
			return false;
	}
	return true;
}

static void put_ask(struct writer *w, const struct ipc_ask *a)
{
	struct span name = span_of(a->name, strnlen(a->name, sizeof(a->name)));

	must(name_fits(name));
	put(w, a->upstream, 4);
	put(w, a->host, 4);
	put(w, a->port, 2);
	put(w, name.len, 1);
	put_bytes(w, name.at, name.len);
}

static void take_ask(struct reader *r, struct ipc_ask *a)
{
	struct span name;

	a->upstream = (uint32_t)take(r, 4);
	a->host = (uint32_t)take(r, 4);
	a->port = (uint16_t)take(r, 2);
	name = take_bytes(r, take_most(r, 1, IPC_NAME_MOST - 1));
	if (!name_fits(name)) {
		r->bad = true;
		return;
	}
	memcpy(a->name, name.at, name.len);
	a->name[name.len] = '\0';
}

static void put_addr(struct writer *w, const struct addr *a)
{
	if (a->sa.sa_family == AF_INET) {
		put(w, 4, 1);
		put_bytes(w, &a->in.sin_addr, 4);
		put(w, ntohs(a->in.sin_port), 2);
		return;
	}
	must(a->sa.sa_family == AF_INET6);
	put(w, 6, 1);
	put_bytes(w, &a->in6.sin6_addr, 16);
	put(w, ntohs(a->in6.sin6_port), 2);
	put(w, a->in6.sin6_scope_id, 4);
}

static void take_addr4(struct reader *r, struct addr *a)
{
	struct span octets = take_bytes(r, 4);

	a->len = sizeof(a->in);
	a->in.sin_family = AF_INET;
	memcpy(&a->in.sin_addr, octets.at, octets.len);
	a->in.sin_port = htons((uint16_t)take(r, 2));
}

static void take_addr6(struct reader *r, struct addr *a)
{
	struct span octets = take_bytes(r, 16);

	a->len = sizeof(a->in6);
	a->in6.sin6_family = AF_INET6;
	memcpy(&a->in6.sin6_addr, octets.at, octets.len);
	a->in6.sin6_port = htons((uint16_t)take(r, 2));
	a->in6.sin6_scope_id = (uint32_t)take(r, 4);
}

static void take_addr(struct reader *r, struct addr *a)
{
	uint64_t family = take(r, 1);

	memset(a, 0, sizeof(*a));
	if (family == 4)
		take_addr4(r, a);
	else if (family == 6)
		take_addr6(r, a);
	else
		r->bad = true;
}

static void put_addrs(struct writer *w, const struct ipc_addrs *a)
{
	must(a->count > 0 && a->count <= IPC_ADDRS_MOST);
	put(w, a->upstream, 4);
	put(w, a->host, 4);
	put(w, a->count, 1);
	for (uint32_t i = 0; i < a->count; i++)
		put_addr(w, &a->addrs[i]);
}

static void take_addrs(struct reader *r, struct ipc_addrs *a)
{
	a->upstream = (uint32_t)take(r, 4);
	a->host = (uint32_t)take(r, 4);
	a->count = take_most(r, 1, IPC_ADDRS_MOST);
	if (a->count == 0)
		r->bad = true;
	for (uint32_t i = 0; i < a->count && !r->bad; i++)
		take_addr(r, &a->addrs[i]);
}

static void put_sockets(struct writer *w, const struct ipc_sockets *s, uint32_t least)
{
	must(s->count >= least && s->count <= IPC_SOCKETS_MOST);
	put(w, s->count, 1);
	put(w, s->v6 ? 6 : 4, 1);
	put(w, s->any_source, 1);
}

static void take_sockets(struct reader *r, struct ipc_sockets *s, uint32_t least)
{
	uint64_t family;

	s->count = take_most(r, 1, IPC_SOCKETS_MOST);
	family = take(r, 1);
	s->v6 = family == 6;
	s->any_source = take_most(r, 1, 1) == 1;
	if (s->count < least || (family != 4 && family != 6))
		r->bad = true;
}

size_t ipc_message_encode(const struct ipc_message *m, char out[IPC_MESSAGE_MOST])
{
	struct writer w = { .at = out };

	put(&w, m->kind, 1);
	switch (m->kind) {
	case IPC_START:
		put_start(&w, &m->start);
		break;
	case IPC_READY:
		break;
	case IPC_DRAIN:
		put(&w, m->drain.stop, 1);
		break;
	case IPC_ASK:
		put_ask(&w, &m->ask);
		break;
	case IPC_ADDRS:
		put_addrs(&w, &m->addrs);
		break;
	case IPC_WANT:
		put_sockets(&w, &m->want, 1);
		break;
	case IPC_SOCKETS:
		put_sockets(&w, &m->sockets, 0);
		break;
	case IPC_LINE:
		put(&w, m->line.edge, 4);
		break;
	}
	return w.len;
}

bool ipc_message_decode(struct span bytes, struct ipc_message *m, struct why *why)
{
	struct reader r = { .rest = bytes };
	unsigned kind = (unsigned)take(&r, 1);

	m->kind = kind;
	switch (kind) {
	case IPC_START:
		take_start(&r, &m->start);
		break;
	case IPC_READY:
		break;
	case IPC_DRAIN:
		m->drain.stop = take_most(&r, 1, 1) == 1;
		break;
	case IPC_ASK:
		take_ask(&r, &m->ask);
		break;
	case IPC_ADDRS:
		take_addrs(&r, &m->addrs);
		break;
	case IPC_WANT:
		take_sockets(&r, &m->want, 1);
		break;
	case IPC_SOCKETS:
		take_sockets(&r, &m->sockets, 0);
		break;
	case IPC_LINE:
		m->line.edge = (uint32_t)take(&r, 4);
		break;
	default:
		r.bad = true;
	}
	if (r.bad || r.rest.len > 0) {
		why_set(why, FAULT_PEER, "malformed message of kind %u, %zu octets", kind, bytes.len);
		return false;
	}
	return true;
}
