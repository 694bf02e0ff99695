/* proc/state_dir.h
 * The folder where `route` keeps what it remembers. */
#ifndef PROC_STATE_DIR_H
#define PROC_STATE_DIR_H

#include "base/why.h"

#include <sys/types.h>

/* Makes the folder (0750) where it is not there, not those above it, and gives it to the user that the children run as; `uid`
 * (uid_t)-1: to nobody else. One that is there and not empty keeps its owner: a slip of the pen ("/etc") must not give away what
 * belongs to others. False with `why`. */
MUST_CHECK bool state_dir_make(const char *path, uid_t uid, gid_t gid, struct why *why);

/* Whether that user can keep files there: folders above it that can't be passed, another owner. False with `why`, which says what
 * would be right. `name`: the user's. For the master, which is one thread. */
MUST_CHECK bool state_dir_usable(const char *path, const char *name, uid_t uid, gid_t gid, struct why *why);

#endif
