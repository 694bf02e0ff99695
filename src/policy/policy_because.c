#include "policy/policy_weigh.h"

#include "base/must.h"
#include "policy/policy_key.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Lines about hosts, each sort. With the single ones (refusal, rule, its exemption, what is set aside, default) they are
 * fewer than POLICY_BECAUSE_MOST. */
#define STS_MOST 7
#define DANE_MOST 6
#define MEMORY_MOST 2
#define REQUIRETLS_MOST 2
#define SINGLE_MOST 7
_Static_assert(STS_MOST + DANE_MOST + MEMORY_MOST + REQUIRETLS_MOST + SINGLE_MOST <= POLICY_BECAUSE_MOST, "too many lines");

static void say(struct policy_decision *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct policy_decision *d, const char *fmt, ...)
{
	char *line = d->because[d->because_count++];
	va_list args;

	must(d->because_count <= POLICY_BECAUSE_MOST);
	va_start(args, fmt);
	vsnprintf(line, POLICY_BECAUSE_TEXT, fmt, args);
	va_end(args);
	/* Keys and reasons of administrators may be UTF-8, and a reply may not. */
	for (; *line != '\0'; line++) {
		if (*line < 0x20 || *line >= 0x7f)
			*line = '?';
	}
}

/* Some lines of a sort; the last one that there is room for tells how many hosts are not told of. */
struct some {
	struct policy_decision *d;
	const char *sort;
	unsigned room, left; /* lines, and hosts that are still to be told of */
};

static bool next_told(struct some *s)
{
	if (s->room == 0)
		return false;
	s->room--;
	if (s->room == 0 && s->left > 1) {
		say(s->d, "%s: and so on, %u hosts more", s->sort, s->left);
		return false;
	}
	s->left--;
	return true;
}

static void say_refusal(const struct policy_weighed *w, struct policy_decision *d)
{
	const struct policy_evidence *e = w->q->evidence;

	switch (d->refusal) {
	case POLICY_DELIVER:
		return;
	case POLICY_NO_DOMAIN:
		say(d, "%.100s does not exist, or has no host for mail", e->domain);
		return;
	case POLICY_NULL_MX:
		say(d, "%.100s takes no mail (null MX)", e->domain);
		return;
	case POLICY_DNS_FAILED:
		say(d, "DNS failed: %s", e->trouble[0] != '\0' ? e->trouble : e->domain);
		return;
	case POLICY_STS_NO_HOST:
		say(d, "no mail host of %.100s is one of its MTA-STS policy", e->domain);
		return;
	case POLICY_DANE_FAILED:
		say(d, "DANE: no mail host of %.100s has TLSA records that could be had", e->domain);
		return;
	case POLICY_NO_ADDRESS:
		say(d, "no mail host of %.100s has an address%s", e->domain, d->permanent ? "" : " that could be had");
		return;
	case POLICY_NO_REQUIRETLS:
		say(d, "REQUIRETLS: nobody vouches for the name of a mail host of %.80s", e->domain);
		return;
	}
}

/* As written, or with A-labels where it is not ASCII. */
static void describe_key(const char *written, char *to, size_t size)
{
	struct policy_key key;

	for (const char *at = written; *at != '\0'; at++) {
		if ((unsigned char)*at < 0x80 || !policy_key_read(span_str(written), &key))
			continue;
		snprintf(to, size, "%.*s", (int)key.len, key.at);
		return;
	}
	snprintf(to, size, "%s", written);
}

static void describe_bits(unsigned bits, char *to, size_t size)
{
	to[0] = '\0';
	if (bits > 0)
		snprintf(to, size, ", at least %u bits", bits);
}

static const char *describe_level(const struct policy_rule *r, const struct tls_need *need, char *to, size_t size)
{
	const char *level = need_level_name(need->level);

	if (r->outbound == POLICY_LEVEL_MIRROR)
		snprintf(to, size, "as the client's side: %s", level);
	else if (r->outbound == POLICY_LEVEL_UNSET && need->level == NEED_NONE)
		snprintf(to, size, "demands nothing");
	else
		snprintf(to, size, "%s", level);
	return to;
}

/* The day in which it ends; an end at midnight is that of the day before. */
static void describe_end(int64_t expires, char *to, size_t size)
{
	time_t last = (time_t)(expires - 1);
	struct tm tm;

	to[0] = '\0';
	if (expires == 0)
		return;
	if (gmtime_r(&last, &tm) == NULL)
		snprintf(to, size, " until the end of time");
	else
		snprintf(to, size, " until %04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

static void say_rule(const struct policy_weighed *w, struct policy_decision *d)
{
	const struct policy_rule *r = w->q->rule;
	char key[80], bits[40], level[48], end[40];

	if (r == NULL)
		return;
	describe_key(r->key, key, sizeof(key));
	describe_bits(w->shadow.min_bits, bits, sizeof(bits));
	describe_level(r, &w->shadow, level, sizeof(level));
	say(d, "rule %s (%.60s): %s%s%s", key, r->origin, level, bits, r->report ? ", only reported" : "");
	if (!w->exempt)
		return;
	describe_end(r->expires, end, sizeof(end));
	say(d, "rule %s is an exemption%s: %s", key, end, r->why);
}

static void say_aside(const struct policy_weighed *w, struct policy_decision *d)
{
	if (w->relaxed)
		say(d, "TLS-Required: No: MTA-STS and DANE demand nothing");
}

static void say_sts_host(const struct policy_weighed *w, struct policy_decision *d, unsigned i)
{
	const struct policy_evidence *e = w->q->evidence;
	const struct evidence_host *host = &e->hosts[i];
	const char *mode = w->enforce ? "enforce" : "testing", *pattern = w->hosts[i].pattern;

	if (pattern != NULL)
		say(d, "MTA-STS %s (id %s): %.60s matches %.60s", mode, e->sts_id, host->name, pattern);
	else if (w->hosts[i].dane)
		say(d, "MTA-STS %s (id %s): %.60s matches nothing, but DANE goes before", mode, e->sts_id, host->name);
	else
		say(d, "MTA-STS %s (id %s): %.60s matches nothing, %s", mode, e->sts_id, host->name,
		    w->enforce ? "and is not used" : "which is only reported");
}

static void say_sts(const struct policy_weighed *w, struct policy_decision *d)
{
	const struct policy_evidence *e = w->q->evidence;
	struct some some = { d, "MTA-STS", STS_MOST, e->host_count };

	if (w->exempt || w->relaxed || !w->q->sts)
		return;
	if (e->sts == EVIDENCE_STS_NONE && e->sts_trouble[0] != '\0')
		say(d, "MTA-STS: no policy: %s", e->sts_trouble);
	if (w->sts_stale)
		say(d, "MTA-STS (id %s): the policy has run out, and no new one could be had", e->sts_id);
	if (!w->sts)
		return;
	for (unsigned i = 0; i < e->host_count && next_told(&some); i++)
		say_sts_host(w, d, i);
}

/* Whether DANE has anything to say about the host. */
static bool dane_tells(const struct policy_weighed *w, const struct evidence_host *host)
{
	if (!w->dane && w->shadow.level != NEED_DANE)
		return false;
	return host->tlsa_state != EVIDENCE_TLSA_NONE || w->rule.level == NEED_DANE;
}

static void say_dane_host(const struct policy_weighed *w, struct policy_decision *d, unsigned i)
{
	const struct evidence_host *host = &w->q->evidence->hosts[i];
	const char *base = host->tlsa_base[0] != '\0' ? host->tlsa_base : host->name;
	const char *out = w->rule.level == NEED_DANE ? ", it is not used" : "";

	switch (host->tlsa_state) {
	case EVIDENCE_TLSA_USABLE:
		if (!w->hosts[i].dane && !w->q->evidence->mx_secure && !w->q->evidence->no_mx) {
			say(d, "DANE: TLSA records of %.80s don't count, DNSSEC does not vouch for the MX%s", host->name, out);
			return;
		}
		say(d, "DANE: %u usable TLSA record%s at _25._tcp.%.120s", host->tlsa_count, host->tlsa_count == 1 ? "" : "s",
		    base);
		return;
	case EVIDENCE_TLSA_UNUSABLE:
		say(d, "DANE: no TLSA record at _25._tcp.%.100s is usable: encrypt%s", base, out);
		return;
	case EVIDENCE_TLSA_FAILED:
		say(d, "DANE: TLSA records of %.60s could not be had, it is not used: %.60s", host->name, host->trouble);
		return;
	case EVIDENCE_TLSA_NONE:
		say(d, "DANE: no TLSA records for %.100s%s", host->name, out);
		return;
	}
}

static void say_dane(const struct policy_weighed *w, struct policy_decision *d)
{
	const struct policy_evidence *e = w->q->evidence;
	struct some some = { d, "DANE", DANE_MOST, 0 };

	for (unsigned i = 0; i < e->host_count; i++)
		some.left += dane_tells(w, &e->hosts[i]);
	for (unsigned i = 0; i < e->host_count; i++) {
		if (!dane_tells(w, &e->hosts[i]))
			continue;
		if (!next_told(&some))
			return;
		say_dane_host(w, d, i);
	}
}

static void say_memory(const struct policy_weighed *w, struct policy_decision *d)
{
	const struct policy_evidence *e = w->q->evidence;
	struct some some = { d, "memory", MEMORY_MOST, 0 };

	for (unsigned i = 0; i < e->host_count; i++)
		some.left += w->hosts[i].remembered;
	for (unsigned i = 0; i < e->host_count; i++) {
		if (!w->hosts[i].remembered)
			continue;
		if (!next_told(&some))
			return;
		say(d, "memory: %.80s had TLS %u times in a row: %s", e->hosts[i].name, e->hosts[i].seen_tls,
		    w->q->remember_defers ? "encrypt" : "its absence is only reported");
	}
}

static void say_requiretls(const struct policy_weighed *w, struct policy_decision *d)
{
	const struct policy_evidence *e = w->q->evidence;
	struct some some = { d, "REQUIRETLS", REQUIRETLS_MOST, 0 };

	if (!w->q->requiretls)
		return;
	say(d, "REQUIRETLS: verify, a name that is vouched for");
	for (unsigned i = 0; i < e->host_count; i++)
		some.left += d->out[i] == POLICY_OUT_REQUIRETLS;
	for (unsigned i = 0; i < e->host_count; i++) {
		if (d->out[i] != POLICY_OUT_REQUIRETLS)
			continue;
		if (!next_told(&some))
			return;
		say(d, "REQUIRETLS: nobody vouches for %.100s, it is not used", e->hosts[i].name);
	}
}

static void say_default(const struct policy_weighed *w, struct policy_decision *d)
{
	const struct policy_question *q = w->q;
	char bits[40];

	if (w->exempt)
		return;
	describe_bits(w->least.min_bits, bits, sizeof(bits));
	say(d, "default of %s%.60s: %s%s%s", q->service != NULL ? "service " : "the service",
	    q->service != NULL ? q->service : "", q->mirror ? "as the client's side, " : "",
	    need_level_name(w->least.level), bits);
}

void policy_weigh_because(const struct policy_weighed *w, struct policy_decision *d)
{
	say_refusal(w, d);
	say_rule(w, d);
	say_aside(w, d);
	/* Without hosts there is nothing that they could demand of. */
	if (w->q->evidence->dns == EVIDENCE_FOUND) {
		say_sts(w, d);
		say_dane(w, d);
		say_memory(w, d);
		say_requiretls(w, d);
	}
	say_default(w, d);
}
