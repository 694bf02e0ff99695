#include "plan_text.h"
#include "proc/sockets.h"
#include "unit.h"

#include <sys/socket.h>
#include <unistd.h>

#define HEAD "hostname: gw.example.net\nmark: 0x77\n"
#define NET(source) HEAD "actions: { a: { tls: passthrough } }\nservices: { net: { mode: transparent, listen: \"*:2525\", " \
	"action: a, source: " source " } }\n"

static const struct {
	const char *name, *text;
	bool own, any; /* what an edge may ask for */
} rows[] = {
	{ "a relay", HEAD "services: { mx: { listen: 192.0.2.1:2525, upstream: 10.0.0.5, client_tls: none } }\n",
	  false, false },
	{ "transparent, from our address", NET("own"), true, false },
	{ "transparent, from the client's", NET("client"), true, true },
};

/* An edge that has no use for such sockets does not get any: whoever has taken it over could call as anybody. */
static void test_who_may_ask(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct plan *p = plan_text_good(rows[i].name, rows[i].text);
		const struct ipc_sockets own = { .count = 1 }, any = { .count = 1, .any_source = true };

		want_number(rows[i].name, "own", sockets_may(p, &own), rows[i].own);
		want_number(rows[i].name, "any", sockets_may(p, &any), rows[i].any);
		plan_release(p);
	}
}

static void test_what_is_made(void **state)
{
	struct plan *p = plan_text_good("client", NET("client"));
	const struct ipc_sockets want = { .count = 3, .v6 = true, .any_source = true };
	int fds[IPC_SOCKETS_MOST], mark;
	socklen_t len = sizeof(mark);
	struct why why;

	(void)state;
	if (!sockets_check(p, &why)) {
		assert_non_null(strstr(why.text, "CAP_NET_ADMIN"));
		plan_release(p);
		skip();
	}
	assert_int_equal(sockets_make(p, &want, fds, &why), 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(getsockopt(fds[i], SOL_SOCKET, SO_MARK, &mark, &len), 0);
		assert_int_equal(mark, 0x77);
		close(fds[i]);
	}
	plan_release(p);
}

static void test_a_relay_needs_no_privilege(void **state)
{
	struct plan *p = plan_text_good(rows[0].name, rows[0].text);
	struct why why;

	(void)state;
	assert_true(sockets_check(p, &why));
	plan_release(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_may_ask),
		cmocka_unit_test(test_what_is_made),
		cmocka_unit_test(test_a_relay_needs_no_privilege),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
