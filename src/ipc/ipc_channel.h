/* ipc/ipc_channel.h
 * A pair of sockets between the master and one child (SOCK_SEQPACKET: a message comes whole or
 * not at all). Nothing is queued on our side: where the socket takes no more, the other
 * one has stopped reading, and the caller decides what that means. The descriptors that a child
 * begins with are handed over by inheritance; later ones come with a SOCKETS or a LINE message. The channel's own
 * are the caller's. */
#ifndef IPC_CHANNEL_H
#define IPC_CHANNEL_H

#include "ipc/ipc_message.h"

enum ipc_got {
	IPC_GOT_MESSAGE,
	IPC_GOT_NOTHING, /* none is waiting */
	IPC_GOT_END,     /* the other side is gone */
	IPC_GOT_BAD,     /* malformed, `why` says how: close the channel */
};

/* Both ends non-blocking and close-on-exec. */
MUST_CHECK bool ipc_channel_pair(int ends[2], struct why *why);

/* Never waits, never raises SIGPIPE. False with `why`: full (errno EAGAIN), or the other side is gone. */
MUST_CHECK bool ipc_channel_send(int fd, const struct ipc_message *m, struct why *why);

MUST_CHECK enum ipc_got ipc_channel_receive(int fd, struct ipc_message *m, struct why *why);

/* The same with descriptors: as many as a SOCKETS message says, one with a LINE message, none with any other. send_fds does not take
 * them. receive_fds gives them close-on-exec, the caller's from then on: fewer than the message says where this
 * process has no more to spare. Where the number is another one, or the caller of the plain receive
 * is sent any, they are closed and the message is BAD. */
MUST_CHECK bool ipc_channel_send_fds(int fd, const struct ipc_message *m, const int *fds, size_t count,
				     struct why *why);
MUST_CHECK enum ipc_got ipc_channel_receive_fds(int fd, struct ipc_message *m, int fds[IPC_SOCKETS_MOST],
						size_t *count, struct why *why);

/* Waits up to `ms` milliseconds for the next message (-1: for ever). For roles without a loop. */
MUST_CHECK enum ipc_got ipc_channel_wait(int fd, int ms, struct ipc_message *m, struct why *why);

#endif
