#include "proc/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Each row is tried in a process of its own, after the sandbox. True: it could be done. */

static bool open_for(const char *path, int flags)
{
	return open(path, flags | O_CLOEXEC, 0600) >= 0; /* O_TMPFILE: no name, nothing left behind */
}

static bool read_passwd(void)
{
	return open_for("/etc/passwd", O_RDONLY);
}

static bool read_proc(void)
{
	return open_for("/proc/self/environ", O_RDONLY);
}

static bool make_file(void)
{
	return open_for("/tmp", O_WRONLY | O_TMPFILE);
}

static bool write_below_etc(void)
{
	return open_for("/etc/passwd", O_WRONLY);
}

static bool run_program(void)
{
	char *const argv[] = { (char[]){ "true" }, NULL };

	execv("/bin/true", argv);
	return false;
}

static bool make_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool make_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool read_other_memory(void)
{
	char here, there;
	struct iovec to = { &here, 1 }, from = { &there, 1 };

	return process_vm_readv(getppid(), &to, 1, &from, 1, 0) >= 0 || errno == EFAULT;
}

static bool kill_other(void)
{
	return kill(getppid(), 0) == 0;
}

static bool socket_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static bool socket_packet(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) >= 0;
}

static bool socket_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0 && socket(AF_INET6, SOCK_STREAM, 0) >= 0;
}

/* A connection from a client's address is bound first. */
static bool bind_socket(void)
{
	const struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0;
}

static bool listen_on_socket(void)
{
	return listen(socket(AF_INET, SOCK_STREAM, 0), 1) == 0;
}

static bool mark_socket(void)
{
	int mark = 1;

	return setsockopt(socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0;
}

static bool memory_and_loop(void)
{
	void *large = malloc(64 << 20);
	bool good = large != NULL && epoll_create1(0) >= 0;

	free(large);
	return good;
}

static bool resolve_localhost(void)
{
	struct addrinfo *list;

	if (getaddrinfo("localhost", "25", NULL, &list) != 0)
		return false;
	freeaddrinfo(list);
	return true;
}

/* Of `route`. */
static char folder[64], file[96], other[96];

static int make_files(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/sallyport-test-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(file, sizeof(file), "%s/kept", folder);
	snprintf(other, sizeof(other), "%s.other", folder);
	return 0;
}

static int remove_files(void **state)
{
	char below[96];

	(void)state;
	snprintf(below, sizeof(below), "%s/folder", folder);
	(void)rmdir(below);
	(void)unlink(file);
	(void)unlink(other);
	return rmdir(folder);
}

static bool keep_file(void)
{
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return fd >= 0 && write(fd, "x", 1) == 1 && ftruncate(fd, 0) == 0 && fsync(fd) == 0;
}

static bool remove_file(void)
{
	return keep_file() && unlink(file) == 0;
}

static bool make_folder(void)
{
	char below[96];

	snprintf(below, sizeof(below), "%s/folder", folder);
	return mkdir(below, 0700) == 0 || errno == EEXIST;
}

static bool write_beside(void)
{
	return open_for(other, O_WRONLY | O_CREAT);
}

static const struct {
	const char *name;
	bool (*act)(void);
	bool edge, resolver, route; /* may do it */
} rows[] = {
	{ "sockets of IPv4 and IPv6",    socket_inet,       true,  true,  true },
	{ "bind a socket",               bind_socket,       true,  true,  true },
	{ "listen",                      listen_on_socket,  false, false, false },
	{ "mark a socket",               mark_socket,       false, false, false },
	{ "memory and a loop",           memory_and_loop,   true,  true,  true },
	{ "getaddrinfo",                 resolve_localhost, false, true,  false },
	{ "read a file below /etc",      read_passwd,       false, true,  false },
	{ "a local socket",              socket_unix,       false, true,  false },
	{ "read a file below /proc",     read_proc,         false, false, false },
	{ "make a file",                 make_file,         false, false, false },
	{ "write a file below /etc",     write_below_etc,   false, false, false },
	{ "run a program",               run_program,       false, false, false },
	{ "make a process",              make_process,      false, false, false },
	{ "memory that can be run",      make_code,         false, true,  false },
	{ "read another's memory",       read_other_memory, false, false, false },
	{ "signal another process",      kill_other,        false, false, false },
	{ "a raw socket",                socket_packet,     false, false, false },
	{ "keep a file in its folder",   keep_file,         false, false, true },
	{ "remove a file in its folder", remove_file,       false, false, true },
	{ "a folder in its folder",      make_folder,       false, false, false },
	{ "a file beside its folder",    write_beside,      false, false, false },
};

/* 0: could, 1: could not, else the sandbox itself failed or the act killed us. A program that was run
 * ends with 0 too. */
static int try(bool (*enter)(struct why *why), bool (*act)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct why why;

		_exit(!sandbox_drop(&why) || !enter(&why) ? 2 : !act());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

enum role { EDGE, RESOLVER, ROUTE };

static void check(bool (*enter)(struct why *why), enum role role)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const bool all[] = { [EDGE] = rows[i].edge, [RESOLVER] = rows[i].resolver, [ROUTE] = rows[i].route };
		bool may = all[role];

		if (try(enter, rows[i].act) != !may)
			fail_msg("%s: %s", rows[i].name, may ? "was denied" : "was not denied");
	}
}

static void test_what_an_edge_may_do(void **state)
{
	(void)state;
	check(sandbox_edge, EDGE);
}

static void test_what_the_resolver_may_do(void **state)
{
	(void)state;
	check(sandbox_resolve, RESOLVER);
}

static bool enter_route(struct why *why)
{
	return sandbox_route(folder, why);
}

static void test_what_route_may_do(void **state)
{
	(void)state;
	check(enter_route, ROUTE);
}

static bool enter_nothing(struct why *why)
{
	(void)why;
	return true;
}

/* Without the sandbox most of it can be done: the rows prove something. */
static void test_the_rows_prove_something(void **state)
{
	unsigned denied = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		denied += try(enter_nothing, rows[i].act) != 0;
	assert_in_range(denied, 0, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_an_edge_may_do),
		cmocka_unit_test(test_what_the_resolver_may_do),
		cmocka_unit_test(test_what_route_may_do),
		cmocka_unit_test(test_the_rows_prove_something),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
