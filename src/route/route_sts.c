#include "route/route_sts.h"

#include "base/log.h"
#include "base/must.h"
#include "policy/policy_name.h"
#include "route/route_packet.h"
#include "route/route_sts_kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FETCH_MS 60000       /* RFC 8461 section 3.3 */
#define RETRY_MS 300000      /* the same */
#define REFRESH_MS 60000     /* between looks at what is due */
#define REFRESH_MOST 4       /* at each look */
#define FAILED_MOST 512      /* that are remembered; the oldest goes */
#define TXT_MOST 1024        /* octets of a TXT record that may announce a policy */
#define JUMP_SECONDS 60
#define LEFT_LEAST 30        /* seconds: as long as evidence lives */

struct failed {
	char domain[EVIDENCE_NAME_MOST];
	char trouble[EVIDENCE_TEXT_MOST];
	msec until; /* 0: free */
};

/* One fetch serves all that wait for it, and goes on when nobody does any more. */
struct fetch {
	struct route_sts *sts;
	struct fetch *next;
	char domain[EVIDENCE_NAME_MOST];
	char id[33];
	struct route_fetch *http;
	struct route_sts_ask *waiting;
};

struct route_sts {
	struct loop *loop;
	struct route_dns *dns;
	struct route_fetcher *fetcher;
	struct store_route *store;
	unsigned port;
	struct fetch *fetches;
	struct loop_timer *refresh;
	struct failed failed[FAILED_MOST];
	int64_t wall; /* at `begun` */
	msec begun;
	int64_t jumped; /* seconds that the wall clock is away from ours, as last told */
	void (*changed)(void *arg, const char *domain);
	void *arg;
};

struct route_sts_ask {
	struct route_sts *sts;
	struct route_sts_ask *next; /* that wait for the same fetch */
	char domain[EVIDENCE_NAME_MOST];
	struct route_dns_ask *txt;
	struct fetch *fetch;
	struct loop_timer *limit;
	msec until;
	uint32_t ttl;
	int64_t left; /* 0: no policy is kept */
	bool old;
	char id[33];
	struct policy_sts policy;
	route_sts_done *done;
	void *arg;
};

bool route_sts_announced(const struct route_dns_answer *a, char id[33], const char **trouble)
{
	unsigned count = 0;
	bool fine = false;

	*trouble = "";
	for (unsigned i = 0; i < a->count; i++) {
		char text[TXT_MOST];
		size_t len = route_packet_txt(a->records[i].data, text, sizeof(text));

		if (len < 8 || memcmp(text, "v=STSv1;", 8) != 0)
			continue;
		count++;
		fine = len < sizeof(text) && policy_sts_record(span_of(text, len), id);
	}
	if (count > 1)
		*trouble = "there is more than one TXT record for MTA-STS";
	else if (count == 1 && !fine)
		*trouble = "the TXT record for MTA-STS is malformed";
	return count == 1 && fine;
}

static int64_t steady_now(const struct route_sts *s)
{
	return s->wall + (clock_now() - s->begun) / 1000;
}

static void note_jump(struct route_sts *s)
{
	int64_t away = (int64_t)time(NULL) - steady_now(s);

	if (llabs(away - s->jumped) <= JUMP_SECONDS)
		return;
	log_event("clock-jump", "the clock is %lld seconds away from when we began; MTA-STS policies keep their time",
		  (long long)away);
	s->jumped = away;
}

static struct failed *find_failed(struct route_sts *s, const char *domain)
{
	for (size_t i = 0; i < FAILED_MOST; i++) {
		struct failed *f = &s->failed[i];

		if (f->until > loop_now(s->loop) && strcmp(f->domain, domain) == 0)
			return f;
	}
	return NULL;
}

static void remember_failed(struct route_sts *s, const char *domain, const char *trouble)
{
	struct failed *oldest = &s->failed[0];

	for (size_t i = 1; i < FAILED_MOST; i++) {
		if (s->failed[i].until < oldest->until)
			oldest = &s->failed[i];
	}
	snprintf(oldest->domain, sizeof(oldest->domain), "%s", domain);
	snprintf(oldest->trouble, sizeof(oldest->trouble), "%s", trouble);
	oldest->until = loop_now(s->loop) + RETRY_MS;
}

static void free_ask(struct route_sts_ask *ask)
{
	struct route_sts_ask **at;

	if (ask->txt != NULL)
		route_dns_cancel(ask->txt);
	for (at = ask->fetch != NULL ? &ask->fetch->waiting : NULL; at != NULL && *at != NULL; at = &(*at)->next) {
		if (*at == ask) {
			*at = ask->next;
			break;
		}
	}
	loop_timer_free(ask->limit);
	free(ask);
}

void route_sts_cancel(struct route_sts_ask *ask)
{
	free_ask(ask);
}

static enum evidence_sts mode_of(const struct policy_sts *p)
{
	switch (p->mode) {
	case POLICY_STS_MODE_ENFORCE:
		return EVIDENCE_STS_ENFORCE;
	case POLICY_STS_MODE_TESTING:
		return EVIDENCE_STS_TESTING;
	case POLICY_STS_MODE_NONE:
		break;
	}
	return EVIDENCE_STS_NONE;
}

static void answer(struct route_sts_ask *ask, const struct policy_sts *policy, const char *id, int64_t left, const char *trouble)
{
	enum evidence_sts mode = policy != NULL ? mode_of(policy) : EVIDENCE_STS_NONE;
	struct route_sts_found found = {
		.mode = mode, .policy = mode != EVIDENCE_STS_NONE ? policy : NULL, .id = id,
		.left = policy != NULL && left < LEFT_LEAST ? LEFT_LEAST : left, .ttl = ask->ttl, .trouble = trouble,
	};

	ask->done(ask->arg, &found);
	free_ask(ask);
}

/* With the policy that is kept, or none. */
static void answer_kept(struct route_sts_ask *ask, const char *trouble)
{
	if (ask->left > 0)
		answer(ask, &ask->policy, ask->id, ask->left, trouble);
	else
		answer(ask, NULL, "", 0, trouble);
}

static void log_failed(const struct fetch *f, const char *why)
{
	struct log_line l;

	if (f->sts->store == NULL)
		return;
	log_begin(&l, "sts-failed");
	log_text(&l, "domain", f->domain);
	log_text(&l, "why", why);
	log_end(&l);
}

static void log_fetched(const struct fetch *f, const struct policy_sts *p)
{
	struct log_line l;

	if (f->sts->store == NULL)
		return;
	log_begin(&l, "sts-policy");
	log_text(&l, "domain", f->domain);
	log_text(&l, "id", f->id);
	log_text(&l, "mode", p->mode == POLICY_STS_MODE_ENFORCE ? "enforce" : p->mode == POLICY_STS_MODE_TESTING ? "testing" : "none");
	log_int(&l, "max_age", p->max_age);
	log_end(&l);
}

static void keep(const struct fetch *f, const struct policy_sts *p, struct span body)
{
	int64_t now = steady_now(f->sts);
	struct store_sts kept = { .fetched_at = now, .until = now + p->max_age, .body = body };

	memcpy(kept.id, f->id, sizeof(kept.id));
	if (f->sts->store != NULL)
		store_route_sts_put(f->sts->store, f->domain, &kept);
}

static void free_fetch(struct fetch *f)
{
	struct fetch **at = &f->sts->fetches;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	free(f);
}

/* What the texts of these failures begin with. */
#define NO_POLICY "no policy from mta-sts."
#define NO_TRUST "no trust in mta-sts."
#define BAD_POLICY "the policy of "

bool route_sts_failure(const char *trouble, enum policy_result_type *type)
{
	static const struct {
		const char *begins;
		enum policy_result_type type;
	} all[] = {
		{ NO_POLICY, POLICY_RESULT_STS_POLICY_FETCH_ERROR },
		{ NO_TRUST, POLICY_RESULT_STS_WEBPKI_INVALID },
		{ BAD_POLICY, POLICY_RESULT_STS_POLICY_INVALID },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		*type = all[i].type;
		if (strncmp(trouble, all[i].begins, strlen(all[i].begins)) == 0)
			return true;
	}
	return false;
}

/* False with `trouble`. */
static bool read_policy(const struct fetch *f, const struct route_fetch_answer *a, struct policy_sts *p,
			char trouble[EVIDENCE_TEXT_MOST])
{
	struct why why = { 0 };

	if (a->untrusted)
		snprintf(trouble, EVIDENCE_TEXT_MOST, NO_TRUST "%.60s: %.70s", f->domain, a->why.text);
	else if (!a->got)
		snprintf(trouble, EVIDENCE_TEXT_MOST, NO_POLICY "%.60s: %.70s", f->domain, a->why.text);
	else if (a->status != 200)
		snprintf(trouble, EVIDENCE_TEXT_MOST, NO_POLICY "%.60s: HTTP status %d", f->domain, a->status);
	else if (!policy_sts_read(a->body, p, &why))
		snprintf(trouble, EVIDENCE_TEXT_MOST, BAD_POLICY "%.60s: %.70s", f->domain, why.text);
	else
		return true;
	return false;
}

static void on_policy(void *arg, const struct route_fetch_answer *a)
{
	struct fetch *f = arg;
	struct route_sts *s = f->sts;
	struct policy_sts *p = mem_new(sizeof(*p));
	char trouble[EVIDENCE_TEXT_MOST] = "";
	bool fine = read_policy(f, a, p, trouble);

	if (fine) {
		keep(f, p, a->body);
		log_fetched(f, p);
		s->changed(s->arg, f->domain);
	} else {
		log_failed(f, trouble);
		if (a->got || a->why.fault != FAULT_SYSTEM)
			remember_failed(s, f->domain, trouble);
	}
	while (f->waiting != NULL) {
		if (fine)
			answer(f->waiting, p, f->id, p->max_age, "");
		else
			answer_kept(f->waiting, trouble);
	}
	free_fetch(f);
	free(p);
}

static struct fetch *start_fetch(struct route_sts *s, const char *domain, const char *id)
{
	char url[EVIDENCE_NAME_MOST + 64];
	struct route_fetch_ask ask = { .url = url, .want_type = "text/plain", .most = POLICY_STS_BODY_MOST,
				       .patience = FETCH_MS };
	struct fetch *f;

	for (f = s->fetches; f != NULL; f = f->next) {
		if (strcmp(f->domain, domain) == 0)
			return f;
	}
	f = mem_new(sizeof(*f));
	f->sts = s;
	f->next = s->fetches;
	s->fetches = f;
	snprintf(f->domain, sizeof(f->domain), "%s", domain);
	snprintf(f->id, sizeof(f->id), "%s", id);
	snprintf(url, sizeof(url), "https://mta-sts.%s:%u/.well-known/mta-sts.txt", domain, s->port);
	f->http = route_fetch(s->fetcher, &ask, on_policy, f);
	return f;
}

static void on_limit(void *arg)
{
	answer_kept(arg, "the policy was not fetched in time");
}

static void wait_for(struct route_sts_ask *ask, const char *id)
{
	ask->fetch = start_fetch(ask->sts, ask->domain, id);
	ask->next = ask->fetch->waiting;
	ask->fetch->waiting = ask;
	loop_timer_set(ask->limit, ask->until);
}

static void on_txt(void *arg, const struct route_dns_answer *a)
{
	struct route_sts_ask *ask = arg;
	struct failed *failed = find_failed(ask->sts, ask->domain);
	const char *trouble;
	char id[33], text[EVIDENCE_TEXT_MOST];

	ask->txt = NULL;
	ask->ttl = a->ttl;
	if (a->end == ROUTE_DNS_FAILED) {
		snprintf(text, sizeof(text), "TXT of _mta-sts: %.90s", a->trouble);
		answer_kept(ask, text);
	} else if (!route_sts_announced(a, id, &trouble)) {
		answer_kept(ask, trouble);
	} else if (ask->left > 0 && strcmp(ask->id, id) == 0) {
		if (ask->old && failed == NULL)
			start_fetch(ask->sts, ask->domain, id);
		answer_kept(ask, "");
	} else if (failed != NULL) {
		answer_kept(ask, failed->trouble);
	} else {
		wait_for(ask, id);
	}
}

static void look_kept(struct route_sts_ask *ask)
{
	struct route_sts *s = ask->sts;
	int64_t now = steady_now(s);
	struct store_sts kept;
	struct why why;

	if (s->store == NULL || !store_route_sts_get(s->store, ask->domain, &kept) ||
	    !policy_sts_read(kept.body, &ask->policy, &why))
		return;
	memcpy(ask->id, kept.id, sizeof(ask->id));
	ask->left = route_sts_kept_left(&kept, &ask->policy, now);
	ask->old = route_sts_kept_old(&kept, ask->left);
	store_route_sts_touch(s->store, ask->domain, now);
}

static void on_nothing(void *arg)
{
	answer_kept(arg, "");
}

struct route_sts_ask *route_sts_ask(struct route_sts *s, const char *domain, msec until, route_sts_done *done, void *arg)
{
	struct route_sts_ask *ask = mem_new(sizeof(*ask));
	char name[EVIDENCE_NAME_MOST];
	int len;

	*ask = (struct route_sts_ask){ .sts = s, .until = until, .ttl = UINT32_MAX, .done = done, .arg = arg };
	len = snprintf(ask->domain, sizeof(ask->domain), "%s", domain);
	note_jump(s);
	look_kept(ask);
	/* A name that is too long can have neither the record nor the web server. */
	if (len + 9 >= EVIDENCE_NAME_MOST || snprintf(name, sizeof(name), "_mta-sts.%.240s", domain) > 253) {
		ask->limit = loop_timer_new(s->loop, on_nothing, ask);
		loop_timer_set(ask->limit, 0);
		return ask;
	}
	ask->limit = loop_timer_new(s->loop, on_limit, ask);
	ask->txt = route_dns_ask(s->dns, name, ROUTE_DNS_TXT, until - loop_now(s->loop), on_txt, ask);
	return ask;
}

/* What mail asks for is fetched again even if no mail comes just then: a policy that had lapsed would have to be trusted on first
 * sight again. */
static void on_refresh(void *arg)
{
	struct route_sts *s = arg;
	char domain[EVIDENCE_NAME_MOST];
	struct store_sts kept;

	for (unsigned i = 0; i < REFRESH_MOST && store_route_sts_due(s->store, steady_now(s), domain); i++) {
		if (find_failed(s, domain) == NULL && store_route_sts_get(s->store, domain, &kept))
			start_fetch(s, domain, kept.id);
	}
	loop_timer_set(s->refresh, loop_now(s->loop) + REFRESH_MS);
}

struct route_sts *route_sts_new(struct loop *loop, struct route_dns *dns, struct route_fetcher *fetcher,
				const struct conf_route *conf, struct store_route *store,
				void (*changed)(void *arg, const char *domain), void *arg)
{
	struct route_sts *s = mem_new(sizeof(*s));

	s->loop = loop;
	s->dns = dns;
	s->fetcher = fetcher;
	s->store = store;
	s->port = conf->sts_port;
	s->wall = (int64_t)time(NULL);
	s->begun = clock_now();
	s->changed = changed;
	s->arg = arg;
	s->refresh = loop_timer_new(loop, on_refresh, s);
	if (store != NULL)
		loop_timer_set(s->refresh, loop_now(loop) + REFRESH_MS);
	return s;
}

void route_sts_free(struct route_sts *s)
{
	if (s == NULL)
		return;
	while (s->fetches != NULL) {
		struct fetch *f = s->fetches;

		must(f->waiting == NULL);
		route_fetch_cancel(f->http);
		free_fetch(f);
	}
	loop_timer_free(s->refresh);
	free(s);
}
