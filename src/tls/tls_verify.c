#include "tls/tls_inside.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* RFC 9525: the SAN alone, a wildcard for the whole of the left-most label. */
/* RFC 7672 section 3.2.3: a CN too, where the SAN has no DNS name. Who publishes TLSA records chooses his
 * authority himself. */
#define NAME_FLAGS_DANE \
	(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_SINGLE_LABEL_SUBDOMAINS)
#define NAME_FLAGS (NAME_FLAGS_DANE | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)

bool tls_verify_is_address(const char *host)
{
	unsigned char address[16];

	return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool has_name(X509 *leaf, const char *name, bool dane)
{
	if (name[0] == '\0')
		return false;
	if (tls_verify_is_address(name))
		return X509_check_ip_asc(leaf, name, 0) == 1;
	return X509_check_host(leaf, name, 0, dane ? NAME_FLAGS_DANE : NAME_FLAGS, NULL) == 1;
}

bool tls_verify_has_name(X509 *leaf, const char *name)
{
	return has_name(leaf, name, false);
}

struct wanted {
	const char *const *names;
	size_t count;
};

/* The connection's own, else the context's, else the host. */
static struct wanted wanted_names(const struct tls_conn *c, const char *const *host)
{
	if (c->name_count > 0)
		return (struct wanted){ (const char *const *)c->names, c->name_count };
	if (c->client->name_count > 0)
		return (struct wanted){ (const char *const *)c->client->names, c->client->name_count };
	return (struct wanted){ host, 1 };
}

static bool any_will_do(const struct tls_conn *c)
{
	if (c->name_count > 0 || c->dane)
		return false;
	return c->client->any_name || (c->client->any_unnamed && tls_verify_is_address(c->host));
}

/* The first of the names that may be, and that is; NULL: none. */
static const char *matching(X509 *leaf, const struct tls_conn *c)
{
	const char *host = c->host;
	struct wanted wanted = wanted_names(c, &host);

	if (any_will_do(c))
		return "whatever name the client asks for";
	for (size_t i = 0; i < wanted.count; i++) {
		if (has_name(leaf, wanted.names[i], c->dane))
			return wanted.names[i];
	}
	return NULL;
}

static bool has_expired(const X509 *leaf, const struct tls_client *client)
{
	int64_t now = client->now != 0 ? client->now : (int64_t)time(NULL);

	return now > tls_cert_time(X509_get0_notAfter(leaf));
}

static void say_bad(struct tls_facts *facts, enum tls_bad bad, const char *text)
{
	facts->verified = TLS_VERIFIED_BAD;
	facts->bad = bad;
	snprintf(facts->verify_text, sizeof(facts->verify_text), "%s", text);
}

static void say_names(const X509 *leaf, const struct tls_conn *c, struct tls_facts *facts)
{
	const char *host = c->host, *want = wanted_names(c, &host).names[0];
	char have[256];

	facts->verified = TLS_VERIFIED_BAD;
	facts->bad = TLS_BAD_NAME;
	if (tls_cert_dns_name(leaf, have, sizeof(have)))
		snprintf(facts->verify_text, sizeof(facts->verify_text),
			 "certificate is for %.48s, not for %.48s", have, want);
	else
		snprintf(facts->verify_text, sizeof(facts->verify_text),
			 "certificate has no DNS name in its SAN, wanted is %.48s", want);
}

static void say_ok(struct tls_facts *facts, const char *text, const char *name)
{
	facts->verified = TLS_VERIFIED_OK;
	snprintf(facts->verify_text, sizeof(facts->verify_text), "%s%.96s", text, name);
}

static const char *chain_text(long chain)
{
	if (chain == X509_V_ERR_DANE_NO_MATCH)
		return "no TLSA record matches the certificate";
	return X509_verify_cert_error_string(chain);
}

void tls_verify_facts(const struct tls_conn *c, struct tls_facts *facts)
{
	X509 *leaf = SSL_get0_peer_certificate(c->ssl);
	long chain = SSL_get_verify_result(c->ssl);
	const char *name, *revoked = tls_revoked_facts(c, facts);

	facts->dane = c->dane;
	if (leaf == NULL) {
		say_bad(facts, TLS_BAD_OTHER, "the server has no certificate");
		return;
	}
	name = matching(leaf, c);
	if (chain == X509_V_OK && c->dane && c->found.dane == TLS_DANE_NONE)
		chain = X509_V_ERR_DANE_NO_MATCH;
	if (chain != X509_V_OK) {
		say_bad(facts, chain == X509_V_ERR_CERT_HAS_EXPIRED ? TLS_BAD_EXPIRED : TLS_BAD_OTHER, chain_text(chain));
	} else if (c->found.dane == TLS_DANE_EE) {
		say_ok(facts, "DANE-EE matched", "");
	} else if (has_expired(leaf, c->client)) {
		/* The chain was checked when the session began. */
		say_bad(facts, TLS_BAD_EXPIRED, "certificate has expired");
	} else if (revoked != NULL) {
		say_bad(facts, TLS_BAD_OTHER, revoked);
	} else if (name == NULL) {
		say_names(leaf, c, facts);
	} else {
		say_ok(facts, c->dane ? "DANE-TA matched, verified for " : "verified for ", name);
	}
}
