/* smtp/smtp_watch.h
 * Reads along in a dialogue between two others, and passes it on: which octets are commands, which are a
 * message, which reply answers what, and when TLS begins. Nothing is changed but the one thing that `strip` asks
 * for. Pure.
 *
 * It is as strict as the rest of this folder: a bare CR or LF or a NUL in a command or a message ends the
 * dialogue, because its two ends may read it differently (law 3); and so do octets behind STARTTLS
 * or behind the 220 that grants it (law 2). What we say ourselves never overtakes a reply of the server. */
#ifndef SMTP_WATCH_H
#define SMTP_WATCH_H

#include "base/why.h"
#include "smtp/smtp_answer.h"
#include "smtp/smtp_cmd.h"
#include "smtp/smtp_data.h"
#include "smtp/smtp_reply.h"
#include "smtp/smtp_sasl.h"

/* Replies that may be outstanding; beyond it the client waits. */
#define SMTP_WATCH_AWAITS 256
/* A line of a SASL exchange (SPEC SUB-7, RFC 4954 section 4). */
#define SMTP_WATCH_AUTH_MOST 12288
/* Room in client_out before a reply is looked at: it is passed on as a whole. */
#define SMTP_WATCH_ROOM (2 * SMTP_REPLY_MOST)

/* What the client's octets are. */
enum smtp_watch_part {
	SMTP_WATCH_COMMAND,
	SMTP_WATCH_HOLD,    /* DATA, AUTH or STARTTLS was said: the reply decides what comes next */
	SMTP_WATCH_SASL,    /* one line that answers a 334 */
	SMTP_WATCH_BODY,
	SMTP_WATCH_DISCARD, /* the rest of a message that was spoilt */
	SMTP_WATCH_CHUNK,
};

enum smtp_watch_found {
	SMTP_WATCH_STILL, /* nothing could be moved */
	SMTP_WATCH_MOVED,
	SMTP_WATCH_TLS,   /* 220 to STARTTLS has been passed on: what follows is TLS */
	/* `why` says it: the message must not arrive, so the server's connection must be reset now. The client's
	 * octets go on to be read, to the real end of its message; then comes SMTP_WATCH_FAULT. */
	SMTP_WATCH_SPOILT,
	SMTP_WATCH_FAULT, /* `why` says it, `answer` is for the client; both connections must end */
};

struct smtp_watch {
	const char *sid;          /* not owned */
	bool strip;               /* take STARTTLS out (SPEC MC-2) */
	bool mute;                /* nothing can be said to the client any more; set by the caller */
	enum smtp_watch_part part;
	unsigned char awaits[SMTP_WATCH_AWAITS]; /* a ring */
	unsigned await_head, await_count;
	size_t reply_at;          /* octets of server_in that belong to lines of the reply already seen */
	unsigned reply_lines;
	int reply_code;           /* of the reply being read */
	struct smtp_data_reader body;
	uint64_t chunk_left;
	bool transaction;         /* MAIL was said, and nothing that ends it */
	bool went_on;             /* the client said more than EHLO, STARTTLS and QUIT */
	bool quit;                /* QUIT was answered */
	bool offered_tls;         /* an EHLO reply had STARTTLS */
	bool refused_tls;         /* the server's answer to STARTTLS was another than 220 */
	unsigned stripped;        /* keywords taken out */
	unsigned messages;        /* 2xx to the end of a message */
	struct smtp_sasl sasl;    /* who logs in, for the log */
	bool auth;                /* and the server has said 235 */
	struct buf helo;          /* of the last EHLO or HELO, for the log */
	const struct smtp_answer *answer;
};

/* The four queues of the two streams. client_out must hold SMTP_WATCH_ROOM and a line; server_out a line of AUTH. */
struct smtp_watch_io {
	struct buf *client_in, *client_out, *server_in, *server_out;
};

void smtp_watch_init(struct smtp_watch *w, bool strip, const char *sid);
void smtp_watch_free(struct smtp_watch *w);

/* One step each: a line, a run of a message, a reply. The client's is to be called until it is STILL, and then again
 * after each step of the server's: octets that came behind STARTTLS must be seen before the 220 is passed on, and
 * it must not matter whether two replies come together or apart. After FAULT and TLS neither is called again,
 * after SPOILT smtp_watch_server is not. */
enum smtp_watch_found smtp_watch_client(struct smtp_watch *w, const struct smtp_watch_io *io,
					struct why *why);
enum smtp_watch_found smtp_watch_server(struct smtp_watch *w, const struct smtp_watch_io *io,
					struct why *why);

/* Nothing is under way: no command without its reply, no transaction. */
bool smtp_watch_idle(const struct smtp_watch *w);
/* STARTTLS was taken out, and since then the client has said nothing of importance (SPEC MC-3). */
bool smtp_watch_missed_tls(const struct smtp_watch *w);

#endif
