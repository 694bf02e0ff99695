#include "io/sock.h"
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define MARK 0x5a11

static struct addr read_addr(const char *text)
{
	struct addr a;

	if (!addr_read(span_str(text), &a))
		fail_msg("%s is no address", text);
	return a;
}

/* A listening socket at any free port, and where it is. */
static int listen_at(const char *text, struct addr *at)
{
	struct addr a = read_addr(text);
	struct why why;
	int fd = sock_listen(&a, &why);

	if (fd < 0)
		fail_msg("%s", why.text);
	assert_true(sock_local(fd, at));
	return fd;
}

static int option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void wait_for(int fd, short what)
{
	struct pollfd p = { .fd = fd, .events = what };

	assert_int_equal(poll(&p, 1, 5000), 1);
}

/* Without CAP_NET_ADMIN there is nothing to see but the refusal. */
static bool privileged(void)
{
	struct why why;
	int fd = sock_marked(AF_INET, MARK, true, &why);

	if (fd < 0) {
		assert_int_equal(why.fault, FAULT_SYSTEM);
		return false;
	}
	close(fd);
	return true;
}

static const struct {
	const char *name;
	int family;
	bool transparent;
} kinds[] = {
	{ "IPv4", AF_INET, false },
	{ "IPv4, any address", AF_INET, true },
	{ "IPv6", AF_INET6, false },
	{ "IPv6, any address", AF_INET6, true },
};

static void test_sockets_with_a_mark(void **state)
{
	(void)state;
	if (!privileged())
		skip();
	for (size_t i = 0; i < ROWS(kinds); i++) {
		struct why why;
		int fd = sock_marked(kinds[i].family, MARK, kinds[i].transparent, &why);
		int level = kinds[i].family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
		int name = kinds[i].family == AF_INET6 ? IPV6_TRANSPARENT : IP_TRANSPARENT;

		if (fd < 0)
			fail_msg("%s: %s", kinds[i].name, why.text);
		want_number(kinds[i].name, "mark", (unsigned)option(fd, SOL_SOCKET, SO_MARK), MARK);
		want_number(kinds[i].name, "transparent", (unsigned)option(fd, level, name), kinds[i].transparent);
		close(fd);
	}
}

/* `from` as whom it connects; the server must see that address. */
static void connect_as(const char *row, const char *to_text, const char *from_text, bool transparent)
{
	struct addr to, from, peer, local;
	int listener = listen_at(to_text, &to);
	struct why why;
	char seen[ADDR_TEXT_MOST], want[ADDR_TEXT_MOST];
	int fd = sock_marked(to.sa.sa_family, MARK, transparent, &why);
	int accepted;

	from = read_addr(from_text);
	fd = sock_connect_take(fd, &from, &to, &why);
	if (fd < 0)
		fail_msg("%s: %s", row, why.text);
	wait_for(listener, POLLIN);
	accepted = sock_accept(listener, &peer, &local);
	assert_true(accepted >= 0);
	addr_print_host(&peer, seen);
	addr_print_host(&from, want);
	want_text(row, span_str(seen), span_str(want));
	wait_for(fd, POLLOUT);
	assert_int_equal(sock_connected(fd, &why), SOCK_CONNECTED);
	close(accepted);
	close(fd);
	close(listener);
}

static void test_MC_8_connections_from_another_address(void **state)
{
	(void)state;
	if (!privileged())
		skip();
	connect_as("one of our own", "127.0.0.1:0", "127.0.0.2:4711", false);
	connect_as("IPv6", "[::1]:0", "[::1]:4711", true);
}

static void test_an_address_that_is_not_ours(void **state)
{
	const struct addr from = read_addr("192.0.2.77:0");
	struct addr to;
	int listener = listen_at("127.0.0.1:0", &to), fd;
	struct why why;

	(void)state;
	if (!privileged())
		skip();
	fd = sock_marked(AF_INET, MARK, false, &why);
	assert_int_equal(sock_connect_take(fd, &from, &to, &why), -1);
	assert_int_equal(why.fault, FAULT_SYSTEM);
	assert_non_null(strstr(why.text, "come from 192.0.2.77:0: "));
	assert_int_equal(close(fd), -1); /* it was taken */
	assert_int_equal(errno, EBADF);
	close(listener);
}

static void test_sock_connect_take_without_a_source(void **state)
{
	struct addr to;
	int listener = listen_at("127.0.0.1:0", &to);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct why why;

	(void)state;
	assert_int_equal(sock_connect_take(fd, NULL, &to, &why), fd);
	wait_for(fd, POLLOUT);
	assert_int_equal(sock_connected(fd, &why), SOCK_CONNECTED);
	close(fd);
	close(listener);
}

static void test_listening_for_any_address(void **state)
{
	static const char *const all[] = { "127.0.0.1:0", "[::1]:0", "*:0" };
	struct why why;

	(void)state;
	if (!privileged())
		skip();
	for (size_t i = 0; i < ROWS(all); i++) {
		struct addr at;
		int fd = listen_at(all[i], &at);
		bool v6 = option(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET6;
		int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP, name = v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT;

		assert_true(sock_transparent(fd, true, &why));
		want_number(all[i], "transparent", (unsigned)option(fd, level, name), 1);
		assert_true(sock_transparent(fd, false, &why));
		want_number(all[i], "not any more", (unsigned)option(fd, level, name), 0);
		close(fd);
	}
}

/* Whether the kernel follows connections or not: one that was not redirected has no other destination
 * than the one it came to. */
static void test_no_other_destination(void **state)
{
	static const char *const all[] = { "127.0.0.1:0", "[::1]:0" };

	(void)state;
	for (size_t i = 0; i < ROWS(all); i++) {
		struct addr at, peer, local, original;
		int listener = listen_at(all[i], &at), fd, accepted;
		struct why why;

		fd = sock_connect(&at, &why);
		wait_for(listener, POLLIN);
		accepted = sock_accept(listener, &peer, &local);
		if (sock_original(accepted, &original))
			assert_true(addr_eq(&original, &local));
		else
			assert_int_equal(original.len, 0);
		close(accepted);
		close(fd);
		close(listener);
	}
}

static void test_no_destination_without_a_peer(void **state)
{
	struct addr at, original;
	int listener = listen_at("127.0.0.1:0", &at);

	(void)state;
	assert_false(sock_original(listener, &original));
	assert_int_equal(original.len, 0);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sockets_with_a_mark),
		cmocka_unit_test(test_MC_8_connections_from_another_address),
		cmocka_unit_test(test_an_address_that_is_not_ours),
		cmocka_unit_test(test_sock_connect_take_without_a_source),
		cmocka_unit_test(test_listening_for_any_address),
		cmocka_unit_test(test_no_other_destination),
		cmocka_unit_test(test_no_destination_without_a_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
