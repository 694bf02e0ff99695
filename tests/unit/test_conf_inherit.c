/* SPEC WG-14, WG-15: actions that are there without being written, and those that derive from others. */
#include "conf/conf.h"
#include "unit.h"

#define HEAD "hostname: gw.example.net\ncertificates: { gw: { chain: c.pem, key: k.pem }, two: { chain: c.pem, key: k.pem } }\n" \
	"authorities: { corp: { certificate: a, key: b } }\n"
#define NET(action) "services: { net: { mode: transparent, listen: \"*:2525\", action: " action " } }\n"

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

static const struct {
	const char *name, *text;
	const char *action; /* is looked at */
	enum conf_method tls;
	const char *tls_profile, *upstream_tls_profile, *authority;
	size_t certificates;
	enum conf_client_tls client_tls;
	unsigned min_bits;
	size_t count; /* of actions that there are */
} rows[] = {
	{ "Incoming", HEAD NET("Incoming"), "Incoming", CONF_METHOD_TERMINATE, "intermediate", "legacy", NULL, 2,
	  CONF_CLIENT_TLS_MAY, 0, 1 },
	{ "Outgoing", HEAD NET("Outgoing"), "Outgoing", CONF_METHOD_PASSTHROUGH, "legacy", "intermediate", NULL, 0,
	  CONF_CLIENT_TLS_MAY, 0, 1 },
	{ "in a rule", HEAD "services: { net: { mode: transparent, listen: \"*:2525\", action: Outgoing, rules: "
	  "[ { name: a, client: 10.0.0.0/8, action: Incoming } ] } }\n", "Incoming", CONF_METHOD_TERMINATE,
	  "intermediate", "legacy", NULL, 2, CONF_CLIENT_TLS_MAY, 0, 2 },
	{ "of a relay", HEAD "services: { mx: { listen: \"*:2525\", upstream: 10.0.0.5:25, action: Incoming } }\n",
	  "Incoming", CONF_METHOD_TERMINATE, "intermediate", "legacy", NULL, 2, CONF_CLIENT_TLS_MAY, 0, 1 },
	{ "neither", HEAD "actions: { a: { tls: strip } }\n" NET("a"), "a", CONF_METHOD_STRIP, "intermediate",
	  "intermediate", NULL, 0, CONF_CLIENT_TLS_MAY, 0, 1 },
	{ "derived", HEAD "actions: { a: { inherit: Incoming, client_tls: encrypt, certificates: two } }\n" NET("a"), "a",
	  CONF_METHOD_TERMINATE, "intermediate", "legacy", NULL, 1, CONF_CLIENT_TLS_ENCRYPT, 0, 2 },
	{ "an authority in place of certificates", HEAD "actions: { a: { inherit: Incoming, authority: corp } }\n"
	  NET("a"), "a", CONF_METHOD_TERMINATE, "intermediate", "legacy", "corp", 0, CONF_CLIENT_TLS_MAY, 0, 2 },
	{ "Outgoing that terminates", HEAD "actions: { a: { inherit: Outgoing, tls: terminate, authority: corp } }\n"
	  NET("a"), "a", CONF_METHOD_TERMINATE, "legacy", "intermediate", "corp", 0, CONF_CLIENT_TLS_MAY, 0, 2 },
	{ "what does not apply stays behind", HEAD "actions: { a: { inherit: Incoming, tls: strip } }\n" NET("a"), "a",
	  CONF_METHOD_STRIP, "intermediate", "intermediate", NULL, 0, CONF_CLIENT_TLS_MAY, 0, 2 },
	{ "over two, the nearest counts, in any order of the file", HEAD
	  "actions: { c: { inherit: b, tls_profile: modern }, b: { inherit: a, min_bits: 192 }, "
	  "a: { tls: terminate, authority: corp, min_bits: 128, tls_profile: legacy, client_tls: encrypt } }\n"
	  NET("c"), "c", CONF_METHOD_TERMINATE, "modern", "intermediate", "corp", 0, CONF_CLIENT_TLS_ENCRYPT, 192, 3 },
	{ "certificates in place of an authority", HEAD "actions: { a: { tls: terminate, authority: corp }, "
	  "b: { inherit: a, certificates: [ gw ] } }\n" NET("b"), "b", CONF_METHOD_TERMINATE, "intermediate",
	  "intermediate", NULL, 1, CONF_CLIENT_TLS_MAY, 0, 2 },
};

static void check(const char *name, const struct conf *c, size_t i)
{
	const struct conf_action *a = conf_action_find(c, rows[i].action);

	want_number(name, "actions", c->action_count, rows[i].count);
	want_number(name, "tls", a->tls, rows[i].tls);
	want_text(name, span_str(a->tls_profile), span_str(rows[i].tls_profile));
	want_text(name, span_str(a->upstream_tls_profile), span_str(rows[i].upstream_tls_profile));
	want_text(name, span_str(a->authority != NULL ? a->authority : ""),
		  span_str(rows[i].authority != NULL ? rows[i].authority : ""));
	want_number(name, "certificates", a->certificates.count, rows[i].certificates);
	want_number(name, "client_tls", a->client_tls, rows[i].client_tls);
	want_number(name, "min_bits", a->min_bits, rows[i].min_bits);
}

static void test_WG_15_inherit(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct loaded l;

		load(&l, rows[i].text);
		if (l.conf == NULL)
			fail_msg("%s: %s", rows[i].name, l.report.text);
		check(rows[i].name, l.conf, i);
		unload(&l);
	}
}

static const struct {
	const char *name, *text;
	const char *report; /* all of it */
} reports[] = {
	{ "it can't be changed", HEAD "actions: { Incoming: { tls: strip } }\n" NET("Incoming"),
	  "gw:4:12: actions.Incoming is built in and can't be changed; give yours another name and write inherit: "
	  "Incoming\n"
	  "gw:4:29: warning: actions.Incoming strips STARTTLS: mail that would have been encrypted goes in clear, for "
	  "everybody on the way to read; used by net (tls_support enabled)\n" },
	{ "nor where nobody uses it", HEAD "actions: { Outgoing: { tls: passthrough }, a: { tls: passthrough } }\n" NET("a"),
	  "gw:4:12: actions.Outgoing is built in and can't be changed; give yours another name and write inherit: "
	  "Outgoing\n"
	  "gw:4:12: warning: actions.Outgoing is used by no service\n" },
	{ "another case is another name", HEAD NET("incoming"),
	  "gw:4:65: there is no action incoming; did you mean Incoming?\n" },
	{ "from nothing", HEAD "actions: { a: { tls: passthrough, inherit: Incomming } }\n" NET("a"),
	  "gw:4:44: there is no action Incomming; did you mean Incoming?\n" },
	{ "from itself", HEAD "actions: { a: { tls: passthrough, inherit: b }, b: { inherit: a } }\n" NET("a"),
	  "gw:4:44: actions.a inherits from itself; it has to lead to another one\n"
	  "gw:4:63: actions.b inherits from itself; it has to lead to another one\n" },
	{ "what is wrong in the base is said once", HEAD
	  "actions: { a: { tls: terminate, certificates: [ gw, gx ], tls_profile: x }, b: { inherit: a }, "
	  "c: { inherit: b } }\n" NET("c"),
	  "gw:4:53: there is no certificate gx; did you mean gw?\n"
	  "gw:4:72: there is no TLS profile x; it can be modern, intermediate, legacy or one of tls_profiles\n" },
	{ "Incoming without a certificate of our own", "hostname: gw.example.net\n" NET("Incoming"),
	  "gw:2:65: actions.Incoming has neither an authority nor certificates, and services.net needs one of them to "
	  "offer TLS\n" },
	{ "a relay can't let through", HEAD "services: { mx: { listen: \"*:2525\", upstream: 10.0.0.5:25, action: Outgoing } }\n",
	  "gw:4:68: services.mx has mode relay, and actions.Outgoing has tls: passthrough; a relay's action can only "
	  "terminate\n" },
	{ "a profile of passthrough", HEAD "actions: { a: { tls: passthrough, tls_profile: modernn } }\n" NET("a"),
	  "gw:4:48: there is no TLS profile modernn; did you mean modern?\n" },
};

static void test_WG_15_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(reports); i++) {
		struct loaded l;

		load(&l, reports[i].text);
		want_text(reports[i].name, span_str(l.report.text != NULL ? l.report.text : ""),
			  span_str(reports[i].report));
		assert_null(l.conf);
		unload(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_WG_15_inherit),
		cmocka_unit_test(test_WG_15_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
