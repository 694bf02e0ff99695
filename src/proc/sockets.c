#include "proc/sockets.h"

#include "base/must.h"
#include "io/sock.h"

#include <unistd.h>

static bool is_used(const struct plan *plan, bool any_source)
{
	for (size_t i = 0; i < plan->service_count; i++) {
		const struct conf_service *s = plan->services[i].conf;

		if (s->mode == CONF_MODE_TRANSPARENT && (!any_source || s->source == CONF_SOURCE_CLIENT))
			return true;
	}
	return false;
}

bool sockets_may(const struct plan *plan, const struct ipc_sockets *want)
{
	return is_used(plan, want->any_source);
}

size_t sockets_make(const struct plan *plan, const struct ipc_sockets *want, int fds[IPC_SOCKETS_MOST],
		    struct why *why)
{
	size_t count = 0;

	must(want->count <= IPC_SOCKETS_MOST);
	while (count < want->count) {
		int fd = sock_marked(want->v6 ? AF_INET6 : AF_INET, plan->conf->mark, want->any_source, why);

		if (fd < 0)
			break;
		fds[count++] = fd;
	}
	return count;
}

bool sockets_check(const struct plan *plan, struct why *why)
{
	const struct ipc_sockets one = { .count = 1, .any_source = is_used(plan, true) };
	int fds[IPC_SOCKETS_MOST];
	struct why cause;

	if (!is_used(plan, false))
		return true;
	if (sockets_make(plan, &one, fds, &cause) == 1) {
		close(fds[0]);
		return true;
	}
	why_set(why, FAULT_SYSTEM, "a service has mode: transparent, which the master needs to be root for, or to have "
		"CAP_NET_ADMIN: %s", cause.text);
	return false;
}
