/* For builds with -Dsandbox=false: see sandbox.h. */
#include "proc/sandbox.h"

/* LeakSanitizer traces the process at its end. */
void sandbox_hide(void)
{
}

bool sandbox_drop(struct why *why)
{
	(void)why;
	return true;
}

bool sandbox_edge(struct why *why)
{
	(void)why;
	return true;
}

bool sandbox_resolve(struct why *why)
{
	(void)why;
	return true;
}

bool sandbox_route(const char *folder, struct why *why)
{
	(void)folder;
	(void)why;
	return true;
}
