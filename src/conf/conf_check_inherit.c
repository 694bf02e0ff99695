#include "base/must.h"
#include "conf/conf_checks.h"
#include "conf/conf_mark.h"
#include "conf/conf_near.h"
#include "conf/conf_value.h"

#include <stdlib.h>
#include <string.h>

/* SPEC WG-15. Mail from outside comes to servers of our own: it is shown our own certificates, and the inner servers may be
 * old. Mail from inside goes to servers of others: nobody can say whose authority the clients trust, so they are left
 * alone; who makes it `terminate` has settings for clients that may be old, and for servers that have to be good. */
static const struct preset {
	const char *setting, *value;
} incoming[] = {
	{ "tls", "terminate" }, { "tls_profile", "intermediate" }, { "upstream_tls_profile", "legacy" },
}, outgoing[] = {
	{ "tls", "passthrough" }, { "tls_profile", "legacy" }, { "upstream_tls_profile", "intermediate" },
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const struct preset *presets;
	size_t count;
	bool own_certificates; /* all there are */
} builtins[CONF_BUILTIN_ACTIONS] = {
	{ incoming, COUNT_OF(incoming), true },
	{ outgoing, COUNT_OF(outgoing), false },
};

const struct conf_builtin_action conf_builtin_actions[CONF_BUILTIN_ACTIONS] = {
	{ "Incoming", CONF_METHOD_TERMINATE },
	{ "Outgoing", CONF_METHOD_PASSTHROUGH },
};

static const struct conf_section *section_of_actions(void)
{
	return conf_schema_find(&conf_schema, "actions")->section;
}

/* --- the built-in ones, where they are used --- */

/* Where it is named first; line 0: nowhere. */
static struct conf_place first_use(const struct conf *c, const char *name)
{
	struct conf_place at = { 0, 0 };

	for (size_t i = 0; i < c->action_count && at.line == 0; i++) {
		char *const *inherit = &c->actions[i].inherit;

		if (*inherit != NULL && strcmp(*inherit, name) == 0)
			at = conf_place_of(c, inherit);
	}
	for (size_t i = 0; i < c->service_count && at.line == 0; i++) {
		const struct conf_service *s = &c->services[i];

		if (s->action != NULL && strcmp(s->action, name) == 0)
			at = conf_place_of(c, &s->action);
		for (size_t j = 0; j < s->rule_count && at.line == 0; j++) {
			if (s->rules[j].action != NULL && strcmp(s->rules[j].action, name) == 0)
				at = conf_place_of(c, &s->rules[j].action);
		}
	}
	return at;
}

static void list_certificates(const struct conf *c, struct conf_strings *list)
{
	list->at = mem_new((c->cert_count + 1) * sizeof(*list->at));
	list->count = c->cert_count;
	for (size_t i = 0; i < c->cert_count; i++)
		list->at[i] = mem_text(c->certs[i].name);
}

static void add_builtin(struct conf *c, size_t which)
{
	const struct conf_section *section = section_of_actions();
	struct conf_action *a = &c->actions[c->action_count++];
	struct why why;

	conf_value_preset(section, a);
	a->name = mem_text(conf_builtin_actions[which].name);
	a->builtin = true;
	for (size_t i = 0; i < builtins[which].count; i++) {
		const struct preset *p = &builtins[which].presets[i];
		const struct conf_setting *s = conf_schema_find(section, p->setting);

		must(conf_value_read(s, p->value, conf_schema_at(a, s), &why));
	}
	must(a->tls == conf_builtin_actions[which].tls);
	if (builtins[which].own_certificates)
		list_certificates(c, &a->certificates);
}

/* SPEC WG-14: they are what their name says, everywhere. */
static void add_builtins(struct conf *c, struct conf_report *r)
{
	for (size_t i = 0; i < CONF_BUILTIN_ACTIONS; i++) {
		const char *name = conf_builtin_actions[i].name;
		const struct conf_action *own = conf_action_find(c, name);
		struct conf_place use = first_use(c, name);

		if (own != NULL)
			conf_error(r, conf_place_of(c, &own->name), "actions.%s is built in and can't be changed; give "
				   "yours another name and write inherit: %s", name, name);
		else if (use.line != 0)
			add_builtin(c, i);
	}
}

/* --- inherit --- */

static bool inherits_itself(const struct conf *c, const struct conf_action *a)
{
	const struct conf_action *at = a;

	for (size_t steps = 0; at != NULL && steps < c->action_count; steps++) {
		at = conf_action_find(c, at->inherit);
		if (at == a)
			return true;
	}
	return false; /* a circle further up: reported for those that are on it */
}

static const void *member(const struct conf_action *a, const struct conf_setting *s)
{
	return conf_schema_at_const(a, s);
}

/* Whose certificate clients are shown is one question, with two settings for its answer. */
static bool answers(const struct conf *c, const struct conf_action *a, const struct conf_setting *s)
{
	bool shows = strcmp(s->name, "authority") == 0 || strcmp(s->name, "certificates") == 0;

	return conf_check_is_set(c, member(a, s)) ||
	       (shows && (conf_check_is_set(c, &a->authority) || conf_check_is_set(c, &a->certificates)));
}

/* The nearest that says something about it, or the built-in one at the end; NULL: none. Only what the file sets
 * itself is looked at, so the order in which actions are completed does not matter. */
static const struct conf_action *source_of(const struct conf *c, const struct conf_action *a,
					   const struct conf_setting *s)
{
	for (size_t steps = 0; a != NULL && steps <= c->action_count; steps++) {
		if (a->builtin || answers(c, a, s))
			return a;
		a = conf_action_find(c, a->inherit);
	}
	return NULL;
}

static void copy_list(struct conf_strings *to, const struct conf_strings *from)
{
	to->at = mem_new((from->count + 1) * sizeof(*to->at));
	to->count = from->count;
	for (size_t i = 0; i < from->count; i++)
		to->at[i] = mem_text(from->at[i]);
}

static void copy_value(const struct conf_setting *s, const struct conf_action *from, struct conf_action *to)
{
	void *into = conf_schema_at(to, s);
	char text[CONF_VALUE_MOST];
	const char *value;
	struct why why;

	if (s->type == CONF_TYPE_LIST) {
		copy_list(into, member(from, s));
		return;
	}
	value = conf_value_print(s, member(from, s), text);
	if (value != NULL)
		must(conf_value_read(s, value, into, &why));
}

/* Marks to be added when nobody looks for one any more. */
struct marks {
	struct conf_mark *all;
	size_t count;
};

static void put_mark(struct marks *m, const void *field, struct conf_place at)
{
	if (at.line == 0)
		return;
	m->all = mem_grow(m->all, (m->count + 1) * sizeof(*m->all));
	m->all[m->count++] = (struct conf_mark){ field, at };
}

/* What is inherited counts as set, where it was set. */
static void inherit_one(const struct conf *c, struct conf_action *a, const struct conf_setting *s, struct marks *m)
{
	const struct conf_action *from = source_of(c, a, s);
	const struct conf_strings *list;

	if (from == NULL || from == a || !conf_schema_applies(section_of_actions(), s, a))
		return;
	copy_value(s, from, a);
	put_mark(m, member(a, s), conf_place_of(c, member(from, s)));
	if (s->type != CONF_TYPE_LIST)
		return;
	list = member(from, s);
	for (size_t i = 0; i < list->count; i++)
		put_mark(m, &((const struct conf_strings *)member(a, s))->at[i], conf_place_of(c, &list->at[i]));
}

/* The method comes first: it says which of the others there are. */
static void inherit_all(struct conf *c, struct marks *m)
{
	const struct conf_section *section = section_of_actions();
	const struct conf_setting *method = conf_schema_find(section, section->by);

	for (size_t i = 0; i < c->action_count; i++) {
		struct conf_action *a = &c->actions[i];

		if (a->inherit == NULL)
			continue;
		inherit_one(c, a, method, m);
		for (size_t j = 0; j < section->count; j++) {
			const struct conf_setting *s = &section->settings[j];

			if (s != method && strcmp(s->name, "inherit") != 0)
				inherit_one(c, a, s, m);
		}
	}
}

static void check_names(const struct conf *c, struct conf_report *r)
{
	for (size_t i = 0; i < c->action_count; i++) {
		const struct conf_action *a = &c->actions[i];

		conf_check_action_name(c, r, &a->inherit);
		if (inherits_itself(c, a))
			conf_error(r, conf_check_place(c, &a->inherit, &a->name), "actions.%s inherits from itself; it "
				   "has to lead to another one", a->name);
	}
}

void conf_check_inherit(struct conf *c, struct conf_report *r)
{
	struct marks m = { NULL, 0 };

	add_builtins(c, r);
	check_names(c, r);
	inherit_all(c, &m);
	/* Messages about the built-in ones point to where they are named first. */
	for (size_t i = 0; i < c->action_count; i++) {
		if (c->actions[i].builtin)
			put_mark(&m, &c->actions[i].name, first_use(c, c->actions[i].name));
	}
	for (size_t i = 0; i < m.count; i++)
		conf_mark_add(c, m.all[i].field, m.all[i].at);
	free(m.all);
	conf_mark_sort(c);
}
