#include "ctl/ctl_partners.h"

#include "base/must.h"
#include "conf/conf_date.h"
#include "conf/conf_value.h"
#include "plan/plan.h"
#include "store/store_partners.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define PATH_LEN 4096
#define DAYS_MOST 36500

static const char usage_text[] =
	"usage: sallyport partners -c FILE [list] [--json]\n"
	"       sallyport partners -c FILE add KEY [--outbound none|may|encrypt|verify|dane|mirror]\n"
	"                 [--inbound none|may|encrypt] [--min-bits N] [--name HOST]... [--certificate NAME]\n"
	"                 [--on-failure temporary|permanent] [--report] [--direction both|outbound|inbound]\n"
	"                 [--until DATE|30d] [--why TEXT]\n"
	"       sallyport partners -c FILE remove KEY\n";

/* What all three begin with. */
struct files {
	const char *path;
	struct conf_source *source;
	struct conf_report report;
	struct conf *conf;          /* NULL: no YAML at all */
	struct policy_table *rules; /* of the file; NULL like `conf` */
	int64_t now;
};

static void open_files(struct files *f, const char *path)
{
	*f = (struct files){ .path = path, .source = conf_source_files(), .now = time(NULL) };
	conf_report_init(&f->report, path);
	f->conf = conf_load_partly(f->source, path, &f->report);
	if (f->conf != NULL)
		f->rules = plan_rules_read(f->conf, f->source, f->now, &f->report);
	if (f->report.errors > 0)
		fputs(f->report.text, stderr);
}

static void close_files(struct files *f)
{
	policy_table_release(f->rules);
	conf_free(f->conf);
	conf_report_free(&f->report);
	conf_source_free(f->source);
}

static int refuse(int status, const char *text)
{
	fprintf(stderr, "sallyport partners: %s\n", text);
	return status;
}

/* --- list --- */

struct listing {
	struct policy_table_maker *all; /* what the database has twice finds its like here */
	json_t *json;                   /* NULL: a table */
	int64_t now;
};

static const char *client_name(enum policy_client c)
{
	static const char *const names[] = { NULL, "required", "optional", "none" };

	return names[c];
}

static const char *upstream_name(enum policy_upstream u)
{
	static const char *const names[] = { NULL, "required", "preferred", "allowed", "none" };

	return names[u];
}

static const char *level_name(enum policy_level l)
{
	return l == POLICY_LEVEL_UNSET ? NULL : policy_level_name(l);
}

static bool has_expired(const struct policy_rule *r, int64_t now)
{
	return r->expires != 0 && now >= r->expires;
}

static const char *date_of(const struct policy_rule *r, char text[CONF_DATE_MOST])
{
	if (r->expires == 0)
		return NULL;
	conf_date_print(r->expires, text);
	return text;
}

static void print_row(const struct policy_rule *r, int64_t now, const char *hidden)
{
	const char *outbound = level_name(r->outbound), *inbound = level_name(r->inbound);
	char date[CONF_DATE_MOST], bits[16] = "-";
	const char *until = date_of(r, date);

	if (r->min_bits > 0)
		snprintf(bits, sizeof(bits), "%u", r->min_bits);
	printf("%-30s %-8s %-8s %4s %-9s %-8s %-20s %s", r->key, outbound != NULL ? outbound : "-",
	       inbound != NULL ? inbound : "-", bits, r->permanent ? "permanent" : "temporary",
	       policy_direction_name(r->direction), until != NULL ? until : "-", r->origin);
	if (r->client != POLICY_CLIENT_UNSET)
		printf(" client=%s", client_name(r->client));
	if (r->upstream != POLICY_UPSTREAM_UNSET)
		printf(" upstream=%s", upstream_name(r->upstream));
	for (unsigned i = 0; i < r->name_count; i++)
		printf(" name=%s", r->names[i]);
	if (r->certificate != NULL)
		printf(" certificate=%s", r->certificate);
	printf("%s%s", r->report ? " report" : "", has_expired(r, now) ? " expired" : "");
	if (r->why != NULL)
		printf(" why=\"%s\"", r->why);
	if (hidden != NULL)
		printf(" (not used: %s)", hidden);
	putchar('\n');
}

static json_t *made(json_t *j)
{
	must(j != NULL);
	return j;
}

static json_t *json_of(const struct policy_rule *r, int64_t now, bool database, const char *hidden)
{
	json_t *names = made(json_array());
	char date[CONF_DATE_MOST];

	for (unsigned i = 0; i < r->name_count; i++)
		must(json_array_append_new(names, made(json_string(r->names[i]))) == 0);
	return made(json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:i, s:o, s:s?, s:s, s:b, s:s, s:s?, s:b, s:s?, s:s?}",
		"key", r->key, "origin", r->origin, "source", database ? "database" : "file",
		"outbound", level_name(r->outbound), "inbound", level_name(r->inbound),
		"client", client_name(r->client), "upstream", upstream_name(r->upstream),
		"min_bits", (int)r->min_bits, "names", names, "certificate", r->certificate,
		"on_failure", r->permanent ? "permanent" : "temporary", "report", r->report,
		"direction", policy_direction_name(r->direction), "expires", date_of(r, date),
		"expired", has_expired(r, now), "why", r->why, "not_used", hidden));
}

static void show(struct listing *l, const struct policy_rule *r, bool database)
{
	struct why why;
	const char *hidden = policy_table_add(l->all, r, &why) ? NULL : why.text;

	if (l->json != NULL)
		must(json_array_append_new(l->json, json_of(r, l->now, database, hidden)) == 0);
	else
		print_row(r, l->now, hidden);
}

static void show_of_database(void *arg, const struct policy_rule *r)
{
	show(arg, r, true);
}

/* Whoever only looks makes no database. */
static int list_database(const struct files *f, struct listing *l)
{
	struct store_partners *s;
	char path[PATH_LEN];
	struct why why;
	int status = EX_OK;

	snprintf(path, sizeof(path), "%s/" STORE_PARTNERS_FILE, f->conf->route.state_dir);
	if (access(path, F_OK) < 0)
		return EX_OK;
	s = store_partners_open(f->conf->route.state_dir, &why);
	if (s == NULL || !store_partners_list(s, show_of_database, l, &why))
		status = refuse(EX_IOERR, why.text);
	store_partners_free(s);
	return status;
}

static int list(struct files *f, bool json)
{
	struct listing l = {
		.all = policy_table_begin(), .json = json ? made(json_array()) : NULL, .now = f->now,
	};
	int status;

	if (!json)
		printf("%-30s %-8s %-8s %4s %-9s %-8s %-20s %s\n", "partner", "outbound", "inbound", "bits", "failure",
		       "way", "until", "origin");
	for (size_t i = 0; i < policy_table_count(f->rules); i++)
		show(&l, policy_table_at(f->rules, i), false);
	status = list_database(f, &l);
	if (json) {
		must(json_dumpf(l.json, stdout, JSON_INDENT(2)) == 0);
		putchar('\n');
		json_decref(l.json);
	}
	policy_table_release(policy_table_end(l.all, 0));
	if (fflush(stdout) != 0)
		return EX_IOERR;
	return status != EX_OK ? status : f->report.errors > 0 ? EX_CONFIG : EX_OK;
}

/* --- add, remove --- */

static const struct conf_setting *setting(const char *name)
{
	const struct conf_setting *s = conf_schema_find(&conf_partner_section, name);

	must(s != NULL);
	return s;
}

/* "30d" from now, or a date. */
static bool read_until(const char *text, int64_t now, int64_t *expires, struct why *why)
{
	static const struct conf_setting duration = {
		.name = "until", .type = CONF_TYPE_DURATION, .least = 1000, .most = (uint64_t)DAYS_MOST * 86400 * 1000,
	};
	struct why unused;
	msec time;

	if (!conf_value_read(&duration, text, &time, &unused))
		return conf_value_read(setting("expires"), text, expires, why);
	*expires = now + time / 1000;
	return true;
}

static bool add_name(struct conf_strings *names, const char *text, struct why *why)
{
	if (!conf_value_form(setting("names"), text, why))
		return false;
	if (names->count == POLICY_NAMES_MOST) {
		why_set(why, FAULT_POLICY, "can be there %d times", POLICY_NAMES_MOST);
		return false;
	}
	names->at = mem_grow(names->at, (names->count + 1) * sizeof(*names->at));
	names->at[names->count++] = mem_text(text);
	return true;
}

static bool set(struct conf_partner *p, const char *name, const char *text, int64_t now, struct why *why)
{
	const struct conf_setting *s;

	if (strcmp(name, "until") == 0)
		return read_until(text, now, &p->expires, why);
	if (strcmp(name, "name") == 0)
		return add_name(&p->names, text, why);
	s = setting(strcmp(name, "min-bits") == 0 ? "min_bits" : strcmp(name, "on-failure") == 0 ? "on_failure" : name);
	return conf_value_read(s, text != NULL ? text : "yes", conf_schema_at(p, s), why);
}

static void free_partner(struct conf_partner *p)
{
	for (size_t i = 0; i < p->names.count; i++)
		free(p->names.at[i]);
	free(p->names.at);
	free(p->certificate);
	free(p->why);
}

static bool has_cert(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->cert_count; i++) {
		if (strcmp(c->certs[i].name, name) == 0)
			return true;
	}
	return false;
}

/* Whether the rule could stand beside those of the file, and makes sense by itself. */
static bool fits(const struct files *f, const struct policy_rule *r, struct why *why)
{
	struct policy_table_maker *m = policy_table_begin();
	bool good = true;

	for (size_t i = 0; i < policy_table_count(f->rules); i++)
		must(policy_table_add(m, policy_table_at(f->rules, i), why));
	if (!policy_table_add(m, r, why)) {
		good = false;
	} else if (r->certificate != NULL && !has_cert(f->conf, r->certificate)) {
		why_set(why, FAULT_POLICY, "there is no certificate %s", r->certificate);
		good = false;
	} else if (r->outbound == POLICY_LEVEL_NONE && r->min_bits > 0) {
		why_set(why, FAULT_POLICY, "min-bits asks for encryption and outbound is none");
		good = false;
	} else if (r->outbound == POLICY_LEVEL_UNSET && r->inbound == POLICY_LEVEL_UNSET && r->min_bits == 0 &&
		   r->name_count == 0 && r->certificate == NULL) {
		why_set(why, FAULT_POLICY, "it says nothing; give it --outbound, --inbound or --min-bits");
		good = false;
	}
	policy_table_release(policy_table_end(m, 0));
	return good;
}

static void warn(const struct policy_rule *r)
{
	if (r->why != NULL && r->expires == 0)
		fputs("sallyport partners: an exemption for ever; --until gives it an end\n", stderr);
	if (r->name_count > 0 && r->outbound != POLICY_LEVEL_VERIFY)
		fputs("sallyport partners: names count under verify alone\n", stderr);
}

static int change(const struct files *f, const char *key, const struct policy_rule *rule)
{
	struct why why;
	struct store_partners *s = store_partners_open(f->conf->route.state_dir, &why);
	bool was_there = false;
	bool done = s != NULL && (rule != NULL ? store_partners_put(s, rule, &was_there, &why)
					       : store_partners_remove(s, span_str(key), &was_there, &why));

	store_partners_free(s);
	if (!done && access(f->conf->route.state_dir, F_OK) < 0)
		return refuse(EX_IOERR, "the folder route.state_dir is missing; `sallyport run` makes it");
	if (!done)
		return refuse(why.fault == FAULT_POLICY && s != NULL ? EX_DATAERR : EX_IOERR, why.text);
	if (rule == NULL && !was_there) {
		fprintf(stderr, "sallyport partners: there is no %s in the database\n", key);
		return EX_NOINPUT;
	}
	printf("%s: %s\n", key, rule == NULL ? "removed" : was_there ? "replaced" : "added");
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int add(const struct files *f, char *key, const struct conf_partner *p)
{
	struct policy_rule r = plan_rule_of(p);
	struct why why;

	r.key = key;
	r.origin = (char *)STORE_PARTNERS_FILE;
	if (!fits(f, &r, &why))
		return refuse(EX_DATAERR, why.text);
	warn(&r);
	return change(f, key, &r);
}

/* What the file has is not in the database, and the place where it stands is of more use than that. */
static int take_away(const struct files *f, char *key)
{
	struct policy_rule r = { .key = key, .origin = (char *)STORE_PARTNERS_FILE, .min_bits = 1 };
	struct why why;
	int status = change(f, key, NULL);

	if (status != EX_NOINPUT || fits(f, &r, &why))
		return status;
	fprintf(stderr, "sallyport partners: change it in the file: %s\n", why.text);
	return EX_DATAERR;
}

/* --- options --- */

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "outbound", required_argument, NULL, 'v' },    { "inbound", required_argument, NULL, 'v' },
	{ "min-bits", required_argument, NULL, 'v' },    { "name", required_argument, NULL, 'v' },
	{ "certificate", required_argument, NULL, 'v' }, { "on-failure", required_argument, NULL, 'v' },
	{ "report", no_argument, NULL, 'v' },            { "direction", required_argument, NULL, 'v' },
	{ "until", required_argument, NULL, 'v' },       { "why", required_argument, NULL, 'v' },
	{ 0 },
};

struct wish {
	const char *path;
	bool json;
	struct conf_partner partner;
	bool set; /* something of `partner` */
	int status;
};

static void read_option(struct wish *w, int o, const char *name)
{
	struct why why;

	if (o == 'c') {
		w->path = optarg;
	} else if (o == 'j') {
		w->json = true;
	} else if (o != 'v') {
		w->status = EX_USAGE;
	} else if (!set(&w->partner, name, optarg, time(NULL), &why)) {
		fprintf(stderr, "sallyport partners: --%s %s\n", name, why.text);
		w->status = EX_DATAERR;
	} else {
		w->set = true;
	}
}

static int act(const struct wish *w, const char *verb, char *key)
{
	struct files f;
	int status = EX_CONFIG;

	open_files(&f, w->path);
	if (f.conf == NULL)
		status = access(w->path, R_OK) < 0 ? EX_NOINPUT : EX_CONFIG;
	else if (strcmp(verb, "list") == 0)
		status = list(&f, w->json);
	else if (f.report.errors == 0)
		status = strcmp(verb, "add") == 0 ? add(&f, key, &w->partner) : take_away(&f, key);
	close_files(&f);
	return status;
}

int ctl_partners(int argc, char **argv)
{
	struct wish w = { .status = EX_OK };
	const char *verb;
	bool good, lists;
	int o, which = 0;

	conf_value_preset(&conf_partner_section, &w.partner);
	optind = 1;
	while (w.status == EX_OK && (o = getopt_long(argc, argv, "c:", options, &which)) != -1)
		read_option(&w, o, options[which].name);
	verb = optind < argc ? argv[optind++] : "list";
	lists = strcmp(verb, "list") == 0;
	good = w.path != NULL && (lists || strcmp(verb, "add") == 0 || strcmp(verb, "remove") == 0) &&
	       optind + !lists == argc && (lists || !w.json) && (strcmp(verb, "add") == 0 || !w.set);
	if (w.status == EX_OK && good)
		w.status = act(&w, verb, lists ? NULL : argv[optind]);
	else if (w.status == EX_OK)
		w.status = EX_USAGE;
	if (w.status == EX_USAGE)
		fputs(usage_text, stderr);
	free_partner(&w.partner);
	return w.status;
}
