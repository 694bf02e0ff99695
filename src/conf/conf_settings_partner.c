#include "conf/conf_schema.h"

/* The part of the table that is about others: partners, and how their policies are found out. */

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define MS ((uint64_t)1)
#define S (1000 * MS)
#define M (60 * S)

static const struct conf_choice clients[] = {
	{ "required", CONF_PARTNER_CLIENT_REQUIRED, false },
	{ "optional", CONF_PARTNER_CLIENT_OPTIONAL, false },
	{ "none", CONF_PARTNER_CLIENT_NONE, false },
	{ 0 },
};

static const struct conf_choice upstreams[] = {
	{ "required", CONF_PARTNER_UPSTREAM_REQUIRED, false },
	{ "preferred", CONF_PARTNER_UPSTREAM_PREFERRED, false },
	{ "allowed", CONF_PARTNER_UPSTREAM_ALLOWED, false },
	{ "none", CONF_PARTNER_UPSTREAM_NONE, false },
	{ 0 },
};

static const struct conf_choice outbounds[] = {
	{ "none", CONF_LEVEL_NONE, false },
	{ "may", CONF_LEVEL_MAY, false },
	{ "encrypt", CONF_LEVEL_ENCRYPT, false },
	{ "verify", CONF_LEVEL_VERIFY, false },
	{ "dane", CONF_LEVEL_DANE, false },
	{ "mirror", CONF_LEVEL_MIRROR, false },
	{ 0 },
};

/* Clients of a mail server have no certificate that proves a domain, so there is no `verify`. */
static const struct conf_choice inbounds[] = {
	{ "none", CONF_LEVEL_NONE, false },
	{ "may", CONF_LEVEL_MAY, false },
	{ "encrypt", CONF_LEVEL_ENCRYPT, false },
	{ 0 },
};

static const struct conf_choice failures[] = {
	{ "temporary", CONF_FAILURE_TEMPORARY, false },
	{ "permanent", CONF_FAILURE_PERMANENT, false },
	{ 0 },
};

static const struct conf_choice directions[] = {
	{ "both", CONF_DIRECTION_BOTH, false },
	{ "outbound", CONF_DIRECTION_OUTBOUND, false },
	{ "inbound", CONF_DIRECTION_INBOUND, false },
	{ 0 },
};

#define AT(member) .at = offsetof(struct conf_partner, member)
#define PARTNER_SETTINGS \
	{ .name = "client", AT(client), .type = CONF_TYPE_CHOICE, .choices = clients, \
	  .meaning = "TLS of the client that sends to it. required: without, its recipients are refused (530 " \
		     "5.7.0). optional: either will do. none: STARTTLS is not offered; for `\"*\"` alone. Not " \
		     "set: as the service has it." }, \
	{ .name = "upstream", AT(upstream), .type = CONF_TYPE_CHOICE, .choices = upstreams, \
	  .meaning = "TLS towards the upstream of a relay or transparent service. required: TLS or nothing. preferred: " \
		     "TLS where it can be had. allowed: as on the client's side. none: in clear. Not set: as " \
		     "upstream or action have it." }, \
	{ .name = "outbound", AT(outbound), .type = CONF_TYPE_CHOICE, .choices = outbounds, \
	  .meaning = "TLS towards its servers, in services of direction outbound: no less than this. none, may, encrypt, " \
		     "verify: as `tls` of an upstream. dane: TLS that TLSA records vouch for. mirror: as on the " \
		     "client's side. With `why` also less than the service, DANE and MTA-STS ask for." }, \
	{ .name = "inbound", AT(inbound), .type = CONF_TYPE_CHOICE, .choices = inbounds, \
	  .meaning = "TLS of clients that bring mail from it or, in services of direction inbound, to it. encrypt: none " \
		     "without (530 5.7.0). none, may: either will do." }, \
	{ .name = "min_bits", AT(min_bits), .type = CONF_TYPE_COUNT, .preset = "0", .most = 256, \
	  .meaning = "The smallest strength of the cipher towards its servers, in services of direction outbound. More " \
		     "than 0 also means that there has to be TLS. 0: any." }, \
	{ .name = "names", AT(names), .type = CONF_TYPE_LIST, .form = CONF_FORM_DOMAIN, .most = 16, \
	  .want = "a host name", .wants = "host names", \
	  .meaning = "Names that the certificate may have under verify, in services of mode outbound. Not set: the " \
		     "domain, or the host where DNSSEC or MTA-STS vouches for it." }, \
	{ .name = "certificate", AT(certificate), .type = CONF_TYPE_TEXT, .form = CONF_FORM_NAME, \
	  .want = "the name of one of `certificates`", \
	  .meaning = "Shown where its servers ask for a client certificate, in services of mode outbound. Not set: the " \
		     "service's `client_certificate`." }, \
	{ .name = "on_failure", AT(on_failure), .type = CONF_TYPE_CHOICE, .choices = failures, .preset = "temporary", \
	  .meaning = "Where TLS is less than it must be. temporary: the client is to try again later (4xx). permanent: " \
		     "the mail goes back to its sender (5xx)." }, \
	{ .name = "report", AT(report), .type = CONF_TYPE_BOOL, .preset = "no", \
	  .meaning = "yes: what would have failed is logged and counted, and delivered all the same." }, \
	{ .name = "direction", AT(direction), .type = CONF_TYPE_CHOICE, .choices = directions, .preset = "both", \
	  .meaning = "In which services it holds: those of direction outbound, of direction inbound, or both." }, \
	{ .name = "expires", AT(expires), .type = CONF_TYPE_DATE, \
	  .meaning = "From then on it is as if it were not there; a day counts to its end (UTC). Not set: never." }, \
	{ .name = "why", AT(why), .type = CONF_TYPE_TEXT, .want = "the reason for an exemption", \
	  .meaning = "Makes it an exemption: `outbound` and `min_bits` then hold even where the service, DANE or " \
		     "MTA-STS ask for more. Stands in the log." }

static const struct conf_setting partner_settings[] = { PARTNER_SETTINGS };
const struct conf_section conf_partner_section = {
	"partner", sizeof(struct conf_partner), partner_settings, COUNT_OF(partner_settings), NULL
};

static const struct conf_setting list_settings[] = {
	{ .name = "file", AT(file), .type = CONF_TYPE_TEXT, .needed = true, .want = "the path of a file",
	  .meaning = "Partners, one a line or separated by `,` and `;`, in all forms that a name in `partners` has; what all "
		     "of them have in common is set here. Blanks and a number behind one are its own `min_bits`. From "
		     "a `#` on a line is a comment; an empty one means nothing (all others are `*`)." },
	PARTNER_SETTINGS
};
const struct conf_section conf_list_section = {
	"partner_list", sizeof(struct conf_partner), list_settings, COUNT_OF(list_settings), NULL
};
#undef AT

#define AT(member) .at = offsetof(struct conf_route, member)
static const struct conf_setting route_settings[] = {
	{ .name = "resolvers", AT(resolvers), .type = CONF_TYPE_LIST, .form = CONF_FORM_SERVER, .most = 16,
	  .want = "the address of a name server", .wants = "addresses", .like = " with its port such as 192.0.2.53:53",
	  .meaning = "Asked for everything; what they say is validated here (DNSSEC). Not set: the name servers of the "
		     "domains are asked, from the root on." },
	{ .name = "trust_anchor", AT(trust_anchor), .type = CONF_TYPE_TEXT, .form = CONF_FORM_PATH,
	  .want = "the whole path of a file with DS or DNSKEY records",
	  .meaning = "Where DNSSEC begins. Not set: at the root, as built in." },
	{ .name = "sts_ca", AT(sts_ca), .type = CONF_TYPE_TEXT, .form = CONF_FORM_PATH,
	  .want = "the whole path of a PEM file",
	  .meaning = "The roots that a web server with an MTA-STS policy may have its certificate from. Not set: the "
		     "system's." },
	{ .name = "sts_port", AT(sts_port), .type = CONF_TYPE_COUNT, .preset = "443", .least = 1, .most = 65535,
	  .meaning = "The port of those web servers; another one is for trials." },
	{ .name = "state_dir", AT(state_dir), .type = CONF_TYPE_TEXT, .form = CONF_FORM_PATH,
	  .preset = "/var/lib/sallyport", .want = "the whole path of a folder",
	  .meaning = "What outlives a restart: MTA-STS policies, the memory of TLS, results for reports, partners that "
		     "`sallyport partners` has added." },
	{ .name = "timeout", AT(timeout), .type = CONF_TYPE_DURATION, .preset = "15s", .least = 100 * MS, .most = 5 * M,
	  .meaning = "For all that has to be looked up for one domain, DNS and MTA-STS together." },
	{ .name = "private_addresses", AT(private_addresses), .type = CONF_TYPE_BOOL, .preset = "no",
	  .meaning = "Whether MX hosts may have loopback, link-local and private addresses. no: such addresses are not "
		     "connected to, whatever DNS says." },
	{ .name = "socketmap", AT(socketmap), .type = CONF_TYPE_TEXT, .form = CONF_FORM_SOCKET,
	  .want = "an address with its port such as 127.0.0.1:8461, or the path of a UNIX socket",
	  .meaning = "Where Postfix may ask what TLS a domain must have (socketmap, for smtp_tls_policy_maps). Not set: "
		     "nowhere." },
	{ .name = "tlsrpt", AT(tlsrpt), .type = CONF_TYPE_BOOL, .preset = "yes",
	  .meaning = "Whether results are counted for reports (TLSRPT, RFC 8460); `sallyport tlsrpt send` sends them." },
	{ .name = "tlsrpt_contact", AT(tlsrpt_contact), .type = CONF_TYPE_TEXT, .want = "how we can be reached",
	  .meaning = "`contact-info` of reports. Not set: `tlsrpt_from`." },
	{ .name = "tlsrpt_from", AT(tlsrpt_from), .type = CONF_TYPE_TEXT, .form = CONF_FORM_MAILBOX,
	  .want = "a mail address",
	  .meaning = "The sender of reports. Not set: tlsrpt at `hostname`." },
	{ .name = "tlsrpt_organization", AT(tlsrpt_organization), .type = CONF_TYPE_TEXT, .want = "a name",
	  .meaning = "`organization-name` of reports. Not set: `hostname`." },
	{ .name = "tlsrpt_submit", AT(tlsrpt_submit), .type = CONF_TYPE_TEXT, .form = CONF_FORM_HOST,
	  .want = "a host such as 127.0.0.1:25",
	  .meaning = "The MTA that takes reports to be sent by mail. Not set: they go over HTTPS alone." },
};
const struct conf_section conf_route_section = {
	"route", sizeof(struct conf_route), route_settings, COUNT_OF(route_settings), NULL
};
#undef AT
