#include "ctl/ctl_probe.h"

#include "base/must.h"
#include "conf/conf_schema.h"
#include "conf/conf_value.h"
#include "ctl/ctl_json.h"
#include "ctl/ctl_probe_inside.h"
#include "policy/policy_name.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define SMTP_PORT 25
#define HOSTNAME_LEN 256

struct probe {
	const char *path;
	bool json;
	uint64_t port;                /* 0: as configured */
	struct conf_source *source;
	struct conf *conf;            /* NULL without -c */
	struct conf_route route;      /* without -c */
	char hostname[HOSTNAME_LEN];
	struct span ca;               /* PEM; empty: the system's */
	struct probe_tools tools;
};

static int refuse(int status, const char *text)
{
	fprintf(stderr, "sallyport probe: %s\n", text);
	return status;
}

/* --- with what --- */

static const struct conf_service *outbound_service(const struct conf *c)
{
	for (size_t i = 0; i < c->service_count; i++) {
		if (c->services[i].mode == CONF_MODE_OUTBOUND)
			return &c->services[i];
	}
	return NULL;
}

static int use_conf(struct probe *p)
{
	const struct conf_service *s = outbound_service(p->conf);
	struct why why;

	p->tools.route = &p->conf->route;
	p->tools.hostname = s != NULL && s->hostname != NULL ? s->hostname : p->conf->hostname;
	p->tools.port = s != NULL ? (uint16_t)s->port : SMTP_PORT;
	if (s == NULL || s->ca == NULL || conf_source_read(p->source, s->ca, &p->ca, &why))
		return EX_OK;
	return refuse(EX_CONFIG, why.text);
}

/* The keys that the file names are not needed for this, so it works without privileges. */
static int load(struct probe *p)
{
	struct conf_report report;
	int status = EX_CONFIG;

	conf_report_init(&report, p->path);
	p->source = conf_source_files();
	p->conf = conf_load(p->source, p->path, &report);
	if (report.errors > 0)
		fputs(report.text, stderr);
	if (p->conf != NULL)
		status = use_conf(p);
	else if (access(p->path, R_OK) != 0)
		status = EX_NOINPUT;
	conf_report_free(&report);
	return status;
}

static void use_defaults(struct probe *p)
{
	conf_value_preset(&conf_route_section, &p->route);
	must(gethostname(p->hostname, sizeof(p->hostname) - 1) == 0);
	p->tools.route = &p->route;
	p->tools.hostname = p->hostname[0] != '\0' ? p->hostname : "localhost";
	p->tools.port = SMTP_PORT;
}

/* Whatever they offer is taken, so that it can be told; NULL with `why`. */
static struct tls_client *make_client(const struct probe *p, enum tls_version min, enum tls_version max, struct why *why)
{
	struct tls_profile profile = *tls_profile_builtin("legacy");
	const struct tls_client_conf conf = { .profile = &profile, .ca = p->ca };

	profile.min = min;
	profile.max = max;
	profile.tickets = false;
	return tls_client_new(&conf, why);
}

static bool make_clients(struct probe *p, struct why *why)
{
	static const enum tls_version versions[PROBE_OLD_VERSIONS] = { TLS_1_0, TLS_1_1, TLS_1_2 };

	p->tools.tls = make_client(p, TLS_1_0, TLS_1_3, why);
	for (unsigned i = 0; i < PROBE_OLD_VERSIONS && p->tools.tls != NULL; i++) {
		p->tools.old[i] = make_client(p, versions[i], versions[i], why);
		if (p->tools.old[i] == NULL)
			return false;
	}
	return p->tools.tls != NULL;
}

static int prepare(struct probe *p)
{
	struct why why;
	int status = EX_OK;

	if (p->path != NULL)
		status = load(p);
	else
		use_defaults(p);
	if (status != EX_OK)
		return status;
	if (p->port != 0)
		p->tools.port = (uint16_t)p->port;
	return make_clients(p, &why) ? EX_OK : refuse(EX_CONFIG, why.text);
}

static void clean_up(struct probe *p)
{
	tls_client_free(p->tools.tls);
	for (unsigned i = 0; i < PROBE_OLD_VERSIONS; i++)
		tls_client_free(p->tools.old[i]);
	free(p->route.state_dir);
	conf_free(p->conf);
	if (p->source != NULL)
		conf_source_free(p->source);
}

/* --- the domains --- */

static int probe_one(const struct probe *p, const char *name, json_t *all)
{
	char domain[POLICY_NAME_MOST];
	struct probe_domain *d;
	struct why why;
	int status;

	if (!policy_name_fold(span_str(name), domain) || domain[0] == '[') {
		fprintf(stderr, "sallyport probe: %s is no domain\n", name);
		return EX_USAGE;
	}
	d = probe_domain(&p->tools, domain, &why);
	if (d == NULL)
		return refuse(EX_CONFIG, why.text);
	if (p->json)
		ctl_json_add(all, probe_domain_json(d));
	else
		probe_domain_print(d);
	status = d->status;
	probe_domain_free(d);
	return status;
}

/* What says most about what to do next. */
static int worse(int a, int b)
{
	return a > b ? a : b;
}

static int probe_all(const struct probe *p, char **names, int count)
{
	json_t *all = ctl_json_made(json_array());
	int status = EX_OK;
	bool printed;

	for (int i = 0; i < count; i++)
		status = worse(status, probe_one(p, names[i], all));
	if (p->json) {
		printed = ctl_json_print(all);
	} else {
		json_decref(all);
		printed = fflush(stdout) == 0;
	}
	return printed ? status : EX_IOERR;
}

static bool read_option(struct probe *p, int o)
{
	switch (o) {
	case 'c':
		p->path = optarg;
		return true;
	case 'j':
		p->json = true;
		return true;
	case 'p':
		return span_number(span_str(optarg), UINT16_MAX, &p->port) && p->port > 0;
	default:
		return false;
	}
}

int ctl_probe(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' }, { "port", required_argument, NULL, 'p' }, { 0 },
	};
	struct probe p = { .ca = SPAN("") };
	bool good = true;
	int o, status;

	optind = 1;
	while (good && (o = getopt_long(argc, argv, "c:", options, NULL)) != -1)
		good = read_option(&p, o);
	if (!good || optind == argc) {
		fputs("usage: sallyport probe [-c FILE] [--port N] [--json] DOMAIN...\n", stderr);
		return EX_USAGE;
	}
	status = prepare(&p);
	if (status == EX_OK)
		status = probe_all(&p, argv + optind, argc - optind);
	clean_up(&p);
	return status;
}
