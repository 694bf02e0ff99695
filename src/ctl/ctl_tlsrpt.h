/* ctl/ctl_tlsrpt.h
 * sallyport tlsrpt show -c FILE [--day D] [--domain D] [--json]: what was counted (today, if no day is given); --json: the reports as they are sent,
 *   a line each.
 * sallyport tlsrpt send -c FILE [--day D] [--domain D] [--dry-run] [--again]: sends the reports of a day that is over (yesterday), each once.
 * sallyport tlsrpt read FILE...: a report that came from elsewhere, JSON or gzip, as a table; "-" is stdin.
 * Days are those of UTC. Returns the exit status: 0 fine, 64 wrong use, 65 a report can't be read, 66 a file can't, 69 resolver or CA can't be
 * used, 74 the database can't, 75 some reports could not be sent, 78 the configuration has errors. */
#ifndef CTL_TLSRPT_H
#define CTL_TLSRPT_H

int ctl_tlsrpt(int argc, char **argv);

#endif
