/* ipc/ipc_message.h
 * What the master and its children say to each other: few kinds, each of bounded size.
 * Encoding and decoding are pure. Decoding is total and strict: one form for each message, no octet
 * left over, so what decodes encodes to the same octets again. A child is believed no
 * more than a peer: a message that does not decode closes that channel. */
#ifndef IPC_MESSAGE_H
#define IPC_MESSAGE_H

#include "base/why.h"
#include "io/addr.h"

#define IPC_LISTENS_MOST 1024 /* listening sockets of one edge */
#define IPC_ADDRS_MOST 16     /* addresses of one host */
#define IPC_NAME_MOST 256     /* a host name with its NUL */
#define IPC_MESSAGE_MOST (64 + 8 * IPC_LISTENS_MOST)
#define IPC_SAME_USER UINT32_MAX

enum ipc_kind {
	IPC_START = 1, /* master -> child, first of all */
	IPC_READY,     /* edge -> master: the plan is built, connections are taken */
	IPC_DRAIN,     /* master -> edge */
	IPC_ASK,       /* master -> resolver: a name to keep resolved */
	IPC_ADDRS,     /* resolver -> master -> edge */
	IPC_WANT,      /* edge -> master: sockets that only the master can make */
	IPC_SOCKETS,   /* master -> edge: the answer, with as many descriptors as it says */
	IPC_LINE,      /* master -> edge and route, with one descriptor: its end of a line between the two (ipc/ipc_line.h) */
};

struct ipc_listen {
	uint32_t fd;     /* as inherited */
	uint32_t listen; /* index into plan->listens; several sockets may have the same */
};

struct ipc_start {
	uint32_t generation;
	uint32_t slot;       /* in shared memory; 0 for a role that has none */
	uint32_t index;      /* of the edge, from 0 */
	uint32_t uid, gid;   /* to become; IPC_SAME_USER: stay */
	int64_t checked_at;  /* wall clock when the master checked the configuration: an edge that is
	                      * restarted a month later must not judge dates anew and refuse to start */
	uint32_t listen_count;
	struct ipc_listen listens[IPC_LISTENS_MOST];
};

/* Take no more connections: accept what already waits in the queues, then close the listening
 * sockets (the last copy, where the address has gone from the configuration). `stop` false: sessions
 * go on to their own ends (reload). `stop` true: the service ends, sessions are told
 * 421 4.3.2 when they may be, within drain_timeout. The second may follow the first. */
struct ipc_drain {
	bool stop;
};

struct ipc_ask {
	uint32_t upstream, host; /* indices in the plan; see PLAN_NAMES there */
	uint16_t port;
	char name[IPC_NAME_MOST]; /* printable ASCII, not empty */
};

struct ipc_addrs {
	uint32_t upstream, host;
	uint32_t count;          /* 1 to IPC_ADDRS_MOST */
	struct addr addrs[IPC_ADDRS_MOST];
};

/* Fresh sockets for the upstream side of transparent services: non-blocking, unbound, marked (`mark` of the
 * configuration). Each WANT is answered by one SOCKETS of the same family and kind, with fewer or none
 * where no more could be made. */
#define IPC_SOCKETS_MOST 16

struct ipc_sockets {
	uint32_t count;  /* WANT: 1 to IPC_SOCKETS_MOST; SOCKETS: 0 too */
	bool v6;
	bool any_source; /* may be bound to anybody's address (IP_TRANSPARENT) */
};

/* A new line takes the place of the one that this edge had before. A process that has no descriptor
 * to spare gets the message without one, and has no line then. */
struct ipc_end {
	uint32_t edge; /* index, of the generation that both are of */
};

struct ipc_message {
	enum ipc_kind kind;
	union {
		struct ipc_start start;
		struct ipc_drain drain;
		struct ipc_ask ask;
		struct ipc_addrs addrs;
		struct ipc_sockets want, sockets;
		struct ipc_end line;
	};
};

/* The octets of `m`; how many. A message out of its bounds is a bug of ours. */
size_t ipc_message_encode(const struct ipc_message *m, char out[IPC_MESSAGE_MOST]);

/* False with `why` (FAULT_PEER) where the octets are not exactly one message. */
MUST_CHECK bool ipc_message_decode(struct span bytes, struct ipc_message *m, struct why *why);

#endif
