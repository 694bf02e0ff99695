#include "ctl/ctl_probe_host.h"

#include "base/clock.h"
#include "base/must.h"
#include "io/loop.h"
#include "io/sock.h"
#include "io/stream.h"
#include "smtp/smtp_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

/* All of a conversation, in steps as long as the longest one: a host that drips never comes to its end. */
#define STEPS_MOST 6
#define BYE_MSEC 1000

struct talk {
	const struct ctl_probe_ask *ask;
	struct ctl_probe_found *found;
	struct stream stream;
	struct smtp_client client;
	struct smtp_reply_reader reader;
	bool securing, over;
	msec until, end;
};

/* False where nothing came in time. */
static bool wait_for(int fd, short events, msec until, short *got)
{
	struct pollfd one = { .fd = fd, .events = events };
	msec left = until - clock_now();
	int n;

	do {
		n = left > 0 ? poll(&one, 1, (int)left) : 0;
		left = until - clock_now();
	} while (n < 0 && errno == EINTR && left > 0);
	*got = one.revents;
	return n > 0;
}

/* -1 with `why`. */
static int dial(const struct ctl_probe_ask *ask, struct why *why)
{
	enum sock_state state = SOCK_PENDING;
	int fd = sock_connect(&ask->at, why);
	short got;

	if (fd < 0)
		return -1;
	if (wait_for(fd, POLLOUT, clock_now() + ask->connect, &got))
		state = sock_connected(fd, why);
	if (state == SOCK_CONNECTED)
		return fd;
	if (state == SOCK_PENDING)
		why_set(why, FAULT_PEER, "no answer to our connection in time");
	close(fd);
	return -1;
}

static void finish(struct talk *t, enum ctl_probe_end end, const struct why *why)
{
	t->found->end = end;
	if (why != NULL)
		t->found->why = *why;
	t->over = true;
}

static void give_up(struct talk *t, const char *text)
{
	struct why why;

	why_set(&why, FAULT_PEER, "%s", text);
	finish(t, t->securing ? CTL_PROBE_TLS_FAILED : CTL_PROBE_LOST, &why);
}

static void start_tls(struct talk *t)
{
	struct tls_conn *tls = tls_conn_connect(t->ask->tls, t->ask->sni, t->ask->expect, "");
	struct why why;

	if (stream_start_tls(&t->stream, tls, &why)) {
		t->securing = true;
		return;
	}
	tls_conn_free(tls);
	finish(t, t->stream.end != STREAM_OPEN ? CTL_PROBE_TLS_FAILED : CTL_PROBE_TLS_DIRTY, &why);
}

static void look_at_chain(struct talk *t)
{
	struct ctl_probe_found *found = t->found;

	found->chain_count = tls_chain_read(t->stream.tls, found->chain);
	for (unsigned i = 0; i < CTL_PROBE_NAMES_MOST; i++)
		found->has_name[i] = t->ask->names[i] != NULL && tls_chain_has_name(t->stream.tls, t->ask->names[i]);
}

static bool step_tls(struct talk *t)
{
	if (t->stream.end != STREAM_OPEN) {
		finish(t, CTL_PROBE_TLS_FAILED, &t->stream.why);
		return true;
	}
	if (t->stream.handshaking)
		return false;
	t->securing = false;
	look_at_chain(t);
	must(smtp_client_tls_on(&t->client, &t->stream.out));
	return true;
}

static enum tls_absent absent(const struct smtp_client *c)
{
	switch (c->no_tls) {
	case SMTP_NO_TLS_OFFERED:
		return TLS_ABSENT_NOT_OFFERED;
	case SMTP_NO_TLS_REFUSED:
		return TLS_ABSENT_REFUSED;
	case SMTP_NO_TLS_ASKED:
		break;
	}
	return TLS_ABSENT_UNWANTED;
}

static void ready(struct talk *t)
{
	struct ctl_probe_found *found = t->found;

	found->facts = (struct tls_facts){ .absent = absent(&t->client) };
	if (t->stream.tls != NULL)
		tls_conn_facts(t->stream.tls, &found->facts);
	found->caps = t->client.caps.have;
	finish(t, CTL_PROBE_READY, NULL);
}

static void take_reply(struct talk *t)
{
	struct why why = { .fault = FAULT_NONE };

	switch (smtp_client_reply(&t->client, &t->reader.reply, &t->stream.out, &why)) {
	case SMTP_CLIENT_WAIT:
	case SMTP_CLIENT_NAME:
		break;
	case SMTP_CLIENT_START_TLS:
		start_tls(t);
		break;
	case SMTP_CLIENT_GO:
		ready(t);
		break;
	case SMTP_CLIENT_FAIL:
		finish(t, CTL_PROBE_LOST, &why);
		break;
	}
	t->found->offers_tls = t->client.offers_tls;
	t->until = clock_now() + t->ask->patience;
}

static bool step(struct talk *t)
{
	struct why why;

	if (t->securing)
		return step_tls(t);
	switch (smtp_reply_next(&t->reader, &t->stream.in, &why)) {
	case SMTP_REPLY_WHOLE:
		take_reply(t);
		return true;
	case SMTP_REPLY_BAD:
		finish(t, CTL_PROBE_LOST, &why);
		return true;
	case SMTP_REPLY_MORE:
		break;
	}
	if (t->stream.end == STREAM_OPEN)
		return false;
	why = t->stream.why;
	if (t->stream.end == STREAM_CLOSED)
		why_set(&why, FAULT_PEER, "it closed the connection before it was ready");
	finish(t, CTL_PROBE_LOST, &why);
	return true;
}

/* False where it has to be waited for longer than it may. */
static bool turn(struct talk *t, msec until)
{
	short events = POLLIN, got;
	bool moved = stream_flush(&t->stream, clock_now());

	moved |= stream_fill(&t->stream, clock_now());
	moved |= !t->over && step(t);
	if (moved || t->over)
		return true;
	if (!stream_flushed(&t->stream))
		events |= POLLOUT;
	if (!wait_for(t->stream.fd, events, until, &got))
		return false;
	stream_ready(&t->stream, ((got & ~POLLOUT) != 0 ? LOOP_READ : 0u) | ((got & POLLOUT) != 0 ? LOOP_WRITE : 0u));
	return true;
}

static void converse(struct talk *t)
{
	while (!t->over) {
		msec until = t->until < t->end ? t->until : t->end;

		if (!turn(t, until) || clock_now() >= t->end)
			give_up(t, t->securing ? "the handshake did not end in time" : "no reply in time");
	}
}

/* What it says to that is nobody's business. */
static void say_bye(struct talk *t)
{
	msec until = clock_now() + BYE_MSEC;
	short got;

	if (t->found->end != CTL_PROBE_READY || t->stream.end != STREAM_OPEN)
		return;
	must(buf_put(&t->stream.out, SPAN("QUIT\r\n")));
	stream_finish(&t->stream);
	while (stream_flush(&t->stream, clock_now()))
		;
	while (t->stream.end == STREAM_OPEN && wait_for(t->stream.fd, POLLIN, until, &got)) {
		stream_ready(&t->stream, LOOP_READ);
		if (!stream_fill(&t->stream, clock_now()))
			return;
	}
}

void ctl_probe_host(const struct ctl_probe_ask *ask, struct ctl_probe_found *found)
{
	struct talk t = { .ask = ask, .found = found };
	int fd;

	*found = (struct ctl_probe_found){ .end = CTL_PROBE_UNREACHABLE };
	fd = dial(ask, &found->why);
	if (fd < 0)
		return;
	stream_init(&t.stream);
	stream_open_fd_take(&t.stream, fd);
	smtp_reply_reader_init(&t.reader);
	smtp_client_init(&t.client, ask->hostname, false);
	t.client.want_tls = ask->want_tls;
	t.until = clock_now() + ask->patience;
	t.end = clock_now() + STEPS_MOST * ask->patience;
	converse(&t);
	say_bye(&t);
	stream_close(&t.stream);
	smtp_reply_reader_free(&t.reader);
}
