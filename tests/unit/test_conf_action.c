#include "conf/conf.h"
#include "unit.h"

/* A row's own text begins in line 4. */
#define HEAD "hostname: gw.example.net\ncertificates: { gw: { chain: c.pem, key: k.pem } }\n" \
	"authorities: { corp: { certificate: a, key: b, untrusted_certificate: u, untrusted_key: v }, " \
	"half: { certificate: a, key: b } }\n"
#define MX "services: { mx: { listen: 192.0.2.1:2525, upstream: 10.0.0.5:25 } }\n"
#define NET(settings) "services: { net: { mode: transparent, listen: \"*:2525\", " settings " } }\n"
#define BOTH(settings) "services: { net: { mode: transparent, listen: \"*:2525\", listen_tls: \"*:2465\", " settings " } }\n"
#define WATCH "actions: { watch: { tls: passthrough } }\n"
#define STRIP "actions: { plain: { tls: strip } }\n"
#define OPEN "actions: { open: { tls: terminate, authority: corp } }\n"

struct loaded {
	struct conf_source *source;
	struct conf_report report;
	struct conf *conf;
};

static void load(struct loaded *l, const char *text)
{
	l->source = conf_source_memory();
	conf_source_put(l->source, "gw", span_str(text));
	conf_report_init(&l->report, "gw");
	l->conf = conf_load(l->source, "gw", &l->report);
}

static void unload(struct loaded *l)
{
	conf_free(l->conf);
	conf_report_free(&l->report);
	conf_source_free(l->source);
}

struct row {
	const char *name, *text;
	const char *report; /* all of it; "" where nothing is wrong */
};

static void run(const struct row *rows, size_t count, bool good)
{
	for (size_t i = 0; i < count; i++) {
		struct loaded l;

		load(&l, rows[i].text);
		want_text(rows[i].name, span_str(l.report.text != NULL ? l.report.text : ""),
			  span_str(rows[i].report));
		want_number(rows[i].name, "loaded", l.conf != NULL, good);
		unload(&l);
	}
}

static const struct row fine[] = {
	{ "passthrough", HEAD WATCH BOTH("action: watch"), "" },
	{ "terminate with an authority", HEAD OPEN BOTH("action: open"), "" },
	{ "terminate with certificates", HEAD "actions: { open: { tls: terminate, certificates: gw } }\n"
	  BOTH("action: open"), "" },
	{ "one rule for a list", HEAD WATCH BOTH("action: watch, rules: { name: a, client: 192.0.2.1, action: watch }"), "" },
	{ "no rule", HEAD WATCH NET("action: watch, rules: []"), "" },
	{ "rules of all kinds", HEAD WATCH BOTH("action: watch, intercept: redirect, source: client, rules: [ "
	  "{ name: a, client: [ 10.0.0.0/8, \"2001:db8::/32\" ], action: watch }, "
	  "{ name: b, destination: [ mx.example.net, 192.0.2.0/24 ], action: watch }, "
	  "{ name: c, sni: \"*.example.net\", action: watch }, { name: d, action: watch } ]"), "" },
	{ "a relay with an action", HEAD "actions: { open: { tls: terminate, client_tls: encrypt } }\n"
	  "services: { mx: { listen: 192.0.2.1:2525, upstream: 10.0.0.5:25, action: open } }\n", "" },
	{ "a relay that says the same", HEAD "actions: { open: { tls: terminate, client_tls: encrypt, certificates: gw } }\n"
	  "services: { mx: { listen: 192.0.2.1:2525, upstream: 10.0.0.5:25, action: open, client_tls: encrypt, "
	  "certificates: gw, tls_profile: intermediate } }\n", "" },
	{ "a mark", HEAD "mark: 4711\n" MX, "" },
	{ "a mark in hexadecimal", HEAD "mark: 0xFF\n" MX, "" },
	{ "an action without use", HEAD WATCH MX, "gw:4:12: warning: actions.watch is used by no service\n" },
	{ "a rule for all before others", HEAD WATCH NET("action: watch, rules: [ { name: a, action: watch }, "
	  "{ name: b, client: 192.0.2.1, action: watch } ]"),
	  "gw:5:89: warning: services.net: the rule a is for all connections, so those behind it are never "
	  "asked\n" },
};

static void test_actions_and_rules(void **state)
{
	(void)state;
	run(fine, ROWS(fine), true);
}

static const struct row broken[] = {
	{ "an action without method", HEAD "actions: { a: { authority: corp } }\n" BOTH("action: a"),
	  "gw:4:12: actions.a.tls is missing; it wants terminate, passthrough or strip\n" },
	{ "a transparent service without action", HEAD NET("intercept: tproxy"),
	  "gw:4:13: services.net.action is missing; it wants the name of one of `actions`\n" },
	{ "one with an upstream", HEAD WATCH NET("action: watch, upstream: 10.0.0.5"),
	  "gw:5:82: services.net.upstream can't be set, because mode is transparent; leave it out\n" },
	{ "a relay with rules", HEAD
	  "services: { mx: { listen: 192.0.2.1:2525, upstream: 10.0.0.5, rules: [], source: own } }\n",
	  "gw:4:70: services.mx.rules can't be set, because mode is relay; leave it out\n"
	  "gw:4:82: services.mx.source can't be set, because mode is relay; leave it out\n" },
	{ "passthrough with settings of terminate", HEAD
	  "actions: { watch: { tls: passthrough, authority: corp, min_bits: 128 } }\n" NET("action: watch"),
	  "gw:4:50: actions.watch.authority can't be set, because tls is passthrough; leave it out\n"
	  "gw:4:66: actions.watch.min_bits can't be set, because tls is passthrough; leave it out\n" },
	{ "names that lead nowhere", HEAD
	  "actions: { open: { tls: terminate, authority: korp, tls_profile: x, upstream_tls_profile: modernn } }\n"
	  NET("action: opn, rules: { name: a, action: nothing }"),
	  "gw:4:12: warning: actions.open is used by no service\n"
	  "gw:4:47: there is no authority korp; did you mean corp?\n"
	  "gw:4:66: there is no TLS profile x; it can be modern, intermediate, legacy or one of tls_profiles\n"
	  "gw:4:91: there is no TLS profile modernn; did you mean modern?\n"
	  "gw:5:65: there is no action opn; did you mean open?\n"
	  "gw:5:96: there is no action nothing; it has to be one of actions\n" },
	{ "an authority and certificates", HEAD
	  "actions: { open: { tls: terminate, authority: corp, certificates: [ gw, gv ] } }\n" NET("action: open"),
	  "gw:4:47: actions.open has an authority and certificates; clients can be shown one or the other, leave "
	  "one out\n"
	  "gw:4:73: there is no certificate gv; did you mean gw?\n" },
	{ "PP-8 verify, and no name to look for", HEAD
	  "actions: { open: { tls: terminate, authority: corp, upstream_tls: verify } }\n"
	  NET("action: open, rules: { name: a, destination: mx.example.net, action: open }"),
	  "gw:4:67: actions.open verifies upstreams, and services.net does not know what name to look for; use it in "
	  "rules whose destinations are all host names, or set client_tls to encrypt, so that clients look\n" },
	{ "rules of one name", HEAD WATCH NET("action: watch, rules: [ { name: a, client: 192.0.2.1, action: watch }, "
	  "{ name: a, client: 192.0.2.2, action: watch } ]"),
	  "gw:5:136: services.net has two rules called a, the first in line 5; give one another name\n" },
	{ "rules with what is missing", HEAD WATCH NET("action: watch, rules: [ { client: 10.0.0.1/8 }, x ]"),
	  "gw:5:81: services.net.rules.1.name is missing; it wants a name for the log\n"
	  "gw:5:81: services.net.rules.1.action is missing; it wants the name of one of `actions`\n"
	  "gw:5:91: services.net.rules.1.client is \"10.0.0.1/8\" (it has bits behind those that count); it wants "
	  "a network such as 10.1.0.0/16 or 2001:db8::1\n"
	  "gw:5:105: services.net.rules.2 wants settings of its own, not a single value\n" },
	{ "rules that are none", HEAD WATCH NET("action: watch, rules: x"),
	  "gw:5:79: services.net.rules wants a rule or a list of rules, in order, not a single value\n" },
	{ "authorities that are not whole", "hostname: gw.example.net\n"
	  "authorities: { a: { certificate: x }, b: { certificate: x, key: y, untrusted_key: z }, "
	  "c: { certificate: x, key: y, untrusted_certificate: z } }\n"
	  "services: { mx: { listen: 192.0.2.1:2525, upstream: 10.0.0.5:25, client_tls: none } }\n",
	  "gw:2:16: authorities.a.key is missing; it wants the path of a PEM file\n"
	  "gw:2:83: authorities.b.untrusted_certificate is missing; untrusted_key needs it\n"
	  "gw:2:140: authorities.c.untrusted_key is missing; untrusted_certificate needs it\n" },
	{ "min_bits without TLS", HEAD
	  "actions: { open: { tls: terminate, authority: corp, upstream_tls: none, min_bits: 128 } }\n"
	  NET("action: open"),
	  "gw:4:83: actions.open.min_bits asks for encryption and upstream_tls is none; set that to encrypt, or leave "
	  "min_bits out\n" },
	{ "a profile that verifies where TLS may be left out", HEAD
	  "tls_profiles: { v: { verify: yes }, w: { inherit: v } }\n"
	  "upstreams: { u: { hosts: a.example, tls_profile: w }, x: { hosts: a.example, tls: encrypt, "
	  "tls_profile: w } }\n" MX,
	  "gw:5:50: tls_profiles.w has verify: yes, and tls is may, where mail may go without TLS; set that to "
	  "encrypt or verify\n" },
	{ "a mark of nothing", HEAD "mark: 0\n" MX,
	  "gw:4:7: mark is \"0\"; it wants a number from 0x1 to 0x7fffffff\n" },
	{ "a mark that is none", HEAD "mark: 0x5g\n" MX,
	  "gw:4:7: mark is \"0x5g\"; it wants a number from 0x1 to 0x7fffffff\n" },
};

static void test_actions_and_rules_broken(void **state)
{
	(void)state;
	run(broken, ROWS(broken), false);
}

static const struct row shared[] = {
	{ "two answers to one question", HEAD
	  "actions: { open: { tls: terminate, client_tls: encrypt, tls_profile: modern, certificates: gw } }\n"
	  "certificates2: x\n"
	  "services: { mx: { listen: 192.0.2.1:2525, upstream: 10.0.0.5:25, action: open, client_tls: may, "
	  "tls_profile: legacy } }\n",
	  "gw:5:1: certificates2 is not known here; did you mean certificates?\n"
	  "gw:6:92: services.mx.client_tls is set here and in actions.open, to something else; leave one out\n"
	  "gw:6:110: services.mx.tls_profile is set here and in actions.open, to something else; leave one out\n" },
	{ "a relay that would strip", HEAD STRIP
	  "services: { mx: { listen: 192.0.2.1:2525, upstream: 10.0.0.5:25, action: plain } }\n",
	  "gw:4:26: warning: actions.plain strips STARTTLS: mail that would have been encrypted goes in clear, for "
	  "everybody on the way to read; used by mx (tls_support enabled)\n"
	  "gw:5:74: services.mx has mode relay, and actions.plain has tls: strip; a relay's action can only "
	  "terminate\n" },
	{ "a relay with an authority", HEAD OPEN
	  "services: { mx: { listen: 192.0.2.1:2525, upstream: 10.0.0.5:25, action: open } }\n",
	  "gw:5:74: services.mx has mode relay, and actions.open has an authority, which is for mode transparent; a "
	  "relay shows certificates of its own\n" },
};

static void test_actions_of_relays(void **state)
{
	(void)state;
	run(shared, ROWS(shared), false);
}

static void test_a_relay_has_what_its_action_says(void **state)
{
	struct loaded l;
	const struct conf_service *s;

	(void)state;
	load(&l, HEAD "actions: { open: { tls: terminate, client_tls: encrypt, tls_profile: modern, certificates: gw, "
	     "upstream_tls: encrypt } }\n"
	     "services: { mx: { listen: 192.0.2.1:2525, upstream: 10.0.0.5:25, action: open } }\n");
	assert_non_null(l.conf);
	s = &l.conf->services[0];
	assert_int_equal(s->client_tls, CONF_CLIENT_TLS_ENCRYPT);
	assert_string_equal(s->tls_profile, "modern");
	assert_int_equal(s->certificates.count, 1);
	assert_string_equal(s->certificates.at[0], "gw");
	assert_string_equal(l.report.text, "gw:4:110: warning: actions.open.upstream_tls is without effect for "
			    "services.mx, whose upstream has settings of its own\n");
	unload(&l);
}

static const struct row strips[] = {
	{ "with listen_tls", HEAD STRIP BOTH("action: plain"),
	  "gw:4:26: warning: actions.plain strips STARTTLS: mail that would have been encrypted goes in clear, for "
	  "everybody on the way to read; used by net (tls_support enabled)\n"
	  "gw:5:69: services.net has listen_tls and uses actions.plain, which strips STARTTLS; TLS from the first byte "
	  "can't be stripped, use a service of its own\n" },
	{ "at a port for submission", HEAD STRIP
	  "services: { net: { mode: transparent, listen: [ \"*:2525\", \"*:587\" ], action: plain } }\n",
	  "gw:4:26: warning: actions.plain strips STARTTLS: mail that would have been encrypted goes in clear, for "
	  "everybody on the way to read; used by net (tls_support enabled)\n"
	  "gw:5:59: services.net.listen has *:587, a port for submission, and uses actions.plain, which strips "
	  "STARTTLS: passwords would go in clear\n" },
	{ "where a partner demands TLS of clients", HEAD STRIP "partners: { a.example: { client: required } }\n"
	  NET("action: plain"),
	  "gw:4:26: actions.plain strips STARTTLS for services.net, and partners.a.example.client is required; one of "
	  "them has to go\n"
	  "gw:4:26: warning: actions.plain strips STARTTLS: mail that would have been encrypted goes in clear, for "
	  "everybody on the way to read; used by net (tls_support enabled)\n" },
	{ "where a partner demands TLS of upstreams", HEAD STRIP "partners: { \"*\": { upstream: required } }\n"
	  NET("action: plain"),
	  "gw:4:26: actions.plain strips STARTTLS for services.net, and partners.*.upstream is required; one of "
	  "them has to go\n"
	  "gw:4:26: warning: actions.plain strips STARTTLS: mail that would have been encrypted goes in clear, for "
	  "everybody on the way to read; used by net (tls_support enabled)\n" },
};

static const struct row strips_fine[] = {
	{ "otherwise", HEAD STRIP NET("action: plain"),
	  "gw:4:26: warning: actions.plain strips STARTTLS: mail that would have been encrypted goes in clear, for "
	  "everybody on the way to read; used by net (tls_support enabled)\n" },
};

static void test_MC_3_strip(void **state)
{
	(void)state;
	run(strips, ROWS(strips), false);
	run(strips_fine, ROWS(strips_fine), true);
}

static const struct row passes[] = {
	{ "partners that can't be held", HEAD WATCH
	  "partners: { a.example: { client: required }, b.example: { upstream: none }, c.example: { client: optional } }\n"
	  NET("action: watch"),
	  "gw:4:26: warning: actions.watch passes TLS through, so partners (a.example, b.example) can't be held to what "
	  "they must have there; used by net (tls_support enabled)\n" },
};

static void test_MC_6_passthrough(void **state)
{
	(void)state;
	run(passes, ROWS(passes), true);
}

static const struct row supports[] = {
	{ "terminate where listen_tls is not listened on", HEAD OPEN
	  "services:\n"
	  "  net: { mode: transparent, listen: \"*:2525\", listen_tls: \"*:2465\", tls_support: disabled, action: open }\n"
	  "  other: { mode: transparent, listen: \"*:2526\", listen_tls: \"*:2466\", action: open }\n",
	  "gw:6:59: warning: services.net.listen_tls is not listened on, because tls_support is disabled\n"
	  "gw:6:82: services.net can't do what actions.open is for: its tls_support is disabled, so listen_tls is not "
	  "listened on; set it to enabled, or leave listen_tls out (the action is used by net (tls_support disabled), "
	  "other (tls_support enabled))\n" },
	{ "by a rule", HEAD "actions: { open: { tls: terminate, authority: corp }, watch: { tls: passthrough } }\n"
	  "services:\n"
	  "  net: { mode: transparent, listen: \"*:2525\", listen_tls: \"*:2465\", tls_support: disabled, action: watch, "
	  "rules: { name: a, client: 192.0.2.1, action: open } }\n",
	  "gw:6:59: warning: services.net.listen_tls is not listened on, because tls_support is disabled\n"
	  "gw:6:82: services.net can't do what actions.open is for: its tls_support is disabled, so listen_tls is not "
	  "listened on; set it to enabled, or leave listen_tls out (the action is used by net (tls_support "
	  "disabled))\n" },
	{ "one that is built in", HEAD BOTH("tls_support: disabled, action: Incoming"),
	  "gw:4:69: warning: services.net.listen_tls is not listened on, because tls_support is disabled\n"
	  "gw:4:92: services.net can't do what actions.Incoming is for: its tls_support is disabled, so listen_tls is "
	  "not listened on; set it to enabled, or leave listen_tls out (the action is used by net (tls_support "
	  "disabled))\n" },
	{ "of a relay", HEAD "actions: { own: { tls: terminate, certificates: gw } }\n"
	  "services: { mx: { listen: 192.0.2.1:2525, listen_tls: 192.0.2.1:465, tls_support: disabled, "
	  "upstream: 10.0.0.5:25, action: own } }\n",
	  "gw:5:55: warning: services.mx.listen_tls is not listened on, because tls_support is disabled\n"
	  "gw:5:83: services.mx can't do what actions.own is for: its tls_support is disabled, so listen_tls is not "
	  "listened on; set it to enabled, or leave listen_tls out (the action is used by mx (tls_support "
	  "disabled))\n" },
	{ "a name that nobody sends in clear", HEAD WATCH
	  NET("action: watch, rules: { name: a, sni: a.example, action: watch }"),
	  "gw:5:95: services.net has a rule by sni and does not listen on listen_tls; only there the name comes "
	  "first\n" },
};

static const struct row supports_fine[] = {
	{ "STARTTLS alone is looked into whatever tls_support says", HEAD OPEN NET("tls_support: disabled, action: open"),
	  "" },
	{ "TLS from the first byte alone", HEAD OPEN BOTH("tls_support: required, action: open"),
	  "gw:5:47: warning: services.net.listen is not listened on, because tls_support is required\n" },
	{ "who does not look needs nothing", HEAD WATCH BOTH("tls_support: disabled, action: watch"),
	  "gw:5:69: warning: services.net.listen_tls is not listened on, because tls_support is disabled\n" },
};

static void test_WG_3_services_that_can_not_inspect(void **state)
{
	(void)state;
	run(supports, ROWS(supports), false);
	run(supports_fine, ROWS(supports_fine), true);
}

static const struct row shown[] = {
	{ "neither authority nor certificates", HEAD "actions: { open: { tls: terminate } }\n" NET("action: open"),
	  "gw:4:12: actions.open has neither an authority nor certificates, and services.net needs one of them to offer "
	  "TLS\n" },
	{ "none, for listen_tls", HEAD "actions: { open: { tls: terminate, client_tls: none } }\n" BOTH("action: open"),
	  "gw:4:12: actions.open has neither an authority nor certificates, and services.net needs one of them to offer "
	  "TLS\n" },
	{ "no TLS towards upstreams, for listen_tls", HEAD
	  "actions: { open: { tls: terminate, authority: corp, upstream_tls: none } }\n" BOTH("action: open"),
	  "gw:4:67: actions.open.upstream_tls is none, and services.net has listen_tls, where the upstream has TLS from "
	  "the first byte too; set it to may, or use an action of its own\n" },
	{ "untrusted without such a CA", HEAD
	  "actions: { open: { tls: terminate, authority: half, on_untrusted: untrusted } }\n" NET("action: open"),
	  "gw:4:67: actions.open.on_untrusted is untrusted, and authorities.half has no untrusted_certificate; add it, or "
	  "write refuse\n" },
	{ "untrusted without an authority", HEAD
	  "actions: { open: { tls: terminate, certificates: gw, on_untrusted: untrusted } }\n" NET("action: open"),
	  "gw:4:68: actions.open.on_untrusted is for actions with an authority; add one, or leave it out\n" },
};

static void test_WG_5_certificates_to_show(void **state)
{
	(void)state;
	run(shown, ROWS(shown), false);
}

static const struct {
	const char *name, *settings;
	enum conf_untrusted want;
} untrusted[] = {
	{ "no TLS is demanded",             "authority: corp", CONF_UNTRUSTED_MINT },
	{ "said",                           "authority: corp, on_untrusted: refuse", CONF_UNTRUSTED_REFUSE },
	{ "demanded of the upstream",       "authority: corp, upstream_tls: encrypt", CONF_UNTRUSTED_REFUSE },
	{ "demanded, but said",             "authority: corp, upstream_tls: verify, client_tls: encrypt, on_untrusted: untrusted",
	  CONF_UNTRUSTED_MINT },
	{ "demanded of the client",         "authority: corp, client_tls: encrypt", CONF_UNTRUSTED_REFUSE },
	{ "no CA for it",                   "authority: half", CONF_UNTRUSTED_REFUSE },
};

static void test_WG_7_untrusted_default(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(untrusted); i++) {
		char text[600];
		struct loaded l;

		snprintf(text, sizeof(text), HEAD "actions: { open: { tls: terminate, %s } }\n" NET("action: open"),
			 untrusted[i].settings);
		load(&l, text);
		if (l.conf == NULL)
			fail_msg("%s: %s", untrusted[i].name, l.report.text);
		want_number(untrusted[i].name, "on_untrusted", l.conf->actions[0].on_untrusted, untrusted[i].want);
		unload(&l);
	}
}

static const struct row partners[] = {
	{ "no partner at all", HEAD "partners: { \"a b\": { client: optional } }\n" MX,
	  "gw:4:13: partners.a b can't be a partner (it is no host name: between its dots there have to be 1 to 63 "
	  "letters, digits and hyphens); it can be a domain, an address such as user@example.net, or \"*\"\n" },
	{ "none for all, and encrypt", HEAD "partners: { \"*\": { client: none } }\n"
	  "services: { mx: { listen: 192.0.2.1:2525, upstream: 10.0.0.5:25, client_tls: encrypt } }\n",
	  "gw:4:28: partners.*.client is none, so STARTTLS is not offered, and services.mx.client_tls is encrypt; one of "
	  "them has to go\n" },
};

static const struct row partners_fine[] = {
	{ "all kinds", HEAD "partners: { a.example: { client: required, upstream: required }, "
	  "\"u@b.example\": { upstream: preferred }, \"[192.0.2.1]\": { upstream: allowed }, "
	  "\"*\": { client: none, upstream: none } }\n"
	  "services: { mx: { listen: 192.0.2.1:2525, listen_tls: 192.0.2.1:2465, upstream: 10.0.0.5:25 } }\n", "" },
	{ "none for one of them (WG-9)", HEAD "partners: { a.example: { client: none } }\n" MX,
	  "gw:4:34: warning: partners.a.example.client is none, and STARTTLS is offered before the recipient is known; "
	  "only for partners.* it can be left out\n" },
	{ "nothing said", HEAD "partners: { a.example: {} }\n" MX,
	  "gw:4:13: warning: partners.a.example says nothing; set outbound, inbound, client or upstream\n" },
	{ "required where none is offered", HEAD "partners: { a.example: { client: required } }\n"
	  "services: { mx: { listen: 192.0.2.1:2525, upstream: 10.0.0.5:25, client_tls: none } }\n",
	  "gw:4:34: warning: partners.a.example.client is required, and there are services that offer no TLS (mx): there "
	  "all mail to it is refused\n" },
	{ "none towards one with TLS from the first byte", HEAD "partners: { a.example: { upstream: none } }\n"
	  "upstreams: { u: { hosts: b.example, implicit: yes } }\n" MX,
	  "gw:4:36: warning: partners.a.example.upstream is none, and upstreams.u has TLS from the first byte: mail "
	  "that goes there has TLS all the same\n" },
};

static void test_WG_9_partners(void **state)
{
	(void)state;
	run(partners, ROWS(partners), false);
	run(partners_fine, ROWS(partners_fine), true);
}

static const struct row esmtp[] = {
	{ "client_tls needs it", HEAD
	  "actions: { open: { tls: terminate, authority: corp, esmtp: off, client_tls: encrypt } }\n" NET("action: open"),
	  "gw:4:77: actions.open.client_tls is encrypt and esmtp is off, which takes STARTTLS away; leave one out\n" },
	{ "a partner needs it", HEAD "actions: { open: { tls: terminate, authority: corp, esmtp: off } }\n"
	  "partners: { a.example: { client: required } }\n" NET("action: open"),
	  "gw:5:34: partners.a.example.client is required, and actions.open has esmtp: no, which takes STARTTLS away; one "
	  "of them has to go\n" },
	{ "a relay's action", HEAD "actions: { open: { tls: terminate, esmtp: off } }\n"
	  "partners: { a.example: { client: required } }\n"
	  "services: { mx: { listen: 192.0.2.1:2525, listen_tls: 192.0.2.1:2465, upstream: 10.0.0.5:25, action: open } }\n",
	  "gw:5:34: partners.a.example.client is required, and actions.open has esmtp: no, which takes STARTTLS away; one "
	  "of them has to go\n" },
};

static const struct row esmtp_fine[] = {
	{ "may, which it can't", HEAD
	  "actions: { open: { tls: terminate, authority: corp, esmtp: off, client_tls: may } }\n" NET("action: open"),
	  "gw:4:77: warning: actions.open.client_tls is without effect, because esmtp is off, which takes STARTTLS "
	  "away\n" },
	{ "nobody needs it", HEAD "actions: { open: { tls: terminate, authority: corp, esmtp: off } }\n"
	  NET("action: open"), "" },
};

static void test_WG_10_esmtp(void **state)
{
	(void)state;
	run(esmtp, ROWS(esmtp), false);
	run(esmtp_fine, ROWS(esmtp_fine), true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_actions_and_rules),
		cmocka_unit_test(test_actions_and_rules_broken),
		cmocka_unit_test(test_actions_of_relays),
		cmocka_unit_test(test_a_relay_has_what_its_action_says),
		cmocka_unit_test(test_MC_3_strip),
		cmocka_unit_test(test_MC_6_passthrough),
		cmocka_unit_test(test_WG_3_services_that_can_not_inspect),
		cmocka_unit_test(test_WG_5_certificates_to_show),
		cmocka_unit_test(test_WG_7_untrusted_default),
		cmocka_unit_test(test_WG_9_partners),
		cmocka_unit_test(test_WG_10_esmtp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
