#include "io/log_out.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind {
	KIND_SOCKET,
	KIND_OWN,   /* opened anew, non-blocking */
	KIND_ASKED, /* not ours to change: asked before each write whether it would wait */
};

static struct {
	int fd;
	enum kind kind;
	unsigned long lost; /* lines since the last one that went through */
	bool torn;          /* the last line went in part: its end is missing */
} to = { .fd = -1 };

static ssize_t write_some(struct span s)
{
	struct pollfd one = { .fd = to.fd, .events = POLLOUT };
	ssize_t n;

	do {
		if (to.kind == KIND_SOCKET)
			n = send(to.fd, s.at, s.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		else if (to.kind == KIND_ASKED && (poll(&one, 1, 0) <= 0 || !(one.revents & POLLOUT)))
			n = -1, errno = EAGAIN;
		else
			n = write(to.fd, s.at, s.len);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* A disk that is full or a socket that is short of room may take a part of a line. What comes
 * next must not seem to belong to it, so it gets the newline that is missing. */
static bool put(struct span line)
{
	ssize_t n;

	if (to.torn && write_some(SPAN("\n")) != 1)
		return false;
	to.torn = false;
	n = write_some(line);
	to.torn = n > 0 && (size_t)n < line.len;
	return n == (ssize_t)line.len;
}

static void sink(struct span line);

/* Goes through the sink itself, which by then counts from nought. */
static bool tell_lost(void)
{
	unsigned long lost = to.lost;
	struct log_line l;

	to.lost = 0;
	log_begin(&l, "log-lost");
	log_int(&l, "n", (int64_t)lost);
	log_end(&l);
	if (to.lost == 0)
		return true;
	to.lost = lost;
	return false;
}

static void sink(struct span line)
{
	if ((to.lost > 0 && !tell_lost()) || !put(line))
		to.lost++;
}

/* O_NONBLOCK belongs to the open file, which may be shared with a shell or a sister
 * process; so we open one of our own. A pipe made by another user can't be opened anew. */
void log_out_start(int fd)
{
	struct stat st;
	char path[32];
	int own;

	to.fd = fd;
	to.lost = 0;
	to.torn = false;
	to.kind = KIND_ASKED;
	if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode)) {
		to.kind = KIND_SOCKET;
	} else {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		own = open(path, O_WRONLY | O_NONBLOCK | O_APPEND | O_CLOEXEC | O_NOCTTY);
		if (own >= 0) {
			to.fd = own;
			to.kind = KIND_OWN;
		}
	}
	log_set_sink(sink);
}
