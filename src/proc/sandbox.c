#include "proc/sandbox.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* What every role needs: its sockets, its loop, memory, time, and an orderly end (abort included). */
static const int calls_all[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(close),
	SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg),
	SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(shutdown),
	SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
	SCMP_SYS(splice), SCMP_SYS(pipe2), SCMP_SYS(dup), SCMP_SYS(fcntl), SCMP_SYS(fstat),
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(eventfd2),
	SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(brk), SCMP_SYS(madvise), SCMP_SYS(futex),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(memfd_create), SCMP_SYS(pread64), SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(tgkill),
	SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* More for getaddrinfo: its files, name service modules (shared objects), nscd and resolved. */
static const int calls_resolve[] = {
	SCMP_SYS(newfstatat), SCMP_SYS(stat), SCMP_SYS(statx), SCMP_SYS(access), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(lseek), SCMP_SYS(pread64), SCMP_SYS(getdents64),
	SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(uname),
	SCMP_SYS(ioctl), SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg), SCMP_SYS(sysinfo),
	SCMP_SYS(prlimit64), SCMP_SYS(clock_nanosleep), SCMP_SYS(mmap), SCMP_SYS(mprotect),
};

/* More for SQLite: its files, a map of shared memory among its processes, the time it waits for a lock; and for libcurl. */
static const int calls_route[] = {
	SCMP_SYS(newfstatat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx), SCMP_SYS(access), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(lseek), SCMP_SYS(pread64), SCMP_SYS(pwrite64),
	SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
	SCMP_SYS(fchmod), SCMP_SYS(readlink), SCMP_SYS(getcwd), SCMP_SYS(uname), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep), SCMP_SYS(memfd_create), SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg), SCMP_SYS(sysinfo),
	SCMP_SYS(prlimit64),
};

static const int families_edge[] = { AF_INET, AF_INET6 };
static const int families_resolve[] = { AF_INET, AF_INET6, AF_UNIX, AF_NETLINK };

void sandbox_hide(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

bool sandbox_drop(struct why *why)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_capset, &head, none) == 0)
		return true;
	why_set(why, FAULT_SYSTEM, "can't give up privileges: %s", strerror(errno));
	return false;
}

/* EDOM: this architecture has no such call, so nobody can make it. */
static bool added(int result)
{
	return result == 0 || result == -EDOM;
}

static bool allow_all(scmp_filter_ctx filter, const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!added(seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0)))
			return false;
	}
	return true;
}

static bool allow_sockets(scmp_filter_ctx filter, const int *families, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct scmp_arg_cmp family = { .arg = 0, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)families[i] };

		if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, family) != 0)
			return false;
	}
	return true;
}

/* Memory that can be run is made by nobody but the loader. */
static bool allow_memory(scmp_filter_ctx filter)
{
	struct scmp_arg_cmp not_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);

	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, not_exec) == 0 &&
	       seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, not_exec) == 0;
}

static bool allow_reading(scmp_filter_ctx filter)
{
	struct scmp_arg_cmp at_flags = SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY);
	struct scmp_arg_cmp flags = SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY);

	return added(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, at_flags)) &&
	       added(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1, flags));
}

static bool fill_edge(scmp_filter_ctx filter)
{
	return allow_all(filter, calls_all, COUNT(calls_all)) && allow_memory(filter) &&
	       allow_sockets(filter, families_edge, COUNT(families_edge));
}

static bool fill_resolve(scmp_filter_ctx filter)
{
	return allow_all(filter, calls_all, COUNT(calls_all)) &&
	       allow_all(filter, calls_resolve, COUNT(calls_resolve)) && allow_reading(filter) &&
	       allow_sockets(filter, families_resolve, COUNT(families_resolve));
}

/* Which files may be opened, Landlock says. */
static bool fill_route(scmp_filter_ctx filter)
{
	return allow_all(filter, calls_all, COUNT(calls_all)) &&
	       allow_all(filter, calls_route, COUNT(calls_route)) && allow_memory(filter) &&
	       allow_sockets(filter, families_edge, COUNT(families_edge));
}

/* A call that is not listed fails with EPERM instead of killing: one that a libc of tomorrow makes on the way
 * must not end all sessions of an edge. */
static bool filter_calls(bool (*fill)(scmp_filter_ctx filter), struct why *why)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int result = -EINVAL;

	if (filter != NULL && fill(filter))
		result = seccomp_load(filter);
	if (filter != NULL)
		seccomp_release(filter);
	if (result != 0)
		why_set(why, FAULT_SYSTEM, "seccomp: %s", strerror(-result));
	return result == 0;
}

#define LANDLOCK_TRUNCATE (UINT64_C(1) << 14) /* LANDLOCK_ACCESS_FS_TRUNCATE of newer headers */

/* All that the kernel can watch over; what it does not know it refuses to be asked about. */
static uint64_t rights_of(long version)
{
	uint64_t rights = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1;

	if (version >= 2)
		rights |= UINT64_C(1) << 13; /* LANDLOCK_ACCESS_FS_REFER */
	if (version >= 3)
		rights |= LANDLOCK_TRUNCATE;
	return rights;
}

#define READ_BELOW \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE)
#define KEEP_BELOW \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE | \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_TRUNCATE)

/* A folder that is not there, or that we can't reach, needs no rule. */
static bool allow_below(int rules, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr below = { .allowed_access = access };
	bool good;

	below.parent_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (below.parent_fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES;
	good = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0) == 0;
	close(below.parent_fd);
	return good;
}

static bool filter_files(const char *const *paths, uint64_t access, struct why *why)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr = { .handled_access_fs = rights_of(version) };
	bool good = true;
	int rules;

	if (version < 1) {
		log_event("sandbox", "this kernel has no Landlock: files are kept away by seccomp and their permissions alone");
		return true;
	}
	rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	for (size_t i = 0; good && rules >= 0 && paths[i] != NULL; i++)
		good = allow_below(rules, paths[i], access & attr.handled_access_fs);
	good = good && rules >= 0 && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
	if (!good)
		why_set(why, FAULT_SYSTEM, "Landlock: %s", strerror(errno));
	if (rules >= 0)
		close(rules);
	return good;
}

bool sandbox_edge(struct why *why)
{
	static const char *const paths[] = { NULL };

	return filter_files(paths, 0, why) && filter_calls(fill_edge, why);
}

bool sandbox_resolve(struct why *why)
{
	static const char *const paths[] = { "/etc", "/usr", "/lib", "/lib64", "/run", NULL };

	return filter_files(paths, READ_BELOW, why) && filter_calls(fill_resolve, why);
}

bool sandbox_route(const char *folder, struct why *why)
{
	const char *const paths[] = { folder, NULL };

	return filter_files(paths, KEEP_BELOW, why) && filter_calls(fill_route, why);
}
