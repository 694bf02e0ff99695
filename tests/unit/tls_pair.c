#include "tls_pair.h"

#include "base/must.h"

#include <stdio.h>
#include <string.h>

/* Far more than any handshake takes, octet by octet. */
#define TURNS_MOST 100000

struct tls_profile tls_pair_versions(enum tls_version min, enum tls_version max)
{
	struct tls_profile p = *tls_profile_builtin("intermediate");

	p.min = min;
	p.max = max;
	return p;
}

struct tls_cert *tls_pair_cert(const struct test_pki *leaf)
{
	struct why why = { 0 };
	struct tls_cert *c = tls_cert_read(span_str(leaf->cert_pem), span_str(leaf->key_pem), &why);

	if (c == NULL)
		fprintf(stderr, "certificate: %s\n", why.text);
	must(c != NULL);
	return c;
}

struct tls_server *tls_pair_server(const struct tls_profile *profile,
				   struct tls_cert *const *certs, size_t count, const char *label,
				   const struct tls_ticket_ring *tickets)
{
	const struct tls_server_conf conf = { profile, certs, count, label, tickets };
	struct why why = { 0 };
	struct tls_server *s = tls_server_new(&conf, &why);

	if (s == NULL)
		fprintf(stderr, "server: %s\n", why.text);
	must(s != NULL);
	return s;
}

struct tls_client *tls_pair_client(const struct tls_profile *profile, const struct test_pki *ca)
{
	const struct tls_client_conf conf = {
		.profile = profile,
		.ca = ca != NULL ? span_str(ca->cert_pem) : SPAN(""),
	};
	struct why why = { 0 };
	struct tls_client *c = tls_client_new(&conf, &why);

	if (c == NULL)
		fprintf(stderr, "client: %s\n", why.text);
	must(c != NULL);
	return c;
}

void tls_pair_open(struct tls_pair *p, struct tls_server *server, struct tls_client *client,
		   const char *host, const char *key)
{
	tls_pair_expect(p, server, client, host, NULL, key);
}

void tls_pair_expect(struct tls_pair *p, struct tls_server *server, struct tls_client *client,
		     const char *host, const struct tls_expect *expect, const char *key)
{
	memset(p, 0, sizeof(*p));
	p->server = tls_conn_accept(server);
	p->client = tls_conn_connect(client, host, expect, key);
}

size_t tls_pair_carry(struct tls_conn *from, struct tls_conn *to, size_t most)
{
	struct span piece = span_first(buf_peek(&from->raw_out), most);

	piece = span_first(piece, buf_space(&to->raw_in));
	if (piece.len > 0)
		must(buf_put(&to->raw_in, piece));
	buf_consume(&from->raw_out, piece.len);
	return piece.len;
}

static void step(struct tls_conn *c, enum tls_io *io, enum tls_failure *failure, struct why *why)
{
	if (!c->ready && !c->broken)
		*io = tls_conn_handshake(c, failure, why);
}

bool tls_pair_shake(struct tls_pair *p, size_t piece)
{
	bool moved = true;
	int turns = 0;

	while (moved && !(p->server->ready && p->client->ready)) {
		step(p->client, &p->client_io, &p->client_failure, &p->client_why);
		moved = tls_pair_carry(p->client, p->server, piece) > 0;
		step(p->server, &p->server_io, &p->server_failure, &p->server_why);
		moved |= tls_pair_carry(p->server, p->client, piece) > 0;
		must(++turns < TURNS_MOST);
	}
	return p->server->ready && p->client->ready;
}

bool tls_pair_say(struct tls_conn *from, struct tls_conn *to, const char *text)
{
	struct buf out, in;
	struct why why;
	bool came;

	buf_init(&out, strlen(text));
	buf_init(&in, strlen(text));
	must(buf_put(&out, span_str(text)));
	came = tls_conn_write(from, &out, &why) == TLS_IO_OK &&
	       tls_pair_carry(from, to, TLS_PAIR_WHOLE) > 0 &&
	       tls_conn_read(to, &in, &why) == TLS_IO_OK &&
	       span_eq(buf_peek(&in), span_str(text));
	buf_free(&out);
	buf_free(&in);
	return came;
}

void tls_pair_close(struct tls_pair *p)
{
	tls_conn_free(p->server);
	tls_conn_free(p->client);
	memset(p, 0, sizeof(*p));
}
