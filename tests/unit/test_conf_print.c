#include "conf/conf.h"
#include "unit.h"

#include <jansson.h>

static struct conf *load(struct conf_source *source, const char *text, struct conf_report *report)
{
	conf_source_put(source, "gw", span_str(text));
	conf_report_init(report, "gw");
	return conf_load(source, "gw", report);
}

/* What is printed, loaded and printed again. */
static char *print(const char *row, const char *text)
{
	struct conf_source *source = conf_source_memory();
	struct conf_report report;
	struct conf *c = load(source, text, &report);
	char *printed;

	if (c == NULL)
		fail_msg("%s: %s", row, report.text);
	printed = conf_print(c);
	conf_free(c);
	conf_report_free(&report);
	conf_source_free(source);
	return printed;
}

static const struct {
	const char *name, *text, *must_have;
} rows[] = {
	{ "the smallest", "hostname: gw.example.net\n"
	  "services: { mx: { listen: \"*:2525\", upstream: 10.0.0.5:25 } }\n",
	  "    client_tls: none\n" },
	{ "defaults are filled in", "hostname: gw.example.net\n"
	  "services: { mx: { listen: \"*:2525\", upstream: 10.0.0.5:25, client_tls: none } }\n",
	  "drain_timeout: 1m\n" },
	{ "a short form shows what it stands for", "hostname: gw.example.net\n"
	  "services: { mx: { listen: \"*:2525\", upstream: 10.0.0.5:25, client_tls: none } }\n",
	  "#   \"10.0.0.5:25\":\n#     hosts: [ \"10.0.0.5:25\" ]\n" },
	{ "quotes and backslashes", "hostname: gw.example.net\n"
	  "certificates: { a: { chain: 'a\"b\\c: #d', key: k } }\n"
	  "services: { mx: { listen: \"*:2525\", upstream: 10.0.0.5:25 } }\n",
	  "    chain: \"a\\\"b\\\\c: #d\"\n" },
	{ "everything", "hostname: gw.example.net\nuser: mail\nedges: 3\ndrain_timeout: 1500ms\n"
	  "ticket_rotation: 1d\nlog: { format: json, envelope: hashed }\n"
	  "certificates: { a: { chain: c, key: k }, b: { chain: d, key: l } }\n"
	  "tls_profiles: { p: { inherit: legacy, min: 1.0, max: 1.3, ciphers: [ A, B ], "
	  "ciphersuites: C, groups: [ X25519 ], tickets: no } }\n"
	  "upstreams: { u: { hosts: [ a.example, \"[::1]:26\" ], implicit: yes, tls: verify, "
	  "min_bits: 128, ca: ca.pem, names: [ x.example, y.example ], certificate: b, tls_profile: p, "
	  "timeout_connect: 1s, timeout_greeting: 2s, timeout_command: 3s, timeout_data: 4s, "
	  "timeout_final: 5s, retry_after: 6s } }\n"
	  "services: { s: { mode: relay, listen: [ 192.0.2.1:2525, \"[::1]:2525\" ], listen_tls: \"*:465\", "
	  "tls_support: enabled, upstream: u, certificates: [ b, a ], client_tls: encrypt, tls_profile: p, "
	  "hostname: mx.example.net, timeout_command: 7s, timeout_data: 8s, timeout_session: 9h, "
	  "max_message_size: 1025k, max_recipients: 101, max_connections: 11, "
	  "max_connections_per_address: 12, max_errors: 13 } }\n",
	  "    max_message_size: 1025k\n" },
	{ "an action that can offer no TLS", "hostname: gw.example.net\n"
	  "actions: { a: { tls: terminate } }\n"
	  "services: { s: { listen: \"*:2525\", upstream: 10.0.0.5, action: a }, "
	  "t: { listen: \"*:2526\", upstream: 10.0.0.5, action: a } }\n",
	  "  \"t\":\n    mode: relay\n    direction: inbound\n    listen: [ \"*:2526\" ]\n" },
	{ "what does not apply is left out", "hostname: gw.example.net\n"
	  "actions: { a: { tls: strip } }\n"
	  "services: { s: { mode: transparent, listen: \"*:2525\", action: a } }\n",
	  "    tls: strip\nservices:\n" },
	{ "WG-15 a built-in action is a comment", "hostname: gw.example.net\n"
	  "services: { s: { mode: transparent, listen: \"*:2525\", action: Outgoing } }\n",
	  "actions:\n#   \"Outgoing\":\n#     tls: passthrough\n#     tls_profile: \"legacy\"\n"
	  "#     upstream_tls_profile: \"intermediate\"\nservices:\n" },
	{ "WG-15 what is inherited is shown", "hostname: gw.example.net\n"
	  "certificates: { a: { chain: c, key: k } }\n"
	  "actions: { a: { inherit: Incoming, client_tls: encrypt } }\n"
	  "services: { s: { mode: transparent, listen: \"*:2525\", action: a } }\n",
	  "  \"a\":\n    inherit: \"Incoming\"\n    tls: terminate\n    certificates: [ \"a\" ]\n"
	  "    on_untrusted: refuse\n    client_tls: encrypt\n" },
	{ "everything of interception", "hostname: gw.example.net\nmark: 0xabc\n"
	  "certificates: { a: { chain: c, key: k } }\n"
	  "tls_profiles: { p: { pfs: required, ocsp: hard, compliance: no, verify: yes } }\n"
	  "upstreams: { u: { hosts: a.example, crl: x.crl } }\n"
	  "authorities: { corp: { certificate: a.pem, key: a.key, untrusted_certificate: u.pem, "
	  "untrusted_key: u.key } }\n"
	  "actions: { open: { tls: terminate, authority: corp, on_untrusted: refuse, client_tls: encrypt, "
	  "tls_profile: legacy, upstream_tls: encrypt, upstream_tls_profile: p, min_bits: 112, ca: r.pem, "
	  "crl: r.crl }, own: { tls: terminate, certificates: a, esmtp: no }, plain: { tls: strip } }\n"
	  "partners: { a.example: { client: optional, upstream: allowed }, \"u@b.example\": { client: none }, "
	  "\"*\": { upstream: preferred } }\n"
	  "services:\n"
	  "  net: { mode: transparent, intercept: redirect, source: client, listen: \"*:2525\", listen_tls: "
	  "\"*:2465\", action: open, rules: [ { name: x, client: [ 10.0.0.0/8, \"::1\" ], destination: "
	  "[ mx.example.net ], action: open }, { name: y, sni: \"*.example.net\", action: open } ] }\n"
	  "  mx: { listen: 192.0.2.1:2525, listen_tls: 192.0.2.1:465, upstream: u, action: own }\n"
	  "  z: { mode: transparent, listen: \"*:2526\", action: own }\n",
	  "    rules:\n      -\n        name: \"x\"\n        client: [ \"10.0.0.0/8\", \"::1\" ]\n"
	  "        destination: [ \"mx.example.net\" ]\n        action: \"open\"\n      -\n" },
	{ "everything of mode outbound", "hostname: gw.example.net\n"
	  "certificates: { a: { chain: c, key: k } }\n"
	  "route: { resolvers: [ 192.0.2.53:53, \"[::1]:5353\" ], trust_anchor: /ta, sts_ca: /ca.pem, sts_port: 8443, "
	  "state_dir: /tmp/x, timeout: 3s, private_addresses: yes, socketmap: /run/x, tlsrpt: no, tlsrpt_contact: Me, "
	  "tlsrpt_from: t@example.net, tlsrpt_organization: X Ltd, tlsrpt_submit: 127.0.0.1:25 }\n"
	  "partners: { a.example: { outbound: verify, inbound: encrypt, min_bits: 128, names: [ b.example, c.example ], "
	  "certificate: a, on_failure: permanent, report: yes, direction: both, expires: \"2026-12-20\", why: 'a \"test\"' }, "
	  "\"*.c.example\": { outbound: dane, direction: outbound, expires: 2026-12-20T18:00:00+01:00 } }\n"
	  "partner_lists: { gc: { file: list, outbound: encrypt, min_bits: 112, client: required } }\n"
	  "services:\n"
	  "  out: { mode: outbound, listen: 127.0.0.1:10025, next_hop_tls: verify, min_bits: 129, next_hop_tls_profile: "
	  "modern, ca: a.pem, crl: b.crl, client_certificate: a, port: 2525, dane: no, mta_sts: no, fallback: "
	  "127.0.0.1:26, remember: 5, remember_defers: yes, tls_required_header: yes, certificates: a, client_tls: encrypt }\n"
	  "  mx: { listen: 127.0.0.1:27, upstream: 10.0.0.5 }\n"
	  "  sm: { listen: 127.0.0.1:28, upstream: 10.0.0.5, direction: outbound }\n",
	  "    expires: \"2026-12-20T17:00:00Z\"\n" },
};

static void test_conf_print_loads_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char *once = print(rows[i].name, rows[i].text);
		char *twice = print(rows[i].name, once);

		if (strstr(once, rows[i].must_have) == NULL)
			fail_msg("%s: \"%s\" is not in %s", rows[i].name, rows[i].must_have, once);
		want_text(rows[i].name, span_str(twice), span_str(once));
		free(once);
		free(twice);
	}
}

static void want_parts(const char *row, const char *const *parts, size_t count)
{
	size_t i = 0;
	char *text;

	while (strcmp(rows[i].name, row) != 0)
		i++;
	text = print(row, rows[i].text);
	for (i = 0; i < count; i++) {
		if (strstr(text, parts[i]) == NULL)
			fail_msg("%s is not in %s", parts[i], text);
	}
	free(text);
}

/* What was set to other than the default must stand in the print: that a setting is lost both times
 * would not show above. */
static void test_conf_print_has_all(void **state)
{
	static const char *const parts[] = {
		"edges: 3\n", "user: \"mail\"\n", "drain_timeout: 1500ms\n", "ticket_rotation: 1d\n",
		"format: json\n", "envelope: hashed\n", "key: \"l\"\n", "inherit: \"legacy\"\n",
		"min: \"1.0\"\n", "max: \"1.3\"\n", "ciphers: [ \"A\", \"B\" ]\n",
		"ciphersuites: [ \"C\" ]\n", "groups: [ \"X25519\" ]\n", "tickets: no\n",
		"hosts: [ \"a.example\", \"[::1]:26\" ]\n", "implicit: yes\n", "tls: verify\n",
		"min_bits: 128\n", "ca: \"ca.pem\"\n", "names: [ \"x.example\", \"y.example\" ]\n",
		"certificate: \"b\"\n", "timeout_connect: 1s\n", "timeout_greeting: 2s\n",
		"timeout_command: 3s\n", "timeout_data: 4s\n", "timeout_final: 5s\n",
		"retry_after: 6s\n", "listen: [ \"192.0.2.1:2525\", \"[::1]:2525\" ]\n",
		"listen_tls: [ \"*:465\" ]\n", "upstream: \"u\"\n", "certificates: [ \"b\", \"a\" ]\n",
		"client_tls: encrypt\n", "tls_profile: \"p\"\n", "hostname: \"mx.example.net\"\n",
		"timeout_command: 7s\n", "timeout_data: 8s\n", "timeout_session: 9h\n",
		"max_recipients: 101\n", "max_connections: 11\n",
		"max_connections_per_address: 12\n", "max_errors: 13\n",
	};
	static const char *const interception[] = {
		"mark: 0xabc\n", "pfs: required\n", "ocsp: hard\n", "compliance: no\n", "verify: yes\n",
		"    crl: \"x.crl\"\n", "    certificate: \"a.pem\"\n", "untrusted_certificate: \"u.pem\"\n",
		"untrusted_key: \"u.key\"\n", "authority: \"corp\"\n", "on_untrusted: refuse\n",
		"    client_tls: encrypt\n", "    tls_profile: \"legacy\"\n", "upstream_tls: encrypt\n",
		"upstream_tls_profile: \"p\"\n", "    min_bits: 112\n", "    ca: \"r.pem\"\n",
		"    crl: \"r.crl\"\n", "    esmtp: no\n", "    tls: strip\n", "    client: optional\n",
		"    upstream: allowed\n", "  \"*\":\n    upstream: preferred\n",
		"    mode: transparent\n    intercept: redirect\n    source: client\n",
		"        sni: [ \"*.example.net\" ]\n", "    action: \"own\"\n",
	};
	static const char *const outbound[] = {
		"resolvers: [ \"192.0.2.53:53\", \"[::1]:5353\" ]\n", "trust_anchor: \"/ta\"\n", "sts_ca: \"/ca.pem\"\n",
		"sts_port: 8443\n", "state_dir: \"/tmp/x\"\n", "timeout: 3s\n", "private_addresses: yes\n",
		"socketmap: \"/run/x\"\n", "tlsrpt: no\n", "tlsrpt_contact: \"Me\"\n", "tlsrpt_from: \"t@example.net\"\n",
		"tlsrpt_organization: \"X Ltd\"\n", "tlsrpt_submit: \"127.0.0.1:25\"\n",
		"    outbound: verify\n", "    inbound: encrypt\n", "    min_bits: 128\n",
		"    names: [ \"b.example\", \"c.example\" ]\n", "    certificate: \"a\"\n", "    on_failure: permanent\n",
		"    report: yes\n", "    direction: both\n", "    expires: \"2026-12-20\"\n",
		"    why: \"a \\\"test\\\"\"\n", "    outbound: dane\n", "  \"gc\":\n    file: \"list\"\n    client: required\n",
		"    mode: outbound\n    listen:", "    next_hop_tls: verify\n", "    min_bits: 129\n",
		"    next_hop_tls_profile: \"modern\"\n", "    ca: \"a.pem\"\n", "    crl: \"b.crl\"\n",
		"    client_certificate: \"a\"\n", "    port: 2525\n", "    dane: no\n", "    mta_sts: no\n",
		"    fallback: \"127.0.0.1:26\"\n", "    remember: 5\n", "    remember_defers: yes\n",
		"    tls_required_header: yes\n", "    client_tls: encrypt\n", "    direction: outbound\n",
	};

	(void)state;
	want_parts("everything", parts, ROWS(parts));
	want_parts("everything of interception", interception, ROWS(interception));
	want_parts("everything of mode outbound", outbound, ROWS(outbound));
}

static const json_t *at(const json_t *j, const char *a, const char *b)
{
	return json_object_get(json_object_get(j, a), b);
}

static void test_conf_schema_json(void **state)
{
	char *text = conf_schema_json();
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const json_t *service;

	(void)state;
	assert_non_null(j);
	assert_string_equal(text + strlen(text) - 1, "\n");
	assert_string_equal(json_string_value(json_object_get(j, "$schema")),
			    "https://json-schema.org/draft/2020-12/schema");
	assert_true(json_is_false(json_object_get(j, "additionalProperties")));
	assert_non_null(at(j, "properties", "services"));
	service = at(j, "$defs", "service");
	assert_non_null(at(service, "properties", "upstream"));
	assert_string_equal(json_string_value(json_object_get(at(service, "properties",
								  "max_message_size"), "default")), "100M");
	assert_true(json_is_false(json_object_get(service, "additionalProperties")));
	assert_non_null(at(at(j, "$defs", "rule"), "properties", "sni")); /* a section inside another */
	json_decref(j);
	free(text);
}

static void test_conf_reference(void **state)
{
	char *text = conf_reference();

	(void)state;
	assert_non_null(strstr(text, "## upstreams\n"));
	assert_non_null(strstr(text, "## rules\n"));
	assert_non_null(strstr(text, "| `max_errors` | a number from 1 to 10000 | `20` | "));
	assert_string_equal(text + strlen(text) - 2, "|\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conf_print_loads_again),
		cmocka_unit_test(test_conf_print_has_all),
		cmocka_unit_test(test_conf_schema_json),
		cmocka_unit_test(test_conf_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
