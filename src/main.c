/* Sallyport: a TLS gateway for SMTP. This file picks the command or the role; here is what lies where.
 *
 *   base/   spans, buffers, log lines, the clock, why something failed: no I/O
 *   tls/    certificates, profiles, handshakes, needs and facts, tickets: all that knows OpenSSL
 *   policy/ evidence, rules, and the decision what TLS must be: pure
 *   smtp/   lines, commands, replies, the dialogues of both sides, DATA and BDAT: pure
 *   mail/   what we write into a message (Received), messages of ours (TLS reports), and what Received fields of others tell
 *   io/     addresses, sockets, the event loop, streams (TLS over sockets or memory), where log lines go
 *   conf/   the configuration: its file, its one table of settings, its errors
 *   plan/   a configuration made ready for use: certificates read, TLS contexts built
 *   ipc/    what the processes say to each other
 *   proc/   the processes: master.c starts and looks after them, child.c is how each begins, sandbox.c
 *           what it may do, shared.c the figures they share, resolve.c the role that asks DNS
 *   store/  what is remembered over restarts (SQLite)
 *   route/  the role that looks up where mail goes and what TLS it must have there (DNS, MTA-STS)
 *   edge/   the role with the live sessions: session.c drives one, mode_*.c say what it does
 *   ctl/    one file for each other command
 *
 * To follow a message: edge/edge_accept.c, edge/session.c, edge/mode_terminate.c, smtp/smtp_server.c,
 * edge/leg.c. To follow a start: proc/master.c, proc/generation.c, proc/crew.c, proc/child.c,
 * edge/edge_main.c. */
#include "base/log.h"
#include "ctl/ctl_authority.h"
#include "ctl/ctl_actions.h"
#include "ctl/ctl_check.h"
#include "ctl/ctl_explain.h"
#include "ctl/ctl_hops.h"
#include "ctl/ctl_nft.h"
#include "ctl/ctl_partners.h"
#include "ctl/ctl_probe.h"
#include "ctl/ctl_schema.h"
#include "ctl/ctl_sink.h"
#include "ctl/ctl_tlsrpt.h"
#include "ctl/ctl_version.h"
#include "edge/edge_main.h"
#include "proc/child.h"
#include "proc/master.h"
#include "proc/resolve.h"
#include "route/route.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the command's name */
	const char *what;
} commands[] = {
	{ "run",     master_run,  "run -c FILE        the service, in the foreground" },
	{ "check",   ctl_check,   "check -c FILE      all that is wrong with the configuration; -T prints the settings" },
	{ "authority", ctl_authority,
	  "authority init DIR a certificate authority for interception, and one that nobody trusts" },
	{ "actions", ctl_actions, "actions -c FILE    what is done with TLS, and which services do it" },
	{ "nft-rules", ctl_nft,   "nft-rules -c FILE  what brings connections to a transparent service (nftables)" },
	{ "partners", ctl_partners,
	  "partners -c FILE   what TLS partners must have; add KEY, remove KEY change it while the service runs" },
	{ "explain", ctl_explain,
	  "explain -c FILE --from A --to B   what TLS such mail would have to have, because of what, and the verdict" },
	{ "probe",   ctl_probe,   "probe DOMAIN...    all mail hosts of a domain: TLS, certificates, DANE, MTA-STS, the weakest link" },
	{ "hops",    ctl_hops,    "hops [FILE]        which hops of a message were encrypted, by its Received fields" },
	{ "tlsrpt",  ctl_tlsrpt,  "tlsrpt show|send|read ...  TLS reports: what was counted, sent to those who want it; others' reports" },
	{ "schema",  ctl_schema,  "schema             the JSON Schema of the configuration, for editors" },
	{ "sink",    ctl_sink,    "sink ...           a small SMTP server that keeps what it gets, for trials" },
	{ "version", ctl_version, "version" },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int usage(FILE *to, int status)
{
	fputs("usage: sallyport COMMAND ...\n", to);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  sallyport %s\n", commands[i].what);
	return status;
}

static int run_edge(const char *path)
{
	struct edge_start start;
	struct why why;

	if (child_enter(path, &start, &why))
		return edge_main(&start);
	log_event("edge-failed", "%s", why.text);
	return EX_OSERR;
}

/* How the master starts the other processes (proc/spawn.h); not for people. */
static int run_role(const char *role, const char *path)
{
	if (strcmp(role, "edge") == 0)
		return run_edge(path);
	if (strcmp(role, "resolve") == 0)
		return resolve_main();
	if (strcmp(role, "route") == 0)
		return route_main(path);
	return usage(stderr, EX_USAGE);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "--role") == 0)
		return run_role(argv[2], argv[3]);
	for (size_t i = 0; argc > 1 && i < COMMANDS; i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return ctl_version(argc - 1, argv + 1);
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return usage(stdout, EX_OK);
	return usage(stderr, EX_USAGE);
}
