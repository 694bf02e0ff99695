#include "store/store_partners.h"

#include "base/must.h"
#include "policy/policy_key.h"
#include "store/store_sqlite.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct store_partners {
	struct store_sqlite sqlite;
	sqlite3_stmt *list, *put, *remove, *count, *generation, *grow, *version;
	bool asked;       /* for the version, once */
	int64_t last;     /* what it was then */
};

/* The numbers are those of the enums in policy_rule.h. The generation begins at a time in milliseconds: a database
 * that was removed and made anew counts on from above the old one. */
static const char *const steps[] = {
	"CREATE TABLE rule (key BLOB PRIMARY KEY, written TEXT NOT NULL, client INTEGER NOT NULL, upstream INTEGER NOT NULL,"
	" outbound INTEGER NOT NULL, inbound INTEGER NOT NULL, min_bits INTEGER NOT NULL, names TEXT NOT NULL,"
	" certificate TEXT, permanent INTEGER NOT NULL, report INTEGER NOT NULL, direction INTEGER NOT NULL,"
	" expires INTEGER NOT NULL, why TEXT) WITHOUT ROWID;"
	"CREATE TABLE generation (number INTEGER NOT NULL);"
	"INSERT INTO generation VALUES (strftime('%s', 'now') * 1000);",
};

static const char sql_list[] =
	"SELECT written, client, upstream, outbound, inbound, min_bits, names, certificate, permanent, report, direction,"
	" expires, why FROM rule ORDER BY key";
static const char sql_put[] =
	"INSERT OR REPLACE INTO rule (written, client, upstream, outbound, inbound, min_bits, names, certificate, permanent,"
	" report, direction, expires, why, key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

static bool prepare(struct store_partners *s, struct why *why)
{
	struct {
		sqlite3_stmt **st;
		const char *sql;
	} all[] = {
		{ &s->list, sql_list },
		{ &s->put, sql_put },
		{ &s->remove, "DELETE FROM rule WHERE key = ?1" },
		{ &s->count, "SELECT count(*) FROM rule WHERE key <> ?1" },
		{ &s->generation, "SELECT number FROM generation" },
		{ &s->grow, "UPDATE generation SET number = number + 1" },
		{ &s->version, "PRAGMA data_version" },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		*all[i].st = store_sqlite_prepare(&s->sqlite, all[i].sql, why);
		if (*all[i].st == NULL)
			return false;
	}
	return true;
}

struct store_partners *store_partners_open(const char *folder, struct why *why)
{
	struct store_partners *s = mem_new(sizeof(*s));
	int step_count = sizeof(steps) / sizeof(steps[0]);

	if (store_sqlite_open(&s->sqlite, folder, STORE_PARTNERS_FILE, steps, step_count, why) && prepare(s, why))
		return s;
	store_partners_free(s);
	return NULL;
}

void store_partners_free(struct store_partners *s)
{
	if (s == NULL)
		return;
	sqlite3_finalize(s->list);
	sqlite3_finalize(s->put);
	sqlite3_finalize(s->remove);
	sqlite3_finalize(s->count);
	sqlite3_finalize(s->generation);
	sqlite3_finalize(s->grow);
	sqlite3_finalize(s->version);
	store_sqlite_close(&s->sqlite);
	free(s);
}

/* What a text in the database may be: whoever can write the file is not believed either. NULL: none. */
static char *text_at(sqlite3_stmt *st, int at)
{
	struct span text = store_sqlite_column(st, at);
	char *copy;

	if (sqlite3_column_type(st, at) == SQLITE_NULL || span_find(text, '\0') < text.len)
		return NULL;
	copy = mem_new(text.len + 1);
	if (text.len > 0)
		memcpy(copy, text.at, text.len);
	return copy;
}

static unsigned number_at(sqlite3_stmt *st, int at, unsigned most, bool *good)
{
	sqlite3_int64 n = sqlite3_column_int64(st, at);

	*good = *good && n >= 0 && n <= (sqlite3_int64)most;
	return *good ? (unsigned)n : 0;
}

static bool read_names(sqlite3_stmt *st, int at, struct policy_rule *r)
{
	struct span rest = store_sqlite_column(st, at);

	while (rest.len > 0) {
		struct span name = span_cut(&rest, ' ');
		char *copy;

		if (name.len == 0 || r->name_count == POLICY_NAMES_MOST || span_find(name, '\0') < name.len)
			return false;
		copy = mem_new(name.len + 1);
		memcpy(copy, name.at, name.len);
		r->names[r->name_count++] = copy;
	}
	return true;
}

/* In either case `r` is to be freed. */
static bool read_rule(sqlite3_stmt *st, struct policy_rule *r, struct why *why)
{
	bool good = true;

	*r = (struct policy_rule){ .key = text_at(st, 0), .origin = mem_text(STORE_PARTNERS_FILE) };
	r->client = number_at(st, 1, POLICY_CLIENT_NONE, &good);
	r->upstream = number_at(st, 2, POLICY_UPSTREAM_NONE, &good);
	r->outbound = number_at(st, 3, POLICY_LEVEL_MIRROR, &good);
	r->inbound = number_at(st, 4, POLICY_LEVEL_ENCRYPT, &good);
	r->min_bits = number_at(st, 5, UINT_MAX, &good);
	good = read_names(st, 6, r) && good;
	r->certificate = text_at(st, 7);
	r->permanent = number_at(st, 8, 1, &good) == 1;
	r->report = number_at(st, 9, 1, &good) == 1;
	r->direction = number_at(st, 10, POLICY_INBOUND, &good);
	r->expires = sqlite3_column_int64(st, 11);
	r->why = text_at(st, 12);
	if (good && r->key != NULL)
		return policy_rule_check(r, why);
	why_set(why, FAULT_SYSTEM, "a rule in %s is not one that Sallyport has written", STORE_PARTNERS_FILE);
	return false;
}

/* Calls `each` for the rules that are fit; `spoilt` tells the last that is not. */
static bool walk(struct store_partners *s, store_partners_each *each, void *arg, struct why *spoilt, struct why *why)
{
	int result;

	while ((result = sqlite3_step(s->list)) == SQLITE_ROW) {
		struct policy_rule rule;

		if (read_rule(s->list, &rule, spoilt))
			each(arg, &rule);
		policy_rule_free(&rule);
	}
	sqlite3_reset(s->list);
	if (result == SQLITE_DONE)
		return true;
	store_sqlite_why(&s->sqlite, why);
	return false;
}

bool store_partners_list(struct store_partners *s, store_partners_each *each, void *arg, struct why *why)
{
	struct why spoilt;

	return walk(s, each, arg, &spoilt, why);
}

struct octets {
	struct buf *out;
	bool full;
};

static void put_octets(void *arg, const struct policy_rule *rule)
{
	struct octets *o = arg;

	o->full = !policy_rule_encode(rule, o->out) || o->full;
}

bool store_partners_octets(struct store_partners *s, struct buf *out, uint64_t *generation, struct why *why)
{
	struct octets o = { .out = out };
	struct why spoilt = { .fault = FAULT_NONE };
	bool good;

	if (!store_sqlite_run(&s->sqlite, "BEGIN", why))
		return false;
	good = store_partners_generation(s, generation, why) && walk(s, put_octets, &o, &spoilt, why);
	store_sqlite_undo(&s->sqlite);
	if (good && spoilt.fault != FAULT_NONE)
		*why = spoilt;
	if (good && o.full)
		why_set(why, FAULT_SYSTEM, "%s has more rules than can be handed on", STORE_PARTNERS_FILE);
	/* What a rule asks for that can't be read nobody knows: without it mail could go at a weaker level (law 6). */
	return good && !o.full && spoilt.fault == FAULT_NONE;
}

bool store_partners_generation(struct store_partners *s, uint64_t *generation, struct why *why)
{
	bool good = sqlite3_step(s->generation) == SQLITE_ROW;

	if (good)
		*generation = (uint64_t)sqlite3_column_int64(s->generation, 0);
	else
		store_sqlite_why(&s->sqlite, why);
	sqlite3_reset(s->generation);
	return good;
}

bool store_partners_changed(struct store_partners *s)
{
	int64_t now = s->last;
	bool changed;

	if (sqlite3_step(s->version) == SQLITE_ROW)
		now = sqlite3_column_int64(s->version, 0);
	sqlite3_reset(s->version);
	changed = !s->asked || now != s->last;
	s->asked = true;
	s->last = now;
	return changed;
}

/* Of a statement that changes rows: true where it did its work. */
static bool run_once(struct store_partners *s, sqlite3_stmt *st, struct why *why)
{
	bool good = sqlite3_step(st) == SQLITE_DONE;

	if (!good)
		store_sqlite_why(&s->sqlite, why);
	sqlite3_reset(st);
	return good;
}

static bool has_room(struct store_partners *s, const struct policy_key *key, struct why *why)
{
	bool good;

	store_sqlite_bind_span(s->count, 1, span_of(key->at, key->len));
	good = sqlite3_step(s->count) == SQLITE_ROW;
	if (!good)
		store_sqlite_why(&s->sqlite, why);
	else if (sqlite3_column_int64(s->count, 0) >= POLICY_RULES_MOST) {
		why_set(why, FAULT_POLICY, "there are %d rules, which is the most", POLICY_RULES_MOST);
		good = false;
	}
	sqlite3_reset(s->count);
	return good;
}

static bool remove_key(struct store_partners *s, const struct policy_key *key, bool *was_there, struct why *why)
{
	bool good;

	store_sqlite_bind_span(s->remove, 1, span_of(key->at, key->len));
	good = run_once(s, s->remove, why);
	*was_there = good && sqlite3_changes(s->sqlite.db) > 0;
	return good;
}

static void join_names(const struct policy_rule *r, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < r->name_count; i++) {
		size_t more = strlen(r->names[i]);

		must(len + 1 + more < size);
		if (i > 0)
			out[len++] = ' ';
		memcpy(out + len, r->names[i], more + 1);
		len += more;
	}
}

static bool insert(struct store_partners *s, const struct policy_rule *r, const struct policy_key *key,
		   struct why *why)
{
	char names[POLICY_NAMES_MOST * POLICY_NAME_MOST];
	const int numbers[][2] = {
		{ 2, (int)r->client }, { 3, (int)r->upstream }, { 4, (int)r->outbound }, { 5, (int)r->inbound },
		{ 9, r->permanent }, { 10, r->report }, { 11, (int)r->direction },
	};

	join_names(r, names, sizeof(names));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		must(sqlite3_bind_int(s->put, numbers[i][0], numbers[i][1]) == SQLITE_OK);
	must(sqlite3_bind_int64(s->put, 6, r->min_bits) == SQLITE_OK);
	must(sqlite3_bind_int64(s->put, 12, r->expires) == SQLITE_OK);
	store_sqlite_bind_text(s->put, 1, r->key);
	store_sqlite_bind_text(s->put, 7, names);
	store_sqlite_bind_text(s->put, 8, r->certificate);
	store_sqlite_bind_text(s->put, 13, r->why);
	store_sqlite_bind_span(s->put, 14, span_of(key->at, key->len));
	return run_once(s, s->put, why);
}

/* Ends the transaction that a change is in. */
static bool finish(struct store_partners *s, bool good, struct why *why)
{

	if (good && run_once(s, s->grow, why) && store_sqlite_run(&s->sqlite, "COMMIT", why))
		return true;
	store_sqlite_undo(&s->sqlite);
	return false;
}

static bool names_are_plain(const struct policy_rule *r, struct why *why)
{
	for (unsigned i = 0; i < r->name_count; i++) {
		if (strchr(r->names[i], ' ') == NULL)
			continue;
		why_set(why, FAULT_POLICY, "\"%.100s\" is no name of a certificate", r->names[i]);
		return false;
	}
	return true;
}

bool store_partners_put(struct store_partners *s, const struct policy_rule *rule, bool *was_there, struct why *why)
{
	struct policy_rule checked = *rule;
	struct policy_key key;

	*was_there = false;
	checked.origin = (char[]){ STORE_PARTNERS_FILE };
	if (!policy_rule_check(&checked, why) || !names_are_plain(rule, why))
		return false;
	must(policy_key_read(span_str(rule->key), &key));
	if (!store_sqlite_run(&s->sqlite, "BEGIN IMMEDIATE", why))
		return false;
	return finish(s, has_room(s, &key, why) && remove_key(s, &key, was_there, why) &&
			 insert(s, rule, &key, why), why);
}

bool store_partners_remove(struct store_partners *s, struct span key, bool *was_there, struct why *why)
{
	struct policy_key folded;

	*was_there = false;
	if (!policy_key_read(key, &folded))
		return true;
	if (!store_sqlite_run(&s->sqlite, "BEGIN IMMEDIATE", why))
		return false;
	return finish(s, remove_key(s, &folded, was_there, why), why);
}
