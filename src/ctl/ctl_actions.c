#include "ctl/ctl_actions.h"

#include "base/must.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define TABLE_MOST (4 * 1024 * 1024)

static const char *mode_name(enum conf_mode mode)
{
	static const char *const names[] = {
		[CONF_MODE_RELAY] = "relay",
		[CONF_MODE_TRANSPARENT] = "transparent",
		[CONF_MODE_OUTBOUND] = "outbound",
	};

	return names[mode];
}

static bool is(const char *name, const char *action)
{
	return name != NULL && strcmp(name, action) == 0;
}

/* Whether the service can do all that an action that looks inside TLS is for. */
static bool inspects(const struct conf_service *s)
{
	return s->listen_tls.count == 0 || s->tls_support != CONF_TLS_SUPPORT_DISABLED;
}

static const char *verdict(const struct conf_action *a, const struct conf_service *s)
{
	if (a->tls != CONF_METHOD_TERMINATE)
		return "-";
	return inspects(s) ? "yes" : "no";
}

/* "Incoming (built-in)" */
#define NAME_MOST (80)

static const char *name_of(const char *action, bool builtin, char text[NAME_MOST])
{
	snprintf(text, NAME_MOST, "%s%s", action, builtin ? " (built-in)" : "");
	return text;
}

static const char row[] = "%-20s %-12s %-20s %-12s %-12s %-9s ";

static const char unused[] = "%-20s %-12s -\n";

static void put_users(const struct conf_action *a, const struct conf_service *s, struct buf *out)
{
	const char *glue = "";

	for (size_t i = 0; i < s->rule_count; i++) {
		if (!is(s->rules[i].action, a->name))
			continue;
		must(buf_printf(out, "%srule %s", glue, s->rules[i].name != NULL ? s->rules[i].name : "?"));
		glue = ", ";
	}
	if (is(s->action, a->name))
		must(buf_printf(out, "%s%s", glue, s->mode == CONF_MODE_RELAY ? "settings" : "otherwise"));
	must(buf_put(out, SPAN("\n")));
}

void ctl_actions_table(const struct conf *c, struct buf *out)
{
	must(buf_printf(out, row, "ACTION", "TLS", "SERVICE", "MODE", "TLS_SUPPORT", "INSPECTS"));
	must(buf_put(out, SPAN("FOR\n")));
	for (size_t i = 0; i < c->action_count; i++) {
		const struct conf_action *a = &c->actions[i];
		const char *method = conf_method_name(a->tls);
		char name[NAME_MOST];
		bool used = false;

		name_of(a->name, a->builtin, name);

		for (size_t j = 0; j < c->service_count; j++) {
			const struct conf_service *s = &c->services[j];

			if (!conf_service_uses(s, a->name))
				continue;
			used = true;
			must(buf_printf(out, row, name, method, s->name, mode_name(s->mode),
					conf_support_name(s->tls_support), verdict(a, s)));
			put_users(a, s, out);
		}
		if (!used)
			must(buf_printf(out, unused, name, method));
	}
	for (size_t i = 0; i < CONF_BUILTIN_ACTIONS; i++) {
		const struct conf_builtin_action *b = &conf_builtin_actions[i];
		char name[NAME_MOST];

		if (conf_action_find(c, b->name) == NULL)
			must(buf_printf(out, unused, name_of(b->name, true, name), conf_method_name(b->tls)));
	}
}

static json_t *made(json_t *j)
{
	must(j != NULL);
	return j;
}

static json_t *json_of_use(const struct conf_action *a, const struct conf_service *s)
{
	json_t *rules = made(json_array());

	for (size_t i = 0; i < s->rule_count; i++) {
		if (is(s->rules[i].action, a->name) && s->rules[i].name != NULL)
			must(json_array_append_new(rules, made(json_string(s->rules[i].name))) == 0);
	}
	return made(json_pack("{s:s, s:s, s:s, s:o, s:o, s:b}", "service", s->name, "mode", mode_name(s->mode),
			      "tls_support", conf_support_name(s->tls_support), "inspects",
			      a->tls == CONF_METHOD_TERMINATE ? made(json_boolean(inspects(s))) : made(json_null()),
			      "rules", rules, "otherwise", is(s->action, a->name)));
}

static json_t *json_of_action(const char *name, bool builtin, enum conf_method tls, json_t *uses_taken)
{
	return made(json_pack("{s:s, s:b, s:s, s:o}", "action", name, "builtin", builtin, "tls", conf_method_name(tls),
			      "services", uses_taken));
}

char *ctl_actions_json(const struct conf *c)
{
	json_t *all = made(json_array());
	char *text;

	for (size_t i = 0; i < c->action_count; i++) {
		const struct conf_action *a = &c->actions[i];
		json_t *uses = made(json_array());

		for (size_t j = 0; j < c->service_count; j++) {
			if (conf_service_uses(&c->services[j], a->name))
				must(json_array_append_new(uses, json_of_use(a, &c->services[j])) == 0);
		}
		must(json_array_append_new(all, json_of_action(a->name, a->builtin, a->tls, uses)) == 0);
	}
	/* Those that the file does not name have no services. */
	for (size_t i = 0; i < CONF_BUILTIN_ACTIONS; i++) {
		const struct conf_builtin_action *b = &conf_builtin_actions[i];

		if (conf_action_find(c, b->name) == NULL)
			must(json_array_append_new(all, json_of_action(b->name, true, b->tls, made(json_array()))) == 0);
	}
	text = json_dumps(all, JSON_INDENT(2));
	must(text != NULL);
	json_decref(all);
	return text;
}

static bool print(const struct conf *c, bool json)
{
	struct buf out;
	char *text;

	if (json) {
		text = ctl_actions_json(c);
		puts(text);
		free(text);
		return fflush(stdout) == 0;
	}
	buf_init(&out, TABLE_MOST);
	ctl_actions_table(c, &out);
	fwrite(buf_peek(&out).at, 1, buf_used(&out), stdout);
	buf_free(&out);
	return fflush(stdout) == 0;
}

/* The files that the configuration names are not needed for this, so it works without privileges. */
static int list(const char *path, bool json)
{
	struct conf_source *source = conf_source_files();
	struct conf_report report;
	struct conf *c;
	int status;

	conf_report_init(&report, path);
	c = conf_load_partly(source, path, &report);
	if (report.errors > 0)
		fputs(report.text, stderr);
	status = report.errors > 0 ? EX_CONFIG : EX_OK;
	if (c != NULL && !print(c, json))
		status = EX_IOERR;
	conf_free(c);
	conf_report_free(&report);
	conf_source_free(source);
	return status;
}

int ctl_actions(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
	const char *path = NULL;
	bool json = false;
	int o;

	optind = 1;
	while ((o = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		if (o == 'c')
			path = optarg;
		else if (o == 'j')
			json = true;
		else
			path = NULL, argc = 0;
	}
	if (path == NULL || optind != argc) {
		fputs("usage: sallyport actions -c FILE [--json]\n", stderr);
		return EX_USAGE;
	}
	return list(path, json);
}
