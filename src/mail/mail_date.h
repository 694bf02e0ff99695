/* mail/mail_date.h
 * The date of a message's field (RFC 5322 section 3.3, the obsolete forms of section 4.3 too). Pure and total. */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include "base/span.h"

/* "Fri, 21 Nov 2025 20:13:19 +0100 (CET)" into seconds since 1970, UTC. The name of the day is not looked at; a zone that nobody
 * knows counts as UTC (section 4.3). What follows the zone is passed over. False where it is no date from 1970 on. */
MUST_CHECK bool mail_date_read(struct span text, int64_t *when);

#endif
