#include "edge/transparent.h"

#include "base/must.h"
#include "edge/mode.h"
#include "edge/mode_tunnel.h"
#include "edge/mode_watch.h"
#include "edge/partner.h"
#include "tls/tls_hello.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* On a port with TLS from the first byte there are no words before TLS. */
static void refuse(struct session *s, enum outcome outcome, const struct smtp_answer *a)
{
	session_finish(s, outcome, s->implicit ? NULL : a);
}

/* What the client's side will be is not known before the upstream has said what it can do. So where it makes
 * a difference the upstream is put under TLS as far as it can. */
static struct tls_need first_need(const struct session *s)
{
	struct tls_need secure = partner_first_need(s, true);
	struct tls_need clear = partner_first_need(s, false);

	if (s->implicit)
		return secure;
	if (s->offer_tls && clear.level == NEED_NONE && secure.level != NEED_NONE)
		clear.level = NEED_MAY;
	return clear;
}

static void begin_method(struct session *s)
{
	switch (s->action->method) {
	case CONF_METHOD_TERMINATE:
		s->leg = leg_new(s, s->up, first_need(s));
		session_enter(s, PHASE_UPSTREAM);
		break;
	case CONF_METHOD_PASSTHROUGH:
	case CONF_METHOD_STRIP:
		if (s->implicit)
			mode_tunnel_begin(s, s->up);
		else
			mode_watch_begin(s, s->up, s->action->method == CONF_METHOD_STRIP);
		break;
	}
}

/* Whom the client wants: it has said so itself, or the rule says who is at this address. Else nobody knows. */
static void name_target(struct session *s, const char *rule)
{
	const char *name = plan_destination_name(s->service, rule, &s->target);

	if (s->sni == NULL && name != NULL)
		s->sni = mem_text(name);
}

static void choose(struct session *s)
{
	const char *rule = NULL;
	const struct plan_action *action =
		plan_choose(s->service, &s->peer, &s->target, s->sni, &rule);

	if (action == NULL) {
		why_set(&s->why, FAULT_SYSTEM, "no address is known yet for the destinations of rule %s", rule);
		refuse(s, OUTCOME_UNREACHABLE, &SMTP_SAY_UNREACHABLE);
		return;
	}
	session_use_action(s, action, rule);
	name_target(s, rule);
	begin_method(s);
}

void transparent_begin(struct session *s, bool own)
{
	edge_count(s->edge, COUNT_CONNECTIONS, 1);
	if (own) {
		why_set(&s->why, FAULT_POLICY, "the destination is this gateway itself");
		refuse(s, OUTCOME_LOOP, &SMTP_SAY_OURSELVES);
	} else if (!s->implicit) {
		choose(s);
	}
	session_run(s);
}

/* Whether the hello says more than the connection: to rules, to the upstream's own SNI. */
bool transparent_step(struct session *s)
{
	struct span bytes = buf_peek(&s->client.in);
	struct tls_hello hello;

	if (s->client.end != STREAM_OPEN && bytes.len == 0) {
		session_end(s, OUTCOME_CLIENT_CLOSED, NULL);
		return true;
	}
	switch (tls_hello_client(span_first(bytes, TLS_HELLO_MOST), &hello)) {
	case TLS_HELLO_MORE:
		if (s->client.end == STREAM_OPEN && bytes.len < TLS_HELLO_MOST)
			return false;
		break;
	case TLS_HELLO_WHOLE:
		s->sni = hello.sni[0] != '\0' ? mem_text(hello.sni) : NULL;
		break;
	case TLS_HELLO_NOT:
		break;
	}
	/* What is no hello gets its answer from TLS itself, or from the server at the other end. */
	choose(s);
	return true;
}

/* --- terminate --- */

static bool is_trusted(const struct tls_facts *facts)
{
	return facts->verified == TLS_VERIFIED_OK;
}

static const struct smtp_answer *mint(struct session *s, struct tls_authority *authority,
				      struct tls_facts *facts)
{
	char label[80];
	struct buf der;
	struct why why;

	buf_init(&der, 64 * 1024);
	s->leaf = NULL;
	if (tls_conn_peer_der(s->leg->stream.tls, &der))
		s->leaf = tls_authority_mint(authority, buf_peek(&der), s->edge->wall, NULL, &why);
	else
		why_set(&why, FAULT_PEER, "the upstream's certificate can't be had");
	buf_free(&der);
	if (s->leaf == NULL) {
		log_event("mint", "%s", why.text);
		return &SMTP_SAY_TLS_NOT_NOW;
	}
	snprintf(label, sizeof(label), "%s %s", is_trusted(facts) ? "t" : "u", facts->cert);
	free(s->leaf_label);
	s->leaf_label = mem_text(label);
	return NULL;
}

const struct smtp_answer *transparent_leaf(struct session *s)
{
	const struct plan_action *action = s->action;
	struct tls_facts facts;

	if (action == NULL || action->authority == NULL)
		return NULL;
	if (s->leg == NULL || !stream_is_secure(&s->leg->stream))
		return &SMTP_SAY_TLS_NOT_NOW;
	leg_facts(s->leg, &facts);
	if (is_trusted(&facts))
		return mint(s, action->authority->trusted, &facts);
	/* Trust is never laundered (SPEC WG-7). */
	if (action->conf->on_untrusted == CONF_UNTRUSTED_REFUSE || action->authority->untrusted == NULL)
		return &SMTP_SAY_TLS_UNTRUSTED;
	return mint(s, action->authority->untrusted, &facts);
}

/* The server's own words where it has said any; whatever it was, nothing follows. */
static bool no_greeting(struct session *s)
{
	const struct smtp_reply *reply = &s->leg->reader.reply;
	bool said = reply->code >= 400 && s->leg->server_name[0] == '\0' && !s->implicit;

	s->why = s->leg->why;
	if (said)
		must(smtp_reply_put(&s->client.out, reply));
	refuse(s, OUTCOME_UNREACHABLE, said ? NULL : &SMTP_SAY_UNREACHABLE);
	return true;
}

bool transparent_greet(struct session *s)
{
	if (s->greeted || s->target.len == 0)
		return false;
	if (s->leg->state == LEG_FAILED)
		return no_greeting(s);
	if (s->leg->state != LEG_GREETED)
		return false;
	if (s->implicit && s->client.tls == NULL) {
		session_begin_tls(s, true);
		return true;
	}
	must(smtp_reply_put(&s->client.out, &s->leg->reader.reply));
	s->greeted = true;
	session_enter(s, PHASE_COMMAND);
	return true;
}
