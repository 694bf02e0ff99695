#include "conf/conf_value.h"

#include "base/must.h"
#include "conf/conf_addr.h"
#include "conf/conf_date.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first. */
static const struct unit times[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }, { 0 },
};
static const struct unit sizes[] = {
	{ "G", 1 << 30 }, { "M", 1 << 20 }, { "k", 1 << 10 }, { "", 1 }, { 0 },
};

/* A value of any length, cut so that a message stays readable. */
#define SHOWN(text) strlen(text) > 60 ? 57 : 60, text, strlen(text) > 60 ? "..." : ""

static bool refuse(const struct conf_setting *s, const char *text, const char *cause,
		   struct why *why)
{
	char want[CONF_WANT_MOST];

	conf_schema_want(s, want);
	if (s->type == CONF_TYPE_LIST)
		snprintf(want, sizeof(want), "%s%s", s->want, s->like != NULL ? s->like : "");
	if (cause != NULL)
		why_set(why, FAULT_POLICY, "is \"%.*s%s\" (%s); it wants %s", SHOWN(text), cause,
			want);
	else
		why_set(why, FAULT_POLICY, "is \"%.*s%s\"; it %s %s", SHOWN(text),
			s->type == CONF_TYPE_CHOICE ? "can be" : "wants", want);
	return false;
}

/* "5m" is 5 times the factor of "m". False where the unit is none of these, or the product above `most`. */
static bool read_units(const char *text, const struct unit *units, uint64_t most, uint64_t *out)
{
	struct span s = span_str(text);
	struct span unit;
	size_t digits = 0;

	while (digits < s.len && ascii_is_digit(s.at[digits]))
		digits++;
	unit = span_from(s, digits);
	for (const struct unit *u = units; u->name != NULL; u++) {
		struct span name = span_str(u->name);
		/* 50K is as good as 50k, but 5M is not 5 minutes. */
		bool same = units == sizes ? span_eq_nocase(unit, name) : span_eq(unit, name);

		if (!same)
			continue;
		if (!span_number(span_first(s, digits), most / u->factor, out))
			return false;
		*out *= u->factor;
		return true;
	}
	return false;
}

/* "0x5a11" */
static bool read_hex(const char *text, uint64_t most, uint64_t *out)
{
	size_t len = strlen(text);

	if (len < 3 || len > 18 || text[0] != '0' || ascii_lower(text[1]) != 'x')
		return false;
	*out = 0;
	for (size_t i = 2; i < len; i++) {
		char c = ascii_lower(text[i]);

		if (!ascii_is_digit(c) && (c < 'a' || c > 'f'))
			return false;
		*out = *out << 4 | (uint64_t)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
	}
	return *out <= most;
}

static bool read_number(const struct conf_setting *s, const char *text, uint64_t *n)
{
	bool good;

	if (s->type == CONF_TYPE_DURATION)
		good = read_units(text, times, s->most, n) ||
		       (strcmp(text, "0") == 0 && (*n = 0, true));
	else if (s->type == CONF_TYPE_SIZE)
		good = read_units(text, sizes, s->most, n);
	else
		good = span_number(span_str(text), s->most, n) ||
		       (s->form == CONF_FORM_HEX && read_hex(text, s->most, n));
	return good && *n >= s->least;
}

static bool read_bool(const char *text, bool *on)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (span_eq_nocase(span_str(text), span_str(words[i]))) {
			*on = i % 2 == 1;
			return true;
		}
	}
	return false;
}

static bool set_choice(const struct conf_setting *s, const char *text, void *member,
		       struct why *why)
{
	char want[CONF_WANT_MOST];

	for (const struct conf_choice *c = s->choices; c->name != NULL; c++) {
		if (strcmp(c->name, text) != 0)
			continue;
		if (c->unbuilt) {
			conf_schema_want(s, want);
			why_set(why, FAULT_POLICY, "%s is not built yet; it can be %s", text, want);
			return false;
		}
		memcpy(member, &c->value, sizeof(c->value));
		return true;
	}
	return refuse(s, text, NULL, why);
}

static bool set_bool(const struct conf_setting *s, const char *text, void *member, struct why *why)
{
	bool on;
	int value;

	if (!read_bool(text, &on))
		return refuse(s, text, NULL, why);
	value = on ? CONF_SWITCH_ON : CONF_SWITCH_OFF;
	if (s->type == CONF_TYPE_BOOL)
		memcpy(member, &on, sizeof(on));
	else
		memcpy(member, &value, sizeof(value));
	return true;
}

static bool set_number(const struct conf_setting *s, const char *text, void *member,
		       struct why *why)
{
	uint64_t n;
	unsigned count;
	msec time;

	if (!read_number(s, text, &n))
		return refuse(s, text, NULL, why);
	count = (unsigned)n;
	time = (msec)n;
	if (s->type == CONF_TYPE_COUNT)
		memcpy(member, &count, sizeof(count));
	else if (s->type == CONF_TYPE_DURATION)
		memcpy(member, &time, sizeof(time));
	else
		memcpy(member, &n, sizeof(n));
	return true;
}

bool conf_value_form(const struct conf_setting *s, const char *text, struct why *why)
{
	struct conf_addr a;
	struct conf_net net;
	struct why cause;
	bool good = true;

	why_set(&cause, FAULT_POLICY, "it has other characters than letters, digits, dot, hyphen "
		"and underscore, or more than 63");
	if (text[0] == '\0') {
		why_set(&cause, FAULT_POLICY, "it is empty");
		good = false;
	} else if (s->form == CONF_FORM_NAME) {
		good = conf_schema_is_name(text);
	} else if (s->form == CONF_FORM_DOMAIN) {
		good = conf_addr_name(span_str(text), &cause);
	} else if (s->form == CONF_FORM_HOST) {
		good = conf_addr_host(span_str(text), &cause);
	} else if (s->form == CONF_FORM_LISTEN) {
		good = conf_addr_listen(span_str(text), &a, &cause);
	} else if (s->form == CONF_FORM_SERVER) {
		good = conf_addr_server(span_str(text), &cause);
	} else if (s->form == CONF_FORM_SOCKET) {
		good = text[0] == '/' || conf_addr_server(span_str(text), &cause);
	} else if (s->form == CONF_FORM_PATH) {
		why_set(&cause, FAULT_POLICY, "it does not begin with a slash");
		good = text[0] == '/';
	} else if (s->form == CONF_FORM_MAILBOX) {
		good = conf_addr_mailbox(span_str(text), &cause);
	} else if (s->form == CONF_FORM_NET) {
		good = conf_addr_net(span_str(text), &net, &cause);
	} else if (s->form == CONF_FORM_PLACE) {
		good = conf_addr_place(span_str(text), &cause);
	} else if (s->form == CONF_FORM_PATTERN) {
		good = conf_addr_pattern(span_str(text), &cause);
	}
	return good || refuse(s, text, cause.text, why);
}

static bool set_text(const struct conf_setting *s, const char *text, void *member, struct why *why)
{
	char **own = member;

	if (!conf_value_form(s, text, why))
		return false;
	free(*own);
	*own = mem_text(text);
	return true;
}

static bool set_date(const struct conf_setting *s, const char *text, void *member, struct why *why)
{
	struct why cause;
	int64_t at;

	if (!conf_date_read(span_str(text), &at, &cause))
		return refuse(s, text, cause.text, why);
	memcpy(member, &at, sizeof(at));
	return true;
}

bool conf_value_read(const struct conf_setting *s, const char *text, void *member, struct why *why)
{
	switch (s->type) {
	case CONF_TYPE_TEXT:
		return set_text(s, text, member, why);
	case CONF_TYPE_BOOL:
	case CONF_TYPE_SWITCH:
		return set_bool(s, text, member, why);
	case CONF_TYPE_DATE:
		return set_date(s, text, member, why);
	case CONF_TYPE_CHOICE:
		return set_choice(s, text, member, why);
	default:
		must(s->type == CONF_TYPE_COUNT || s->type == CONF_TYPE_SIZE ||
		     s->type == CONF_TYPE_DURATION);
		return set_number(s, text, member, why);
	}
}

void conf_value_print_number(const struct conf_setting *s, uint64_t n, char text[CONF_VALUE_MOST])
{
	const struct unit *u = s->type == CONF_TYPE_DURATION ? times : sizes;

	if (s->type == CONF_TYPE_COUNT) {
		snprintf(text, CONF_VALUE_MOST, s->form == CONF_FORM_HEX ? "0x%" PRIx64 : "%" PRIu64, n);
		return;
	}
	if (n == 0) {
		snprintf(text, CONF_VALUE_MOST, s->type == CONF_TYPE_DURATION ? "0s" : "0");
		return;
	}
	while (n % u->factor != 0)
		u++;
	snprintf(text, CONF_VALUE_MOST, "%" PRIu64 "%s", n / u->factor, u->name);
}

static const char *print_choice(const struct conf_setting *s, const void *member)
{
	int value;

	memcpy(&value, member, sizeof(value));
	for (const struct conf_choice *c = s->choices; c->name != NULL; c++) {
		if (!c->unbuilt && c->value == value)
			return c->name;
	}
	return NULL;
}

static const char *print_bool(const struct conf_setting *s, const void *member)
{
	int value;

	if (s->type == CONF_TYPE_BOOL)
		return *(const bool *)member ? "yes" : "no";
	memcpy(&value, member, sizeof(value));
	return value == CONF_SWITCH_ON ? "yes" : value == CONF_SWITCH_OFF ? "no" : NULL;
}

const char *conf_value_print(const struct conf_setting *s, const void *member,
			     char text[CONF_VALUE_MOST])
{
	switch (s->type) {
	case CONF_TYPE_TEXT:
		return *(char *const *)member;
	case CONF_TYPE_BOOL:
	case CONF_TYPE_SWITCH:
		return print_bool(s, member);
	case CONF_TYPE_DATE:
		if (*(const int64_t *)member == 0)
			return NULL;
		conf_date_print(*(const int64_t *)member, text);
		return text;
	case CONF_TYPE_CHOICE:
		return print_choice(s, member);
	case CONF_TYPE_COUNT:
		conf_value_print_number(s, *(const unsigned *)member, text);
		return text;
	case CONF_TYPE_DURATION:
		conf_value_print_number(s, (uint64_t)*(const msec *)member, text);
		return text;
	default:
		must(s->type == CONF_TYPE_SIZE);
		conf_value_print_number(s, *(const uint64_t *)member, text);
		return text;
	}
}

void conf_value_preset(const struct conf_section *section, void *structure)
{
	struct why why;

	for (size_t i = 0; i < section->count; i++) {
		const struct conf_setting *s = &section->settings[i];

		if (s->preset != NULL)
			must(conf_value_read(s, s->preset, conf_schema_at(structure, s), &why));
	}
}
