/* ctl/ctl_probe_host.h
 * One conversation with one address of a mail host, as a leg of the service has it: greeting, EHLO, STARTTLS, EHLO; then QUIT.
 * Blocks, within its limits. No mail is sent. */
#ifndef CTL_PROBE_HOST_H
#define CTL_PROBE_HOST_H

#include "io/addr.h"
#include "smtp/smtp_caps.h"
#include "tls/tls_chain.h"

#define CTL_PROBE_NAMES_MOST 2

/* All borrowed. */
struct ctl_probe_ask {
	struct addr at;
	const char *hostname;            /* of ours, for EHLO */
	bool want_tls;                   /* STARTTLS is used where it is offered */
	struct tls_client *tls;
	const char *sni;
	const struct tls_expect *expect; /* NULL: a certificate for `sni` */
	const char *names[CTL_PROBE_NAMES_MOST]; /* that the leaf is looked through for; NULL: none */
	int64_t connect, patience;       /* msec: for the connection, and for each reply or the handshake */
};

enum ctl_probe_end {
	CTL_PROBE_READY,       /* MAIL could follow now */
	CTL_PROBE_UNREACHABLE, /* no connection */
	CTL_PROBE_LOST,        /* refused by greeting or EHLO, silent, closed, no SMTP */
	CTL_PROBE_TLS_FAILED,  /* the handshake */
	CTL_PROBE_TLS_DIRTY,   /* bytes behind the 220 to STARTTLS: this host is not to be used at any level */
};

struct ctl_probe_found {
	enum ctl_probe_end end;
	struct why why;                  /* where it is not READY */
	bool offers_tls;
	struct tls_facts facts;          /* where READY */
	uint32_t caps;                   /* SMTP_CAP_*, of the last EHLO */
	bool has_name[CTL_PROBE_NAMES_MOST];
	unsigned chain_count;
	struct tls_chain_cert chain[TLS_CHAIN_MOST];
};

void ctl_probe_host(const struct ctl_probe_ask *ask, struct ctl_probe_found *found);

#endif
