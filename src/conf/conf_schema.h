/* conf/conf_schema.h
 * The one table of settings (conf_settings.c). The loader, `check -T`, the JSON Schema and the reference manual
 * walk it; none of them knows a setting by name. A new setting is a member of a structure in conf.h
 * and a row here. */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

#include "conf/conf.h"

enum conf_type {
	CONF_TYPE_TEXT,     /* char *, NULL: not set */
	CONF_TYPE_LIST,     /* struct conf_strings */
	CONF_TYPE_BOOL,     /* bool */
	CONF_TYPE_SWITCH,   /* an enum: not set, on, off */
	CONF_TYPE_COUNT,    /* unsigned */
	CONF_TYPE_SIZE,     /* uint64_t, octets */
	CONF_TYPE_DURATION, /* msec */
	CONF_TYPE_DATE,     /* int64_t, seconds since 1970; 0: not set */
	CONF_TYPE_CHOICE,   /* an enum */
	CONF_TYPE_SECTION,  /* a structure inside this one */
	CONF_TYPE_SECTIONS, /* an array of structures, by name */
	CONF_TYPE_ROWS,     /* an array of structures in the file's order, each with `name` among its settings */
};

/* What a text, each item of a list, or the name of each of SECTIONS has to look like. */
enum conf_form {
	CONF_FORM_ANY,    /* not empty */
	CONF_FORM_NAME,   /* as a section is called: A-Z a-z 0-9 . _ - */
	CONF_FORM_DOMAIN, /* a host name */
	CONF_FORM_HOST,   /* a host name or address, with or without port */
	CONF_FORM_LISTEN, /* an address with port */
	CONF_FORM_SERVER, /* the same, of one server: no asterisk */
	CONF_FORM_SOCKET, /* the same, or the path of a UNIX socket */
	CONF_FORM_PATH,   /* of a file that another process opens: not relative */
	CONF_FORM_NET,    /* a network or an address */
	CONF_FORM_PLACE,  /* the same, or a host name */
	CONF_FORM_PATTERN, /* a host name, its first label may be an asterisk */
	CONF_FORM_PARTNER, /* a domain, a mail address or an asterisk; with asterisk or dot in front what is below, or it alone */
	CONF_FORM_MAILBOX, /* user@domain */
	CONF_FORM_HEX,    /* of a COUNT: hexadecimal */
};

struct conf_choice {
	const char *name;
	int value;
	bool unbuilt; /* named in the design; refused with these words */
};

struct conf_section;

struct conf_setting {
	const char *name;
	enum conf_type type;
	enum conf_form form;
	bool needed;         /* wherever it is there at all */
	const char *unless;  /* not `needed` where this other one is set; NULL: always */
	unsigned needed_for; /* not 0: for these values of what the section is `by`, as bits */
	size_t at;         /* offset in the structure of its section */
	size_t count_at;   /* SECTIONS, ROWS: of the number of elements, a size_t; SECTION: not 0: of the same, 1 where it is there */
	const char *preset; /* the default, as it would be written; NULL: not set */
	uint64_t least, most; /* COUNT, SIZE, DURATION (ms): what it may be; LIST, SECTIONS, ROWS: how many at most */
	unsigned only;     /* not 0: for these values of what the section is `by` alone, as bits */
	const struct conf_choice *choices; /* ends with a NULL name */
	const struct conf_section *section;
	const char *want;  /* TEXT, LIST, SECTIONS, ROWS: "an address such as ..." */
	const char *wants; /* LIST, ROWS: the plural */
	const char *like;  /* LIST: put behind `want` where an item is wrong: " such as ..." */
	const char *meaning; /* one or two sentences for the manual */
};

struct conf_section {
	const char *name;  /* "service" */
	size_t size;       /* of its structure; in SECTIONS and ROWS its first member is `char *name` */
	const struct conf_setting *settings;
	size_t count;
	const char *by;    /* the CHOICE that decides which settings there are; NULL: all */
};

extern const struct conf_section conf_schema; /* the top level: struct conf */
/* Parts of it with files of their own. */
extern const struct conf_section conf_partner_section, conf_list_section, conf_route_section;

#define CONF_NAME_MOST 63
#define CONF_NAME_PATTERN "^[A-Za-z0-9._-]{1,63}$"
#define CONF_PARTNER_PATTERN "^([*]|([^@ ]+@)?([^@ *]+|\\[[^\\]@ ]+\\])|[*][.][^@ *]+)$"
bool conf_schema_is_name(const char *text);

/* Whether the setting is there at all, as the rest of its structure is set. */
bool conf_schema_applies(const struct conf_section *section, const struct conf_setting *s,
			 const void *structure);
/* Whether it must be set then. */
bool conf_schema_needs(const struct conf_section *section, const struct conf_setting *s,
		       const void *structure);

const struct conf_setting *conf_schema_find(const struct conf_section *s, const char *name);
/* The plural name of the sections or rows that know this setting ("upstreams"); NULL: none does. */
const char *conf_schema_home(const char *setting);

/* What may be written: "an address or a list of addresses", "a time such as 30s, 5m, 2h or 1d". */
#define CONF_WANT_MOST 400
void conf_schema_want(const struct conf_setting *s, char want[CONF_WANT_MOST]);

/* The member itself. */
void *conf_schema_at(void *structure, const struct conf_setting *s);
const void *conf_schema_at_const(const void *structure, const struct conf_setting *s);

#endif
