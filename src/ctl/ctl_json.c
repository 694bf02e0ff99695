#include "ctl/ctl_json.h"

#include "base/must.h"

#include <stdio.h>
#include <time.h>

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

const char *ctl_json_date(int64_t seconds, char text[CTL_JSON_DATE_MOST])
{
	time_t at = (time_t)seconds;
	struct tm tm;

	if (gmtime_r(&at, &tm) == NULL || strftime(text, CTL_JSON_DATE_MOST, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		text[0] = '\0';
	return text;
}

json_t *ctl_json_time(int64_t seconds)
{
	char text[CTL_JSON_DATE_MOST];

	return ctl_json_text(seconds != 0 ? ctl_json_date(seconds, text) : "");
}

bool ctl_json_print(json_t *j)
{
	must(json_dumpf(j, stdout, JSON_INDENT(2)) == 0 || ferror(stdout) != 0);
	putchar('\n');
	json_decref(j);
	return fflush(stdout) == 0;
}
