/* What a leg was told and has not answered: the replies that it owes, and what to say again to another connection. */
#include "edge/leg.h"

#include "base/must.h"

#include <string.h>

bool leg_can_await(const struct leg *l)
{
	return l->await_count < LEG_AWAIT_MOST;
}

/* The client is not waiting for it. */
static bool is_ours(enum await what)
{
	return what == AWAIT_RSET || what == AWAIT_OUR_MAIL;
}

static void await(struct leg *l, enum await what)
{
	must(leg_can_await(l));
	l->used = true;
	if (l->await_count == 0)
		l->since = l->edge->now;
	l->awaits[(l->await_head + l->await_count) % LEG_AWAIT_MOST] = (unsigned char)what;
	l->await_count++;
	if (!is_ours(what))
		l->owed++;
}

void leg_settle(struct leg *l)
{
	l->kept = false;
	l->replay_need = (struct tls_need){ .level = NEED_NONE };
	buf_free(&l->replay);
}

void leg_promise(struct leg *l, const struct tls_need *need)
{
	struct tls_need *all = &l->replay_need;

	if (!l->kept)
		return;
	if (need->level > all->level)
		all->level = need->level;
	if (need->min_bits > all->min_bits)
		all->min_bits = need->min_bits;
}

void leg_sent(struct leg *l, size_t mark, enum await what)
{
	if (l->kept && !buf_put(&l->replay, span_from(buf_peek(&l->stream.out), mark)))
		leg_settle(l);
	await(l, what);
}

struct leg *leg_again(struct leg *old)
{
	struct leg *l = old->hop != NULL ? leg_new_hop(old->session, old->up, old->hop) :
					   leg_new(old->session, old->up, old->need);

	memcpy(l->awaits, old->awaits, sizeof(l->awaits));
	l->await_head = old->await_head;
	l->await_count = old->await_count;
	l->owed = old->owed;
	l->transaction = old->transaction;
	l->replaying = true;
	l->replay_caps = old->client.caps.have;
	l->replay_need = old->replay_need;
	must(buf_put(&l->replay, buf_peek(&old->replay)));
	leg_abort(old);
	leg_free(old);
	return l;
}

/* True where it could be said again. What the commands made use of must be on offer here too, and so must be the TLS
 * that the recipients were let through for: under `may` this connection may have none. */
bool leg_replay(struct leg *l)
{
	bool fits = (l->replay_caps & ~l->client.caps.have) == 0;
	struct tls_facts facts;
	struct why why;

	must(l->state == LEG_READY && l->replaying);
	leg_facts(l, &facts);
	fits = fits && need_met(&l->replay_need, &facts, &why);
	l->replaying = false;
	fits = fits && buf_put(&l->stream.out, buf_peek(&l->replay));
	buf_free(&l->replay);
	l->since = l->edge->now;
	return fits;
}

enum await leg_awaited(const struct leg *l)
{
	must(l->await_count > 0);
	return (enum await)l->awaits[l->await_head];
}

void leg_answered(struct leg *l)
{
	if (!is_ours(leg_awaited(l)))
		l->owed--;
	l->await_head = (l->await_head + 1) % LEG_AWAIT_MOST;
	l->await_count--;
	l->since = l->edge->now;
}

void leg_forget_newest(struct leg *l)
{
	must(l->await_count > 0);
	l->await_count--;
	l->owed--;
}
