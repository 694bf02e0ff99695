/* conf/conf_check.h
 * What no single value shows: whether references lead somewhere, whether settings
 * contradict each other, whether two services want the same address. */
#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include "conf/conf.h"

/* `marks` are sorted. Also makes the upstreams of short forms and decides what an unset client_tls
 * means, and adds built-in actions; there must be room for one more upstream per service, and for
 * CONF_BUILTIN_ACTIONS more actions. */
void conf_check(struct conf *c, struct conf_report *report);

#endif
