#include "sink_http.h"

#include "wire.h"

#include "base/must.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static int door = -1;
static char answer[256];

struct asker {
	struct wire wire;
};

static bool is_whole(struct span request)
{
	return request.len >= 4 && memcmp(request.at + request.len - 4, "\r\n\r\n", 4) == 0;
}

static void on_asker(void *arg, uint32_t events)
{
	struct asker *a = arg;

	wire_event(&a->wire, events);
	wire_fill(&a->wire);
	if (is_whole(buf_peek(&a->wire.in))) {
		buf_consume(&a->wire.in, buf_used(&a->wire.in));
		must(buf_put(&a->wire.out, span_str(answer)));
		wire_flush(&a->wire);
		a->wire.state = WIRE_ENDED;
	}
	if (a->wire.state == WIRE_ENDED) {
		wire_close(&a->wire);
		free(a);
	}
}

static void on_door(void *arg, uint32_t events)
{
	int fd = accept4(door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct asker *a;

	(void)arg;
	(void)events;
	if (fd < 0)
		return;
	a = mem_new(sizeof(*a));
	wire_accepted(&a->wire, fd, on_asker, a);
	on_asker(a, EPOLLIN | EPOLLOUT);
}

void sink_http_open(const char *at, const char *to)
{
	struct sockaddr_in addr = wire_addr(at), server = wire_addr(to);
	char host[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &server.sin_addr, host, sizeof(host));
	snprintf(answer, sizeof(answer),
		 "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: %s\r\nAuth-Port: %u\r\n"
		 "Content-Length: 0\r\n\r\n", host, ntohs(server.sin_port));
	door = wire_listen(&addr);
	wire_watch(door, EPOLLIN, on_door, NULL);
}
