#include "base/must.h"
#include "tls/tls_inside.h"

static int session_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	must(index >= 0);
	return index;
}

/* In the pointer itself, which OpenSSL copies along with a session. */
void tls_found_remember(const struct tls_conn *c, SSL_SESSION *session)
{
	uintptr_t all = (uintptr_t)c->found.dane << 16 | (uintptr_t)c->found.crl << 8 | c->found.ocsp;

	must(SSL_SESSION_set_ex_data(session, session_index(), (void *)all) == 1);
}

static struct tls_found remembered(const SSL_SESSION *session)
{
	uintptr_t all = (uintptr_t)SSL_SESSION_get_ex_data(session, session_index());

	return (struct tls_found){ .ocsp = all & 0xff, .crl = all >> 8 & 0xff, .dane = all >> 16 & 0xff };
}

void tls_found_look(struct tls_conn *c)
{
	if (c->looked)
		return;
	c->looked = true;
	if (SSL_session_reused(c->ssl) == 1) {
		c->found = remembered(SSL_get0_session(c->ssl));
		return;
	}
	tls_dane_look(c);
	tls_revoked_look(c);
}
