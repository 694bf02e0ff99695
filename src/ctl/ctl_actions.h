/* ctl/ctl_actions.h
 * sallyport actions -c FILE [--json]: each action with its method and every service that uses it, with that
 * service's TLS support (SPEC WG-3); then the built-in ones that the file does not name. What is wrong with the configuration goes to stderr, the table is
 * printed all the same. Returns the exit status: 0 fine, 64 wrong use, 66 the file can't be read, 78 there are
 * errors. */
#ifndef CTL_ACTIONS_H
#define CTL_ACTIONS_H

#include "base/buf.h"
#include "conf/conf.h"

int ctl_actions(int argc, char **argv);

/* The two forms that it prints. The JSON is malloc'ed. */
void ctl_actions_table(const struct conf *c, struct buf *out);
char *ctl_actions_json(const struct conf *c);

#endif
