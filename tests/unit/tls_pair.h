/* Our server and our client, end to end in memory. */
#ifndef TLS_PAIR_H
#define TLS_PAIR_H

#include "test_pki.h"
#include "tls/tls_inside.h"

#define TLS_PAIR_WHOLE ((size_t)-1)

struct tls_pair {
	struct tls_conn *server, *client;
	enum tls_io server_io, client_io; /* of the last handshake step */
	enum tls_failure server_failure, client_failure;
	struct why server_why, client_why;
};

/* The intermediate profile with other versions. */
struct tls_profile tls_pair_versions(enum tls_version min, enum tls_version max);

/* End the process where the context cannot be. */
struct tls_cert *tls_pair_cert(const struct test_pki *leaf);
struct tls_server *tls_pair_server(const struct tls_profile *profile,
				   struct tls_cert *const *certs, size_t count, const char *label,
				   const struct tls_ticket_ring *tickets);
struct tls_client *tls_pair_client(const struct tls_profile *profile, const struct test_pki *ca);

void tls_pair_open(struct tls_pair *p, struct tls_server *server, struct tls_client *client,
		   const char *host, const char *key);
void tls_pair_expect(struct tls_pair *p, struct tls_server *server, struct tls_client *client,
		     const char *host, const struct tls_expect *expect, const char *key);
/* Moves encrypted octets both ways, at most `piece` at a time with a step of the receiver after each,
 * until both are ready, either is broken or nothing moves. True where both are ready. */
bool tls_pair_shake(struct tls_pair *p, size_t piece);
/* Up to `most` octets out of one's raw_out into the other's raw_in. */
size_t tls_pair_carry(struct tls_conn *from, struct tls_conn *to, size_t most);
/* `text` through TLS from one to the other, and whether it came; tickets come along with it. */
bool tls_pair_say(struct tls_conn *from, struct tls_conn *to, const char *text);
void tls_pair_close(struct tls_pair *p);

#endif
