#include "conf/conf.h"
#include "unit.h"

/* Two lines that say what most rows don't care about; a row's own text begins in line 3. */
#define HEAD "hostname: gw.example.net\ncertificates: { gw: { chain: c.pem, key: k.pem } }\n"
#define MX "services: { mx: { listen: 192.0.2.1:2525, upstream: 10.0.0.5:25 } }\n"

struct loaded {
	struct conf_source *source;
	struct conf_report report;
	struct conf *conf;
};

static void load(struct loaded *l, struct span text)
{
	l->source = conf_source_memory();
	conf_source_put(l->source, "gw", text);
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
	const char *name;
	const char *text;
	const char *report; /* all of it; "" where nothing is wrong */
};

static void run_row(const struct row *r, bool good)
{
	struct loaded l;

	load(&l, span_str(r->text));
	want_text(r->name, span_str(l.report.text != NULL ? l.report.text : ""),
		  span_str(r->report));
	want_number(r->name, "loaded", l.conf != NULL, good);
	want_number(r->name, "errors are none", l.report.errors == 0, good);
	unload(&l);
}

static const struct row broken[] = {
	{ "no service", HEAD,
	  "gw:1:1: services is missing; at least one is needed\n" },
	{ "services with nothing in it", HEAD "services:\n",
	  "gw:3:10: services has nothing in it; at least one is needed\n" },
	{ "YAML that ends too early", HEAD "services: [\n",
	  "gw:4:1: this is no YAML: did not find expected node content while parsing a flow node\n" },
	{ "a tab", HEAD "services:\n\tmx: {}\n",
	  "gw:4:1: a tab stands here; YAML is indented with spaces\n" },
	{ "an asterisk without quotes", HEAD "services: { mx: { listen: *:25 } }\n",
	  "gw:3:28: a value that begins with an asterisk needs quotes; write \"*:25\"\n" },
	{ "no UTF-8", "hostname: a\nb: \xff\n",
	  "gw:2:4: invalid leading UTF-8 octet; the file has to be UTF-8 text\n" },
	{ "an alias", HEAD "services: { mx: { listen: &a 192.0.2.1:25, upstream: *a } }\n",
	  "gw:3:27: the anchor &a can't be used here; write the values out\n"
	  "gw:3:54: the alias *a can't be used here; write the values out, and text that begins "
	  "with an asterisk in quotes\n" },
	{ "a tag", HEAD "edges: !!int 3\n" MX,
	  "gw:3:8: the tag tag:yaml.org,2002:int can't be used here; leave it out\n" },
	{ "a second document", HEAD MX "---\na: b\n",
	  "gw:4:1: a second document begins here; the file has to be one\n" },
	{ "nested too deep", "a: [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\n",
	  "gw:1:15: this is nested deeper than 12; no setting is\n" },
	{ "a name that is no text", HEAD "[ a ]: b\n" MX,
	  "gw:3:1: the name of a setting is missing here; write it before the colon\n" },
	{ "a control character", HEAD "user: \"a\\e[1mb\"\n" MX,
	  "gw:3:7: this value holds a control character or goes over several lines; it has to be "
	  "one line of text\n" },
	{ "an unknown key with a near one", HEAD
	  "services: { mx: { listen: 192.0.2.1:25, upstreem: 10.0.0.5 } }\n",
	  "gw:3:13: services.mx.upstream is missing; it wants the name of one of `upstreams`, or a "
	  "host such as 10.0.0.5:25\n"
	  "gw:3:41: services.mx.upstreem is not known here; did you mean upstream?\n" },
	{ "an upstream that is missing", HEAD "services: { mx: { listen: 192.0.2.1:25 } }\n",
	  "gw:3:13: services.mx.upstream is missing; it wants the name of one of `upstreams`, or a "
	  "host such as 10.0.0.5:25\n" },
	{ "a key of another section", HEAD
	  "services: { mx: { listen: 192.0.2.1:25, upstream: 10.0.0.5, hosts: x } }\n",
	  "gw:3:61: services.mx.hosts is not known here; it belongs into upstreams\n" },
	{ "a key like nothing", HEAD "log: { colour: blue }\n" MX,
	  "gw:3:8: log.colour is not known here; known are format, envelope\n" },
	{ "a key that drives a terminal", HEAD "\"a\\x9b1m\": x\n" MX,
	  "gw:3:1: a??1m is not known here; known are hostname, user, edges, drain_timeout, "
	  "ticket_rotation, mark, route, log, certificates, tls_profiles, upstreams, authorities, actions, "
	  "partners, partner_lists, services\n" },
	{ "a key twice", HEAD "edges: 1\nedges: 2\n" MX,
	  "gw:4:1: edges stands here a second time, first in line 3; keep one of them\n" },
	{ "a mapping for a list", HEAD "services: { mx: { listen: { a: b }, upstream: 10.0.0.5 } }\n",
	  "gw:3:27: services.mx.listen wants an address or a list of addresses, not a mapping\n" },
	{ "a list for one value", HEAD "user: [ a, b ]\n" MX,
	  "gw:3:7: user wants the name of a user, not a list\n" },
	{ "a mapping in a list", HEAD "services: { mx: { listen: [ {} ], upstream: 10.0.0.5 } }\n",
	  "gw:3:29: services.mx.listen wants an address, not a mapping\n" },
	{ "no value", HEAD "user:\n" MX,
	  "gw:3:6: user has no value; it wants the name of a user\n" },
	{ "an empty list", HEAD "upstreams: { b: { hosts: [] } }\n" MX,
	  "gw:3:26: upstreams.b.hosts is an empty list; it wants a host or a list of hosts\n" },
	{ "an empty text", HEAD "user: \"\"\n" MX,
	  "gw:3:7: user is \"\" (it is empty); it wants the name of a user\n" },
	{ "a bad name of a section", HEAD "upstreams: { \"a b\": {} }\n" MX,
	  "gw:3:14: upstreams.a b can't be a name; it can have 1 to 63 letters, digits, dots, "
	  "hyphens and underscores\n" },
	{ "a section that is a text", HEAD "log: json\n" MX,
	  "gw:3:6: log wants settings of its own, not a single value\n" },
	{ "a count that is none", HEAD "edges: many\n" MX,
	  "gw:3:8: edges is \"many\"; it wants a number from 0 to 64\n" },
	{ "a count above the most", HEAD "edges: 65\n" MX,
	  "gw:3:8: edges is \"65\"; it wants a number from 0 to 64\n" },
	{ "a time without unit", HEAD "drain_timeout: 30\n" MX,
	  "gw:3:16: drain_timeout is \"30\"; it wants a time such as 500ms, 30s, 5m, 2h or 1d from "
	  "0s to 1d\n" },
	{ "a time that overflows", HEAD "drain_timeout: 99999999999999999999d\n" MX,
	  "gw:3:16: drain_timeout is \"99999999999999999999d\"; it wants a time such as 500ms, 30s, "
	  "5m, 2h or 1d from 0s to 1d\n" },
	{ "a size with another unit", HEAD
	  "services: { mx: { listen: 192.0.2.1:25, upstream: 10.0.0.5, max_message_size: 5T } }\n",
	  "gw:3:79: services.mx.max_message_size is \"5T\"; it wants a size such as 100k, 50M or 1G "
	  "from 1k to 1024G\n" },
	{ "a boolean that is none", HEAD "upstreams: { b: { hosts: a.example, implicit: 1 } }\n" MX,
	  "gw:3:47: upstreams.b.implicit is \"1\"; it wants yes or no\n" },
	{ "a choice that is none", HEAD "tls_profiles: { old: { min: \"1.4\" } }\n" MX,
	  "gw:3:29: tls_profiles.old.min is \"1.4\"; it can be 1.0, 1.1, 1.2 or 1.3\n" },
	{ "a mode to come", HEAD
	  "services: { mx: { mode: submission, listen: 192.0.2.1:25, upstream: 10.0.0.5 } }\n",
	  "gw:3:25: services.mx.mode submission is not built yet; it can be relay, transparent or outbound\n" },
	{ "a host name that is none", "hostname: gw_.-x\n" MX,
	  "gw:1:11: hostname is \"gw_.-x\" (it is no host name: between its dots there have to be 1 "
	  "to 63 letters, digits and hyphens); it wants a host name such as gw.example.net\n"
	  "gw:2:13: warning: services.mx offers no TLS to its clients, because there is no "
	  "certificate; add one to certificates, or write client_tls: none\n" },
	{ "addresses to listen on", HEAD
	  "services:\n"
	  "  mx: { upstream: 10.0.0.5, listen: [ 192.0.2.1, \"::1:25\", \"[::1]:0\", a.example:25 ] }\n",
	  "gw:4:39: services.mx.listen is \"192.0.2.1\" (it has no port); it wants an address with "
	  "its port such as 192.0.2.1:25, *:25 or [2001:db8::1]:25\n"
	  "gw:4:50: services.mx.listen is \"::1:25\" (an IPv6 address needs brackets); it wants an "
	  "address with its port such as 192.0.2.1:25, *:25 or [2001:db8::1]:25\n"
	  "gw:4:60: services.mx.listen is \"[::1]:0\" (the port has to be a number from 1 to 65535); "
	  "it wants an address with its port such as 192.0.2.1:25, *:25 or [2001:db8::1]:25\n"
	  "gw:4:71: services.mx.listen is \"a.example:25\" (it is neither an address nor an "
	  "asterisk); it wants an address with its port such as 192.0.2.1:25, *:25 or "
	  "[2001:db8::1]:25\n" },
	{ "a certificate without key", "hostname: gw.example.net\ncertificates: { gw: { chain: c } }\n" MX,
	  "gw:2:17: certificates.gw.key is missing; it wants the path of a PEM file\n" },
	{ "an unknown upstream", HEAD
	  "upstreams: { backend: { hosts: a.example } }\n"
	  "services:\n"
	  "  a: { listen: 192.0.2.1:25, upstream: backnd }\n"
	  "  b: { listen: 192.0.2.2:25, upstream: elsewhere }\n"
	  "  c: { listen: 192.0.2.3:25, upstream: 10.0.0.300:25 }\n",
	  "gw:5:40: there is no upstream backnd; did you mean backend?\n"
	  "gw:6:40: there is no upstream elsewhere; it has to be one of upstreams, or a host with its "
	  "port such as 10.0.0.5:25\n"
	  "gw:7:40: services.c.upstream is \"10.0.0.300:25\" (it is neither an address nor a name); it "
	  "wants the name of one of upstreams, or a host such as 10.0.0.5:25\n" },
	{ "unknown certificates and profiles", HEAD
	  "upstreams: { u: { hosts: a.example, certificate: gv, tls_profile: moderm } }\n"
	  "services: { mx: { listen: 192.0.2.1:2525, upstream: u, certificates: [ gw, other ] } }\n",
	  "gw:3:50: there is no certificate gv; did you mean gw?\n"
	  "gw:3:67: there is no TLS profile moderm; did you mean modern?\n"
	  "gw:4:76: there is no certificate other; it has to be one of certificates\n" },
	{ "tls_support without what it needs", HEAD
	  "services:\n"
	  "  a: { upstream: 10.0.0.5, tls_support: disabled, listen_tls: 192.0.2.1:465 }\n"
	  "  b: { upstream: 10.0.0.5, tls_support: required, listen: 192.0.2.1:25 }\n"
	  "  c: { upstream: 10.0.0.5 }\n",
	  "gw:4:3: services.a.listen is missing; with tls_support: disabled it is all that is listened "
	  "on\n"
	  "gw:4:63: warning: services.a.listen_tls is not listened on, because tls_support is "
	  "disabled\n"
	  "gw:5:3: services.b.listen_tls is missing; with tls_support: required it is all that is "
	  "listened on\n"
	  "gw:5:59: warning: services.b.listen has port 25 and is not listened on, because "
	  "tls_support is required; a public MX has to be reachable there (RFC 3207)\n"
	  "gw:6:3: services.c.listen is missing; listen or listen_tls is needed, such as listen: "
	  "\"*:25\"\n" },
	{ "TLS that was asked for and no certificate", "hostname: gw.example.net\n"
	  "services:\n"
	  "  a: { upstream: 10.0.0.5, listen: 192.0.2.1:2525, client_tls: may }\n"
	  "  b: { upstream: 10.0.0.5, listen: 192.0.2.2:2525, client_tls: encrypt }\n"
	  "  c: { upstream: 10.0.0.5, listen_tls: 192.0.2.3:465 }\n",
	  "gw:3:64: services.a.client_tls needs a certificate; there is none in certificates\n"
	  "gw:4:64: services.b.client_tls needs a certificate; there is none in certificates\n"
	  "gw:5:40: services.c.listen_tls needs a certificate; there is none in certificates\n" },
	{ "needs against each other", HEAD
	  "upstreams:\n"
	  "  a: { hosts: a.example, tls: none, min_bits: 128, implicit: yes, names: x.example }\n"
	  "  b: { hosts: a.example, tls: mirror, implicit: yes }\n" MX,
	  "gw:4:47: upstreams.a.min_bits asks for encryption and tls is none; set tls to encrypt, or "
	  "leave min_bits out\n"
	  "gw:4:62: upstreams.a.implicit asks for TLS and tls is none; set tls to encrypt, or leave "
	  "implicit out\n"
	  "gw:4:74: warning: upstreams.a.names is without effect, because tls is none\n"
	  "gw:5:49: upstreams.b.implicit always has TLS and tls is mirror; set tls to encrypt or "
	  "verify\n" },
	{ "one address twice", HEAD
	  "services:\n"
	  "  a: { upstream: 10.0.0.5, listen: [ \"*:2525\", \"[::1]:2526\" ] }\n"
	  "  b: { upstream: 10.0.0.5, listen: 0.0.0.0:2525, listen_tls: \"[0:0::1]:2526\" }\n",
	  "gw:5:36: 0.0.0.0:2525 of services.b is the same address as *:2525 of services.a in line 4; "
	  "each has to be there once\n"
	  "gw:5:62: [0:0::1]:2526 of services.b is the same address as [::1]:2526 of services.a in "
	  "line 4; each has to be there once\n" },
};

static void test_conf_load_broken(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(broken); i++)
		run_row(&broken[i], false);
}

/* What the machine is called may be wrong or right: the report is not compared whole. */
static const struct row whole_files[] = {
	{ "an empty file", "", "gw:1:1: services is missing; at least one is needed\n" },
	{ "a comment", "# to do\n", "gw:1:1: services is missing; at least one is needed\n" },
	{ "a document with nothing", "---\n", "services is missing; at least one is needed\n" },
	{ "a list", "- a\n", "gw:1:1: the file wants settings such as services, not a list\n" },
	{ "a text", "hello\n",
	  "gw:1:1: the file wants settings such as services, not a single value\n" },
};

static void test_conf_load_whole_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(whole_files); i++) {
		struct loaded l;

		load(&l, span_str(whole_files[i].text));
		assert_null(l.conf);
		want_number(whole_files[i].name, "errors", l.report.errors, 1);
		if (strstr(l.report.text, whole_files[i].report) == NULL)
			fail_msg("%s: %s", whole_files[i].name, l.report.text);
		unload(&l);
	}
}

static const struct row profiles[] = {
	{ "a built-in one can't be set anew", HEAD "tls_profiles: { modern: { min: 1.2 } }\n" MX,
	  "gw:3:17: tls_profiles.modern is built in and can't be changed; give yours another name and "
	  "write inherit: modern\n" },
	{ "a circle", HEAD
	  "tls_profiles: { a: { inherit: b }, b: { inherit: a }, c: { inherit: a }, d: { inherit: d } }\n"
	  MX,
	  "gw:3:31: tls_profiles.a inherits from itself; it has to lead to modern, intermediate or "
	  "legacy\n"
	  "gw:3:50: tls_profiles.b inherits from itself; it has to lead to modern, intermediate or "
	  "legacy\n"
	  "gw:3:88: tls_profiles.d inherits from itself; it has to lead to modern, intermediate or "
	  "legacy\n" },
	{ "from nothing", HEAD "tls_profiles: { a: { inherit: nowhere } }\n" MX,
	  "gw:3:31: there is no TLS profile nowhere; it can be modern, intermediate, legacy or one of "
	  "tls_profiles\n" },
};

static void test_WG_14_built_in_profiles(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(profiles); i++)
		run_row(&profiles[i], false);
}

static const struct row fine[] = {
	{ "the smallest", HEAD MX, "" },
	{ "the example of the issue", HEAD
	  "upstreams:\n"
	  "  backend: { hosts: [ \"127.0.0.1:2526\" ], tls: verify, ca: c.pem, names: [ mx.example.net ] }\n"
	  "services:\n"
	  "  mx:\n"
	  "    mode: relay\n"
	  "    listen: [ \"127.0.0.1:2525\" ]       # SMTP, STARTTLS offered\n"
	  "    listen_tls: [ \"127.0.0.1:2465\" ]\n"
	  "    tls_support: enabled\n"
	  "    upstream: backend\n", "" },
	{ "a mark at the start of the text", "\xef\xbb\xbf" HEAD MX, "" },
	{ "JSON is YAML", "{ \"hostname\": \"gw.example.net\", \"services\": { \"mx\": { \"listen\": "
	  "[ \"192.0.2.1:2525\" ], \"upstream\": \"10.0.0.5:25\", \"client_tls\": \"none\" } } }", "" },
	{ "sections left empty", HEAD "upstreams:\nlog:\ntls_profiles:\n" MX, "" },
	{ "the same port of several addresses", HEAD
	  "services:\n"
	  "  a: { upstream: 10.0.0.5, listen: [ 192.0.2.1:25, 192.0.2.2:25, \"[::]:25\", 0.0.0.0:25 ] }\n",
	  "" },
	{ "no certificate", "hostname: gw.example.net\n" MX,
	  "gw:2:13: warning: services.mx offers no TLS to its clients, because there is no "
	  "certificate; add one to certificates, or write client_tls: none\n" },
	{ "a host name without dot", "hostname: gw\ncertificates: { gw: { chain: c, key: k } }\n" MX,
	  "gw:1:11: warning: hostname is gw, which has no dot; servers refuse such a name, write it in "
	  "full\n" },
	{ "names that nobody checks", HEAD
	  "upstreams: { u: { hosts: a.example, tls: encrypt, names: b.example } }\n" MX,
	  "gw:3:58: warning: upstreams.u.names is not enforced, because tls is encrypt; with verify it "
	  "is\n" },
	{ "a wait above the client's", HEAD
	  "upstreams: { u: { hosts: a.example, timeout_final: 10m } }\n" MX,
	  "gw:3:52: warning: upstreams.u.timeout_final is not below the 10m that clients wait for our "
	  "reply; such mail may be delivered twice\n" },
	{ "fewer recipients than a server has to take", HEAD
	  "services: { mx: { listen: 192.0.2.1:2525, upstream: 10.0.0.5, max_recipients: 99 } }\n",
	  "gw:3:79: warning: services.mx.max_recipients is 99; a server has to take 100 (RFC 5321)\n" },
};

static void test_conf_load_fine(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(fine); i++)
		run_row(&fine[i], true);
}

static const struct row reachable[] = {
	{ "TLS demanded on port 25", HEAD
	  "services: { mx: { listen: \"*:25\", upstream: 10.0.0.5, client_tls: encrypt } }\n",
	  "gw:3:67: warning: services.mx refuses mail without TLS on port 25; a public MX must not "
	  "(RFC 3207), an inner one may\n" },
	{ "only TLS, and port 25 left out", HEAD
	  "services: { mx: { listen: \"*:25\", listen_tls: \"*:465\", upstream: 10.0.0.5, tls_support: "
	  "required } }\n",
	  "gw:3:27: warning: services.mx.listen has port 25 and is not listened on, because "
	  "tls_support is required; a public MX has to be reachable there (RFC 3207)\n" },
	{ "only TLS, and another port left out", HEAD
	  "services: { mx: { listen: \"*:587\", listen_tls: \"*:465\", upstream: 10.0.0.5, tls_support: "
	  "required } }\n",
	  "gw:3:27: warning: services.mx.listen is not listened on, because tls_support is required\n" },
	{ "TLS from the first byte on port 25", HEAD
	  "services: { mx: { listen_tls: \"*:25\", upstream: 10.0.0.5 } }\n",
	  "gw:3:31: warning: services.mx.listen_tls has port 25, where other servers begin in clear; "
	  "TLS from the first byte has port 465\n" },
	{ "both said and one given", HEAD
	  "services: { mx: { listen: \"*:25\", upstream: 10.0.0.5, tls_support: enabled } }\n",
	  "gw:3:68: warning: services.mx.tls_support is enabled, which means listen and listen_tls, "
	  "and listen_tls is missing\n" },
};

static void test_WG_2_public_mx_stays_reachable(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(reachable); i++)
		run_row(&reachable[i], true);
}

static void test_conf_load_defaults(void **state)
{
	struct loaded l;

	(void)state;
	load(&l, SPAN(HEAD MX));
	assert_non_null(l.conf);
	assert_null(l.conf->user);
	assert_int_equal(l.conf->edges, 0);
	assert_int_equal(l.conf->drain_timeout, 60000);
	assert_int_equal(l.conf->ticket_rotation, 8 * 3600000);
	assert_int_equal(l.conf->service_count, 1);
	assert_int_equal(l.conf->services[0].client_tls, CONF_CLIENT_TLS_MAY);
	assert_int_equal(l.conf->services[0].tls_support, CONF_TLS_SUPPORT_ENABLED);
	assert_int_equal(l.conf->services[0].max_message_size, 100 << 20);
	assert_int_equal(l.conf->services[0].timeout_command, 300000);
	assert_int_equal(l.conf->services[0].max_errors, 20);
	assert_int_equal(l.conf->upstream_count, 1);
	assert_true(l.conf->upstreams[0].brief);
	assert_string_equal(l.conf->upstreams[0].name, "10.0.0.5:25");
	assert_string_equal(l.conf->upstreams[0].hosts.at[0], "10.0.0.5:25");
	assert_int_equal(l.conf->upstreams[0].tls, CONF_NEED_MAY);
	assert_int_equal(l.conf->upstreams[0].timeout_final, 540000);
	unload(&l);
}

static void test_conf_load_values(void **state)
{
	struct loaded l;
	const struct conf_upstream *u;
	const struct conf_service *s;

	(void)state;
	load(&l, SPAN(HEAD
	     "log: { format: json, envelope: hashed }\n"
	     "tls_profiles: { p: { inherit: legacy, min: 1.3, tickets: off, groups: [ X25519, P-256 ] } }\n"
	     "upstreams: { u: { hosts: [ a.example, \"[::1]:26\" ], implicit: True, tls: verify,\n"
	     "  min_bits: 256, timeout_connect: 500ms, retry_after: 0, certificate: gw } }\n"
	     "services: { no: { listen: [ 192.0.2.1:2525 ], upstream: u, timeout_session: 2h,\n"
	     "  max_message_size: 50M, tls_profile: p, certificates: gw } }\n"));
	assert_non_null(l.conf);
	u = &l.conf->upstreams[0];
	s = &l.conf->services[0];
	assert_int_equal(l.conf->log.format, LOG_JSON);
	assert_int_equal(l.conf->log.envelope, CONF_ENVELOPE_HASHED);
	assert_int_equal(l.conf->profiles[0].min, CONF_VERSION_1_3);
	assert_int_equal(l.conf->profiles[0].max, CONF_VERSION_UNSET);
	assert_int_equal(l.conf->profiles[0].tickets, CONF_SWITCH_OFF);
	assert_int_equal(l.conf->profiles[0].groups.count, 2);
	assert_true(u->implicit);
	assert_int_equal(u->hosts.count, 2);
	assert_int_equal(u->min_bits, 256);
	assert_int_equal(u->timeout_connect, 500);
	assert_int_equal(u->retry_after, 0);
	assert_string_equal(s->name, "no"); /* not a boolean */
	assert_int_equal(s->timeout_session, 7200000);
	assert_int_equal(s->max_message_size, 50 << 20);
	assert_int_equal(s->certificates.count, 1);
	unload(&l);
}

static void test_conf_place_of(void **state)
{
	struct loaded l;
	struct conf_place at;

	(void)state;
	load(&l, SPAN(HEAD MX));
	assert_non_null(l.conf);
	at = conf_place_of(l.conf, &l.conf->services[0].upstream);
	assert_int_equal(at.line, 3);
	assert_int_equal(at.column, 53);
	at = conf_place_of(l.conf, &l.conf->services[0].listen.at[0]);
	assert_int_equal(at.column, 27);
	at = conf_place_of(l.conf, &l.conf->services[0].name);
	assert_int_equal(at.column, 13);
	at = conf_place_of(l.conf, &l.conf->services[0].mode);
	assert_int_equal(at.line, 0);
	unload(&l);
}

static void test_conf_load_missing_file(void **state)
{
	struct conf_source *source = conf_source_memory();
	struct conf_report report;

	(void)state;
	conf_report_init(&report, "gw");
	assert_null(conf_load(source, "gw", &report));
	assert_string_equal(report.text, "gw: can't be read: no such file\n");
	conf_report_free(&report);
	conf_source_free(source);
}

/* More mistakes than anybody reads: all are counted, memory has an end. */
static void test_conf_report_ceiling(void **state)
{
	struct conf_report r;
	size_t lines = 0;

	(void)state;
	conf_report_init(&r, "gw");
	for (unsigned i = 0; i < 5000; i++)
		conf_error(&r, (struct conf_place){ 5000 - i, 1 }, "wrong");
	for (size_t i = 0; i < r.len; i++)
		lines += r.text[i] == '\n';
	assert_int_equal(r.errors, 5000);
	assert_int_equal(lines, 1001);
	assert_non_null(strstr(r.text, "gw:4001:1: wrong\ngw:4002:1: wrong\n"));
	conf_report_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conf_load_broken),
		cmocka_unit_test(test_conf_load_whole_files),
		cmocka_unit_test(test_WG_14_built_in_profiles),
		cmocka_unit_test(test_conf_load_fine),
		cmocka_unit_test(test_WG_2_public_mx_stays_reachable),
		cmocka_unit_test(test_conf_load_defaults),
		cmocka_unit_test(test_conf_load_values),
		cmocka_unit_test(test_conf_place_of),
		cmocka_unit_test(test_conf_load_missing_file),
		cmocka_unit_test(test_conf_report_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
