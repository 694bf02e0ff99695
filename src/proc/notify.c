#include "proc/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct {
	struct sockaddr_un at;
	socklen_t len; /* 0: nobody listens */
} to;

void notify_start(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path != NULL ? strlen(path) : 0;

	to.len = 0;
	if (len > 1 && len < sizeof(to.at.sun_path) && (path[0] == '/' || path[0] == '@')) {
		to.at.sun_family = AF_UNIX;
		memcpy(to.at.sun_path, path, len);
		if (path[0] == '@')
			to.at.sun_path[0] = '\0';
		to.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	}
	unsetenv("NOTIFY_SOCKET");
}

/* Best effort: a service manager that doesn't listen must not hold us up. */
static void notify(const char *text)
{
	int fd;

	if (to.len == 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&to.at, to.len);
	close(fd);
}

void notify_ready(const char *status)
{
	char text[256];

	snprintf(text, sizeof(text), "READY=1\nSTATUS=%s\n", status);
	notify(text);
}

void notify_reloading(void)
{
	struct timespec now;
	char text[96];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld\n",
		 (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	notify(text);
}

void notify_stopping(void)
{
	notify("STOPPING=1\nSTATUS=draining\n");
}
