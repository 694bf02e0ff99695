#include "conf/conf_schema.h"

#include "conf/conf_value.h"

#include <stdio.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

bool conf_schema_is_name(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		if (!ascii_is_alnum(text[i]) && strchr("._-", text[i]) == NULL)
			return false;
	}
	return len > 0 && len <= CONF_NAME_MOST;
}

const struct conf_setting *conf_schema_find(const struct conf_section *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++) {
		if (strcmp(s->settings[i].name, name) == 0)
			return &s->settings[i];
	}
	return NULL;
}

static const char *home_below(const struct conf_section *section, const char *setting)
{
	const char *home = NULL;

	for (size_t i = 0; i < section->count && home == NULL; i++) {
		const struct conf_setting *s = &section->settings[i];

		if (s->section != NULL && conf_schema_find(s->section, setting) != NULL)
			home = s->name;
	}
	for (size_t i = 0; i < section->count && home == NULL; i++) {
		if (section->settings[i].section != NULL)
			home = home_below(section->settings[i].section, setting);
	}
	return home;
}

const char *conf_schema_home(const char *setting)
{
	return home_below(&conf_schema, setting);
}

/* The value of what the section is `by`, as a bit. */
static unsigned bit_of(const struct conf_section *section, const void *structure)
{
	int value;

	memcpy(&value, conf_schema_at_const(structure, conf_schema_find(section, section->by)),
	       sizeof(value));
	return 1u << value;
}

bool conf_schema_applies(const struct conf_section *section, const struct conf_setting *s,
			 const void *structure)
{
	return s->only == 0 || (s->only & bit_of(section, structure)) != 0;
}

bool conf_schema_needs(const struct conf_section *section, const struct conf_setting *s,
		       const void *structure)
{
	if (s->needed_for != 0 && (s->needed_for & bit_of(section, structure)) != 0)
		return true;
	return s->needed && conf_schema_applies(section, s, structure);
}

static void want_range(const struct conf_setting *s, const char *what, char want[CONF_WANT_MOST])
{
	char least[CONF_VALUE_MOST];
	char most[CONF_VALUE_MOST];

	conf_value_print_number(s, s->least, least);
	conf_value_print_number(s, s->most, most);
	snprintf(want, CONF_WANT_MOST, "%s from %s to %s", what, least, most);
}

/* "a, b or c" */
static void want_choice(const struct conf_setting *s, char want[CONF_WANT_MOST])
{
	const struct conf_choice *built[16];
	size_t count = 0;
	size_t len = 0;

	for (const struct conf_choice *c = s->choices; c->name != NULL; c++) {
		if (!c->unbuilt && count < COUNT_OF(built))
			built[count++] = c;
	}
	for (size_t i = 0; i < count && len < CONF_WANT_MOST; i++) {
		const char *glue = i == 0 ? "" : i + 1 < count ? ", " : " or ";

		len += (size_t)snprintf(want + len, CONF_WANT_MOST - len, "%s%s", glue,
					built[i]->name);
	}
}

void conf_schema_want(const struct conf_setting *s, char want[CONF_WANT_MOST])
{
	switch (s->type) {
	case CONF_TYPE_TEXT:
	case CONF_TYPE_SECTIONS:
		snprintf(want, CONF_WANT_MOST, "%s", s->want);
		break;
	case CONF_TYPE_LIST:
	case CONF_TYPE_ROWS:
		snprintf(want, CONF_WANT_MOST, "%s or a list of %s", s->want, s->wants);
		break;
	case CONF_TYPE_BOOL:
	case CONF_TYPE_SWITCH:
		snprintf(want, CONF_WANT_MOST, "yes or no");
		break;
	case CONF_TYPE_COUNT:
		want_range(s, "a number", want);
		break;
	case CONF_TYPE_SIZE:
		want_range(s, "a size such as 100k, 50M or 1G", want);
		break;
	case CONF_TYPE_DURATION:
		want_range(s, "a time such as 500ms, 30s, 5m, 2h or 1d", want);
		break;
	case CONF_TYPE_DATE:
		snprintf(want, CONF_WANT_MOST, "a day such as 2026-12-20, or a time such as 2026-12-20T18:00:00Z");
		break;
	case CONF_TYPE_CHOICE:
		want_choice(s, want);
		break;
	case CONF_TYPE_SECTION:
		snprintf(want, CONF_WANT_MOST, "settings of its own");
		break;
	}
}

void *conf_schema_at(void *structure, const struct conf_setting *s)
{
	return (char *)structure + s->at;
}

const void *conf_schema_at_const(const void *structure, const struct conf_setting *s)
{
	return (const char *)structure + s->at;
}
