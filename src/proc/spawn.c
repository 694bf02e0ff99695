#include "proc/spawn.h"

#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* First all out of the way of the places they go to, then each into its own: a source
 * may lie where another one's place is. */
static bool place(int *fds, size_t count)
{
	int first = SPAWN_FD_FIRST;
	int behind = first + (int)count;

	for (size_t i = 0; i < count; i++) {
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, behind);
		if (fds[i] < 0)
			return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (dup2(fds[i], first + (int)i) < 0)
			return false;
	}
	/* Whoever started the master may have left some open. */
	(void)syscall(SYS_close_range, (unsigned)behind, UINT_MAX, 0u);
	return true;
}

/* A signal that comes before the exec must not run the master's handlers here. */
static void plain_signals(const sigset_t *mask)
{
	struct sigaction plain = { .sa_handler = SIG_DFL };

	for (int signo = 1; signo < NSIG; signo++)
		(void)sigaction(signo, &plain, NULL);
	sigprocmask(SIG_SETMASK, mask, NULL);
}

_Noreturn static void become(const char *role, const char *path, int *fds, size_t count,
			     const sigset_t *mask)
{
	char *argv[] = { mem_text("sallyport"), mem_text("--role"), mem_text(role), mem_text(path), NULL };

	plain_signals(mask);
	if (place(fds, count))
		execv("/proc/self/exe", argv);
	_exit(127);
}

pid_t spawn_role(const char *role, const char *path, const int *fds, size_t count, struct why *why)
{
	int *copy = mem_new((count + 1) * sizeof(*copy));
	sigset_t all, mask;
	pid_t pid;

	memcpy(copy, fds, count * sizeof(*copy));
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &mask);
	pid = fork();
	if (pid == 0)
		become(role, path, copy, count, &mask);
	if (pid < 0)
		why_set(why, FAULT_SYSTEM, "fork: %s", strerror(errno));
	sigprocmask(SIG_SETMASK, &mask, NULL);
	free(copy);
	return pid;
}
