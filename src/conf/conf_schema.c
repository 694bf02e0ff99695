#include "conf/conf_schema.h"

#include "conf/conf_value.h"

#include <stdio.h>
#include <string.h>

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
	{ "submission", 0, true },
	{ "outbound", 0, true },
	{ "transparent", 0, true },
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
	"certificate", sizeof(struct conf_cert), cert_settings, COUNT_OF(cert_settings)
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
};
static const struct conf_section profile_section = {
	"tls_profile", sizeof(struct conf_profile), profile_settings, COUNT_OF(profile_settings)
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
	{ .name = "min_bits", AT(min_bits), .type = CONF_TYPE_COUNT, .preset = "0", .most = 256,
	  .meaning = "The smallest strength of the cipher. 0: any." },
	{ .name = "ca", AT(ca), .type = CONF_TYPE_TEXT,
	  .want = "the path of a PEM file",
	  .meaning = "The roots that its certificate may come from. Not set: the system's." },
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
	{ .name = "retry_after", AT(retry_after), .type = CONF_TYPE_DURATION,
	  .preset = "30s", .least = 0, .most = D,
	  .meaning = "For so long a host that failed is tried after the others." },
};
static const struct conf_section upstream_section = {
	"upstream", sizeof(struct conf_upstream), upstream_settings, COUNT_OF(upstream_settings)
};
#undef AT

#define AT(member) .at = offsetof(struct conf_service, member)
static const struct conf_setting service_settings[] = {
	{ .name = "mode", AT(mode), .type = CONF_TYPE_CHOICE, .choices = modes, .preset = "relay",
	  .meaning = "relay: all mail goes to one upstream." },
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
	{ .name = "upstream", AT(upstream), .type = CONF_TYPE_TEXT, .needed = true,
	  .want = "the name of one of `upstreams`, or a host such as 10.0.0.5:25",
	  .meaning = "Where the mail goes." },
	{ .name = "certificates", AT(certificates), .type = CONF_TYPE_LIST, .form = CONF_FORM_NAME,
	  .most = 256, .want = "the name of one of `certificates`", .wants = "such names",
	  .meaning = "Chosen from by the name that the client asks for (SNI); the first is the "
		     "default. Not set: all there are." },
	{ .name = "client_tls", AT(client_tls), .type = CONF_TYPE_CHOICE, .choices = client_levels,
	  .preset = "may",
	  .meaning = "On `listen`: none: no STARTTLS. may: offered. encrypt: no mail without it." },
	{ .name = "tls_profile", AT(tls_profile), .type = CONF_TYPE_TEXT, .form = CONF_FORM_NAME,
	  .preset = "intermediate", .want = "modern, intermediate, legacy or one of `tls_profiles`",
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
	"service", sizeof(struct conf_service), service_settings, COUNT_OF(service_settings)
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
	"log", sizeof(struct conf_log), log_settings, COUNT_OF(log_settings)
};
#undef AT

#define AT(member) .at = offsetof(struct conf, member)
#define COUNT_AT(member) .count_at = offsetof(struct conf, member)
static const struct conf_setting settings[] = {
	{ .name = "hostname", AT(hostname), .type = CONF_TYPE_TEXT, .form = CONF_FORM_DOMAIN,
	  .want = "a host name such as gw.example.net",
	  .meaning = "In greetings, EHLO and Received fields. Not set: the machine's." },
	{ .name = "user", AT(user), .type = CONF_TYPE_TEXT, .form = CONF_FORM_NAME,
	  .preset = "nobody", .want = "the name of a user",
	  .meaning = "That edges run as, where the master is started by root." },
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
	/* proc/shared.h tells no more than 64 services apart. */
	{ .name = "services", AT(services), COUNT_AT(service_count), .type = CONF_TYPE_SECTIONS,
	  .section = &service_section, .needed = true, .want = "services by name", .most = 64,
	  .meaning = "Where mail comes in." },
};
const struct conf_section conf_schema = {
	"settings", sizeof(struct conf), settings, COUNT_OF(settings)
};
#undef AT
#undef COUNT_AT

bool conf_schema_is_name(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		if (!ascii_is_alnum(text[i]) && strchr("._-", text[i]) == NULL)
			return false;
	}
	return len > 0 && len <= CONF_NAME_MOST;
}

const struct conf_setting *conf_schema_find(const struct conf_section *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++) {
		if (strcmp(s->settings[i].name, name) == 0)
			return &s->settings[i];
	}
	return NULL;
}

const char *conf_schema_home(const char *setting)
{
	for (size_t i = 0; i < conf_schema.count; i++) {
		const struct conf_setting *s = &conf_schema.settings[i];

		if (s->section != NULL && conf_schema_find(s->section, setting) != NULL)
			return s->name;
	}
	return NULL;
}

static void want_range(const struct conf_setting *s, const char *what, char want[CONF_WANT_MOST])
{
	char least[CONF_VALUE_MOST];
	char most[CONF_VALUE_MOST];

	conf_value_print_number(s->type, s->least, least);
	conf_value_print_number(s->type, s->most, most);
	snprintf(want, CONF_WANT_MOST, "%s from %s to %s", what, least, most);
}

/* "a, b or c" */
static void want_choice(const struct conf_setting *s, char want[CONF_WANT_MOST])
{
	const struct conf_choice *built[16];
	size_t count = 0;
	size_t len = 0;

	for (const struct conf_choice *c = s->choices; c->name != NULL; c++) {
		if (!c->unbuilt && count < COUNT_OF(built))
			built[count++] = c;
	}
	for (size_t i = 0; i < count && len < CONF_WANT_MOST; i++) {
		const char *glue = i == 0 ? "" : i + 1 < count ? ", " : " or ";

		len += (size_t)snprintf(want + len, CONF_WANT_MOST - len, "%s%s", glue,
					built[i]->name);
	}
}

void conf_schema_want(const struct conf_setting *s, char want[CONF_WANT_MOST])
{
	switch (s->type) {
	case CONF_TYPE_TEXT:
	case CONF_TYPE_SECTIONS:
		snprintf(want, CONF_WANT_MOST, "%s", s->want);
		break;
	case CONF_TYPE_LIST:
		snprintf(want, CONF_WANT_MOST, "%s or a list of %s", s->want, s->wants);
		break;
	case CONF_TYPE_BOOL:
	case CONF_TYPE_SWITCH:
		snprintf(want, CONF_WANT_MOST, "yes or no");
		break;
	case CONF_TYPE_COUNT:
		want_range(s, "a number", want);
		break;
	case CONF_TYPE_SIZE:
		want_range(s, "a size such as 100k, 50M or 1G", want);
		break;
	case CONF_TYPE_DURATION:
		want_range(s, "a time such as 500ms, 30s, 5m, 2h or 1d", want);
		break;
	case CONF_TYPE_CHOICE:
		want_choice(s, want);
		break;
	case CONF_TYPE_SECTION:
		snprintf(want, CONF_WANT_MOST, "settings of its own");
		break;
	}
}

void *conf_schema_at(void *structure, const struct conf_setting *s)
{
	return (char *)structure + s->at;
}

const void *conf_schema_at_const(const void *structure, const struct conf_setting *s)
{
	return (const char *)structure + s->at;
}
