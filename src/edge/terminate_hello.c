/* What EHLO is answered with: what we understand, and the upstream offers, and the policy allows (DESIGN law 4). */
#include "edge/mode_terminate.h"

#include "base/must.h"
#include "edge/partner.h"

static bool is_transparent(const struct session *s)
{
	return s->target.len > 0;
}

static bool is_outbound(const struct session *s)
{
	return s->outbound != NULL;
}

const char *terminate_our_name(const struct session *s)
{
	return is_transparent(s) ? s->leg->server_name : s->service->hostname;
}

static const struct smtp_caps *upstream_caps(const struct session *s)
{
	return is_transparent(s) ? &s->leg->client.caps : &s->up->caps;
}

/* Before the recipient is known nobody knows what the next hop can. What a next hop without it would make impossible
 * is not offered, but for what all of them have by now and what the client could not do without. A client that is not
 * offered DSN says itself that the trail ends here (RFC 3461 section 5.2.2). */
static struct smtp_caps outbound_caps(const struct session *s)
{
	return (struct smtp_caps){
		.have = SMTP_CAP_PIPELINING | SMTP_CAP_SIZE | SMTP_CAP_8BITMIME | SMTP_CAP_SMTPUTF8 |
			SMTP_CAP_ENHANCED | SMTP_CAP_CHUNKING |
			(s->server.tls ? SMTP_CAP_REQUIRETLS : 0),
		.size = s->service->conf->max_message_size,
	};
}

/* RFC 8689 section 4.2: only under TLS on both sides, and towards the upstream with a certificate that was looked at. */
static bool offers_requiretls(const struct session *s)
{
	return s->server.tls && !is_transparent(s) && s->up->plan->need.level >= NEED_VERIFY;
}

static struct smtp_caps our_caps(const struct session *s)
{
	return (struct smtp_caps){
		.have = SMTP_CAP_PIPELINING | SMTP_CAP_SIZE | SMTP_CAP_8BITMIME |
			SMTP_CAP_SMTPUTF8 | SMTP_CAP_DSN | SMTP_CAP_ENHANCED |
			SMTP_CAP_CHUNKING | SMTP_CAP_BINARYMIME | SMTP_CAP_AUTH |
			(offers_requiretls(s) ? SMTP_CAP_REQUIRETLS : 0),
		.size = s->service->conf->max_message_size,
	};
}

static bool upstream_has_tls(const struct session *s)
{
	if (!is_transparent(s))
		return s->up->offers_tls;
	return s->leg->client.offers_tls || stream_is_secure(&s->leg->stream);
}

/* The upstream's leg has to be as the client's is, whoever the recipient. */
static bool mirrors(const struct session *s, const struct policy_rule *all)
{
	if (all == NULL || all->upstream == POLICY_UPSTREAM_UNSET)
		return s->up->plan->mirror;
	return all->upstream == POLICY_UPSTREAM_ALLOWED;
}

/* Each hop has its own TLS: an upstream without STARTTLS is no reason to leave the client in the
 * clear, but where the upstream's leg must be as the client's is (SPEC MC-5), and where there is
 * no certificate to mint ours from. */
static bool offers_starttls(const struct session *s)
{
	const struct policy_rule *all = partner_find(s, SPAN(""));
	bool minted = s->action != NULL && s->action->authority != NULL;

	if (!s->offer_tls || s->server.tls || s->tls == NULL)
		return false;
	if (all != NULL && all->client == POLICY_CLIENT_NONE)
		return false;
	if (is_outbound(s))
		return true;
	if (minted)
		return stream_is_secure(&s->leg->stream);
	return !mirrors(s, all) || upstream_has_tls(s);
}

/* Credentials go through us as well protected as they came, and as the server wants them: what the
 * client gives under TLS never goes on in clear, and what the server asks for under TLS is not
 * asked for in clear. */
static bool offers_auth(const struct session *s)
{
	return is_transparent(s) && s->server.tls == stream_is_secure(&s->leg->stream);
}

void terminate_say_ehlo(struct session *s, const struct smtp_cmd *cmd)
{
	struct smtp_caps offer = is_outbound(s) ? outbound_caps(s) :
						  smtp_caps_both(our_caps(s), *upstream_caps(s));

	if (offers_starttls(s))
		offer.have |= SMTP_CAP_STARTTLS;
	smtp_server_hello(&s->server, cmd);
	if (!offers_auth(s)) {
		s->server.auth_hidden = is_transparent(s) && !s->server.tls && (offer.have & SMTP_CAP_AUTH) != 0;
		offer.have &= ~(uint32_t)SMTP_CAP_AUTH;
	}
	s->server.offer = offer;
	edge_count(s->edge, COUNT_EHLO_UNKNOWN, offer.unknown);
	must(smtp_caps_put(&s->client.out, terminate_our_name(s), &offer));
}
