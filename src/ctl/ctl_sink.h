/* ctl/ctl_sink.h
 * `sallyport sink`: a small SMTP server that keeps what it gets, for demonstrations, tests and
 * measurements. Every message becomes a file of a Maildir, octet for octet as it came, and a line on
 * standard output:
 *
 *   listening 127.0.0.1:2526 starttls
 *   message file=/tmp/m/new/... from=a@a.example to=b@b.example,c@b.example size=612 tls=TLSv1.3 ...
 *
 * Values are written as in the log (base/log.h). It talks SMTP with the same parsers as the gateway,
 * and has none of its policy. */
#ifndef CTL_SINK_H
#define CTL_SINK_H

/* argv[0] is "sink". Runs until SIGTERM or SIGINT; returns the exit code (sysexits). */
int ctl_sink(int argc, char **argv);

#endif
