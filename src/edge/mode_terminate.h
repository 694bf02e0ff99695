/* edge/mode_terminate.h
 * Our own dialogue with each side: commands of the client are taken apart, answered by
 * ourselves or written anew for the upstream; replies of the upstream go back as they came.
 *
 * One rule keeps the replies in order: a command that we answer ourselves waits in the
 * input until the upstream has answered all before it. A group of commands that all go to the
 * upstream goes there in one piece and costs one round trip. */
#ifndef EDGE_MODE_TERMINATE_H
#define EDGE_MODE_TERMINATE_H

#include "edge/mode.h"

/* Room in the client's queue of replies that must be there before anything is read that
 * will be answered: the longest reply an upstream can give, and a line of ours. */
#define TERMINATE_REPLY_ROOM (TXN_THEIRS_MOST + SMTP_LINE_MOST)

/* --- between the files of this mode --- */

/* mode_terminate.c: sees to it that there is a leg, on its way at least. `name`: what the client calls itself. */
enum leg_state terminate_want_leg(struct session *s, struct span name);
void terminate_let_go(struct session *s);

/* What a command did. */
enum terminate_taken {
	TERMINATE_TAKEN,       /* answered, or sent on: off the input */
	TERMINATE_WAIT,  /* not yet: it stays at the front of the input */
	TERMINATE_ENDED, /* the session is closing */
};

/* terminate_send.c: commands that were admitted. */
enum terminate_taken terminate_mail(struct session *s, const struct smtp_cmd *cmd, struct span line);
enum terminate_taken terminate_rcpt(struct session *s, const struct smtp_cmd *cmd);
enum terminate_taken terminate_data(struct session *s);
enum terminate_taken terminate_bdat(struct session *s, const struct smtp_cmd *cmd);
enum terminate_taken terminate_auth(struct session *s, const struct smtp_cmd *cmd);
/* A line of the exchange that AUTH has begun; `text` behind `lead`, as it is. */
enum terminate_taken terminate_sasl_line(struct session *s, struct span line);
enum terminate_taken terminate_send_sasl(struct session *s, const char *lead, struct span text);

/* terminate_hello.c */
void terminate_say_ehlo(struct session *s, const struct smtp_cmd *cmd);
/* Who the client shall think it speaks with. */
const char *terminate_our_name(const struct session *s);

/* terminate_reply.c: replies of the upstream. */
bool terminate_replies(struct session *s);
/* The upstream is gone or can't be understood: everything that waits for it is answered. */
void terminate_lost(struct session *s, const struct why *why);
/* A connection that was kept and is found dead has answered nothing yet: a new one is told again what that
 * one was told (SPEC SUB-16). True where something moved. */
bool terminate_replay(struct session *s);
/* Ends the transaction at the upstream as well. */
void terminate_reset_upstream(struct session *s);

/* terminate_body.c: the message. */
void terminate_begin_body(struct session *s); /* the upstream said 354 */
/* The octets of a BDAT that was admitted. False: the upstream's queue is full, ask again. */
MUST_CHECK bool terminate_begin_chunk(struct session *s, const struct smtp_cmd *cmd);
bool terminate_body(struct session *s);
/* With a verdict, what the upstream has of the message must never become one: the end of its
 * connection sees to that, once it has answered what was said before. `announced`: the BDAT of the
 * present chunk is with it, and will never be whole. */
void terminate_stop(struct session *s, bool announced);
/* The client has sent its last octet, and the verdict is the answer. */
void terminate_verdict(struct session *s);
bool terminate_discard(struct session *s);

#endif
