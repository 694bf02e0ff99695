/* ipc/ipc_line.h
 * A line between two children of the master: whole messages of any octets, up to a ceiling, each with at most one
 * descriptor. What they mean is the ends' business (policy/policy_message.h). Nothing is queued on our side. */
#ifndef IPC_LINE_H
#define IPC_LINE_H

#include "base/buf.h"
#include "base/why.h"

enum ipc_line_got {
	IPC_LINE_MESSAGE, /* `in` has it, alone; *fd is the descriptor that came with it, close-on-exec and the caller's, or -1 */
	IPC_LINE_NOTHING, /* none is waiting */
	IPC_LINE_END,     /* the other side is gone, or what came is longer than `in` may be: close the line */
};

/* Both ends non-blocking and close-on-exec, with room for a message of POLICY_MESSAGE_MOST octets. */
MUST_CHECK bool ipc_line_pair(int ends[2], struct why *why);

/* `fd`: goes along, stays the caller's; -1: none. Never waits. False with `why`: full (errno EAGAIN), or the other side is gone. */
MUST_CHECK bool ipc_line_send(int line, struct span octets, int fd, struct why *why);
MUST_CHECK enum ipc_line_got ipc_line_receive(int line, struct buf *in, int *fd);

#endif
