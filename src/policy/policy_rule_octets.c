#include "base/must.h"
#include "base/wire.h"
#include "policy/policy_key.h"
#include "policy/policy_rule.h"

#include <limits.h>
#include <string.h>

/* One rule at its longest: four texts, the names, and less than 64 octets of numbers. */
#define OCTETS_MOST (4 * (2 + POLICY_TEXT_MOST) + POLICY_NAMES_MOST * (2 + POLICY_NAME_MOST) + 64)

static bool text_ok(const char *text, size_t most)
{
	struct span s = span_str(text);

	return s.len > 0 && s.len <= most && wire_text_ok(s);
}

static bool optional_ok(const char *text)
{
	return text == NULL || text_ok(text, POLICY_TEXT_MOST);
}

static bool names_ok(const struct policy_rule *r)
{
	if (r->name_count > POLICY_NAMES_MOST)
		return false;
	for (unsigned i = 0; i < r->name_count; i++) {
		if (!text_ok(r->names[i], POLICY_NAME_MOST - 1))
			return false;
	}
	return true;
}

bool policy_rule_check(const struct policy_rule *r, struct why *why)
{
	struct policy_key key;

	if (!policy_key_read(span_str(r->key), &key)) {
		why_set(why, FAULT_POLICY, "\"%.100s\" is no address, domain, .domain, *.domain, *@domain or *", r->key);
		return false;
	}
	if (r->inbound > POLICY_LEVEL_ENCRYPT) {
		why_set(why, FAULT_POLICY, "inbound of the rule for \"%.100s\" is %s; it can be none, may or encrypt", r->key,
			policy_level_name(r->inbound));
		return false;
	}
	if (text_ok(r->key, POLICY_TEXT_MOST) && text_ok(r->origin, POLICY_TEXT_MOST) &&
	    optional_ok(r->certificate) && optional_ok(r->why) && names_ok(r) && r->expires >= 0)
		return true;
	why_set(why, FAULT_POLICY, "the rule for \"%.100s\" has a text that is empty, longer than %u octets or holds control characters",
		r->key, POLICY_TEXT_MOST);
	return false;
}

static void put_optional(struct buf *b, const char *text)
{
	wire_put_text(b, text != NULL ? text : "");
}

bool policy_rule_encode(const struct policy_rule *r, struct buf *out)
{
	struct buf b;
	struct why why;
	bool put;

	if (!policy_rule_check(r, &why))
		return false;
	buf_init(&b, OCTETS_MOST);
	wire_put_text(&b, r->key);
	wire_put_text(&b, r->origin);
	wire_put_number(&b, r->client, 1);
	wire_put_number(&b, r->upstream, 1);
	wire_put_number(&b, r->outbound, 1);
	wire_put_number(&b, r->inbound, 1);
	wire_put_number(&b, r->min_bits, 4);
	wire_put_number(&b, r->name_count, 1);
	for (unsigned i = 0; i < r->name_count; i++)
		wire_put_text(&b, r->names[i]);
	put_optional(&b, r->certificate);
	wire_put_number(&b, r->permanent, 1);
	wire_put_number(&b, r->report, 1);
	wire_put_number(&b, r->direction, 1);
	wire_put_number(&b, (uint64_t)r->expires, 8);
	put_optional(&b, r->why);
	put = buf_put(out, buf_peek(&b));
	buf_free(&b);
	return put;
}

/* Never empty: as much is not written. */
static char *take_text(struct wire *w, size_t most)
{
	char text[POLICY_TEXT_MOST + 1];

	wire_text(w, text, most + 1);
	return mem_text(text);
}

static char *take_optional(struct wire *w)
{
	char text[POLICY_TEXT_MOST + 1];

	wire_text(w, text, sizeof(text));
	return text[0] != '\0' ? mem_text(text) : NULL;
}

static void take_names(struct wire *w, struct policy_rule *r)
{
	unsigned count = (unsigned)wire_most(w, 1, POLICY_NAMES_MOST);

	while (r->name_count < count && !w->bad)
		r->names[r->name_count++] = take_text(w, POLICY_NAME_MOST - 1);
}

static void take_rule(struct wire *w, struct policy_rule *r)
{
	r->key = take_text(w, POLICY_TEXT_MOST);
	r->origin = take_text(w, POLICY_TEXT_MOST);
	r->client = (enum policy_client)wire_most(w, 1, POLICY_CLIENT_NONE);
	r->upstream = (enum policy_upstream)wire_most(w, 1, POLICY_UPSTREAM_NONE);
	r->outbound = (enum policy_level)wire_most(w, 1, POLICY_LEVEL_MIRROR);
	r->inbound = (enum policy_level)wire_most(w, 1, POLICY_LEVEL_ENCRYPT);
	r->min_bits = (unsigned)wire_most(w, 4, UINT_MAX);
	take_names(w, r);
	r->certificate = take_optional(w);
	r->permanent = wire_flag(w);
	r->report = wire_flag(w);
	r->direction = (enum policy_direction)wire_most(w, 1, POLICY_INBOUND);
	r->expires = (int64_t)wire_most(w, 8, INT64_MAX);
	r->why = take_optional(w);
}

bool policy_rule_decode(struct span *rest, struct policy_rule *r, struct why *why)
{
	struct wire w = { .rest = *rest };
	struct why unused;

	*r = (struct policy_rule){ 0 };
	take_rule(&w, r);
	if (w.bad || !policy_rule_check(r, &unused)) {
		policy_rule_free(r);
		why_set(why, FAULT_PEER, "no rule in the first of %zu octets", rest->len);
		return false;
	}
	*rest = w.rest;
	return true;
}
