#include "policy/policy_rule.h"

#include "base/must.h"
#include "policy/policy_key.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

/* One allocation holds the rule's form for comparing; the strings are the rule's. */
struct row {
	struct policy_rule rule;
	size_t key_len;
	char key[];
};

/* The tree only tells equal keys apart while rules are added; the array is what is looked up in. */
struct policy_table_maker {
	struct row **rows;
	size_t count, room;
	void *tree;
};

struct policy_table {
	struct row **rows; /* sorted by key */
	size_t count;
	const struct policy_rule **kinds;
	size_t kind_count;
	uint64_t generation;
	unsigned refs;
};

static struct span key_of(const struct row *e)
{
	return span_of(e->key, e->key_len);
}

static int compare_rows(const void *a, const void *b)
{
	return policy_key_compare(key_of(a), key_of(b));
}

static int compare_places(const void *a, const void *b)
{
	return compare_rows(*(struct row *const *)a, *(struct row *const *)b);
}

static int compare_with_place(const void *key, const void *place)
{
	return policy_key_compare(*(const struct span *)key, key_of(*(struct row *const *)place));
}

static char *copy_text(const char *text)
{
	return text != NULL ? mem_text(text) : NULL;
}

static void copy_rule(struct policy_rule *to, const struct policy_rule *from)
{
	must(from->key != NULL && from->origin != NULL);
	must(from->name_count <= POLICY_NAMES_MOST);
	*to = *from;
	to->key = mem_text(from->key);
	to->origin = mem_text(from->origin);
	to->certificate = copy_text(from->certificate);
	to->why = copy_text(from->why);
	for (unsigned i = 0; i < from->name_count; i++)
		to->names[i] = mem_text(from->names[i]);
}

void policy_rule_free(struct policy_rule *r)
{
	free(r->key);
	free(r->origin);
	free(r->certificate);
	free(r->why);
	for (unsigned i = 0; i < r->name_count; i++)
		free(r->names[i]);
	*r = (struct policy_rule){ 0 };
}

static void row_free(struct row *e)
{
	policy_rule_free(&e->rule);
	free(e);
}

struct policy_table_maker *policy_table_begin(void)
{
	return mem_new(sizeof(struct policy_table_maker));
}

static struct row *row_new(const struct policy_key *key)
{
	struct row *e = mem_new(sizeof(*e) + key->len);

	e->key_len = key->len;
	memcpy(e->key, key->at, key->len);
	return e;
}

static void append(struct policy_table_maker *m, struct row *e)
{
	if (m->count == m->room) {
		m->room = m->room > 0 ? 2 * m->room : 16;
		m->rows = mem_grow(m->rows, m->room * sizeof(*m->rows));
	}
	m->rows[m->count++] = e;
}

/* Of "path:line" the end is what tells. */
static const char *end_of(const char *origin)
{
	const size_t most = 80;
	size_t len = strlen(origin);

	return len > most ? origin + len - most : origin;
}

bool policy_table_add(struct policy_table_maker *m, const struct policy_rule *rule, struct why *why)
{
	struct row *e, **found;
	struct policy_key key;

	if (!policy_rule_check(rule, why))
		return false;
	must(policy_key_read(span_str(rule->key), &key));
	if (m->count >= POLICY_RULES_MOST) {
		why_set(why, FAULT_POLICY, "more than %u rules", POLICY_RULES_MOST);
		return false;
	}
	e = row_new(&key);
	found = tsearch(e, &m->tree, compare_rows);
	must(found != NULL);
	if (*found != e) {
		why_set(why, FAULT_POLICY, "\"%.60s\" is the same as \"%.60s\" of %s", rule->key, (*found)->rule.key,
			end_of((*found)->rule.origin));
		row_free(e);
		return false;
	}
	copy_rule(&e->rule, rule);
	append(m, e);
	return true;
}

static void leave(void *row)
{
	(void)row; /* the array has it */
}

static bool same_kind(const struct policy_rule *a, const struct policy_rule *b)
{
	return a->client == b->client && a->upstream == b->upstream && a->outbound == b->outbound &&
	       a->min_bits == b->min_bits && a->permanent == b->permanent && a->report == b->report &&
	       a->direction == b->direction && (a->why != NULL) == (b->why != NULL);
}

/* Tables are long where lists are, and those of a list are of few kinds. */
static void find_kinds(struct policy_table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct policy_rule *r = &t->rows[i]->rule;
		size_t k = 0;

		while (k < t->kind_count && !same_kind(t->kinds[k], r))
			k++;
		if (k < t->kind_count)
			continue;
		t->kinds = mem_grow(t->kinds, (t->kind_count + 1) * sizeof(const struct policy_rule *));
		t->kinds[t->kind_count++] = r;
	}
}

struct policy_table *policy_table_end(struct policy_table_maker *m, uint64_t generation)
{
	struct policy_table *t = mem_new(sizeof(*t));

	tdestroy(m->tree, leave);
	if (m->count > 0)
		qsort(m->rows, m->count, sizeof(*m->rows), compare_places);
	t->rows = m->rows;
	t->count = m->count;
	t->generation = generation;
	t->refs = 1;
	find_kinds(t);
	free(m);
	return t;
}

struct policy_table *policy_table_hold(struct policy_table *t)
{
	t->refs++;
	return t;
}

void policy_table_release(struct policy_table *t)
{
	if (t == NULL)
		return;
	must(t->refs > 0);
	if (--t->refs > 0)
		return;
	for (size_t i = 0; i < t->count; i++)
		row_free(t->rows[i]);
	free(t->rows);
	free(t->kinds);
	free(t);
}

uint64_t policy_table_generation(const struct policy_table *t)
{
	return t->generation;
}

size_t policy_table_count(const struct policy_table *t)
{
	return t->count;
}

const struct policy_rule *policy_table_at(const struct policy_table *t, size_t i)
{
	must(i < t->count);
	return &t->rows[i]->rule;
}

size_t policy_table_kinds(const struct policy_table *t)
{
	return t->kind_count;
}

const struct policy_rule *policy_table_kind(const struct policy_table *t, size_t i)
{
	must(i < t->kind_count);
	return t->kinds[i];
}

static bool holds(const struct policy_rule *r, enum policy_direction direction, int64_t now)
{
	if (r->direction != POLICY_BOTH_WAYS && direction != POLICY_BOTH_WAYS && r->direction != direction)
		return false;
	return r->expires == 0 || now < r->expires;
}

const struct policy_rule *policy_table_find(const struct policy_table *t, struct span address,
					    enum policy_direction direction, int64_t now)
{
	struct policy_keys keys;

	if (t->count == 0)
		return NULL;
	policy_keys_of(&keys, address);
	for (unsigned i = 0; i < keys.count; i++) {
		struct row **found = bsearch(&keys.at[i], t->rows, t->count, sizeof(struct row *),
					       compare_with_place);

		if (found != NULL && holds(&(*found)->rule, direction, now))
			return &(*found)->rule;
	}
	return NULL;
}

const char *policy_level_name(enum policy_level level)
{
	static const char *const names[] = {
		[POLICY_LEVEL_UNSET] = "unset",
		[POLICY_LEVEL_NONE] = "none",
		[POLICY_LEVEL_MAY] = "may",
		[POLICY_LEVEL_ENCRYPT] = "encrypt",
		[POLICY_LEVEL_VERIFY] = "verify",
		[POLICY_LEVEL_DANE] = "dane",
		[POLICY_LEVEL_MIRROR] = "mirror",
	};

	return names[level];
}

const char *policy_direction_name(enum policy_direction d)
{
	static const char *const names[] = {
		[POLICY_BOTH_WAYS] = "both",
		[POLICY_OUTBOUND] = "outbound",
		[POLICY_INBOUND] = "inbound",
	};

	return names[d];
}
