#include "policy/policy_sts.h"

#include "policy/policy_name.h"

#include <string.h>

#define ID_MOST 32
#define AGE_DIGITS_MOST 10

static bool id_ok(struct span id)
{
	if (id.len == 0 || id.len > ID_MOST)
		return false;
	for (size_t i = 0; i < id.len; i++) {
		if (!ascii_is_alnum(id.at[i]))
			return false;
	}
	return true;
}

static bool starts(struct span s, struct span with)
{
	return span_eq(span_first(s, with.len), with);
}

bool policy_sts_record(struct span txt, char id[33])
{
	id[0] = '\0';
	if (!starts(txt, SPAN("v=STSv1;")))
		return false;
	span_cut(&txt, ';');
	while (txt.len > 0) {
		struct span field = span_trim(span_cut(&txt, ';'));

		if (!starts(field, SPAN("id=")))
			continue;
		field = span_from(field, 3);
		if (!id_ok(field))
			return false;
		memcpy(id, field.at, field.len);
		id[field.len] = '\0';
		return true;
	}
	return false;
}

/* Which of the fields that may stand once have been read. */
struct reading {
	struct policy_sts *p;
	bool version, mode, max_age;
	struct why *why;
};

static bool bad(struct reading *r, const char *what)
{
	why_set(r->why, FAULT_PEER, "%s", what);
	return false;
}

static bool read_version(struct reading *r, struct span value)
{
	r->version = true;
	return span_eq(value, SPAN("STSv1")) || bad(r, "version is not STSv1");
}

static bool read_mode(struct reading *r, struct span value)
{
	r->mode = true;
	if (span_eq(value, SPAN("enforce")))
		r->p->mode = POLICY_STS_MODE_ENFORCE;
	else if (span_eq(value, SPAN("testing")))
		r->p->mode = POLICY_STS_MODE_TESTING;
	else if (span_eq(value, SPAN("none")))
		r->p->mode = POLICY_STS_MODE_NONE;
	else
		return bad(r, "mode is none of enforce, testing and none");
	return true;
}

/* A greater one than may be is cut, so that who wants his policy kept for long is not left without one. */
static bool read_max_age(struct reading *r, struct span value)
{
	uint64_t seconds;

	r->max_age = true;
	if (value.len > AGE_DIGITS_MOST || !span_number(value, UINT64_MAX, &seconds))
		return bad(r, "max_age is no number of seconds");
	r->p->max_age = (int64_t)(seconds < POLICY_STS_AGE_MOST ? seconds : POLICY_STS_AGE_MOST);
	return true;
}

static bool read_mx(struct reading *r, struct span value)
{
	char name[POLICY_NAME_MOST], *to;
	bool wild = starts(value, SPAN("*."));
	size_t len;

	if (r->p->mx_count == POLICY_STS_MX_MOST)
		return bad(r, "too many mx");
	if (!policy_name_fold(span_from(value, wild ? 2 : 0), name) || name[0] == '[')
		return bad(r, "an mx is no host name, with or without \"*.\" in front");
	len = strlen(name);
	to = r->p->mx[r->p->mx_count];
	if (len + (wild ? 2 : 0) >= sizeof(r->p->mx[0]))
		return bad(r, "an mx is too long");
	if (wild)
		memcpy(to, "*.", 2);
	memcpy(to + (wild ? 2 : 0), name, len + 1);
	r->p->mx_count++;
	return true;
}

static bool read_line(struct reading *r, struct span line)
{
	size_t colon = span_find(line, ':');
	struct span name = span_first(line, colon), value = span_trim(span_from(line, colon + 1));

	if (span_trim(line).len == 0)
		return true;
	if (colon == line.len)
		return bad(r, "a line is no field");
	if (span_eq(name, SPAN("mx")))
		return read_mx(r, value);
	if (span_eq(name, SPAN("version")))
		return r->version || read_version(r, value);
	if (span_eq(name, SPAN("mode")))
		return r->mode || read_mode(r, value);
	if (span_eq(name, SPAN("max_age")))
		return r->max_age || read_max_age(r, value);
	return true;
}

static bool whole(struct reading *r)
{
	if (!r->version)
		return bad(r, "there is no version");
	if (!r->mode)
		return bad(r, "there is no mode");
	if (!r->max_age)
		return bad(r, "there is no max_age");
	if (r->p->mx_count == 0 && r->p->mode != POLICY_STS_MODE_NONE)
		return bad(r, "there is no mx");
	return true;
}

bool policy_sts_read(struct span body, struct policy_sts *p, struct why *why)
{
	struct reading r = { .p = p, .why = why };

	*p = (struct policy_sts){ 0 };
	if (body.len > POLICY_STS_BODY_MOST)
		return bad(&r, "the policy is longer than 64 KiB");
	while (body.len > 0) {
		struct span line = span_cut(&body, '\n');

		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		if (!read_line(&r, line))
			return false;
	}
	return whole(&r);
}

bool policy_sts_matches(const char *pattern, const char *host)
{
	if (pattern[0] != '*')
		return strcmp(pattern, host) == 0;
	host = strchr(host, '.');
	return host != NULL && strcmp(pattern + 1, host) == 0;
}
