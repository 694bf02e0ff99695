#include "edge/phase.h"

#define TO(p) (1u << (p))
#define TO_END (TO(PHASE_CLOSING) | TO(PHASE_ENDED))

static const struct {
	const char *name;
	enum phase_limit limit;
	unsigned next;
} phases[PHASE_MOST] = {
	[PHASE_START] = { "start", PHASE_LIMIT_COMMAND,
		TO(PHASE_TLS) | TO(PHASE_COMMAND) | TO(PHASE_UPSTREAM) | TO(PHASE_WATCH) |
		TO(PHASE_TUNNEL) | TO_END },
	[PHASE_STARTTLS] = { "starttls", PHASE_LIMIT_COMMAND, TO(PHASE_TLS) | TO_END },
	[PHASE_TLS] = { "tls", PHASE_LIMIT_COMMAND,
		TO(PHASE_COMMAND) | TO(PHASE_UPSTREAM) | TO_END },
	[PHASE_COMMAND] = { "command", PHASE_LIMIT_COMMAND,
		TO(PHASE_STARTTLS) | TO(PHASE_UPSTREAM) | TO(PHASE_BODY) | TO(PHASE_DISCARD) |
		TO_END },
	[PHASE_UPSTREAM] = { "upstream", PHASE_LIMIT_NONE,
		TO(PHASE_COMMAND) | TO(PHASE_BODY) | TO(PHASE_DISCARD) | TO(PHASE_STARTTLS) |
		TO(PHASE_TLS) | TO_END },
	[PHASE_BODY] = { "body", PHASE_LIMIT_DATA,
		TO(PHASE_COMMAND) | TO(PHASE_UPSTREAM) | TO(PHASE_DISCARD) | TO(PHASE_FINAL) |
		TO_END },
	[PHASE_DISCARD] = { "discard", PHASE_LIMIT_DATA,
		TO(PHASE_COMMAND) | TO(PHASE_UPSTREAM) | TO_END },
	[PHASE_FINAL] = { "final", PHASE_LIMIT_NONE,
		TO(PHASE_COMMAND) | TO(PHASE_UPSTREAM) | TO_END },
	[PHASE_WATCH] = { "watch", PHASE_LIMIT_IDLE, TO(PHASE_TUNNEL) | TO_END },
	[PHASE_TUNNEL] = { "tunnel", PHASE_LIMIT_IDLE, TO_END },
	[PHASE_CLOSING] = { "closing", PHASE_LIMIT_LINGER, TO(PHASE_ENDED) },
	[PHASE_ENDED] = { "ended", PHASE_LIMIT_NONE, 0 },
};

const char *phase_name(enum phase p)
{
	return phases[p].name;
}

enum phase_limit phase_limit(enum phase p)
{
	return phases[p].limit;
}

bool phase_may_follow(enum phase from, enum phase to)
{
	return (phases[from].next & TO(to)) != 0;
}
