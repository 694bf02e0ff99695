/* ctl/ctl_explain.h
 * sallyport explain -c FILE --from a@x --to b@y [--service NAME] [--client IP] [--client-tls] [--requiretls] [--connect] [--json],
 * and for a transparent service --destination IP [--sni NAME]: what a live session would do with such a recipient, by the same functions,
 * looked up now: service, rule, evidence, need, hosts, because of what, and what the client would be told (SPEC PP-11,
 * NEW-28). `--connect` tries the hosts as a leg would. Returns the exit status: 0 delivers, 75 refused for now, 69 refused for
 * good, 64 wrong use, 78 the configuration has errors. */
#ifndef CTL_EXPLAIN_H
#define CTL_EXPLAIN_H

int ctl_explain(int argc, char **argv);

#endif
