/* The configuration: whatever the file holds, each mistake is one line with its place, and what
 * loads can be printed and loads again as the same. */
#include "base/must.h"
#include "conf/conf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MOST (64 * 1024)

static struct conf *load(struct span text, struct conf_report *report)
{
	struct conf_source *source = conf_source_memory();
	struct conf *c;

	conf_source_put(source, "gw", text);
	conf_report_init(report, "gw");
	c = conf_load(source, "gw", report);
	must((c == NULL) == (report->errors > 0));
	conf_source_free(source);
	return c;
}

static void check_line(struct span line)
{
	must(span_starts_nocase(line, SPAN("gw:")));
	for (size_t i = 0; i < line.len; i++)
		must((unsigned char)line.at[i] >= 0x20 && line.at[i] != 0x7f);
}

static void check_report(const struct conf_report *r)
{
	struct span rest = span_of(r->text, r->len);
	size_t lines = 0;

	must(r->len == 0 || r->text[r->len - 1] == '\n');
	for (; rest.len > 0; lines++)
		check_line(span_cut(&rest, '\n'));
	must(lines == r->errors + r->warnings || lines == 1001);
}

static void check_print(const struct conf *c)
{
	char *once = conf_print(c);
	struct conf_report report;
	struct conf *again = load(span_str(once), &report);
	char *twice;

	must(again != NULL);
	twice = conf_print(again);
	must(strcmp(once, twice) == 0);
	conf_free(again);
	conf_report_free(&report);
	free(once);
	free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_report report;
	struct conf *c;

	if (size > TEXT_MOST)
		return 0;
	c = load(span_of(data, size), &report);
	check_report(&report);
	if (c != NULL)
		check_print(c);
	conf_free(c);
	conf_report_free(&report);
	return 0;
}
