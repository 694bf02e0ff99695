/* mail/mail_date.h
 * Dates as they stand in a message (RFC 5322 section 3.3), in UTC. Pure. */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include "base/text.h"

/* "Thu, 1 Jan 1970 00:00:00 +0000"; `when`: seconds since 1970. */
void mail_date_put(struct text *t, int64_t when);

/* "Fri, 21 Nov 2025 20:13:19 +0100 (CET)", the obsolete forms of section 4.3 too. The name of the day is not looked at; a zone
 * that nobody knows counts as UTC. What follows the zone is passed over. False where it is no date from 1970 on. */
MUST_CHECK bool mail_date_read(struct span text, int64_t *when);

#endif
