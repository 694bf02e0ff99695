#include "edge/pass.h"
#include "edge/session.h"

#include "tls/tls_digest.h"

#include <stdio.h>
#include <stdlib.h>

static const struct tls_keys {
	const char *tls, *absent, *cipher, *bits, *group, *resumed, *sni;
} client_keys = {
	"client_tls", "client_tls_absent", "client_cipher", "client_bits", "client_group", "client_resumed", "client_sni",
}, up_keys = {
	"up_tls", "up_tls_absent", "up_cipher", "up_bits", "up_group", "up_resumed", "up_sni",
};

static void put_tls(struct log_line *l, const struct tls_keys *k, const struct tls_facts *f)
{
	log_text(l, k->tls, f->on ? f->version : "none");
	if (!f->on) {
		log_text(l, k->absent, tls_absent_name(f->absent));
		return;
	}
	log_text(l, k->cipher, f->cipher);
	log_int(l, k->bits, f->bits);
	log_text(l, k->group, f->group);
	log_int(l, k->resumed, f->resumed);
	log_text(l, k->sni, f->sni);
}

static void put_peers(struct log_line *l, const struct session *s)
{
	char peer[ADDR_TEXT_MOST], local[ADDR_TEXT_MOST];

	addr_print(&s->peer, peer);
	addr_print(&s->local, local);
	log_text(l, "sid", s->sid);
	log_text(l, "service", s->service->conf->name);
	log_text(l, "client", peer);
	log_text(l, "local", local);
	if (s->target.len == 0)
		return;
	addr_print(&s->target, local);
	log_text(l, "target", local);
	if (s->action == NULL)
		return;
	log_text(l, "action", s->action->conf->name);
	log_text(l, "method", conf_method_name(s->action->method));
	log_text(l, "rule", s->rule != NULL ? s->rule : "");
}

static void put_phases(struct log_line *l, const struct session *s)
{
	for (unsigned p = PHASE_STARTTLS; p < PHASE_CLOSING; p++) {
		char key[32];

		if (s->spent[p] == 0)
			continue;
		snprintf(key, sizeof(key), "ms_%s", phase_name(p));
		log_int(l, key, s->spent[p]);
	}
}

/* The same address gives the same word as long as the service runs, in any case of letters, so that
 * lines can be matched. */
static void digest_of(struct span address, uint64_t seed, char hex[TLS_DIGEST_HEX + 1])
{
	char low[512];
	size_t len = address.len < sizeof(low) ? address.len : sizeof(low);

	for (size_t i = 0; i < len; i++)
		low[i] = ascii_lower(address.at[i]);
	tls_digest(seed, span_of(low, len), hex);
}

static void put_hashed(struct log_line *l, const char *key, struct span list, uint64_t seed)
{
	char text[1024] = "", hex[TLS_DIGEST_HEX + 1];
	size_t at = 0;

	while (list.len > 0 && at + sizeof(hex) + 1 < sizeof(text)) {
		digest_of(span_cut(&list, ','), seed, hex);
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", at > 0 ? "," : "", hex);
	}
	log_text(l, key, text);
}

/* Who has logged in, or tried to, and how. */
static void put_login(struct log_line *l, const struct session *s)
{
	const struct smtp_sasl *sasl = s->pass != NULL ? &s->pass->watch.sasl : s->sasl;

	if (sasl == NULL || sasl->mechanism[0] == '\0')
		return;
	log_text(l, "auth", sasl->mechanism);
	if (s->plan->conf->log.envelope == CONF_ENVELOPE_PLAIN)
		log_text(l, "user", sasl->user);
	else
		put_hashed(l, "user", span_str(sasl->user), shared_seed(s->edge->shared));
	log_int(l, "auth_ok", s->pass != NULL ? s->pass->watch.auth : s->server.auth);
}

/* What the upstream offers and the client was not told of (SPEC WG-19). */
static void put_unknown(struct log_line *l, const struct smtp_caps *offer)
{
	if (offer->unknown == 0)
		return;
	log_int(l, "up_unknown_keywords", offer->unknown);
	log_text(l, "up_unknown", offer->unknown_names);
}

void session_log_end(const struct session *s)
{
	enum fault fault = s->why.fault != FAULT_NONE ? s->why.fault : outcome_fault(s->outcome);
	struct tls_facts facts;
	struct log_line line;

	session_client_facts(s, &facts);
	log_begin(&line, "session-end");
	put_peers(&line, s);
	log_text(&line, "outcome", outcome_name(s->outcome));
	log_text(&line, "fault", fault_name(fault));
	if (s->pass != NULL) {
		pass_log(&line, s);
	} else {
		log_span(&line, "helo", buf_peek(&s->server.helo));
		put_tls(&line, &client_keys, &facts);
		put_unknown(&line, &s->server.offer);
	}
	put_login(&line, s);
	log_int(&line, "txns", s->txns);
	log_int(&line, "messages", s->messages);
	log_int(&line, "errors", s->server.errors);
	log_int(&line, "in", (int64_t)s->client.bytes_in);
	log_int(&line, "out", (int64_t)s->client.bytes_out);
	log_int(&line, "ms", s->edge->now - s->born);
	put_phases(&line, s);
	log_int(&line, "gen", s->plan->generation);
	if (s->why.text[0] != '\0')
		log_text(&line, "why", s->why.text);
	log_end(&line);
	edge_count(s->edge, COUNT_BYTES_IN, s->client.bytes_in);
	edge_count(s->edge, COUNT_BYTES_OUT, s->client.bytes_out);
}

void session_log_address(struct log_line *l, const struct session *s, const char *key, struct span address)
{
	if (s->plan->conf->log.envelope == CONF_ENVELOPE_PLAIN)
		log_span(l, key, address);
	else
		put_hashed(l, key, address, shared_seed(s->edge->shared));
}

static void put_envelope(struct log_line *l, const struct session *s)
{
	const struct txn *t = s->txn;

	if (s->plan->conf->log.envelope == CONF_ENVELOPE_PLAIN) {
		log_span(l, "from", buf_peek(&t->from));
		log_span(l, "to", buf_peek(&t->rcpts));
		return;
	}
	put_hashed(l, "from", buf_peek(&t->from), shared_seed(s->edge->shared));
	put_hashed(l, "to", buf_peek(&t->rcpts), shared_seed(s->edge->shared));
}

/* All reasons of a decision, in order (DESIGN law 5). */
static void put_decision(struct log_line *l, const struct next_hop *hop)
{
	const struct policy_decision *d = &hop->decision;
	char because[POLICY_BECAUSE_MOST * (POLICY_BECAUSE_TEXT + 2)];
	size_t at = 0;

	because[0] = '\0';
	for (unsigned i = 0; i < d->because_count; i++)
		at += (size_t)snprintf(because + at, sizeof(because) - at, "%s%s", i > 0 ? "; " : "", d->because[i]);
	log_text(l, "domain", hop->found->all->domain);
	log_text(l, "policy", policy_source_name(d->source));
	log_text(l, "rule", d->rule != NULL ? d->rule->key : "");
	log_text(l, "because", because);
}

void session_log_leg(struct log_line *l, const struct leg *leg)
{
	char where[ADDR_TEXT_MOST];
	struct tls_facts facts;

	leg_where(leg, where);
	leg_facts(leg, &facts);
	log_text(l, "upstream", where);
	log_text(l, "up_host", leg_host(leg));
	log_text(l, "need", need_level_name(leg->need.level));
	if (leg->hop != NULL)
		put_decision(l, leg->hop);
	put_tls(l, &up_keys, &facts);
	if (facts.on) {
		log_text(l, "up_cert", facts.cert_name);
		log_text(l, "up_cert_sha256", facts.cert);
		log_text(l, "up_verified", tls_verified_name(facts.verified));
		log_text(l, "up_verify", facts.verify_text);
		if (facts.revocation[0] != '\0')
			log_text(l, "up_revocation", facts.revocation);
	}
	log_int(l, "up_reused", leg->reused);
	log_int(l, "ms_connect", leg->ms_connect);
	log_int(l, "ms_ready", leg->ms_ready);
}

void session_log_txn(const struct session *s)
{
	const struct txn *t = s->txn;
	struct tls_facts client;
	struct log_line line;

	session_client_facts(s, &client);
	log_begin(&line, "transaction");
	log_int(&line, "n", t->number);
	put_peers(&line, s);
	log_text(&line, "outcome", txn_outcome_name(t->outcome));
	put_envelope(&line, s);
	log_int(&line, "rcpts", t->rcpt_count);
	log_int(&line, "rcpts_ok", t->rcpt_ok);
	log_int(&line, "size", (int64_t)t->octets);
	if (t->trace.id_len > 0)
		log_span(&line, "message_id", span_of(t->trace.id, t->trace.id_len));
	put_tls(&line, &client_keys, &client);
	if (s->leg != NULL)
		session_log_leg(&line, s->leg);
	log_text(&line, "reply", t->reply);
	log_int(&line, "ms", s->edge->now - t->began);
	if (t->why.text[0] != '\0') {
		log_text(&line, "fault", fault_name(t->why.fault));
		log_text(&line, "why", t->why.text);
	}
	log_end(&line);
}
