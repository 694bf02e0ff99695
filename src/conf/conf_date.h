/* conf/conf_date.h
 * A day ("2026-12-20": to its last second, UTC) or a moment of RFC 3339 ("2026-12-20T18:00:00+01:00"; a fraction of a
 * second is none of ours). Seconds since 1970, never 0. Pure. */
#ifndef CONF_DATE_H
#define CONF_DATE_H

#include "base/why.h"

#define CONF_DATE_MOST 24 /* with NUL */

/* False with `why`: a few words ("there is no such day"). */
MUST_CHECK bool conf_date_read(struct span text, int64_t *at, struct why *why);
/* As it is read again: the day alone where it is its last second. Years 1970 to 9999 (must). */
void conf_date_print(int64_t at, char text[CONF_DATE_MOST]);

#endif
