#include "base/must.h"
#include "tls/tls_inside.h"

#include <stdlib.h>
#include <string.h>

static void drop(struct tls_session *e)
{
	SSL_SESSION_free(e->session);
	free(e->key);
	*e = (struct tls_session){ 0 };
}

static struct tls_session *find(struct tls_session_cache *t, const char *key)
{
	for (size_t i = 0; i < TLS_SESSION_KEYS_MOST; i++) {
		if (t->all[i].key != NULL && strcmp(t->all[i].key, key) == 0)
			return &t->all[i];
	}
	return NULL;
}

/* A free place, else the one that was longest unused: free ones have used == 0. */
static struct tls_session *oldest(struct tls_session_cache *t)
{
	struct tls_session *e = &t->all[0];

	for (size_t i = 1; i < TLS_SESSION_KEYS_MOST; i++) {
		if (t->all[i].used < e->used)
			e = &t->all[i];
	}
	return e;
}

/* A connection that ends badly makes its SSL_SESSION unfit for resumption, wherever else it
 * is held; hence copies, both in and out (FIGURES section 6). */
static SSL_SESSION *copy(const SSL_SESSION *session)
{
	SSL_SESSION *mine = SSL_SESSION_dup(session);

	must(mine != NULL);
	return mine;
}

void tls_session_put(struct tls_session_cache *t, const char *key, const SSL_SESSION *session,
		     msec born)
{
	struct tls_session *e = find(t, key);

	if (!SSL_SESSION_is_resumable(session))
		return;
	if (e == NULL)
		e = oldest(t);
	drop(e);
	*e = (struct tls_session){ mem_text(key), copy(session), born, ++t->uses };
}

SSL_SESSION *tls_session_copy(struct tls_session_cache *t, const char *key, msec now,
			      msec *born)
{
	struct tls_session *e = find(t, key);

	if (e == NULL)
		return NULL;
	if (now - e->born > TLS_SESSION_AGE_MOST) {
		drop(e);
		return NULL;
	}
	e->used = ++t->uses;
	*born = e->born;
	return copy(e->session);
}

void tls_session_drop(struct tls_session_cache *t, const char *key)
{
	struct tls_session *e = find(t, key);

	if (e != NULL)
		drop(e);
}

void tls_session_free(struct tls_session_cache *t)
{
	for (size_t i = 0; i < TLS_SESSION_KEYS_MOST; i++)
		drop(&t->all[i]);
}
