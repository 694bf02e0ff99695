/* smtp/smtp_watch.h
 * Reads along in a dialogue between two others, and passes it on: which octets are commands, which are a
 * message, which reply answers what, and when TLS begins. Nothing is changed but the one thing that `strip` asks
 * for. Pure.
 *
 * It is as strict as the rest of this folder: a bare CR or LF or a NUL in a command or a message ends the
 * dialogue, because its two ends may read it differently (law 3); and so do octets behind STARTTLS
 * or behind the 220 that grants it (law 2). */
#ifndef SMTP_WATCH_H
#define SMTP_WATCH_H

#include "base/why.h"
#include "smtp/smtp_answer.h"
#include "smtp/smtp_caps.h"
#include "smtp/smtp_data.h"

/* Replies that may be outstanding; beyond it the client waits. */
#define SMTP_WATCH_AWAITS 256
/* A line of a SASL exchange (SPEC SUB-7). */
#define SMTP_WATCH_AUTH_MOST 12288
/* Buffers of the streams must hold a whole EHLO reply. */
#define SMTP_WATCH_ROOM (2 * SMTP_REPLY_MOST)

/* What the client's octets are. */
enum smtp_watch_part {
	SMTP_WATCH_COMMAND,
	SMTP_WATCH_HOLD,   /* DATA, AUTH or STARTTLS was said: the reply decides what comes next */
	SMTP_WATCH_SASL,   /* one line that answers a 334 */
	SMTP_WATCH_BODY,
	SMTP_WATCH_CHUNK,
};

enum smtp_watch_found {
	SMTP_WATCH_STILL, /* nothing could be moved */
	SMTP_WATCH_MOVED,
	SMTP_WATCH_TLS,   /* 220 to STARTTLS has been passed on: what follows is TLS */
	SMTP_WATCH_FAULT, /* `why` says it, `answer` is for the client; both connections must end */
};

struct smtp_watch {
	bool strip;               /* take STARTTLS out (SPEC MC-2) */
	enum smtp_watch_part part;
	unsigned char awaits[SMTP_WATCH_AWAITS];
	unsigned await_head, await_count;
	size_t reply_at;          /* octets of server_in that belong to lines of the reply already seen */
	unsigned reply_lines;
	int reply_code;           /* of the reply being read; 0: its first line is still to come */
	struct smtp_data_reader body;
	uint64_t chunk_left;
	bool greeted;             /* the first reply has been passed on */
	bool offered_tls;         /* an EHLO reply had STARTTLS */
	unsigned stripped;        /* keywords taken out */
	unsigned messages;        /* 2xx to the end of a message */
	unsigned commands;
	struct buf helo;          /* of the last EHLO or HELO, for the log */
	const struct smtp_answer *answer;
};

/* The four queues of the two streams. */
struct smtp_watch_io {
	struct buf *client_in, *client_out, *server_in, *server_out;
};

void smtp_watch_init(struct smtp_watch *w, bool strip);
void smtp_watch_free(struct smtp_watch *w);

enum smtp_watch_found smtp_watch_client(struct smtp_watch *w, const struct smtp_watch_io *io,
					struct why *why);
enum smtp_watch_found smtp_watch_server(struct smtp_watch *w, const struct smtp_watch_io *io,
					struct why *why);

#endif
