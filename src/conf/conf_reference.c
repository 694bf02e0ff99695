#include "base/buf.h"
#include "base/must.h"
#include "conf/conf_schema.h"

#include <string.h>

#define REFERENCE_MOST (1024 * 1024)

static void print_row(struct buf *b, const struct conf_setting *s)
{
	char want[CONF_WANT_MOST];
	const char *quote = s->preset != NULL ? "`" : "";

	conf_schema_want(s, want);
	must(buf_printf(b, "| `%s` | %s | %s%s%s | %s |\n", s->name, want, quote,
			s->preset != NULL ? s->preset : s->needed ? "must be set" : "not set", quote,
			s->meaning));
}

static void print_table(struct buf *b, const char *title, const char *lead,
			const struct conf_section *section)
{
	must(buf_printf(b, "## %s\n\n%s\n\n| setting | value | default | meaning |\n"
			"| --- | --- | --- | --- |\n", title, lead));
	for (size_t i = 0; i < section->count; i++)
		print_row(b, &section->settings[i]);
	must(buf_put(b, SPAN("\n")));
}

static void print_below(struct buf *b, const struct conf_section *section)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct conf_setting *s = &section->settings[i];

		if (s->section == NULL)
			continue;
		print_table(b, s->name, s->meaning, s->section);
		print_below(b, s->section);
	}
}

char *conf_reference(void)
{
	struct buf b;
	struct span all;
	char *text;

	buf_init(&b, REFERENCE_MOST);
	print_table(&b, "Top level", "What is not in a section.", &conf_schema);
	print_below(&b, &conf_schema);
	all = buf_peek(&b);
	text = mem_new(all.len); /* the last of its two newlines goes */
	memcpy(text, all.at, all.len - 1);
	buf_free(&b);
	return text;
}
