/* conf/conf.h
 * The configuration as C structures. One table (conf_settings.c) says for each setting its
 * name, type, default, limits and meaning; the loader, `check -T`, the JSON Schema and the
 * reference manual are all made from it. YAML's own guesses about types are not used: the
 * table types each value ("no" is a string where a string is wanted). */
#ifndef CONF_H
#define CONF_H

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf_source.h"

struct conf_place {
	unsigned line, column; /* from 1; 0: not in the file, a default */
};

struct conf_strings {
	char **at;
	size_t count;
};

struct conf_cert {
	char *name;
	char *chain; /* paths of PEM files */
	char *key;
};

/* Certificates of our own making: see tls/tls_mint.h. All four are paths of PEM files. */
struct conf_authority {
	char *name;
	char *certificate, *key;
	/* Of the one that nobody trusts, for upstreams whose certificate is bad; NULL: there is none. */
	char *untrusted_certificate, *untrusted_key;
};

/* A setting that may be left out: what it is then depends on others. */
enum conf_switch { CONF_SWITCH_UNSET, CONF_SWITCH_ON, CONF_SWITCH_OFF };

enum conf_version { CONF_VERSION_UNSET, CONF_VERSION_1_0, CONF_VERSION_1_1, CONF_VERSION_1_2, CONF_VERSION_1_3 };

struct conf_profile {
	char *name;
	char *inherit; /* a built-in profile or another of these; default "intermediate" */
	enum conf_version min, max;
	struct conf_strings ciphers, ciphersuites, groups; /* empty: as inherited */
	enum conf_switch tickets;
	enum { CONF_PFS_UNSET, CONF_PFS_ALLOWED, CONF_PFS_REQUIRED } pfs;
	enum { CONF_OCSP_UNSET, CONF_OCSP_OFF, CONF_OCSP_SOFT, CONF_OCSP_HARD } ocsp;
	enum conf_switch compliance;
	enum conf_switch verify; /* towards upstreams: `encrypt` becomes `verify` */
};

enum conf_need { CONF_NEED_NONE, CONF_NEED_MAY, CONF_NEED_ENCRYPT, CONF_NEED_VERIFY, CONF_NEED_MIRROR };

/* Under `may`: a handshake that fails (SPEC PP-3). */
enum conf_tls_failure { CONF_TLS_FAILURE_CLEAR, CONF_TLS_FAILURE_DEFER };

struct conf_upstream {
	char *name; /* of a short form (`upstream: 10.0.0.5:25`): the text itself */
	bool brief; /* it is a short form: nothing but its host was set */
	/* "192.0.2.1:25", "[::1]:25", "mx.example.net:25"; without a port 25, with `implicit` 465. */
	struct conf_strings hosts;
	bool implicit;
	enum conf_need tls;
	enum conf_tls_failure on_tls_failure;
	unsigned min_bits;
	char *ca; /* path; NULL: the system's roots */
	char *crl; /* path; NULL: none are looked at */
	struct conf_strings names;
	char *certificate; /* name; NULL: no client certificate */
	char *tls_profile;
	msec timeout_connect, timeout_greeting, timeout_command, timeout_data, timeout_final;
	unsigned pool;    /* connections that an edge keeps for the next message; 0: none */
	msec pool_idle;   /* for so long */
	msec retry_after; /* a host that failed is tried last for so long */
};

enum conf_tls_support { CONF_TLS_SUPPORT_DISABLED, CONF_TLS_SUPPORT_ENABLED, CONF_TLS_SUPPORT_REQUIRED };
enum conf_client_tls { CONF_CLIENT_TLS_NONE, CONF_CLIENT_TLS_MAY, CONF_CLIENT_TLS_ENCRYPT };

enum conf_method { CONF_METHOD_TERMINATE, CONF_METHOD_PASSTHROUGH, CONF_METHOD_STRIP };
enum conf_untrusted { CONF_UNTRUSTED_REFUSE, CONF_UNTRUSTED_MINT };

/* Settings that services share. All but `tls` and the profiles are for `terminate` alone. */
struct conf_action {
	char *name;
	bool builtin;                     /* not of the file; it is there because the file names it */
	char *inherit;                    /* another of these, or NULL; what it says has been put into this one */
	enum conf_method tls;
	struct conf_strings certificates; /* names; empty: with `authority` none, else all there are */
	char *authority;                  /* name; NULL: none */
	/* A transparent service's upstream has a bad certificate: no TLS for the client either, or a leaf of
	 * the authority that nobody trusts. */
	enum conf_untrusted on_untrusted;
	enum conf_client_tls client_tls;
	char *tls_profile, *upstream_tls_profile;
	enum conf_need upstream_tls;
	unsigned min_bits;                /* towards the upstream */
	char *ca, *crl;                   /* as in an upstream */
	bool esmtp;                       /* EHLO is answered; without it there is no STARTTLS */
};

/* What TLS must be for mail to a domain, on each side. UNSET: as the service has it. */
enum conf_partner_client {
	CONF_PARTNER_CLIENT_UNSET, CONF_PARTNER_CLIENT_REQUIRED, CONF_PARTNER_CLIENT_OPTIONAL,
	CONF_PARTNER_CLIENT_NONE,
};
enum conf_partner_upstream {
	CONF_PARTNER_UPSTREAM_UNSET, CONF_PARTNER_UPSTREAM_REQUIRED, CONF_PARTNER_UPSTREAM_PREFERRED,
	CONF_PARTNER_UPSTREAM_ALLOWED, /* as on the client's side */
	CONF_PARTNER_UPSTREAM_NONE,
};

/* What TLS must be towards a partner's domain, and of mail from it. */
enum conf_level {
	CONF_LEVEL_UNSET, CONF_LEVEL_NONE, CONF_LEVEL_MAY, CONF_LEVEL_ENCRYPT, CONF_LEVEL_VERIFY, CONF_LEVEL_DANE,
	CONF_LEVEL_MIRROR,
};
enum conf_direction { CONF_DIRECTION_BOTH, CONF_DIRECTION_OUTBOUND, CONF_DIRECTION_INBOUND };
enum conf_failure { CONF_FAILURE_TEMPORARY, CONF_FAILURE_PERMANENT };

struct conf_partner {
	char *name; /* see policy/policy_rule.h for its forms; of an entry in partner_lists: a name for messages */
	char *file; /* of an entry in partner_lists alone: one key a line, behind it its own min_bits may stand */
	enum conf_partner_client client;
	enum conf_partner_upstream upstream;
	enum conf_level outbound, inbound; /* inbound: none, may, encrypt alone */
	unsigned min_bits;
	struct conf_strings names;
	char *certificate;       /* name; NULL: as the service has it */
	enum conf_failure on_failure;
	bool report;             /* shadow mode */
	enum conf_direction direction;
	int64_t expires;         /* seconds since 1970, of the last second of that day (UTC), or the moment; 0: never */
	char *why;
};

/* Of the process that looks up names and policies. */
struct conf_route {
	struct conf_strings resolvers; /* addresses with port; empty: libunbound asks the name servers itself */
	char *trust_anchor;            /* path; NULL: the root's, as built in */
	char *sts_ca;                  /* path of PEM; NULL: the system's */
	unsigned sts_port;             /* 443 */
	char *state_dir;               /* /var/lib/sallyport: what is remembered, and the partners' database */
	msec timeout;                  /* of one lookup, DNS and policy together */
	bool private_addresses;        /* MX hosts may have loopback, link-local and private addresses */
	char *socketmap;               /* NULL; an address (127.0.0.1:8461) or the path of a UNIX socket */
	bool tlsrpt;                   /* results are counted for reports */
	char *tlsrpt_contact, *tlsrpt_from, *tlsrpt_organization, *tlsrpt_submit; /* contact-info, sender, name; host:port of the MTA */
};

/* All that is set must match, one item of each list is enough. */
struct conf_rule {
	char *name;
	struct conf_strings client;      /* networks: "10.1.0.0/16", "2001:db8::/32", "192.0.2.1" */
	struct conf_strings destination; /* networks and host names */
	struct conf_strings sni;         /* "mx.example.net", "*.example.net" (one label); listen_tls alone */
	char *action;                    /* name */
};

enum conf_mode { CONF_MODE_RELAY, CONF_MODE_TRANSPARENT, CONF_MODE_OUTBOUND };
enum conf_intercept { CONF_INTERCEPT_TPROXY, CONF_INTERCEPT_REDIRECT };
enum conf_source_address { CONF_SOURCE_OWN, CONF_SOURCE_CLIENT };

struct conf_service {
	char *name;
	enum conf_mode mode;
	/* Of mode transparent alone: */
	enum conf_intercept intercept;
	enum conf_source_address source; /* whose address the upstream sees */
	struct conf_rule *rules; size_t rule_count; /* the first that matches counts */
	/* Transparent: where no rule matches. Relay: settings that it shares with others, NULL: none; what the
	 * action sets is in the fields below too then. */
	char *action;
	struct conf_strings listen, listen_tls;
	enum conf_tls_support tls_support;
	char *upstream; /* relay: a name in `upstreams`, or the short form */
	struct conf_strings clients;     /* networks that may connect; empty: relay: everybody; outbound: this machine alone */
	/* Of mode outbound alone; how its next hops are connected to: */
	enum conf_need next_hop_tls;
	enum conf_tls_failure next_hop_on_tls_failure;
	unsigned min_bits;
	char *next_hop_tls_profile, *ca, *crl, *client_certificate;
	unsigned next_hop_pool;          /* this and what follows: as in an upstream */
	msec next_hop_pool_idle;
	msec next_hop_timeout_connect, next_hop_timeout_greeting, next_hop_timeout_command, next_hop_timeout_data,
	     next_hop_timeout_final;
	unsigned port;                   /* of MX hosts: 25 */
	bool dane, mta_sts;              /* are honoured */
	char *fallback;                  /* a name in `upstreams`, or the short form; NULL: none */
	unsigned remember;               /* deliveries with TLS after which its absence is an alarm; 0: never */
	bool remember_defers;
	bool tls_required_header;        /* "TLS-Required: No" is honoured; see docs/outbound.md for what it costs */
	enum conf_direction direction;   /* which partner rules hold: outbound for mode outbound, else as set; never both */
	struct conf_strings certificates; /* names; empty: all there are, in the order of the file */
	enum conf_client_tls client_tls;
	char *tls_profile;
	char *hostname; /* NULL: the global one */
	msec timeout_command, timeout_data, timeout_session;
	uint64_t max_message_size; /* octets */
	unsigned max_recipients, max_connections, max_connections_per_address, max_errors;
};

enum conf_envelope { CONF_ENVELOPE_PLAIN, CONF_ENVELOPE_HASHED };

struct conf_log {
	enum log_format format;
	enum conf_envelope envelope;
};

struct conf {
	char *path;
	char *hostname;
	char *user;      /* that edges run as, where the master is root */
	unsigned edges;  /* 0: one for each processor that we may use */
	msec drain_timeout;
	msec ticket_rotation;
	unsigned mark; /* SO_MARK of the connections that transparent services open */
	struct conf_log log;
	struct conf_cert *certs;         size_t cert_count;
	struct conf_profile *profiles;   size_t profile_count;
	struct conf_authority *authorities; size_t authority_count;
	struct conf_action *actions;     size_t action_count;
	struct conf_partner *partners;   size_t partner_count;
	struct conf_partner *lists;      size_t list_count; /* partner_lists */
	struct conf_route route; size_t route_count; /* 1: there is such a section */
	struct conf_upstream *upstreams; size_t upstream_count; /* short forms included */
	struct conf_service *services;   size_t service_count;
	struct conf_mark *marks; size_t mark_count; /* where in the file each field was set */
};

/* What is wrong, all of it: "gw.yaml:14:12: tls_profiles.old.min is "1.4"; it can be 1.0, 1.1, 1.2 or 1.3". */
struct conf_report {
	const char *path;
	unsigned errors, warnings;
	/* Whole lines in the file's order, each "path:line:column: [warning: ]..."; NULL: nothing. */
	char *text;
	size_t len;
	struct conf_line *lines; /* where in `text` they begin; private */
	size_t line_count;
};

void conf_report_init(struct conf_report *r, const char *path);
void conf_report_free(struct conf_report *r);
void conf_error(struct conf_report *r, struct conf_place at, const char *fmt, ...) PRINTF_LIKE(3, 4);
void conf_warning(struct conf_report *r, struct conf_place at, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Reads and checks the whole file; goes on after an error as far as it can. NULL where the report
 * has errors. References (a service's upstream, certificates, profiles) are checked too, and
 * that no two services listen on the same address. The files that are named are read by plan_build. */
MUST_CHECK struct conf *conf_load(struct conf_source *source, const char *path,
				  struct conf_report *report);
/* The same, but what could be read is given in spite of errors (NULL: no YAML): only for finding
 * more of them. plan_build refuses it, because the report has errors. */
MUST_CHECK struct conf *conf_load_partly(struct conf_source *source, const char *path,
					 struct conf_report *report);
void conf_free(struct conf *c);

/* SPEC WG-15: actions that need not be in the file, and can't be. */
#define CONF_BUILTIN_ACTIONS 2
struct conf_builtin_action {
	const char *name;
	enum conf_method tls;
};
extern const struct conf_builtin_action conf_builtin_actions[CONF_BUILTIN_ACTIONS];

const struct conf_action *conf_action_find(const struct conf *c, const char *name); /* NULL: none */
/* Whether anything is listened on, in clear or with TLS from the first byte: what `listen`, `listen_tls` and
 * `tls_support` say together. */
bool conf_service_listens_clear(const struct conf_service *s);
bool conf_service_listens_tls(const struct conf_service *s);
/* Whether a `route` process is needed: a service is outbound, OCSP responders of upstreams are to be asked, or there is
 * a `route` section. */
bool conf_needs_route(const struct conf *c);
/* Whether the rules of a partners' database hold too: with a service of mode outbound, or a `route` section. */
bool conf_has_database(const struct conf *c);
/* The sender of TLS reports: as set, or tlsrpt at our name. False where it is longer than `size`. */
MUST_CHECK bool conf_tlsrpt_from(const struct conf *c, char *text, size_t size);
/* Whether the service uses the action, itself or in a rule. */
bool conf_service_uses(const struct conf_service *s, const char *action);
const struct conf_profile *conf_profile_find(const struct conf *c, const char *name); /* NULL: none of the file */
/* Whether `verify` is on, in the profile or in what it inherits from. */
bool conf_profile_verifies(const struct conf *c, const char *name);
const char *conf_method_name(enum conf_method method);
const char *conf_support_name(enum conf_tls_support support);

/* Where `field` (the address of a member of the configuration, or of an item of a list) was set; for
 * a `name`, where its section begins. */
struct conf_place conf_place_of(const struct conf *c, const void *field);

/* The effective settings as YAML, defaults filled in; the JSON Schema; both end with a newline, both
 * are malloc'ed. conf_reference: a Markdown table of all settings for the docs. */
char *conf_print(const struct conf *c);
char *conf_schema_json(void);
char *conf_reference(void);

#endif
