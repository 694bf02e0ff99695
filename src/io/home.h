/* io/home.h
 * The addresses of this machine, as they were when they were asked for. */
#ifndef IO_HOME_H
#define IO_HOME_H

#include "io/addr.h"

#define HOME_MOST 128

struct home {
	unsigned count;
	struct addr at[HOME_MOST]; /* without port */
};

/* Asks the kernel; not possible in the sandbox. What can't be told is left out. */
void home_read(struct home *h);
/* Whether the address is one of them, loopback or unspecified, whatever its port. */
bool home_has(const struct home *h, const struct addr *a);

#endif
