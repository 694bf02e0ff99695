#include "ctl/ctl_check.h"

#include "plan/plan.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

struct options {
	const char *path;
	bool print;
};

static bool read_options(int argc, char **argv, struct options *o)
{
	int c;

	optind = 1;
	while ((c = getopt(argc, argv, "c:T")) != -1) {
		if (c == 'c')
			o->path = optarg;
		else if (c == 'T')
			o->print = true;
		else
			return false;
	}
	return o->path != NULL && optind == argc;
}

/* The fine result; with -T as a comment, so that all of stdout is a configuration. */
static bool print_fine(const struct options *o, const struct conf *c)
{
	char *text = o->print ? conf_print(c) : NULL;

	printf("%s%s: fine, %zu service%s\n", o->print ? "# " : "", o->path, c->service_count,
	       c->service_count == 1 ? "" : "s");
	if (text != NULL)
		fputs(text, stdout);
	free(text);
	return fflush(stdout) == 0;
}

/* Goes on to the certificates though the settings have errors: one run tells everything. */
static int check(const struct options *o, struct conf_source *source, struct conf_report *report)
{
	struct conf *conf = conf_load_partly(source, o->path, report);
	struct plan *plan = NULL;
	int status = EX_CONFIG;

	if (conf != NULL)
		plan = plan_build(conf, source, NULL, time(NULL), 0, report);
	if (report->text != NULL)
		fputs(report->text, stderr);
	if (plan != NULL)
		status = print_fine(o, plan->conf) ? EX_OK : EX_IOERR;
	plan_release(plan);
	return status;
}

int ctl_check(int argc, char **argv)
{
	struct options o = { 0 };
	struct conf_source *source;
	struct conf_report report;
	struct span text;
	struct why why;
	int status;

	if (!read_options(argc, argv, &o)) {
		fputs("usage: sallyport check -c FILE [-T]\n", stderr);
		return EX_USAGE;
	}
	source = conf_source_files();
	conf_report_init(&report, o.path);
	if (conf_source_read(source, o.path, &text, &why)) {
		status = check(&o, source, &report);
	} else {
		fprintf(stderr, "%s: can't be read: %s\n", o.path, why.text);
		status = EX_NOINPUT;
	}
	conf_report_free(&report);
	conf_source_free(source);
	return status;
}
