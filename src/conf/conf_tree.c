#include "conf/conf_tree.h"

#include "base/must.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
	yaml_parser_t yaml;
	yaml_event_t event; /* the current one; zeroed where there is none */
	struct span text;
	struct conf_report *report;
	size_t nodes;
};

static struct conf_place place(yaml_mark_t mark)
{
	return (struct conf_place){ (unsigned)mark.line + 1, (unsigned)mark.column + 1 };
}

void conf_tree_free(struct conf_node *n)
{
	/* As deep as CONF_TREE_DEPTH, no deeper. */
	while (n != NULL) {
		struct conf_node *behind = n->next;

		conf_tree_free(n->first);
		free(n->text);
		free(n->key);
		free(n);
		n = behind;
	}
}

bool conf_node_empty(const struct conf_node *n)
{
	return n->kind == CONF_KIND_SCALAR && !n->quoted && n->text[0] == '\0';
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The octet at a place; NUL behind the end. libyaml counts characters, not octets. */
static char octet_at(struct span text, struct conf_place at)
{
	struct span line;

	for (unsigned i = 1; i < at.line; i++)
		(void)span_cut(&text, '\n');
	line = text;
	for (unsigned i = 1; i < at.column && line.len > 0; i++) {
		do
			line = span_from(line, 1);
		while (line.len > 0 && is_continuation(line.at[0]));
	}
	return line.len > 0 ? line.at[0] : '\0';
}

static struct conf_place place_of_octet(struct span text, size_t offset)
{
	struct conf_place at = { 1, 1 };

	for (size_t i = 0; i < offset && i < text.len; i++) {
		if (text.at[i] == '\n')
			at = (struct conf_place){ at.line + 1, 1 };
		else if (!is_continuation(text.at[i]))
			at.column++;
	}
	return at;
}

/* libyaml's words are for those who know YAML's grammar; the two mistakes that everybody makes get
 * ours. */
static void report_syntax(struct reader *r)
{
	const char *problem = r->yaml.problem != NULL ? r->yaml.problem : "it is no YAML";
	const char *context = r->yaml.context != NULL ? r->yaml.context : "";
	struct conf_place at = place(r->yaml.problem_mark);

	must(r->yaml.error != YAML_MEMORY_ERROR);
	if (r->yaml.error == YAML_READER_ERROR) {
		at = place_of_octet(r->text, r->yaml.problem_offset);
		conf_error(r->report, at, "%s; the file has to be UTF-8 text", problem);
	} else if (octet_at(r->text, at) == '\t') {
		conf_error(r->report, at, "a tab stands here; YAML is indented with spaces");
	} else if (strcmp(context, "while scanning an alias") == 0) {
		conf_error(r->report, at, "a value that begins with an asterisk needs quotes; "
			   "write \"*:25\"");
	} else {
		conf_error(r->report, at, "this is no YAML: %s%s%s", problem,
			   context[0] != '\0' ? " " : "", context);
	}
}

static bool next(struct reader *r)
{
	yaml_event_delete(&r->event);
	if (yaml_parser_parse(&r->yaml, &r->event))
		return true;
	report_syntax(r);
	return false;
}

static struct conf_node *node_new(enum conf_kind kind, struct conf_place at)
{
	struct conf_node *n = mem_new(sizeof(*n));

	n->kind = kind;
	n->at = at;
	return n;
}

static void append(struct conf_node *parent, struct conf_node *child)
{
	if (parent->last != NULL)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	parent->count++;
}

/* A value may end in a path, in a log line or on the wire. */
static bool has_control(const unsigned char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] < 0x20 || text[i] == 0x7f)
			return true;
	}
	return false;
}

static struct conf_node *read_scalar(struct reader *r)
{
	struct conf_node *n = node_new(CONF_KIND_SCALAR, place(r->event.start_mark));

	if (has_control(r->event.data.scalar.value, r->event.data.scalar.length)) {
		conf_error(r->report, n->at, "this value holds a control character or goes over "
			   "several lines; it has to be one line of text");
		n->kind = CONF_KIND_BROKEN;
		return n;
	}
	n->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	n->text = mem_text((const char *)r->event.data.scalar.value);
	return n;
}

/* Anchors and tags; the node itself is read all the same. */
static void refuse_extras(struct reader *r)
{
	struct conf_place at = place(r->event.start_mark);
	const yaml_char_t *anchor = NULL;
	const yaml_char_t *tag = NULL;

	if (r->event.type == YAML_SCALAR_EVENT) {
		anchor = r->event.data.scalar.anchor;
		tag = r->event.data.scalar.tag;
	} else if (r->event.type == YAML_SEQUENCE_START_EVENT) {
		anchor = r->event.data.sequence_start.anchor;
		tag = r->event.data.sequence_start.tag;
	} else if (r->event.type == YAML_MAPPING_START_EVENT) {
		anchor = r->event.data.mapping_start.anchor;
		tag = r->event.data.mapping_start.tag;
	}
	if (anchor != NULL)
		conf_error(r->report, at, "the anchor &%s can't be used here; write the values out",
			   (const char *)anchor);
	if (tag != NULL)
		conf_error(r->report, at, "the tag %s can't be used here; leave it out",
			   (const char *)tag);
}

static struct conf_node *read_node(struct reader *r, unsigned depth);

static bool read_list(struct reader *r, struct conf_node *list, unsigned depth)
{
	while (next(r)) {
		struct conf_node *item;

		if (r->event.type == YAML_SEQUENCE_END_EVENT)
			return true;
		item = read_node(r, depth + 1);
		if (item == NULL)
			return false;
		append(list, item);
	}
	return false;
}

/* Reads a value and hangs it into the map under `key`, which it takes (NULL: the key was wrong). */
static bool read_member(struct reader *r, struct conf_node *map, struct conf_node *key,
			unsigned depth)
{
	struct conf_node *value = next(r) ? read_node(r, depth + 1) : NULL;

	if (value != NULL && key != NULL) {
		value->key = key->text;
		value->key_at = key->at;
		key->text = NULL;
		append(map, value);
	} else {
		conf_tree_free(value);
	}
	conf_tree_free(key);
	return value != NULL;
}

static bool read_key(struct reader *r, struct conf_node **out, unsigned depth)
{
	struct conf_node *key = read_node(r, depth + 1);

	*out = NULL;
	if (key == NULL)
		return false;
	if (key->kind == CONF_KIND_SCALAR && key->text[0] != '\0') {
		*out = key;
		return true;
	}
	if (key->kind != CONF_KIND_BROKEN)
		conf_error(r->report, key->at, "the name of a setting is missing here; write it "
			   "before the colon");
	conf_tree_free(key);
	return true;
}

static int by_key(const void *a, const void *b)
{
	const struct conf_node *x = *(struct conf_node *const *)a;
	const struct conf_node *y = *(struct conf_node *const *)b;
	int order = strcmp(x->key, y->key);

	if (order != 0)
		return order;
	if (x->key_at.line != y->key_at.line)
		return x->key_at.line < y->key_at.line ? -1 : 1;
	return x->key_at.column < y->key_at.column ? -1 : 1;
}

/* All but the first are reported and broken: nobody is to wonder which of them counts. */
static void refuse_twins(struct reader *r, struct conf_node *map)
{
	struct conf_node **all = mem_new((map->count + 1) * sizeof(struct conf_node *));
	size_t count = 0;

	for (struct conf_node *n = map->first; n != NULL; n = n->next)
		all[count++] = n;
	qsort(all, count, sizeof(struct conf_node *), by_key);
	for (size_t i = 1, first = 0; i < count; i++) {
		if (strcmp(all[first]->key, all[i]->key) != 0) {
			first = i;
			continue;
		}
		conf_error(r->report, all[i]->key_at, "%s stands here a second time, first in line "
			   "%u; keep one of them", all[i]->key, all[first]->key_at.line);
		all[i]->kind = CONF_KIND_BROKEN;
	}
	free(all);
}

static bool read_map(struct reader *r, struct conf_node *map, unsigned depth)
{
	while (next(r)) {
		struct conf_node *key;

		if (r->event.type == YAML_MAPPING_END_EVENT) {
			refuse_twins(r, map);
			return true;
		}
		if (!read_key(r, &key, depth) || !read_member(r, map, key, depth))
			return false;
	}
	return false;
}

static bool within_ceilings(struct reader *r, unsigned depth)
{
	struct conf_place at = place(r->event.start_mark);

	if (depth >= CONF_TREE_DEPTH) {
		conf_error(r->report, at, "this is nested deeper than %d; no setting is",
			   CONF_TREE_DEPTH);
		return false;
	}
	if (++r->nodes > CONF_TREE_NODES) {
		conf_error(r->report, at, "the file has more than %d values; that is the most",
			   CONF_TREE_NODES);
		return false;
	}
	return true;
}

/* The node that begins with the current event; ends on its last event. NULL: reading can't go on. */
static struct conf_node *read_node(struct reader *r, unsigned depth)
{
	struct conf_node *n;
	bool whole;

	if (!within_ceilings(r, depth))
		return NULL;
	refuse_extras(r);
	switch (r->event.type) {
	case YAML_SCALAR_EVENT:
		return read_scalar(r);
	case YAML_ALIAS_EVENT:
		n = node_new(CONF_KIND_BROKEN, place(r->event.start_mark));
		conf_error(r->report, n->at, "the alias *%s can't be used here; write the values "
			   "out, and text that begins with an asterisk in quotes",
			   (const char *)r->event.data.alias.anchor);
		return n;
	case YAML_SEQUENCE_START_EVENT:
		n = node_new(CONF_KIND_LIST, place(r->event.start_mark));
		whole = read_list(r, n, depth);
		break;
	default:
		must(r->event.type == YAML_MAPPING_START_EVENT);
		n = node_new(CONF_KIND_MAP, place(r->event.start_mark));
		whole = read_map(r, n, depth);
		break;
	}
	if (whole)
		return n;
	conf_tree_free(n);
	return NULL;
}

/* The one document and the end of the text behind it. */
static struct conf_node *read_stream(struct reader *r)
{
	struct conf_node *root;

	if (!next(r) || !next(r)) /* the start of the stream, and what follows it */
		return NULL;
	if (r->event.type == YAML_STREAM_END_EVENT)
		return node_new(CONF_KIND_MAP, (struct conf_place){ 1, 1 });
	if (!next(r))
		return NULL;
	root = read_node(r, 0);
	if (root == NULL)
		return NULL;
	if (!next(r) || !next(r)) { /* the end of the document, and what follows it */
		conf_tree_free(root);
		return NULL;
	}
	if (r->event.type != YAML_STREAM_END_EVENT)
		conf_error(r->report, place(r->event.start_mark), "a second document begins here; "
			   "the file has to be one");
	if (conf_node_empty(root)) {
		free(root->text);
		root->text = NULL;
		root->kind = CONF_KIND_MAP;
	}
	return root;
}

struct conf_node *conf_tree_read(struct span text, struct conf_report *report)
{
	struct span mark = SPAN("\xef\xbb\xbf"); /* some editors put it in front */
	struct reader r = { .report = report };
	struct conf_node *root;

	if (span_eq(span_first(text, mark.len), mark))
		text = span_from(text, mark.len);
	r.text = text;
	must(yaml_parser_initialize(&r.yaml));
	/* Said here, so that the text is not taken for UTF-16. */
	yaml_parser_set_encoding(&r.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.yaml, (const unsigned char *)text.at, text.len);
	root = read_stream(&r);
	yaml_event_delete(&r.event);
	yaml_parser_delete(&r.yaml);
	return root;
}
