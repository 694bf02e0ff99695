#include "ctl/ctl_explain.h"

#include "base/must.h"
#include "ctl/ctl_explain_inside.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

static const char usage_text[] =
	"usage: sallyport explain -c FILE --from a@x --to b@y [--service NAME] [--client IP] [--client-tls] [--requiretls]\n"
	"                         [--destination IP] [--sni NAME] [--connect] [--json]\n";

void explain_say(struct explain *x, const struct smtp_answer *a, const char *text)
{
	if (x->answer != NULL)
		return;
	x->answer = a;
	snprintf(x->text, sizeof(x->text), "%s", text);
}

/* --- what is asked --- */

static const struct option options[] = {
	{ "from", required_argument, NULL, 'f' },        { "to", required_argument, NULL, 't' },
	{ "service", required_argument, NULL, 's' },     { "client", required_argument, NULL, 'i' },
	{ "client-tls", no_argument, NULL, 'e' },        { "requiretls", no_argument, NULL, 'r' },
	{ "destination", required_argument, NULL, 'd' }, { "sni", required_argument, NULL, 'n' },
	{ "connect", no_argument, NULL, 'x' },           { "json", no_argument, NULL, 'j' },
	{ 0 },
};

static bool read_option(struct explain *x, int o)
{
	switch (o) {
	case 'c':
		x->path = optarg;
		return true;
	case 'f':
		x->from = optarg;
		return true;
	case 't':
		x->to = optarg;
		return true;
	case 's':
		x->service_name = optarg;
		return true;
	case 'i':
		x->client = optarg;
		return true;
	case 'e':
		x->client_tls = true;
		return true;
	case 'r':
		/* It is offered under TLS alone (RFC 8689 section 2). */
		x->requiretls = x->client_tls = true;
		return true;
	case 'd':
		x->destination = optarg;
		return true;
	case 'n':
		x->sni = optarg;
		return true;
	case 'x':
		x->connect = true;
		return true;
	case 'j':
		x->json = true;
		return true;
	default:
		return false;
	}
}

/* As MAIL and RCPT would be read, the brackets may be left out. `text` is what the path points into. */
static bool read_path(const char *given, bool null_ok, char **text, struct smtp_path *path)
{
	bool bracketed = given[0] == '<';
	size_t size = strlen(given) + 3;
	struct span rest;

	*text = mem_new(size);
	snprintf(*text, size, "%s%s%s", bracketed ? "" : "<", given, bracketed ? "" : ">");
	rest = span_str(*text);
	return smtp_path_take(&rest, null_ok, path) == SMTP_PATH_OK && rest.len == 0;
}

static bool read_address(const char *given, struct addr *a)
{
	return given == NULL || addr_read_host(span_str(given), 0, a);
}

static int complain(const char *what, const char *given)
{
	fprintf(stderr, "sallyport explain: %s %s\n", what, given);
	return EX_USAGE;
}

static int read_values(struct explain *x)
{
	if (!read_path(x->from, true, &x->sender_text, &x->sender))
		return complain("--from: no address:", x->from);
	if (!read_path(x->to, false, &x->recipient_text, &x->recipient))
		return complain("--to: no address:", x->to);
	if (!read_address(x->client, &x->client_addr))
		return complain("--client: no IP address:", x->client);
	if (!read_address(x->destination, &x->destination_addr))
		return complain("--destination: no IP address:", x->destination);
	return EX_OK;
}

/* --- the configuration --- */

static struct plan *load(const char *path, int64_t now)
{
	struct conf_source *source = conf_source_files();
	struct conf_report report;
	struct plan *plan = NULL;
	struct conf *conf;

	conf_report_init(&report, path);
	conf = conf_load(source, path, &report);
	if (conf != NULL)
		plan = plan_build(conf, source, NULL, now, 1, &report);
	if (report.errors > 0)
		fputs(report.text, stderr);
	conf_report_free(&report);
	conf_source_free(source);
	return plan;
}

/* The one of that name; without a name the only one of mode outbound, else the only one there is. */
static const struct plan_service *find_service(const struct plan *p, const char *name)
{
	const struct plan_service *found = NULL;
	unsigned outbound = 0;

	for (size_t i = 0; i < p->service_count; i++) {
		const struct plan_service *s = &p->services[i];

		if (name != NULL && strcmp(s->conf->name, name) == 0)
			return s;
		if (name == NULL && s->conf->mode == CONF_MODE_OUTBOUND) {
			found = s;
			outbound++;
		}
	}
	if (name != NULL || outbound > 1)
		return NULL;
	return outbound == 0 && p->service_count == 1 ? &p->services[0] : found;
}

static int choose_service(struct explain *x)
{
	x->service = find_service(x->plan, x->service_name);
	if (x->service == NULL && x->service_name != NULL)
		return complain("there is no service", x->service_name);
	if (x->service == NULL)
		return complain("which service? Name one with", "--service");
	if (x->service->conf->mode == CONF_MODE_TRANSPARENT && (x->client == NULL || x->destination == NULL))
		return complain("a transparent service needs", "--client and --destination");
	if (x->service->conf->mode != CONF_MODE_OUTBOUND && (x->connect || x->requiretls))
		return complain("for services of mode outbound alone:", x->connect ? "--connect" : "--requiretls");
	return EX_OK;
}

/* --- the answer --- */

static int status_of(const struct explain *x)
{
	if (x->answer == NULL)
		return EX_OK;
	return x->answer->code >= 500 ? EX_UNAVAILABLE : EX_TEMPFAIL;
}

static int explain(struct explain *x)
{
	int status;

	x->now = time(NULL);
	x->plan = load(x->path, x->now);
	if (x->plan == NULL)
		return EX_CONFIG;
	status = choose_service(x);
	if (status != EX_OK)
		return status;
	status = explain_find(x);
	if (status != EX_OK)
		return status;
	if (!(x->json ? explain_print_json(x) : explain_print_text(x)))
		return EX_IOERR;
	return status_of(x);
}

static void clean_up(struct explain *x)
{
	free(x->tries);
	free(x->sender_text);
	free(x->recipient_text);
	policy_evidence_free(x->evidence);
	policy_table_release(x->rules);
	if (x->plan != NULL)
		plan_release(x->plan);
	free(x);
}

int ctl_explain(int argc, char **argv)
{
	struct explain *x = mem_new(sizeof(*x));
	bool good = true;
	int o, status;

	optind = 1;
	while (good && (o = getopt_long(argc, argv, "c:", options, NULL)) != -1)
		good = read_option(x, o);
	if (good && optind == argc && x->path != NULL && x->from != NULL && x->to != NULL) {
		status = read_values(x);
		if (status == EX_OK)
			status = explain(x);
	} else {
		fputs(usage_text, stderr);
		status = EX_USAGE;
	}
	clean_up(x);
	return status;
}
