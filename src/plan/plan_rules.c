#include "base/must.h"
#include "conf/conf_date.h"
#include "plan/plan_build.h"
#include "plan/plan_list.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* conf may not include policy, so it has the same words once more. */
#define SAME(a, b) static_assert((int)(a) == (int)(b), #a)
SAME(CONF_LEVEL_UNSET, POLICY_LEVEL_UNSET);
SAME(CONF_LEVEL_NONE, POLICY_LEVEL_NONE);
SAME(CONF_LEVEL_MAY, POLICY_LEVEL_MAY);
SAME(CONF_LEVEL_ENCRYPT, POLICY_LEVEL_ENCRYPT);
SAME(CONF_LEVEL_VERIFY, POLICY_LEVEL_VERIFY);
SAME(CONF_LEVEL_DANE, POLICY_LEVEL_DANE);
SAME(CONF_LEVEL_MIRROR, POLICY_LEVEL_MIRROR);
SAME(CONF_DIRECTION_BOTH, POLICY_BOTH_WAYS);
SAME(CONF_DIRECTION_OUTBOUND, POLICY_OUTBOUND);
SAME(CONF_DIRECTION_INBOUND, POLICY_INBOUND);
SAME(CONF_PARTNER_CLIENT_UNSET, POLICY_CLIENT_UNSET);
SAME(CONF_PARTNER_CLIENT_REQUIRED, POLICY_CLIENT_REQUIRED);
SAME(CONF_PARTNER_CLIENT_OPTIONAL, POLICY_CLIENT_OPTIONAL);
SAME(CONF_PARTNER_CLIENT_NONE, POLICY_CLIENT_NONE);
SAME(CONF_PARTNER_UPSTREAM_UNSET, POLICY_UPSTREAM_UNSET);
SAME(CONF_PARTNER_UPSTREAM_REQUIRED, POLICY_UPSTREAM_REQUIRED);
SAME(CONF_PARTNER_UPSTREAM_PREFERRED, POLICY_UPSTREAM_PREFERRED);
SAME(CONF_PARTNER_UPSTREAM_ALLOWED, POLICY_UPSTREAM_ALLOWED);
SAME(CONF_PARTNER_UPSTREAM_NONE, POLICY_UPSTREAM_NONE);

#define ORIGIN_MOST (POLICY_TEXT_MOST + 1)

struct policy_rule plan_rule_of(const struct conf_partner *p)
{
	struct policy_rule r = {
		.client = (enum policy_client)p->client, .upstream = (enum policy_upstream)p->upstream,
		.outbound = (enum policy_level)p->outbound, .inbound = (enum policy_level)p->inbound,
		.min_bits = p->min_bits, .certificate = p->certificate,
		.permanent = p->on_failure == CONF_FAILURE_PERMANENT, .report = p->report,
		.direction = (enum policy_direction)p->direction, .expires = p->expires, .why = p->why,
	};

	/* The schema takes no more than that. */
	must(p->names.count <= POLICY_NAMES_MOST);
	for (size_t i = 0; i < p->names.count; i++)
		r.names[r.name_count++] = p->names.at[i];
	return r;
}

/* "/etc/sallyport.yaml:14"; of a path that is too long the end is what tells. */
static void set_origin(struct policy_rule *r, const char *path, unsigned line, char origin[ORIGIN_MOST])
{
	const size_t most = ORIGIN_MOST - 16;
	size_t len = strlen(path);

	snprintf(origin, ORIGIN_MOST, "%s:%u", len > most ? path + len - most : path, line);
	r->origin = origin;
}

static void note_expired(const struct plan_build *b, const struct conf_partner *p, const char *section)
{
	char date[CONF_DATE_MOST];

	if (p->expires == 0 || b->now < p->expires)
		return;
	conf_date_print(p->expires, date);
	conf_warning(b->report, plan_place(b, &p->expires, &p->name), "%s.%s has expired (%s), so it is as if it were not "
		     "there; take it out", section, p->name, date);
}

static void add_partner(const struct plan_build *b, struct policy_table_maker *m, const struct conf_partner *p)
{
	const struct conf *c = b->plan->conf;
	struct conf_place at = conf_place_of(c, &p->name);
	struct policy_rule r = plan_rule_of(p);
	char origin[ORIGIN_MOST];
	struct why why;

	r.key = p->name;
	set_origin(&r, c->path, at.line, origin);
	if (!policy_table_add(m, &r, &why))
		conf_error(b->report, at, "partners.%s: %s", p->name, why.text);
	note_expired(b, p, "partners");
}

static bool add_item(struct policy_table_maker *m, const struct conf_partner *p, const struct plan_list_item *item,
		     unsigned line, struct why *why)
{
	struct policy_rule r = plan_rule_of(p);
	char key[POLICY_TEXT_MOST + 1];
	char origin[ORIGIN_MOST];

	if (item->key.len >= sizeof(key)) {
		why_set(why, FAULT_POLICY, "a key has at most %d octets", POLICY_TEXT_MOST);
		return false;
	}
	memcpy(key, item->key.at, item->key.len);
	key[item->key.len] = '\0';
	r.key = key;
	set_origin(&r, p->file, line, origin);
	if (item->has_bits)
		r.min_bits = item->bits;
	if (r.outbound == POLICY_LEVEL_NONE && r.min_bits > 0) {
		why_set(why, FAULT_POLICY, "%s has bits, and outbound of the list is none", key);
		return false;
	}
	return policy_table_add(m, &r, why);
}

static void add_list(const struct plan_build *b, struct policy_table_maker *m, const struct conf_partner *p)
{
	struct conf_place at = plan_place(b, &p->file, &p->name);
	struct plan_list_item item;
	enum plan_list_next next;
	struct plan_list list;
	struct span file;
	struct why why;

	note_expired(b, p, "partner_lists");
	if (p->file == NULL)
		return; /* missing: reported by conf */
	if (!conf_source_read(b->source, p->file, &file, &why)) {
		conf_error(b->report, at, "partner_lists.%s.file: %s can't be read: %s", p->name, p->file, why.text);
		return;
	}
	plan_list_begin(&list, file);
	while ((next = plan_list_next(&list, &item, &why)) != PLAN_LIST_END) {
		if (next == PLAN_LIST_BAD || !add_item(m, p, &item, list.line, &why))
			conf_error(b->report, at, "partner_lists.%s: %s:%u: %s", p->name, p->file, list.line, why.text);
	}
}

static struct policy_table *make_table(const struct plan_build *b)
{
	struct policy_table_maker *m = policy_table_begin();
	const struct conf *c = b->plan->conf;

	for (size_t i = 0; i < c->partner_count; i++)
		add_partner(b, m, &c->partners[i]);
	for (size_t i = 0; i < c->list_count; i++)
		add_list(b, m, &c->lists[i]);
	return policy_table_end(m, b->plan->generation);
}

void plan_rules_make(struct plan_build *b)
{
	b->plan->rules = make_table(b);
}

struct policy_table *plan_rules_read(struct conf *conf, struct conf_source *source, int64_t now, struct conf_report *report)
{
	struct plan p = { .conf = conf };
	const struct plan_build b = { .plan = &p, .source = source, .now = now, .report = report };

	return make_table(&b);
}

bool plan_rules_offer_none(const struct plan *p, enum policy_direction d)
{
	/* The null reverse-path is nobody's but "*". What ends some day is looked at when a client asks. */
	const struct policy_rule *star = policy_table_find(p->rules, SPAN(""), d, 0);

	return star != NULL && star->client == POLICY_CLIENT_NONE && star->expires == 0;
}

/* --- with those of the database --- */

/* Of no table that has others. */
static bool is_fine_alone(const struct policy_rule *r)
{
	struct policy_table_maker *m = policy_table_begin();
	struct why why;
	bool fine = policy_table_add(m, r, &why);

	policy_table_release(policy_table_end(m, 0));
	return fine;
}

static bool add_decoded(struct policy_table_maker *m, struct span *octets, size_t *count, struct why *why)
{
	struct policy_rule r;
	bool added, good;

	if (!policy_rule_decode(octets, &r, why))
		return false;
	added = policy_table_add(m, &r, why);
	*count += added;
	/* That the file has its key is no fault of it. */
	good = added || (*count < POLICY_RULES_MOST && is_fine_alone(&r));
	policy_rule_free(&r);
	return good;
}

struct policy_table *plan_rules_with(const struct plan *p, struct span octets, uint64_t generation, struct why *why)
{
	struct policy_table_maker *m = policy_table_begin();
	size_t count = policy_table_count(p->rules);
	bool good = true;

	*why = (struct why){ .fault = FAULT_NONE };
	for (size_t i = 0; i < count; i++)
		must(policy_table_add(m, policy_table_at(p->rules, i), why));
	while (octets.len > 0 && good)
		good = add_decoded(m, &octets, &count, why);
	if (good)
		*why = (struct why){ .fault = FAULT_NONE };
	return policy_table_end(m, generation);
}
