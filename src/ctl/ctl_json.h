/* ctl/ctl_json.h
 * What the commands with --json share. Memory or the end of the process. */
#ifndef CTL_JSON_H
#define CTL_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Takes `j`, and ends the process where there is none. */
json_t *ctl_json_made(json_t *j);
void ctl_json_add(json_t *array, json_t *item_taken);
void ctl_json_set(json_t *object, const char *key, json_t *item_taken);
/* null where the text is NULL or empty. */
json_t *ctl_json_text(const char *text);
#define CTL_JSON_DATE_MOST 32
/* RFC 3339, UTC; "" where there is no such year. Returns `text`. */
const char *ctl_json_date(int64_t seconds, char text[CTL_JSON_DATE_MOST]);
/* The same; null for 0. */
json_t *ctl_json_time(int64_t seconds);

/* To stdout, with a newline. Takes `j`. False where it can't be written. */
bool ctl_json_print(json_t *j);

#endif
