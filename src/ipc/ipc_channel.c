#include "ipc/ipc_channel.h"

#include "base/must.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

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

/* Room for the descriptors of one message, aligned as the kernel wants it. */
union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(IPC_SOCKETS_MOST * sizeof(int))];
};

static void attach(struct msghdr *h, union control *control, const int *fds, size_t count)
{
	struct cmsghdr *head;

	memset(control, 0, sizeof(*control));
	h->msg_control = control;
	h->msg_controllen = CMSG_SPACE(count * sizeof(int));
	head = CMSG_FIRSTHDR(h);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(head), fds, count * sizeof(int));
}

static size_t fds_of(const struct ipc_message *m)
{
	if (m->kind == IPC_LINE)
		return 1;
	return m->kind == IPC_SOCKETS ? m->sockets.count : 0;
}

bool ipc_channel_send_fds(int fd, const struct ipc_message *m, const int *fds, size_t count, struct why *why)
{
	char octets[IPC_MESSAGE_MOST];
	struct iovec piece = { octets, ipc_message_encode(m, octets) };
	struct msghdr h = { .msg_iov = &piece, .msg_iovlen = 1 };
	union control control;
	ssize_t sent;

	must(count == fds_of(m));
	if (count > 0)
		attach(&h, &control, fds, count);
	do {
		sent = sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0) {
		why_set(why, FAULT_SYSTEM, "send to a child or the master: %s", strerror(errno));
		return false;
	}
	return true;
}

bool ipc_channel_send(int fd, const struct ipc_message *m, struct why *why)
{
	return ipc_channel_send_fds(fd, m, NULL, 0, why);
}

/* The descriptors that came with a message, all of them. */
static size_t detach(struct msghdr *h, int fds[IPC_SOCKETS_MOST])
{
	size_t count = 0;

	for (struct cmsghdr *head = CMSG_FIRSTHDR(h); head != NULL; head = CMSG_NXTHDR(h, head)) {
		size_t here = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		must(count + here <= IPC_SOCKETS_MOST);
		memcpy(fds + count, CMSG_DATA(head), here * sizeof(int));
		count += here;
	}
	return count;
}

/* A process without descriptors to spare gets fewer than were sent (FAULTS 25): the kernel says so, and has
 * closed the rest. That is our own trouble and no broken channel. */
static bool fds_are_fine(const struct msghdr *h, const struct ipc_message *m, size_t count, size_t room)
{
	bool cut = (h->msg_flags & MSG_CTRUNC) != 0;

	return count == fds_of(m) ? !cut : cut && room > 0 && count < fds_of(m);
}

static enum ipc_got judge(ssize_t got, const struct msghdr *h, const char *octets, struct ipc_message *m,
			  size_t count, size_t room, struct why *why)
{
	if (h->msg_flags & MSG_TRUNC) {
		why_set(why, FAULT_PEER, "a message of %zd octets", got);
		return IPC_GOT_BAD;
	}
	if (!ipc_message_decode(span_of(octets, (size_t)got), m, why))
		return IPC_GOT_BAD;
	if (fds_are_fine(h, m, count, room))
		return IPC_GOT_MESSAGE;
	why_set(why, FAULT_PEER, "a message of kind %d with %zu descriptors%s", m->kind, count,
		h->msg_flags & MSG_CTRUNC ? " and more" : "");
	return IPC_GOT_BAD;
}

/* `room`: for descriptors; those that find none are closed by the kernel, which says so (MSG_CTRUNC). */
static enum ipc_got receive(int fd, struct ipc_message *m, int fds[IPC_SOCKETS_MOST], size_t room,
			    size_t *count, struct why *why)
{
	char octets[IPC_MESSAGE_MOST];
	struct iovec piece = { octets, sizeof(octets) };
	struct msghdr h = { .msg_iov = &piece, .msg_iovlen = 1 };
	union control control;
	enum ipc_got what;
	ssize_t got;

	*count = 0;
	do {
		h.msg_control = room > 0 ? &control : NULL;
		h.msg_controllen = room > 0 ? sizeof(control.room) : 0;
		got = recvmsg(fd, &h, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return IPC_GOT_NOTHING;
	if (got <= 0)
		return IPC_GOT_END;
	*count = detach(&h, fds);
	what = judge(got, &h, octets, m, *count, room, why);
	while (what == IPC_GOT_BAD && *count > 0)
		close(fds[--*count]);
	return what;
}

enum ipc_got ipc_channel_receive_fds(int fd, struct ipc_message *m, int fds[IPC_SOCKETS_MOST], size_t *count,
				     struct why *why)
{
	return receive(fd, m, fds, IPC_SOCKETS_MOST, count, why);
}

enum ipc_got ipc_channel_receive(int fd, struct ipc_message *m, struct why *why)
{
	int none[IPC_SOCKETS_MOST];
	size_t count;

	return receive(fd, m, none, 0, &count, why);
}

enum ipc_got ipc_channel_wait(int fd, int ms, struct ipc_message *m, struct why *why)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	/* A signal may cut the wait short: nothing has come then, and the caller's own clock goes on. */
	if (poll(&p, 1, ms) <= 0)
		return IPC_GOT_NOTHING;
	return ipc_channel_receive(fd, m, why);
}
