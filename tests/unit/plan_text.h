/* A plan from text, for tests that need no certificate but an authority's: a.pem, a.key and u.pem, u.key are
 * two of those, made while the test runs; gw.pem and gw.key is one that is served. */
#ifndef PLAN_TEXT_H
#define PLAN_TEXT_H

#include "plan/plan.h"

/* NULL where the report, which is given back, has errors. */
struct plan *plan_text(const char *text, struct conf_report *report);
/* The same with a file of partners that is called "list". */
struct plan *plan_text_with(const char *text, const char *list, struct conf_report *report);
/* Fails the test where there are any. */
struct plan *plan_text_good(const char *row, const char *text);

#endif
