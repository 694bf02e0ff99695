/* Answers nginx's mail proxy, which asks an HTTP server where each mail goes: always to `to`. */
#ifndef SINK_HTTP_H
#define SINK_HTTP_H

void sink_http_open(const char *at, const char *to);

#endif
