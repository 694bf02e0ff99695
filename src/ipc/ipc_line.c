#include "ipc/ipc_line.h"

#include "base/must.h"
#include "ipc/ipc_channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for one descriptor, aligned as the kernel wants it. */
union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int))];
};

/* The same kind of sockets, with the same room. */
bool ipc_line_pair(int ends[2], struct why *why)
{
	return ipc_channel_pair(ends, why);
}

static void attach(struct msghdr *h, union control *control, int fd)
{
	memset(control, 0, sizeof(*control));
	h->msg_control = control;
	h->msg_controllen = sizeof(control->room);
	control->head.cmsg_level = SOL_SOCKET;
	control->head.cmsg_type = SCM_RIGHTS;
	control->head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control->head), &fd, sizeof(fd));
}

bool ipc_line_send(int line, struct span octets, int fd, struct why *why)
{
	struct iovec piece = { (char *)octets.at, octets.len };
	struct msghdr h = { .msg_iov = &piece, .msg_iovlen = 1 };
	union control control;
	ssize_t sent;

	must(octets.len > 0); /* nothing can't be told from the end */
	if (fd >= 0)
		attach(&h, &control, fd);
	do {
		sent = sendmsg(line, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0) {
		int error = errno;

		why_set(why, FAULT_SYSTEM, "send over a line: %s", strerror(error));
		errno = error;
		return false;
	}
	return true;
}

/* The length of the next message, so that one of a few octets takes a few octets; 0: the end. */
static ssize_t length_of_next(int line)
{
	ssize_t len;

	do {
		len = recv(line, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	} while (len < 0 && errno == EINTR);
	return len;
}

static int detach(struct msghdr *h)
{
	struct cmsghdr *head = CMSG_FIRSTHDR(h);
	int fd = -1;

	if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

/* Room for one descriptor and no more: CMSG_SPACE would let a second one in, which nobody would close. */
static bool receive(int line, struct buf *in, size_t len, int *fd)
{
	union control control;
	struct iovec piece;
	struct msghdr h = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control,
			    .msg_controllen = CMSG_LEN(sizeof(int)) };
	size_t room;
	ssize_t got;

	piece.iov_base = buf_reserve(in, len, &room);
	must(room >= len);
	piece.iov_len = len;
	do {
		got = recvmsg(line, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got != (ssize_t)len)
		return false;
	buf_commit(in, len);
	*fd = detach(&h);
	return true;
}

enum ipc_line_got ipc_line_receive(int line, struct buf *in, int *fd)
{
	ssize_t len = length_of_next(line);

	*fd = -1;
	buf_consume(in, buf_used(in));
	if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return IPC_LINE_NOTHING;
	if (len <= 0 || (size_t)len > buf_space(in))
		return IPC_LINE_END;
	return receive(line, in, (size_t)len, fd) ? IPC_LINE_MESSAGE : IPC_LINE_END;
}
