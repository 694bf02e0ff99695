#include "ipc/ipc_channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* A new edge is sent the addresses of all hosts at once, before it reads the first. */
#define CHANNEL_ROOM (4 * 1024 * 1024)

static void make_room(int fd)
{
	int room = CHANNEL_ROOM;

	/* Above net.core.wmem_max for root alone; anyone else has what the system allows. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
}

bool ipc_channel_pair(int ends[2], struct why *why)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
		why_set(why, FAULT_SYSTEM, "socketpair: %s", strerror(errno));
		return false;
	}
	make_room(ends[0]);
	make_room(ends[1]);
	return true;
}

bool ipc_channel_send(int fd, const struct ipc_message *m, struct why *why)
{
	char octets[IPC_MESSAGE_MOST];
	size_t len = ipc_message_encode(m, octets);
	ssize_t sent;

	do {
		sent = send(fd, octets, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0) {
		why_set(why, FAULT_SYSTEM, "send to a child or the master: %s", strerror(errno));
		return false;
	}
	return true;
}

enum ipc_got ipc_channel_receive(int fd, struct ipc_message *m, struct why *why)
{
	char octets[IPC_MESSAGE_MOST];
	ssize_t got;

	do {
		got = recv(fd, octets, sizeof(octets), MSG_DONTWAIT | MSG_TRUNC);
	} while (got < 0 && errno == EINTR);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return IPC_GOT_NOTHING;
	if (got <= 0)
		return IPC_GOT_END;
	if ((size_t)got > sizeof(octets)) {
		why_set(why, FAULT_PEER, "a message of %zd octets", got);
		return IPC_GOT_BAD;
	}
	return ipc_message_decode(span_of(octets, (size_t)got), m, why) ? IPC_GOT_MESSAGE
									: IPC_GOT_BAD;
}

enum ipc_got ipc_channel_wait(int fd, int ms, struct ipc_message *m, struct why *why)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	/* A signal may cut the wait short: nothing has come then, and the caller's own clock goes on. */
	if (poll(&p, 1, ms) <= 0)
		return IPC_GOT_NOTHING;
	return ipc_channel_receive(fd, m, why);
}
