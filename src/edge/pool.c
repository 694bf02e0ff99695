#include "edge/pool.h"

#include "base/must.h"
#include "edge/session.h"

static const struct conf_upstream *settings(const struct leg *l)
{
	return l->up->plan->conf;
}

/* The first lines of a reply that nobody asked for would become those of the next one. */
static bool has_half_a_reply(const struct leg *l)
{
	return buf_used(&l->stream.in) > 0 || (!l->reader.whole && l->reader.reply.lines > 0);
}

static bool is_clean(const struct leg *l)
{
	return l->state == LEG_READY && l->await_count == 0 && !l->transaction && !l->closing &&
	       l->stream.end == STREAM_OPEN && !has_half_a_reply(l) && stream_flushed(&l->stream);
}

bool pool_put(struct leg *l)
{
	struct upstream *up = l->up;

	if (!is_clean(l) || l->bare || l->session->target.len > 0 || l->edge->draining ||
	    up->idle_count >= settings(l)->pool)
		return false;
	l->session = NULL;
	l->since = l->edge->now;
	stream_rest(&l->stream);
	l->next_idle = up->idle;
	up->idle = l;
	up->idle_count++;
	edge_pool_changed(l->edge);
	return true;
}

static void unlink_idle(struct leg *l)
{
	struct leg **at = &l->up->idle;

	while (*at != l)
		at = &(*at)->next_idle;
	*at = l->next_idle;
	l->next_idle = NULL;
	l->up->idle_count--;
}

/* A word of farewell costs nothing where it fits the socket; nobody waits for the answer. */
static void say_bye(struct leg *l)
{
	if (l->stream.end == STREAM_OPEN && buf_put(&l->stream.out, SPAN("QUIT\r\n"))) {
		stream_finish(&l->stream);
		stream_flush(&l->stream, l->edge->now);
	}
	leg_free(l);
}

static void close_idle(struct leg *l)
{
	unlink_idle(l);
	say_bye(l);
}

void pool_dismiss(struct leg *l)
{
	if (l->state != LEG_READY || l->await_count > 0)
		leg_free(l);
	else if (!pool_put(l))
		say_bye(l);
}

/* Anything that has come is an end: FIN, or 421, or what nobody asked for. */
static bool is_alive(struct leg *l)
{
	stream_fill(&l->stream, l->edge->now);
	return is_clean(l);
}

void pool_event(struct leg *l)
{
	if (!is_alive(l))
		close_idle(l);
}

static bool is_stale(const struct leg *l)
{
	return l->edge->now - l->since >= settings(l)->pool_idle;
}

static bool fits(const struct leg *l, const struct tls_need *need, const struct next_hop *hop)
{
	if (hop != NULL || l->hop != NULL)
		return hop != NULL && l->hop != NULL && next_hop_is_same(l->hop, hop);
	return l->need.level == need->level && l->need.min_bits == need->min_bits;
}

static struct leg *take(struct session *s, struct upstream *up, const struct tls_need *need,
			const struct next_hop *hop)
{
	struct leg *l = up->idle, *next;

	for (; l != NULL; l = next) {
		next = l->next_idle;
		if (!fits(l, need, hop))
			continue;
		if (is_stale(l) || !is_alive(l)) {
			close_idle(l);
			continue;
		}
		unlink_idle(l);
		l->session = s;
		l->kept = true;
		l->reused++;
		edge_count(s->edge, COUNT_UPSTREAM_REUSED, 1);
		return l;
	}
	return NULL;
}

struct leg *pool_take(struct session *s, struct upstream *up, const struct tls_need *need)
{
	return take(s, up, need, NULL);
}

struct leg *pool_take_hop(struct session *s, struct upstream *up, struct next_hop *hop)
{
	return take(s, up, NULL, hop);
}

static msec sweep_one(struct upstream *up, bool all, msec next_at)
{
	struct leg *l = up->idle, *next;

	for (; l != NULL; l = next) {
		next = l->next_idle;
		if (all || is_stale(l))
			close_idle(l);
		else if (l->since + settings(l)->pool_idle < next_at)
			next_at = l->since + settings(l)->pool_idle;
	}
	return next_at;
}

msec pool_sweep(struct edge *e, bool all)
{
	msec at = MSEC_NEVER;

	for (size_t i = 0; i < e->upstream_count; i++)
		at = sweep_one(&e->upstreams[i], all, at);
	return at;
}
