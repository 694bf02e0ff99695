#include "edge/stock.h"

#include "base/must.h"
#include "ipc/ipc_channel.h"

#include <stdlib.h>
#include <unistd.h>

#define STOCK_MOST (2 * IPC_SOCKETS_MOST)

struct shelf {
	int fds[STOCK_MOST];
	unsigned count;
	bool asked; /* an answer is on its way */
};

struct stock {
	int channel_fd;
	struct shelf shelves[2][2]; /* [v6][any_source] */
};

static void ask(struct stock *s, bool v6, bool any_source)
{
	struct shelf *shelf = &s->shelves[v6][any_source];
	struct ipc_message want = {
		.kind = IPC_WANT,
		.want = { .count = IPC_SOCKETS_MOST, .v6 = v6, .any_source = any_source },
	};
	struct why why;

	if (shelf->asked || shelf->count > STOCK_MOST - IPC_SOCKETS_MOST)
		return;
	shelf->asked = ipc_channel_send(s->channel_fd, &want, &why);
	if (!shelf->asked)
		log_event("stock", "the master can't be asked for sockets: %s", why.text);
}

struct stock *stock_new(int channel_fd, const struct plan *plan)
{
	struct stock *s = mem_new(sizeof(*s));

	s->channel_fd = channel_fd;
	for (size_t i = 0; i < plan->service_count; i++) {
		const struct conf_service *c = plan->services[i].conf;

		if (c->mode != CONF_MODE_TRANSPARENT)
			continue;
		ask(s, false, c->source == CONF_SOURCE_CLIENT);
		ask(s, true, c->source == CONF_SOURCE_CLIENT);
	}
	return s;
}

void stock_free(struct stock *s)
{
	for (unsigned i = 0; i < 4; i++) {
		struct shelf *shelf = &s->shelves[i / 2][i % 2];

		while (shelf->count > 0)
			close(shelf->fds[--shelf->count]);
	}
	free(s);
}

void stock_take_in(struct stock *s, const struct ipc_sockets *m, const int *fds, size_t count)
{
	struct shelf *shelf = &s->shelves[m->v6][m->any_source];

	shelf->asked = false;
	for (size_t i = 0; i < count; i++) {
		if (shelf->count < STOCK_MOST)
			shelf->fds[shelf->count++] = fds[i];
		else
			close(fds[i]);
	}
}

int stock_take(struct stock *s, bool v6, bool any_source)
{
	struct shelf *shelf = &s->shelves[v6][any_source];
	int fd = shelf->count > 0 ? shelf->fds[--shelf->count] : -1;

	ask(s, v6, any_source);
	return fd;
}
