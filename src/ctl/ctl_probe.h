/* ctl/ctl_probe.h
 * sallyport probe [-c FILE] [--port N] [--json] DOMAIN...: all mail hosts of a domain, not only the best, and what TLS each of them
 * does: STARTTLS, version, cipher, chain, names, DANE, MTA-STS, the oldest version that it takes; MTA-STS and TLSRPT of the domain;
 * the weakest link in one line (SPEC GC-12). With -c the resolver, anchor, CA, port and client name of the configuration (its
 * first service of mode outbound), else the built-in ones. No mail is sent. Returns the exit status: 0 all hosts have verified TLS (by
 * DANE, or WebPKI for the host name), 1 the weakest has not, 75 something could not be looked up, 64 wrong use, 66 the file can't be
 * read, 78 the configuration has errors. */
#ifndef CTL_PROBE_H
#define CTL_PROBE_H

int ctl_probe(int argc, char **argv);

#endif
