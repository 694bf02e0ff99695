#include "conf/conf_schema.h"

/* The table itself: what each structure of conf.h consists of. */

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define MS ((uint64_t)1)
#define S (1000 * MS)
#define M (60 * S)
#define H (60 * M)
#define D (24 * H)
#define KB ((uint64_t)1024)
#define GB (KB * KB * KB)

static const struct conf_choice modes[] = {
	{ "relay", CONF_MODE_RELAY, false },
	{ "transparent", CONF_MODE_TRANSPARENT, false },
	{ "outbound", CONF_MODE_OUTBOUND, false },
	{ "submission", 0, true },
	{ 0 },
};

#define RELAY (1u << CONF_MODE_RELAY)
#define TRANSPARENT (1u << CONF_MODE_TRANSPARENT)
#define OUTBOUND (1u << CONF_MODE_OUTBOUND)

static const struct conf_choice directions[] = {
	{ "inbound", CONF_DIRECTION_INBOUND, false },
	{ "outbound", CONF_DIRECTION_OUTBOUND, false },
	{ 0 },
};

static const struct conf_choice intercepts[] = {
	{ "tproxy", CONF_INTERCEPT_TPROXY, false },
	{ "redirect", CONF_INTERCEPT_REDIRECT, false },
	{ 0 },
};

static const struct conf_choice sources[] = {
	{ "own", CONF_SOURCE_OWN, false },
	{ "client", CONF_SOURCE_CLIENT, false },
	{ 0 },
};

static const struct conf_choice methods[] = {
	{ "terminate", CONF_METHOD_TERMINATE, false },
	{ "passthrough", CONF_METHOD_PASSTHROUGH, false },
	{ "strip", CONF_METHOD_STRIP, false },
	{ 0 },
};

#define TERMINATE (1u << CONF_METHOD_TERMINATE)
#define PASSTHROUGH (1u << CONF_METHOD_PASSTHROUGH)

static const struct conf_choice untrusted[] = {
	{ "refuse", CONF_UNTRUSTED_REFUSE, false },
	{ "untrusted", CONF_UNTRUSTED_MINT, false },
	{ 0 },
};

static const struct conf_choice secrecies[] = {
	{ "allowed", CONF_PFS_ALLOWED, false },
	{ "required", CONF_PFS_REQUIRED, false },
	{ 0 },
};

static const struct conf_choice revocations[] = {
	{ "off", CONF_OCSP_OFF, false },
	{ "soft", CONF_OCSP_SOFT, false },
	{ "hard", CONF_OCSP_HARD, false },
	{ 0 },
};

static const struct conf_choice supports[] = {
	{ "disabled", CONF_TLS_SUPPORT_DISABLED, false },
	{ "enabled", CONF_TLS_SUPPORT_ENABLED, false },
	{ "required", CONF_TLS_SUPPORT_REQUIRED, false },
	{ 0 },
};

static const struct conf_choice client_levels[] = {
	{ "none", CONF_CLIENT_TLS_NONE, false },
	{ "may", CONF_CLIENT_TLS_MAY, false },
	{ "encrypt", CONF_CLIENT_TLS_ENCRYPT, false },
	{ 0 },
};

static const struct conf_choice needs[] = {
	{ "none", CONF_NEED_NONE, false },
	{ "may", CONF_NEED_MAY, false },
	{ "encrypt", CONF_NEED_ENCRYPT, false },
	{ "verify", CONF_NEED_VERIFY, false },
	{ "mirror", CONF_NEED_MIRROR, false },
	{ "dane", 0, true },
	{ 0 },
};

static const struct conf_choice tls_failures[] = {
	{ "clear", CONF_TLS_FAILURE_CLEAR, false },
	{ "defer", CONF_TLS_FAILURE_DEFER, false },
	{ 0 },
};

static const struct conf_choice versions[] = {
	{ "1.0", CONF_VERSION_1_0, false },
	{ "1.1", CONF_VERSION_1_1, false },
	{ "1.2", CONF_VERSION_1_2, false },
	{ "1.3", CONF_VERSION_1_3, false },
	{ 0 },
};

static const struct conf_choice formats[] = {
	{ "text", LOG_TEXT, false },
	{ "json", LOG_JSON, false },
	{ 0 },
};

static const struct conf_choice envelopes[] = {
	{ "plain", CONF_ENVELOPE_PLAIN, false },
	{ "hashed", CONF_ENVELOPE_HASHED, false },
	{ 0 },
};

#define AT(member) .at = offsetof(struct conf_cert, member)
static const struct conf_setting cert_settings[] = {
	{ .name = "chain", AT(chain), .type = CONF_TYPE_TEXT, .needed = true,
	  .want = "the path of a PEM file",
	  .meaning = "The certificate, followed by its intermediates in order." },
	{ .name = "key", AT(key), .type = CONF_TYPE_TEXT, .needed = true,
	  .want = "the path of a PEM file",
	  .meaning = "Its private key, not encrypted. The file is read before privileges are given up." },
};
static const struct conf_section cert_section = {
	"certificate", sizeof(struct conf_cert), cert_settings, COUNT_OF(cert_settings), NULL
};
#undef AT

#define AT(member) .at = offsetof(struct conf_authority, member)
static const struct conf_setting authority_settings[] = {
	{ .name = "certificate", AT(certificate), .type = CONF_TYPE_TEXT, .needed = true,
	  .want = "the path of a PEM file",
	  .meaning = "Of a CA that the clients trust, followed by those above it. `sallyport authority init` "
		     "makes one." },
	{ .name = "key", AT(key), .type = CONF_TYPE_TEXT, .needed = true,
	  .want = "the path of a PEM file",
	  .meaning = "Its private key, not encrypted. Whoever has it can be anybody for the clients." },
	{ .name = "untrusted_certificate", AT(untrusted_certificate), .type = CONF_TYPE_TEXT,
	  .want = "the path of a PEM file",
	  .meaning = "Of a CA that nobody trusts: it signs in place of the other where the upstream's "
		     "certificate is bad." },
	{ .name = "untrusted_key", AT(untrusted_key), .type = CONF_TYPE_TEXT,
	  .want = "the path of a PEM file",
	  .meaning = "Its private key." },
};
static const struct conf_section authority_section = {
	"authority", sizeof(struct conf_authority), authority_settings, COUNT_OF(authority_settings), NULL
};
#undef AT

#define AT(member) .at = offsetof(struct conf_profile, member)
static const struct conf_setting profile_settings[] = {
	{ .name = "inherit", AT(inherit), .type = CONF_TYPE_TEXT, .form = CONF_FORM_NAME,
	  .preset = "intermediate", .want = "modern, intermediate, legacy or another profile",
	  .meaning = "Where everything comes from that is not set here." },
	{ .name = "min", AT(min), .type = CONF_TYPE_CHOICE, .choices = versions,
	  .meaning = "The oldest TLS version." },
	{ .name = "max", AT(max), .type = CONF_TYPE_CHOICE, .choices = versions,
	  .meaning = "The newest TLS version." },
	{ .name = "ciphers", AT(ciphers), .type = CONF_TYPE_LIST, .most = 64,
	  .want = "a cipher for TLS 1.2 and older", .wants = "ciphers",
	  .meaning = "Ciphers for TLS 1.2 and older, in OpenSSL's names." },
	{ .name = "ciphersuites", AT(ciphersuites), .type = CONF_TYPE_LIST, .most = 16,
	  .want = "a cipher suite of TLS 1.3", .wants = "cipher suites",
	  .meaning = "Cipher suites for TLS 1.3." },
	{ .name = "groups", AT(groups), .type = CONF_TYPE_LIST, .most = 32,
	  .want = "a key exchange group such as X25519", .wants = "groups",
	  .meaning = "Key exchange groups, most wanted first. Those that the OpenSSL at hand "
		     "does not know are skipped." },
	{ .name = "tickets", AT(tickets), .type = CONF_TYPE_SWITCH,
	  .meaning = "Whether sessions may be resumed by tickets." },
	{ .name = "pfs", AT(pfs), .type = CONF_TYPE_CHOICE, .choices = secrecies,
	  .meaning = "required: forward secret key exchange alone, whatever else `ciphers` names." },
	{ .name = "ocsp", AT(ocsp), .type = CONF_TYPE_CHOICE, .choices = revocations,
	  .meaning = "Towards upstreams. soft: whoever does not staple an answer has its responder asked, where one with "
		     "http is named, and a certificate that is said to be revoked is bad; to have no answer is not. hard: "
		     "where a responder is named there has to be a good answer; a certificate that names none is fine." },
	{ .name = "compliance", AT(compliance), .type = CONF_TYPE_SWITCH,
	  .meaning = "For passthrough: a connection that speaks something else where TLS has to begin is closed. "
		     "Where TLS ends here it always is." },
	{ .name = "verify", AT(verify), .type = CONF_TYPE_SWITCH,
	  .meaning = "Towards upstreams: `encrypt` counts as `verify` wherever this profile is used." },
};
static const struct conf_section profile_section = {
	"tls_profile", sizeof(struct conf_profile), profile_settings, COUNT_OF(profile_settings), NULL
};
#undef AT

#define AT(member) .at = offsetof(struct conf_upstream, member)
static const struct conf_setting upstream_settings[] = {
	{ .name = "hosts", AT(hosts), .type = CONF_TYPE_LIST, .form = CONF_FORM_HOST,
	  .needed = true, .most = 64,
	  .want = "a host", .wants = "hosts", .like = " such as 192.0.2.1:25 or mx.example.net",
	  .meaning = "Tried in order; one that failed is tried last for `retry_after`. Without a "
		     "port it is 25, with `implicit` 465." },
	{ .name = "implicit", AT(implicit), .type = CONF_TYPE_BOOL, .preset = "no",
	  .meaning = "TLS from the first byte, without STARTTLS." },
	{ .name = "tls", AT(tls), .type = CONF_TYPE_CHOICE, .choices = needs, .preset = "may",
	  .meaning = "none: in clear. may: TLS where it can be had. encrypt: TLS or nothing. verify: "
		     "TLS with a trusted certificate for the right name. mirror: as on the "
		     "client's side." },
	{ .name = "on_tls_failure", AT(on_tls_failure), .type = CONF_TYPE_CHOICE, .choices = tls_failures,
	  .preset = "clear",
	  .meaning = "Under `tls: may`, where a handshake fails, for TLS that is too old as well. clear: once more without "
		     "TLS. defer: the next host, then a temporary refusal." },
	{ .name = "min_bits", AT(min_bits), .type = CONF_TYPE_COUNT, .preset = "0", .most = 256,
	  .meaning = "The smallest strength of the cipher. 0: any." },
	{ .name = "ca", AT(ca), .type = CONF_TYPE_TEXT,
	  .want = "the path of a PEM file",
	  .meaning = "The roots that its certificate may come from. Not set: the system's." },
	{ .name = "crl", AT(crl), .type = CONF_TYPE_TEXT,
	  .want = "the path of a PEM file",
	  .meaning = "Certificates that have been revoked: one list (CRL) or more." },
	{ .name = "names", AT(names), .type = CONF_TYPE_LIST, .form = CONF_FORM_DOMAIN, .most = 64,
	  .want = "a host name", .wants = "host names",
	  .meaning = "Names that its certificate may have. Not set: the host that is connected to." },
	{ .name = "certificate", AT(certificate), .type = CONF_TYPE_TEXT, .form = CONF_FORM_NAME,
	  .want = "the name of one of `certificates`",
	  .meaning = "Shown where the upstream asks for a client certificate." },
	{ .name = "tls_profile", AT(tls_profile), .type = CONF_TYPE_TEXT, .form = CONF_FORM_NAME,
	  .preset = "intermediate", .want = "modern, intermediate, legacy or one of `tls_profiles`",
	  .meaning = "TLS versions, ciphers and groups." },
	{ .name = "timeout_connect", AT(timeout_connect), .type = CONF_TYPE_DURATION,
	  .preset = "10s", .least = 10 * MS, .most = H,
	  .meaning = "For a TCP connection to one address." },
	{ .name = "timeout_greeting", AT(timeout_greeting), .type = CONF_TYPE_DURATION,
	  .preset = "5m", .least = 10 * MS, .most = D,
	  .meaning = "For the greeting after connecting." },
	{ .name = "timeout_command", AT(timeout_command), .type = CONF_TYPE_DURATION,
	  .preset = "5m", .least = 10 * MS, .most = D,
	  .meaning = "For the reply to a command, and for a TLS handshake." },
	{ .name = "timeout_data", AT(timeout_data), .type = CONF_TYPE_DURATION,
	  .preset = "3m", .least = 10 * MS, .most = D,
	  .meaning = "For each piece of the message to be taken." },
	{ .name = "timeout_final", AT(timeout_final), .type = CONF_TYPE_DURATION,
	  .preset = "9m", .least = 10 * MS, .most = D,
	  .meaning = "For the reply to the end of the message. Below the 10 minutes that a client "
		     "waits for ours." },
	{ .name = "pool", AT(pool), .type = CONF_TYPE_COUNT, .preset = "16", .most = 1000,
	  .meaning = "Connections that each edge keeps open for the next message; it is used again "
		     "under the same need alone. 0: each client session has its own." },
	{ .name = "pool_idle", AT(pool_idle), .type = CONF_TYPE_DURATION,
	  .preset = "10s", .least = 10 * MS, .most = D,
	  .meaning = "For so long they are kept. Less than the upstream's own patience." },
	{ .name = "retry_after", AT(retry_after), .type = CONF_TYPE_DURATION,
	  .preset = "30s", .least = 0, .most = D,
	  .meaning = "For so long a host that failed is tried after the others." },
};
static const struct conf_section upstream_section = {
	"upstream", sizeof(struct conf_upstream), upstream_settings, COUNT_OF(upstream_settings), NULL
};
#undef AT

#define AT(member) .at = offsetof(struct conf_action, member)
static const struct conf_setting action_settings[] = {
	{ .name = "inherit", AT(inherit), .type = CONF_TYPE_TEXT, .form = CONF_FORM_NAME,
	  .want = "Incoming, Outgoing or another action",
	  .meaning = "Where everything comes from that is not set here. Incoming and Outgoing are built in." },
	{ .name = "tls", AT(tls), .type = CONF_TYPE_CHOICE, .choices = methods, .needed = true, .unless = "inherit",
	  .meaning = "terminate: TLS ends here, on both sides. passthrough: client and upstream have it "
		     "between them, unread. strip: STARTTLS is not offered, all goes in clear." },
	{ .name = "certificates", AT(certificates), .type = CONF_TYPE_LIST, .form = CONF_FORM_NAME,
	  .most = 256, .only = TERMINATE,
	  .want = "the name of one of `certificates`", .wants = "such names",
	  .meaning = "Shown to clients, chosen by SNI; the first is the default." },
	{ .name = "authority", AT(authority), .type = CONF_TYPE_TEXT, .form = CONF_FORM_NAME,
	  .only = TERMINATE, .want = "the name of one of `authorities`",
	  .meaning = "Signs the certificates that clients are shown, made like the upstream's. Of transparent "
		     "services." },
	{ .name = "on_untrusted", AT(on_untrusted), .type = CONF_TYPE_CHOICE, .choices = untrusted,
	  .only = TERMINATE,
	  .meaning = "Where the upstream's certificate is bad. refuse: no TLS for the client (454 4.7.5). untrusted: "
		     "a certificate of the CA that nobody trusts. Not set: the second where there is such a CA and "
		     "neither side demands TLS." },
	{ .name = "client_tls", AT(client_tls), .type = CONF_TYPE_CHOICE, .choices = client_levels,
	  .preset = "may", .only = TERMINATE,
	  .meaning = "On `listen`: none: no STARTTLS. may: offered. encrypt: no mail without it." },
	{ .name = "tls_profile", AT(tls_profile), .type = CONF_TYPE_TEXT, .form = CONF_FORM_NAME,
	  .preset = "intermediate", .only = TERMINATE | PASSTHROUGH,
	  .want = "modern, intermediate, legacy or one of `tls_profiles`",
	  .meaning = "TLS versions, ciphers and groups towards clients. With passthrough its `compliance` alone." },
	{ .name = "upstream_tls", AT(upstream_tls), .type = CONF_TYPE_CHOICE, .choices = needs,
	  .preset = "may", .only = TERMINATE,
	  .meaning = "As `tls` of an upstream. Of transparent services." },
	{ .name = "upstream_tls_profile", AT(upstream_tls_profile), .type = CONF_TYPE_TEXT,
	  .form = CONF_FORM_NAME, .preset = "intermediate", .only = TERMINATE | PASSTHROUGH,
	  .want = "modern, intermediate, legacy or one of `tls_profiles`",
	  .meaning = "The same towards upstreams. Of transparent services." },
	{ .name = "min_bits", AT(min_bits), .type = CONF_TYPE_COUNT, .preset = "0", .most = 256,
	  .only = TERMINATE,
	  .meaning = "The smallest strength of the cipher towards upstreams. 0: any. Of transparent services." },
	{ .name = "ca", AT(ca), .type = CONF_TYPE_TEXT, .only = TERMINATE,
	  .want = "the path of a PEM file",
	  .meaning = "The roots that an upstream's certificate may come from. Not set: the system's. Of "
		     "transparent services." },
	{ .name = "crl", AT(crl), .type = CONF_TYPE_TEXT, .only = TERMINATE,
	  .want = "the path of a PEM file",
	  .meaning = "Upstreams' certificates that have been revoked. Of transparent services." },
	{ .name = "esmtp", AT(esmtp), .type = CONF_TYPE_BOOL, .preset = "yes", .only = TERMINATE,
	  .meaning = "no: EHLO is answered 502, so clients fall back to HELO and there is no STARTTLS." },
};
static const struct conf_section action_section = {
	"action", sizeof(struct conf_action), action_settings, COUNT_OF(action_settings), "tls"
};
#undef AT

#define AT(member) .at = offsetof(struct conf_rule, member)
static const struct conf_setting rule_settings[] = {
	{ .name = "name", AT(name), .type = CONF_TYPE_TEXT, .form = CONF_FORM_NAME, .needed = true,
	  .want = "a name for the log",
	  .meaning = "Stands in the log of each session that the rule was for." },
	{ .name = "client", AT(client), .type = CONF_TYPE_LIST, .form = CONF_FORM_NET, .most = 1000,
	  .want = "a network", .wants = "networks", .like = " such as 10.1.0.0/16 or 2001:db8::1",
	  .meaning = "Where the client is. Not set: anywhere." },
	{ .name = "destination", AT(destination), .type = CONF_TYPE_LIST, .form = CONF_FORM_PLACE,
	  .most = 1000, .want = "a network or a host name", .wants = "them",
	  .like = " such as 192.0.2.0/24 or mx.example.net",
	  .meaning = "Where the client wants to go. A host name stands for its addresses; until they are known, "
		     "clients that the rule could be for get 421." },
	{ .name = "sni", AT(sni), .type = CONF_TYPE_LIST, .form = CONF_FORM_PATTERN, .most = 1000,
	  .want = "a host name", .wants = "them", .like = " such as mx.example.net or *.example.net",
	  .meaning = "The name that the client asks for in its first TLS message, on `listen_tls` alone. An "
		     "asterisk stands for one label." },
	{ .name = "action", AT(action), .type = CONF_TYPE_TEXT, .form = CONF_FORM_NAME, .needed = true,
	  .want = "the name of one of `actions`",
	  .meaning = "What is done then." },
};
static const struct conf_section rule_section = {
	"rule", sizeof(struct conf_rule), rule_settings, COUNT_OF(rule_settings), NULL
};
#undef AT

#define AT(member) .at = offsetof(struct conf_service, member)
static const struct conf_setting service_settings[] = {
	{ .name = "mode", AT(mode), .type = CONF_TYPE_CHOICE, .choices = modes, .preset = "relay",
	  .meaning = "relay: all mail goes to one upstream. transparent: connections that the network brings "
		     "here on their way go on to where they were meant to go (`sallyport nft-rules`). outbound: mail "
		     "goes to the servers of each recipient's domain, with the TLS that it must have there." },
	{ .name = "intercept", AT(intercept), .type = CONF_TYPE_CHOICE, .choices = intercepts,
	  .preset = "tproxy", .only = TRANSPARENT,
	  .meaning = "How the network does that: tproxy leaves addresses as they are, redirect changes them "
		     "(NAT)." },
	{ .name = "source", AT(source), .type = CONF_TYPE_CHOICE, .choices = sources, .preset = "own",
	  .only = TRANSPARENT,
	  .meaning = "Whose address the upstream sees: our own, or the client's." },
	{ .name = "direction", AT(direction), .type = CONF_TYPE_CHOICE, .choices = directions, .preset = "inbound",
	  .only = RELAY | TRANSPARENT,
	  .meaning = "Where the mail is going: to servers of ours, or (outbound) to those of others. Partners hold by "
		     "it." },
	{ .name = "listen", AT(listen), .type = CONF_TYPE_LIST, .form = CONF_FORM_LISTEN,
	  .most = 64, .want = "an address", .wants = "addresses",
	  .like = " with its port such as 192.0.2.1:25, *:25 or [2001:db8::1]:25",
	  .meaning = "Where SMTP is spoken, with STARTTLS offered: `\"*:25\"`, `192.0.2.1:25`, "
		     "`\"[2001:db8::1]:25\"`." },
	{ .name = "listen_tls", AT(listen_tls), .type = CONF_TYPE_LIST, .form = CONF_FORM_LISTEN,
	  .most = 64, .want = "an address", .wants = "addresses",
	  .like = " with its port such as 192.0.2.1:25, *:25 or [2001:db8::1]:25",
	  .meaning = "Where TLS is spoken from the first byte: `\"*:465\"`." },
	{ .name = "tls_support", AT(tls_support), .type = CONF_TYPE_CHOICE, .choices = supports,
	  .preset = "enabled",
	  .meaning = "disabled: only `listen` is listened on. enabled: both. required: only "
		     "`listen_tls`." },
	{ .name = "rules", AT(rules), .count_at = offsetof(struct conf_service, rule_count),
	  .type = CONF_TYPE_ROWS, .section = &rule_section, .most = 1000, .only = TRANSPARENT,
	  .want = "a rule", .wants = "rules, in order",
	  .meaning = "The first that matches says what is done." },
	{ .name = "action", AT(action), .type = CONF_TYPE_TEXT, .form = CONF_FORM_NAME,
	  .needed_for = TRANSPARENT, .only = RELAY | TRANSPARENT, .want = "the name of one of `actions`",
	  .meaning = "transparent: what is done where no rule matches; must be set. relay: settings that the "
		     "service shares with others." },
	{ .name = "clients", AT(clients), .type = CONF_TYPE_LIST, .form = CONF_FORM_NET, .most = 1000,
	  .only = RELAY | OUTBOUND, .want = "a network", .wants = "networks", .like = " such as 10.1.0.0/16 or 2001:db8::1",
	  .meaning = "Who may connect; others get 554 5.7.1, on `listen_tls` nothing. Not set: relay: everybody; "
		     "outbound: this machine alone (127.0.0.0/8, ::1)." },
	{ .name = "upstream", AT(upstream), .type = CONF_TYPE_TEXT, .needed = true, .only = RELAY,
	  .want = "the name of one of `upstreams`, or a host such as 10.0.0.5:25",
	  .meaning = "Where the mail goes." },
	{ .name = "next_hop_tls", AT(next_hop_tls), .type = CONF_TYPE_CHOICE, .choices = needs, .preset = "may",
	  .only = OUTBOUND,
	  .meaning = "As `tls` of an upstream, towards the servers of all domains: no less than this; partners, DANE "
		     "and MTA-STS can ask for more." },
	{ .name = "next_hop_on_tls_failure", AT(next_hop_on_tls_failure), .type = CONF_TYPE_CHOICE,
	  .choices = tls_failures, .preset = "clear", .only = OUTBOUND,
	  .meaning = "As `on_tls_failure` of an upstream." },
	{ .name = "min_bits", AT(min_bits), .type = CONF_TYPE_COUNT, .preset = "0", .most = 256, .only = OUTBOUND,
	  .meaning = "The smallest strength of the cipher there. 0: any." },
	{ .name = "next_hop_tls_profile", AT(next_hop_tls_profile), .type = CONF_TYPE_TEXT, .form = CONF_FORM_NAME,
	  .preset = "intermediate", .only = OUTBOUND,
	  .want = "modern, intermediate, legacy or one of `tls_profiles`",
	  .meaning = "TLS versions, ciphers and groups there." },
	{ .name = "ca", AT(ca), .type = CONF_TYPE_TEXT, .only = OUTBOUND, .want = "the path of a PEM file",
	  .meaning = "The roots that certificates may come from there. Not set: the system's." },
	{ .name = "crl", AT(crl), .type = CONF_TYPE_TEXT, .only = OUTBOUND, .want = "the path of a PEM file",
	  .meaning = "Certificates there that have been revoked: one list (CRL) or more." },
	{ .name = "client_certificate", AT(client_certificate), .type = CONF_TYPE_TEXT, .form = CONF_FORM_NAME,
	  .only = OUTBOUND, .want = "the name of one of `certificates`",
	  .meaning = "Shown where a server there asks for a client certificate." },
	{ .name = "next_hop_timeout_connect", AT(next_hop_timeout_connect), .type = CONF_TYPE_DURATION,
	  .preset = "10s", .least = 10 * MS, .most = H, .only = OUTBOUND,
	  .meaning = "For a TCP connection to one address there." },
	{ .name = "next_hop_timeout_greeting", AT(next_hop_timeout_greeting), .type = CONF_TYPE_DURATION,
	  .preset = "5m", .least = 10 * MS, .most = D, .only = OUTBOUND,
	  .meaning = "For the greeting after connecting." },
	{ .name = "next_hop_timeout_command", AT(next_hop_timeout_command), .type = CONF_TYPE_DURATION,
	  .preset = "5m", .least = 10 * MS, .most = D, .only = OUTBOUND,
	  .meaning = "For the reply to a command, and for a TLS handshake." },
	{ .name = "next_hop_timeout_data", AT(next_hop_timeout_data), .type = CONF_TYPE_DURATION,
	  .preset = "3m", .least = 10 * MS, .most = D, .only = OUTBOUND,
	  .meaning = "For each piece of the message to be taken." },
	{ .name = "next_hop_timeout_final", AT(next_hop_timeout_final), .type = CONF_TYPE_DURATION,
	  .preset = "9m", .least = 10 * MS, .most = D, .only = OUTBOUND,
	  .meaning = "For the reply to the end of the message. Below the 10 minutes that a client waits for ours." },
	{ .name = "next_hop_pool", AT(next_hop_pool), .type = CONF_TYPE_COUNT, .preset = "64", .most = 1000,
	  .only = OUTBOUND,
	  .meaning = "Connections to all servers together that each edge keeps open for the next message; one is used "
		     "again under the same decision alone. 0: none." },
	{ .name = "next_hop_pool_idle", AT(next_hop_pool_idle), .type = CONF_TYPE_DURATION,
	  .preset = "10s", .least = 10 * MS, .most = D, .only = OUTBOUND,
	  .meaning = "For so long they are kept." },
	{ .name = "port", AT(port), .type = CONF_TYPE_COUNT, .preset = "25", .least = 1, .most = 65535, .only = OUTBOUND,
	  .meaning = "Of the servers there; another one is for trials." },
	{ .name = "dane", AT(dane), .type = CONF_TYPE_BOOL, .preset = "yes", .only = OUTBOUND,
	  .meaning = "Whether TLSA records are honoured (RFC 7672)." },
	{ .name = "mta_sts", AT(mta_sts), .type = CONF_TYPE_BOOL, .preset = "yes", .only = OUTBOUND,
	  .meaning = "Whether MTA-STS policies are honoured (RFC 8461)." },
	{ .name = "fallback", AT(fallback), .type = CONF_TYPE_TEXT, .only = OUTBOUND,
	  .want = "the name of one of `upstreams`, or a host such as 127.0.0.1:10026",
	  .meaning = "An MTA with a queue that takes what part of a message's recipients could not be served. It has to "
		     "send by a service without a fallback." },
	{ .name = "remember", AT(remember), .type = CONF_TYPE_COUNT, .preset = "0", .most = 1000000, .only = OUTBOUND,
	  .meaning = "After so many deliveries with TLS in a row it is an alarm where a server offers none. 0: never." },
	{ .name = "remember_defers", AT(remember_defers), .type = CONF_TYPE_BOOL, .preset = "no", .only = OUTBOUND,
	  .meaning = "Whether mail has to wait then (4xx)." },
	{ .name = "tls_required_header", AT(tls_required_header), .type = CONF_TYPE_BOOL, .preset = "no",
	  .only = OUTBOUND,
	  .meaning = "Whether a message with `TLS-Required: No` goes without DANE and MTA-STS (RFC 8689)." },
	{ .name = "certificates", AT(certificates), .type = CONF_TYPE_LIST, .form = CONF_FORM_NAME,
	  .most = 256, .only = RELAY | OUTBOUND,
	  .want = "the name of one of `certificates`", .wants = "such names",
	  .meaning = "Chosen from by the name that the client asks for (SNI); the first is the "
		     "default. Not set: all there are." },
	{ .name = "client_tls", AT(client_tls), .type = CONF_TYPE_CHOICE, .choices = client_levels,
	  .preset = "may", .only = RELAY | OUTBOUND,
	  .meaning = "On `listen`: none: no STARTTLS. may: offered. encrypt: no mail without it." },
	{ .name = "tls_profile", AT(tls_profile), .type = CONF_TYPE_TEXT, .form = CONF_FORM_NAME,
	  .preset = "intermediate", .only = RELAY | OUTBOUND,
	  .want = "modern, intermediate, legacy or one of `tls_profiles`",
	  .meaning = "TLS versions, ciphers and groups." },
	{ .name = "hostname", AT(hostname), .type = CONF_TYPE_TEXT, .form = CONF_FORM_DOMAIN,
	  .want = "a host name such as gw.example.net",
	  .meaning = "In greetings and Received fields. Not set: the global one." },
	{ .name = "timeout_command", AT(timeout_command), .type = CONF_TYPE_DURATION,
	  .preset = "5m", .least = 10 * MS, .most = D,
	  .meaning = "For the client's next command, and for a TLS handshake." },
	{ .name = "timeout_data", AT(timeout_data), .type = CONF_TYPE_DURATION,
	  .preset = "3m", .least = 10 * MS, .most = D,
	  .meaning = "For the next piece of the message." },
	{ .name = "timeout_session", AT(timeout_session), .type = CONF_TYPE_DURATION,
	  .preset = "1h", .least = 10 * MS, .most = 30 * D,
	  .meaning = "For a whole session." },
	{ .name = "max_message_size", AT(max_message_size), .type = CONF_TYPE_SIZE,
	  .preset = "100M", .least = KB, .most = 1024 * GB,
	  .meaning = "Of one message, in octets." },
	{ .name = "max_recipients", AT(max_recipients), .type = CONF_TYPE_COUNT,
	  .preset = "1000", .least = 1, .most = 100000,
	  .meaning = "Of one message." },
	{ .name = "max_connections", AT(max_connections), .type = CONF_TYPE_COUNT,
	  .preset = "10000", .least = 1, .most = 1000000,
	  .meaning = "At a time, of all clients." },
	{ .name = "max_connections_per_address", AT(max_connections_per_address),
	  .type = CONF_TYPE_COUNT, .preset = "50", .least = 1, .most = 1000000,
	  .meaning = "At a time, of one IPv4 address or IPv6 /64." },
	{ .name = "max_errors", AT(max_errors), .type = CONF_TYPE_COUNT,
	  .preset = "20", .least = 1, .most = 10000,
	  .meaning = "Refused commands until the session is ended." },
};
static const struct conf_section service_section = {
	"service", sizeof(struct conf_service), service_settings, COUNT_OF(service_settings), "mode"
};
#undef AT

#define AT(member) .at = offsetof(struct conf_log, member)
static const struct conf_setting log_settings[] = {
	{ .name = "format", AT(format), .type = CONF_TYPE_CHOICE, .choices = formats,
	  .preset = "text", .meaning = "text: `key=value` fields. json: one object a line." },
	{ .name = "envelope", AT(envelope), .type = CONF_TYPE_CHOICE, .choices = envelopes,
	  .preset = "plain",
	  .meaning = "plain: addresses of sender and recipients stand in the log. hashed: a keyed "
		     "hash of each." },
};
static const struct conf_section log_section = {
	"log", sizeof(struct conf_log), log_settings, COUNT_OF(log_settings), NULL
};
#undef AT

#define AT(member) .at = offsetof(struct conf, member)
#define COUNT_AT(member) .count_at = offsetof(struct conf, member)
static const struct conf_setting settings[] = {
	{ .name = "hostname", AT(hostname), .type = CONF_TYPE_TEXT, .form = CONF_FORM_DOMAIN,
	  .want = "a host name such as gw.example.net",
	  .meaning = "In greetings, EHLO and Received fields. Not set: the machine's." },
	{ .name = "user", AT(user), .type = CONF_TYPE_TEXT, .form = CONF_FORM_NAME,
	  .want = "the name of a user",
	  .meaning = "That edges run as, where the master is started by root. Not set: sallyport where there is such a user, "
		     "else nobody." },
	/* proc/generation.h starts no more than 64. */
	{ .name = "edges", AT(edges), .type = CONF_TYPE_COUNT, .preset = "0", .most = 64,
	  .meaning = "Processes that carry the sessions. 0: one for each processor." },
	{ .name = "drain_timeout", AT(drain_timeout), .type = CONF_TYPE_DURATION,
	  .preset = "60s", .least = 0, .most = D,
	  .meaning = "How long running sessions may go on after a reload or on the way to the end." },
	{ .name = "ticket_rotation", AT(ticket_rotation), .type = CONF_TYPE_DURATION,
	  .preset = "8h", .least = S, .most = 7 * D,
	  .meaning = "How often the keys of session tickets change. Old ones open tickets for two "
		     "turns more." },
	{ .name = "mark", AT(mark), .type = CONF_TYPE_COUNT, .form = CONF_FORM_HEX, .preset = "0x5a11",
	  .least = 1, .most = 0x7fffffff,
	  .meaning = "Mark (SO_MARK) of the connections that transparent services open, so that the network does "
		     "not bring them here again. The next number marks what it brings." },
	{ .name = "route", AT(route), COUNT_AT(route_count), .type = CONF_TYPE_SECTION, .section = &conf_route_section,
	  .meaning = "How it is found out where mail goes and what TLS it must have there, for services of mode outbound." },
	{ .name = "log", AT(log), .type = CONF_TYPE_SECTION, .section = &log_section,
	  .meaning = "What the log looks like." },
	{ .name = "certificates", AT(certs), COUNT_AT(cert_count), .type = CONF_TYPE_SECTIONS,
	  .section = &cert_section, .want = "certificates by name", .most = 1000,
	  .meaning = "Our own certificates." },
	{ .name = "tls_profiles", AT(profiles), COUNT_AT(profile_count), .type = CONF_TYPE_SECTIONS,
	  .section = &profile_section, .want = "TLS profiles by name", .most = 100,
	  .meaning = "TLS settings beside the built-in ones: modern, intermediate, legacy." },
	{ .name = "upstreams", AT(upstreams), COUNT_AT(upstream_count), .type = CONF_TYPE_SECTIONS,
	  .section = &upstream_section, .want = "upstreams by name", .most = 1000,
	  .meaning = "Where mail goes." },
	{ .name = "authorities", AT(authorities), COUNT_AT(authority_count), .type = CONF_TYPE_SECTIONS,
	  .section = &authority_section, .want = "authorities by name", .most = 100,
	  .meaning = "Certificate authorities of our own, for transparent services." },
	{ .name = "actions", AT(actions), COUNT_AT(action_count), .type = CONF_TYPE_SECTIONS,
	  .section = &action_section, .want = "actions by name", .most = 1000,
	  .meaning = "What is done with TLS; settings that services share." },
	{ .name = "partners", AT(partners), COUNT_AT(partner_count), .type = CONF_TYPE_SECTIONS,
	  .form = CONF_FORM_PARTNER, .section = &conf_partner_section, .want = "partners by domain",
	  .most = 100000,
	  .meaning = "What TLS must be for mail to a domain and those below it (`example.net`), to those below it alone "
		     "(`.example.net`, `\"*.example.net\"`), to it alone (`\"*@example.net\"`), to an address "
		     "(`user@example.net`), or to all others (`\"*\"`). The most specific one counts." },
	{ .name = "partner_lists", AT(lists), COUNT_AT(list_count), .type = CONF_TYPE_SECTIONS,
	  .section = &conf_list_section, .want = "lists by name", .most = 100,
	  .meaning = "Partners that stand in files, with what a list's have in common." },
	/* proc/shared.h tells no more than 64 services apart. */
	{ .name = "services", AT(services), COUNT_AT(service_count), .type = CONF_TYPE_SECTIONS,
	  .section = &service_section, .needed = true, .want = "services by name", .most = 64,
	  .meaning = "Where mail comes in." },
};
const struct conf_section conf_schema = {
	"settings", sizeof(struct conf), settings, COUNT_OF(settings), NULL
};
#undef AT
#undef COUNT_AT
