#include "conf/conf_schema.h"

#include <stdlib.h>

static void free_section(const struct conf_section *section, void *structure);

static void free_list(struct conf_strings *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->at[i]);
	free(list->at);
}

static void free_sections(const struct conf_setting *s, void *structure)
{
	char *array = *(char **)conf_schema_at(structure, s);
	size_t count = *(size_t *)(void *)((char *)structure + s->count_at);

	for (size_t i = 0; i < count; i++) {
		char *element = array + i * s->section->size;

		free_section(s->section, element);
		free(*(char **)(void *)element); /* its name */
	}
	free(array);
}

static void free_rows(const struct conf_setting *s, void *structure)
{
	char *array = *(char **)conf_schema_at(structure, s);
	size_t count = *(size_t *)(void *)((char *)structure + s->count_at);

	for (size_t i = 0; i < count; i++)
		free_section(s->section, array + i * s->section->size);
	free(array);
}

static void free_section(const struct conf_section *section, void *structure)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct conf_setting *s = &section->settings[i];
		void *member = conf_schema_at(structure, s);

		if (s->type == CONF_TYPE_TEXT)
			free(*(char **)member);
		else if (s->type == CONF_TYPE_LIST)
			free_list(member);
		else if (s->type == CONF_TYPE_SECTION)
			free_section(s->section, member);
		else if (s->type == CONF_TYPE_SECTIONS)
			free_sections(s, structure);
		else if (s->type == CONF_TYPE_ROWS)
			free_rows(s, structure);
	}
}

void conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	free_section(&conf_schema, c);
	free(c->marks);
	free(c->path);
	free(c);
}
