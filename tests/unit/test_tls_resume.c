/* Sessions that are taken up again, and all the places where they must not be (law 7). */
#include "unit.h"

#include "tls_pair.h"

#include <time.h>

#define HOST "mx.example.net"
#define KEY "mx.example.net:25 verify"

static struct test_pki *ca, *leaf;
static struct tls_cert *cert;

static const struct tls_profile *usual(void)
{
	return tls_profile_builtin("intermediate");
}

/* One connection from the first octet to the last; true where it resumed, on which both sides
 * must agree. Under TLS 1.3 the ticket comes with what the server says. */
static bool talk(struct tls_server *server, struct tls_client *client, const char *key)
{
	struct tls_facts ours, theirs;
	struct tls_pair p;

	tls_pair_open(&p, server, client, HOST, key);
	if (!tls_pair_shake(&p, TLS_PAIR_WHOLE))
		fail_msg("handshake: %s, %s", p.client_why.text, p.server_why.text);
	assert_true(tls_pair_say(p.server, p.client, "250 hello\r\n"));
	tls_conn_facts(p.client, &ours);
	tls_conn_facts(p.server, &theirs);
	assert_int_equal(ours.resumed, theirs.resumed);
	assert_string_equal(ours.version, theirs.version);
	assert_string_equal(ours.cipher, theirs.cipher);
	assert_string_equal(theirs.sni, HOST);
	tls_pair_close(&p);
	return ours.resumed;
}

static SSL_SESSION *kept(struct tls_client *client)
{
	msec born;

	return tls_session_copy(&client->sessions, KEY " " HOST, clock_now(), &born);
}

static void test_SUB_15_across_edges_and_restarts(void **state)
{
	static const enum tls_version versions[] = { TLS_1_2, TLS_1_3 };

	(void)state;
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct tls_profile profile = tls_pair_versions(versions[i], versions[i]);
		struct tls_ticket_ring ring = { 0 };
		struct tls_server *one, *two;
		struct tls_client *client = tls_pair_client(&profile, ca);

		tls_ticket_rotate(&ring);
		one = tls_pair_server(usual(), &cert, 1, "mx intermediate", &ring);
		two = tls_pair_server(usual(), &cert, 1, "mx intermediate", &ring);
		assert_false(talk(one, client, KEY));
		assert_true(talk(one, client, KEY));
		assert_true(talk(two, client, KEY));
		tls_server_free(one);
		assert_true(talk(two, client, KEY));
		tls_server_free(two);
		tls_client_free(client);
	}
}

/* Both ways: another label, and another ring (another installation). */
static void test_SUB_15_never_at_another_service(void **state)
{
	static const enum tls_version versions[] = { TLS_1_2, TLS_1_3 };

	(void)state;
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct tls_profile profile = tls_pair_versions(versions[i], versions[i]);
		struct tls_ticket_ring ring = { 0 }, other = { 0 };
		struct tls_server *mx, *submission, *elsewhere;
		struct tls_client *client = tls_pair_client(&profile, ca);

		tls_ticket_rotate(&ring);
		tls_ticket_rotate(&other);
		mx = tls_pair_server(usual(), &cert, 1, "mx intermediate", &ring);
		submission = tls_pair_server(usual(), &cert, 1, "submission intermediate", &ring);
		elsewhere = tls_pair_server(usual(), &cert, 1, "mx intermediate", &other);
		assert_false(talk(mx, client, KEY));
		assert_false(talk(submission, client, KEY));
		assert_true(talk(submission, client, KEY));
		assert_false(talk(mx, client, KEY));
		assert_false(talk(elsewhere, client, KEY));
		tls_server_free(mx);
		tls_server_free(submission);
		tls_server_free(elsewhere);
		tls_client_free(client);
	}
}

/* A session begun under one name is not taken up under another, whatever the client wants. */
static void test_CVE_2025_23419_another_name(void **state)
{
	static const enum tls_version versions[] = { TLS_1_2, TLS_1_3 };

	(void)state;
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct tls_profile profile = tls_pair_versions(versions[i], versions[i]);
		struct tls_ticket_ring ring = { 0 };
		struct tls_client *client = tls_pair_client(&profile, ca);
		struct tls_server *server;
		static const char *const hosts[] = { HOST, "other.example.net" };

		tls_ticket_rotate(&ring);
		server = tls_pair_server(usual(), &cert, 1, "mx", &ring);
		assert_false(talk(server, client, KEY));
		for (size_t k = 0; k < ROWS(hosts); k++) {
			SSL_SESSION *session = kept(client);
			struct tls_facts facts;
			struct tls_pair p;

			assert_non_null(session);
			tls_pair_open(&p, server, client, hosts[k], NULL);
			assert_int_equal(SSL_set_session(p.client->ssl, session), 1);
			SSL_SESSION_free(session);
			/* OpenSSL's client minds the name as well; this one is a bad one. */
			if (k > 0)
				assert_int_equal(SSL_SESSION_set1_hostname(
					SSL_get_session(p.client->ssl), hosts[k]), 1);
			assert_true(tls_pair_shake(&p, TLS_PAIR_WHOLE));
			tls_conn_facts(p.server, &facts);
			assert_string_equal(facts.sni, hosts[k]);
			assert_int_equal(facts.resumed, k == 0);
			tls_pair_close(&p);
		}
		tls_server_free(server);
		tls_client_free(client);
	}
}

static void test_SUB_15_rotation(void **state)
{
	static const enum tls_version versions[] = { TLS_1_2, TLS_1_3 };

	(void)state;
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct tls_profile profile = tls_pair_versions(versions[i], versions[i]);
		struct tls_ticket_ring ring = { 0 };
		struct tls_client *client = tls_pair_client(&profile, ca);
		struct tls_server *server;

		tls_ticket_rotate(&ring);
		server = tls_pair_server(usual(), &cert, 1, "mx", &ring);
		assert_false(talk(server, client, KEY));
		/* Each meeting brings a ticket of the newest key, so this could go on for ever. */
		for (int turn = 0; turn < 2 * TLS_TICKET_SECRETS; turn++) {
			tls_ticket_rotate(&ring);
			assert_true(talk(server, client, KEY));
		}
		for (int turn = 0; turn < TLS_TICKET_SECRETS; turn++)
			tls_ticket_rotate(&ring);
		assert_false(talk(server, client, KEY));
		assert_true(talk(server, client, KEY));
		tls_server_free(server);
		tls_client_free(client);
	}
}

/* However often it is renewed, an hour after the chain was checked it is checked again. */
static void test_SUB_15_renewal_does_not_make_young(void **state)
{
	static const enum tls_version versions[] = { TLS_1_2, TLS_1_3 };

	(void)state;
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct tls_profile profile = tls_pair_versions(versions[i], versions[i]);
		struct tls_ticket_ring ring = { 0 };
		struct tls_client *client = tls_pair_client(&profile, ca);
		struct tls_server *server;
		msec before = clock_now() - TLS_SESSION_AGE_MOST / 2;

		tls_ticket_rotate(&ring);
		server = tls_pair_server(usual(), &cert, 1, "mx", &ring);
		assert_false(talk(server, client, KEY));
		client->sessions.all[0].born = before;
		tls_ticket_rotate(&ring);
		assert_true(talk(server, client, KEY));
		assert_int_equal(client->sessions.all[0].born, before);
		client->sessions.all[0].born = clock_now() - TLS_SESSION_AGE_MOST - 1;
		assert_false(talk(server, client, KEY));
		assert_true(client->sessions.all[0].born > before);
		tls_server_free(server);
		tls_client_free(client);
	}
}

static void test_SUB_15_without_tickets(void **state)
{
	static const enum tls_version versions[] = { TLS_1_2, TLS_1_3 };

	(void)state;
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct tls_profile profile = tls_pair_versions(versions[i], versions[i]);
		struct tls_profile mute = *usual();
		struct tls_ticket_ring ring = { 0 };
		struct tls_client *client = tls_pair_client(&profile, ca), *forgetful;
		struct tls_server *none = tls_pair_server(usual(), &cert, 1, "mx", NULL);
		struct tls_server *early = tls_pair_server(usual(), &cert, 1, "mx", &ring);
		struct tls_server *off;

		assert_false(talk(none, client, KEY));
		assert_false(talk(none, client, KEY));
		assert_false(talk(early, client, KEY));
		assert_false(talk(early, client, KEY));
		tls_ticket_rotate(&ring);
		mute.tickets = false;
		off = tls_pair_server(&mute, &cert, 1, "mx", &ring);
		assert_false(talk(off, client, KEY));
		assert_false(talk(off, client, KEY));
		profile.tickets = false;
		forgetful = tls_pair_client(&profile, ca);
		assert_false(talk(early, forgetful, KEY));
		assert_false(talk(early, forgetful, KEY));
		assert_false(talk(early, client, KEY));
		assert_true(talk(early, client, KEY));
		tls_server_free(none);
		tls_server_free(early);
		tls_server_free(off);
		tls_client_free(client);
		tls_client_free(forgetful);
	}
}

static void test_SUB_15_one_ticket_and_no_early_data(void **state)
{
	struct tls_ticket_ring ring = { 0 };
	struct tls_client *client = tls_pair_client(usual(), ca);
	struct tls_server *server;
	SSL_SESSION *session;

	(void)state;
	tls_ticket_rotate(&ring);
	server = tls_pair_server(usual(), &cert, 1, "mx", &ring);
	assert_false(talk(server, client, KEY));
	assert_int_equal(SSL_CTX_get_num_tickets(server->ctx), 1);
	assert_int_equal(client->sessions.uses, 1);
	session = kept(client);
	assert_non_null(session);
	assert_int_equal(SSL_SESSION_get_max_early_data(session), 0);
	SSL_SESSION_free(session);
	tls_server_free(server);
	tls_client_free(client);
}

/* The need is part of the key: what was agreed under `may` says nothing about `verify`. */
static void test_FIGURES_6_7_by_key(void **state)
{
	struct tls_ticket_ring ring = { 0 };
	struct tls_client *client = tls_pair_client(usual(), ca), *other;
	struct tls_server *server;
	char longest[500];

	(void)state;
	tls_ticket_rotate(&ring);
	server = tls_pair_server(usual(), &cert, 1, "mx", &ring);
	other = tls_pair_client(usual(), ca);
	assert_false(talk(server, client, "a:25 may"));
	assert_false(talk(server, client, "a:25 verify"));
	assert_false(talk(server, client, "b:25 may"));
	assert_true(talk(server, client, "a:25 may"));
	assert_true(talk(server, client, "a:25 verify"));
	assert_true(talk(server, client, "b:25 may"));
	assert_false(talk(server, other, "a:25 may"));
	for (int i = 0; i < 2; i++) {
		assert_false(talk(server, client, NULL));
		assert_false(talk(server, client, ""));
	}
	/* One that would have to be cut could be taken for another. */
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_false(talk(server, client, longest));
	assert_false(talk(server, client, longest));
	tls_server_free(server);
	tls_client_free(client);
	tls_client_free(other);
}

/* A connection that ends badly takes its own session down, not our copy. */
static void test_FIGURES_6_7_a_bad_end_spoils_nothing(void **state)
{
	struct tls_ticket_ring ring = { 0 };
	struct tls_client *client = tls_pair_client(usual(), ca);
	struct tls_server *server;
	struct tls_pair p;
	struct why why;
	struct buf in;

	(void)state;
	tls_ticket_rotate(&ring);
	server = tls_pair_server(usual(), &cert, 1, "mx", &ring);
	tls_pair_open(&p, server, client, HOST, KEY);
	assert_true(tls_pair_shake(&p, TLS_PAIR_WHOLE));
	assert_true(tls_pair_say(p.server, p.client, "250 hello\r\n"));
	buf_init(&in, 100);
	assert_true(buf_put(&p.client->raw_in, SPAN("this is no TLS record at all")));
	assert_int_equal(tls_conn_read(p.client, &in, &why), TLS_IO_BROKEN);
	tls_pair_close(&p);
	assert_true(talk(server, client, KEY));
	tls_server_free(server);
	tls_client_free(client);
}

static void test_a_session_that_the_peer_chokes_on_is_dropped(void **state)
{
	struct tls_ticket_ring ring = { 0 };
	struct tls_client *client = tls_pair_client(usual(), ca);
	struct tls_server *server;
	struct tls_pair p;

	(void)state;
	tls_ticket_rotate(&ring);
	server = tls_pair_server(usual(), &cert, 1, "mx", &ring);
	assert_false(talk(server, client, KEY));
	tls_pair_open(&p, server, client, HOST, KEY);
	assert_true(p.client->session_offered);
	assert_true(buf_put(&p.client->raw_in, SPAN("this is no TLS record at all")));
	assert_false(tls_pair_shake(&p, TLS_PAIR_WHOLE));
	tls_pair_close(&p);
	assert_false(talk(server, client, KEY));
	tls_server_free(server);
	tls_client_free(client);
}

static struct tls_facts facts_of(struct tls_server *server, struct tls_client *client)
{
	struct tls_facts facts;
	struct tls_pair p;

	tls_pair_open(&p, server, client, HOST, KEY);
	assert_true(tls_pair_shake(&p, TLS_PAIR_WHOLE));
	assert_true(tls_pair_say(p.server, p.client, "250 hello\r\n"));
	tls_conn_facts(p.client, &facts);
	tls_pair_close(&p);
	return facts;
}

/* A resumed session brings no certificate, but stands for one all the same. */
static void test_SUB_15_verified_when_resumed(void **state)
{
	static const enum tls_version versions[] = { TLS_1_2, TLS_1_3 };

	(void)state;
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct tls_profile profile = tls_pair_versions(versions[i], versions[i]);
		struct tls_ticket_ring ring = { 0 };
		struct tls_client *client = tls_pair_client(&profile, ca);
		struct tls_server *server;
		struct tls_facts first, again;

		tls_ticket_rotate(&ring);
		server = tls_pair_server(usual(), &cert, 1, "mx", &ring);
		first = facts_of(server, client);
		again = facts_of(server, client);
		assert_false(first.resumed);
		assert_true(again.resumed);
		assert_int_equal(again.verified, TLS_VERIFIED_OK);
		assert_string_equal(again.verify_text, "verified for " HOST);
		assert_string_equal(again.cert, first.cert);
		assert_string_equal(again.cert_name, HOST);
		assert_int_equal(again.cert_until, first.cert_until);
		/* Forty days later the certificate is no good any more, session or not. */
		client->now = (int64_t)time(NULL) + 40L * 24 * 3600;
		again = facts_of(server, client);
		assert_true(again.resumed);
		assert_int_equal(again.verified, TLS_VERIFIED_BAD);
		assert_string_equal(again.verify_text, "certificate has expired");
		tls_server_free(server);
		tls_client_free(client);
	}
}

static void test_SUB_15_unverified_when_resumed(void **state)
{
	static const enum tls_version versions[] = { TLS_1_2, TLS_1_3 };
	struct test_pki *stranger =
		test_pki_make(&(struct test_pki_spec){ .cn = "stranger", .ca = true }, NULL);

	(void)state;
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct tls_profile profile = tls_pair_versions(versions[i], versions[i]);
		struct tls_ticket_ring ring = { 0 };
		struct tls_client *client = tls_pair_client(&profile, stranger);
		struct tls_server *server;
		struct tls_facts first, again;

		tls_ticket_rotate(&ring);
		server = tls_pair_server(usual(), &cert, 1, "mx", &ring);
		first = facts_of(server, client);
		again = facts_of(server, client);
		assert_true(again.resumed);
		assert_int_equal(again.verified, TLS_VERIFIED_BAD);
		assert_string_equal(again.verify_text, "unable to get local issuer certificate");
		assert_string_equal(again.verify_text, first.verify_text);
		tls_server_free(server);
		tls_client_free(client);
	}
	test_pki_free(stranger);
}

/* A reload frees the contexts of the old generation while its sessions live on. */
static void test_FAULTS_30_contexts_go_before_their_connections(void **state)
{
	struct tls_ticket_ring ring = { 0 };
	struct tls_client *client = tls_pair_client(usual(), ca);
	struct tls_server *server;
	struct tls_facts facts;
	struct tls_pair p;

	(void)state;
	tls_ticket_rotate(&ring);
	server = tls_pair_server(usual(), &cert, 1, "mx", &ring);
	tls_pair_open(&p, server, client, HOST, KEY);
	tls_server_free(server);
	tls_client_free(client);
	assert_true(tls_pair_shake(&p, 100));
	assert_true(tls_pair_say(p.server, p.client, "250 hello\r\n"));
	tls_conn_facts(p.client, &facts);
	assert_string_equal(facts.verify_text, "verified for " HOST);
	tls_pair_close(&p);
}

static bool holds(struct tls_session_cache *t, const char *key, msec now)
{
	msec born;
	SSL_SESSION *s = tls_session_copy(t, key, now, &born);

	SSL_SESSION_free(s);
	return s != NULL;
}

static SSL_SESSION *some_session(void)
{
	struct tls_profile profile = tls_pair_versions(TLS_1_2, TLS_1_2);
	struct tls_ticket_ring ring = { 0 };
	struct tls_client *client = tls_pair_client(&profile, ca);
	struct tls_server *server;
	SSL_SESSION *session;

	tls_ticket_rotate(&ring);
	server = tls_pair_server(usual(), &cert, 1, "mx", &ring);
	talk(server, client, KEY);
	session = kept(client);
	assert_non_null(session);
	tls_server_free(server);
	tls_client_free(client);
	return session;
}

static void test_the_cache_has_a_ceiling(void **state)
{
	struct tls_session_cache *t = mem_new(sizeof(*t));
	SSL_SESSION *session = some_session();
	char key[20];

	(void)state;
	for (int i = 0; i < TLS_SESSION_KEYS_MOST; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		tls_session_put(t, key, session, 0);
	}
	assert_true(holds(t, "key 0", 0)); /* and is now the last used */
	tls_session_put(t, "one more", session, 0);
	assert_true(holds(t, "one more", 0));
	assert_true(holds(t, "key 0", 0));
	assert_false(holds(t, "key 1", 0));
	assert_true(holds(t, "key 2", 0));
	tls_session_drop(t, "key 2");
	tls_session_drop(t, "no such key");
	assert_false(holds(t, "key 2", 0));
	tls_session_put(t, "in its place", session, 0);
	assert_true(holds(t, "key 3", 0));
	tls_session_free(t);
	SSL_SESSION_free(session);
	free(t);
}

static void test_the_cache_forgets_after_an_hour(void **state)
{
	struct tls_session_cache *t = mem_new(sizeof(*t));
	SSL_SESSION *session = some_session();

	(void)state;
	tls_session_put(t, "a", session, 1000);
	assert_true(holds(t, "a", 1000 + TLS_SESSION_AGE_MOST));
	assert_false(holds(t, "a", 1001 + TLS_SESSION_AGE_MOST));
	assert_false(holds(t, "a", 1000));
	tls_session_put(t, "a", session, 1000);
	tls_session_put(t, "a", session, 2000);
	assert_true(holds(t, "a", 2000 + TLS_SESSION_AGE_MOST));
	tls_session_free(t);
	SSL_SESSION_free(session);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_SUB_15_across_edges_and_restarts),
		cmocka_unit_test(test_SUB_15_never_at_another_service),
		cmocka_unit_test(test_CVE_2025_23419_another_name),
		cmocka_unit_test(test_SUB_15_rotation),
		cmocka_unit_test(test_SUB_15_renewal_does_not_make_young),
		cmocka_unit_test(test_SUB_15_without_tickets),
		cmocka_unit_test(test_SUB_15_one_ticket_and_no_early_data),
		cmocka_unit_test(test_FIGURES_6_7_by_key),
		cmocka_unit_test(test_FIGURES_6_7_a_bad_end_spoils_nothing),
		cmocka_unit_test(test_a_session_that_the_peer_chokes_on_is_dropped),
		cmocka_unit_test(test_SUB_15_verified_when_resumed),
		cmocka_unit_test(test_SUB_15_unverified_when_resumed),
		cmocka_unit_test(test_FAULTS_30_contexts_go_before_their_connections),
		cmocka_unit_test(test_the_cache_has_a_ceiling),
		cmocka_unit_test(test_the_cache_forgets_after_an_hour),
	};
	int failed;

	ca = test_pki_make(&(struct test_pki_spec){ .cn = "ca", .ca = true }, NULL);
	leaf = test_pki_make(&(struct test_pki_spec){ .cn = "x", .names = "DNS:" HOST }, ca);
	cert = tls_pair_cert(leaf);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	tls_cert_free(cert);
	test_pki_free(leaf);
	test_pki_free(ca);
	return failed;
}
