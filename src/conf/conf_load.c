#include "base/must.h"
#include "conf/conf_addr.h"
#include "conf/conf_check.h"
#include "conf/conf_mark.h"
#include "conf/conf_near.h"
#include "conf/conf_tree.h"
#include "conf/conf_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The way from the top of the file to a setting, for messages: services, mx, listen. */
struct way {
	const struct way *up;
	const char *name; /* NULL: the top */
};

struct loader {
	struct conf *conf;
	struct conf_report *report;
	size_t spare; /* elements that each array of sections has room for beyond its own */
};

static size_t way_print(const struct way *w, char *text, size_t size)
{
	size_t len;

	if (w == NULL || w->name == NULL)
		return 0;
	len = way_print(w->up, text, size);
	if (len < size)
		len += (size_t)snprintf(text + len, size - len, "%s%.70s", len > 0 ? "." : "",
					w->name);
	return len;
}

static void wrong(struct loader *l, struct conf_place at, const struct way *w, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

static void wrong(struct loader *l, struct conf_place at, const struct way *w, const char *fmt, ...)
{
	char path[300] = "";
	char text[600];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	way_print(w, path, sizeof(path));
	conf_error(l->report, at, "%s %s", path[0] != '\0' ? path : "the file", text);
}

static void wrong_kind(struct loader *l, const struct conf_node *n, const struct way *w,
		       const char *want)
{
	static const char *const kinds[] = {
		[CONF_KIND_SCALAR] = "a single value",
		[CONF_KIND_LIST] = "a list",
		[CONF_KIND_MAP] = "a mapping",
	};

	if (n->kind == CONF_KIND_BROKEN)
		return;
	if (conf_node_empty(n))
		wrong(l, n->at, w, "has no value; it wants %s", want);
	else
		wrong(l, n->at, w, "wants %s, not %s", want, kinds[n->kind]);
}

static void unknown(struct loader *l, const struct conf_node *n, const struct conf_section *section,
		    const struct way *w)
{
	const char *home = conf_schema_home(n->key);
	struct conf_near near;
	char known[600] = "";
	size_t len = 0;

	conf_near_begin(&near, n->key);
	for (size_t i = 0; i < section->count; i++) {
		conf_near_try(&near, section->settings[i].name);
		if (len < sizeof(known))
			len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s",
						i > 0 ? ", " : "", section->settings[i].name);
	}
	if (home != NULL)
		wrong(l, n->key_at, w, "is not known here; it belongs into %s", home);
	else if (near.best != NULL)
		wrong(l, n->key_at, w, "is not known here; did you mean %s?", near.best);
	else
		wrong(l, n->key_at, w, "is not known here; known are %s", known);
}

static void load_value(struct loader *l, const struct conf_node *n, const struct conf_setting *s,
		       void *member, const struct way *w)
{
	char want[CONF_WANT_MOST];
	struct why why;

	conf_schema_want(s, want);
	if (n->kind != CONF_KIND_SCALAR || conf_node_empty(n))
		wrong_kind(l, n, w, want);
	else if (!conf_value_read(s, n->text, member, &why))
		wrong(l, n->at, w, "%s", why.text);
}

static void load_item(struct loader *l, const struct conf_node *n, const struct conf_setting *s,
		      struct conf_strings *list, const struct way *w)
{
	struct why why;

	if (n->kind != CONF_KIND_SCALAR || conf_node_empty(n)) {
		wrong_kind(l, n, w, s->want);
		return;
	}
	if (!conf_value_form(s, n->text, &why)) {
		wrong(l, n->at, w, "%s", why.text);
		return;
	}
	list->at[list->count] = mem_text(n->text);
	conf_mark_add(l->conf, &list->at[list->count], n->at);
	list->count++;
}

/* Where a list is expected, one value will do. */
static void load_list(struct loader *l, const struct conf_node *n, const struct conf_setting *s,
		      struct conf_strings *list, const struct way *w)
{
	char want[CONF_WANT_MOST];

	conf_schema_want(s, want);
	if (n->kind == CONF_KIND_LIST && n->count == 0) {
		/* Not "none": an empty list of certificates would read as all of them. */
		wrong(l, n->at, w, "is an empty list; it wants %s%s", want,
		      s->needed ? "" : ", or leave it out");
		return;
	}
	if (n->kind == CONF_KIND_LIST && n->count > s->most) {
		wrong(l, n->at, w, "has %zu items; it can have %u", n->count, (unsigned)s->most);
		return;
	}
	if (n->kind != CONF_KIND_LIST && (n->kind != CONF_KIND_SCALAR || conf_node_empty(n))) {
		wrong_kind(l, n, w, want);
		return;
	}
	list->at = mem_new((n->kind == CONF_KIND_LIST ? n->count : 1) * sizeof(*list->at));
	if (n->kind == CONF_KIND_SCALAR)
		load_item(l, n, s, list, w);
	for (const struct conf_node *item = n->first; item != NULL; item = item->next)
		load_item(l, item, s, list, w);
}

static void load_section(struct loader *l, const struct conf_node *n,
			 const struct conf_section *section, void *structure, const struct way *w);

static bool good_name(struct loader *l, const struct conf_node *n, const struct conf_setting *s,
		      const struct way *w)
{
	struct why why;

	if (s->form == CONF_FORM_PARTNER) {
		if (conf_addr_partner(span_str(n->key), &why))
			return true;
		wrong(l, n->key_at, w, "can't be a partner (%s); it can be a domain, an address such as "
		      "user@example.net, or \"*\"", why.text);
		return false;
	}
	if (conf_schema_is_name(n->key))
		return true;
	wrong(l, n->key_at, w, "can't be a name; it can have 1 to %d letters, digits, dots, "
	      "hyphens and underscores", CONF_NAME_MOST);
	return false;
}

static void load_entry(struct loader *l, const struct conf_node *n,
		       const struct conf_setting *s, char *element, const struct way *w)
{
	/* The first member of each structure that is one of many is its name. */
	char **name = (char **)(void *)element;

	*name = mem_text(n->key);
	conf_mark_add(l->conf, name, n->key_at);
	load_section(l, n, s->section, element, w);
}

static void load_sections(struct loader *l, const struct conf_node *n,
			  const struct conf_setting *s, void *structure, const struct way *w)
{
	size_t own = n->count < s->most ? n->count : s->most;
	char *array = mem_new((own + l->spare + 1) * s->section->size);
	size_t *count = (size_t *)(void *)((char *)structure + s->count_at);

	*(void **)conf_schema_at(structure, s) = array;
	if (s->needed && n->count == 0)
		wrong(l, n->at, w, "has nothing in it; at least one is needed");
	for (const struct conf_node *e = n->first; e != NULL; e = e->next) {
		struct way here = { w, e->key };

		if (e->kind == CONF_KIND_BROKEN || !good_name(l, e, s, &here))
			continue;
		if (e->kind != CONF_KIND_MAP && !conf_node_empty(e)) {
			wrong_kind(l, e, &here, "settings of its own");
			continue;
		}
		if (*count == s->most) {
			wrong(l, e->key_at, w, "has more than %u; that is the most",
			      (unsigned)s->most);
			break;
		}
		load_entry(l, e, s, array + *count * s->section->size, &here);
		(*count)++;
	}
}

static void load_row(struct loader *l, const struct conf_node *n, const struct conf_setting *s,
		     void *structure, const struct way *w)
{
	char *array = *(char **)conf_schema_at(structure, s);
	size_t *count = (size_t *)(void *)((char *)structure + s->count_at);
	char number[24];
	struct way here = { w, number };

	snprintf(number, sizeof(number), "%zu", *count + 1);
	if (n->kind == CONF_KIND_MAP)
		load_section(l, n, s->section, array + (*count)++ * s->section->size, &here);
	else
		wrong_kind(l, n, &here, "settings of its own");
}

/* Where a list is expected, one value will do. */
static void load_rows(struct loader *l, const struct conf_node *n, const struct conf_setting *s,
		      void *structure, const struct way *w)
{
	bool list = n->kind == CONF_KIND_LIST;
	size_t most = list ? n->count : 1;

	if (most > s->most) {
		wrong(l, n->at, w, "has %zu items; it can have %u", n->count, (unsigned)s->most);
		return;
	}
	*(void **)conf_schema_at(structure, s) = mem_new((most + 1) * s->section->size);
	if (!list)
		load_row(l, n, s, structure, w);
	for (const struct conf_node *item = list ? n->first : NULL; item != NULL; item = item->next)
		load_row(l, item, s, structure, w);
}

static void load_setting(struct loader *l, const struct conf_node *n,
			 const struct conf_setting *s, void *structure, const struct way *w)
{
	void *member = conf_schema_at(structure, s);
	bool map = n->kind == CONF_KIND_MAP || conf_node_empty(n);
	char want[CONF_WANT_MOST];

	conf_schema_want(s, want);
	switch (s->type) {
	case CONF_TYPE_SECTION:
		if (s->count_at != 0)
			*(size_t *)(void *)((char *)structure + s->count_at) = 1;
		if (map)
			load_section(l, n, s->section, member, w);
		else
			wrong_kind(l, n, w, want);
		return;
	case CONF_TYPE_SECTIONS:
		if (map)
			load_sections(l, n, s, structure, w);
		else
			wrong_kind(l, n, w, want);
		return;
	case CONF_TYPE_ROWS:
		if (n->kind == CONF_KIND_MAP || n->kind == CONF_KIND_LIST)
			load_rows(l, n, s, structure, w);
		else
			wrong_kind(l, n, w, want);
		break;
	case CONF_TYPE_LIST:
		load_list(l, n, s, member, w);
		break;
	default:
		load_value(l, n, s, member, w);
		break;
	}
	/* A value that was refused counts as set: no second message asks for it. */
	conf_mark_add(l->conf, member, n->at);
}

static bool has_key(const struct conf_node *n, const char *key)
{
	for (const struct conf_node *m = n->first; m != NULL; m = m->next) {
		if (strcmp(m->key, key) == 0)
			return true;
	}
	return false;
}

static void ask_for_needed(struct loader *l, const struct conf_node *n,
			   const struct conf_section *section, const void *structure, const struct way *w)
{
	struct conf_place at = n->key != NULL ? n->key_at : n->at;
	char want[CONF_WANT_MOST];

	for (size_t i = 0; i < section->count; i++) {
		const struct conf_setting *s = &section->settings[i];
		struct way here = { w, s->name };

		if (!conf_schema_needs(section, s, structure) || has_key(n, s->name) ||
		    (s->unless != NULL && has_key(n, s->unless)))
			continue;
		conf_schema_want(s, want);
		if (s->type == CONF_TYPE_SECTIONS)
			wrong(l, at, &here, "is missing; at least one is needed");
		else
			wrong(l, at, &here, "is missing; it wants %s", want);
	}
}

/* `n` is a map, or nothing where a map may be left out. */
static void load_section(struct loader *l, const struct conf_node *n,
			 const struct conf_section *section, void *structure, const struct way *w)
{
	conf_value_preset(section, structure);
	for (const struct conf_node *m = n->first; m != NULL; m = m->next) {
		const struct conf_setting *s = conf_schema_find(section, m->key);
		struct way here = { w, m->key };

		if (m->kind == CONF_KIND_BROKEN && s != NULL)
			conf_mark_add(l->conf, conf_schema_at(structure, s), m->at);
		if (m->kind == CONF_KIND_BROKEN)
			continue;
		if (s == NULL)
			unknown(l, m, section, &here);
		else
			load_setting(l, m, s, structure, &here);
	}
	ask_for_needed(l, n, section, structure, w);
}

/* Sections that are not in the file have their defaults all the same. */
static void preset_sections(struct conf *c)
{
	for (size_t i = 0; i < conf_schema.count; i++) {
		const struct conf_setting *s = &conf_schema.settings[i];

		if (s->type == CONF_TYPE_SECTION)
			conf_value_preset(s->section, conf_schema_at(c, s));
	}
}

static size_t count_services(const struct conf_node *root)
{
	size_t most = conf_schema_find(&conf_schema, "services")->most;

	for (const struct conf_node *n = root->first; n != NULL; n = n->next) {
		if (strcmp(n->key, "services") == 0)
			return n->count < most ? n->count : most;
	}
	return 0;
}

/* For a file without `upstreams`: short forms make some. */
static void make_upstreams(struct conf *c, size_t spare)
{
	if (c->upstreams == NULL)
		c->upstreams = mem_new((spare + 1) * sizeof(*c->upstreams));
}

static void make_actions(struct conf *c)
{
	if (c->actions == NULL)
		c->actions = mem_new(CONF_BUILTIN_ACTIONS * sizeof(*c->actions));
}

static void name_the_machine(struct conf *c)
{
	char name[256] = "";
	struct why why;

	if (c->hostname != NULL)
		return;
	/* It was set and refused: no second message about it. */
	if (conf_place_of(c, &c->hostname).line != 0)
		snprintf(name, sizeof(name), "refused.invalid");
	else if (gethostname(name, sizeof(name) - 1) < 0 ||
	    !conf_value_form(conf_schema_find(&conf_schema, "hostname"), name, &why))
		snprintf(name, sizeof(name), "localhost");
	c->hostname = mem_text(name);
}

struct conf *conf_load_partly(struct conf_source *source, const char *path,
			      struct conf_report *report)
{
	struct loader l = { .report = report };
	struct conf_place nowhere = { 0, 0 };
	struct conf_node *root;
	struct span text;
	struct why why;

	if (!conf_source_read(source, path, &text, &why)) {
		conf_error(report, nowhere, "can't be read: %s", why.text);
		return NULL;
	}
	root = conf_tree_read(text, report);
	if (root == NULL)
		return NULL;
	l.conf = mem_new(sizeof(*l.conf));
	l.conf->path = mem_text(path);
	if (root->kind == CONF_KIND_MAP) {
		l.spare = count_services(root) + CONF_BUILTIN_ACTIONS;
		preset_sections(l.conf);
		load_section(&l, root, &conf_schema, l.conf, NULL);
	} else {
		conf_value_preset(&conf_schema, l.conf);
		preset_sections(l.conf);
		wrong_kind(&l, root, NULL, "settings such as services");
	}
	conf_tree_free(root);
	make_upstreams(l.conf, l.spare);
	make_actions(l.conf);
	conf_mark_sort(l.conf);
	name_the_machine(l.conf);
	conf_check(l.conf, report);
	return l.conf;
}

struct conf *conf_load(struct conf_source *source, const char *path, struct conf_report *report)
{
	struct conf *c = conf_load_partly(source, path, report);

	if (report->errors == 0)
		return c;
	conf_free(c);
	return NULL;
}
