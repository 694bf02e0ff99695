#include "edge/outcome.h"

static const struct {
	const char *name;
	enum fault fault;
} outcomes[OUTCOME_MOST] = {
	[OUTCOME_OPEN] = { "open", FAULT_SELF },
	[OUTCOME_QUIT] = { "quit", FAULT_NONE },
	[OUTCOME_CLIENT_CLOSED] = { "client-closed", FAULT_NONE },
	[OUTCOME_CLIENT_CUT] = { "client-cut", FAULT_PEER },
	[OUTCOME_CLIENT_RESET] = { "client-reset", FAULT_PEER },
	[OUTCOME_CLIENT_TIMEOUT] = { "client-timeout", FAULT_PEER },
	[OUTCOME_SESSION_LIMIT] = { "session-limit", FAULT_PEER },
	[OUTCOME_TLS_FAILED] = { "tls-failed", FAULT_PEER },
	[OUTCOME_TLS_DIRTY] = { "tls-dirty", FAULT_PEER },
	[OUTCOME_BAD_LINE] = { "bad-line", FAULT_PEER },
	[OUTCOME_BAD_CHUNK] = { "bad-chunk", FAULT_PEER },
	[OUTCOME_TOO_MANY_ERRORS] = { "too-many-errors", FAULT_PEER },
	[OUTCOME_LIMIT] = { "limit", FAULT_POLICY },
	[OUTCOME_ACCESS] = { "access", FAULT_POLICY },
	[OUTCOME_NO_UPSTREAM] = { "no-upstream", FAULT_PEER },
	[OUTCOME_UPSTREAM_421] = { "upstream-421", FAULT_PEER },
	[OUTCOME_DRAINED] = { "drained", FAULT_NONE },
	[OUTCOME_SERVER_CLOSED] = { "server-closed", FAULT_NONE },
	[OUTCOME_SERVER_RESET] = { "server-reset", FAULT_PEER },
	[OUTCOME_UNREACHABLE] = { "unreachable", FAULT_PEER },
	[OUTCOME_LOOP] = { "loop", FAULT_POLICY },
	[OUTCOME_STRIPPED] = { "stripped", FAULT_POLICY },
	[OUTCOME_IDLE] = { "idle", FAULT_PEER },
	[OUTCOME_FAULT] = { "fault", FAULT_PEER },
};

static const char *const txn_outcomes[TXN_MOST] = {
	[TXN_OPEN] = "open",
	[TXN_DELIVERED] = "delivered",
	[TXN_FALLBACK] = "fallback",
	[TXN_REFUSED] = "refused",
	[TXN_REFUSED_EARLY] = "refused-early",
	[TXN_LOST] = "upstream-lost",
	[TXN_IN_DOUBT] = "in-doubt",
	[TXN_NO_UPSTREAM] = "no-upstream",
	[TXN_TLS_POLICY] = "tls-policy",
	[TXN_NO_RULES] = "no-rules",
	[TXN_CAPS_LOST] = "caps-lost",
	[TXN_BAD_BODY] = "bad-body",
	[TXN_TOO_BIG] = "too-big",
	[TXN_LOOP] = "loop",
	[TXN_NO_RECIPIENTS] = "no-recipients",
	[TXN_RESET] = "reset",
	[TXN_CLIENT_GONE] = "client-gone",
	[TXN_CUT_OFF] = "cut-off",
};

const char *outcome_name(enum outcome o)
{
	return outcomes[o].name;
}

enum fault outcome_fault(enum outcome o)
{
	return outcomes[o].fault;
}

const char *txn_outcome_name(enum txn_outcome o)
{
	return txn_outcomes[o];
}
