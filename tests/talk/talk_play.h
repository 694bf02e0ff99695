/* Plays a talk once, in one way of delivering its octets. */
#ifndef TALK_PLAY_H
#define TALK_PLAY_H

#include "talk_script.h"

struct talk_way {
	size_t piece;       /* octets that leave at once, at the most */
	uint64_t cut_at;    /* after so many octets all peers wait until nothing moves; UINT64_MAX: never */
	size_t window_out;  /* 0: as the talk says */
	bool whole;         /* nothing is cut, nobody is slow */
	bool print;         /* all that is said, to stderr */
};

struct talk_played {
	uint64_t sent;      /* octets of all peers */
	struct buf *tape;   /* may be NULL; see world.h */
	bool used_tls;
	char wrong[1024];   /* empty: all went as told */
};

/* Holds `plan`. */
void talk_play(const struct talk *t, struct plan *plan, const struct talk_way *way,
	       struct talk_played *played);

/* --- for talk_fact.c --- */

struct talk_backlog {
	unsigned steps[512]; /* numbers of steps that wait for their peer */
	unsigned first, count;
};

struct play {
	const struct talk *talk;
	const struct talk_way *way;
	struct world world;
	struct talk_backlog upstreams[TALK_PEERS + 1];
	bool any[2][TALK_PEERS + 1];   /* what else comes is fine; [1]: clients */
	bool header_due[TALK_PEERS]; /* of upstreams: our Received field is to come before anything else */
	struct {
		uint32_t id;
		const struct talk_domain *domain;
	} asks[TALK_DOMAINS];          /* questions of the gateway that are still to be answered */
	unsigned ask_count;
	struct buf said[2];            /* all that upstreams and clients were told, in order */
	struct talk_played *played;
};

/* The first thing that went wrong stands. */
void talk_play_fail(struct play *p, const struct talk_step *s, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* What came to it is QUIT, or as much of it as it took at once, and the end of the connection: that need not be told. */
bool talk_play_is_farewell(const struct world_peer *peer);

/* What stands at the front of what came to `peer` was told. */
void talk_play_take(struct play *p, struct world_peer *peer, size_t used);

/* talk_see.c: one step that says what a peer must see. What was seen is taken. A failure is noted where it
 * is certain; what has not come yet may still come. */
enum talk_seen { TALK_SEEN, TALK_SEEN_NOT_YET, TALK_SEEN_WRONG };
enum talk_seen talk_see(struct play *p, const struct talk_step *s, struct world_peer *peer);
/* The same where nothing more will come. */
void talk_see_now(struct play *p, const struct talk_step *s, struct world_peer *peer);

/* talk_fact.c */
void talk_fact_check(struct play *p, const struct talk_step *s);

#endif
