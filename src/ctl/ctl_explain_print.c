/* What `explain` prints: a text for people, JSON for programs. */
#include "ctl/ctl_explain_inside.h"

#include "base/buf.h"
#include "base/must.h"
#include "ctl/ctl_evidence.h"
#include "smtp/smtp_answer.h"

#include <stdio.h>
#include <string.h>

#define REPLY_MOST 1024

static const char *mode_name(const struct explain *x)
{
	static const char *const names[] = {
		[CONF_MODE_RELAY] = "relay",
		[CONF_MODE_TRANSPARENT] = "transparent",
		[CONF_MODE_OUTBOUND] = "outbound",
	};

	return names[x->service->conf->mode];
}

/* --- the verdict in words --- */

static const struct evidence_host *host_of(const struct explain *x, unsigned i)
{
	return &x->evidence->hosts[x->decision.hosts[i].index];
}

static bool delivers(const struct explain_try *t)
{
	return t->why.text[0] == '\0';
}

static void put_where(const struct explain *x, char *text, size_t size)
{
	const struct explain_try *last = x->try_count > 0 ? &x->tries[x->try_count - 1] : NULL;
	unsigned more = x->decision.host_count - 1;

	if (x->evidence == NULL && x->upstream != NULL)
		snprintf(text, size, "delivers to upstream %.60s, need %s", x->upstream->conf->name,
			 need_level_name(x->need.level));
	else if (x->evidence == NULL)
		snprintf(text, size, "passes on what client and server say, with method %s", conf_method_name(x->action->method));
	else if (last != NULL)
		snprintf(text, size, "delivers to %.120s at %s, %s", host_of(x, last->host)->name, last->address,
			 last->found.facts.on ? last->found.facts.version : "in clear");
	else
		snprintf(text, size, "delivers to %.120s%s, need %s", host_of(x, 0)->name, more > 0 ? " or the next" : "",
			 need_level_name(x->decision.need.level));
}

static void put_verdict(const struct explain *x, char text[REPLY_MOST])
{
	struct buf reply;

	if (x->answer == NULL) {
		put_where(x, text, REPLY_MOST);
		return;
	}
	buf_init(&reply, REPLY_MOST);
	must(smtp_answer_say(&reply, x->answer, NULL, x->text));
	snprintf(text, REPLY_MOST, "%.*s", (int)(buf_used(&reply) - 2), buf_peek(&reply).at);
	buf_free(&reply);
}

/* --- text --- */

static void print_bits(const struct tls_need *need)
{
	if (need->min_bits > 0)
		printf(", at least %u bits", need->min_bits);
}

static void print_head(const struct explain *x)
{
	printf("service   %s (%s)\n", x->service->conf->name, mode_name(x));
	printf("from      <%.*s>%s\n", SPAN_ARG(x->sender.text), x->client_tls ? ", under TLS" : ", in clear");
	printf("to        <%.*s>%s\n", SPAN_ARG(x->recipient.text), x->requiretls ? ", REQUIRETLS" : "");
	printf("client    TLS is %s and %s\n", x->offers_client_tls ? "offered" : "not offered",
	       x->wants_client_tls ? "demanded" : "not demanded");
	if (x->rule == NULL)
		puts("rule      none");
	else
		printf("rule      %s (%s)%s\n", x->rule->key, x->rule->origin, x->rule->report ? ", only reported" : "");
}

static void print_upstream(const struct explain *x)
{
	if (x->action != NULL)
		printf("action    %s, method %s%s%s\n", x->action->conf->name, conf_method_name(x->action->method),
		       x->action_rule != NULL ? ", by rule " : "", x->action_rule != NULL ? x->action_rule : "");
	if (x->upstream == NULL)
		return;
	printf("upstream  %s", x->upstream->conf->name);
	for (size_t i = 0; i < x->upstream->conf->hosts.count; i++)
		printf("%s%s", i > 0 ? ", " : ": ", x->upstream->conf->hosts.at[i]);
	printf("\nneed      %s", need_level_name(x->need.level));
	print_bits(&x->need);
	putchar('\n');
}

static void print_sts(const struct explain *x)
{
	const struct policy_evidence *e = x->evidence;
	char date[CTL_JSON_DATE_MOST];

	printf("MTA-STS   %s", ctl_evidence_sts_name(e->sts));
	if (e->sts != EVIDENCE_STS_NONE) {
		printf(", id %s, until %s, mx", e->sts_id, ctl_json_date(e->sts_until, date));
		for (unsigned i = 0; i < e->sts_mx_count; i++)
			printf(" %s", e->sts_mx[i]);
		if (x->sts_fetched_at != 0)
			printf(", fetched %lld s ago", (long long)(x->now - x->sts_fetched_at));
	}
	printf("%s%s\n", e->sts_trouble[0] != '\0' ? ", " : "", e->sts_trouble);
}

static void print_decided(const struct explain *x, unsigned i)
{
	const struct policy_host *h = &x->decision.hosts[i];
	const char *names[POLICY_NAMES_MOST + 1];
	unsigned count = policy_decide_names(&x->decision, x->evidence, i, names);

	printf("            need %s", need_level_name(h->need.level));
	print_bits(&h->need);
	printf(" (%s)", policy_source_name(h->source));
	if (h->wanted.level != h->need.level || h->wanted.min_bits != h->need.min_bits) {
		printf(", reported: %s", need_level_name(h->wanted.level));
		print_bits(&h->wanted);
	}
	printf(", certificate for");
	for (unsigned n = 0; n < count; n++)
		printf(" %s", names[n]);
	putchar('\n');
}

static void print_host(const struct evidence_host *host)
{
	char text[CTL_EVIDENCE_TLSA_MOST];
	struct addr addr;

	printf("host      %5u %s", host->preference, host->name);
	for (unsigned k = 0; k < host->addr_count; k++) {
		ctl_evidence_addr(&host->addrs[k], 0, &addr);
		addr_print_host(&addr, text);
		printf(" [%s]", text);
	}
	printf("%s\n            TLSA %s", host->secure ? ", vouched for by DNSSEC" : "", ctl_evidence_tlsa_name(host->tlsa_state));
	for (unsigned k = 0; k < host->tlsa_count; k++)
		printf("%s %s", k > 0 ? "," : ":", ctl_evidence_tlsa(&host->tlsa[k], text));
	if (host->seen_tls > 0)
		printf("; had TLS %u times in a row", host->seen_tls);
	printf("%s%s\n", host->trouble[0] != '\0' ? "; " : "", host->trouble);
}

static void print_hosts(const struct explain *x)
{
	unsigned used = 0;

	for (unsigned i = 0; i < x->evidence->host_count; i++) {
		print_host(&x->evidence->hosts[i]);
		if (used < x->decision.host_count && x->decision.hosts[used].index == i)
			print_decided(x, used++);
		else
			printf("            not used: %s\n", policy_out_text(x->decision.out[i]));
	}
}

static void print_evidence(const struct explain *x)
{
	const struct policy_evidence *e = x->evidence;

	printf("DNS       %s: %s%s%s%s%s\n", e->domain, ctl_evidence_dns_name(e->dns),
	       e->no_mx ? ", no MX: the domain itself" : "", e->mx_secure ? ", vouched for by DNSSEC" : "",
	       e->trouble[0] != '\0' ? "; " : "", e->trouble);
	print_sts(x);
	print_hosts(x);
	if (x->decision.refusal == POLICY_DELIVER) {
		printf("need      %s", need_level_name(x->decision.need.level));
		print_bits(&x->decision.need);
		printf(", by %s\n", policy_source_name(x->decision.source));
	}
	for (unsigned i = 0; i < x->decision.because_count; i++)
		printf("because   %s\n", x->decision.because[i]);
}

static void print_try(const struct explain *x, const struct explain_try *t)
{
	const struct tls_facts *f = &t->found.facts;

	printf("tried     %s at %s: ", host_of(x, t->host)->name, t->address);
	if (t->found.end == CTL_PROBE_READY && f->on)
		printf("%s %s, %u bits%s%s; %s%s%s", f->version, f->cipher, f->bits, f->group[0] != '\0' ? ", " : "", f->group,
		       f->verify_text, f->revocation[0] != '\0' ? "; " : "", f->revocation);
	else if (t->found.end == CTL_PROBE_READY)
		printf("no TLS (%s)", tls_absent_name(f->absent));
	if (!delivers(t))
		printf("%s%s", t->found.end == CTL_PROBE_READY ? ": " : "", t->why.text);
	else
		printf(": takes the mail");
	if (t->report.text[0] != '\0')
		printf("; reported: %s", t->report.text);
	putchar('\n');
}

bool explain_print_text(const struct explain *x)
{
	char verdict[REPLY_MOST];

	print_head(x);
	print_upstream(x);
	if (x->evidence != NULL)
		print_evidence(x);
	for (unsigned i = 0; i < x->try_count; i++)
		print_try(x, &x->tries[i]);
	put_verdict(x, verdict);
	printf("verdict   %s\n", verdict);
	return fflush(stdout) == 0;
}

/* --- JSON --- */

static json_t *json_of_need(const struct tls_need *need)
{
	return ctl_json_made(json_pack("{s:s, s:i}", "level", need_level_name(need->level), "min_bits", (int)need->min_bits));
}

static json_t *json_of_rule(const struct policy_rule *r)
{
	if (r == NULL)
		return ctl_json_made(json_null());
	return ctl_json_made(json_pack("{s:s, s:s, s:b, s:s, s:s?}", "key", r->key, "origin", r->origin, "report", r->report,
				       "on_failure", r->permanent ? "permanent" : "temporary", "why", r->why));
}

static json_t *json_of_facts(const struct tls_facts *f)
{
	json_t *o = ctl_json_made(json_object());

	ctl_json_set(o, "on", json_boolean(f->on));
	ctl_json_set(o, "absent", f->on ? json_null() : json_string(tls_absent_name(f->absent)));
	ctl_json_set(o, "version", ctl_json_text(f->version));
	ctl_json_set(o, "cipher", ctl_json_text(f->cipher));
	ctl_json_set(o, "bits", json_integer(f->bits));
	ctl_json_set(o, "group", ctl_json_text(f->group));
	ctl_json_set(o, "verified", json_string(tls_verified_name(f->verified)));
	ctl_json_set(o, "verify_text", ctl_json_text(f->verify_text));
	ctl_json_set(o, "revocation", ctl_json_text(f->revocation));
	return o;
}

static json_t *json_of_try(const struct explain *x, const struct explain_try *t)
{
	json_t *o = ctl_json_made(json_object());

	ctl_json_set(o, "host", json_string(host_of(x, t->host)->name));
	ctl_json_set(o, "address", json_string(t->address));
	ctl_json_set(o, "takes_mail", json_boolean(delivers(t)));
	ctl_json_set(o, "why", ctl_json_text(t->why.text));
	ctl_json_set(o, "reported", ctl_json_text(t->report.text));
	ctl_json_set(o, "tls", t->found.end == CTL_PROBE_READY ? json_of_facts(&t->found.facts) : json_null());
	return o;
}

static void set_decided(const struct explain *x, json_t *o, unsigned i)
{
	const struct policy_host *h = &x->decision.hosts[i];
	const char *names[POLICY_NAMES_MOST + 1];
	unsigned count = policy_decide_names(&x->decision, x->evidence, i, names);
	json_t *list = ctl_json_made(json_array());

	for (unsigned n = 0; n < count; n++)
		ctl_json_add(list, json_string(names[n]));
	ctl_json_set(o, "need", json_of_need(&h->need));
	ctl_json_set(o, "wanted", json_of_need(&h->wanted));
	ctl_json_set(o, "source", json_string(policy_source_name(h->source)));
	ctl_json_set(o, "dane", json_boolean(h->dane));
	ctl_json_set(o, "mta_sts", json_boolean(h->sts));
	ctl_json_set(o, "names", list);
}

static json_t *json_of_hosts(const struct explain *x)
{
	json_t *list = ctl_json_made(json_array());
	unsigned used = 0;

	for (unsigned i = 0; x->evidence != NULL && i < x->evidence->host_count; i++) {
		bool in = used < x->decision.host_count && x->decision.hosts[used].index == i;
		json_t *o = ctl_evidence_host_json(&x->evidence->hosts[i]);

		ctl_json_set(o, "used", json_boolean(in));
		ctl_json_set(o, "not_used", ctl_json_text(in ? "" : policy_out_text(x->decision.out[i])));
		if (in)
			set_decided(x, o, used++);
		ctl_json_add(list, o);
	}
	return list;
}

static json_t *json_of_because(const struct explain *x)
{
	json_t *list = ctl_json_made(json_array());

	for (unsigned i = 0; i < x->decision.because_count; i++)
		ctl_json_add(list, json_string(x->decision.because[i]));
	return list;
}

static json_t *json_of_tries(const struct explain *x)
{
	json_t *list = ctl_json_made(json_array());

	for (unsigned i = 0; i < x->try_count; i++)
		ctl_json_add(list, json_of_try(x, &x->tries[i]));
	return list;
}

static json_t *json_of_verdict(const struct explain *x)
{
	const struct smtp_answer *a = x->answer;
	json_t *o = ctl_json_made(json_object());
	char words[REPLY_MOST];

	put_verdict(x, words);
	ctl_json_set(o, "delivers", json_boolean(a == NULL));
	ctl_json_set(o, "code", a != NULL ? json_integer(a->code) : json_null());
	ctl_json_set(o, "enhanced", ctl_json_text(a != NULL ? a->enhanced : NULL));
	ctl_json_set(o, "tag", ctl_json_text(a != NULL ? a->tag : NULL));
	ctl_json_set(o, "text", ctl_json_text(a != NULL ? x->text : NULL));
	ctl_json_set(o, "words", json_string(words));
	return o;
}

static json_t *json_of_evidence(const struct explain *x)
{
	json_t *o;

	if (x->evidence == NULL)
		return ctl_json_made(json_null());
	o = ctl_evidence_json(x->evidence);
	ctl_json_set(json_object_get(o, "mta_sts"), "fetched_at", ctl_json_time(x->sts_fetched_at));
	return o;
}

static json_t *json_of_action(const struct explain *x)
{
	if (x->action == NULL)
		return ctl_json_made(json_null());
	return ctl_json_made(json_pack("{s:s, s:s, s:s?}", "name", x->action->conf->name, "method",
				       conf_method_name(x->action->method), "rule", x->action_rule));
}

static json_t *json_of_total(const struct explain *x)
{
	bool decided = x->evidence != NULL && x->decision.refusal == POLICY_DELIVER;

	if (x->upstream != NULL)
		return json_of_need(&x->need);
	return decided ? json_of_need(&x->decision.need) : ctl_json_made(json_null());
}

bool explain_print_json(const struct explain *x)
{
	json_t *o = ctl_json_made(json_object());
	bool decided = x->evidence != NULL && x->decision.refusal == POLICY_DELIVER;

	ctl_json_set(o, "service", json_string(x->service->conf->name));
	ctl_json_set(o, "mode", json_string(mode_name(x)));
	ctl_json_set(o, "from", ctl_json_made(json_stringn(x->sender.text.at, x->sender.text.len)));
	ctl_json_set(o, "to", ctl_json_made(json_stringn(x->recipient.text.at, x->recipient.text.len)));
	ctl_json_set(o, "client", json_pack("{s:b, s:b, s:b}", "tls", x->client_tls, "tls_offered", x->offers_client_tls,
					    "tls_demanded", x->wants_client_tls));
	ctl_json_set(o, "requiretls", json_boolean(x->requiretls));
	ctl_json_set(o, "rule", json_of_rule(x->rule));
	ctl_json_set(o, "action", json_of_action(x));
	ctl_json_set(o, "upstream", ctl_json_text(x->upstream != NULL ? x->upstream->conf->name : NULL));
	ctl_json_set(o, "evidence", json_of_evidence(x));
	ctl_json_set(o, "need", json_of_total(x));
	ctl_json_set(o, "source", ctl_json_text(decided ? policy_source_name(x->decision.source) : NULL));
	ctl_json_set(o, "hosts", json_of_hosts(x));
	ctl_json_set(o, "because", json_of_because(x));
	ctl_json_set(o, "tries", json_of_tries(x));
	ctl_json_set(o, "verdict", json_of_verdict(x));
	return ctl_json_print(o);
}
