/* conf/conf_tree.h
 * A YAML document as a tree of nodes, each with its place. It knows no setting and no type: a
 * scalar is its text. Anchors, aliases, tags and further documents are errors, so the
 * tree is never larger than the text; depth and number of nodes have ceilings of their own. */
#ifndef CONF_TREE_H
#define CONF_TREE_H

#include "conf/conf.h"

#define CONF_TREE_DEPTH 12
#define CONF_TREE_NODES 100000

enum conf_kind {
	CONF_KIND_SCALAR,
	CONF_KIND_LIST,
	CONF_KIND_MAP,
	CONF_KIND_BROKEN, /* an error was reported for it already */
};

struct conf_node {
	enum conf_kind kind;
	struct conf_place at;
	char *text;               /* of a scalar; holds no control character */
	bool quoted;
	char *key;                /* where the node is a member of a map; keys differ */
	struct conf_place key_at;
	struct conf_node *first, *last, *next;
	size_t count;             /* of children */
};

/* Reports all that is wrong; NULL only where the text is no YAML at all or above a ceiling. An empty text
 * gives an empty map at 1:1. */
MUST_CHECK struct conf_node *conf_tree_read(struct span text, struct conf_report *report);
void conf_tree_free(struct conf_node *n);

/* No value was written: `listen:`. A quoted "" is a value. */
bool conf_node_empty(const struct conf_node *n);

#endif
