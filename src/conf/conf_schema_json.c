#include "base/must.h"
#include "conf/conf_value.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The schema judges what an editor's YAML reader made of the file: there `yes` and `1.2` may have
 * become a boolean and a number. */

static json_t *made(json_t *j)
{
	must(j != NULL);
	return j;
}

static void set(json_t *object, const char *key, json_t *value_taken)
{
	must(json_object_set_new(object, key, made(value_taken)) == 0);
}

static void append(json_t *array, json_t *value_taken)
{
	must(json_array_append_new(array, made(value_taken)) == 0);
}

static json_t *of_type(const char *type)
{
	return made(json_pack("{s:s}", "type", type));
}

static json_t *either(json_t *a_taken, json_t *b_taken)
{
	json_t *options = made(json_array());
	json_t *j = made(json_object());

	append(options, a_taken);
	append(options, b_taken);
	set(j, "anyOf", options);
	return j;
}

static json_t *of_pattern(const char *pattern)
{
	json_t *j = of_type("string");

	set(j, "pattern", json_string(pattern));
	return j;
}

static json_t *of_text(const struct conf_setting *s)
{
	json_t *j;

	if (s->form == CONF_FORM_NAME)
		return of_pattern(CONF_NAME_PATTERN);
	if (s->form == CONF_FORM_LISTEN || s->form == CONF_FORM_SERVER)
		return of_pattern(":[0-9]{1,5}$");
	if (s->form == CONF_FORM_NET)
		return of_pattern("^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$");
	if (s->form == CONF_FORM_SOCKET)
		return of_pattern("^/|:[0-9]{1,5}$");
	if (s->form == CONF_FORM_PATH)
		return of_pattern("^/");
	if (s->form == CONF_FORM_MAILBOX)
		return of_pattern("^[^ ]+@[^@ ]+$");
	if (s->form == CONF_FORM_PLACE || s->form == CONF_FORM_PATTERN)
		return of_pattern("^[^ ]+$");
	j = of_type("string");
	set(j, "minLength", json_integer(1));
	return j;
}

static json_t *of_list(const struct conf_setting *s)
{
	json_t *list = of_type("array");

	set(list, "items", of_text(s));
	set(list, "minItems", json_integer(1));
	set(list, "maxItems", json_integer((json_int_t)s->most));
	return either(of_text(s), list);
}

static json_t *of_range(const struct conf_setting *s)
{
	json_t *j = of_type("integer");

	set(j, "minimum", json_integer((json_int_t)s->least));
	set(j, "maximum", json_integer((json_int_t)s->most));
	return j;
}

static json_t *of_choice(const struct conf_setting *s)
{
	json_t *values = made(json_array());
	json_t *j = made(json_object());

	for (const struct conf_choice *c = s->choices; c->name != NULL; c++) {
		if (c->unbuilt)
			continue;
		append(values, json_string(c->name));
		if (ascii_is_digit(c->name[0]))
			append(values, json_real(strtod(c->name, NULL)));
	}
	set(j, "enum", values);
	return j;
}

static json_t *of_bool(void)
{
	static const char *const words[] = { "yes", "no", "true", "false", "on", "off" };
	json_t *values = made(json_array());
	json_t *j = made(json_object());

	append(values, json_true());
	append(values, json_false());
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		append(values, json_string(words[i]));
	set(j, "enum", values);
	return j;
}

static json_t *reference(const char *section)
{
	return made(json_sprintf("#/$defs/%s", section));
}

static json_t *of_sections(const struct conf_setting *s)
{
	json_t *j = made(json_object());
	json_t *types = made(json_array());
	json_t *entry = made(json_object());

	append(types, json_string("object"));
	if (!s->needed)
		append(types, json_string("null"));
	set(j, "type", types);
	set(j, "propertyNames", of_pattern(s->form == CONF_FORM_PARTNER ? CONF_PARTNER_PATTERN
									: CONF_NAME_PATTERN));
	set(entry, "$ref", reference(s->section->name));
	set(j, "additionalProperties", entry);
	set(j, "maxProperties", json_integer((json_int_t)s->most));
	if (s->needed)
		set(j, "minProperties", json_integer(1));
	return j;
}

static json_t *of_section_setting(const struct conf_setting *s)
{
	json_t *j = made(json_object());

	set(j, "$ref", reference(s->section->name));
	return j;
}

static json_t *of_rows(const struct conf_setting *s)
{
	json_t *list = of_type("array");

	set(list, "items", of_section_setting(s));
	set(list, "maxItems", json_integer((json_int_t)s->most));
	return either(of_section_setting(s), list);
}

/* To a reader that knows hexadecimal it is a number already. */
static json_t *of_count(const struct conf_setting *s)
{
	if (s->form == CONF_FORM_HEX)
		return either(of_range(s), of_pattern("^0[xX][0-9A-Fa-f]{1,16}$"));
	return of_range(s);
}

static json_t *of_setting(const struct conf_setting *s)
{
	switch (s->type) {
	case CONF_TYPE_TEXT:
		return of_text(s);
	case CONF_TYPE_LIST:
		return of_list(s);
	case CONF_TYPE_BOOL:
	case CONF_TYPE_SWITCH:
		return of_bool();
	case CONF_TYPE_COUNT:
		return of_count(s);
	case CONF_TYPE_SIZE:
		return either(of_range(s), of_pattern("^[0-9]+[kKmMgG]?$"));
	case CONF_TYPE_DURATION:
		return either(of_pattern("^[0-9]+(ms|s|m|h|d)$"), made(json_pack("{s:i}", "const", 0)));
	case CONF_TYPE_DATE:
		return of_pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt][0-9]{2}:[0-9]{2}:[0-9]{2}([Zz]|[+-][0-9]{2}:[0-9]{2}))?$");
	case CONF_TYPE_CHOICE:
		return of_choice(s);
	case CONF_TYPE_SECTION:
		return of_section_setting(s);
	case CONF_TYPE_ROWS:
		return of_rows(s);
	default:
		must(s->type == CONF_TYPE_SECTIONS);
		return of_sections(s);
	}
}

static json_t *preset_of(const struct conf_setting *s)
{
	if (s->type == CONF_TYPE_COUNT)
		return json_integer(strtoll(s->preset, NULL, 0));
	if (s->type == CONF_TYPE_BOOL)
		return json_boolean(strcmp(s->preset, "yes") == 0);
	return json_string(s->preset);
}

/* What holds where the section is `by` this choice. */
static json_t *of_choice_of_section(const struct conf_section *section, const struct conf_setting *by,
				    const struct conf_choice *choice)
{
	const unsigned bit = 1u << choice->value;
	bool preset = by->preset != NULL && strcmp(by->preset, choice->name) == 0;
	json_t *condition = made(json_pack("{s:{s:{s:s}}}", "properties", by->name, "const", choice->name));
	json_t *none = made(json_object());
	json_t *needed = made(json_array());

	if (!preset)
		set(condition, "required", json_pack("[s]", by->name));
	for (size_t i = 0; i < section->count; i++) {
		const struct conf_setting *s = &section->settings[i];
		bool there = s->only == 0 || (s->only & bit) != 0;

		if (!there)
			set(none, s->name, json_false());
		else if ((s->needed_for & bit) != 0 || (s->needed && s->only != 0))
			append(needed, json_string(s->name));
	}
	return made(json_pack("{s:o, s:{s:o, s:o}}", "if", condition, "then", "properties", none, "required", needed));
}

static json_t *of_choices_of_section(const struct conf_section *section)
{
	const struct conf_setting *by = conf_schema_find(section, section->by);
	json_t *all = made(json_array());

	for (const struct conf_choice *c = by->choices; c->name != NULL; c++) {
		if (!c->unbuilt)
			append(all, of_choice_of_section(section, by, c));
	}
	return all;
}

static json_t *of_section(const struct conf_section *section)
{
	json_t *j = of_type("object");
	json_t *properties = made(json_object());
	json_t *needed = made(json_array());

	for (size_t i = 0; i < section->count; i++) {
		const struct conf_setting *s = &section->settings[i];
		json_t *one = of_setting(s);

		set(one, "description", json_string(s->meaning));
		if (s->preset != NULL)
			set(one, "default", preset_of(s));
		if (s->needed && s->unless != NULL)
			set(j, "anyOf", json_pack("[{s:[s]}, {s:[s]}]", "required", s->name, "required", s->unless));
		else if (s->needed && s->only == 0)
			append(needed, json_string(s->name));
		set(properties, s->name, one);
	}
	set(j, "properties", properties);
	set(j, "additionalProperties", json_false());
	set(j, "required", needed);
	if (section->by != NULL)
		set(j, "allOf", of_choices_of_section(section));
	return j;
}

static void define(json_t *defs, const struct conf_section *section)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct conf_section *below = section->settings[i].section;

		if (below == NULL)
			continue;
		set(defs, below->name, of_section(below));
		define(defs, below);
	}
}

char *conf_schema_json(void)
{
	json_t *root = made(json_object());
	json_t *rest = of_section(&conf_schema);
	json_t *defs = made(json_object());
	char *text;
	size_t len;

	set(root, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
	set(root, "title", json_string("Sallyport's configuration"));
	must(json_object_update(root, rest) == 0);
	json_decref(rest);
	define(defs, &conf_schema);
	set(root, "$defs", defs);
	text = json_dumps(root, JSON_INDENT(2));
	must(text != NULL);
	json_decref(root);

	len = strlen(text);
	text = mem_grow(text, len + 2);
	memcpy(text + len, "\n", 2);
	return text;
}
