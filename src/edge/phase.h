/* edge/phase.h
 * What the two dialogues of a session are doing together. The table gives each phase its
 * name, what its wait is measured by, and which phases may follow. */
#ifndef EDGE_PHASE_H
#define EDGE_PHASE_H

#include <stdbool.h>

enum phase {
	PHASE_START,    /* accepted, nothing said */
	PHASE_STARTTLS, /* our 220 is leaving; nothing is read until TLS stands */
	PHASE_TLS,      /* the client's handshake */
	PHASE_COMMAND,  /* it is the client's turn */
	PHASE_UPSTREAM, /* it is the upstream's turn: to be connected, or to answer */
	PHASE_BODY,     /* the message, or a chunk of it, is on its way */
	PHASE_DISCARD,  /* a body that was refused is read to its end */
	PHASE_FINAL,    /* the message is whole: the upstream's word */
	PHASE_WATCH,    /* two others speak SMTP through us */
	PHASE_TUNNEL,   /* ... or TLS, or whatever it is */
	PHASE_CLOSING,  /* our last words are leaving */
	PHASE_ENDED,
	PHASE_MOST,
};

/* The limit that ends the wait of the client's side in a phase. */
enum phase_limit {
	PHASE_LIMIT_NONE,    /* the upstream's limits hold instead */
	PHASE_LIMIT_COMMAND, /* service.timeout_command since the phase began */
	PHASE_LIMIT_DATA,    /* service.timeout_data since the client's bytes last moved */
	PHASE_LIMIT_IDLE,    /* service.timeout_command since bytes last moved either way */
	PHASE_LIMIT_LINGER,  /* a few seconds */
};

const char *phase_name(enum phase p);
enum phase_limit phase_limit(enum phase p);
bool phase_may_follow(enum phase from, enum phase to);

#endif
