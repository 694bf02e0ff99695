#include "base/buf.h"
#include "base/must.h"
#include "conf/conf_value.h"

#include <stdlib.h>
#include <string.h>

#define PRINT_MOST (64 * 1024 * 1024)

static void print_section(struct buf *b, const char *indent, const struct conf_section *section,
			  const void *structure);

/* No control character can be in a text that was loaded. */
static void print_quoted(struct buf *b, const char *text)
{
	must(buf_put(b, SPAN("\"")));
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			must(buf_put(b, SPAN("\\")));
		must(buf_put(b, span_of(c, 1)));
	}
	must(buf_put(b, SPAN("\"")));
}

static void print_list(struct buf *b, const struct conf_strings *list)
{
	must(buf_put(b, SPAN("[ ")));
	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			must(buf_put(b, SPAN(", ")));
		print_quoted(b, list->at[i]);
	}
	must(buf_put(b, SPAN(" ]\n")));
}

static void print_value(struct buf *b, const char *indent, const struct conf_setting *s,
			const void *member)
{
	char text[CONF_VALUE_MOST];
	const char *value = conf_value_print(s, member, text);

	if (value == NULL)
		return;
	must(buf_printf(b, "%s%s: ", indent, s->name));
	/* To other readers 1.2 would be a number, and a day something of their own. */
	if (s->type == CONF_TYPE_TEXT || s->type == CONF_TYPE_DATE || (s->type == CONF_TYPE_CHOICE && ascii_is_digit(value[0])))
		print_quoted(b, value);
	else
		must(buf_printf(b, "%s", value));
	must(buf_put(b, SPAN("\n")));
}

/* An upstream of a short form is shown as a comment: its name is not one that a section can have, and the
 * service that uses it names its host. So is a built-in action, which a file can't have. */
static bool is_comment(const struct conf_setting *s, const char *element)
{
	if (strcmp(s->name, "actions") == 0)
		return ((const struct conf_action *)(const void *)element)->builtin;
	return strcmp(s->name, "upstreams") == 0 &&
	       ((const struct conf_upstream *)(const void *)element)->brief;
}

static void print_sections(struct buf *b, const char *indent, const struct conf_setting *s,
			   const void *structure)
{
	const char *array = *(char *const *)conf_schema_at_const(structure, s);
	size_t count = *(const size_t *)(const void *)((const char *)structure + s->count_at);

	if (count == 0)
		return;
	must(buf_printf(b, "%s%s:\n", indent, s->name));
	for (size_t i = 0; i < count; i++) {
		const char *element = array + i * s->section->size;
		const char *name = *(char *const *)(const void *)element;
		const char *lead = is_comment(s, element) ? "# " : "";

		must(buf_printf(b, "%s%s  ", indent, lead));
		print_quoted(b, name);
		must(buf_put(b, SPAN(":\n")));
		print_section(b, lead[0] != '\0' ? "#     " : "    ", s->section, element);
	}
}

static void print_rows(struct buf *b, const char *indent, const struct conf_setting *s,
		       const void *structure)
{
	const char *array = *(char *const *)conf_schema_at_const(structure, s);
	size_t count = *(const size_t *)(const void *)((const char *)structure + s->count_at);

	if (count == 0)
		return;
	must(buf_printf(b, "%s%s:\n", indent, s->name));
	for (size_t i = 0; i < count; i++) {
		must(buf_printf(b, "%s  -\n", indent));
		print_section(b, "        ", s->section, array + i * s->section->size);
	}
}

static void print_section(struct buf *b, const char *indent, const struct conf_section *section,
			  const void *structure)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct conf_setting *s = &section->settings[i];
		const void *member = conf_schema_at_const(structure, s);
		const struct conf_strings *list = member;

		if (!conf_schema_applies(section, s, structure))
			continue;
		if (s->type == CONF_TYPE_SECTIONS) {
			print_sections(b, indent, s, structure);
		} else if (s->type == CONF_TYPE_ROWS) {
			print_rows(b, indent, s, structure);
		} else if (s->type == CONF_TYPE_SECTION) {
			must(buf_printf(b, "%s%s:\n", indent, s->name));
			print_section(b, "  ", s->section, member);
		} else if (s->type != CONF_TYPE_LIST) {
			print_value(b, indent, s, member);
		} else if (list->count > 0) {
			must(buf_printf(b, "%s%s: ", indent, s->name));
			print_list(b, list);
		}
	}
}

char *conf_print(const struct conf *c)
{
	struct buf b;
	struct span all;
	char *text;

	buf_init(&b, PRINT_MOST);
	print_section(&b, "", &conf_schema, c);
	all = buf_peek(&b);
	text = mem_new(all.len + 1);
	memcpy(text, all.at, all.len);
	buf_free(&b);
	return text;
}
