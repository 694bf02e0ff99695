/* conf/conf_value.h
 * Single values: from the text of the file into a member of a structure, and back. Pure. */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include "conf/conf_schema.h"

#define CONF_VALUE_MOST 32 /* of a printed number, NUL included */

/* For TEXT, BOOL, SWITCH, COUNT, SIZE, DURATION and CHOICE. On success writes the member; a TEXT
 * that was there is freed and a copy of the new one put. False with `why`: what is wrong and what
 * would be right, to follow the setting's name ("is \"12\"; it wants a time ..."). */
MUST_CHECK bool conf_value_read(const struct conf_setting *s, const char *text, void *member,
				struct why *why);

/* One item of a LIST, a TEXT, or the name of one of SECTIONS: whether it has the form it should. `why` as above. */
MUST_CHECK bool conf_value_form(const struct conf_setting *s, const char *text, struct why *why);

/* "500ms", "5m", "100M", "12", "0xc": the largest unit that leaves no rest. */
void conf_value_print_number(const struct conf_setting *s, uint64_t n, char text[CONF_VALUE_MOST]);

/* The member as it would be written; NULL where it is not set. The same types. What is not the
 * member's own text is put into `text`. */
const char *conf_value_print(const struct conf_setting *s, const void *member,
			     char text[CONF_VALUE_MOST]);

/* Puts the defaults of a section into its zeroed structure. */
void conf_value_preset(const struct conf_section *section, void *structure);

#endif
