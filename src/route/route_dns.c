#include "route/route_dns.h"

#include "base/must.h"
#include "io/addr.h"
#include "policy/policy_name.h"
#include "route/route_packet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unbound-event.h>
#include <unbound.h>

#define CLASS_IN 1
#define SECURE 2
#define BOGUS 1

struct route_dns_ask {
	struct route_dns *dns;
	struct route_dns_ask *prev, *next;
	struct loop_timer *limit;
	char name[EVIDENCE_NAME_MOST];
	enum route_dns_type type;
	int id;          /* libunbound's; its question may be over */
	bool asked;      /* libunbound has it, and will call */
	unsigned char *packet;
	struct route_dns_answer *answer; /* NULL: not yet */
	route_dns_done *done;
	void *arg;
};

struct route_dns {
	struct loop *loop;
	struct ub_ctx *ctx;
	struct route_dns_ask *all;
	unsigned count;
};

/* The key-signing keys of the root zone, as IANA publishes them: https://data.iana.org/root-anchors/root-anchors.xml (in
 * use since 2017, and the next one, published in 2025). */
static const char *const root_keys[] = {
	". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
	". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
};

static const struct {
	const char *name, *value;
} options[] = {
	{ "do-not-query-localhost:", "no" }, /* a resolver on this machine is the usual one */
	{ "outgoing-range:", "256" },        /* sockets at once; the default of 16 would make questions wait */
	{ "infra-host-ttl:", "60" },         /* a resolver that was away is asked again within a minute, not a quarter of an hour */
	{ "cache-max-negative-ttl:", "300" },
	{ "trust-anchor-signaling:", "no" }, /* of use to the root alone, and odd in a network of its own */
	{ "root-key-sentinel:", "no" },
};

/* Names that libunbound would answer by itself (RFC 6761, 8375). Who names a resolver wants its answers; without one they mean
 * nothing, and must not be asked on the Internet. */
static const char *const own_zones[] = { "test.", "home.arpa.", "invalid.", "onion." };

static bool set_failed(struct why *why, const char *what, int error)
{
	why_set(why, FAULT_POLICY, "%s: %s", what, ub_strerror(error));
	return false;
}

static bool set_options(struct ub_ctx *ctx, struct why *why)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int error = ub_ctx_set_option(ctx, options[i].name, options[i].value);

		if (error != 0)
			return set_failed(why, options[i].name, error);
	}
	return true;
}

static bool set_anchor(struct ub_ctx *ctx, const char *path, struct why *why)
{
	int error = 0;

	if (path != NULL)
		return (error = ub_ctx_add_ta_file(ctx, path)) == 0 || set_failed(why, path, error);
	for (size_t i = 0; i < sizeof(root_keys) / sizeof(root_keys[0]) && error == 0; i++)
		error = ub_ctx_add_ta(ctx, root_keys[i]);
	return error == 0 || set_failed(why, "the root's trust anchor", error);
}

/* libunbound's way to write an address: 127.0.0.1@53, ::1@53. */
static bool set_resolver(struct ub_ctx *ctx, const char *text, struct why *why)
{
	char host[ADDR_TEXT_MOST], at[ADDR_TEXT_MOST + 8];
	struct addr a;
	int error;

	if (!addr_read(span_str(text), &a)) {
		why_set(why, FAULT_POLICY, "resolver %s: not an address with a port", text);
		return false;
	}
	addr_print_host(&a, host);
	snprintf(at, sizeof(at), "%s@%u", host, addr_port(&a));
	error = ub_ctx_set_fwd(ctx, at);
	return error == 0 || set_failed(why, text, error);
}

/* Makes libunbound read its files and set itself up now. */
static bool settle(struct ub_ctx *ctx, const struct conf_route *conf, struct why *why)
{
	int error = ub_ctx_zone_add(ctx, "localhost.", "always_nxdomain");

	for (size_t i = 0; conf->resolvers.count > 0 && i < sizeof(own_zones) / sizeof(own_zones[0]) && error == 0; i++)
		error = ub_ctx_zone_remove(ctx, own_zones[i]);
	if (error == 0 || conf->trust_anchor == NULL)
		return error == 0 || set_failed(why, "libunbound", error);
	why_set(why, FAULT_POLICY, "trust_anchor %s: can't be read, or is no list of DS or DNSKEY records", conf->trust_anchor);
	return false;
}

static void ignore(void *arg, int rcode, void *packet, int len, int sec, char *bogus, int limited)
{
	(void)arg;
	(void)rcode;
	(void)packet;
	(void)len;
	(void)sec;
	(void)bogus;
	(void)limited;
}

static bool set_up(struct route_dns *d, const struct conf_route *conf, struct why *why)
{
	int error;

	/* What it would say on standard error is told by `trouble`, in our words. */
	ub_ctx_debugout(d->ctx, NULL);
	if (!set_options(d->ctx, why) || !set_anchor(d->ctx, conf->trust_anchor, why))
		return false;
	for (size_t i = 0; i < conf->resolvers.count; i++) {
		if (!set_resolver(d->ctx, conf->resolvers.at[i], why))
			return false;
	}
	if (!settle(d->ctx, conf, why))
		return false;
	/* The first question makes what all questions need; it is one that never leaves this machine. */
	error = ub_resolve_event(d->ctx, "localhost", ROUTE_DNS_A, CLASS_IN, NULL, ignore, NULL);
	return error == 0 || set_failed(why, "libunbound", error);
}

struct route_dns *route_dns_new(struct loop *loop, const struct conf_route *conf, struct why *why)
{
	struct route_dns *d = mem_new(sizeof(*d));

	d->loop = loop;
	d->ctx = ub_ctx_create_event(loop_base(loop));
	must(d->ctx != NULL);
	if (set_up(d, conf, why))
		return d;
	route_dns_free(d);
	return NULL;
}

static void unlink_ask(struct route_dns_ask *q)
{
	struct route_dns *d = q->dns;

	if (q->prev != NULL)
		q->prev->next = q->next;
	else
		d->all = q->next;
	if (q->next != NULL)
		q->next->prev = q->prev;
	d->count--;
}

static void free_ask(struct route_dns_ask *q)
{
	unlink_ask(q);
	loop_timer_free(q->limit);
	free(q->packet);
	free(q->answer);
	free(q);
}

void route_dns_cancel(struct route_dns_ask *q)
{
	/* libunbound goes on, as others may ask the same, but does not call. */
	if (q->asked)
		ub_cancel(q->dns->ctx, q->id);
	free_ask(q);
}

void route_dns_free(struct route_dns *d)
{
	if (d == NULL)
		return;
	while (d->all != NULL)
		route_dns_cancel(d->all);
	ub_ctx_delete(d->ctx);
	free(d);
}

static struct route_dns_answer *failed(const char *what, const char *detail)
{
	struct route_dns_answer *a = mem_new(sizeof(*a));

	a->end = ROUTE_DNS_FAILED;
	snprintf(a->trouble, sizeof(a->trouble), "%s%s", what, detail);
	for (char *at = a->trouble; *at != '\0'; at++) {
		if (*at < ' ' || *at > '~')
			*at = '?';
	}
	return a;
}

static struct route_dns_answer *read_answer(struct route_dns_ask *q, const void *packet, size_t len)
{
	struct route_dns_answer *a = mem_new(sizeof(*a));

	q->packet = mem_new(len > 0 ? len : 1);
	memcpy(q->packet, packet, len);
	route_packet_read(span_of(q->packet, len), q->name, q->type, a);
	return a;
}

/* libunbound's own text, "validation failure <name type class>: reason", without what we say ourselves. */
static const char *bogus_reason(const char *text)
{
	const char *reason = text != NULL ? strstr(text, ">: ") : NULL;

	return reason != NULL ? reason + 3 : "DNSSEC validation failed";
}

/* The answer is only laid down here: our own code never runs within libunbound's (which calls at once where it has the
 * answer in its cache), so it may ask, cancel and free as it likes. */
static void on_answer(void *arg, int rcode, void *packet, int len, int sec, char *bogus, int limited)
{
	struct route_dns_ask *q = arg;

	(void)limited;
	q->asked = false;
	if (sec == BOGUS)
		q->answer = failed("bogus: ", bogus_reason(bogus));
	else if (rcode != 0)
		q->answer = failed(rcode == 2 ? "SERVFAIL" : rcode == 5 ? "REFUSED" : "an error of the name server", "");
	else
		q->answer = read_answer(q, packet, len > 0 ? (size_t)len : 0);
	q->answer->secure = sec == SECURE && q->answer->end != ROUTE_DNS_FAILED;
	loop_timer_set(q->limit, 0);
}

static void on_limit(void *arg)
{
	struct route_dns_ask *q = arg;

	if (q->answer == NULL)
		q->answer = failed("no answer in time", "");
	if (q->asked)
		ub_cancel(q->dns->ctx, q->id);
	q->asked = false;
	q->done(q->arg, q->answer);
	free_ask(q);
}

static void start(struct route_dns_ask *q)
{
	int error;

	if (q->dns->count > ROUTE_DNS_ASKED_MOST) {
		q->answer = failed("too many questions at once", "");
		loop_timer_set(q->limit, 0);
		return;
	}
	q->asked = true; /* it may call before it returns */
	error = ub_resolve_event(q->dns->ctx, q->name, q->type, CLASS_IN, q, on_answer, &q->id);
	if (error == 0)
		return;
	q->asked = false;
	if (q->answer == NULL)
		q->answer = failed("libunbound: ", ub_strerror(error));
	loop_timer_set(q->limit, 0);
}

struct route_dns_ask *route_dns_ask(struct route_dns *d, const char *name, enum route_dns_type type, msec patience,
				    route_dns_done *done, void *arg)
{
	struct route_dns_ask *q = mem_new(sizeof(*q));

	must(policy_name_ok(span_str(name)));
	*q = (struct route_dns_ask){ .dns = d, .next = d->all, .type = type, .done = done, .arg = arg };
	snprintf(q->name, sizeof(q->name), "%s", name);
	if (d->all != NULL)
		d->all->prev = q;
	d->all = q;
	d->count++;
	q->limit = loop_timer_new(d->loop, on_limit, q);
	loop_timer_set(q->limit, loop_now(d->loop) + (patience > 0 ? patience : 0));
	start(q);
	return q;
}
