#include "ctl/ctl_version.h"

#include <stdio.h>
#include <sysexits.h>

int ctl_version(int argc, char **argv)
{
	(void)argv;
	if (argc != 1) {
		fputs("usage: sallyport version\n", stderr);
		return EX_USAGE;
	}
	puts("sallyport " SALLYPORT_VERSION);
	return EX_OK;
}
