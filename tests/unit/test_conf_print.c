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
	char *text = print("everything", rows[ROWS(rows) - 1].text);

	(void)state;
	for (size_t i = 0; i < ROWS(parts); i++) {
		if (strstr(text, parts[i]) == NULL)
			fail_msg("%s is not in %s", parts[i], text);
	}
	free(text);
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
	json_decref(j);
	free(text);
}

static void test_conf_reference(void **state)
{
	char *text = conf_reference();

	(void)state;
	assert_non_null(strstr(text, "## upstreams\n"));
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
