#include "ctl/ctl_actions.h"
#include "unit.h"

#include <jansson.h>

static const char text[] = "hostname: gw.example.net\n"
	"authorities: { corp: { certificate: a, key: b } }\n"
	"actions: { open: { tls: terminate, authority: corp }, watch: { tls: passthrough }, plain: { tls: strip } }\n"
	"services:\n"
	"  net: { mode: transparent, listen: \"*:2525\", listen_tls: \"*:2465\", action: watch, tls_support: disabled, "
	"rules: [ { name: a, client: 10.0.0.0/8, action: open }, { name: b, client: 11.0.0.0/8, action: open } ] }\n"
	"  out: { mode: transparent, listen: \"*:2526\", action: open }\n";

static struct conf *load_text(struct conf_source *source, struct conf_report *report, const char *all)
{
	conf_source_put(source, "gw", span_str(all));
	conf_report_init(report, "gw");
	return conf_load_partly(source, "gw", report);
}

static struct conf *load(struct conf_source *source, struct conf_report *report)
{
	return load_text(source, report, text);
}

static void test_WG_15_listed(void **state)
{
	struct conf_source *source = conf_source_memory();
	struct conf_report report;
	struct conf *c = load_text(source, &report, "hostname: gw.example.net\n"
		"services: { net: { mode: transparent, listen: \"*:2525\", action: Outgoing } }\n");
	char *printed = ctl_actions_json(c);
	json_t *j = json_loads(printed, JSON_REJECT_DUPLICATES, NULL);
	struct buf out;

	(void)state;
	buf_init(&out, 100000);
	ctl_actions_table(c, &out);
	want_text("table", buf_peek(&out), span_str(
	"ACTION               TLS          SERVICE              MODE         TLS_SUPPORT  INSPECTS  FOR\n"
	"Outgoing (built-in)  passthrough  net                  transparent  enabled      -         otherwise\n"
	"Incoming (built-in)  terminate    -\n"));
	buf_free(&out);
	assert_int_equal(json_array_size(j), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(j, 0), "action")), "Outgoing");
	assert_true(json_is_true(json_object_get(json_array_get(j, 0), "builtin")));
	json_decref(j);
	free(printed);
	conf_free(c);
	conf_report_free(&report);
	conf_source_free(source);
}

static void test_WG_3_table(void **state)
{
	struct conf_source *source = conf_source_memory();
	struct conf_report report;
	struct conf *c = load(source, &report);
	struct buf out;

	(void)state;
	buf_init(&out, 100000);
	ctl_actions_table(c, &out);
	want_text("table", buf_peek(&out), span_str(
	"ACTION               TLS          SERVICE              MODE         TLS_SUPPORT  INSPECTS  FOR\n"
	"open                 terminate    net                  transparent  disabled     no        rule a, rule b\n"
	"open                 terminate    out                  transparent  enabled      yes       otherwise\n"
	"watch                passthrough  net                  transparent  disabled     -         otherwise\n"
	"plain                strip        -\n"
	"Incoming (built-in)  terminate    -\n"
	"Outgoing (built-in)  passthrough  -\n"));
	buf_free(&out);
	/* It is printed for whoever wants to know why `check` fails. */
	assert_int_equal(report.errors, 1);
	conf_free(c);
	conf_report_free(&report);
	conf_source_free(source);
}

static void test_WG_3_json(void **state)
{
	struct conf_source *source = conf_source_memory();
	struct conf_report report;
	struct conf *c = load(source, &report);
	char *printed = ctl_actions_json(c);
	json_t *j = json_loads(printed, JSON_REJECT_DUPLICATES, NULL);
	const json_t *use = json_array_get(json_object_get(json_array_get(j, 0), "services"), 0);

	(void)state;
	assert_int_equal(json_array_size(j), 3 + CONF_BUILTIN_ACTIONS);
	assert_string_equal(json_string_value(json_object_get(json_array_get(j, 1), "tls")), "passthrough");
	assert_int_equal(json_array_size(json_object_get(json_array_get(j, 0), "services")), 2);
	assert_string_equal(json_string_value(json_object_get(use, "tls_support")), "disabled");
	assert_true(json_is_false(json_object_get(use, "inspects")));
	assert_true(json_is_false(json_object_get(use, "otherwise")));
	assert_string_equal(json_string_value(json_array_get(json_object_get(use, "rules"), 1)), "b");
	assert_int_equal(json_array_size(json_object_get(json_array_get(j, 2), "services")), 0);
	json_decref(j);
	free(printed);
	conf_free(c);
	conf_report_free(&report);
	conf_source_free(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_WG_3_table),
		cmocka_unit_test(test_WG_3_json),
		cmocka_unit_test(test_WG_15_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
