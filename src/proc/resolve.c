#include "proc/resolve.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "ipc/ipc_channel.h"
#include "proc/child.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define AGE_MS 60000
#define RETRY_MS 5000

struct name {
	struct ipc_ask ask;
	msec due;
	bool failed; /* said so in the log */
};

struct names {
	struct name *all;
	size_t count;
};

static void log_failed(struct name *n, const char *text)
{
	struct log_line l;

	if (n->failed)
		return;
	n->failed = true;
	log_begin(&l, "resolve-failed");
	log_text(&l, "host", n->ask.name);
	log_text(&l, "why", text);
	log_end(&l);
}

static void log_found_again(struct name *n)
{
	struct log_line l;

	if (!n->failed)
		return;
	n->failed = false;
	log_begin(&l, "resolve-ok");
	log_text(&l, "host", n->ask.name);
	log_end(&l);
}

static bool has(const struct ipc_addrs *a, const struct addr *one)
{
	for (uint32_t i = 0; i < a->count; i++) {
		if (addr_eq(&a->addrs[i], one))
			return true;
	}
	return false;
}

/* In the order of getaddrinfo (RFC 6724), each once. */
static void collect(const struct addrinfo *list, struct ipc_addrs *a)
{
	for (; list != NULL && a->count < IPC_ADDRS_MOST; list = list->ai_next) {
		struct addr one = { .len = list->ai_addrlen };

		if ((list->ai_family != AF_INET && list->ai_family != AF_INET6) ||
		    list->ai_addrlen > sizeof(one.in6))
			continue;
		memcpy(&one.sa, list->ai_addr, list->ai_addrlen);
		if (!has(a, &one))
			a->addrs[a->count++] = one;
	}
}

static bool look_up(struct name *n, struct ipc_addrs *a)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	char port[8];
	int error;

	snprintf(port, sizeof(port), "%u", n->ask.port);
	error = getaddrinfo(n->ask.name, port, &hints, &list);
	if (error != 0) {
		log_failed(n, gai_strerror(error));
		return false;
	}
	collect(list, a);
	freeaddrinfo(list);
	if (a->count == 0) {
		log_failed(n, "no address");
		return false;
	}
	log_found_again(n);
	return true;
}

/* False where the master is gone. */
static bool refresh(int fd, struct name *n)
{
	struct ipc_message m = { .kind = IPC_ADDRS };
	struct why why;
	bool found;

	m.addrs.upstream = n->ask.upstream;
	m.addrs.host = n->ask.host;
	found = look_up(n, &m.addrs);
	n->due = clock_now() + (found ? AGE_MS : RETRY_MS);
	return !found || ipc_channel_send(fd, &m, &why);
}

static struct name *oldest(const struct names *names)
{
	struct name *first = NULL;

	for (size_t i = 0; i < names->count; i++) {
		if (first == NULL || names->all[i].due < first->due)
			first = &names->all[i];
	}
	return first;
}

static int wait_for(const struct names *names)
{
	const struct name *first = oldest(names);
	msec now = clock_now();

	if (first == NULL)
		return -1;
	return first->due > now ? (int)(first->due - now) : 0;
}

static bool add(struct names *names, const struct ipc_message *m)
{
	if (m->kind != IPC_ASK || names->count >= RESOLVE_NAMES_MOST)
		return false;
	names->all = mem_grow(names->all, (names->count + 1) * sizeof(*names->all));
	names->all[names->count++] = (struct name){ .ask = m->ask, .due = clock_now() };
	return true;
}

/* Until the master is gone, or talks of what is not ours. */
static void work(int fd, struct names *names)
{
	struct ipc_message m;
	struct why why;

	for (;;) {
		struct name *first;

		switch (ipc_channel_wait(fd, wait_for(names), &m, &why)) {
		case IPC_GOT_MESSAGE:
			if (!add(names, &m))
				return;
			continue;
		case IPC_GOT_END:
		case IPC_GOT_BAD:
			return;
		case IPC_GOT_NOTHING:
			break;
		}
		first = oldest(names);
		if (first != NULL && first->due <= clock_now() && !refresh(fd, first))
			return;
	}
}

int resolve_main(void)
{
	struct ipc_message ready = { .kind = IPC_READY };
	struct names names = { 0 };
	struct why why;
	int fd;

	if (!child_enter_resolve(&fd, &why) || !ipc_channel_send(fd, &ready, &why)) {
		log_event("resolver-failed", "%s", why.text);
		return EX_OSERR;
	}
	work(fd, &names);
	free(names.all);
	return EX_OK;
}
