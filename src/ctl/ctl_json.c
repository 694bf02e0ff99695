#include "ctl/ctl_json.h"

#include "base/must.h"
#include "conf/conf_date.h"

#include <stdio.h>

json_t *ctl_json_made(json_t *j)
{
	must(j != NULL);
	return j;
}

void ctl_json_add(json_t *array, json_t *item_taken)
{
	must(json_array_append_new(array, ctl_json_made(item_taken)) == 0);
}

void ctl_json_set(json_t *object, const char *key, json_t *item_taken)
{
	must(json_object_set_new(object, key, ctl_json_made(item_taken)) == 0);
}

json_t *ctl_json_text(const char *text)
{
	return ctl_json_made(text != NULL && text[0] != '\0' ? json_string(text) : json_null());
}

json_t *ctl_json_time(int64_t seconds)
{
	char text[CONF_DATE_MOST];

	conf_date_print(seconds, text);
	return ctl_json_text(text);
}

bool ctl_json_print(json_t *j)
{
	must(json_dumpf(j, stdout, JSON_INDENT(2)) == 0 || ferror(stdout) != 0);
	putchar('\n');
	json_decref(j);
	return fflush(stdout) == 0;
}
