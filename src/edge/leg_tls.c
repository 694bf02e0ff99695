/* TLS of a leg: whom it is begun with, what becomes of a handshake that fails, and whether the certificate's responder is to be
 * asked. Whether what came of it is good enough leg.c judges. */
#include "edge/leg_inside.h"

#include "base/must.h"
#include "edge/edge_route.h"
#include "edge/session.h"
#include "smtp/smtp_answer.h"
#include "tls/tls_digest.h"

#include <stdio.h>
#include <stdlib.h>

/* A request for one certificate is about a hundred octets. */
#define OCSP_REQUEST_MOST 1024

static const struct conf_upstream *settings(const struct leg *l)
{
	return l->up->plan->conf;
}

static bool is_transparent(const struct leg *l)
{
	return l->session->target.len > 0;
}

void leg_end_check(struct leg *l)
{
	if (l->ocsp == NULL)
		return;
	edge_route_forget(l->edge, l->ocsp);
	free(l->ocsp);
	l->ocsp = NULL;
}

/* `may` goes on in clear, but never on a connection that has seen a handshake fail. */
void leg_tls_failed(struct leg *l, const struct why *why)
{
	struct why said = *why;

	edge_count(l->edge, COUNT_UPSTREAM_TLS_FAILED, 1);
	if (l->need.level == NEED_MAY && !leg_is_implicit(l) && settings(l)->on_tls_failure == CONF_TLS_FAILURE_CLEAR) {
		leg_log_try(l, "upstream-fallback", why);
		leg_hang_up(l);
		l->clear = true;
		leg_begin_try(l);
		return;
	}
	why_set(&said, why->fault, "TLS handshake failed: %.180s", why->text);
	leg_report_failure(l, &said);
	leg_try_failed(l, &SMTP_SAY_TLS_FAILED, &said);
}

/* The name for SNI: the host's, or where that is an address the first that its certificate may have;
 * in transparent mode what the client has asked for, where it has. */
static const char *tls_host(const struct leg *l, char text[ADDR_TEXT_MOST])
{
	if (!is_transparent(l) && leg_here(l)->host->literal && settings(l)->names.count > 0)
		return settings(l)->names.at[0];
	if (!is_transparent(l))
		return leg_host(l);
	if (l->session->sni != NULL)
		return l->session->sni;
	addr_print_host(&leg_here(l)->addr, text);
	return text;
}

/* Of a next hop: whose names count, and the TLSA records, are the decision's. */
static struct tls_conn *connect_hop(const struct leg *l, const char *where)
{
	char key[ADDR_TEXT_MOST + TLS_DIGEST_HEX + 8], digest[TLS_DIGEST_HEX + 1];
	const unsigned i = leg_here(l)->hop_host;
	struct plan_expect expect;

	plan_expect(&l->hop->decision, l->hop->found->all, i, &expect);
	tls_digest(shared_seed(l->edge->shared), buf_peek(&l->hop->key), digest);
	snprintf(key, sizeof(key), "%s %u %s", where, i, digest);
	return tls_conn_connect(l->hop->tls, expect.sni, &expect.tls, key);
}

static struct tls_conn *connect_upstream(const struct leg *l, const char *where)
{
	char key[ADDR_TEXT_MOST + 256 + 32], text[ADDR_TEXT_MOST];
	const char *host = tls_host(l, text);

	snprintf(key, sizeof(key), "%s %.255s %s %u", where, host, need_level_name(l->need.level), l->need.min_bits);
	return tls_conn_connect(l->up->plan->tls, host, NULL, key);
}

void leg_begin_tls(struct leg *l)
{
	char where[ADDR_TEXT_MOST];
	struct tls_conn *tls;
	struct why why;

	leg_where(l, where);
	tls = l->hop != NULL ? connect_hop(l, where) : connect_upstream(l, where);
	if (!stream_start_tls(&l->stream, tls, &why)) {
		tls_conn_free(tls);
		if (l->stream.end != STREAM_OPEN) {
			leg_tls_failed(l, &why);
			return;
		}
		/* Bytes behind the 220 are an attack or a broken server: no level goes on with it. */
		leg_try_failed(l, &SMTP_SAY_TLS_FAILED, &why);
		return;
	}
	leg_enter(l, LEG_TLS);
}

/* The certificate has been looked at as far as we can: who the server is said to be is the need's matter. */
static bool secured(struct leg *l)
{
	if (leg_is_implicit(l)) {
		l->client.tls = true;
	} else if (!smtp_client_tls_on(&l->client, &l->stream.out)) {
		leg_try_failed_for(l, FAULT_SELF, "no room for EHLO");
		return true;
	}
	leg_enter(l, LEG_HELLO);
	return true;
}

static bool wants_check(struct leg *l)
{
	char url[POLICY_URL_MOST];
	struct buf request;
	bool wanted;

	buf_init(&request, OCSP_REQUEST_MOST);
	wanted = tls_conn_ocsp_wanted(l->stream.tls, url, sizeof(url), &request);
	if (wanted) {
		l->ocsp = mem_new(sizeof(*l->ocsp));
		edge_route_ask_ocsp(l->session, l->ocsp, url, buf_peek(&request));
	}
	buf_free(&request);
	return wanted;
}

bool leg_step_check(struct leg *l)
{
	if (l->stream.end == STREAM_OPEN && !edge_route_has_answer(l->ocsp))
		return false;
	if (l->stream.end == STREAM_OPEN)
		tls_conn_ocsp_answer(l->stream.tls, buf_peek(&l->ocsp->octets));
	leg_end_check(l);
	return secured(l);
}

bool leg_step_tls(struct leg *l)
{
	if (l->stream.end != STREAM_OPEN) {
		struct why why = l->stream.why;

		leg_tls_failed(l, &why);
		return true;
	}
	if (l->stream.handshaking)
		return false;
	edge_count(l->edge, COUNT_UPSTREAM_TLS, 1);
	if (!wants_check(l))
		return secured(l);
	leg_enter(l, LEG_CHECK);
	return true;
}
