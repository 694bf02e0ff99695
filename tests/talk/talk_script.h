/* A talk as it stands in its file, read into steps. The format is told in README.md. */
#ifndef TALK_SCRIPT_H
#define TALK_SCRIPT_H

#include "base/clock.h"
#include "harness/world.h"
#include "talk_text.h"

#define TALK_PEERS 16       /* of a kind */
#define TALK_ALTERNATIVES 4
#define TALK_DOMAINS 16
#define TALK_YAML_MOST 8192

enum talk_mode { TALK_TERMINATE, TALK_WATCH, TALK_STRIP, TALK_TUNNEL, TALK_TRANSPARENT, TALK_OUTBOUND };

/* Where mail for a domain goes: see talk_route.h. "silent": nobody answers. */
struct talk_domain {
	char *name, *said;
};

struct talk_who {
	bool client;
	unsigned number; /* from 1 */
};

enum talk_kind {
	TALK_SAY,        /* texts[0] leaves */
	TALK_ACT,        /* words[]: what the peer does besides speaking */
	TALK_SEE,        /* one of texts[] must be next, of the first whole_count where nothing is cut */
	TALK_SEE_REPLY,  /* a whole reply with this code, whatever its lines say */
	TALK_SEE_RECEIVED, /* a Received field */
	TALK_SEE_BDAT,   /* a BDAT command (`last`) with a chunk that is texts[0], behind a Received field or not */
	TALK_SEE_END,    /* how the gateway ended the connection: arg */
	TALK_SEE_ANY,    /* whatever comes from now on is fine */
	TALK_PAUSE,
	TALK_WAIT,
	TALK_DRAIN,
	TALK_FACT,       /* arg */
};

struct talk_step {
	unsigned line;
	enum talk_kind kind;
	struct talk_who who;
	struct talk_text texts[TALK_ALTERNATIVES];
	unsigned text_count;
	unsigned whole_count; /* so many of them hold where the talk is played whole */
	bool last;
	msec wait;
	char *arg;
};

struct talk {
	char *path, *name;
	char *yaml;               /* the configuration, whole */
	enum talk_mode mode;
	char *target;             /* whom clients call; NULL: as ever */
	bool ourselves;           /* and that is the gateway */
	struct talk_domain domains[TALK_DOMAINS];
	unsigned domain_count;
	bool sparse;              /* cut at few places */
	size_t window_in, window_out;
	bool implicit[TALK_PEERS + 1];            /* client n begins with TLS */
	enum world_fate fates[TALK_PEERS + 1];    /* of upstream connection n */
	char *sealed[TALK_PEERS + 1];             /* upstream n begins with TLS: "CERT PROFILE" */
	struct talk_step *steps;
	unsigned count, room;
};

/* NULL with the place and the cause in `why`. */
struct talk *talk_script_read(const char *path, char *why, size_t size);
void talk_script_free(struct talk *t);

/* "500ms", "30s", "5m", "2h". */
bool talk_script_time(struct span s, msec *out);

#endif
