/* ctl/ctl_probe_inside.h
 * What the files of `probe` know of each other. */
#ifndef CTL_PROBE_INSIDE_H
#define CTL_PROBE_INSIDE_H

#include "conf/conf.h"
#include "ctl/ctl_probe_host.h"
#include "policy/policy_evidence.h"
#include "policy/policy_tlsrpt.h"

/* Versions below TLS 1.3, each tried alone. */
#define PROBE_OLD_VERSIONS 3

/* What all domains are probed with. */
struct probe_tools {
	const struct conf_route *route;
	const char *hostname;
	uint16_t port;
	struct tls_client *tls;                     /* takes whatever they offer */
	struct tls_client *old[PROBE_OLD_VERSIONS]; /* 1.0, 1.1, 1.2 */
};

/* Weakest first. */
enum probe_link {
	PROBE_NO_TLS,
	PROBE_TLS_FAILED,
	PROBE_UNREACHABLE, /* also: no address, no SMTP */
	PROBE_UNVERIFIED,
	PROBE_OLD,         /* verified, and takes versions before TLS 1.2, too */
	PROBE_GOOD,
};

struct probe_addr {
	char address[ADDR_TEXT_MOST];
	struct ctl_probe_found found;     /* by WebPKI */
	bool for_host, for_domain;        /* the certificate is good, and for that name */
	bool dane_tried, dane_met;
	struct why dane;                  /* what came of it in words */
	char lowest[sizeof(((struct tls_facts *)0)->version)]; /* the oldest version that it takes; "": not tried, or can't be told */
};

struct probe_host {
	const struct evidence_host *host; /* of the evidence */
	bool sts;                         /* the MTA-STS policy has it */
	unsigned addr_count;
	struct probe_addr *addrs;
	enum probe_link link;
	unsigned bits;                    /* of the address that `link` is about; 0: no TLS */
	char words[WHY_MOST];             /* the link, to follow the host's name */
};

struct probe_domain {
	struct policy_evidence *evidence;
	unsigned host_count;
	struct probe_host *hosts;
	bool wants_reports;
	struct policy_tlsrpt tlsrpt;
	char tlsrpt_trouble[EVIDENCE_TEXT_MOST];
	bool tlsrpt_failed;               /* DNS */
	const struct probe_host *weakest; /* NULL: there is no host */
	int status;
};

/* `domain`: folded. NULL with `why` where resolver, anchor or CA can't be used. */
struct probe_domain *probe_domain(const struct probe_tools *tools, const char *domain, struct why *why);
void probe_domain_free(struct probe_domain *d);

/* "weakest: mx2.example.net offers no STARTTLS", without the first word. */
void probe_domain_weakest(const struct probe_domain *d, char *text, size_t size);

void probe_domain_print(const struct probe_domain *d);
struct json_t *probe_domain_json(const struct probe_domain *d);

const char *probe_link_name(enum probe_link link); /* "no-tls" */

#endif
