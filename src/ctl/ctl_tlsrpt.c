#include "ctl/ctl_tlsrpt.h"

#include "base/must.h"
#include "conf/conf_date.h"
#include "ctl/tlsrpt_gzip.h"
#include "ctl/tlsrpt_read.h"
#include "ctl/tlsrpt_send.h"
#include "policy/policy_name.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define DAY 86400
#define PATH_LEN 4096
#define FROM_MOST 640

static const char usage_text[] =
	"usage: sallyport tlsrpt show -c FILE [--day YYYY-MM-DD] [--domain DOMAIN] [--json]\n"
	"       sallyport tlsrpt send -c FILE [--day YYYY-MM-DD] [--domain DOMAIN] [--dry-run] [--again]\n"
	"       sallyport tlsrpt read FILE...\n";

struct wish {
	const char *path;
	int64_t day;                 /* -1: not said */
	char domain[POLICY_NAME_MOST]; /* "": all */
	bool json, dry_run, again;
	int status;
};

/* What is known of the day, and what it takes to say it. */
struct counted {
	const struct wish *w;
	struct conf *conf;
	struct store_route *store;
	char from[FROM_MOST], submitter[POLICY_NAME_MOST];
	struct tlsrpt_author author;
	struct tlsrpt_report *reports; /* a domain each */
	size_t count;
};

static int refuse(int status, const char *text)
{
	fprintf(stderr, "sallyport tlsrpt: %s\n", text);
	return status;
}

static bool is_asked_for(const struct wish *w, const struct store_tlsrpt *row)
{
	return w->domain[0] == '\0' || strcmp(w->domain, row->result.domain) == 0;
}

/* Rows come by domain. An address literal has no record that could ask for a report. */
static void take_row(void *arg, const struct store_tlsrpt *row)
{
	struct counted *c = arg;
	struct tlsrpt_report *last = c->count > 0 ? &c->reports[c->count - 1] : NULL;
	struct store_policy policy;

	if (!is_asked_for(c->w, row) || !policy_name_ok(span_str(row->result.domain)))
		return;
	if (last == NULL || strcmp(last->domain, row->result.domain) != 0) {
		c->reports = mem_grow(c->reports, (c->count + 1) * sizeof(*c->reports));
		last = &c->reports[c->count++];
		tlsrpt_report_init(last, &c->author, row->day, row->result.domain);
	}
	tlsrpt_report_add(last, row,
			  store_route_policy_get(c->store, row->day, &row->result, &policy) ? &policy : NULL);
}

static void print_row(void *arg, const struct store_tlsrpt *row)
{
	const struct counted *c = arg;
	const struct policy_result *r = &row->result;
	static const char *const policies[] = { "-", "sts", "tlsa" };

	if (is_asked_for(c->w, row))
		printf("%-30s %-6s %-26s %8" PRIu64 " %-30s %-24s %-24s %s\n", r->domain, policies[r->policy],
		       r->type == POLICY_RESULT_SUCCESS ? "success" : policy_result_name(r->type), row->count,
		       r->host[0] != '\0' ? r->host : "-", r->address[0] != '\0' ? r->address : "-",
		       r->own_address[0] != '\0' ? r->own_address : "-", r->reason);
}

static bool is_printable(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < ' ' || *text > '~')
			return false;
	}
	return true;
}

/* Who we are, in a report. */
static int set_author(struct counted *c)
{
	const struct conf_route *route = &c->conf->route;

	if (!conf_tlsrpt_from(c->conf, c->from, sizeof(c->from)) || !is_printable(c->from) ||
	    !policy_name_fold(policy_name_domain(span_str(c->from)), c->submitter))
		return refuse(EX_CONFIG, "route.tlsrpt_from is not an address of ASCII alone");
	c->author = (struct tlsrpt_author){
		.organization = route->tlsrpt_organization != NULL ? route->tlsrpt_organization : c->conf->hostname,
		.contact = route->tlsrpt_contact != NULL ? route->tlsrpt_contact : c->from,
		.submitter = c->submitter, .hostname = c->conf->hostname,
	};
	return EX_OK;
}

/* Whoever only looks makes no database: without one nothing was counted. */
static int open_store(struct counted *c)
{
	char path[PATH_LEN];
	struct why why;

	c->store = store_route_new();
	snprintf(path, sizeof(path), "%s/" STORE_ROUTE_FILE, c->conf->route.state_dir);
	if (access(path, F_OK) < 0 || store_route_open(c->store, c->conf->route.state_dir, &why))
		return EX_OK;
	return refuse(EX_IOERR, why.text);
}

static int each_row(struct counted *c, store_route_each *each)
{
	struct why why;

	if (!store_route_is_open(c->store) || store_route_counts(c->store, c->w->day, each, c, &why))
		return EX_OK;
	return refuse(EX_IOERR, why.text);
}

static int print_table(struct counted *c)
{
	printf("%-30s %-6s %-26s %8s %-30s %-24s %-24s %s\n", "domain", "policy", "result", "count", "host", "address", "from",
	       "reason");
	return each_row(c, print_row);
}

static int show(struct counted *c)
{
	int status = c->w->json ? each_row(c, take_row) : print_table(c);

	for (size_t i = 0; i < c->count; i++) {
		char *text = tlsrpt_report_text(&c->reports[i], false);

		puts(text);
		free(text);
	}
	return status;
}

/* One domain after the other: nobody waits for it, and nobody is to be flooded by it. */
static int send_all(struct counted *c)
{
	struct tlsrpt_send_options o = {
		.conf = c->conf, .author = c->author, .from = c->from, .store = c->store, .dry_run = c->w->dry_run,
		.again = c->w->again,
	};
	int status = each_row(c, take_row);
	struct tlsrpt_send *s;
	struct why why;

	if (status != EX_OK || c->count == 0)
		return status;
	s = tlsrpt_send_new(&o, &why);
	if (s == NULL)
		return refuse(EX_UNAVAILABLE, why.text);
	for (size_t i = 0; i < c->count; i++) {
		if (!tlsrpt_send_report(s, &c->reports[i]))
			status = EX_TEMPFAIL;
	}
	tlsrpt_send_free(s);
	return status;
}

static void close_all(struct counted *c)
{
	for (size_t i = 0; i < c->count; i++)
		tlsrpt_report_free(&c->reports[i]);
	free(c->reports);
	store_route_free(c->store);
	conf_free(c->conf);
}

static int with_counts(const struct wish *w, int (*act)(struct counted *c))
{
	struct conf_source *source = conf_source_files();
	struct counted c = { .w = w };
	struct conf_report report;
	int status;

	conf_report_init(&report, w->path);
	c.conf = conf_load(source, w->path, &report);
	if (report.errors > 0)
		fputs(report.text, stderr);
	if (c.conf == NULL)
		status = access(w->path, R_OK) < 0 ? EX_NOINPUT : EX_CONFIG;
	else
		status = set_author(&c);
	if (status == EX_OK)
		status = open_store(&c);
	if (status == EX_OK)
		status = act(&c);
	close_all(&c);
	conf_report_free(&report);
	conf_source_free(source);
	return fflush(stdout) == 0 ? status : EX_IOERR;
}

/* --- read --- */

/* What is too long is cut one octet behind what may be. */
static bool read_octets(const char *path, struct buf *octets)
{
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : 1;
	size_t room;

	while (got > 0) {
		char *at = buf_reserve(octets, 65536, &room);

		got = room > 0 ? read(fd, at, room) : 0;
		buf_commit(octets, got > 0 ? (size_t)got : 0);
	}
	if (fd >= 0)
		close(fd);
	return got == 0;
}

static int read_one(const char *path)
{
	struct buf octets, json, table;
	struct why why;
	int status = EX_OK;

	buf_init(&octets, TLSRPT_READ_MOST + 1);
	buf_init(&json, TLSRPT_READ_MOST);
	buf_init(&table, TLSRPT_READ_TABLE);
	if (!read_octets(path, &octets)) {
		fprintf(stderr, "sallyport tlsrpt: %s can't be read\n", path);
		status = EX_NOINPUT;
	} else if (!tlsrpt_gzip_unpack(buf_peek(&octets), &json, &why) ||
		   !tlsrpt_read_table(buf_peek(&json), &table, &why)) {
		fprintf(stderr, "sallyport tlsrpt: %s: %s\n", path, why.text);
		status = EX_DATAERR;
	} else {
		fwrite(buf_peek(&table).at, 1, buf_used(&table), stdout);
	}
	buf_free(&octets);
	buf_free(&json);
	buf_free(&table);
	return status;
}

static int read_files(char **paths, int count)
{
	int status = EX_OK;

	for (int i = 0; i < count; i++) {
		int one = read_one(paths[i]);

		if (one != EX_OK)
			status = one;
	}
	return fflush(stdout) == 0 ? status : EX_IOERR;
}

/* --- options --- */

static const struct option options[] = {
	{ "day", required_argument, NULL, 'd' },  { "domain", required_argument, NULL, 'D' },
	{ "json", no_argument, NULL, 'j' },       { "dry-run", no_argument, NULL, 'n' },
	{ "again", no_argument, NULL, 'a' },      { 0 },
};

static void read_day(struct wish *w, const char *text)
{
	struct why why;
	int64_t at;

	if (strlen(text) == strlen("2026-08-01") && conf_date_read(span_str(text), &at, &why))
		w->day = at / DAY;
	else
		w->status = refuse(EX_USAGE, "--day wants a day such as 2026-08-01");
}

static int usage(void)
{
	fputs(usage_text, stderr);
	return EX_USAGE;
}

static void read_option(struct wish *w, int o)
{
	if (o == 'c')
		w->path = optarg;
	else if (o == 'd')
		read_day(w, optarg);
	else if (o == 'D' && !policy_name_fold(span_str(optarg), w->domain))
		w->status = refuse(EX_USAGE, "--domain wants a domain");
	else if (o == 'j')
		w->json = true;
	else if (o == 'n')
		w->dry_run = true;
	else if (o == 'a')
		w->again = true;
	else if (o != 'D')
		w->status = usage();
}

/* A report is of a whole day (section 4.1), and one that was sent is not sent again. */
static int act(struct wish *w, const char *verb, char **rest, int count)
{
	int64_t today = (int64_t)time(NULL) / DAY;
	bool sends = strcmp(verb, "send") == 0;

	if (strcmp(verb, "read") == 0 && count > 0 && w->path == NULL)
		return read_files(rest, count);
	if ((!sends && strcmp(verb, "show") != 0) || w->path == NULL || count > 0 || (sends ? w->json : w->dry_run || w->again))
		return usage();
	if (w->day < 0)
		w->day = sends ? today - 1 : today;
	if (sends && !w->dry_run && w->day >= today)
		return refuse(EX_USAGE, "that day is not over yet");
	return with_counts(w, sends ? send_all : show);
}

int ctl_tlsrpt(int argc, char **argv)
{
	struct wish w = { .day = -1, .status = EX_OK };
	int o;

	optind = 1;
	while (w.status == EX_OK && (o = getopt_long(argc, argv, "c:", options, NULL)) != -1)
		read_option(&w, o);
	if (w.status != EX_OK || optind == argc)
		return w.status != EX_OK ? w.status : usage();
	return act(&w, argv[optind], argv + optind + 1, argc - optind - 1);
}
