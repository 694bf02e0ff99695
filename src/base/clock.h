/* base/clock.h
 * Milliseconds on the monotonic clock. Waits and limits are measured on it
 * alone, so that a jump of the wall clock ends no session (FAULTS 36). */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

typedef int64_t msec;

#define MSEC_NEVER INT64_MAX

msec clock_now(void);

#endif
