/* The ways of a transaction: which is open, which are parked, and which have come to nothing. */
#include "edge/outbound_inside.h"

#include "base/must.h"
#include "edge/pool.h"
#include "edge/session.h"

#include <stdlib.h>

struct outbound_way *outbound_way_now(const struct session *s)
{
	const struct outbound *o = s->outbound;

	return o->way_now >= 0 ? o->ways[o->way_now] : NULL;
}

/* What it was told has not been answered yet. */
bool outbound_is_awaited(const struct session *s)
{
	return s->leg != NULL && s->leg->state == LEG_READY && s->leg->await_count > 0;
}

static struct outbound_way *new_way(struct next_hop *hop)
{
	struct outbound_way *w = mem_new(sizeof(*w));

	w->hop = hop != NULL ? next_hop_hold(hop) : NULL;
	buf_init(&w->refused, TXN_THEIRS_MOST);
	buf_init(&w->rcpts, OUTBOUND_RCPTS_MOST);
	return w;
}

void outbound_free_way(struct outbound_way *w)
{
	if (w->leg != NULL)
		pool_dismiss(w->leg);
	next_hop_release(w->hop);
	free(w->condition);
	buf_free(&w->refused);
	buf_free(&w->rcpts);
	free(w);
}

/* It has recipients, or may have. */
bool outbound_is_needed(const struct outbound_way *w)
{
	return w->rcpt_ok > 0 || w->rcpt_sent > w->rcpt_answered;
}

/* The way that is open has come to nothing; its leg may still serve another. */
static void leave_leg(struct session *s)
{
	if (s->leg != NULL)
		pool_dismiss(s->leg);
	s->leg = NULL;
	s->outbound->way_now = -1;
}

void outbound_drop_way(struct session *s, unsigned i)
{
	struct outbound *o = s->outbound;

	if (o->way_now == (int)i)
		leave_leg(s);
	outbound_free_way(o->ways[i]);
	o->way_count--;
	o->ways[i] = o->ways[o->way_count];
	if (o->way_now == (int)o->way_count)
		o->way_now = (int)i;
}

int outbound_find_way(const struct outbound *o, const struct next_hop *hop)
{
	for (unsigned i = 0; i < o->way_count; i++) {
		if (next_hop_is_same(o->ways[i]->hop, hop))
			return (int)i;
	}
	return -1;
}

static void park(struct session *s)
{
	struct outbound_way *w = outbound_way_now(s);

	if (w == NULL)
		return;
	w->leg = s->leg;
	s->leg = NULL;
	s->outbound->way_now = -1;
}

void outbound_open_way(struct session *s, unsigned i)
{
	struct outbound *o = s->outbound;

	if (o->way_now == (int)i)
		return;
	park(s);
	o->way_now = (int)i;
	s->leg = o->ways[i]->leg;
	o->ways[i]->leg = NULL;
}

bool outbound_way_is_sound(const struct session *s)
{
	leg_fill(s->leg);
	return s->leg->state == LEG_READY && s->leg->stream.end == STREAM_OPEN && buf_used(&s->leg->stream.in) == 0;
}

void outbound_begin_way(struct session *s, struct next_hop *hop)
{
	struct outbound *o = s->outbound;

	park(s);
	o->ways[o->way_count] = new_way(hop);
	o->way_now = (int)o->way_count++;
}

struct outbound_way *outbound_begin_fallback(struct session *s)
{
	struct upstream *up = &s->edge->upstreams[s->service->fallback->index];
	struct outbound *o = s->outbound;

	outbound_begin_way(s, NULL);
	s->leg = o->fallback;
	o->fallback = NULL;
	/* It may have had enough of waiting meanwhile, or have said so. */
	if (s->leg != NULL && !outbound_way_is_sound(s)) {
		leg_free(s->leg);
		s->leg = NULL;
	}
	if (s->leg == NULL)
		s->leg = leg_new(s, up, up->plan->need);
	return outbound_way_now(s);
}

bool outbound_settle(struct session *s)
{
	struct outbound *o = s->outbound;

	if (o == NULL || o->way_count == 0 || (o->way_count == 1 && o->way_now == 0))
		return true;
	if (outbound_is_awaited(s))
		return false;
	for (unsigned i = o->way_count; i-- > 0;) {
		if (!outbound_is_needed(o->ways[i]))
			outbound_drop_way(s, i);
	}
	if (o->way_count == 1)
		outbound_open_way(s, 0);
	return true;
}

bool outbound_is_split(const struct session *s)
{
	const struct outbound *o = s->outbound;

	return o != NULL && (o->way_count > 1 || (o->way_count == 1 && o->ways[0]->condition != NULL));
}
