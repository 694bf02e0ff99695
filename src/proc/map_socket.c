#include "proc/map_socket.h"

#include "io/sock.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool read_path(const char *path, struct sockaddr_un *to)
{
	size_t len = strlen(path);

	*to = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (len >= sizeof(to->sun_path))
		return false;
	memcpy(to->sun_path, path, len + 1);
	return true;
}

/* What a master that was killed has left behind. Nothing but a socket is ever removed. */
static void remove_stale(int fd, const struct sockaddr_un *at)
{
	struct stat st;

	if (lstat(at->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return;
	if (connect(fd, (const struct sockaddr *)at, sizeof(*at)) != 0 && errno == ECONNREFUSED)
		(void)unlink(at->sun_path);
}

static bool listen_there(const struct sockaddr_un *at, int fd)
{
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (probe >= 0) {
		remove_stale(probe, at);
		close(probe);
	}
	return bind(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 && chmod(at->sun_path, 0666) == 0 &&
	       listen(fd, SOMAXCONN) == 0;
}

static int open_path(const char *path, struct why *why)
{
	struct sockaddr_un at;
	int fd;

	if (!read_path(path, &at)) {
		why_set(why, FAULT_SYSTEM, "socketmap on %s: the path is longer than a socket's may be", path);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && listen_there(&at, fd))
		return fd;
	why_set(why, FAULT_SYSTEM, "socketmap on %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

int map_socket_open(const char *at, struct why *why)
{
	static const char unix_prefix[] = "unix:";
	struct addr address;

	if (strncmp(at, unix_prefix, strlen(unix_prefix)) == 0)
		return open_path(at + strlen(unix_prefix), why);
	if (at[0] == '/')
		return open_path(at, why);
	if (addr_read(span_str(at), &address))
		return sock_listen(&address, why);
	why_set(why, FAULT_POLICY, "socketmap on \"%s\": neither an address with its port nor a path", at);
	return -1;
}
