#include "route/route_fetch.h"

#include "base/buf.h"
#include "base/must.h"
#include "io/addr.h"
#include "policy/policy_name.h"
#include "route/route_addr.h"
#include "tls/tls_https.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADERS_MOST (64 * 1024)
#define CONNECT_MS 15000

struct route_fetch {
	struct route_fetcher *fetcher;
	struct route_fetch *prev, *next;
	struct route_fetch_ask ask;
	char *url, *content_type, *want_type;
	char host[EVIDENCE_NAME_MOST]; /* folded, or an address */
	unsigned port;
	struct loop_timer *later;      /* for what fails before libcurl has it */
	msec until;
	struct route_dns_ask *names[2]; /* A, AAAA */
	unsigned addr_count;
	struct evidence_addr addrs[EVIDENCE_ADDRS_MOST];
	bool has_private;
	char trouble[96];              /* of the lookups */
	CURL *easy;
	struct curl_slist *resolve, *headers;
	char error[CURL_ERROR_SIZE];
	size_t header_octets;
	struct buf body;
	bool too_long;
	struct route_fetch_answer answer;
	route_fetch_done *done;
	void *arg;
};

struct route_fetcher {
	struct loop *loop;
	struct route_dns *dns;
	bool private_addresses;
	struct tls_https *tls;
	CURLM *multi;
	struct loop_timer *timer; /* libcurl's */
	struct route_fetch *all;
	unsigned count;
};

/* A descriptor of libcurl's. */
struct sock {
	struct route_fetcher *fetcher;
	curl_socket_t fd;
	struct loop_watch *watch;
};

static void free_fetch(struct route_fetch *one)
{
	struct route_fetcher *f = one->fetcher;

	for (unsigned i = 0; i < 2; i++) {
		if (one->names[i] != NULL)
			route_dns_cancel(one->names[i]);
	}
	if (one->easy != NULL) {
		curl_multi_remove_handle(f->multi, one->easy);
		curl_easy_cleanup(one->easy);
	}
	if (one->prev != NULL)
		one->prev->next = one->next;
	else
		f->all = one->next;
	if (one->next != NULL)
		one->next->prev = one->prev;
	f->count--;
	loop_timer_free(one->later);
	curl_slist_free_all(one->resolve);
	curl_slist_free_all(one->headers);
	buf_free(&one->body);
	free(one->url);
	free(one->content_type);
	free(one->want_type);
	free(one);
}

void route_fetch_cancel(struct route_fetch *one)
{
	free_fetch(one);
}

static void finish(struct route_fetch *one)
{
	one->done(one->arg, &one->answer);
	free_fetch(one);
}

/* What libcurl says may hold what a stranger's certificate says. */
static void fail(struct route_fetch *one, enum fault fault, const char *text)
{
	one->answer.got = false;
	why_set(&one->answer.why, fault, "%s", text);
	for (char *at = one->answer.why.text; *at != '\0'; at++) {
		if (*at < ' ' || *at > '~')
			*at = '?';
	}
}

static bool type_is(const char *header, const char *want)
{
	struct span rest = span_str(header != NULL ? header : "");

	return span_eq_nocase(span_trim(span_cut(&rest, ';')), span_str(want));
}

/* A text that libcurl found the end of the transfer to be. */
static void fail_transfer(struct route_fetch *one, CURLcode code)
{
	if (one->too_long)
		fail(one, FAULT_PEER, "the answer is too long");
	else if (code == CURLE_OPERATION_TIMEDOUT)
		fail(one, FAULT_PEER, "no answer in time");
	else
		fail(one, FAULT_PEER, one->error[0] != '\0' ? one->error : curl_easy_strerror(code));
	one->answer.untrusted = code == CURLE_PEER_FAILED_VERIFICATION;
}

static void take_result(struct route_fetch *one, CURLcode code)
{
	const char *type = NULL;
	long status = 0;

	if (code != CURLE_OK) {
		fail_transfer(one, code);
		return;
	}
	curl_easy_getinfo(one->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(one->easy, CURLINFO_CONTENT_TYPE, &type);
	if (status == 200 && one->want_type != NULL && !type_is(type, one->want_type)) {
		fail(one, FAULT_PEER, "the answer has another content type than it should have");
		return;
	}
	one->answer.got = true;
	one->answer.status = (int)status;
	one->answer.body = buf_peek(&one->body);
}

/* `done` may fetch and cancel: so each message is read anew. */
static void look(struct route_fetcher *f)
{
	struct CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(f->multi, &left)) != NULL) {
		struct route_fetch *one = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&one);
		take_result(one, m->data.result);
		finish(one);
	}
}

static void on_timer(void *arg)
{
	struct route_fetcher *f = arg;
	int running;

	curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	look(f);
}

/* libcurl may take the socket away while it works. */
static void on_socket(void *arg, unsigned what)
{
	struct sock *s = arg;
	struct route_fetcher *f = s->fetcher;
	int running, events = 0;

	if (what & LOOP_READ)
		events |= CURL_CSELECT_IN;
	if (what & LOOP_WRITE)
		events |= CURL_CSELECT_OUT;
	curl_multi_socket_action(f->multi, s->fd, events, &running);
	look(f);
}

static int on_want_timer(CURLM *multi, long wait, void *arg)
{
	struct route_fetcher *f = arg;

	(void)multi;
	loop_timer_set(f->timer, wait < 0 ? MSEC_NEVER : loop_now(f->loop) + wait);
	return 0;
}

static int on_want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *old)
{
	struct route_fetcher *f = arg;
	struct sock *s = old;
	unsigned wanted = 0;

	(void)easy;
	if (s != NULL)
		loop_unwatch(s->watch);
	if (what == CURL_POLL_REMOVE) {
		free(s);
		return 0;
	}
	if (s == NULL) {
		s = mem_new(sizeof(*s));
		*s = (struct sock){ .fetcher = f, .fd = fd };
		curl_multi_assign(f->multi, fd, s);
	}
	if (what & CURL_POLL_IN)
		wanted |= LOOP_READ;
	if (what & CURL_POLL_OUT)
		wanted |= LOOP_WRITE;
	s->watch = loop_watch_level(f->loop, fd, wanted, on_socket, s);
	return 0;
}

/* Anything but `size * count` ends the transfer. */
static size_t on_body(char *at, size_t size, size_t count, void *arg)
{
	struct route_fetch *one = arg;

	if (buf_put(&one->body, span_of(at, size * count)))
		return size * count;
	one->too_long = true;
	return 0;
}

static size_t on_header(char *at, size_t size, size_t count, void *arg)
{
	struct route_fetch *one = arg;

	(void)at;
	one->header_octets += size * count;
	if (one->header_octets <= HEADERS_MOST)
		return size * count;
	one->too_long = true;
	return 0;
}

static CURLcode on_tls(CURL *easy, void *ctx, void *arg)
{
	struct route_fetch *one = arg;

	(void)easy;
	return tls_https_apply(one->fetcher->tls, ctx, one->host) ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

struct route_fetcher *route_fetcher_new(struct loop *loop, struct route_dns *dns, const struct conf_route *conf,
					struct why *why)
{
	struct route_fetcher *f;
	struct tls_https *tls = tls_https_new(conf->sts_ca, why);

	if (tls == NULL)
		return NULL;
	must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
	f = mem_new(sizeof(*f));
	*f = (struct route_fetcher){ .loop = loop, .dns = dns, .private_addresses = conf->private_addresses, .tls = tls };
	f->timer = loop_timer_new(loop, on_timer, f);
	f->multi = curl_multi_init();
	must(f->multi != NULL);
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_want_socket);
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_want_timer);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
	return f;
}

void route_fetcher_free(struct route_fetcher *f)
{
	if (f == NULL)
		return;
	while (f->all != NULL)
		route_fetch_cancel(f->all);
	must(curl_multi_cleanup(f->multi) == CURLM_OK);
	loop_timer_free(f->timer);
	tls_https_free(f->tls);
	curl_global_cleanup();
	free(f);
}

/* "+": libcurl forgets it after a minute. */
static void set_addresses(struct route_fetch *one)
{
	char host[ROUTE_ADDR_TEXT_MOST], line[EVIDENCE_NAME_MOST + 16 + EVIDENCE_ADDRS_MOST * (ROUTE_ADDR_TEXT_MOST + 3)];
	size_t len = (size_t)snprintf(line, sizeof(line), "+%s:%u:", one->host, one->port);

	for (unsigned i = 0; i < one->addr_count; i++) {
		route_addr_print(&one->addrs[i], host);
		len += (size_t)snprintf(line + len, sizeof(line) - len, one->addrs[i].v6 ? "%s[%s]" : "%s%s",
					i > 0 ? "," : "", host);
	}
	must(len < sizeof(line));
	one->resolve = curl_slist_append(NULL, line);
	must(one->resolve != NULL);
}

static void set_post(struct route_fetch *one)
{
	char line[256];

	curl_easy_setopt(one->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(one->easy, CURLOPT_POSTFIELDS, one->ask.body.at);
	curl_easy_setopt(one->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)one->ask.body.len);
	snprintf(line, sizeof(line), "Content-Type: %s", one->content_type != NULL ? one->content_type : "");
	one->headers = curl_slist_append(NULL, line);
	must(one->headers != NULL);
	must(curl_slist_append(one->headers, "Expect:") != NULL);
	curl_easy_setopt(one->easy, CURLOPT_HTTPHEADER, one->headers);
}

/* Each of these is a wall: a library that does not know one of them is not used. */
static bool set_walls(struct route_fetch *one)
{
	CURL *c = one->easy;

	return curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, one->ask.plain ? "http,https" : "https") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_RESOLVE, one->resolve) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CAINFO, NULL) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CAPATH, NULL) == CURLE_OK &&
	       /* Else a connection would be given the roots of the one before, whatever on_tls has set. */
	       curl_easy_setopt(c, CURLOPT_CA_CACHE_TIMEOUT, 0L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, on_tls) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, one) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_SSL_SESSIONID_CACHE, 0L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK;
}

static void set_work(struct route_fetch *one, msec left)
{
	CURL *c = one->easy;

	curl_easy_setopt(c, CURLOPT_URL, one->url);
	curl_easy_setopt(c, CURLOPT_PRIVATE, one);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, one->error);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)left);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(left < CONNECT_MS ? left : CONNECT_MS));
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "sallyport/" SALLYPORT_VERSION);
	curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)one->ask.most);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, one);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, one);
	if (one->ask.post)
		set_post(one);
}

static void start(struct route_fetch *one)
{
	struct route_fetcher *f = one->fetcher;
	msec left = one->until - loop_now(f->loop);

	if (one->addr_count == 0 || left <= 0) {
		fail(one, FAULT_PEER, left <= 0 ? "no answer in time" : one->trouble[0] != '\0' ? one->trouble :
		     one->has_private ? "its address is a private one" : "it has no address");
		loop_timer_set(one->later, 0);
		return;
	}
	one->easy = curl_easy_init();
	must(one->easy != NULL);
	set_addresses(one);
	set_work(one, left);
	if (set_walls(one) && curl_multi_add_handle(f->multi, one->easy) == CURLM_OK)
		return;
	curl_easy_cleanup(one->easy);
	one->easy = NULL;
	fail(one, FAULT_SYSTEM, "libcurl can't do what is needed: it must be built with OpenSSL");
	loop_timer_set(one->later, 0);
}

static void take_address(struct route_fetch *one, const struct evidence_addr *a)
{
	if (!one->fetcher->private_addresses && route_addr_private(a))
		one->has_private = true;
	else if (one->addr_count < EVIDENCE_ADDRS_MOST)
		one->addrs[one->addr_count++] = *a;
}

static void take_names(struct route_fetch *one, const struct route_dns_answer *a, bool v6)
{
	struct evidence_addr addr;

	if (a->end == ROUTE_DNS_FAILED)
		snprintf(one->trouble, sizeof(one->trouble), "DNS: %.80s", a->trouble);
	for (unsigned i = 0; i < a->count && i < EVIDENCE_ADDRS_MOST / 2; i++) {
		if (route_addr_read(a->records[i].data, v6, &addr))
			take_address(one, &addr);
	}
	if (one->names[0] == NULL && one->names[1] == NULL)
		start(one);
}

static void on_a(void *arg, const struct route_dns_answer *a)
{
	struct route_fetch *one = arg;

	one->names[0] = NULL;
	take_names(one, a, false);
}

static void on_aaaa(void *arg, const struct route_dns_answer *a)
{
	struct route_fetch *one = arg;

	one->names[1] = NULL;
	take_names(one, a, true);
}

static void on_later(void *arg)
{
	finish(arg);
}

/* Host and port of the URL as libcurl will read them. False where it is none that we fetch. */
static bool read_url(struct route_fetch *one, char host[POLICY_NAME_MOST])
{
	CURLU *u = curl_url();
	char *scheme = NULL, *name = NULL, *port = NULL;
	bool fine = u != NULL && curl_url_set(u, CURLUPART_URL, one->url, CURLU_DISALLOW_USER) == CURLUE_OK &&
		    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		    curl_url_get(u, CURLUPART_HOST, &name, 0) == CURLUE_OK &&
		    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		    (strcmp(scheme, "https") == 0 || (one->ask.plain && strcmp(scheme, "http") == 0)) &&
		    strlen(name) < POLICY_NAME_MOST;

	if (fine) {
		uint64_t number = 0;

		snprintf(host, POLICY_NAME_MOST, "%s", name);
		fine = span_number(span_str(port), 65535, &number);
		one->port = (unsigned)number;
	}
	curl_free(scheme);
	curl_free(name);
	curl_free(port);
	curl_url_cleanup(u);
	return fine;
}

/* "[::1]" or "192.0.2.1": there is nothing to look up. */
static bool take_literal(struct route_fetch *one, const char *host)
{
	struct span text = span_str(host);
	struct evidence_addr e = { 0 };
	struct addr a;

	if (text.len > 2 && text.at[0] == '[')
		text = span_of(text.at + 1, text.len - 2);
	if (!addr_read_host(text, 0, &a))
		return false;
	e.v6 = a.sa.sa_family == AF_INET6;
	memcpy(e.octets, e.v6 ? (const void *)&a.in6.sin6_addr : (const void *)&a.in.sin_addr, e.v6 ? 16 : 4);
	snprintf(one->host, sizeof(one->host), "%.*s", SPAN_ARG(text));
	take_address(one, &e);
	return true;
}

static void find_host(struct route_fetch *one)
{
	struct route_fetcher *f = one->fetcher;
	char host[POLICY_NAME_MOST];

	if (f->count > ROUTE_FETCHES_MOST) {
		fail(one, FAULT_SYSTEM, "too much is being fetched already");
		loop_timer_set(one->later, 0);
	} else if (!read_url(one, host)) {
		fail(one, FAULT_PEER, "not a URL that is fetched");
		loop_timer_set(one->later, 0);
	} else if (take_literal(one, host)) {
		start(one);
	} else if (!policy_name_fold(span_str(host), one->host) || !span_eq_nocase(span_str(host), span_str(one->host))) {
		/* Only what is the same to libcurl as to us: it would look up by itself what it finds no address given for. */
		fail(one, FAULT_PEER, "not a host name");
		loop_timer_set(one->later, 0);
	} else {
		one->names[0] = route_dns_ask(f->dns, one->host, ROUTE_DNS_A, one->ask.patience, on_a, one);
		one->names[1] = route_dns_ask(f->dns, one->host, ROUTE_DNS_AAAA, one->ask.patience, on_aaaa, one);
	}
}

struct route_fetch *route_fetch(struct route_fetcher *f, const struct route_fetch_ask *ask, route_fetch_done *done, void *arg)
{
	struct route_fetch *one = mem_new(sizeof(*one));

	*one = (struct route_fetch){ .fetcher = f, .next = f->all, .ask = *ask, .done = done, .arg = arg };
	one->url = mem_text(ask->url);
	one->content_type = ask->content_type != NULL ? mem_text(ask->content_type) : NULL;
	one->want_type = ask->want_type != NULL ? mem_text(ask->want_type) : NULL;
	one->until = loop_now(f->loop) + ask->patience;
	one->later = loop_timer_new(f->loop, on_later, one);
	buf_init(&one->body, ask->most);
	if (f->all != NULL)
		f->all->prev = one;
	f->all = one;
	f->count++;
	find_host(one);
	return one;
}
