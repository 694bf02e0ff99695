/* The load generator: what it was asked for, and what it has found. */
#ifndef LOAD_H
#define LOAD_H

#include "mail.h"
#include "wire.h"

enum load_tls { LOAD_PLAIN, LOAD_STARTTLS, LOAD_IMPLICIT };

/* Where a session stops and is held; or what it does at all. */
enum load_what {
	LOAD_MAIL,
	LOAD_HANDSHAKE,  /* EHLO, STARTTLS, EHLO, QUIT */
	LOAD_HOLD,       /* held behind the last EHLO; then behind one message */
};

struct load_options {
	struct sockaddr_in to;
	enum load_tls tls;
	enum load_what what;
	bool resume, bdat, one_by_one; /* one command at a time */
	unsigned conns;     /* at a time, or under way while sessions to hold are opened */
	unsigned messages;  /* of a connection; 0: no end */
	unsigned rcpts;
	size_t size;
	double seconds;     /* 0: until `count` */
	uint64_t count;     /* messages, or sessions where there are none; 0: until `seconds` */
	double rate;        /* a second, open loop; 0: closed loop */
	unsigned keep;      /* open loop: connections kept; 0: a new one each time */
	unsigned hold;
	uint64_t first_id;
	unsigned sources;   /* addresses 127.0.0.2 and following to come from */
};

struct load {
	struct load_options o;
	struct mail mail;
	SSL_CTX *ctx;
	SSL_SESSION *ticket; /* the newest */
	uint64_t next_id, started, sessions, tls, resumed;
	uint64_t acked, acked_sum, octets, failed;
	char error[200];     /* the first one */
	uint32_t *latencies; /* microseconds, one for each acked message, or session */
	size_t latency_count, latency_room;
	unsigned open, held;
	bool over;           /* nothing new is begun */
	unsigned mailed;     /* sessions held behind their message */
};

extern struct load load;

void load_failed(const char *where, const char *what);
void load_latency(int64_t usec);

/* load_call.c: one connection. `due`: when it should have begun; its latency counts from there. */
struct call;
struct call *call_new(int64_t due);
/* A connection that waits behind EHLO takes a message due then; false: there is none. */
bool call_give(int64_t due);
/* Each held session says QUIT. */
void call_let_go(void);

#endif
