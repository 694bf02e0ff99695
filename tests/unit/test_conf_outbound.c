/* Mode outbound, partners of both directions, and what is looked up for them. */
#include "conf/conf.h"
#include "unit.h"

/* A row's own text begins in line 3. */
#define HEAD "hostname: gw.example.net\ncertificates: { gw: { chain: c.pem, key: k.pem } }\n"
#define OUT(settings) "services: { out: { mode: outbound, listen: 127.0.0.1:10025" settings " } }\n"
#define MX(settings) "services: { mx: { listen: 192.0.2.1:2525, upstream: 10.0.0.5:25" settings " } }\n"
#define PARTNER(settings) "partners: { a.example: { " settings " } }\n"

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

static void test_outbound_defaults(void **state)
{
	const struct conf_service *s;
	struct loaded l;

	(void)state;
	load(&l, HEAD OUT(""));
	assert_non_null(l.conf);
	s = &l.conf->services[0];
	assert_int_equal(s->mode, CONF_MODE_OUTBOUND);
	assert_int_equal(s->direction, CONF_DIRECTION_OUTBOUND);
	assert_int_equal(s->next_hop_tls, CONF_NEED_MAY);
	assert_int_equal(s->port, 25);
	assert_true(s->dane && s->mta_sts && !s->tls_required_header && !s->remember_defers);
	assert_int_equal(s->remember, 0);
	assert_null(s->fallback);
	assert_string_equal(s->next_hop_tls_profile, "intermediate");
	assert_string_equal(l.conf->route.state_dir, "/var/lib/sallyport");
	assert_int_equal(l.conf->route.timeout, 15000);
	assert_int_equal(l.conf->route.sts_port, 443);
	assert_true(l.conf->route.tlsrpt && !l.conf->route.private_addresses);
	unload(&l);
	load(&l, HEAD MX(""));
	assert_int_equal(l.conf->services[0].direction, CONF_DIRECTION_INBOUND);
	unload(&l);
}

static const struct row wrong[] = {
	{ "what a relay has", HEAD OUT(", upstream: 10.0.0.5"),
	  "gw:3:71: services.out.upstream can't be set, because mode is outbound; leave it out\n" },
	{ "an action", HEAD "actions: { a: { tls: terminate } }\n" OUT(", action: a"),
	  "gw:4:69: services.out.action can't be set, because mode is outbound; leave it out\n" },
	{ "a direction", HEAD OUT(", direction: inbound"),
	  "gw:3:72: services.out.direction can't be set, because mode is outbound; leave it out\n" },
	{ "of a relay what it has", HEAD MX(", dane: no, fallback: 10.0.0.6"),
	  "gw:3:72: services.mx.dane can't be set, because mode is relay; leave it out\n"
	  "gw:3:86: services.mx.fallback can't be set, because mode is relay; leave it out\n" },
	{ "strength without TLS", HEAD OUT(", next_hop_tls: none, min_bits: 112"),
	  "gw:3:91: services.out.min_bits asks for encryption and next_hop_tls is none; set that to encrypt, or leave "
	  "min_bits out\n" },
	{ "no such profile", HEAD OUT(", next_hop_tls_profile: modren"),
	  "gw:3:83: there is no TLS profile modren; did you mean modern?\n" },
	{ "no such certificate", HEAD OUT(", client_certificate: gv"),
	  "gw:3:81: there is no certificate gv; did you mean gw?\n" },
	{ "no such fallback", HEAD "upstreams: { mta: { hosts: 127.0.0.1:26 } }\n" OUT(", fallback: mtb"),
	  "gw:4:71: there is no upstream mtb; did you mean mta?\n" },
	{ "no fallback at all", HEAD OUT(", fallback: \"a b.example\""),
	  "gw:3:71: services.out.fallback is \"a b.example\" (it is no host name: between its dots there have to be 1 "
	  "to 63 letters, digits and hyphens); it wants the name of one of upstreams, or a host such as 10.0.0.5:25\n" },
	{ "no network", HEAD OUT(", clients: [ 10.1.2.3/8, mx.example ]"),
	  "gw:3:72: services.out.clients is \"10.1.2.3/8\" (it has bits behind those that count); it wants a network such "
	  "as 10.1.0.0/16 or 2001:db8::1\n" "gw:3:84: services.out.clients is \"mx.example\" (it is neither an address "
	  "nor a network); it wants a network such as 10.1.0.0/16 or 2001:db8::1\n" },
	{ "no network at all", HEAD OUT(", clients: []"),
	  "gw:3:70: services.out.clients is an empty list; it wants a network or a list of networks, or leave it out\n" },
	{ "a profile that verifies, and may", HEAD "tls_profiles: { p: { verify: yes } }\n"
	  OUT(", next_hop_tls_profile: p"),
	  "gw:4:83: tls_profiles.p has verify: yes, and next_hop_tls is may, where mail may go without TLS; set that to "
	  "encrypt or verify\n" },
};

#define ALONE(name, at) "warning: services." name " listens on " at " and takes connections of this machine alone, because " \
	"clients is not set; name your mail servers there\n"
#define WORLD(net) "warning: services.out passes on mail of everybody in the world to anybody, because clients has " net \
	"; name the networks of your own mail servers\n"

static const struct row noted[] = {
	{ "everything", HEAD "upstreams: { mta: { hosts: 127.0.0.1:10026 } }\n"
	  OUT(", next_hop_tls: verify, min_bits: 128, next_hop_tls_profile: modern, ca: a.pem, crl: b.crl, "
	      "client_certificate: gw, port: 2525, dane: no, mta_sts: no, fallback: mta, remember: 5, "
	      "remember_defers: yes, tls_required_header: yes, certificates: gw, client_tls: encrypt"), "" },
	{ "a short form", HEAD OUT(", fallback: 127.0.0.1:10026"), "" },
	{ "an alarm that never comes", HEAD OUT(", remember_defers: yes"),
	  "gw:3:78: warning: services.out.remember_defers is without effect, because remember is 0\n" },
	{ "SUB_5 nobody else may use it", HEAD
	  "services: { out: { mode: outbound, listen: [ 10.1.2.3:25, \"[::1]:25\", \"[fd00::1]:25\", \"*:2525\", "
	  "192.0.2.1:2526, \"[2001:db8::1]:2526\" ] } }\n",
	  "gw:3:46: " ALONE("out", "10.1.2.3:25") "gw:3:71: " ALONE("out", "[fd00::1]:25")
	  "gw:3:87: " ALONE("out", "*:2525") "gw:3:97: " ALONE("out", "192.0.2.1:2526")
	  "gw:3:113: " ALONE("out", "[2001:db8::1]:2526") },
	{ "those who may are named", HEAD "services: { out: { mode: outbound, listen: [ 10.1.2.3:25, \"*:2525\" ], "
	  "clients: [ 10.1.0.0/16, \"::1\" ] } }\n", "" },
	{ "SUB_5 everybody may", HEAD "services: { out: { mode: outbound, listen: 127.0.0.1:25, clients: [ 0.0.0.0/0, "
	  "10.0.0.0/8, \"::/0\", \"::ffff:0.0.0.0/96\" ] } }\n",
	  "gw:3:69: " WORLD("0.0.0.0/0") "gw:3:92: " WORLD("::/0") "gw:3:100: " WORLD("::ffff:0.0.0.0/96") },
	{ "a relay has one place to send to", HEAD MX(", clients: [ 0.0.0.0/0, \"::/0\" ]"), "" },
};

static void test_mode_outbound(void **state)
{
	(void)state;
	run(wrong, ROWS(wrong), false);
	run(noted, ROWS(noted), true);
}

#define TWO(first, fallback, second, more) "services:\n  a: { mode: outbound, listen: [ " first " ], fallback: " fallback \
	" }\n  b: { mode: outbound, listen: " second more " }\n"
#define CIRCLE(with) "services.a.fallback leads to services." with ", which has a fallback itself, so mail would go in a " \
	"circle; it has to be an MTA that sends by a service without one\n"

static const struct row circles[] = {
	{ "itself", HEAD TWO("127.0.0.1:25", "127.0.0.1:25", "127.0.0.1:26", ""), "gw:4:60: " CIRCLE("a") },
	{ "another", HEAD TWO("127.0.0.1:25", "127.0.0.1:26", "127.0.0.1:26", ", fallback: 10.0.0.5"),
	  "gw:4:60: " CIRCLE("b") },
	{ "without its port", HEAD TWO("127.0.0.1:26", "127.0.0.1", "127.0.0.1:25", ", fallback: 10.0.0.5"),
	  "gw:4:60: " CIRCLE("b") },
	{ "by its name", HEAD TWO("127.0.0.1:25", "localhost:26", "127.0.0.1:26", ", fallback: 10.0.0.5"),
	  "gw:4:60: " CIRCLE("b") },
	{ "an upstream", HEAD "upstreams: { m: { hosts: [ b.example, \"[::1]:26\" ] } }\n"
	  TWO("127.0.0.1:25", "m", "\"[::1]:26\"", ", fallback: 10.0.0.5"), "gw:5:60: " CIRCLE("b") },
	{ "listens everywhere", HEAD TWO("\"*:25\"", "127.0.0.1:25", "127.0.0.1:26", ""),
	  "gw:4:34: " ALONE("a", "*:25") "gw:4:54: " CIRCLE("a") },
};

static const struct row no_circles[] = {
	{ "one without a fallback", HEAD TWO("127.0.0.1:25", "127.0.0.1:26", "127.0.0.1:26", ""), "" },
	{ "another port", HEAD TWO("127.0.0.1:25", "127.0.0.1:27", "127.0.0.1:26", ", fallback: 10.0.0.5"), "" },
	{ "another address", HEAD TWO("127.0.0.1:25", "127.0.0.2:25", "127.0.0.1:26", ""), "" },
	{ "a host", HEAD TWO("127.0.0.1:25", "mta.example:25", "127.0.0.1:26", ""), "" },
};

static void test_MC_14_no_fallback_in_a_circle(void **state)
{
	(void)state;
	run(circles, ROWS(circles), false);
	run(no_circles, ROWS(no_circles), true);
}

static const struct row partners_wrong[] = {
	{ "PP-6 strength without TLS", HEAD PARTNER("outbound: none, min_bits: 112") OUT(""),
	  "gw:3:52: partners.a.example.min_bits asks for encryption and outbound is none; set outbound to encrypt, or "
	  "leave min_bits out\n" },
	{ "no such certificate", HEAD PARTNER("outbound: encrypt, certificate: gv") OUT(""),
	  "gw:3:58: there is no certificate gv; did you mean gw?\n" },
	{ "PP-9 clients are not verified", HEAD PARTNER("inbound: verify") MX(""),
	  "gw:3:35: partners.a.example.inbound is \"verify\"; it can be none, may or encrypt\n" },
	{ "no such level", HEAD PARTNER("outbound: secure") OUT(""),
	  "gw:3:36: partners.a.example.outbound is \"secure\"; it can be none, may, encrypt, verify, dane or mirror\n" },
	{ "PP-10 no such class", HEAD PARTNER("outbound: may, on_failure: maybe") OUT(""),
	  "gw:3:53: partners.a.example.on_failure is \"maybe\"; it can be temporary or permanent\n" },
	{ "no day", HEAD PARTNER("outbound: may, why: x, expires: 2026-02-30") OUT(""),
	  "gw:3:58: partners.a.example.expires is \"2026-02-30\" (there is no such day); it wants a day such as "
	  "2026-12-20, or a time such as 2026-12-20T18:00:00Z\n" },
	{ "a list without a file", HEAD "partner_lists: { gc: { outbound: encrypt } }\n" OUT(""),
	  "gw:3:18: partner_lists.gc.file is missing; it wants the path of a file\n" },
	{ "a list's key", HEAD "partner_lists: { gc: { file: x, outbond: encrypt } }\n" OUT(""),
	  "gw:3:33: partner_lists.gc.outbond is not known here; did you mean outbound?\n" },
	{ "stripped, and demanded", HEAD "actions: { plain: { tls: strip } }\n"
	  "partners: { a.example: { inbound: encrypt }, b.example: { outbound: encrypt } }\n"
	  "services: { in: { mode: transparent, listen: \"*:2525\", action: plain }, "
	  "out: { mode: transparent, direction: outbound, listen: \"*:2526\", action: plain } }\n",
	  "gw:3:26: actions.plain strips STARTTLS for services.in, and partners.a.example.inbound demands TLS; one of "
	  "them has to go\n"
	  "gw:3:26: actions.plain strips STARTTLS for services.out, and partners.b.example.outbound demands TLS; one of "
	  "them has to go\n"
	  "gw:3:26: warning: actions.plain strips STARTTLS: mail that would have been encrypted goes in clear, for "
	  "everybody on the way to read; used by in (tls_support enabled), out (tls_support enabled)\n" },
};

static const struct row partners_noted[] = {
	{ "all of it", HEAD "partners: { a.example: { outbound: verify, inbound: encrypt, min_bits: 128, "
	  "names: [ b.example, c.example ], certificate: gw, on_failure: permanent, report: yes, direction: both, "
	  "expires: \"2026-12-20\", why: a test }, .b.example: { outbound: dane }, \"*.c.example\": { outbound: mirror }, "
	  "\"*@d.example\": { outbound: none }, m\xc3\xbcller.example: { outbound: may } }\n"
	  "services: { out: { mode: outbound, listen: 127.0.0.1:25 }, mx: { listen: 127.0.0.1:26, upstream: 10.0.0.5 } }\n",
	  "" },
	{ "a list", HEAD "partner_lists: { gc: { file: /etc/list, outbound: encrypt, min_bits: 112 }, b: { file: x } }\n"
	  OUT(""), "" },
	{ "nothing said", HEAD PARTNER("on_failure: permanent") OUT(""),
	  "gw:3:13: warning: partners.a.example says nothing; set outbound, inbound, client or upstream\n" },
	{ "names that nobody looks at", HEAD PARTNER("outbound: encrypt, names: b.example") OUT(""),
	  "gw:3:52: warning: partners.a.example.names is not enforced, because outbound is not verify; with that it is\n" },
	{ "names that the service looks at", HEAD PARTNER("names: b.example") OUT(", next_hop_tls: verify"), "" },
	{ "an exemption for ever", HEAD PARTNER("outbound: may, why: an old server") OUT(""),
	  "gw:3:46: warning: partners.a.example is an exemption for ever; give it an end, such as expires: "
	  "\"2026-12-20\"\n" },
	{ "an exemption from nothing", HEAD PARTNER("min_bits: 112, why: an old server") OUT(""),
	  "gw:3:46: warning: partners.a.example.why makes it an exemption, and nothing is exempted; set outbound, or leave "
	  "why out\n" },
	{ "no service goes out", HEAD PARTNER("outbound: encrypt, names: b.example, min_bits: 112, certificate: gw, report: yes")
	  MX(""),
	  "gw:3:36: warning: partners.a.example.outbound is without effect, because it holds in no service of direction "
	  "outbound\n"
	  "gw:3:52: warning: partners.a.example.names is not enforced, because outbound is not verify; with that it is\n"
	  "gw:3:52: warning: partners.a.example.names is without effect, because it holds in no service of mode outbound\n"
	  "gw:3:73: warning: partners.a.example.min_bits is without effect, because it holds in no service of direction "
	  "outbound\n"
	  "gw:3:91: warning: partners.a.example.certificate is without effect, because it holds in no service of mode "
	  "outbound\n"
	  "gw:3:103: warning: partners.a.example.report is without effect, because it holds in no service of "
	  "direction outbound\n" },
	{ "no service comes in", HEAD PARTNER("inbound: encrypt") OUT(""),
	  "gw:3:35: warning: partners.a.example.inbound is without effect, because it holds in no service of direction "
	  "inbound\n" },
	{ "not in its direction", HEAD PARTNER("direction: inbound, outbound: encrypt")
	  "services: { mx: { listen: 127.0.0.1:25, upstream: 10.0.0.5 }, "
	  "out: { direction: outbound, listen: 127.0.0.1:26, upstream: 10.0.0.5 } }\n",
	  "gw:3:56: warning: partners.a.example.outbound is without effect, because it holds in no service of direction "
	  "outbound\n" },
	{ "dane, and a fixed upstream", HEAD PARTNER("outbound: dane") MX(", direction: outbound"),
	  "gw:3:36: warning: partners.a.example.outbound is dane, and TLSA records are looked up in mode outbound alone: "
	  "at other services (mx) all mail to it is refused\n" },
};

static void test_PP_4_PP_9_partners(void **state)
{
	(void)state;
	run(partners_wrong, ROWS(partners_wrong), false);
	run(partners_noted, ROWS(partners_noted), true);
}

static const struct row everybody[] = {
	{ "the server behind us too", HEAD "upstreams: { in: { hosts: 10.0.0.5, tls: none } }\n"
	  "partners: { \"*\": { upstream: required } }\n"
	  "services: { mx: { listen: 127.0.0.1:25, upstream: in } }\n",
	  "gw:4:30: warning: partners.*.upstream is required, and there are services whose upstream has tls: none (mx): "
	  "mail there is refused where it has no TLS; write direction: outbound, or give the domains behind them an "
	  "entry of their own\n" },
	{ "outbound alone", HEAD "upstreams: { in: { hosts: 10.0.0.5, tls: none } }\n"
	  "partners: { \"*\": { upstream: required, outbound: encrypt, direction: outbound } }\n"
	  "services: { mx: { listen: 127.0.0.1:25, upstream: in }, out: { mode: outbound, listen: 127.0.0.1:26 } }\n", "" },
	{ "by `outbound`, which is for others", HEAD "upstreams: { in: { hosts: 10.0.0.5, tls: none } }\n"
	  "partners: { \"*\": { outbound: encrypt } }\n"
	  "services: { mx: { listen: 127.0.0.1:25, upstream: in }, out: { mode: outbound, listen: 127.0.0.1:26 } }\n", "" },
};

static void test_GC_9_everybody(void **state)
{
	(void)state;
	run(everybody, ROWS(everybody), true);
}

static const struct row routes_wrong[] = {
	{ "resolvers", HEAD "route: { resolvers: [ 192.0.2.53, ns.example:53, \"*:53\" ] }\n" OUT(""),
	  "gw:3:23: route.resolvers is \"192.0.2.53\" (it has no port); it wants the address of a name server with its port "
	  "such as 192.0.2.53:53\n"
	  "gw:3:35: route.resolvers is \"ns.example:53\" (it is no address); it wants the address of "
	  "a name server with its port such as 192.0.2.53:53\n"
	  "gw:3:50: route.resolvers is \"*:53\" (it is no address); it wants the address of a name server with its port such "
	  "as 192.0.2.53:53\n" },
	{ "a socketmap", HEAD "route: { socketmap: postfix }\n" OUT(""),
	  "gw:3:21: route.socketmap is \"postfix\" (it is no address); it wants an address with its port such as "
	  "127.0.0.1:8461, or the path of a UNIX socket\n" },
	{ "a socketmap where mail comes in", HEAD "route: { socketmap: 127.0.0.1:10025 }\n" OUT(""),
	  "gw:3:21: route.socketmap is the same address as 127.0.0.1:10025 of services.out; each has to be there once\n" },
	{ "a sender", HEAD "route: { tlsrpt_from: reports }\n" OUT(""),
	  "gw:3:23: route.tlsrpt_from is \"reports\" (it is no mail address); it wants a mail address\n" },
	{ "a folder that depends on where one stands", HEAD "route: { state_dir: state }\n" OUT(""),
	  "gw:3:21: route.state_dir is \"state\" (it does not begin with a slash); it wants the whole path of a folder\n" },
	{ "no time", HEAD "route: { timeout: 0 }\n" OUT(""),
	  "gw:3:19: route.timeout is \"0\"; it wants a time such as 500ms, 30s, 5m, 2h or 1d from 100ms to 5m\n" },
};

static const struct row routes_fine[] = {
	{ "all of it", HEAD "route: { resolvers: [ 192.0.2.53:53, \"[::1]:5353\" ], trust_anchor: /ta, sts_ca: /ca.pem, "
	  "sts_port: 8443, state_dir: /tmp/x, timeout: 3s, private_addresses: yes, socketmap: /run/x, tlsrpt: no, "
	  "tlsrpt_contact: x, tlsrpt_from: tlsrpt@example.net, tlsrpt_organization: X Ltd, tlsrpt_submit: 127.0.0.1:25 }\n"
	  OUT(""), "" },
	{ "a socketmap of its own", HEAD "route: { socketmap: 127.0.0.1:8461 }\n" OUT(""), "" },
};

static void test_route_is_there(void **state)
{
	struct loaded l;

	(void)state;
	/* Whatever it sets: a relay's partners may be edited while it runs, too (GC-10). */
	load(&l, HEAD "route: { state_dir: /tmp/x }\n" MX(""));
	assert_non_null(l.conf);
	assert_true(conf_needs_route(l.conf));
	unload(&l);
	load(&l, HEAD "route:\n" MX(""));
	assert_non_null(l.conf);
	assert_true(conf_needs_route(l.conf));
	unload(&l);
	load(&l, HEAD MX(""));
	assert_non_null(l.conf);
	assert_false(conf_needs_route(l.conf));
	unload(&l);
}

static void test_route(void **state)
{
	(void)state;
	run(routes_wrong, ROWS(routes_wrong), false);
	run(routes_fine, ROWS(routes_fine), true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outbound_defaults),
		cmocka_unit_test(test_mode_outbound),
		cmocka_unit_test(test_MC_14_no_fallback_in_a_circle),
		cmocka_unit_test(test_PP_4_PP_9_partners),
		cmocka_unit_test(test_GC_9_everybody),
		cmocka_unit_test(test_route_is_there),
		cmocka_unit_test(test_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
