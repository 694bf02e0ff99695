#include "ctl/tlsrpt_read.h"

#include <jansson.h>
#include <stdarg.h>
#include <string.h>

#define WORD_MOST 256 /* octets of a text that are printed */

/* The first that is wrong stops all. */
struct reading {
	struct buf *out;
	struct why *why;
	bool bad;
};

static void spoil(struct reading *r, const char *what, const char *key)
{
	if (!r->bad)
		why_set(r->why, FAULT_PEER, "%s %s", key, what);
	r->bad = true;
}

static void put(struct reading *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void put(struct reading *r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (!r->bad && !buf_vprintf(r->out, fmt, args))
		spoil(r, "is too long to be printed", "the report");
	va_end(args);
}

/* Neither a terminal nor a column can be broken by it. */
static void put_word(struct reading *r, const char *text, size_t len)
{
	size_t shown = len < WORD_MOST ? len : WORD_MOST;

	for (size_t i = 0; i < shown; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\\' || c < ' ' || c > '~')
			put(r, "\\x%02x", c);
		else
			put(r, "%c", c);
	}
	if (shown < len)
		put(r, "...");
}

static json_t *get(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

static void put_text(struct reading *r, json_t *object, const char *key)
{
	json_t *value = get(object, key);

	if (value == NULL)
		put(r, "-");
	else if (json_is_string(value))
		put_word(r, json_string_value(value), json_string_length(value));
	else
		spoil(r, "is no text", key);
}

static void put_number(struct reading *r, json_t *object, const char *key)
{
	json_t *value = get(object, key);

	if (value == NULL)
		put(r, "-");
	else if (json_is_integer(value) && json_integer_value(value) >= 0)
		put(r, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		spoil(r, "is no number from 0 on", key);
}

static json_t *get_object(struct reading *r, json_t *object, const char *key)
{
	json_t *value = get(object, key);

	if (value != NULL && !json_is_object(value))
		spoil(r, "is no object", key);
	return value;
}

static json_t *get_array(struct reading *r, json_t *object, const char *key)
{
	json_t *value = get(object, key);

	if (value != NULL && !json_is_array(value))
		spoil(r, "is no array", key);
	return value;
}

/* An array of texts; some send one text alone. */
static void put_texts(struct reading *r, json_t *object, const char *key)
{
	json_t *value = get(object, key);

	if (value == NULL)
		return;
	if (json_is_string(value)) {
		put(r, "  %s: ", key);
		put_text(r, object, key);
		put(r, "\n");
		return;
	}
	if (!json_is_array(value))
		spoil(r, "is no array", key);
	for (size_t i = 0; i < json_array_size(value) && !r->bad; i++) {
		json_t *one = json_array_get(value, i);

		put(r, "  %s: ", key);
		if (json_is_string(one))
			put_word(r, json_string_value(one), json_string_length(one));
		else
			spoil(r, "has something that is no text", key);
		put(r, "\n");
	}
}

static void put_field(struct reading *r, json_t *object, const char *key, const char *before, const char *after)
{
	if (get(object, key) == NULL)
		return;
	put(r, "%s", before);
	put_text(r, object, key);
	put(r, "%s", after);
}

static void put_failure(struct reading *r, json_t *one)
{
	if (!json_is_object(one)) {
		spoil(r, "has something that is no object", "failure-details");
		return;
	}
	put(r, "  failed ");
	put_number(r, one, "failed-session-count");
	put(r, ": ");
	put_text(r, one, "result-type");
	put_field(r, one, "receiving-mx-hostname", " at ", "");
	put_field(r, one, "receiving-ip", " [", "]");
	put_field(r, one, "receiving-mx-helo", " helo ", "");
	put_field(r, one, "sending-mta-ip", " from ", "");
	put_field(r, one, "failure-reason-code", " (", ")");
	put_field(r, one, "additional-information", " see ", "");
	put(r, "\n");
}

static void put_policy(struct reading *r, json_t *one)
{
	json_t *policy = get_object(r, one, "policy"), *summary = get_object(r, one, "summary");
	json_t *failures = get_array(r, one, "failure-details");

	if (!json_is_object(one))
		spoil(r, "has something that is no object", "policies");
	put(r, "policy ");
	put_text(r, policy, "policy-type");
	put(r, " of ");
	put_text(r, policy, "policy-domain");
	put(r, ": good ");
	put_number(r, summary, "total-successful-session-count");
	put(r, ", failed ");
	put_number(r, summary, "total-failure-session-count");
	put(r, "\n");
	put_texts(r, policy, "policy-string");
	put_texts(r, policy, "mx-host");
	for (size_t i = 0; i < json_array_size(failures) && !r->bad; i++)
		put_failure(r, json_array_get(failures, i));
}

static void put_report(struct reading *r, json_t *report)
{
	json_t *range = get_object(r, report, "date-range"), *policies = get_array(r, report, "policies");

	if (policies == NULL)
		spoil(r, "is missing", "policies");
	put(r, "report ");
	put_text(r, report, "report-id");
	put(r, "\nof ");
	put_text(r, report, "organization-name");
	put_field(r, report, "contact-info", " (", ")");
	put(r, "\nfrom ");
	put_text(r, range, "start-datetime");
	put(r, " to ");
	put_text(r, range, "end-datetime");
	put(r, "\n");
	for (size_t i = 0; i < json_array_size(policies) && !r->bad; i++)
		put_policy(r, json_array_get(policies, i));
}

/* More than there are: those in texts count too. */
static bool has_too_many_values(struct span json)
{
	size_t count = 0;

	for (size_t i = 0; i < json.len; i++)
		count += json.at[i] == ',' || json.at[i] == '[' || json.at[i] == '{';
	return count > TLSRPT_READ_VALUES;
}

/* What jansson finds wrong it quotes as it stands there. */
static void set_malformed(struct why *why, const json_error_t *error)
{
	why_set(why, FAULT_PEER, "line %d: %s", error->line, error->text);
	for (char *at = why->text; *at != '\0'; at++) {
		if (*at < ' ' || *at > '~')
			*at = '?';
	}
}

bool tlsrpt_read_table(struct span json, struct buf *out, struct why *why)
{
	struct reading r = { .out = out, .why = why };
	json_error_t error;
	json_t *report;

	if (json.len > TLSRPT_READ_MOST || has_too_many_values(json)) {
		why_set(why, FAULT_PEER, "it is longer than a report may be");
		return false;
	}
	report = json_loadb(json.at, json.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (report == NULL) {
		set_malformed(why, &error);
		return false;
	}
	if (json_is_object(report))
		put_report(&r, report);
	else
		spoil(&r, "is no object", "the report");
	json_decref(report);
	return !r.bad;
}
