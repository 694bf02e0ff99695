#include "ctl/ctl_check.h"

#include "proc/generation.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

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

/* What `run` does before it starts anything: there is no second opinion on what is fine. */
static int check(const struct options *o, struct conf_report *report)
{
	struct generation *g = generation_load(o->path, 0, report);
	int status = EX_CONFIG;

	if (report->text != NULL)
		fputs(report->text, stderr);
	if (g != NULL)
		status = print_fine(o, g->plan->conf) ? EX_OK : EX_IOERR;
	generation_free(g);
	return status;
}

static bool can_read(const char *path)
{
	struct conf_source *source = conf_source_files();
	struct span text;
	struct why why;
	bool can = conf_source_read(source, path, &text, &why);

	if (!can)
		fprintf(stderr, "%s: can't be read: %s\n", path, why.text);
	conf_source_free(source);
	return can;
}

int ctl_check(int argc, char **argv)
{
	struct options o = { 0 };
	struct conf_report report;
	int status;

	if (!read_options(argc, argv, &o)) {
		fputs("usage: sallyport check -c FILE [-T]\n", stderr);
		return EX_USAGE;
	}
	if (!can_read(o.path))
		return EX_NOINPUT;
	conf_report_init(&report, o.path);
	status = check(&o, &report);
	conf_report_free(&report);
	return status;
}
