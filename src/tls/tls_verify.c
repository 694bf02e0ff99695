#include "tls/tls_inside.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* RFC 9525: the SAN alone, a wildcard for the whole of the left-most label. */
#define NAME_FLAGS \
	(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | \
	 X509_CHECK_FLAG_SINGLE_LABEL_SUBDOMAINS)

bool tls_verify_is_address(const char *host)
{
	unsigned char address[16];

	return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool has_name(X509 *leaf, const char *name)
{
	if (name[0] == '\0')
		return false;
	if (tls_verify_is_address(name))
		return X509_check_ip_asc(leaf, name, 0) == 1;
	return X509_check_host(leaf, name, 0, NAME_FLAGS, NULL) == 1;
}

/* The first of the names that may be, and that is; NULL: none. */
static const char *matching(X509 *leaf, const struct tls_conn *c)
{
	const struct tls_client *client = c->client;

	if (client->any_name)
		return "whatever name the client asks for";
	if (client->name_count == 0)
		return has_name(leaf, c->host) ? c->host : NULL;
	for (size_t i = 0; i < client->name_count; i++) {
		if (has_name(leaf, client->names[i]))
			return client->names[i];
	}
	return NULL;
}

static bool has_expired(const X509 *leaf, const struct tls_client *client)
{
	int64_t now = client->now != 0 ? client->now : (int64_t)time(NULL);

	return now > tls_cert_time(X509_get0_notAfter(leaf));
}

static void say_bad(struct tls_facts *facts, const char *text)
{
	facts->verified = TLS_VERIFIED_BAD;
	snprintf(facts->verify_text, sizeof(facts->verify_text), "%s", text);
}

static void say_names(const X509 *leaf, const struct tls_conn *c, struct tls_facts *facts)
{
	const char *want = c->client->name_count > 0 ? c->client->names[0] : c->host;
	char have[256];

	facts->verified = TLS_VERIFIED_BAD;
	if (tls_cert_dns_name(leaf, have, sizeof(have)))
		snprintf(facts->verify_text, sizeof(facts->verify_text),
			 "certificate is for %.48s, not for %.48s", have, want);
	else
		snprintf(facts->verify_text, sizeof(facts->verify_text),
			 "certificate has no DNS name in its SAN, wanted is %.48s", want);
}

void tls_verify_facts(const struct tls_conn *c, struct tls_facts *facts)
{
	X509 *leaf = SSL_get1_peer_certificate(c->ssl);
	long chain = SSL_get_verify_result(c->ssl);
	const char *name, *revoked = tls_revoked_facts(c, facts);

	if (leaf == NULL) {
		say_bad(facts, "the server has no certificate");
		return;
	}
	name = matching(leaf, c);
	if (chain != X509_V_OK) {
		say_bad(facts, X509_verify_cert_error_string(chain));
	} else if (has_expired(leaf, c->client)) {
		/* The chain was checked when the session began. */
		say_bad(facts, "certificate has expired");
	} else if (revoked != NULL) {
		say_bad(facts, revoked);
	} else if (name == NULL) {
		say_names(leaf, c, facts);
	} else {
		facts->verified = TLS_VERIFIED_OK;
		snprintf(facts->verify_text, sizeof(facts->verify_text), "verified for %.100s",
			 name);
	}
	X509_free(leaf);
}
